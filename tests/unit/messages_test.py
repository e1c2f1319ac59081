#!/usr/bin/env python3
"""docs/messages.md has every message of the sources, and no other: messages_test.py [ROOT].

Before the tree itself is checked, the rules are tried on small trees.
"""

import difflib
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import message_document as documents  # noqa: E402

TABLE = """
// ## Both daemons

inline constexpr MessageKind kOne{
    "one", LogLevel::kWarn, "00112233445566778899aabbccddeeff",
    "look; "
    "then act"};
"""


class SmallTrees(unittest.TestCase):
    def made(self, source, table=TABLE, name="fetcher/a.cc"):
        with tempfile.TemporaryDirectory() as folder:
            for path, content in ((documents.KINDS, table), (name, source)):
                (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / path).write_text(content, encoding="utf-8")
            return documents.document(Path(folder))

    def test_a_kind_has_its_level_sentences_advice_and_id(self):
        source = 'log_message(message::kOne, {.lane = "audit"}, "lane {}; is "\n  "at {:>3}", lane, n);'
        self.assertIn("| `one` | warn | `lane …; is at …` | look; then act | `00112233445566778899aabbccddeeff` |",
                      self.made(source))

    def test_a_text_of_three_words_is_a_sentence_whatever_it_goes_through(self):
        self.assertIn("- `the file is gone` (not-found)", self.made('fail(ErrorKind::kNotFound, "the file is gone");'))
        self.assertIn("- `… has no end` (corrupt)", self.made('fail(ErrorKind::kCorrupt,\n fmt::format("{} has no end", a));'))
        self.assertIn("- `it hung up`", self.made('return a ? "it hung up" : other("x");'))

    def test_help_invariants_debug_lines_and_comments_are_none(self):
        for source in ('{.help = "this is help"}', 'SLUICE_CHECK(a, "this is checked");', 'log_debug("a small thing");',
                       '// says "this is said"', 'command->add_option("-c,--config", a, "The configuration file");'):
            with self.subTest(source=source):
                self.assertNotIn("\n- ", self.made(source))

    def test_another_text_is_another_document(self):
        one, other = (self.made(f'log_message(message::kOne, {{}}, "it is {word}");') for word in ("well", "ill"))
        self.assertNotEqual(one, other)


class TheTree(unittest.TestCase):
    root = Path(__file__).resolve().parents[2]

    def kinds(self):
        return [kind for _, kinds in documents.Sources(self.root).sections() for kind in kinds]

    def test_names_and_ids_of_kinds_are_their_own(self):
        self.assertGreater(len(self.kinds()), 50)
        for column in (1, 3):
            values = [kind[column] for kind in self.kinds()]
            self.assertEqual(len(values), len(set(values)), values)
        for _, name, _, number, advice in self.kinds():
            self.assertRegex(name, r"^[a-z]+(-[a-z]+)*$")
            self.assertRegex(number, r"^[0-9a-f]{32}$", name)
            self.assertGreater(len(advice), 4, name)

    def test_the_table_has_every_kind_that_it_declares(self):
        declared = re.findall(r"constexpr MessageKind (k\w+)", (self.root / documents.KINDS).read_text(encoding="utf-8"))
        self.assertEqual(declared, [kind[0] for kind in self.kinds()])

    def test_each_kind_is_used(self):
        sources = documents.Sources(self.root)
        self.assertEqual([], [kind[1] for kind in self.kinds() if not sources.uses_of(kind[0])])

    def test_the_document_is_that_of_the_sources(self):
        stored = (self.root / documents.DOCUMENT).read_text(encoding="utf-8").splitlines()
        made = documents.document(self.root).splitlines()
        changes = [line for line in difflib.unified_diff(stored, made, "stored", "made", lineterm="", n=0)]
        self.assertEqual([], changes, f"{documents.DOCUMENT} is not of these sources: run ./dev messages, and look at what it "
                         "changes: what is new must say what to do, in itself or in the table of kinds")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        TheTree.root = Path(sys.argv.pop(1))
    unittest.main()
