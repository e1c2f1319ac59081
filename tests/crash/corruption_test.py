#!/usr/bin/env python3
"""Damages one file of a stopped installation, and looks at what its daemons make of it.

corruption_test.py BIN_FOLDER [--full] [--seed S] [--file KIND] [--case KIND:DAMAGE:OFFSET]

The installation has events that are acknowledged, some that are acknowledged beyond the position, and some that are not
shipped; in table files and in logs. One bit of a file is flipped, or the file is cut short. Then either the daemons stop with
status 65 and a sentence that names what is damaged, or everything is delivered all the same. What is delivered must be what
was served in any case: an event that is missing although no daemon has stopped is a silent loss.
"""

import argparse
import random
import shutil
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
from processes import TestFailure, control  # noqa: E402
from torture_result import Result, add_arguments, add_workers, parse  # noqa: E402

BATCH_EVENTS = 10
EVENTS = 300
CONNECTIONS = 4
DAMAGED = 65
FULL_FLIPS = 60  # of each kind of file, and at each file's beginning and end
FULL_CUTS = 30
# A daemon whose other half has stopped waits for it.
WAIT_SECONDS = 3

# Which kind a file is of: the first whose beginning fits. RocksDB's own LOG files are for people.
KINDS = (("MANIFEST-", "MANIFEST"), ("OPTIONS-", "OPTIONS"), ("CURRENT", "CURRENT"), ("IDENTITY", "IDENTITY"),
         ("FORMAT", "FORMAT"), ("lock", "lock"), ("page", "page"))


def kind_of(path):
    """For example "queue SST", or None for files that mean nothing."""
    owner = path.parts[0]
    if path.suffix in (".sst", ".log"):
        return f"{owner} {'SST' if path.suffix == '.sst' else 'WAL'}"
    return next((f"{owner} {kind}" for start, kind in KINDS if path.name.startswith(start)), None)


@dataclass(frozen=True)
class Damage:
    kind: str
    path: Path  # below the state folder
    how: str  # "flip" or "cut"
    offset: int
    bit: int = 0

    def __str__(self):
        what = f"bit {self.bit} of byte" if self.how == "flip" else "everything from byte"
        return f"{self.path}: {self.how}, {what} {self.offset}"

    def do(self, state):
        with open(state / self.path, "r+b") as file:
            if self.how == "cut":
                file.truncate(self.offset)
                return
            file.seek(self.offset)
            byte = file.read(1)[0]
            file.seek(self.offset)
            file.write(bytes([byte ^ (1 << self.bit)]))


def is_beyond(lanes):
    """Whether something is acknowledged beyond the position."""
    return any(lane["acknowledged"] > lane["position"] for lane in lanes.values())


class Template:
    """The installation that is damaged, again and again. `record` has what it had delivered before."""

    def __init__(self, rig, dice):
        self.rig = rig
        self.site = sites.fresh(rig, "template", CONNECTIONS)
        self._make()
        self.record = self.site.folder / "delivered-before"
        shutil.copyfile(sites.cut_record(rig, self.site, 0), self.record)
        self.damages = self._sample(dice)
        said = subprocess.run([rig.bin / "queuectl", "--help"], capture_output=True, text=True, check=False).stdout
        self.can_mend = all(f"  {command} " in said for command in ("verify", "repair", "adopt"))

    def _make(self):
        """Each opening of a database turns its log into table files, so that there are both."""
        control(self.rig.teleport_control, "slow 3")
        with self.site.processes:
            sites.run_until(self.site, "fetcher", lambda lanes: lanes["audit"]["fetched"] >= 100)
            sites.run_until(self.site, "shipper", lambda lanes: lanes["audit"]["acknowledged"] >= 60)
            sites.run_until(self.site, "fetcher", lambda lanes: lanes["audit"]["fetched"] >= 180)
            # One request gets no answer, and those behind it do.
            control(self.rig.sink.control_path, "stall 30 2")
            sites.run_until(self.site, "shipper", lambda lanes: is_beyond(lanes) and lanes["audit"]["acknowledged"] >= 80)
        control(self.rig.sink.control_path, "stall 0")
        control(self.rig.teleport_control, "slow 0")
        sites.run_to_end(self.site, "fetcher")
        self.lanes = self.site.status()["lanes"]
        if not is_beyond(self.lanes) or not all(lane["backlog"] > 0 for lane in self.lanes.values()):
            raise TestFailure(f"the installation is not as it should be: {self.lanes}")

    def _sample(self, dice):
        """{kind: damages}, as many of each kind as the full form has."""
        files = {}
        for path in sorted(path for path in self.site.state.rglob("*") if path.is_file() and path.stat().st_size > 0):
            relative = path.relative_to(self.site.state)
            # The end of a log may be room for more.
            used = len(path.read_bytes().rstrip(b"\0")) or path.stat().st_size
            if kind_of(relative):
                files.setdefault(kind_of(relative), []).append((relative, used))
        return {kind: sorted(set(sample(kind, of_kind, dice)), key=str) for kind, of_kind in files.items()}


def sample(kind, files, dice):
    """`files` are pairs of a path and how many bytes of it are in use."""
    for path, used in files:
        for at in {0, used - 1}:
            yield Damage(kind, path, "flip", at, dice.randrange(8))
            yield Damage(kind, path, "cut", at)
    # As likely as a byte of the disk: large files are hit more often.
    for how, count in (("flip", FULL_FLIPS), ("cut", FULL_CUTS)):
        for path, used in dice.choices(files, weights=[used for _, used in files], k=count):
            yield Damage(kind, path, how, dice.randrange(used), dice.randrange(8) if how == "flip" else 0)


class Case:
    """One damage, and what came of it."""

    def __init__(self, template, name, damage, dice):
        self._template = template
        self._damage = damage
        self.site = sites.fresh(template.rig, name, CONNECTIONS)
        sites.copy_state(template.site.state, self.site.state)
        damage.do(self.site.state)
        # The page of another boot limits what a daemon believes.
        self._environment = {"SLUICE_BOOT_ID": "b007" * 8} if dice.random() < 0.3 else {}
        self._order = ("fetcher", "shipper") if dice.random() < 0.7 else ("shipper", "fetcher", "shipper")
        self._offset = template.rig.sink.record.stat().st_size
        self.report = None
        self.outcome = None
        self.said = []

    def play(self):
        """Raises TestFailure when damage was neither named nor harmless."""
        refusals = {}
        for daemon in self._order:
            # A shipper alone stops at a damaged end of a log, which a fetcher then cuts off and fetches again.
            refusals[daemon] = self._run(daemon)
        refusals = {daemon: refusal for daemon, refusal in refusals.items() if refusal}
        self.report = self._judge()
        failures = [failure for failure in self.report.failures() if " lost, " not in failure or not refusals]
        if self.report.broken_lines:
            failures.append(f"{self.report.broken_lines} broken lines at the sink")
        if not refusals:
            failures += self.site.ledger_failures()
        if failures:
            said = "\n".join(self.said)
            raise TestFailure("\n".join(failures) + f"\nthe daemons had said:\n{said}")
        self.outcome = "stopped" if refusals else "harmless"
        if any("this program knows versions up to" in sentence for sentence in refusals.values()):
            self.outcome = "stopped, as a newer release's"  # which no command may touch
        elif refusals and self._template.can_mend:
            self._mend()

    def _mend(self):
        """By the commands that are there for it. Afterwards only what is counted as a gap may be missing."""
        if self._damage.path.parts[0] == "queue":
            status, said = self._queuectl("verify")
            if status != DAMAGED:
                raise TestFailure(f"the daemons have stopped, but queuectl verify ended with {status}:\n{said}")
            command = ("repair",)
        else:
            command = ("adopt", "--from", "floor")
        status, said = self._queuectl(*command, "--reason", "a test")
        if status != 0:
            raise TestFailure(f"queuectl {command[0]} ended with {status}:\n{said}")
        for daemon in ("fetcher", "shipper"):
            sites.run_to_end(self.site, daemon, self._environment)
        self.report = self._judge()
        status = self.site.status()
        failures = [failure for failure in self.report.failures() if " lost, " not in failure]
        if status["unaccounted"] != 0:
            failures.append(f"unaccounted is {status['unaccounted']}")
        for name, lane in self.report.lanes.items():
            if len(lane.lost) > status["lanes"][name]["gap"]:
                failures.append(f"{name}: {len(lane.lost)} events are missing, and {status['lanes'][name]['gap']} are "
                                f"reported as gaps, the first missing: {lane.lost[0]}")
        if failures:
            raise TestFailure(f"after queuectl {command[0]}:\n{said}" + "\n".join(failures))
        self.outcome = f"stopped, mended by {command[0]}"

    def _queuectl(self, *arguments):
        command = [self.site.bin / "queuectl", *arguments, "--config", self.site.config_path]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                              timeout=sites.PATIENCE_SECONDS, env={**sites.environment(), **self._environment})
        return done.returncode, done.stdout + done.stderr

    def _run(self, daemon):
        """The sentence with which it has stopped for damage, or None."""
        process = subprocess.Popen([str(word) for word in
                                    self.site.command(f"sluice-{daemon}", sites.END_OPTIONS[daemon])],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env={**sites.environment(), **self._environment})
        alone = daemon == "shipper" and self._waits_for_fetcher()
        try:
            said, _ = process.communicate(timeout=WAIT_SECONDS if alone else sites.PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            said, _ = process.communicate(timeout=sites.PATIENCE_SECONDS)
            if not alone:
                raise TestFailure(f"sluice-{daemon} has not ended within {sites.PATIENCE_SECONDS} s:\n{said}") from None
            return None
        finally:
            process.kill()
        self.said.append(f"--- sluice-{daemon} ended with {process.returncode}\n{said}")
        if process.returncode == 0:
            return None
        if process.returncode != DAMAGED:
            raise TestFailure(f"sluice-{daemon} ended with {process.returncode}:\n{said}")
        return self._named(daemon, said)

    def _waits_for_fetcher(self):
        """It may: no fetcher has run after the damage, or one has stopped."""
        return not any(text.startswith("--- sluice-fetcher ended with 0") for text in self.said)

    def _named(self, daemon, said):
        errors = [line for line in said.splitlines() if " error " in line]
        half = self._damage.path.parts[0]
        # A path, or a record's number and lane.
        if not errors or (f"{self.site.state}/" not in errors[-1] and " of lane " not in errors[-1]):
            raise TestFailure(f"sluice-{daemon} stopped and did not name {half}:\n{said}")
        return errors[-1]

    def _judge(self):
        record = sites.cut_record(self._template.rig, self.site, self._offset)
        return oracle.judge(self.site.served, [self._template.record, record], strict=("session",),
                            skip_session_types=sites.SKIPPED_TYPES)


class Player:
    """Damages in turn, on several sites at once."""

    def __init__(self, template, result, seed):
        self._template = template
        self._result = result
        self._seed = seed
        self._lock = threading.Lock()

    def play(self, damages, workers):
        cells = {kind: self._result.cell(kind) for kind in sorted({damage.kind for damage in damages})}
        turns = iter(damages)

        def work(name):
            while True:
                with self._lock:
                    damage = next(turns, None)
                if damage is None:
                    return
                self._one(name, damage, cells[damage.kind])
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(work, f"w{i}") for i in range(workers)]:
                done.result()

    def _one(self, name, damage, cell):
        begin = time.monotonic()
        case = Case(self._template, name, damage, random.Random(f"{self._seed} {damage}"))
        try:
            case.play()
        except TestFailure as failure:
            kept = self._template.rig.folder / f"failed-{damage.kind}-{damage.how}-{damage.offset}".replace(" ", "-")
            sites.copy_state(case.site.folder, kept)
            cell.fail(f"{damage}: {failure}\nthe state is in {kept}")
        # What was mended has its reported gaps.
        stopped = case.outcome != "harmless"
        cell.add_point(None if stopped else case.report, bound=case.report.duplicates if case.report else 0,
                       drain_seconds=0 if stopped else time.monotonic() - begin, extra={case.outcome or "neither": 1})


def choose(arguments, template, dice):
    damages = {kind: of_kind for kind, of_kind in template.damages.items() if arguments.file in (None, kind)}
    if arguments.case:
        return [damage for of_kind in damages.values() for damage in of_kind
                if f"{damage.path}:{damage.how}:{damage.offset}" == arguments.case]
    if arguments.full:
        return [damage for of_kind in damages.values() for damage in of_kind]
    return [dice.choice(of_kind) for of_kind in damages.values()]


def run(arguments):
    result = Result("corruption", arguments)
    dice = random.Random(result.seed)
    with sites.shared_rig("corruption", arguments, result, events=EVENTS, sessions=2, events_per_session=25,
                          chunk_events=30, batch_events=BATCH_EVENTS) as rig:
        template = Template(rig, dice)
        Player(template, result, result.seed).play(choose(arguments, template, dice), arguments.workers)
    for cell in result.cells:
        print(f"{cell.name}: {cell.line()}")
    return result.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--file", help="only this kind, for example \"queue WAL\"")
    parser.add_argument("--case", help="only this one: FILE:flip|cut:OFFSET")
    add_workers(parser)
    arguments = parse(parser)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
