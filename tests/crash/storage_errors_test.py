#!/usr/bin/env python3
"""Makes the Nth call of a daemon on its files fail, for every N of a run, and holds both ends against each other.

storage_errors_test.py BIN_FOLDER [--full] [--seed S] [--daemon D] [--fault NAME] [--first N --last N]

The calls are numbered and made to fail by tests/support/fault_switch.cc: with EIO, with ENOSPC, or by a write that writes
half; once, or from the Nth on for some calls and a moment (an outage, which ends by itself). A daemon that meets this must
either heal by itself or end with a sentence that names what failed and a documented status with which the unit starts it
again; that is done here, without a fault. Afterwards nothing may be lost, invented, altered or repeated beyond the bound,
and the numbers must add up.
"""

import argparse
import math
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import sites  # noqa: E402
from processes import TestFailure  # noqa: E402
from torture_result import SKIPPED, Result, add_arguments, add_workers, parse  # noqa: E402

BATCH_EVENTS = 10
EVENTS = 60
# With these the unit starts the daemon again: see docs/exit-codes.md.
DOCUMENTED = (73, 74, 75)
# Debian's RocksDB has assertions that some failures break: for the unit the same as a kill.
ABORTED = -signal.SIGABRT
REDUCED_POINTS = 1  # of each cell
REOPENED = "is opened anew"


@dataclass(frozen=True)
class Fault:
    name: str
    how: str
    calls: str = "changes"
    count: int = 1
    limit_ms: int = 0

    def environment(self, folders, number, log):
        return {"FAULT_SWITCH_FOLDERS": ":".join(str(folder) for folder in folders), "FAULT_SWITCH_AT": str(number),
                "FAULT_SWITCH_HOW": self.how, "FAULT_SWITCH_CALLS": self.calls, "FAULT_SWITCH_COUNT": str(self.count),
                "FAULT_SWITCH_MS": str(self.limit_ms), "FAULT_SWITCH_LOG": str(log)}


FAULTS = (
    Fault("EIO once", "EIO"),
    Fault("ENOSPC once", "ENOSPC"),
    Fault("short write", "short"),
    Fault("EIO for a while", "EIO", count=200, limit_ms=700),
    Fault("disk full for a while", "short", count=10_000, limit_ms=700),
    Fault("EIO at a read", "EIO", calls="reads"),
)


class Series:
    """One cell of the matrix: a daemon and a fault, for the numbers of its calls. Thread-safe."""

    def __init__(self, daemon, fault, cell, numbers, points_max):
        self.daemon = daemon
        self.fault = fault
        self.cell = cell
        self._lock = threading.Lock()
        self._numbers = numbers
        self._points_max = points_max
        self._ended = False

    def take(self):
        with self._lock:
            if self._ended or self.cell.points >= self._points_max:
                return None
            return next(self._numbers, None)

    def end(self):
        with self._lock:
            self._ended = True


class Bench:
    """The rig and what every point begins with."""

    FOLDERS = {"fetcher": ("queue",), "shipper": ("queue", "delivery", "shipper")}

    def __init__(self, rig):
        self.rig = rig
        reference = rig.twin("reference")
        sites.run_to_end(reference, "fetcher")
        self.queue = reference.folder / "kept-queue"
        sites.copy_state(reference.state / "queue", self.queue)

    def play(self, series, site_name, number):
        """One point. Whether the daemon made that many calls."""
        site = sites.fresh(self.rig, site_name, (1, 4)[number % 2])
        # There is something to read.
        if series.daemon == "shipper" or series.fault.calls == "reads":
            sites.copy_state(self.queue, site.state / "queue")
        log = site.folder / "faults"
        folders = [site.state / name for name in self.FOLDERS[series.daemon]]
        offset = self.rig.sink.record.stat().st_size
        said = ""
        try:
            status, said = self._run_with(site, series, series.fault.environment(folders, number, log))
            if not log.exists() or not log.stat().st_size:
                return self._passed_by(status, said)
            begin = time.monotonic()
            outcome = self._judge_end(status, said, site)
            if outcome != "healed":
                sites.run_to_end(site, series.daemon)
            for daemon in ("fetcher", "shipper"):
                sites.run_to_end(site, daemon)
            crashes = said.count(REOPENED) + (status != 0) if series.daemon == "shipper" else 0
            report, bound, strict = self._check(site, offset, crashes)
            series.cell.add_point(report, bound=bound, strict_lanes=strict, extra={outcome: 1},
                                  drain_seconds=time.monotonic() - begin)
        except TestFailure as failure:
            calls = log.read_text(encoding="utf-8").splitlines()[:3] if log.exists() else []
            raise TestFailure(f"call {number}: " + "; ".join(calls) + f"\n{failure}\nit had said:\n{said[-3000:]}") from None
        return True

    def _run_with(self, site, series, environment):
        environment["LD_PRELOAD"] = str(site.bin / "fault_switch.so")
        try:
            return site.run(f"sluice-{series.daemon}", sites.END_OPTIONS[series.daemon], environment=environment,
                            patience_seconds=sites.PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as expired:
            said = ((expired.stdout or b"") + (expired.stderr or b"")).decode(errors="replace")
            raise TestFailure(f"it has neither healed nor ended within {sites.PATIENCE_SECONDS} s:\n{said[-3000:]}") from None

    def _passed_by(self, status, said):
        """No call failed: there are not that many, or that one is not of a kind that this fault is for."""
        if status != 0:
            raise TestFailure(f"it ended with {status} though nothing had failed:\n{said}")
        return False

    def _judge_end(self, status, said, site):
        if status == 0:
            return "healed"
        if status == ABORTED:
            return "aborted by RocksDB"
        if status not in DOCUMENTED:
            raise TestFailure(f"it ended with {status}, for which the unit does not start it again")
        errors = [line for line in said.splitlines() if " error " in line]
        if not errors or str(site.state) not in errors[-1]:
            raise TestFailure(f"it ended with {status} without a sentence that names what failed")
        return f"ended with {status}"

    def _check(self, site, offset, crashes):
        record = sites.cut_record(self.rig, site, offset)
        bound = crashes * site.events_in_flight()
        strict = ("audit", "session") if site.connections == 1 else ("session",)
        report = oracle.judge(site.served, [record], strict=strict, skip_session_types=sites.SKIPPED_TYPES,
                              duplicates_max=bound)
        failures = report.failures() + site.ledger_failures()
        if report.broken_lines:
            failures.append(f"{report.broken_lines} broken lines at the sink")
        if failures:
            raise TestFailure("\n".join(failures))
        return report, bound, strict


# After so many numbers in a row at which nothing failed, the daemon's run is at its end.
MISSES_MAX = 25


class Player:
    """One thread's work: numbers of a series, on a site of its own."""

    def __init__(self, bench, name):
        self._bench = bench
        self._name = name

    def work(self, series):
        misses = 0
        while (number := series.take()) is not None:
            try:
                if self._bench.play(series, self._name, number):
                    misses = 0
                    continue
            except TestFailure as failure:
                kept = keep(self._bench.rig, self._name, number)
                series.cell.fail(f"{failure}\nthe state is in {kept}")
                if len(series.cell.failures) >= 3:
                    series.end()
                continue
            misses += 1
            if misses >= MISSES_MAX:
                series.end()


def keep(rig, name, number):
    kept = rig.folder / f"failed-{name}-{number}"
    sites.copy_state(rig.folder / name, kept)
    return kept


def numbers_of(arguments, fault, dice):
    """Which calls are to fail."""
    if arguments.first:
        return iter(range(arguments.first, (arguments.last or arguments.first) + 1))
    if arguments.full:
        return iter(range(1, 1_000_000))
    # An opening makes some ninety changes, and the work after it more; there are few reads.
    return iter(dice.sample(range(1, 130 if fault.calls == "changes" else 12), 10))


def play_all(arguments, rig, result):
    bench = Bench(rig)
    dice = random.Random(result.seed)
    for daemon in ("fetcher", "shipper"):
        for fault in FAULTS:
            if arguments.daemon not in (None, daemon) or arguments.fault not in (None, fault.name):
                continue
            few = not arguments.full and not arguments.first
            series = Series(daemon, fault, result.cell(f"{daemon}, {fault.name}"),
                            numbers_of(arguments, fault, dice), REDUCED_POINTS if few else math.inf)
            with ThreadPoolExecutor(arguments.workers) as pool:
                players = [Player(bench, f"w{i}") for i in range(arguments.workers)]
                for done in [pool.submit(player.work, series) for player in players]:
                    done.result()
            print(f"{series.cell.name}: {series.cell.line()}", flush=True)


def run(arguments):
    result = Result("storage_errors", arguments)
    with sites.shared_rig("errors", arguments, result, events=EVENTS, sessions=1, events_per_session=20,
                          chunk_events=10, batch_events=BATCH_EVENTS) as rig:
        play_all(arguments, rig, result)
    return result.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--daemon", choices=("fetcher", "shipper"))
    parser.add_argument("--fault", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--first", type=int)
    parser.add_argument("--last", type=int)
    add_workers(parser)
    arguments = parse(parser)
    if sites.skips_sanitized(arguments.bin_folder):
        return SKIPPED
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
