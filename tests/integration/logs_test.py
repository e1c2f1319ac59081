#!/usr/bin/env python3
"""What the daemons log: as JSON and in systemd's journal with its fields, a few lines for a long trouble, and nothing of secrets or
of events' bodies.

logs_test.py BIN_FOLDER
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import wait_until  # noqa: E402

BIN = None
EVENTS = 400
NAMES_OF_THE_SITE = {"sim.example.com"}
TOKEN = "t0ken-that-is-not-for-the-log"
WRONG_CONFIGURATION = 78


def strings_of(value):
    """All texts in it, without the names of members."""
    if isinstance(value, dict):
        for member in value.values():
            yield from strings_of(member)
    elif isinstance(value, list):
        for item in value:
            yield from strings_of(item)
    elif isinstance(value, str):
        yield value


class Journald:
    """What listens on journald's socket, and keeps what it gets as objects."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.folder / "socket"))
        self.records = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            fields = self._socket.recv(1 << 20).decode().removesuffix("\n").split("\n")
            self.records.append(dict(field.split("=", 1) for field in fields))

    def of_kind(self, kind):
        return [record for record in self.records if record["SLUICE_KIND"] == kind]


def can_hide_run():
    """Whether a program can be given another /run."""
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"], capture_output=True, check=False)
    return tried.returncode == 0


class Logs(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("logs"), events=EVENTS, sessions=1, events_per_session=20,
                            batch_events=50, shipper_settings='retry-min = "10ms"\nretry-max = "50ms"\n'
                            'headers = ["Authorization: file:token"]\n')
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        (self.rig.folder / "token").write_text(TOKEN)

    def start(self, program, environment, prefix=()):
        return self.rig.processes.start(program, [*prefix, *self.rig.command(program)], environment)

    def lines_of(self, process):
        """Its log so far as objects: each line must be one."""
        return [json.loads(line) for line in process.log_text().split("\n")[:-1]]

    def of_kind(self, process, kind):
        return [line for line in self.lines_of(process) if line["kind"] == kind]

    def is_fetched(self):
        status = self.rig.try_status()
        return status is not None and rigs.has_taken(status, EVENTS) and self.rig.everything_is_fetched()

    def is_drained(self):
        status = self.rig.try_status()
        return status is not None and all(lane["backlog"] == 0 for lane in status["lanes"].values()) and self.is_fetched()

    def secrets(self):
        """Parts of what must never be shown."""
        found = [TOKEN]
        for path in (self.rig.teleport_files.identity, self.rig.fluentd_files.key):
            key = re.search(r"PRIVATE KEY-----\n(.*?)\n-----END", path.read_text(), re.DOTALL)
            found += [line for line in key[1].splitlines() if len(line) > 20]
        return found

    def bodies(self):
        """What stands in the events and is found nowhere else: not their ids and types, which logs may have."""
        texts, allowed = set(), set()
        for line in self.rig.served.read_text(encoding="utf-8").rstrip("\n").split("\n"):
            event = json.loads(line)
            event = event.get("event", event)
            texts |= set(strings_of(event))
            allowed |= {event.get("uid"), event.get("event"), event.get("sid"), event.get("cluster_name")}
        config = self.rig.config_path.read_text()
        return {text for text in texts - allowed - NAMES_OF_THE_SITE
                if len(text) >= 10 and re.search(r"[0-9 ]", text) and text not in config}

    def test_json_has_the_fields_and_neither_secrets_nor_events_are_in_it(self):
        as_json = {"SLUICE_LOG_FORMAT": "json"}
        fetcher = self.start("sluice-fetcher", as_json)
        wait_until(self.is_fetched, "all is fetched", process=fetcher)
        poisoned = next(json.loads(line) for line in self.rig.queuectl(
            "peek", "--lane", "audit", "--from", "1", "--count", "50", "--output", "json").rstrip("\n").split("\n"))
        body = json.dumps(poisoned["event"], separators=(",", ":"))
        self.rig.sink.command(f"status 500 20 unexpected token at '{body[1:]}'")
        shipper = self.start("sluice-shipper", as_json)
        wait_until(lambda: self.of_kind(shipper, "over"), "the sink takes events again", process=shipper)
        wait_until(self.is_drained, "all is sent", process=shipper)
        self.rig.sink.command(f"poison {poisoned['id']}")
        self.rig.queuectl("replay", "--lane", "audit", "--from-seq", "1", "--to-seq", "50", "--reason", "a test")
        wait_until(lambda: self.of_kind(shipper, "replay-ended"), "the replay has ended", process=shipper)
        for process in (fetcher, shipper):
            self.assertEqual(0, process.stop())

        trouble = self.of_kind(shipper, "events-wait")
        self.assertTrue(1 <= len(trouble) <= 2 * 2, trouble)  # of a lane: what is for all, and of this batch alone
        self.assertIn('answered 500 "unexpected token at"', trouble[0]["message"])  # and no more of it
        self.assertRegex(trouble[0]["batch"], r"^\d+-\d+$")
        self.assertIn(trouble[0]["lane"], ("audit", "session"))
        over = self.of_kind(shipper, "over")[0]
        self.assertEqual(("events-wait", "info"), (over["cause"], over["level"]))
        self.assertRegex(over["message"], rf"this is over after \S+, {over['count']} times?")
        refused, = self.of_kind(shipper, "replay-refused")
        self.assertEqual((poisoned["id"], "audit", int(poisoned["seq"])),
                         (refused["event_id"], refused["lane"], refused["sequence"]))
        for process in (fetcher, shipper):
            for line in self.lines_of(process):
                self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertRegex(line["message_id"], r"^[0-9a-f]{32}$")
                self.assertEqual((process.name, "default"), (line["program"], line["instance"]))
                self.assertRegex(line["code_file"], r"^(common|fetcher|shipper|queue)/")
            self.assertGreater(len(self.bodies()), EVENTS)
            for text in [*self.secrets(), *(self.bodies() - {poisoned["id"]})]:
                self.assertNotIn(text, process.log_text())

    def test_a_mistake_in_the_configuration_is_json_too_if_the_command_line_says_so(self):
        self.rig.config_path.write_text("[forward.fluentd]\nsesion-url = 1\n")
        code, said = self.rig.run("sluice-shipper", "--log-format", "json")
        self.assertEqual(WRONG_CONFIGURATION, code)
        lines = [json.loads(line) for line in said.rstrip("\n").split("\n")]
        self.assertEqual({("failed", "error")}, {(line["kind"], line["level"]) for line in lines})
        self.assertTrue(any("sesion-url" in line["message"] for line in lines), lines)

    def in_other_run(self, journald):
        """A command's beginning that gives it a /run of its own, with that journald in it."""
        return ["unshare", "-m", "sh", "-c",
                'mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind "$1" /run/systemd/journal && '
                'shift && exec "$@"', "sh", journald]

    def journal_environment(self, program):
        """As under systemd, whose stream to the journal is stderr: here the log."""
        log = self.rig.folder / f"{program}.log"
        log.touch()
        status = os.stat(log)
        return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

    def test_under_systemd_records_with_fields_go_to_the_journal_and_lines_to_stderr_while_it_is_gone(self):
        if os.geteuid() != 0 or shutil.which("unshare") is None or not can_hide_run():
            self.skipTest("NOT RUN: only root with unshare(1) can put another journald into a program's /run")
        journald = Journald(self.rig.folder / "journal")
        prefix = self.in_other_run(journald.folder)
        fetcher = self.start("sluice-fetcher", self.journal_environment("sluice-fetcher"), prefix)
        wait_until(self.is_fetched, "all is fetched", process=fetcher)
        self.assertEqual(0, fetcher.stop())
        wait_until(lambda: journald.of_kind("stopped"), "the journal has the end", process=fetcher)
        self.assertEqual("", fetcher.log_text())
        for record in journald.records:
            self.assertEqual(("sluice-fetcher", "default"), (record["SYSLOG_IDENTIFIER"], record["SLUICE_INSTANCE"]))
            self.assertRegex(record["MESSAGE_ID"], r"^[0-9a-f]{32}$")
            self.assertRegex(record["CODE_FILE"], r"^(common|fetcher|shipper|queue)/\S+\.cc$")
            self.assertTrue(int(record["CODE_LINE"]) > 0)
        self.assertEqual("6", journald.of_kind("queue-opened")[0]["PRIORITY"])

        self.rig.sink.outage_begins()
        shipper = self.start("sluice-shipper", self.journal_environment("sluice-shipper"), prefix)
        waits = lambda: [record for record in journald.of_kind("events-wait") if record["SLUICE_LANE"] == "audit"]  # noqa: E731
        wait_until(waits, "audit events wait", process=shipper)
        waiting = waits()[0]
        self.assertEqual("4", waiting["PRIORITY"])
        self.assertRegex(waiting["SLUICE_BATCH"], r"^1-\d+$")

        (journald.folder / "socket").unlink()
        self.rig.sink.outage_ends()
        wait_until(self.is_drained, "all is sent without the journal", process=shipper)
        wait_until(lambda: re.search(r"(?m)^<6>lane audit: events wait: this is over after ", shipper.log_text()),
                   "stderr is used", process=shipper)
        self.assertEqual(0, shipper.stop())


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
