#!/usr/bin/env python3
"""Loses, restores, swaps and copies halves of an installation, while its daemons are down and while they run.

halves_test.py BIN_FOLDER [--full] [--seed S] [--case TEXT]

An installation has a past: copies of it from yesterday and of today, and a neighbour with a queue of its own. Each case puts
something together from these that was never together. Then the daemons either refuse to go on, with status 65 and a sentence
that says what does not belong together, and putting back the right half makes everything good; or they go on, and what was
lost with a half is fetched or shipped again. In no case may an event be missing in silence, or one be delivered that is not
this installation's.
"""

import argparse
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import sites  # noqa: E402
from past import CONNECTIONS, new_past  # noqa: E402
from processes import TestFailure, wait_until  # noqa: E402
from torture_result import Result, add_arguments, parse  # noqa: E402

REFUSED = 65
STRANGERS_SECONDS = 1.0  # how long daemons run on halves that were changed under them
HALVES = {"queue": ("queue",), "delivery store": ("delivery", "shipper"), "delivery store without its page": ("delivery",),
          "pages": ("queue/page", "shipper/page"), "fetcher's page": ("queue/page",), "shipper's page": ("shipper/page",)}


@dataclass(frozen=True)
class Case:
    half: str  # of HALVES
    source: str  # "yesterday", "neighbour", or "nothing"
    expected: str  # "refused" or "healed"
    reduced: bool = False  # part of the reduced form

    def __str__(self):
        what = {"yesterday": "from yesterday", "neighbour": "of another installation", "nothing": "lost"}[self.source]
        return f"{self.half} {what}"


CASES = (
    Case("queue", "yesterday", "healed", True),
    Case("queue", "neighbour", "refused"),
    Case("queue", "nothing", "refused"),
    Case("delivery store", "yesterday", "healed"),
    Case("delivery store", "neighbour", "refused"),
    Case("delivery store", "nothing", "refused", True),
    Case("delivery store without its page", "yesterday", "healed"),
    Case("delivery store without its page", "neighbour", "refused", True),
    Case("delivery store without its page", "nothing", "refused"),
    Case("pages", "yesterday", "healed"),
    Case("pages", "neighbour", "healed"),
    Case("pages", "nothing", "healed"),
    Case("fetcher's page", "neighbour", "healed"),
    Case("fetcher's page", "nothing", "healed"),
    Case("shipper's page", "yesterday", "healed"),
    Case("shipper's page", "neighbour", "healed", True),
    Case("shipper's page", "nothing", "healed"),
)
WHENS = ("while both are down", "while both run", "and only the shipper starts at first")


class Trial:
    """One case at one moment."""

    def __init__(self, past, case, when):
        self._past = past
        self._case = case
        self._when = when
        self.site = sites.fresh(past.rig, "site", CONNECTIONS)
        sites.copy_state(past.copy("today"), self.site.state)
        self._offset = past.rig.sink.record.stat().st_size
        self.report = None
        self.bound = 0
        self.outcome = None
        self._delivered_meanwhile = 0
        self._story = []

    def play(self):
        try:
            with self.site.processes:
                self._play()
        except (TestFailure, OSError) as failure:
            raise TestFailure("\n".join([str(failure), *self._story])) from None

    def _play(self):
        if self._when == "while both run":
            daemons = [sites.start(self.site, daemon) for daemon in ("fetcher", "shipper")]
            wait_until(lambda: all("shipping queue" in process.log_text() or process.name == "sluice-fetcher"
                                   for process in daemons), "the daemons run", process=daemons[0])
            self._put_together(self._case.half, self._case.source)
            time.sleep(STRANGERS_SECONDS)
            for process in daemons:
                self._story.append(f"{process.name} ended with {process.stop()}:\n{process.log_tail(6)}")
            with open(sites.cut_record(self._past.rig, self.site, self._offset), "rb") as lines:
                self._delivered_meanwhile = sum(1 for _ in lines)
        else:
            self._put_together(self._case.half, self._case.source)
        refusals = self._run_both()
        self.outcome = "refused" if refusals else "healed"
        if refusals:
            self._put_together(self._case.half, "today")
            if self._run_both():
                raise TestFailure("with the right half put back, it is refused, too")
        self._check()
        if self.outcome != self._case.expected and self._when != "while both run":
            raise TestFailure(f"expected was \"{self._case.expected}\", it is \"{self.outcome}\"")

    def _put_together(self, half, source):
        for name in HALVES[half]:
            target = self.site.state / name
            # Moved away, as an operator would, so that a running daemon keeps what it has open.
            if target.exists():
                aside = self.site.folder / "aside"
                aside.mkdir(exist_ok=True)
                target.rename(aside / f"{name.replace('/', '-')}-{len(list(aside.iterdir()))}")
            if source == "nothing":
                continue
            original = self._past.copy(source) / name
            (sites.copy_state if original.is_dir() else shutil.copyfile)(original, target)

    def _run_both(self):
        """To their ends. The sentences of those that have refused."""
        order = ("fetcher", "shipper")
        if self._when == "and only the shipper starts at first":
            order = ("shipper", "fetcher", "shipper")
        refusals = {}
        for turn, daemon in enumerate(order):
            # Alone, or beside a fetcher that has refused, a shipper may wait for one.
            alone = daemon == "shipper" and (turn == 0 or "fetcher" in refusals)
            refusal = self._run(daemon, alone)
            if refusal:
                refusals[daemon] = refusal
            elif daemon == "shipper" and not alone:
                refusals.pop("shipper", None)  # the fetcher has healed it
        return refusals

    def _run(self, daemon, alone):
        process = sites.start(self.site, daemon, sites.END_OPTIONS[daemon])
        try:
            status = process.wait(2 if alone else sites.PATIENCE_SECONDS)
        except TestFailure:
            if not alone:
                raise
            status = process.stop()
        said = process.log_text().rpartition(f"sluice-{daemon} 0.")[2]
        self._story.append(f"{process.name} ended with {status}:\n{process.log_tail(6)}")
        if status == 0:
            return None
        if status != REFUSED:
            raise TestFailure(f"sluice-{daemon} ended with {status}")
        errors = [line for line in said.splitlines() if " error " in line]
        if not errors or str(self.site.state) not in errors[-1]:
            raise TestFailure(f"sluice-{daemon} refused without a sentence that names what it refuses")
        return errors[-1]

    def _check(self):
        record = sites.cut_record(self._past.rig, self.site, self._offset)
        # What was delivered since the copy that is used in the end, and what was in flight at the two kills in the past.
        since = self._past.acknowledged_today - self._past.acknowledged if self._case.source == "yesterday" else 0
        self.bound = since + self._delivered_meanwhile + 2 * self.site.events_in_flight()
        self.report = oracle.judge(self.site.served, [self._past.record, record], strict=("session",),
                                   skip_session_types=sites.SKIPPED_TYPES, duplicates_max=self.bound)
        failures = self.report.failures() + self.site.ledger_failures()
        if self.report.broken_lines:
            failures.append(f"{self.report.broken_lines} broken lines at the sink")
        if failures:
            raise TestFailure("\n".join(failures))


def play(past, case, when, cell):
    begin = time.monotonic()
    trial = Trial(past, case, when)
    try:
        trial.play()
    except TestFailure as failure:
        kept = past.rig.folder / f"failed-{case}-{when}".replace(" ", "-").replace("'", "")
        sites.copy_state(trial.site.folder, kept)
        cell.fail(f"{when}: {failure}\nthe state is in {kept}")
    cell.add_point(trial.report, bound=trial.bound, strict_lanes=("session",), drain_seconds=time.monotonic() - begin,
                   extra={trial.outcome or "neither": 1})


def play_all(arguments, past, result):
    for case in CASES:
        if arguments.case not in str(case) or not (arguments.full or arguments.case or case.reduced):
            continue
        cell = result.cell(str(case))
        for when in WHENS if arguments.full else WHENS[len(result.cells) % len(WHENS):][:1]:
            play(past, case, when, cell)
        print(f"{cell.name}: {cell.line()}", flush=True)


def run(arguments):
    result = Result("halves", arguments)
    with new_past("halves", arguments, result) as past:
        play_all(arguments, past, result)
    return result.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--case", default="", help="only those whose name contains this")
    arguments = parse(parser)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
