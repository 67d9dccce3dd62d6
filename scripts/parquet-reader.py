"""What an independent reader finds in an export: see scripts/parquet-reader."""

import json
import sys

import duckdb


def as_text(name, kind):
    """A column for comparing: moments to the microsecond, everything else as DuckDB writes it."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(\"{name}\", '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f'"{name}"::VARCHAR'


def ask(query):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    described = connection.execute(f"DESCRIBE {query}").fetchall()
    columns = [{"name": name, "type": kind} for name, kind, *_ in described]
    values = ", ".join(as_text(column["name"], column["type"]) for column in columns)
    rows = connection.execute(f"SELECT {values} FROM ({query})").fetchall()
    return {"columns": columns, "rows": rows}


def lines(file):
    """JSON Lines by Python's own reader, which keeps the order of keys."""
    with open(file, encoding="utf-8", newline="\n") as text:
        objects = [json.loads(line) for line in text]
    columns = [{"name": name, "type": "JSON"} for name in (objects[0] if objects else [])]
    return {"columns": columns, "rows": [list(object.values()) for object in objects]}


def read(file):
    if file.endswith(".jsonl"):
        return lines(file)
    if file.endswith(".csv"):
        return ask(f"SELECT * FROM read_csv('{file}', header = true, all_varchar = true)")
    return ask(f"SELECT * FROM read_parquet('{file}')")


answer = ask(sys.argv[2]) if sys.argv[1] == "--sql" else read(sys.argv[1])
json.dump(answer, sys.stdout)
