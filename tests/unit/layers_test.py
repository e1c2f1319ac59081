#!/usr/bin/env python3
"""Checks which part of the tree includes which: layers_test.py [ROOT].

common <- queue <- {fetcher, queue/control <- {shipper, queue/queuectl}}; fetcher and shipper never include each other; adopt
knows common only.
Before the tree itself is checked, the rules are tried on trees that break them.
"""

import pathlib
import re
import sys
import tempfile
import unittest

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)
SOURCES = {".h", ".cc"}

# What each part may include of ours. A part is the longest path here that a file lies under.
ALLOWED = {
    "common": {"common"},
    "queue": {"common", "queue"},
    "queue/control": {"common", "queue", "queue/control", "proto"},
    "queue/queuectl": {"common", "queue", "queue/control", "queue/queuectl"},
    "fetcher": {"common", "queue", "fetcher", "proto", "grpc"},
    "shipper": {"common", "queue", "queue/control", "shipper"},
    "adopt": {"common", "adopt"},
}
PARTS = set(ALLOWED) | {"proto"}


def part_of(path: str) -> str | None:
    """The part that a path from the root belongs to; generated protobuf code counts as proto, services and gRPC
    itself as grpc."""
    if path.endswith(".grpc.pb.h") or path.startswith(("grpc/", "grpcpp/")):
        return "grpc"
    if path.endswith(".pb.h"):
        return "proto"
    under = [part for part in PARTS if path.startswith(part + "/")]
    return max(under, key=len, default=None)


def violations(root: pathlib.Path) -> list[str]:
    """One sentence for each include that breaks the rules."""
    found = []
    for folder in sorted({part.split("/")[0] for part in ALLOWED}):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in SOURCES:
                continue
            path = file.relative_to(root).as_posix()
            part = part_of(path)
            for included in INCLUDE.findall(file.read_text(encoding="utf-8")):
                target = part_of(included)
                if target is not None and target not in ALLOWED[part]:
                    found.append(f"{path} includes {included}: {part} must not know {target}")
    return found


def count_sources(root: pathlib.Path) -> int:
    return sum(
        1
        for folder in ("adopt", "common", "queue", "fetcher", "shipper")
        for file in (root / folder).rglob("*")
        if file.suffix in SOURCES
    )


class RulesOnSmallTrees(unittest.TestCase):
    def check(self, files: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, content in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(content, encoding="utf-8")
            return violations(root)

    def test_a_tree_that_keeps_the_rules_is_accepted(self):
        self.assertEqual(
            [],
            self.check(
                {
                    "common/a.cc": '#include <string>\n#include "common/a.h"\n',
                    "queue/b.h": '#include "common/a.h"\n#include "queue/c.h"\n',
                    "queue/control/l.cc": '#include "queue/b.h"\n#include "sluice/x.pb.h"\n',
                    "queue/queuectl/m.cc": '#include "queue/b.h"\n#include "queue/control/l.h"\n',
                    "fetcher/teleport/d.cc": '#include "fetcher/e.h"\n#include "t/e.grpc.pb.h"\n',
                    "shipper/f.cc": '#include "queue/control/l.h"\n#include <curl/curl.h>\n',
                }
            ),
        )

    def test_each_forbidden_include_is_found(self):
        forbidden = [
            ("common/a.cc", "queue/record.h", "common", "queue"),
            ("common/a.h", "fetcher/x.h", "common", "fetcher"),
            ("common/a.h", "shipper/x.h", "common", "shipper"),
            ("common/a.h", "teleport/events.pb.h", "common", "proto"),
            ("queue/b.cc", "fetcher/x.h", "queue", "fetcher"),
            ("queue/b.cc", "shipper/x.h", "queue", "shipper"),
            ("queue/b.cc", "proto/x.h", "queue", "proto"),
            ("queue/b.cc", "queue/queuectl/x.h", "queue", "queue/queuectl"),
            ("queue/b.cc", "queue/control/x.h", "queue", "queue/control"),
            ("queue/control/c.cc", "sluice/x.grpc.pb.h", "queue/control", "grpc"),
            ("queue/control/c.cc", "queue/queuectl/x.h", "queue/control", "queue/queuectl"),
            ("queue/queuectl/c.cc", "sluice/x.pb.h", "queue/queuectl", "proto"),
            ("queue/queuectl/c.cc", "shipper/x.h", "queue/queuectl", "shipper"),
            ("fetcher/source/d.cc", "shipper/x.h", "fetcher", "shipper"),
            ("fetcher/d.h", "queue/queuectl/x.h", "fetcher", "queue/queuectl"),
            ("fetcher/d.cc", "queue/control/x.h", "fetcher", "queue/control"),
            ("shipper/fluentd/e.cc", "fetcher/x.h", "shipper", "fetcher"),
            ("shipper/f.cc", "grpcpp/channel.h", "shipper", "grpc"),
        ]
        for path, included, part, target in forbidden:
            with self.subTest(path=path, included=included):
                self.assertEqual(
                    [f"{path} includes {included}: {part} must not know {target}"],
                    self.check({path: f'// text\n#  include "{included}"\n'}),
                )

    def test_an_include_in_angle_brackets_counts_too(self):
        self.assertEqual(1, len(self.check({"common/a.cc": "#include <queue/record.h>\n"})))


class TheTree(unittest.TestCase):
    root = pathlib.Path(__file__).resolve().parents[2]

    def test_it_has_sources_to_check(self):
        self.assertGreater(count_sources(self.root), 10)

    def test_it_keeps_the_rules(self):
        self.assertEqual([], violations(self.root))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        TheTree.root = pathlib.Path(sys.argv.pop(1))
    unittest.main()
