#!/usr/bin/env python3
"""Checks that each test which docs/upstream-defects.md names exists: upstream_defects_test.py [ROOT].

A test is named `Suite.Test`: one of GoogleTest, or a method of a class in a Python test.
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAME = re.compile(r"`([A-Z]\w+\.\w+)`")
GOOGLE_TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)
PYTHON_CLASS = re.compile(r"^class (\w+)|^    def (test_\w+)", re.MULTILINE)


def rows(text):
    """The cells of each row of the document's tables."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| there")]


def tests(root):
    found = set()
    for path in (root / "tests").rglob("*_test.cc"):
        found |= {f"{suite}.{name}" for suite, name in GOOGLE_TEST.findall(path.read_text(encoding="utf-8"))}
    for path in (root / "tests").rglob("*_test.py"):
        suite = None
        for begun, name in PYTHON_CLASS.findall(path.read_text(encoding="utf-8")):
            suite = begun or suite
            if name:
                found.add(f"{suite}.{name}")
    return found


def failures(document, known):
    wrong = []
    for row in rows(document):
        if len(row) != 4 or not all(row):
            wrong.append(f"not four filled cells: {row}")
            continue
        named = NAME.findall(row[3])
        if not named:
            wrong.append(f"no test is named for \"{row[0]}\"")
        wrong += [f"there is no test {name}" for name in named if name not in known]
        if not re.search(r"#\d|§\d", row[1]):
            wrong.append(f"it is not said where \"{row[0]}\" is known from")
    return wrong


class UpstreamDefects(unittest.TestCase):
    root = ROOT

    def test_each_row_names_tests_that_exist(self):
        document = (self.root / "docs/upstream-defects.md").read_text(encoding="utf-8")
        self.assertGreater(len(rows(document)), 40)
        self.assertEqual([], failures(document, tests(self.root)))

    def test_the_check_finds_what_is_wrong(self):
        known = {"Suite.Test"}
        self.assertEqual([], failures("| a | #1 | b | `Suite.Test` |", known))
        self.assertIn("there is no test Suite.Other", failures("| a | #1 | b | `Suite.Other` |", known))
        self.assertIn('no test is named for "a"', failures("| a | §2.4 | b | c |", known))
        self.assertIn('it is not said where "a" is known from', failures("| a | b | c | `Suite.Test` |", known))
        self.assertEqual(1, len(failures("| a | #1 | `Suite.Test` |", known)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        UpstreamDefects.root = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
