#!/usr/bin/env python3
"""Reads the control page of docs/queue-format.md, whole and damaged."""

import re
import struct
import tempfile
import unittest
from pathlib import Path

import control_page

FORMAT = Path(__file__).resolve().parent.parent.parent / "docs/queue-format.md"
PAGE_BYTES = 4096


def example_page():
    """The page that the document shows in hex."""
    page = bytearray(PAGE_BYTES)
    text = FORMAT.read_text(encoding="utf-8")
    for name in ("page-head", "page-slot"):
        block = re.search(rf"```hex {name}\n(.*?)```", text, re.DOTALL).group(1)
        for line in block.splitlines():
            offset, digits = line.split("|")[0].split(maxsplit=1)
            data = bytes.fromhex(digits)
            page[int(offset, 16):int(offset, 16) + len(data)] = data
    return page


class ControlPage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = Path(folder.name)
        (self.state / "queue").mkdir()

    def read(self, page):
        (self.state / "queue/page").write_bytes(page)
        return control_page.fetcher_page(self.state)

    def test_the_documents_example_says_what_the_document_says(self):
        page = self.read(example_page())
        self.assertEqual(page.queue_id, bytes(range(0x10, 0x20)))
        self.assertEqual(page.epoch, 7)
        self.assertEqual(page.durable, {"audit": 42, "session": 3})
        self.assertEqual(page.floor, {"audit": 1, "session": 1})

    def test_a_flipped_bit_in_the_values_makes_it_not_valid(self):
        page = example_page()
        page[control_page.SLOTS[1] + control_page.HEAD.size + 73] ^= 1
        self.assertIsNone(self.read(page))

    def test_the_other_slot_is_not_read(self):
        page = example_page()
        struct.pack_into("<I", page, 20, 0)
        self.assertIsNone(self.read(page))

    def test_a_page_of_the_other_daemon_is_not_valid(self):
        page = example_page()
        struct.pack_into("<I", page, 12, control_page.SHIPPER)
        self.assertIsNone(self.read(page))

    def test_a_short_and_a_missing_page_are_not_valid(self):
        self.assertIsNone(control_page.fetcher_page(self.state))
        self.assertIsNone(self.read(example_page()[:2000]))

    def test_the_checksum_is_crc32c(self):
        self.assertEqual(control_page.crc32c(b"123456789"), 0xE3069283)


if __name__ == "__main__":
    unittest.main()
