#!/usr/bin/env python3
"""Cuts the power of the file systems that the queue and the delivery store are on, and lets the daemons go on.

power_cut_test.py BIN_FOLDER [--full] [--cuts N] [--seed S] [--life N]

The file systems are ext4 on loop devices (tests/support/power.py). An installation lives through one to four cuts while
Teleport's stand-in serves it events: of the queue's file system, of the delivery store's, of both, or of the one that they
share. A cut comes at a random moment, or right after (sometimes: right before) a sync of a daemon, by
tests/support/kill_switch.cc inside that daemon. Then the daemons are killed, the file systems are mounted again, the boot id
is another one, and the control pages are what the cut has left of them, or old, or torn. In the end the daemons run
undisturbed, and both ends are held against each other.

Also expected: what nobody has synced is really gone after each cut (else the cut is none), and no daemon ever finds that
the disk has lost what it had called durable.
"""

import argparse
import contextlib
import itertools
import os
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import power  # noqa: E402
import sites  # noqa: E402
from processes import TestFailure, control  # noqa: E402
from torture_result import SKIPPED, Result, add_arguments, add_workers, parse  # noqa: E402

FULL_CUTS = 330
REDUCED_CUTS = 6
CUTS_A_LIFE_MAX = 4
BATCH_EVENTS = 20
EVENTS = 300
# The syncs that a daemon dies at, in turn: the first are those of its start.
SYNCS_MAX = 50
# How long a daemon may take to its deadly sync; then the cut comes without one.
SYNC_PATIENCE_SECONDS = 1.5
MOUNT_OPTIONS = ("", "", "", "data=writeback", "data=journal")
LIVES_A_MOUNT = 8  # then with other options
LIES = ("has lost the last", "lost records")


class Disks:
    """The file systems of one worker, kept over many lives, and what an installation has on them."""

    def __init__(self, folder, mount_options):
        self.options = mount_options
        self.queue = power.FileSystem(folder, "queue-disk", mount_options)
        self.delivery = power.FileSystem(folder, "delivery-disk", mount_options)

    def __enter__(self):
        self.queue.mount()
        self.delivery.mount()
        return self

    def __exit__(self, *arguments):
        self.queue.__exit__(*arguments)
        self.delivery.__exit__(*arguments)

    def lay_out(self, site, shared):
        """Puts the state folder on one file system, or queue/ on one and delivery/ and shipper/ on another."""
        for disk in (self.queue, self.delivery):
            disk.clear()
        site.state.rmdir()
        if shared:
            site.state.symlink_to(self.queue.root)
            return
        site.state.mkdir()
        for disk, names in ((self.queue, ("queue",)), (self.delivery, ("delivery", "shipper"))):
            for name in names:
                (disk.root / name).mkdir(mode=0)  # a daemon gives it its mode
                (site.state / name).symlink_to(disk.root / name)
            disk.sync()


class Pages:
    """Copies of the control pages, and what may be left of a page after a power cut."""

    NAMES = ("queue/page", "shipper/page")

    def __init__(self, site, dice):
        self._site = site
        self._dice = dice
        self._kept = {name: [] for name in self.NAMES}

    def keep(self):
        """Remembers the pages as they are now: what a cut may bring back."""
        for name in self.NAMES:
            # It may not be there yet, or its file system may just have lost its power.
            with contextlib.suppress(OSError):
                if content := (self._site.state / name).read_bytes():
                    self._kept[name].append(content)

    def age(self):
        """Pages are never synced, so after a cut any sector of any earlier moment may be there. What was done to them."""
        done = []
        for name in self.NAMES:
            how = self._dice.choice(("as the cut left it", "as the cut left it", "old", "torn", "zeros"))
            page = self._site.state / name
            if how == "as the cut left it" or not self._kept[name] or not page.parent.exists():
                continue
            page.write_bytes(self._content(name, how))
            done.append(f"{name} {how}")
        return done

    def _content(self, name, how):
        old = self._dice.choice(self._kept[name])
        if how == "zeros":
            return bytes(len(old))
        if how == "old":
            return old
        other = self._dice.choice([*self._kept[name], bytes(len(old))])
        sectors = range(0, len(old), 512)
        return b"".join(self._dice.choice((old, other))[at:at + 512] for at in sectors)


class Life:
    """One installation from its first start to its end."""

    def __init__(self, series, number, name, disks):
        self._series = series
        self._number = number
        self._dice = random.Random(f"{series.seed} life {number}")
        self._disks = disks
        self.shared = self._dice.random() < 0.35
        self.site = sites.fresh(series.rig, name, self._dice.choice((1, 4)))
        disks.lay_out(self.site, self.shared)
        self._pages = Pages(self.site, self._dice)
        self._boot = 0
        self.cuts = 0
        self.counts = Counter()
        self.report = None
        self.bound = 0
        self.drain_seconds = 0.0
        self.strict_lanes = ("audit", "session") if self.site.connections == 1 else ("session",)
        self.cell_name = f"{'one file system' if self.shared else 'two file systems'}, " \
            f"{disks.options or 'data=ordered'}"
        self.story = [f"life {number}: {self.cell_name}, {self.site.connections} connections"]

    def live(self, cuts):
        offset = self._series.rig.sink.record.stat().st_size
        with self.site.processes:
            for _ in range(cuts):
                self._one_cut()
        begin = time.monotonic()
        for daemon in ("fetcher", "shipper"):
            sites.run_to_end(self.site, daemon, self._environment())
        self.drain_seconds = time.monotonic() - begin
        self._check(offset)

    def _environment(self):
        return {"SLUICE_BOOT_ID": f"b007{self._boot:028x}"}

    def _targets(self):
        """Which file systems the next cut is of: the word for it, and they."""
        if self.shared:
            return "both", [self._disks.queue]
        word = ("queue", "delivery", "both")[(self._number + self.cuts) % 3]
        disks = {"queue": [self._disks.queue], "delivery": [self._disks.delivery],
                 "both": [self._disks.queue, self._disks.delivery]}
        return word, disks[word]

    def _one_cut(self):
        word, disks = self._targets()
        victim = {"queue": "fetcher", "delivery": "shipper"}.get(word) or \
            self._dice.choice(("fetcher", "shipper"))
        at_sync = self._dice.random() < 0.6
        for disk in disks:
            disk.write_canary()
        daemons = self._start(victim, disks if at_sync else None)
        if at_sync:
            self._wait_for_death(daemons[victim])
        else:
            self._pass_time(self._dice.uniform(0.05, 1.0))
            if self._dice.random() < 0.3:
                self._write_back(disks)
        for disk in disks:
            disk.cut()  # again if the switch has done it, which changes nothing
        if self._dice.random() < 0.5:
            time.sleep(self._dice.uniform(0, 0.3))  # a daemon meets a dead disk
        died = at_sync and not daemons[victim].running()
        for daemon in daemons.values():
            daemon.kill()
        self._note(word, died)
        self._reboot(disks)

    def _start(self, victim, cut_disks):
        """Both daemons; the victim with the switch if there are disks to cut by it."""
        switch = {}
        if cut_disks:
            switch = {"LD_PRELOAD": str(self.site.bin / "kill_switch.so"),
                      "KILL_SWITCH_FOLDERS": ":".join(str(disk.root) for disk in cut_disks),
                      "KILL_SWITCH_CUT": ":".join(str(disk.mount_point) for disk in cut_disks),
                      "KILL_SWITCH_ONLY": "syncs",
                      "KILL_SWITCH_AT": str(1 + (self._number + 7 * self.cuts) % SYNCS_MAX),
                      "KILL_SWITCH_HOW": self._dice.choice(("after", "after", "after", "before"))}
            self.story.append(f"sluice-{victim}: " + ", ".join(
                f"{key[12:].lower()} {switch[key]}" for key in ("KILL_SWITCH_AT", "KILL_SWITCH_HOW")))
        names = ["fetcher", "shipper"]
        self._dice.shuffle(names)
        daemons = {}
        for name in names:
            program = f"sluice-{name}"
            environment = self._environment() | (switch if name == victim else {})
            daemons[name] = self.site.processes.start(program, self.site.command(program), environment)
            time.sleep(self._dice.choice((0, 0, self._dice.uniform(0, 0.2))))
        return daemons

    def _wait_for_death(self, victim):
        deadline = time.monotonic() + SYNC_PATIENCE_SECONDS
        while victim.running() and time.monotonic() < deadline:
            self._pass_time(0.02)

    def _pass_time(self, seconds):
        time.sleep(seconds)
        if self._dice.random() < 0.2:
            self._pages.keep()

    def _write_back(self, disks):
        """The kernel writes back what it likes, when it likes: so a cut may also find more on disk than was synced."""
        for disk in disks:
            files = sorted(path for path in disk.root.rglob("*") if path.is_file())
            for path in self._dice.sample(files, self._dice.randint(0, len(files))):
                try:
                    descriptor = os.open(path, os.O_RDONLY)
                except FileNotFoundError:
                    continue  # RocksDB has just deleted it
                os.fdatasync(descriptor)
                os.close(descriptor)

    def _note(self, word, died):
        self.cuts += 1
        self.counts[f"of {word}"] += 1
        self.counts["right at a sync"] += died
        self.story.append(f"cut of {word}, {'at that sync' if died else 'at a random moment'}")

    def _reboot(self, disks):
        for disk in disks:
            disk.remount()
            # With data=journal, and where the journal's commit has written a file's data, it may survive.
            if not disk.canary_is_lost() and not self._disks.options:
                raise TestFailure(f"the cut of {disk.mount_point.name} has lost nothing: it was no cut")
        self._boot += 1
        aged = self._pages.age()
        if aged:
            self.story.append("pages: " + ", ".join(aged))

    def _check(self, offset):
        site = self.site
        record = sites.cut_record(self._series.rig, site, offset)
        self.bound = self.cuts * site.events_in_flight()
        self.report = oracle.judge(site.served, [record], strict=self.strict_lanes,
                                   skip_session_types=sites.SKIPPED_TYPES, duplicates_max=self.bound)
        failures = self.report.failures() + site.ledger_failures()
        if self.report.broken_lines:
            failures.append(f"{self.report.broken_lines} broken lines at the sink")
        for log in site.folder.glob("*.log"):
            text = log.read_text(encoding="utf-8", errors="replace")
            failures += [f"{log.name} says: {line}" for line in text.splitlines()
                         if any(lie in line for lie in LIES)]
        if failures:
            raise TestFailure("\n".join(failures))


class Series:
    """All lives. Thread-safe."""

    def __init__(self, rig, result, cuts, only_life):
        self.rig = rig
        self.seed = result.seed
        self._result = result
        self._cells = {}
        self._cuts_left = cuts
        self._lock = threading.Lock()
        self._next = only_life or 1
        self._only_one = only_life is not None
        self._ended = False

    def take(self):
        """The number of the next life and how many cuts it has, or None."""
        with self._lock:
            if self._ended or self._cuts_left <= 0:
                return None
            number = self._next
            cuts = random.Random(f"{self.seed} cuts {number}").randint(1, CUTS_A_LIFE_MAX)
            self._next += 1
            self._cuts_left -= cuts
            self._ended = self._only_one
            return number, cuts

    def stop(self):
        with self._lock:
            self._ended = True

    def _cell(self, name):
        with self._lock:
            if name not in self._cells:
                self._cells[name] = self._result.cell(name)
            return self._cells[name]

    def work(self, name):
        """Lives one after the other, on disks of its own."""
        taken = self.take()
        for options in itertools.cycle(MOUNT_OPTIONS):
            if taken is None:
                return
            with Disks(self.rig.folder / f"{name}-disks", options) as disks:
                for _ in range(LIVES_A_MOUNT):
                    if taken is None or not self._one(taken, name, disks):
                        return
                    taken = self.take()

    def _one(self, taken, name, disks):
        """Whether it went well."""
        number, cuts = taken
        life = Life(self, number, name, disks)
        cell = self._cell(life.cell_name)
        try:
            life.live(cuts)
        except (TestFailure, OSError) as failure:
            self.stop()
            kept = self.rig.folder / f"{name}-state"
            with contextlib.suppress(OSError):
                sites.copy_state(life.site.state, kept)
            cell.fail("\n".join([*life.story, f"{failure}", f"the state is in {kept}, logs in {life.site.folder}"]))
        cell.add_point(life.report, points=life.cuts, bound=life.bound, drain_seconds=life.drain_seconds,
                       strict_lanes=life.strict_lanes, extra={"lives": 1, **life.counts})
        return not cell.failures


def play(arguments, rig, result):
    cuts = arguments.cuts or (FULL_CUTS if arguments.full else REDUCED_CUTS)
    series = Series(rig, result, cuts, arguments.life)
    with ThreadPoolExecutor(arguments.workers) as pool:
        for done in [pool.submit(series.work, f"w{i}") for i in range(arguments.workers)]:
            done.result()


def run(arguments):
    result = Result("power_cut", arguments)
    with sites.shared_rig("power", arguments, result, events=EVENTS, sessions=2, events_per_session=25,
                          chunk_events=30, batch_events=BATCH_EVENTS) as rig:
        control(rig.teleport_control, "slow 2")
        play(arguments, rig, result)
    return result.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--cuts", type=int, help="how many, about")
    parser.add_argument("--life", type=int, help="only this one")
    add_workers(parser)
    arguments = parse(parser)
    try:
        power.enter_own_namespace()
    except power.NotPossible as reason:
        print(f"SKIPPED: the power of a file system can only be cut as root with loop devices: {reason}")
        return SKIPPED
    if sites.skips_sanitized(arguments.bin_folder):
        return SKIPPED
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
