#!/usr/bin/env python3
"""What differs between a queue and what was served is found: with a queuectl that shows what the test says."""

import json
import stat
import tempfile
import types
import unittest
from pathlib import Path

import queue_contents
from processes import TestFailure


class Differences(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        folder = Path(folder.name)
        queuectl = folder / "queuectl"
        queuectl.write_text(f'#!/bin/sh\nexec cat "{folder}/$3"\n')  # peek --lane LANE ...
        queuectl.chmod(queuectl.stat().st_mode | stat.S_IXUSR)
        self.folder = folder
        self.rig = types.SimpleNamespace(bin=folder, served=folder / "served", config_path=folder / "config")
        self.served = [self.audit("a"), self.audit("b"), self.recorded("s1", 0), self.recorded("s1", 1)]
        self.queued = {"audit": [("a", "a"), ("b", "b")], "session": [("s1:1", "x"), ("s1:2", "x")]}

    @staticmethod
    def audit(name):
        return {"lane": "audit", "id": name, "source": "search", "ordinal": 0, "body": {"event": "exec", "n": name}}

    @staticmethod
    def recorded(sid, ordinal, kind="exec"):
        return {"lane": "session", "id": "u", "sid": sid, "source": sid, "ordinal": ordinal,
                "body": {"event": kind, "n": "x"}}

    def found(self, **options):
        self.rig.served.write_text("".join(json.dumps(one) + "\n" for one in self.served))
        for lane, events in self.queued.items():
            (self.folder / lane).write_text("".join(
                json.dumps({"id": name, "event": {"n": value, "event": "exec"}}) + "\n" for name, value in events))
        return queue_contents.differences(self.rig, **options)

    def test_none(self):
        self.assertEqual([], self.found())

    def test_an_event_that_is_missing(self):
        self.queued["audit"].pop()
        self.queued["session"].pop()
        self.assertEqual(["audit: 1 missing: b", "session: 1 missing: s1:2"], self.found())

    def test_an_event_that_is_there_twice(self):
        self.queued["audit"].append(("a", "a"))
        self.assertEqual(["audit: 1 more than once: a"], self.found())

    def test_an_event_that_was_never_served(self):
        self.queued["session"].append(("s2:1", "x"))
        self.assertEqual(["session: 1 never served: s2:1"], self.found())

    def test_an_event_that_is_another(self):
        self.queued["audit"][0] = ("a", "A")
        self.assertEqual(["audit: 1 altered: a"], self.found())

    def test_events_that_the_configuration_leaves_out(self):
        self.served.append(self.recorded("s1", 2, "print"))
        self.assertEqual([], self.found(skip_session_types=("print",)))

    def test_a_queuectl_that_fails(self):
        (self.folder / "queuectl").write_text("#!/bin/sh\nexit 65\n")
        with self.assertRaisesRegex(TestFailure, "ended with 65"):
            self.found()


if __name__ == "__main__":
    unittest.main()
