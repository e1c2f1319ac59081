#!/usr/bin/env python3
"""Kills a daemon at every one of the first calls by which it changes its files, and then lets it go on.

kill_at_call_test.py BIN_FOLDER --daemon fetcher|shipper [--calls N] [--seed S] [--first N --last N]

The calls are numbered by tests/support/kill_switch.cc. For each number the daemon starts in a fresh state folder and
dies at that call: before it, after it, or in the middle of what it writes. At every second number it dies a second
time, while it starts again. Then it runs undisturbed, and both ends are held against each other.

The fetcher is killed at every call until 200 write() or fdatasync() calls have been its last one, the shipper at all
calls that it makes up to that number; from there on to the daemon's end, at every nineteenth.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import TestFailure, control  # noqa: E402

SKIPPED = 77
KILLED = -9
HOWS = ("before", "half", "after")
COUNTED = ("write", "pwrite", "writev", "fdatasync")
STRIDE = 19
# The calls of a start on a queue or a store that a kill has left; some more follow from the work.
START_CALLS = 90
BATCH_EVENTS = 20
SLOWNESS_MAX_MS = 64


@dataclass
class Outcome:
    """What came of one number."""

    deaths: list = field(default_factory=list)  # the calls that were the last ones: "write FILE"
    duplicates: int = 0
    bound: int = 0

    @property
    def died(self):
        return bool(self.deaths)


class Points:
    """Hands out numbers and collects what came of them. Thread-safe."""

    def __init__(self, calls, first, last):
        self._lock = threading.Lock()
        self._calls = calls
        self._next = first
        self._last = last
        self._given_back = []
        self._ended = False
        self.saw_end = False  # the daemon has outlived a number
        self.counted = 0
        self.points = 0
        self.second_deaths = 0
        self.duplicates = 0
        self.bound = 0

    def take(self):
        """The next number, or None."""
        with self._lock:
            if self._ended or (self._last and self._next > self._last):
                return None
            if self._given_back:
                return self._given_back.pop()
            number = self._next
            everything = self._last or self.counted < self._calls
            self._next += 1 if everything else STRIDE
            return number

    def done(self, outcome):
        with self._lock:
            if not outcome.died:
                self._ended = self.saw_end = True
                return
            self.points += 1
            self.counted += outcome.deaths[0].split()[0] in COUNTED
            self.second_deaths += len(outcome.deaths) - 1
            self.duplicates = max(self.duplicates, outcome.duplicates)
            self.bound = max(self.bound, outcome.bound)

    def give_back(self, number):
        """The daemon has outlived it too early: it is to be tried again."""
        with self._lock:
            self._given_back.append(number)

    def needs_more_calls(self):
        return not self._last and self.counted < self._calls

    def stop(self):
        with self._lock:
            self._ended = True


class Series:
    """How one number is played. `site` is an installation; each thread has its own."""

    daemon = None
    watched = ()
    connections = (1,)

    def __init__(self, rig, seed):
        self.rig = rig
        self.seed = seed
        self.reference = rig.twin("reference")
        self.modes = self.run_undisturbed()

    def run_undisturbed(self):
        """What a kill must not make a difference to."""
        self.run(self.reference, "fetcher")
        self.keep_queue()
        self.run(self.reference, "shipper")
        return modes_below(self.reference.state)

    def slow_down(self):
        """Makes the daemon's calls more, if that can be done."""
        return False

    def keep_queue(self):
        """Called when there is a queue from which nothing was shipped."""

    def prepare(self, site):
        """Puts into the empty state folder what the daemon needs to start with."""

    def run(self, site, daemon, switch=None):
        """Runs it to its end. Whether it was killed by the switch; any other failure is raised."""
        option = {"fetcher": "--exit-on-last-event", "shipper": "--exit-when-drained"}[daemon]
        status, said = site.run(f"sluice-{daemon}", option, environment=switch)
        with open(site.folder / "daemons.log", "a", encoding="utf-8") as log:
            log.write(f"--- sluice-{daemon} ended with {status}\n{said}")
        if status != 0 and not (switch and status == KILLED):
            raise TestFailure(f"sluice-{daemon} ended with {status}:\n{said}")
        return status == KILLED

    def run_to_call(self, site, number, how):
        """The call that was the last one, or None if there are not that many."""
        log = site.folder / "calls"
        log.unlink(missing_ok=True)
        folders = ":".join(str(site.state / name) for name in self.watched)
        if not self.run(site, self.daemon, {
                "LD_PRELOAD": str(site.bin / "kill_switch.so"), "KILL_SWITCH_FOLDERS": folders,
                "KILL_SWITCH_AT": str(number), "KILL_SWITCH_HOW": how, "KILL_SWITCH_LOG": str(log)}):
            return None
        last = log.read_text(encoding="utf-8").splitlines()[-1]
        reached, call = last.split(" ", 1)
        if int(reached) != number:
            raise TestFailure(f"it died at call {reached}")
        return call.replace(f"{site.state}/", "")

    def one(self, site_name, number):
        """Plays one number in a new installation."""
        shutil.rmtree(self.rig.folder / site_name, ignore_errors=True)
        # Not in step with `how`, nor with the second death.
        site = self.rig.twin(site_name, self.connections[number // 3 % len(self.connections)])
        outcome = Outcome()
        how = HOWS[(number + self.seed) % len(HOWS)]
        offset = self.rig.sink.record.stat().st_size
        try:
            self.prepare(site)
            self.kill(site, number, how, outcome)
            if outcome.died and number % 2 == 0:
                self.kill(site, 1 + number // 2 % START_CALLS,
                          HOWS[(number // 2 + self.seed) % len(HOWS)], outcome)
            self.run(site, "fetcher")
            self.run(site, "shipper")
            self.check(site, offset, outcome)
        except (TestFailure, subprocess.TimeoutExpired) as failure:
            deaths = "".join(f"\n  died {death}" for death in outcome.deaths)
            raise TestFailure(f"call {number}, {how}:{deaths}\n{failure}") from None
        return outcome

    def kill(self, site, number, how, outcome):
        call = self.run_to_call(site, number, how)
        if call is not None:
            outcome.deaths.append(f"{call} ({how}, call {number})")

    def check(self, site, offset, outcome):
        record = site.folder / "accepted.ndjson"
        cut(self.rig.sink.record, offset, f'"tag":"{site.folder.name}.', record)
        outcome.bound = self.duplicates_bound(site, len(outcome.deaths))
        strict = True if site.connections == 1 else ("session",)
        report = oracle.judge(self.rig.served, [record], strict=strict,
                              skip_session_types=("desktop.recording",),
                              duplicates_max=outcome.bound)
        outcome.duplicates = report.duplicates
        failures = report.failures() + site.ledger_failures()
        if report.broken_lines:
            failures.append(f"{report.broken_lines} broken lines at the sink")
        modes = modes_below(site.state)
        if modes != self.modes:
            failures.append(f"the files and their modes are {modes}, without a kill {self.modes}")
        if failures:
            raise TestFailure("\n".join(failures))


class FetcherSeries(Series):
    daemon = "fetcher"
    watched = ("queue",)

    def __init__(self, rig, seed):
        self._slowness_ms = 0
        self._lock = threading.Lock()
        super().__init__(rig, seed)
        self.slow_down()

    def slow_down(self):
        """Events that come one by one are appended in small batches, which makes many calls. How slow they must come
        for that depends on how quick the disk is."""
        with self._lock:
            if self._slowness_ms >= SLOWNESS_MAX_MS:
                return False
            self._slowness_ms = max(1, self._slowness_ms * 2)
            control(self.rig.teleport_control, f"slow {self._slowness_ms}")
            return True

    def duplicates_bound(self, _site, _deaths):
        return 0


class ShipperSeries(Series):
    daemon = "shipper"
    watched = ("delivery", "shipper")
    connections = (1, 4)  # one: strict order; several: order within a session

    def keep_queue(self):
        self.queue = self.reference.folder / "kept-queue"
        shutil.copytree(self.reference.state / "queue", self.queue)

    def prepare(self, site):
        shutil.copytree(self.queue, site.state / "queue")

    def duplicates_bound(self, site, deaths):
        return deaths * site.events_in_flight()


def modes_below(state):
    """{path: mode} of all folders and of the files that are not the databases' own."""
    return {str(path.relative_to(state)): oct(path.stat().st_mode & 0o7777)
            for path in sorted(state.rglob("*")) if path.is_dir() or path.parent.name != "db"}


def cut(record, offset, text, target):
    """Copies the lines from `offset` on that contain `text` near their beginning."""
    text = text.encode()
    with open(record, "rb") as source, open(target, "wb") as copy:
        source.seek(offset)
        for line in source:
            if text in line[:120]:
                copy.write(line)


def is_sanitized(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.search(r"lib(a|t|l|ub)san\.", said) is not None


def play(series, points, workers):
    """All numbers, on several sites at once. The failures."""
    def work(site_name):
        while (number := points.take()) is not None:
            try:
                outcome = series.one(site_name, number)
                if not outcome.died and points.needs_more_calls() and series.slow_down():
                    points.give_back(number)
                else:
                    points.done(outcome)
            except TestFailure as failure:
                points.stop()
                return f"{failure}\nthe state is in {series.rig.folder / site_name}"
        return None
    with ThreadPoolExecutor(workers) as pool:
        return [failure for failure in pool.map(work, (f"site{i}" for i in range(workers)))
                if failure]


def run(arguments, folder):
    events = {"fetcher": 300, "shipper": 500}[arguments.daemon]
    with rigs.Rig(arguments.bin_folder, folder, events=events, sessions=2, events_per_session=25,
                  chunk_events=30, mode=arguments.mode, seed=arguments.seed, poll="100ms",
                  batch_events=BATCH_EVENTS,
                  settings='concurrency = 2\nskip-session-types = ["desktop.recording"]') as rig:
        rig.start_stand_ins()
        series = {"fetcher": FetcherSeries, "shipper": ShipperSeries}[arguments.daemon](
            rig, arguments.seed)
        points = Points(arguments.calls, arguments.first, arguments.last)
        failures = play(series, points, arguments.workers)
    if not failures and arguments.daemon == "fetcher" and not arguments.last and \
            points.counted < arguments.calls:
        failures.append(f"its end: it makes only {points.counted} write() and fdatasync() calls")
    head = f"sluice-{arguments.daemon}, seed {arguments.seed}: "
    for failure in failures:
        print(f"{head}FAILED at {failure}")
    if failures:
        return False
    print(f"{head}killed at {points.points} calls, {points.counted} of them write() or fdatasync(), "
          f"{'the last one near its end' if points.saw_end else 'not up to its end'}, and "
          f"{points.second_deaths} times again in the next start; nothing lost, at most "
          f"{points.duplicates} duplicates (bound {points.bound})", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder", type=Path)
    parser.add_argument("--daemon", choices=("fetcher", "shipper"), required=True)
    parser.add_argument("--calls", type=int, default=200,
                        help="how many write() and fdatasync() calls to die at without a gap")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, help="die at all calls from --first to this one only")
    parser.add_argument("--mode", choices=("bulk", "search"), default="bulk")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    arguments = parser.parse_args()
    arguments.bin_folder = arguments.bin_folder.resolve()
    if is_sanitized(arguments.bin_folder / f"sluice-{arguments.daemon}"):
        print("SKIPPED: the daemons are built with a sanitizer, which does not bear a preloaded library")
        return SKIPPED
    if not (arguments.bin_folder / "kill_switch.so").exists():
        print(f"there is no kill_switch.so in {arguments.bin_folder}: build it first")
        return 1
    folder = rigs.temporary_folder("call").resolve()
    try:
        good = run(arguments, folder)
    except TestFailure as failure:
        print(f"FAILED before the first kill: {failure}")
        good = False
    if good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"everything is kept in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
