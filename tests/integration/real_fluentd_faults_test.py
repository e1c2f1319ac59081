#!/usr/bin/env python3
"""A real Fluentd that is killed, stopped, hung, full and robbed of its buffer: nothing is lost that it kept, and what it lost
itself is found and sent again.

real_fluentd_faults_test.py BIN_FOLDER [--rounds N] [--seed S] [TEST…]

Needs `fluentd` on the PATH (FLUENTD=1.14 chooses another version where the PATH's can do that), and is skipped elsewhere. Each
case is tried over http and over forward, with Fluentd's supervisor and its worker as two processes. --rounds repeats the faults
under load, in an order that the seed decides, and from 2 on both kinds of buffers are lost over both protocols. As root, one
case more: Fluentd's buffer on a file system that is full.

Duplicates are told apart by a receipt: a <filter> gives each event a number when it comes in. The same event with two receipts
was sent twice; two events with the same receipt were written twice by Fluentd itself.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import documents  # noqa: E402
import oracle  # noqa: E402
import power  # noqa: E402
import rig as rigs  # noqa: E402
from processes import TestFailure, control, wait_until  # noqa: E402

SKIPPED = 77
OPTIONS = argparse.Namespace(bin=None, rounds=1, seed=1)
BATCH = 100
EVENTS_PER_SECOND = 1500
REQUEST_TIMEOUT_SECONDS = 3
SMALL_DISK_BYTES = 2 << 20  # a few large events among them take 700 KB each
RECEIPT = "_receipt"
RECEIPTS = f"""
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    {RECEIPT} ${{Random.rand(1 << 60).to_s(36)}}
  </record>
</filter>"""
# A line that was cut short by a kill has no end, so the next one begins in its middle.
LINE_BEGIN = re.compile(rb"(?<=.)(?=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*\t(?:events\.log|session\.[^\t]*)\t\{)")
# Fluentd reads "200ms" as 200 minutes.
QUICK_RETRIES = "retry_forever true\n    retry_wait 0.2\n    retry_max_interval 1s"


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Supervised:
    """A Fluentd as people run it: a supervisor, and a worker that does the work."""

    options = ()
    more_of_buffer = QUICK_RETRIES

    def workers(self):
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(word) for word in path.read_text(encoding="ascii").split()]
        except FileNotFoundError:
            return []  # it has ended

    def worker(self):
        return wait_until(self.workers, "Fluentd has a worker", process=self.process)[0]

    def kill_all(self):
        """The supervisor first, so that it cannot start another worker."""
        workers = self.workers()
        self.process.kill()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in workers), "Fluentd's worker is gone")

    def begin_again(self):
        starts = self._worker_starts()
        self.process.start()
        self._wait_until_ready(starts + 1)

    def kill_worker(self):
        starts = self._worker_starts()
        os.kill(self.worker(), signal.SIGKILL)
        self._wait_until_ready(starts + 1)

    @property
    def buffer_folder(self):
        return self._folder / "buffer"

    @property
    def out_folder(self):
        return self._folder / "out"

    # Nothing can be written where a folder is wanted and a file is.

    def output_breaks(self):
        wait_until(self.out_folder.exists, "Fluentd has written something out", process=self.process)
        self.out_folder.rename(self._folder / "out.away")
        self.out_folder.touch()

    def output_is_mended(self):
        self.out_folder.unlink()
        (self._folder / "out.away").rename(self.out_folder)

    def sink_files(self):
        """What it has put out, with lines that were joined by a kill apart again."""
        path = self._folder / "received.ndjson"
        with open(path, "wb") as out:
            for source in super().sink_files():
                with open(source, "rb") as lines:
                    for line in lines:
                        out.write(b"\n".join(LINE_BEGIN.split(line)))
        return [path]

    def received(self):
        for path in self.sink_files():
            with open(path, "rb") as lines:
                for line in lines:
                    with contextlib.suppress(ValueError):
                        yield oracle.read_sink_line(line)


class HttpFluentd(Supervised, rigs.RealFluentd):
    pass


class ForwardFluentd(Supervised, rigs.RealForwardFluentd):
    pass


class FaultCase:
    """What is tried over both protocols."""

    forward = False

    def begin(self, events, settings="", **fluentd):
        """A Fluentd with these values, and both daemons, the shipper not faster than the load is to last."""
        self.rig = rigs.Rig(OPTIONS.bin, rigs.temporary_folder("faults"), events=events, sessions=2,
                            events_per_session=300, forward=self.forward, poll="200ms", batch_events=BATCH,
                            shipper_settings=f'retry-min = "50ms"\nretry-max = "500ms"\n{settings}'
                                             f'request-timeout = "{REQUEST_TIMEOUT_SECONDS}s"\n'
                                             f"max-events-per-second = {EVENTS_PER_SECOND}\n")
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.sink = self.rig.sink = (ForwardFluentd if self.forward else HttpFluentd)(self.rig)
        self.sink.filters = RECEIPTS
        for name, value in fluentd.items():
            setattr(self.sink, name, value)
        self.before_start()
        self.rig.start_stand_ins()
        self.addCleanup(self.sink.kill_all)
        self.rig.start_daemons()
        wait_until(lambda: self.rig.try_status() is not None, "there is a queue", process=self.rig.shipper)

    def before_start(self):
        pass

    def accounted(self):
        return sum(lane["acknowledged"] for lane in self.rig.status()["lanes"].values())

    def dead(self):
        return sum(lane["dead"] for lane in self.rig.status()["lanes"].values())

    def backlog(self):
        return sum(lane["backlog"] for lane in self.rig.status()["lanes"].values())

    def be_under_load(self):
        """Returns when events go out and others wait."""
        before = self.accounted()

        def is_loaded():
            if self.backlog() < EVENTS_PER_SECOND and self.rig.everything_is_fetched():
                control(self.rig.teleport_control, f"add {2 * EVENTS_PER_SECOND}")
            return self.accounted() >= before + 5 * BATCH and self.backlog() >= BATCH
        wait_until(is_loaded, "the sink takes events, and others wait", process=self.rig.shipper)

    def end(self):
        self.rig.wait_until_drained()
        self.rig.shipper.stop()
        self.rig.fetcher.stop()
        self.sink.process.stop()

    def judge(self):
        return self.rig.judge(ignore=(RECEIPT,), skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)

    def expect_all(self, outages, what):
        """Nothing is lost, altered or set aside, and what came twice is explained."""
        report = self.judge()
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertEqual(0, self.dead())
        receipts = collections.Counter(event[RECEIPT] for _, event in self.sink.received() if RECEIPT in event)
        delivered = sum(lane.delivered for lane in report.lanes.values())
        written_twice = sum(receipts.values()) - len(receipts)
        sent_twice = report.duplicates - written_twice
        bound = outages * self.rig.events_in_flight()
        print(f"{what}, {self.sink.scheme}: {delivered} delivered, 0 lost, {sent_twice} sent twice (bound {bound}), "
              f"{written_twice} written twice by Fluentd, {report.broken_lines} lines cut short", flush=True)
        self.assertGreater(delivered, 0)
        self.assertLessEqual(sent_twice, bound)
        return report

    # ---- Faults under load; each returns how many times what was in flight may have been stored without an answer.

    def killed(self):
        self.sink.kill_all()
        self.sink.begin_again()
        return 1

    def stopped(self):
        self.sink.process.stop()
        self.sink.begin_again()
        return 1

    def worker_killed(self):
        self.sink.kill_worker()
        return 1

    def hung(self):
        """For longer than a request may take: it takes what came meanwhile, and the shipper has long asked again."""
        worker = self.sink.worker()
        os.kill(worker, signal.SIGSTOP)
        time.sleep(REQUEST_TIMEOUT_SECONDS + 1.5)
        os.kill(worker, signal.SIGCONT)
        return 2

    def test_nothing_is_lost_by_kills_stops_and_hangs(self):
        self.begin(events=2 * EVENTS_PER_SECOND)
        faults = [self.killed, self.stopped, self.killed, self.worker_killed, self.hung, self.killed]
        dice = random.Random(OPTIONS.seed)
        done = collections.Counter()
        outages = 0
        for number in range(OPTIONS.rounds):
            for fault in (faults if number == 0 else dice.sample(faults, len(faults))):
                self.be_under_load()
                outages += fault()
                done[fault.__name__] += 1
        self.end()
        self.expect_all(outages, ", ".join(f"{name} {count}" for name, count in done.items()))

    # ---- Full

    def expect_to_wait_until_there_is_room(self, complaint):
        """It is full, and then has room. Nothing more is accepted meanwhile, and the shipper goes on asking."""
        self.sink.output_breaks()
        control(self.rig.teleport_control, f"add {2 * EVENTS_PER_SECOND}")
        wait_until(lambda: complaint in self.sink.process.log_text(), f"Fluentd says {complaint!r}",
                   process=self.rig.shipper)
        complaints = self.sink.process.log_text().count(complaint)
        wait_until(lambda: self.sink.process.log_text().count(complaint) >= complaints + 5, "it is asked again",
                   process=self.rig.shipper)
        self.assertGreater(self.backlog(), 0)
        self.assertEqual(0, self.dead())
        self.sink.output_is_mended()
        self.end()

    def test_full_buffer_loses_nothing(self):
        self.begin(events=EVENTS_PER_SECOND,
                   more_of_buffer=f"{QUICK_RETRIES}\n    chunk_limit_size 1m\n    total_limit_size 2m")
        self.be_under_load()
        self.expect_to_wait_until_there_is_room("buffer space has too many data")
        self.expect_all(10, "a full buffer")

    def test_full_disk_loses_nothing(self):
        if os.geteuid() != 0 or not os.environ.get(power.IN_NAMESPACE):
            self.skipTest("only root can mount a small file system")
        self.before_start = self.mount_small_disk
        self.begin(events=EVENTS_PER_SECOND)
        self.be_under_load()
        self.expect_to_wait_until_there_is_room("No space left on device")
        self.expect_all(10, "a full disk")

    def mount_small_disk(self):
        folder = self.sink.buffer_folder
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "none", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)

    # ---- What Fluentd loses

    def test_what_fluentd_lost_is_found_by_stamps_and_comes_back_by_replay(self):
        buffers = ("file", "memory") if self.forward else ("memory", "file")
        for buffer_type in buffers[:OPTIONS.rounds]:
            with self.subTest(buffer_type):
                # Stamps stand at the end of each event, so there are no receipts.
                self.begin(events=2 * EVENTS_PER_SECOND, settings="stamp = true\n", filters="",
                           buffer_type=buffer_type, flush_interval="2s")
                for _ in range(2):
                    written = self.sink.count_lines()
                    self.be_under_load()
                    wait_until(lambda: self.sink.count_lines() > written, "Fluentd writes out", process=self.rig.shipper)
                    self.be_under_load()
                    self.sink.kill_all()
                    shutil.rmtree(self.sink.buffer_folder, ignore_errors=True)
                    self.sink.begin_again()
                self.rig.wait_until_drained()
                self.sink.process.stop()  # which writes its buffer out
                self.sink.begin_again()
                report = self.judge()
                lost = sum(len(lane.lost) for lane in report.lanes.values())
                self.assertGreater(lost, 0, "the buffer was empty each time, so nothing was tried")
                holes = {lane: self.follow_the_recipe(lane) for lane in ("audit", "session")}
                numbers = sum(last - first + 1 for found in holes.values() for first, last in found)
                # Those without id that have the same value as another cannot be told apart by the oracle.
                self.assertGreaterEqual(numbers, lost)
                self.end()
                report = self.judge()
                self.assertEqual([], report.failures() + self.rig.ledger_failures())
                print(f"a lost {buffer_type} buffer, {self.sink.scheme}: {lost} lost by Fluentd, {numbers} numbers in "
                      f"{sum(map(len, holes.values()))} holes sent again, 0 lost", flush=True)

    def follow_the_recipe(self, lane):
        """Runs the blocks of docs/operations.md: the holes that they have found."""
        status = self.rig.status()["lanes"][lane]
        tools = self.rig.folder / "tools"
        tools.mkdir(exist_ok=True)
        queuectl = tools / "queuectl"
        queuectl.write_text(f'#!/bin/sh\nexec "{OPTIONS.bin}/queuectl" "$@" --config "{self.rig.config_path}"\n')
        queuectl.chmod(0o755)
        script = "".join(documents.block("docs/operations.md", name) for name in ("holes", "refill"))
        for before, after in (("lane=audit first=1 last=48201341", f"lane={lane} first=1 last={status['position']}"),
                              ("/var/log/fluent/", f"{self.sink.out_folder}/")):
            self.assertIn(before, script)
            script = script.replace(before, after)
        folder = self.rig.folder / f"recipe-{lane}"
        folder.mkdir()
        done = subprocess.run(["sh", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
        if done.returncode != 0:
            raise TestFailure(f"the recipe ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return [tuple(map(int, line.split())) for line in (folder / "holes").read_text(encoding="ascii").splitlines()]


@unittest.skipUnless(rigs.has_real_fluentd(), "there is no `fluentd` on the PATH")
class OverHttp(FaultCase, unittest.TestCase):
    pass


@unittest.skipUnless(rigs.has_real_fluentd(), "there is no `fluentd` on the PATH")
class OverForward(FaultCase, unittest.TestCase):
    forward = True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", metavar="BIN_FOLDER", type=Path)
    parser.add_argument("--rounds", type=int, default=1, help="of the faults under load (1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("tests", nargs="*", help="as unittest names them")
    parser.parse_intermixed_args(namespace=OPTIONS)
    OPTIONS.bin = OPTIONS.bin.resolve()
    if not rigs.has_real_fluentd():
        print("SKIPPED: there is no `fluentd` on the PATH, so nothing was tried against a real one")
        return SKIPPED
    if os.geteuid() == 0:
        with contextlib.suppress(power.NotPossible):
            power.enter_own_namespace()
    version = subprocess.run(["fluentd", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, seed {OPTIONS.seed}", flush=True)
    result = unittest.main(argv=[sys.argv[0], *OPTIONS.tests], exit=False).result
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
