#!/usr/bin/env python3
"""README.md and docs/*.md are true as far as that can be read from them: documents_test.py [ROOT].

A link leads to a file, and its anchor to a heading of it. Commands stand in blocks with a name (```sh NAME), and a test runs
each: a program below tests/ that names both the page and the block. Of those that are all ./dev, it is only looked whether dev
has the commands. Before the tree itself is checked, the rules are tried on small trees.
"""

import re
import sys
import tempfile
import unittest
from pathlib import Path

FENCE = re.compile(r"^( *)```(\S*) ?(.*)$")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")
COMMAND = re.compile(r"(sudo |runuser |\./|queuectl |sluice-|systemctl |journalctl |tctl |tbot |curl |apt-get |docker |kubectl |helm |"
                     r"cmake |ninja |fluentd |install |mkdir |mv |rm |cp )")
# (page, first line): why it is no block with a name though it looks like commands.
NO_COMMANDS = {
    ("docs/configure.md", "sluice-shipper configure OUT [ADDR] [options]"): "a synopsis; configure_test.py tries the options",
}
# (page, name): why no test runs it.
NOT_RUN = {
    ("docs/containers.md", "cluster"): "needs a Kubernetes cluster; container_test.py lints and renders the same chart",
}


class Page:
    """A document: `headings` as anchors, `links` and `blocks`, each with its line."""

    def __init__(self, text):
        self.anchors = set()
        self.links = []  # (line, target)
        self.blocks = []  # (line, language, name, lines)
        block = None
        for number, line in enumerate(text.splitlines(), 1):
            fence = FENCE.match(line)
            if block is not None:
                if fence and not fence[2]:
                    block = None
                else:
                    block[3].append(line)
            elif fence:
                block = (number, fence[2], fence[3].strip(), [])
                self.blocks.append(block)
            else:
                self._take(number, line)

    def _take(self, number, line):
        heading = HEADING.match(line)
        if heading:
            anchor = plain = anchor_of(heading[1])
            again = 0
            while anchor in self.anchors:
                again += 1
                anchor = f"{plain}-{again}"
            self.anchors.add(anchor)
        self.links += [(number, target) for target in LINK.findall(re.sub(r"`[^`]*`", "`", line))]


def anchor_of(heading):
    """As GitHub makes it: letters, digits, _ and - are kept, spaces become -."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def pages_of(root):
    return {path.relative_to(root).as_posix(): Page(path.read_text(encoding="utf-8"))
            for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]}


def broken_links(root, pages):
    wrong = []
    for name, page in pages.items():
        for line, target in page.links:
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (root / name).parent / path if path else root / name
            if not file.exists():
                wrong.append(f"{name}:{line}: {target}: there is no such file")
            elif anchor and anchor not in Page(file.read_text(encoding="utf-8")).anchors:
                wrong.append(f"{name}:{line}: {target}: it has no such heading")
    return wrong


def tests_of(root):
    """What stands in each program that could run a block."""
    return [path.read_text(encoding="utf-8") for path in (root / "tests").rglob("*.py") if path.name != Path(__file__).name]


def wrong_blocks(root, pages):
    wrong = []
    tests = tests_of(root)
    for name, page in pages.items():
        seen = set()
        for line, language, block, lines in page.blocks:
            where = f"{name}:{line}: "
            if language == "sh":
                if not block:
                    wrong.append(where + "commands without a name: ```sh NAME, and a test that runs them")
                elif block in seen:
                    wrong.append(where + f"there are two blocks {block}")
                elif (name, block) not in NOT_RUN and not all(one.startswith("./dev ") for one in lines) and \
                        not any(f'"{block}"' in test and name in test for test in tests):
                    wrong.append(where + f"no test runs the block {block}: none names both {name} and \"{block}\"")
                seen.add(block)
            elif not language and any(COMMAND.match(one) for one in lines) and (name, lines[0]) not in NO_COMMANDS:
                wrong.append(where + "commands in a block without a language: ```sh NAME")
    return wrong


class SmallTrees(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in (("README.md", "# Top\n"), ("docs/a.md", "# A\n"), ("tests/a_test.py", "")):
            self.write(path, text)

    def write(self, path, text):
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def links(self, text):
        self.write("docs/b.md", text)
        return broken_links(self.root, pages_of(self.root))

    def blocks(self, text, test=""):
        self.write("docs/b.md", text)
        self.write("tests/b_test.py", test)
        return wrong_blocks(self.root, pages_of(self.root))

    def test_links_to_files_and_headings_that_are_there_are_right(self):
        self.write("docs/a.md", "# A\n## The `disk` is full, or: [why](b.md)?\n## Twice\n## Twice\n### Do_not-care\n")
        self.assertEqual([], self.links("# B\n[a](a.md) [b](a.md#the-disk-is-full-or-why) [c](a.md#twice-1) [d](#b) [e](../README.md)"
                                        " [f](https://example.com/x) [`g`](a.md#do_not-care) `[h](none.md)`\n```\n[i](none.md)\n```\n"))

    def test_a_missing_file_and_a_missing_heading_are_found(self):
        self.assertEqual(["docs/b.md:2: none.md: there is no such file", "docs/b.md:3: a.md#b: it has no such heading",
                          "docs/b.md:3: #c: it has no such heading"], self.links("# B\n[a](none.md)\n[a](a.md#b) [c](#c)\n"))

    def test_a_heading_in_a_code_block_is_none(self):
        self.write("docs/a.md", "```sh x\n# B\n```\n")
        self.assertEqual(1, len(self.links("[a](a.md#b)\n")))

    def test_commands_need_a_name(self):
        self.assertIn("without a name", self.blocks("```sh\nls\n```\n")[0])

    def test_a_block_needs_a_test_that_names_it_and_the_page(self):
        text = "```sh go\nls\n```\n"
        self.assertEqual([], self.blocks(text, 'follow("docs/b.md", "go")'))
        for test in ('follow("docs/b.md", "gone")', 'follow("docs/a.md", "go")'):
            self.assertIn("no test runs the block go", self.blocks(text, test)[0])

    def test_a_name_is_given_once_a_page(self):
        text = "```sh go\nls\n```\n"
        self.assertIn("two blocks go", self.blocks(2 * text, 'follow("docs/b.md", "go")')[0])

    def test_commands_are_found_in_blocks_without_a_language(self):
        for command in ("queuectl status", "./dev test", "systemctl stop x", "sluice-fetcher check", "sudo ls"):
            self.assertEqual(1, len(self.blocks(f"```\n{command}\n```\n")), command)
        self.assertEqual([], self.blocks("```\n  sluice-fetcher ──▶ queue\nshipper  running\n```\n```toml\ninstall = 1\n```\n"))


class TheTree(unittest.TestCase):
    maxDiff = None
    root = Path(__file__).resolve().parents[2]

    def test_links_lead_somewhere(self):
        pages = pages_of(self.root)
        self.assertGreater(sum(len(page.links) for page in pages.values()), 100)
        self.assertEqual([], broken_links(self.root, pages))

    def test_readme_leads_to_every_page(self):
        pages = pages_of(self.root)
        self.assertEqual(set(), set(pages) - {"README.md"} - {target for _, target in pages["README.md"].links})

    def test_every_command_is_run_by_a_test(self):
        pages = pages_of(self.root)
        self.assertGreater(sum(block[1] == "sh" for page in pages.values() for block in page.blocks), 40)
        self.assertEqual([], wrong_blocks(self.root, pages))

    def test_exceptions_are_of_something(self):
        pages = pages_of(self.root)
        blocks = {(name, block[2]) for name, page in pages.items() for block in page.blocks}
        first_lines = {(name, block[3][0]) for name, page in pages.items() for block in page.blocks if block[3]}
        self.assertEqual(set(), set(NOT_RUN) - blocks)
        self.assertEqual(set(), set(NO_COMMANDS) - first_lines)

    def test_commands_of_dev_exist(self):
        """These build and test for minutes or hours, so that they are not run here."""
        dev = (self.root / "dev").read_text(encoding="utf-8")
        known = set(re.findall(r"^command_([\w-]+)\(\)", dev, re.MULTILINE))
        for name, page in pages_of(self.root).items():
            for line, _, _, lines in page.blocks:
                for command in re.findall(r"^\./dev (\S+)", "\n".join(lines), re.MULTILINE):
                    self.assertIn(command, known, f"{name}:{line}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        TheTree.root = Path(sys.argv.pop(1)).resolve()
    unittest.main()
