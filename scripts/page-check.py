"""What is in a page, by Python's own parser: whether it is well-formed, what it would load, and the exact
numbers of its tables. Prints JSON."""

import json
import re
import sys
import xml.etree.ElementTree as tree

HTML = "{http://www.w3.org/1999/xhtml}"
LOADING = ("src", "href", "srcset", "poster", "data", "action", "background", "{http://www.w3.org/1999/xlink}href")

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
# Raises where a tag is not closed or an attribute not quoted.
page = tree.fromstring(text)


def name(element):
    return element.tag.split("}")[-1]


elements = list(page.iter())
loads = [element.attrib[key] for element in elements for key in LOADING if key in element.attrib]
loads += re.findall(r"url\(([^)]*)\)", text) + re.findall(r"@import[^;]*", text)
ids = [element.attrib["id"] for element in elements if "id" in element.attrib]


def cell(element):
    data = element.find("data")
    return data.attrib["value"] if data is not None else "".join(element.itertext()).strip()


def table(element):
    figure = next(parent for parent in elements if name(parent) == "figure" and element in list(parent.iter()))
    drawings = [child for child in figure.iter() if name(child) == "svg"]
    return {
        "view": element.attrib["data-view"],
        "caption": "".join(element.find("caption").itertext()),
        "columns": ["".join(heading.itertext()) for heading in element.iter("th")],
        "rows": [[cell(one) for one in row.iter("td")] for row in element.iter("tr") if row.find("td") is not None],
        "drawings": [
            {
                "role": drawing.attrib.get("role"),
                "title": "".join(next(c for c in drawing if name(c) == "title").itertext()),
                "description": "".join(next(c for c in drawing if name(c) == "desc").itertext()),
                "labelled_by": drawing.attrib.get("aria-labelledby", "").split(),
            }
            for drawing in drawings
        ],
    }


json.dump(
    {
        "loads": loads,
        "ids": ids,
        "elements": sorted({name(element) for element in elements}),
        "tables": [table(element) for element in elements if name(element) == "table"],
    },
    sys.stdout,
)
