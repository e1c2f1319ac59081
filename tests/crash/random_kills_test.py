#!/usr/bin/env python3
"""Kills the daemons with -9 at random moments under load, and then holds both ends against each other.

random_kills_test.py BIN_FOLDER [--rounds N] [--seed S]

Goal: whatever dies and whenever, every event that Teleport served arrives, whole, in order, and at most as often again as
stated; and the numbers of the ledger add up after every round.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import TestFailure, control  # noqa: E402

# Long enough for a daemon to get to work, short enough to hit it while it starts, too.
ROUND_SECONDS = (0.05, 0.9)

# One connection: strict order in both lanes. Several: order per batch, but a session's events stay in order.
VARIANTS = (
    {"name": "bulk export, one connection", "mode": "bulk", "connections": 1,
     "strict": ("audit", "session")},
    {"name": "window search, four connections", "mode": "search", "connections": 4,
     "strict": ("session",)},
)
SINK_FAULTS = ("status 500 3", "status 429 2", "reset-before 2", "reset-after 2", "stall 0.2 3")


class Rounds:
    def __init__(self, rig, dice):
        self.rig = rig
        self.dice = dice
        self.kills = {"fetcher": 0, "shipper": 0}

    def one(self, number):
        if self.dice.random() < 0.3:
            control(self.rig.sink.control_path, self.dice.choice(SINK_FAULTS))
        if self.dice.random() < 0.2:
            control(self.rig.teleport_control, f"fail-after {self.dice.randrange(300)} Unavailable")
        time.sleep(self.dice.uniform(*ROUND_SECONDS))
        victims = self.dice.choice((("fetcher",), ("shipper",), ("fetcher", "shipper")))
        for victim in victims:
            getattr(self.rig, f"kill_{victim}")()
            self.kills[victim] += 1
        self.check_ledger(number)
        for victim in victims:
            getattr(self.rig, f"start_{victim}")()

    def check_ledger(self, number):
        """With a daemon dead, which is when the numbers could stay apart."""
        try:
            status = self.rig.status()
        except TestFailure as failure:
            # The fetcher was killed before there was a queue, or while it opened one: nothing to add up yet.
            if "start sluice-fetcher" in str(failure):
                return
            raise
        if status["unaccounted"] != 0:
            raise TestFailure(f"after round {number}, unaccounted is {status['unaccounted']}:\n"
                              f"{self.rig.queuectl('status')}")


def check(rig, strict):
    bound = rig.duplicates_bound()
    report = rig.judge(strict=strict, skip_session_types=("print", "desktop.recording"),
                       duplicates_max=bound)
    failures = report.failures() + rig.ledger_failures()
    if report.broken_lines:
        failures.append(f"{report.broken_lines} broken lines at the sink")
    if failures:
        raise TestFailure("\n".join(failures))
    return report, bound


def run_variant(variant, bin_folder, rounds, seed):
    dice = random.Random(f"{seed} {variant['name']}")
    folder = rigs.temporary_folder("kills")
    with rigs.Rig(bin_folder, folder, events=40_000, sessions=30, events_per_session=100,
                  mode=variant["mode"], seed=dice.randrange(1 << 30), chunk_events=700,
                  connections=variant["connections"]) as rig:
        try:
            rig.start_stand_ins()
            control(rig.teleport_control, "slow 1")
            rig.start_daemons()
            played = Rounds(rig, dice)
            for number in range(1, rounds + 1):
                played.one(number)
            # From here on nothing fails: everything must get through.
            for line in ("status off", "stall 0"):
                control(rig.sink.control_path, line)
            control(rig.teleport_control, "slow 0")
            rig.wait_until_drained()
            report, bound = check(rig, variant["strict"])
            for daemon in (rig.fetcher, rig.shipper):
                if daemon.stop() != 0:
                    raise TestFailure(f"{daemon.name} did not end with 0:\n{daemon.log_tail()}")
        except TestFailure as failure:
            print(f"{variant['name']}, seed {seed}: FAILED, everything is in {folder}\n{failure}")
            return False
    served = sum(lane.served for lane in report.lanes.values())
    print(f"{variant['name']}, seed {seed}: {rounds} rounds, {played.kills['fetcher']} kills of the "
          f"fetcher and {played.kills['shipper']} of the shipper; {served} events served, 0 lost, "
          f"{report.duplicates} duplicates (bound {bound})", flush=True)
    rig.remove()
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder", type=Path)
    parser.add_argument("--rounds", type=int, default=30, help="of each variant")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    results = [run_variant(variant, arguments.bin_folder, arguments.rounds, arguments.seed)
               for variant in VARIANTS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
