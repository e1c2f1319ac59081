#!/usr/bin/env python3
"""Kills the daemons with -9 at random moments under load, and then holds both ends against each other.

random_kills_test.py BIN_FOLDER [--full] [--seed S] [--rounds N]

Each round lets both daemons work for a moment, kills the fetcher, the shipper or both, looks at the ledger while they
are dead, and starts them again. After the last round everything must be delivered.
"""

import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
import sites  # noqa: E402
from kill_point import check_while_dead  # noqa: E402
from processes import TestFailure, control  # noqa: E402
from torture_result import Result, add_arguments, parse  # noqa: E402

FULL_ROUNDS = 250  # of each variant
REDUCED_ROUNDS = 26
# Long enough for a daemon to get to work, short enough to hit it while it starts, too.
ROUND_SECONDS = (0.05, 0.9)
SINK_FAULTS = ("status 500 3", "status 429 2", "reset-before 2", "reset-after 2", "stall 0.2 3")


@dataclass(frozen=True)
class Variant:
    name: str
    mode: str
    slow_ms: int  # before each event or page, so that there is load until the end
    connections: int
    strict_lanes: tuple


# One connection: strict order in both lanes. Several: within a session.
VARIANTS = (
    Variant("bulk export, one connection", "bulk", 1, 1, ("audit", "session")),
    Variant("window search, four connections", "search", 100, 4, ("session",)),
)


class Rounds:
    def __init__(self, rig, slow_ms, dice, cell):
        self.slow_ms = slow_ms
        self.rig = rig
        self.dice = dice
        self.cell = cell

    def play(self, rounds):
        control(self.rig.teleport_control, f"slow {self.slow_ms}")
        self.rig.start_daemons()
        for _ in range(rounds):
            self._one()
        # From here on nothing fails: everything must get through.
        for line in ("status off", "stall 0"):
            control(self.rig.sink.control_path, line)
        control(self.rig.teleport_control, "slow 0")
        begin = time.monotonic()
        self.rig.wait_until_drained()
        return time.monotonic() - begin

    def _one(self):
        if self.dice.random() < 0.3:
            control(self.rig.sink.control_path, self.dice.choice(SINK_FAULTS))
        if self.dice.random() < 0.2:
            control(self.rig.teleport_control, f"fail-after {self.dice.randrange(300)} Unavailable")
        time.sleep(self.dice.uniform(*ROUND_SECONDS))
        victims = self.dice.choice((("fetcher",), ("shipper",), ("fetcher", "shipper")))
        for victim in victims:
            getattr(self.rig, f"kill_{victim}")()
        check_while_dead(self.rig)
        for victim in victims:
            getattr(self.rig, f"start_{victim}")()
        self.cell.add_point(extra={f"kills of the {victim}": 1 for victim in victims})


def check(rig, variant, drain_seconds, cell):
    bound = rig.duplicates_bound()
    report = rig.judge(strict=variant.strict_lanes, skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES,
                       duplicates_max=bound)
    cell.add_point(report, points=0, bound=bound, drain_seconds=drain_seconds,
                   strict_lanes=variant.strict_lanes,
                   extra={"events served": sum(lane.served for lane in report.lanes.values())})
    failures = report.failures() + rig.ledger_failures()
    if report.broken_lines:
        failures.append(f"{report.broken_lines} broken lines at the sink")
    for daemon in (rig.fetcher, rig.shipper):
        if daemon.stop() != 0:
            failures.append(f"{daemon.name} did not end with 0:\n{daemon.log_tail()}")
    if failures:
        raise TestFailure("\n".join(failures))


def run_variant(variant, result, arguments, folder):
    cell = result.cell(variant.name)
    dice = random.Random(f"{result.seed} {variant.name}")
    # Enough for a daemon to be at work in every round.
    rounds = arguments.rounds or (FULL_ROUNDS if arguments.full else REDUCED_ROUNDS)
    with rigs.Rig(arguments.bin_folder, folder / variant.mode, events=rounds * 3000,
                  sessions=rounds, events_per_session=100, mode=variant.mode,
                  seed=dice.randrange(1 << 30), chunk_events=700,
                  connections=variant.connections) as rig:
        try:
            rig.start_stand_ins()
            check(rig, variant, Rounds(rig, variant.slow_ms, dice, cell).play(rounds), cell)
        except TestFailure as failure:
            cell.fail(str(failure))
    print(f"{result.name}: {cell.name}: {cell.line()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--rounds", type=int, help="of each variant")
    arguments = parse(parser)
    result = Result("random_kills", arguments)
    print(f"{result.name}: seed {result.seed}", flush=True)
    with sites.work_folder("kills", result) as folder:
        for variant in VARIANTS:
            run_variant(variant, result, arguments, folder)
    return result.finish()


if __name__ == "__main__":
    sys.exit(main())
