"""Writes the blocking client out of the one that does not block: ``python generate_sync.py``; ``--check`` only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "src" / "whence"
WORDS = [
    (r"from typing import Any, TypeVar\n\nimport anyio\n", "import time\nfrom typing import Any, TypeVar\n\n"),
    (r"anyio\.sleep", "time.sleep"),
    (r"async def ", "def "),
    (r"await ", ""),
    (r"AsyncTransport", "Transport"),
    (r"AsyncWhenceClient", "WhenceClient"),
    (r"httpx\.AsyncBaseTransport", "httpx.BaseTransport"),
    (r"httpx\.AsyncClient", "httpx.Client"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"aclose", "close"),
    (r"The client that does not block\. The blocking one is made of this file by",
     "The client that blocks, made of the one that does not by"),
    (r"a client that does not block\. The blocking one is made of this file by",
     "a client that blocks, made of the one that does not by"),
    (r"The blocking ones are made of this file by", "They block, and are made of those that do not by"),
]


def blocking(text: str) -> str:
    """Returns the blocking form of a module."""
    for pattern, by in WORDS:
        text = re.sub(pattern, by, text)
    return text


def main() -> int:
    """Writes or compares each module, and returns the exit status."""
    stale = []
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        target = PACKAGE / "_sync" / source.name
        text = blocking(source.read_text())
        if "--check" not in sys.argv:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            stale.append(target.name)
    if stale:
        print(f"not as generated: {', '.join(stale)}; run generate_sync.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
