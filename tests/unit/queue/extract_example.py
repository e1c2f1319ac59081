#!/usr/bin/env python3
"""Takes the example out of a header's opening comment: extract_example.py HEADER OUTPUT.

The example is what is indented by two spaces more than the comment's text, from the line that ends
with "compiles and runs:" to the end of the comment.
"""

import sys
from pathlib import Path

BEGIN = "compiles and runs:"
INDENT = "//   "


def example(header):
    lines = iter(header.splitlines())
    for line in lines:
        if line.endswith(BEGIN):
            break
    code = []
    for line in lines:
        if not line.startswith("//"):
            break
        code.append(line.removeprefix(INDENT) if line.startswith(INDENT) else "")
    if not any(code):
        sys.exit(f"there is no example behind '{BEGIN}'")
    return "\n".join(code) + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(example(Path(sys.argv[1]).read_text(encoding="utf-8")),
                                 encoding="utf-8")
