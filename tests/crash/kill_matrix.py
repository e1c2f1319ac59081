#!/usr/bin/env python3
"""The process-kill row of the torture matrix: a daemon dies by SIGKILL at the calls by which it changes its files.

kill_matrix.py BIN_FOLDER [--full] [--seed S] [--daemon fetcher|shipper] [--cell TEXT] [--points N | --first-writes N]
               [--workers N]

Each cell is a daemon and a kind of work (kill_cells.py). An undisturbed run is recorded: which calls it makes, such as
write, fdatasync, rename and unlink. Then, for each of these calls, the daemon runs in an installation of its own
and dies before the call, after it, or in the middle of what it writes; every second time it dies again at some
call of its next start. Then it runs undisturbed, and what Teleport served and what Fluentd got are held against
each other (kill_point.py). With --first-writes, instead, each of the first N calls that write or sync is a point.
"""

import argparse
import random
import re
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
import sites  # noqa: E402
from kill_cells import CELLS  # noqa: E402
from kill_point import Wrong, writes_of  # noqa: E402
from processes import TestFailure, control  # noqa: E402
from torture_result import SKIPPED, Result, add_arguments, parse  # noqa: E402

FULL_POINTS = 240  # of a cell at least; all calls of the recorded run in any case
REDUCED_POINTS = 6
BATCH_EVENTS = 20
# Events that come one by one are appended and sent in small batches, which makes many calls. How slowly they must
# come for that depends on how quick the disk is.
CALLS_WANTED = 200
SLOWNESS_MAX_MS = 64
FAILURES_MAX = 3  # of a cell; more would tell nothing new


def record(point, writes_wanted):
    """The recorded runs of a cell, at a pace at which there are enough calls, and among them enough that write or sync."""
    slowness_ms = 1
    while True:
        control(point.rig.teleport_control, f"slow {slowness_ms}")
        first, second = point.record("recorded")
        is_enough = len(first) >= CALLS_WANTED and len(writes_of(first)) >= writes_wanted
        if is_enough or not point.is_paced or slowness_ms >= SLOWNESS_MAX_MS:
            return first, second
        slowness_ms *= 2


class Player:
    """Plays a cell's points on several sites at once."""

    def __init__(self, point, cell, plans, folder):
        self._point = point
        self._cell = cell
        self._plans = list(reversed(plans))
        self._folder = folder
        self._lock = threading.Lock()

    def play(self, workers):
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(self._work, f"site{i}") for i in range(workers)]:
                done.result()

    def _take(self):
        with self._lock:
            if not self._plans or len(self._cell.failures) >= FAILURES_MAX:
                return None
            return self._plans.pop()

    def _work(self, site_name):
        while (plan := self._take()) is not None:
            try:
                outcome = self._point.play(site_name, plan)
                if not outcome.deaths and outcome.calls > 0:
                    # Batches were larger this time, so that there were fewer calls.
                    plan.number = 1 + plan.number % outcome.calls
                    plan.error_at = min(plan.error_at, plan.number - 1)
                    outcome = self._point.play(site_name, plan)
            except Wrong as wrong:
                outcome = wrong.outcome
                with self._lock:
                    kept = self._folder / f"failed-{len(list(self._folder.glob('failed-*')))}"
                    (self._point.rig.folder / site_name).rename(kept)
                self._cell.fail(f"{wrong}\nthe state is in {kept}")
            self._count(outcome)

    def _count(self, outcome):
        self._cell.died_at.update(death.split()[0] for death in outcome.deaths)
        if not outcome.deaths:
            self._cell.add_point(points=0, extra={"outlived": 1})
            return
        self._cell.add_point(outcome.report, bound=outcome.bound, strict_lanes=outcome.strict_lanes,
                             drain_seconds=outcome.drain_seconds,
                             extra={"second kills": len(outcome.deaths) - 1, **outcome.extra})


def play_cell(kind, result, arguments, folder):
    cell = result.cell(f"{kind.daemon}, {kind.workload}")
    dice = random.Random(f"{result.seed} {cell.name}")
    own = folder / re.sub(r"\W+", "-", cell.name)
    with rigs.Rig(arguments.bin_folder, own, events=kind.events, sessions=kind.sessions,
                  events_per_session=kind.events_per_session, chunk_events=30, mode=kind.mode,
                  seed=dice.randrange(1 << 30), poll="100ms", batch_events=BATCH_EVENTS,
                  settings=sites.SETTINGS,
                  queue_settings=kind.queue_settings) as rig:
        try:
            rig.start_stand_ins()
            point = kind(rig, result.seed)
            point.make_template()
            first, second = record(point, arguments.first_writes or 0)
            if arguments.first_writes:
                plans = point.plans_of_first_writes(first, arguments.first_writes)
            else:
                wanted = arguments.points or (max(len(first), FULL_POINTS) if arguments.full else
                                              REDUCED_POINTS)
                plans = point.plans(first, second, wanted, dice)
            Player(point, cell, plans, folder).play(arguments.workers)
            cell.extra["recorded calls"] = len(first)
            cell.extra["of these, table files deleted"] = sum(
                line.split()[1] == "unlink" and line.endswith(".sst") for line in first)
        except TestFailure as failure:
            cell.fail(f"before the first kill: {failure}")
    print(f"{result.name}: {cell.name}: {cell.line()}", flush=True)
    if not cell.failures:
        shutil.rmtree(own, ignore_errors=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--daemon", choices=("fetcher", "shipper"))
    parser.add_argument("--cell", help="only those cells whose name contains this")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--points", type=int, help="of each cell")
    which.add_argument("--first-writes", type=int, metavar="N",
                       help="each of the first N calls that write or sync, in each cell")
    parser.add_argument("--workers", type=int, default=6)
    return parse(parser)


def main():
    arguments = parse_arguments()
    if sites.skips_sanitized(arguments.bin_folder):
        return SKIPPED
    if not (arguments.bin_folder / "kill_switch.so").exists():
        print(f"there is no kill_switch.so in {arguments.bin_folder}: build it first")
        return 1
    result = Result("-".join(filter(None, ("kill", arguments.daemon,
                                           arguments.first_writes and "first-writes"))), arguments)
    print(f"{result.name}: seed {result.seed}", flush=True)
    with sites.work_folder("kill", result) as folder:
        for kind in CELLS:
            name = f"{kind.daemon}, {kind.workload}"
            if arguments.daemon in (None, kind.daemon) and (arguments.cell or "") in name:
                play_cell(kind, result, arguments, folder)
    return result.finish()


if __name__ == "__main__":
    sys.exit(main())
