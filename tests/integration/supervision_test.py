#!/usr/bin/env python3
"""What a service manager sees of both daemons: readiness, reloading, and a watchdog that is fed as long as they work.

supervision_test.py BIN_FOLDER

The driver takes systemd's place on the other end of the notification socket.
"""

import os
import re
import signal
import socket
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import wait_until  # noqa: E402

BIN = None
WATCHDOG_SECONDS = 3


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.said = []
        # Whoever sends waits while the queue of the socket is full.
        threading.Thread(target=self._read, daemon=True).start()

    def environment(self):
        return {"NOTIFY_SOCKET": str(self._path), "WATCHDOG_USEC": str(WATCHDOG_SECONDS * 1_000_000)}

    def count(self, text):
        """How many messages so far have this line."""
        return sum(text in said.split("\n") for said in self.said)

    def _read(self):
        while True:
            self.said.append(self._socket.recv(1 << 16).decode())


class Supervision(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("supervision"), events=3000, sessions=1, events_per_session=20,
                            shipper_settings='retry-max = "1s"\nmax-events-per-second = 300\n')
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        self.managers = {}

    def start(self, program, **environment):
        manager = self.managers[program] = Manager(self.rig.folder / f"{program}.notify")
        process = self.rig.processes.start(program, self.rig.command(program), {**manager.environment(), **environment})
        wait_until(lambda: manager.count("READY=1") == 1, f"{program} is ready", process=process)
        return process, manager

    def expect_fed_for(self, process, manager, seconds):
        """No pause is as long as the watchdog's patience."""
        end = time.monotonic() + seconds
        before, since = manager.count("WATCHDOG=1"), time.monotonic()
        while time.monotonic() < end:
            time.sleep(0.1)
            now = manager.count("WATCHDOG=1")
            if now > before:
                before, since = now, time.monotonic()
            self.assertLess(time.monotonic() - since, WATCHDOG_SECONDS, process.log_tail())

    def test_neither_a_dead_fluentd_nor_a_dead_teleport_stops_the_watchdog_from_being_fed(self):
        fetcher, its = self.start("sluice-fetcher")
        shipper, others = self.start("sluice-shipper")
        self.rig.sink.outage_begins()
        self.rig.teleport.stop()
        wait_until(lambda: "events wait" in shipper.log_text(), "the shipper knows of the outage", process=shipper)
        self.expect_fed_for(fetcher, its, 2 * WATCHDOG_SECONDS)
        self.expect_fed_for(shipper, others, 2 * WATCHDOG_SECONDS)

    def expect_starved(self, program, first_call):
        """From `first_call` on, which is after the start, all calls that change a file never return."""
        if not (BIN / "fault_switch.so").exists():
            self.skipTest("there is no fault_switch.so (a sanitizer's build)")
        if program == "sluice-shipper":
            code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event")
            self.assertEqual(0, code, said)
        process, manager = self.start(program, LD_PRELOAD=str(BIN / "fault_switch.so"), FAULT_SWITCH_FOLDERS=str(self.rig.state),
                                      FAULT_SWITCH_AT=str(first_call), FAULT_SWITCH_COUNT="1000000000", FAULT_SWITCH_HOW="hang",
                                      FAULT_SWITCH_LOG=str(self.rig.folder / "hangs"))
        wait_until(lambda: (self.rig.folder / "hangs").exists() and (self.rig.folder / "hangs").read_text(),
                   "a call hangs", 120, process=process)
        wait_until(lambda: "has made no progress for" in process.log_text(), "the daemon says so", process=process)
        fed = manager.count("WATCHDOG=1")
        time.sleep(2 * WATCHDOG_SECONDS)
        self.assertEqual(fed, manager.count("WATCHDOG=1"))
        # As systemd does then.
        process.kill()

    def test_a_fetcher_whose_disk_hangs_is_restarted_and_nothing_is_lost(self):
        self.expect_starved("sluice-fetcher", 400)
        self.finish()

    def test_a_shipper_whose_disk_hangs_is_restarted_and_nothing_is_lost(self):
        self.expect_starved("sluice-shipper", 250)
        self.finish(duplicates_max=self.rig.duplicates_bound())

    def finish(self, duplicates_max=0):
        text = self.rig.config_path.read_text()
        self.rig.config_path.write_text(re.sub("max-events-per-second = .*", "", text))
        for program, flag in (("sluice-fetcher", "--exit-on-last-event"), ("sluice-shipper", "--exit-when-drained")):
            code, said = self.rig.run(program, flag, patience_seconds=120)
            self.assertEqual(0, code, said)
        report = self.rig.judge(duplicates_max=duplicates_max, skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())

    def test_a_reload_takes_up_the_configuration_and_repeats_nothing(self):
        fetcher, its = self.start("sluice-fetcher")
        shipper, others = self.start("sluice-shipper")
        text = self.rig.config_path.read_text()
        for number, limit in enumerate((400, 500, 600), 2):
            self.rig.config_path.write_text(text.replace("max-events-per-second = 300", f"max-events-per-second = {limit}"))
            for process, manager in ((fetcher, its), (shipper, others)):
                os.kill(process.pid, signal.SIGHUP)
                wait_until(lambda m=manager, n=number: m.count("READY=1") == n, "it is ready again", process=process)
                self.assertEqual(number - 1, sum(said.startswith("RELOADING=1\nMONOTONIC_USEC=") for said in manager.said))
        for process, manager in ((fetcher, its), (shipper, others)):
            self.assertEqual(0, process.stop(), process.log_tail())
            wait_until(lambda m=manager: m.count("STOPPING=1") > 0, "its end is announced")
        self.finish()

    def test_a_wrong_configuration_at_a_reload_leaves_the_one_before_in_use(self):
        fetcher, its = self.start("sluice-fetcher")
        shipper, others = self.start("sluice-shipper")
        text = self.rig.config_path.read_text()
        self.rig.config_path.write_text(text + "\nno-such-setting = 1\n")
        for process, manager in ((fetcher, its), (shipper, others)):
            os.kill(process.pid, signal.SIGHUP)
            wait_until(lambda p=process: "the configuration is not reloaded" in p.log_text(), "it says so", process=process)
            self.assertIn("no-such-setting", process.log_text())
            wait_until(lambda m=manager: m.count("READY=1") == 2, "it goes on", process=process)
        self.rig.config_path.write_text(text)
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values())
                   and self.rig.status()["lanes"]["audit"]["acknowledged"] >= 1000, "both work", 120, process=shipper)
        self.assertEqual(0, fetcher.stop())
        self.assertEqual(0, shipper.stop())
        self.finish()


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
