"""The code blocks of a document that have a name: ```sh NAME. Tests run them as they stand there.

    for command in commands_of("docs/operations.md", "backup"):
"""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent


def block(document, name, language="sh"):
    """What stands in it, as it is."""
    text = (SOURCE / document).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language} {re.escape(name)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"{document} has {len(found)} blocks {language} {name}")
    return found[0]


def commands_of(document, name):
    """Its lines, of which those that end with a backslash are one with the next."""
    return block(document, name).replace("\\\n", " ").splitlines()
