#!/usr/bin/env python3
"""Writes the table of all settings, as a program describes it, into docs/configuration.md and into the
man page of the configuration file.

Usage: settings_reference.py markdown PROGRAM DOCUMENT          rewrites the tables in DOCUMENT
       settings_reference.py markdown PROGRAM DOCUMENT --check  fails if that would change it
       settings_reference.py man PROGRAM OUT PAGE               replaces the line @SETTINGS@ of PAGE

A table in DOCUMENT stands between the lines

    <!-- settings: PATTERN... -->
    <!-- end of settings -->

and has the settings whose key in the file is like one of the patterns; those that are flags only
have the key "--". Each setting must be in one table.
"""

import difflib
import fnmatch
import re
import sys
from pathlib import Path

from described import Described, roff, scdoc, sentence

BEGIN = re.compile(r"<!-- settings: (.*) -->")
END = "<!-- end of settings -->"


def code(text: str) -> str:
    return f"`{text}`" if text else "none"


def row(setting: dict) -> str:
    if not setting["key"]:
        return f"| `--{setting['name']}` | {setting['help']} |"
    return (f"| {code(setting['key'])} | {setting['help']} | {code(setting['default'])} "
            f"| {setting['range']} | `--{setting['name']}` | {code(setting['environment'][0])} |")


def table(settings: list[dict]) -> list[str]:
    if not settings[0]["key"]:
        head = ["| flag | meaning |", "|---|---|"]
    else:
        head = ["| key | meaning | default | range | flag | environment |", "|---|---|---|---|---|---|"]
    return head + [row(setting) for setting in settings]


def markdown(settings: list[dict], document: Path) -> str:
    left = {setting["name"]: setting for setting in settings}
    lines: list[str] = []
    is_inside = False
    for number, line in enumerate(document.read_text().splitlines(), start=1):
        if begin := BEGIN.fullmatch(line):
            patterns = begin[1].split()
            taken = [setting for setting in left.values()
                     if any(fnmatch.fnmatchcase(setting["key"] or "--", p) for p in patterns)]
            if is_inside or not taken:
                raise SystemExit(f"{document}:{number}: there is no setting for this table")
            for setting in taken:
                del left[setting["name"]]
            lines += [line, *table(taken), END]
            is_inside = True
        elif line == END:
            is_inside = False
        elif not is_inside:
            lines.append(line)
    if left or is_inside:
        raise SystemExit(f"{document}: in no table are the settings "
                         f"{', '.join(setting['key'] or name for name, setting in left.items())}: "
                         "add the key to the patterns of one")
    return "\n".join(lines) + "\n"


def man_setting(setting: dict) -> str:
    key = setting["key"].rpartition(".")[2]
    facts = [f"Default: {scdoc(setting['default'])}." if setting["default"] else "No default."]
    if setting["range"]:
        facts.append(f"Range: {scdoc(setting['range'])}.")
    facts.append(f"Flag: *--{setting['name']}*.")
    facts.append(f"Environment: {scdoc(' or '.join(setting['environment']))}.")
    return f"*{key}* = {scdoc(setting['value'] or 'true or false')}\n" \
           f"\t{scdoc(sentence(setting['help']))} {' '.join(facts)}\n"


def man(settings: list[dict], page: Path) -> str:
    """By the tables of TOML, the keys at the top first."""
    tables: dict[str, list[dict]] = {"": []}
    for setting in settings:
        if setting["key"]:
            tables.setdefault(setting["key"].rpartition(".")[0], []).append(setting)
    parts = []
    for name, settings_of_it in tables.items():
        parts.append(f"## {f'[{name}]' if name else 'At the top of the file'}\n")
        parts += [man_setting(setting) for setting in settings_of_it]
    return roff(page.read_text().replace("@SETTINGS@\n", "\n".join(parts)))


def main() -> int:
    form, program, out, *more = sys.argv[1:]
    settings = Described(Path(program)).settings
    if form == "man":
        Path(out).write_text(man(settings, Path(more[0])))
        return 0
    document = Path(out)
    text = markdown(settings, document)
    if "--check" not in more:
        if document.read_text() != text:
            document.write_text(text)
        return 0
    changed = list(difflib.unified_diff(document.read_text().splitlines(), text.splitlines(),
                                        "as it is", "as the code has it", lineterm="", n=0))
    if changed:
        print("\n".join(changed))
        print(f"{document} differs from the code: ./dev docs corrects it")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
