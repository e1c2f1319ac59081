#!/usr/bin/env python3
"""Sluice is run by hand as README.md says, with its own commands and a configuration file of Teleport's handler.

by_hand_test.py BIN_FOLDER

/var/lib/sluice is a folder of the test, and build/release/bin is BIN_FOLDER. A daemon that goes on runs in the background.
"""

import re
import shlex
import subprocess
import sys
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import documents  # noqa: E402
import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import wait_until  # noqa: E402

PAGE = "README.md"
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DAYS = 6
# The last days stay open in a bulk export, so that a span with them would not be done.
SPAN = [f"{datetime.now(UTC) - timedelta(days=ago):%Y-%m-%dT00:00:00Z}" for ago in (DAYS, 4)]
BIN = None


class ByHand(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("hand"), events=300, sessions=1, events_per_session=20, days=DAYS)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.event = ""
        self.rig.start_stand_ins()
        self.rig.state = self.rig.folder / "lib/default"
        self.rig.state.parent.mkdir()
        self.rig.write_config()
        shared = self.rig.config_path.read_text(encoding="utf-8")
        self.rig.state.rmdir()
        # The table that is to be added, in place of the rig's own.
        table = re.search(r'^\[queue\]\npath = ".*"\n', shared, re.MULTILINE)[0]
        self.rig.config_path.write_text(shared.replace(table, self.at_home(documents.block(PAGE, "queue", "toml"))), encoding="utf-8")

    def at_home(self, text):
        """With this test's folders, event and times."""
        times = iter(SPAN)
        text = TIME.sub(lambda found: next(times, found[0]), text)
        for theirs, ours in (("/var/lib/sluice/default", self.rig.state), ("cd build/release/bin", f"cd {shlex.quote(str(BIN))}"),
                             ("/PATH/teleport-event-handler.toml", self.rig.config_path), ("FILE", self.rig.config_path),
                             (" ID ", f" {self.event} ")):
            text = text.replace(theirs, str(ours))
        return text

    def follow(self, name):
        """Runs the block; what its commands printed, and the daemons that it has started."""
        said, daemons = "", []
        for line in map(self.at_home, documents.commands_of(PAGE, name)):
            program = re.match(r"\./(sluice-\w+) start (?!.*--dry-run)", line)
            if program:
                words = shlex.split(line, comments=True)
                daemons.append(self.rig.processes.start(f"{program[1]} {len(said)}", [BIN / words[0], *words[1:]]))
                wait_until(daemons[-1].has_said, f"{line} runs", process=daemons[-1])
                if program[1] == "sluice-shipper":
                    wait_until(self.drained, "all is delivered", process=daemons[-1])
                continue
            done = subprocess.run(["sh", "-c", line], cwd=BIN, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(0, done.returncode, f"{line}: {done.stdout}{done.stderr}")
            said += done.stdout + done.stderr
        return said, daemons

    def drained(self):
        now = self.rig.try_status()
        return now and rigs.has_taken(now, self.rig.teleport_stats()["events"]) and \
            all(lane["backlog"] == 0 for lane in now["lanes"].values())

    def test_readme(self):
        # So that there are dead letters.
        self.rig.sink.command("unfit 40")
        said, (fetcher, shipper) = self.follow("by-hand")
        for text in ("identity", "certificate", "accepted", "unaccounted 0"):
            self.assertIn(text, said)
        self.assertNotRegex(said, "(?m)^FAIL")
        self.assertGreater(self.rig.status()["lanes"]["audit"]["dead"], 0)
        self.rig.sink.command("unfit 0")
        self.event = oracle.parse(self.rig.queuectl("peek", "--lane", "audit", "--from", "1", "-n", "1", "-o", "json"))["id"]
        said, _ = self.follow("now-and-then")
        self.assertRegex(said, r"(?m)^audit +1 .* acknowledged +yes")
        self.assertIn("no damage", said)
        wait_until(lambda: self.rig.status()["lanes"]["audit"]["dead"] == 0, "the dead letters are sent", process=shipper)
        fetcher.stop()
        _, (fetcher,) = self.follow("past")
        wait_until(lambda: fetcher.has_said(" is done"), "the backfill is done", process=fetcher)
        report = self.rig.judge_without_probes(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures())
        self.assertEqual(0, self.rig.status()["unaccounted"])


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
