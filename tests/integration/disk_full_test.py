#!/usr/bin/env python3
"""A full disk stops nothing for good and loses nothing: the daemons wait, and go on by themselves when there is room.

disk_full_test.py BIN_FOLDER

Real daemons on a small ext4 on a loop device, in namespaces of their own (tests/support/power.py). Three ways to be full: the
queue reaches max-size because the sink takes nothing; a file of somebody else fills the disk to its last byte while the daemons
run; and the disk is full before they start. Each time the room comes back, and an oracle compares what Teleport's stand-in
served with what the sink has. Needs root; exits with 77 where it cannot run.
"""

import base64
import contextlib
import json
import os
import random
import re
import shutil
import sys
import time
import unittest
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import power  # noqa: E402
import rig as rigs  # noqa: E402
from processes import stats, wait_until  # noqa: E402

SKIPPED = 77
MIB = 1 << 20
IMAGE_BYTES = 160 * MIB
MAX_SIZE = 32 * MIB
BODY_BYTES = 12_000
SEED = 4711
BIN = None


def folder_bytes(folder):
    total = 0
    for path in Path(folder).rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # RocksDB deletes files at any time
            total += path.lstat().st_blocks * 512
    return total


def write_events(path, count):
    """Events whose bytes no compression makes much smaller."""
    dice = random.Random(SEED)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    with open(path, "w", encoding="ascii") as file:
        for number in range(count):
            text = base64.b64encode(dice.randbytes(BODY_BYTES * 3 // 4)).decode("ascii")
            file.write(json.dumps({"event": "user.login", "code": "T1000I", "time": now,
                                   "uid": f"00000000-0000-4000-8000-{number:012d}",
                                   "message": text}) + "\n")


class DiskFull(unittest.TestCase):
    def begin(self, events, queue_settings):
        folder = rigs.temporary_folder("disk-full")
        # Last of all: what is mounted below it, and who uses that, goes before.
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.disk = power.FileSystem(folder, "disk", image_bytes=IMAGE_BYTES)
        self.addCleanup(self.disk.__exit__, None, None, None)
        self.disk.mount()
        self.disk.clear()
        write_events(folder / "events.ndjson", events)
        self.rig = rigs.Rig(BIN, folder, events=events, events_file=folder / "events.ndjson",
                            chunk_events=200, days=1, batch_events=100, poll="200ms",
                            queue_settings=queue_settings,
                            shipper_settings='retry-min = "50ms"\nretry-max = "500ms"')
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.state = self.disk.root / "state"
        self.rig.start_stand_ins()
        self.foreign = self.disk.mount_point / "foreign"

    def fill_disk(self):
        """To the last byte that there is, whatever is given back meanwhile."""
        with open(self.foreign, "ab", buffering=0) as file:
            for size in (MIB, 4096, 512):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def free_disk(self):
        self.foreign.unlink()

    def said(self, process, text):
        return process.log_text().count(text)

    def wait_until_said(self, process, text, count=1):
        wait_until(lambda: self.said(process, text) >= count, f"{process.name} says {text!r}",
                   process=process)

    def expect_running(self, pids):
        for process, pid in zip((self.rig.fetcher, self.rig.shipper), pids, strict=True):
            self.assertTrue(process.running(), process.log_tail())
            self.assertEqual(pid, process.pid)

    def expect_all_arrives(self, pids):
        self.rig.wait_until_drained(120)
        self.expect_running(pids)
        # What was answered and could not be noted is sent again.
        in_flight = self.rig.events_in_flight()
        again = self.said(self.rig.shipper, "the delivery store is opened anew")
        report = self.rig.judge(
            duplicates_max=again * in_flight + self.rig.sink.unanswered_bound(in_flight))
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertEqual(stats(self.rig.sink.control_path)["events"] > 0, True)

    def start(self):
        self.rig.start_daemons()
        return self.rig.fetcher.pid, self.rig.shipper.pid

    def test_max_size_is_kept_with_a_dead_sink_and_a_disk_that_somebody_else_fills(self):
        self.begin(6_000, f'max-size = "{MAX_SIZE // MIB}MiB"\nmin-free-disk = "2MiB"')
        self.rig.sink.outage_begins()
        pids = self.start()
        paused = "fetching for lane audit is paused"
        self.wait_until_said(self.rig.fetcher, paused)
        # Writing out memory tables may give back logs, and so some room, once or twice.
        time.sleep(3)
        times = self.said(self.rig.fetcher, paused)
        self.assertLessEqual(times, 3)
        time.sleep(3)
        self.assertEqual(times, self.said(self.rig.fetcher, paused))
        self.assertFalse(self.rig.everything_is_fetched())
        self.assertLess(folder_bytes(self.rig.state / "queue"), MAX_SIZE * 9 // 8)
        self.fill_disk()
        self.rig.sink.outage_ends()
        # Answers come, and are noted as long as the store's log has room.
        time.sleep(3)
        self.fill_disk()
        time.sleep(1)
        self.expect_running(pids)
        self.free_disk()
        self.expect_all_arrives(pids)
        self.assertGreaterEqual(self.said(self.rig.fetcher, "fetching for lane audit goes on"), 1)

    def test_a_disk_that_becomes_full_while_events_are_fetched(self):
        self.begin(4_000, 'min-free-disk = 0')
        pids = self.start()
        wait_until(lambda: self.rig.teleport_stats()["recorded"] >= 200, "events are fetched",
                   process=self.rig.fetcher)
        self.fill_disk()
        self.wait_until_said(self.rig.fetcher, "the queue is opened anew")
        self.fill_disk()
        time.sleep(2)
        self.fill_disk()
        self.expect_running(pids)
        self.free_disk()
        self.expect_all_arrives(pids)

    def test_a_disk_that_is_full_before_the_daemons_start(self):
        self.begin(500, "")
        self.fill_disk()
        pids = self.start()
        for process in (self.rig.fetcher, self.rig.shipper):
            wait_until(lambda p=process: re.search("make room on|No space left", p.log_text()),
                       f"{process.name} says what it waits for", process=process)
        time.sleep(2)
        self.expect_running(pids)
        for process in (self.rig.fetcher, self.rig.shipper):
            self.assertLess(len(process.log_text().splitlines()), 12, process.log_text())
        self.free_disk()
        self.expect_all_arrives(pids)


def main():
    global BIN
    BIN = sys.argv[1]
    try:
        power.enter_own_namespace()
    except power.NotPossible as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    if os.geteuid() != 0:
        print("SKIPPED: file systems can be mounted by root only")
        return SKIPPED
    return 0 if unittest.main(argv=[sys.argv[0], *sys.argv[2:]], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
