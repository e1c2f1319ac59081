"""What a row of the torture matrix has found: counted cell by cell, printed and written for programs.

    result = Result("kill", arguments)
    cell = result.cell("fetcher, steady")
    cell.add_point(report, bound=0, drain_seconds=1.5)     # `report` is oracle.judge()'s
    cell.extra["second kills"] += 1
    cell.fail("call 17, half: ...")                        # for people, with where to look
    return result.finish()                                 # the exit status

A row's program takes the folder of the programs, --full (all of it instead of the reduced set that `./dev test`
runs) and --seed S, and leaves build/torture/NAME.json; tests/crash/run_torture.py runs the rows. Thread-safe.
"""

import argparse
import json
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "build/torture"
SKIPPED = 77
REDUCED_SEED = 20261123
# Each must be 0, whatever has failed.
LOSSES = ("lost", "invented", "altered", "disordered")


def describe_counts(counts):
    """"write 70, fdatasync 31", the most frequent first."""
    return ", ".join(f"{name} {count}" for name, count in Counter(counts).most_common())


@dataclass
class Cell:
    """One combination of what is done and what it is done to."""

    name: str
    points: int = 0  # how often something was killed, cut, made to fail or damaged
    losses: Counter = field(default_factory=Counter)
    duplicates_max: int = 0  # after one point
    duplicates_bound: int = 0  # the bound that belongs to it
    drain_seconds_max: float = 0.0  # from the last fault until everything was delivered
    extra: Counter = field(default_factory=Counter)  # what only this row counts; all values are sums
    died_at: Counter = field(default_factory=Counter)  # which calls were the last ones
    failures: list = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add_point(self, report=None, *, points=1, bound=0, drain_seconds=0.0, strict_lanes=(), extra=None):
        """`strict_lanes`: those in which another order than the served one counts as a fault."""
        with self._lock:
            self.points += points
            self.drain_seconds_max = max(self.drain_seconds_max, drain_seconds)
            self.extra.update(extra or {})
            if report is None:
                return
            for name, lane in report.lanes.items():
                for loss in LOSSES:
                    if loss != "disordered" or name in strict_lanes:
                        self.losses[loss] += len(getattr(lane, loss))
            # The pair that came nearest to its bound.
            if (report.duplicates, -bound) >= (self.duplicates_max, -self.duplicates_bound):
                self.duplicates_max, self.duplicates_bound = report.duplicates, bound
            elif self.duplicates_max == 0:
                self.duplicates_bound = max(self.duplicates_bound, bound)

    def fail(self, text):
        with self._lock:
            self.failures.append(text)

    def to_dict(self):
        return {"cell": self.name, "points": self.points,
                **{loss: self.losses[loss] for loss in LOSSES},
                "duplicates_max": self.duplicates_max, "duplicates_bound": self.duplicates_bound,
                "drain_seconds_max": round(self.drain_seconds_max, 2),
                "extra": dict(self.extra), "died_at": dict(self.died_at.most_common()),
                "failures": self.failures}

    def line(self):
        numbers = self.to_dict()
        extra = "".join(f", {name} {value}" for name, value in self.extra.items())
        losses = " ".join(f"{loss} {numbers[loss]}" for loss in LOSSES)
        if self.died_at:
            extra += "; died at " + describe_counts(self.died_at)
        return (f"points {self.points}, {losses}, duplicates {self.duplicates_max} at most "
                f"(bound {self.duplicates_bound}), drained within {self.drain_seconds_max:.1f} s{extra}")


class Result:
    def __init__(self, name, arguments):
        self.name = name
        self.full = arguments.full
        self.seed = arguments.seed
        if self.seed is None:
            self.seed = int.from_bytes(os.urandom(4), "little") if self.full else REDUCED_SEED
        self.cells = []
        self._begin = time.monotonic()

    def cell(self, name):
        self.cells.append(Cell(name))
        return self.cells[-1]

    def good(self):
        return not any(cell.failures or sum(cell.losses.values()) for cell in self.cells)

    def to_dict(self):
        cells = [cell.to_dict() for cell in self.cells]
        return {"row": self.name, "full": self.full, "seed": self.seed, "ok": self.good(),
                "seconds": round(time.monotonic() - self._begin, 1),
                **{key: sum(cell[key] for cell in cells) for key in ("points", *LOSSES)},
                "failures": [f"{cell.name}: {text}" for cell in self.cells for text in cell.failures],
                "cells": cells}

    def finish(self):
        """Prints what was found, writes it for programs, and gives the exit status."""
        found = self.to_dict()
        for failure in found["failures"]:
            print(f"{self.name}: FAILED: {failure}")
        print(f"{self.name}: " + ", ".join(f"{key} {found[key]}" for key in ("points", *LOSSES)) +
              f"; seed {self.seed}, {found['seconds']:.0f} s; {'good' if found['ok'] else 'FAILED'}",
              flush=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{self.name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0 if found["ok"] else 1


def add_arguments(parser):
    """The arguments that each row's program takes; parse() reads them and what was added beside them."""
    parser.add_argument("bin_folder", type=Path)
    parser.add_argument("--full", action="store_true",
                        help="all of it, not only the reduced set")
    parser.add_argument("--seed", type=int, help="a fixed one for the reduced set, else a new one")


def add_workers(parser):
    parser.add_argument("--workers", type=int, help="how many points are played at once")


def parse(parser):
    arguments = parser.parse_args()
    arguments.bin_folder = arguments.bin_folder.resolve()
    if "workers" in arguments:
        arguments.workers = arguments.workers or (2 if arguments.full else 1)
    return arguments


def parse_with_minutes(description, full, reduced):
    """Of a row that goes on for as long as --minutes says, else for so many minutes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--minutes", type=float, help=f"{full}, or {reduced} of the reduced set")
    arguments = parse(parser)
    if arguments.minutes is None:
        arguments.minutes = full if arguments.full else reduced
    return arguments
