#!/usr/bin/env python3
"""Looking at a queue in use: export, tail, wait, and the status screen, beside running daemons.

looking_test.py BIN_FOLDER
"""

import collections
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import documents  # noqa: E402
import oracle  # noqa: E402
import queue_contents  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, wait_until  # noqa: E402

BIN = None
EVENTS = 1200
SESSION_EVENTS = 40


def page_commands(block):
    """The arguments of each queuectl in the code block `sh BLOCK` of docs/operations.md."""
    lines = documents.commands_of("docs/operations.md", block)
    return [line.split("#")[0].split()[1:] for line in lines if line.startswith("queuectl ")]


class Screen:
    """A queuectl on a terminal of its own."""

    def __init__(self, start, *arguments, columns=80, rows=24):
        self._master, self._slave = pty.openpty()
        self._seen = b""
        self.resize(columns, rows)
        self._settings = termios.tcgetattr(self._slave)
        self.process = start(*arguments, stdin=self._slave, stdout=self._slave)

    def resize(self, columns, rows):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, condition, what):
        """The lines of the newest whole frame for which the condition holds."""
        def frame():
            while select.select([self._master], [], [], 0)[0]:
                self._seen += os.read(self._master, 1 << 16)
            frames = [one for one in self._seen.split(b"\x1b[H") if one.endswith(b"\x1b[J")]
            lines = re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", frames[-1]).decode().split("\r\n") if frames else []
            return lines if lines and condition(lines) else None
        return wait_until(frame, what, process=None)

    def press(self, key):
        os.write(self._master, key)

    def close(self):
        """(exit status, what it wrote last, whether the terminal is as it was)"""
        status = self.process.wait(60)
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0)[0]:
                self._seen += os.read(self._master, 1 << 16)
        restored = termios.tcgetattr(self._slave) == self._settings
        os.close(self._master)
        os.close(self._slave)
        self.process.stderr.close()
        return status, self._seen[-40:], restored


class Looking(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("looking"), events=EVENTS, sessions=1,
                            events_per_session=SESSION_EVENTS, batch_events=100, connections=2, poll="200ms",
                            shipper_settings='retry-min = "100ms"\nretry-max = "500ms"')
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.scratch = self.rig.folder / "tmp"
        self.scratch.mkdir()
        self.rig.start_stand_ins()
        self.rig.sink.outage_begins()
        self.rig.start_daemons()
        wait_until(lambda: self.rig.everything_is_fetched() and
                   rigs.has_taken(self.rig.status(), self.rig.teleport_stats()["events"]),
                   "all is fetched", process=self.rig.fetcher)

    def start(self, *arguments, **options):
        command = [str(word) for word in (self.rig.bin / "queuectl", *arguments, "--config", self.rig.config_path)]
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(self.scratch)}, **options)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def run_it(self, *arguments):
        """(exit status, standard output, standard error), each as bytes."""
        with self.start(*arguments) as queuectl:
            out, err = queuectl.communicate(timeout=60)
        return queuectl.returncode, out, err.decode()

    def export(self, *arguments):
        status, out, err = self.run_it("export", *arguments)
        self.assertEqual(0, status, err)
        lines = out.split(b"\n")
        self.assertEqual(b"", lines.pop())
        self.assertIn(f"{len(lines):,} event", err)
        return lines

    def arrived(self):
        """The bytes of each event that the sink has."""
        return [line.split(b',"event":', 1)[1][:-1] for line in self.rig.sink.record.read_bytes().splitlines()]

    def served(self):
        """As a Counter of what the outside judge knows them by."""
        lanes = queue_contents.served_events(self.rig.served, rigs.UNCONFIGURED_SKIPPED_TYPES)
        return collections.Counter(digest for lane in lanes.values() for digest in lane.values())

    def test_export_tail_and_wait_beside_daemons_at_work(self):
        self.expect_export_of_a_backlog()
        self.expect_filters()
        self.expect_a_new_file()
        self.expect_no_more_than_the_reader_wants()
        self.expect_tail_to_follow()
        self.expect_a_screen()
        self.expect_wait()
        self.expect_what_the_daemons_say()
        self.expect_the_page_to_hold()
        self.assertTrue(self.rig.fetcher.running() and self.rig.shipper.running())
        self.assertEqual([], list(self.scratch.iterdir()), "nothing temporary stays")

    def expect_export_of_a_backlog(self):
        exported = self.export()
        self.assertEqual(self.served(), collections.Counter(oracle.digest_of(oracle.parse(line)) for line in exported))
        self.assertEqual(exported, self.export("--backlog"))
        self.assertEqual([], self.export("--delivered"))

    def expect_filters(self):
        audit = self.export("--lane", "audit")
        self.assertEqual(audit[9:20], self.export("--lane", "audit", "--seq", "10..20"))
        self.assertEqual(audit[:7], self.export("-n", "7"))
        envelopes = [oracle.parse(line) for line in self.export("--lane", "audit", "--envelope")]
        self.assertEqual([oracle.parse(line) for line in audit], [one["event"] for one in envelopes])
        some_type = envelopes[3]["type"]
        self.assertEqual([line for line, one in zip(audit, envelopes) if one["type"] == some_type],
                         self.export("--lane", "audit", "--type", some_type))
        peeked = self.rig.queuectl("peek", "--from", "1", "-n", "5", "-o", "json").encode().splitlines()
        self.assertEqual(peeked, self.export("--lane", "audit", "--seq", "1..5", "-o", "json"))

    def expect_a_new_file(self):
        path = self.rig.folder / "events.ndjson"
        status, out, err = self.run_it("export", "--to", str(path))
        self.assertEqual((0, b""), (status, out), err)
        self.assertEqual(self.export(), path.read_bytes().splitlines())
        self.assertEqual(0o600, path.stat().st_mode & 0o777)
        status, _, err = self.run_it("export", "--to", str(path))
        self.assertEqual(74, status, "a file that is there stays")
        self.assertIn("events.ndjson", err)

    def expect_no_more_than_the_reader_wants(self):
        with self.start("export") as queuectl:
            self.assertTrue(queuectl.stdout.readline())
            queuectl.stdout.close()
            self.assertEqual((b"", 0), (queuectl.stderr.read(), queuectl.wait(60)))

    def expect_tail_to_follow(self):
        last = self.export("--lane", "audit")[-3:]
        self.assertEqual(b"\n".join(last) + b"\n", self.run_it("tail", "--lane", "audit", "-n", "3", "--raw")[1])
        with self.start("tail", "-f", "-n", "1", "--lane", "audit", "-o", "json") as tail:
            number = json.loads(tail.stdout.readline())["seq"]
            control(self.rig.teleport_control, "add 5")
            self.assertEqual(list(range(number + 1, number + 6)),
                             [json.loads(tail.stdout.readline())["seq"] for _ in range(5)])
            # The fetcher's end and its next start are followed, too.
            self.rig.kill_fetcher()
            self.rig.start_fetcher()
            control(self.rig.teleport_control, "add 1")
            self.assertEqual(number + 6, json.loads(tail.stdout.readline())["seq"])
            tail.send_signal(signal.SIGINT)
            self.assertEqual((b"", 0), (tail.stderr.read(), tail.wait(60)))

    def expect_a_screen(self):
        screen = Screen(self.start, "status", "--watch", "0.3")
        waits = screen.wait_for(lambda lines: any("events wait" in line for line in lines), "it shows what the shipper waits for")
        self.assertTrue(any(line.endswith("fetching") for line in waits), waits)
        self.assertTrue(any(line.startswith("audit backlog") for line in waits), waits)
        self.assertEqual("q ends", waits[-1])
        self.assertLessEqual(len(waits), 24)
        self.assertLessEqual(max(map(len, waits)), 80)
        screen.resize(44, 9)
        screen.process.send_signal(signal.SIGWINCH)
        small = screen.wait_for(lambda lines: max(map(len, lines)) <= 44, "it has become narrower")
        self.assertLessEqual(len(small), 9)
        screen.press(b"q")
        status, end, restored = screen.close()
        self.assertEqual((0, True), (status, restored))
        self.assertTrue(end.endswith(b"\x1b[?25h\x1b[?1049l"), end)
        screen = Screen(self.start, "status", "--watch")
        screen.wait_for(lambda lines: len(lines) > 5, "it shows something")
        screen.process.send_signal(signal.SIGINT)
        status, end, restored = screen.close()
        self.assertEqual((0, True), (status, restored))
        self.assertTrue(end.endswith(b"\x1b[?1049l"), end)

    def expect_what_the_daemons_say(self):
        status = self.rig.status()
        fetcher, shipper = status["fetcher"]["says"], status["shipper"]["says"]
        self.assertEqual((True, "fetching"), (fetcher["is_current"], fetcher["state"]))
        self.assertIn("identity", fetcher["certificates_end_at"])
        wait_until(lambda: self.rig.status()["shipper"]["says"]["state"] == "shipping", "the shipper says that it ships")
        self.assertIn("events wait", shipper["last_problem"]["message"])
        wait_until(lambda: {"client", "server", "authority"} <= set(self.rig.status()["shipper"]["says"]["certificates_end_at"]),
                   "the certificates of the connection are known")
        wait_until(lambda: self.rig.status()["lanes"]["audit"]["out_per_second"] > 0, "the rate is known")

    def expect_wait(self):
        status, _, err = self.run_it("wait", "--drained", "--timeout", "300ms")
        self.assertEqual(75, status, err)
        self.assertIn("events are left", err)
        with self.start("wait", "--drained") as waiting:
            self.rig.sink.outage_ends()
            out, err = waiting.communicate(timeout=120)
            self.assertEqual(0, waiting.returncode, err)
        self.assertIn(b"drained: audit up to number 1,2", out)
        self.assertEqual([], self.export("--backlog"))
        self.assertEqual(self.export(), self.export("--delivered"))
        self.assertEqual(collections.Counter(self.export()), collections.Counter(self.arrived()),
                         "what was exported is byte for byte what was shipped")

    def expect_the_page_to_hold(self):
        commands = page_commands("look") + page_commands("drain")
        self.assertEqual(5, len(commands))
        for command in commands:
            if "--to" in command:
                command[command.index("--to") + 1] = str(self.rig.folder / "of-the-page.ndjson")
            status, _, err = self.run_it(*command)
            self.assertEqual(0, status, f"{command}: {err}")


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main()
