#!/usr/bin/env python3
"""An operator follows docs/operations.md, and nothing is lost: the page's own commands are run, with real daemons.

identity_test.py BIN_FOLDER

`systemctl` starts each daemon in the form that ends by itself; /var/lib/sluice and /var/backups are folders of the test.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import documents  # noqa: E402
import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control  # noqa: E402

PAGE = "docs/operations.md"
DATA = 65
FETCHER, SHIPPER = "sluice-fetcher", "sluice-shipper"
# What the page has in examples.
EXAMPLES = {"number": re.compile(r"\b4820\d+"), "event": re.compile(r"\b0d2c6f4e\b"), "answer": re.compile("invalid time")}
BIN = None


class Identity(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("identity"), events=400, sessions=1,
                            events_per_session=20)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.instances = self.rig.folder / "lib"
        self.backups = self.rig.folder / "backups"
        self.rig.state = self.instances / "default"
        for folder in (self.instances, self.backups):
            folder.mkdir()
        self.rig.start_stand_ins()
        tools = self.rig.folder / "tools"
        tools.mkdir()
        queuectl = tools / "queuectl"
        queuectl.write_text(f'#!/bin/sh\nexec "{BIN}/queuectl" "$@" --config "{self.rig.config_path}"\n')
        queuectl.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    def run_daemon(self, program, status=0, pattern=""):
        option = "--exit-on-last-event" if program == FETCHER else "--exit-when-drained"
        code, said = self.rig.run(program, option)
        self.assertEqual(status, code, said)
        if pattern:
            self.assertRegex(said, pattern)
        return said

    def run_named(self, said, name):
        """Runs the command that a daemon has named, as it stands there; what it printed. It must find damage."""
        command = re.search(rf'"(queuectl [^"]*{name})"', said).group(1)
        done = subprocess.run(["sh", "-c", command], env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(DATA, done.returncode, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def run_daemons(self):
        for program in (FETCHER, SHIPPER):
            self.run_daemon(program)

    def follow(self, name, status=0, **own):
        """Runs the documented commands; what they printed. `status`: of the last one that is not systemctl. `own`: what this
        queue has in place of the page's example: number, event, answer."""
        said = ""
        for line in documents.commands_of(PAGE, name):
            for what, ours in own.items():
                line = EXAMPLES[what].sub(ours, line)
            if line.startswith("systemctl"):
                if "start" in line.split() or "enable" in line.split():
                    self.run_daemons()
                continue
            line = line.replace("/var/lib/sluice", str(self.instances)) \
                       .replace("/var/backups", str(self.backups))
            done = subprocess.run(["sh", "-c", line], env=self.environment, capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual(status, done.returncode, f"{line}: {done.stdout}{done.stderr}")
            said += done.stdout + done.stderr
        return said

    def expect_everything_arrived(self):
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures())
        self.assertEqual(0, self.rig.status()["unaccounted"])
        return report

    def lane(self, name="audit"):
        return self.rig.status()["lanes"][name]

    def test_backup_and_restore(self):
        self.run_daemon(FETCHER)
        self.follow("backup")
        self.assertEqual(0, self.lane()["backlog"])
        self.follow("restore")
        self.expect_everything_arrived()
        self.assertTrue((self.instances / "default.replaced").is_dir())
        self.assertEqual(0, self.lane()["skipped"])

    def test_a_move_leaves_a_copy_that_does_not_run(self):
        self.run_daemons()
        before = self.lane()["acknowledged"]
        self.follow("move-away")
        for program in (FETCHER, SHIPPER):
            self.run_daemon(program, DATA, r'is retired .*moves to log-b.*"queuectl --config \S+ adopt"')
        old = self.instances / "old"
        self.rig.state.rename(old)
        self.follow("move-in")
        self.assertEqual(before, self.lane()["acknowledged"])
        self.assertEqual(0, self.lane()["skipped"])
        shutil.rmtree(self.rig.state)
        old.rename(self.rig.state)
        self.run_daemon(FETCHER, DATA, "is retired")

    def test_a_lost_delivery_store(self):
        self.run_daemons()
        self.run_daemon(FETCHER)  # which notes the store
        shutil.rmtree(self.rig.state / "delivery")
        self.run_daemon(SHIPPER, DATA, r'"queuectl --config \S+ adopt"')
        self.follow("lost-store")
        self.expect_everything_arrived()
        self.assertEqual(self.lane()["fetched"], self.lane()["acknowledged"])

    def test_a_lost_delivery_store_of_which_fluentd_knows_more(self):
        self.run_daemons()
        self.run_daemon(FETCHER)  # which notes the store
        shutil.rmtree(self.rig.state / "delivery")
        next_one = self.lane()["fetched"] + 1
        self.follow("adopt-from", number=str(next_one))
        self.run_daemon(SHIPPER)
        self.assertEqual(0, self.expect_everything_arrived().lanes["audit"].duplicates)

    def audit_events(self):
        """Number and id of each that can be told by its id."""
        said = self.rig.queuectl("peek", "--lane", "audit", "--output", "json", "--count", "1000")
        lines = [oracle.parse(line) for line in said.rstrip("\n").split("\n")]
        return [(f"{line['seq']:.0f}", line["id"]) for line in lines if line["event"].get("uid") == line["id"]]

    def one_letter(self, event):
        self.rig.sink.command(f"poison {event}")
        self.run_daemon(SHIPPER)
        self.rig.sink.command("poison")
        self.assertEqual(1, self.lane()["dead"])

    def test_some_dead_letters_are_sent_again_and_others_discarded(self):
        self.run_daemon(FETCHER)
        self.one_letter(self.audit_events()[50][1])
        self.rig.start_shipper()
        self.follow("letters-some", answer="contains poison")
        self.rig.shipper.stop()
        self.assertEqual(0, self.lane()["dead"])
        self.expect_everything_arrived()
        control(self.rig.teleport_control, "add 50")
        self.run_daemon(FETCHER)
        event = self.audit_events()[-20][1]
        self.one_letter(event)
        self.follow("letters-discard", event=event)
        self.assertEqual((0, 1), (self.lane()["dead"], self.lane()["skipped"]))

    def test_skips(self):
        self.run_daemons()
        control(self.rig.teleport_control, "add 100")
        self.run_daemon(FETCHER)
        (number, _), (_, event) = self.audit_events()[-50:-30:15]
        self.follow("skip", number=number, event=event)
        self.assertEqual(2, self.lane()["skipped"])
        self.run_daemon(SHIPPER)
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual(2, len(report.lanes["audit"].lost))
        self.assertEqual(0, self.rig.status()["unaccounted"])

    def test_a_lost_queue(self):
        self.run_daemons()
        shutil.rmtree(self.rig.state / "queue")
        self.run_daemon(FETCHER, DATA, "has been in use here")
        self.follow("lost-queue")
        self.expect_everything_arrived()

    def test_a_damaged_queue(self):
        self.run_daemon(FETCHER)
        self.assertIn("no damage", self.follow("verify"))
        fetched = self.lane()["fetched"]
        # The next start would write the log into tables; damaged in its middle it is cut there by a start, and
        # found by verify and repair.
        self.rig.queuectl("repair", "--reason", "everything into tables")
        table = max((self.rig.state / "queue/db").glob("*.sst"), key=lambda path: path.stat().st_size)
        content = bytearray(table.read_bytes())
        content[len(content) // 2] ^= 0xff
        table.write_bytes(content)
        said = self.run_daemon(SHIPPER, DATA,
                               r'damaged.*"queuectl --config \S+ verify".*"queuectl --config \S+ repair"')
        self.assertRegex(self.run_named(said, "verify"), r"audit [\d,]+ to [\d,]+ \(")
        self.assertRegex(self.follow("verify", DATA), r"audit [\d,]+ to [\d,]+ \(")
        self.follow("repair")
        lane = self.lane()
        self.assertEqual(0, lane["backlog"])
        self.assertGreater(lane["gap"], 0)
        self.assertEqual(fetched, lane["acknowledged"] + lane["gap"])
        self.assertEqual(0, self.rig.status()["unaccounted"])
        self.assertIn("no damage", self.follow("verify"))

    def test_an_upgrade_of_what_is_new_already(self):
        self.run_daemons()
        self.assertIn("has version", self.follow("upgrade"))


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
