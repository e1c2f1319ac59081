#!/usr/bin/env python3
"""The hostile row of the torture matrix: a Teleport, and a way to it, that do everything which they may do to a fetcher.

fetch_soak.py BIN_FOLDER [--full] [--minutes N] [--seed S]

Events happen all the time, some of them late, twice, or very large; recordings come late or never. Calls fail, are limited
and cut off, connections end at any byte, Teleport leaves and comes back, page keys and cursors become void, the bulk export
comes and goes, the identity ends and is renewed, and the fetcher is killed with -9. In the end the faults cease, and what
the stand-in has served must be in the queue: every event, each once, as it was. The fetcher's memory is looked at all the
time. Every decision comes from the seed; what happens at which event does not.
"""

import random
import re
import statistics
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import certificates  # noqa: E402
import control_page  # noqa: E402
import queue_contents  # noqa: E402
import rig as rigs  # noqa: E402
import sites  # noqa: E402
from fronts import Front  # noqa: E402
from processes import TestFailure, control, wait_until  # noqa: E402
from soak_faults import FAULTS  # noqa: E402
from torture_result import Result, parse_with_minutes  # noqa: E402

FULL_MINUTES = 10
REDUCED_MINUTES = 0.1
FULL_PHASE_SECONDS = 60
STEP_SECONDS = (0.01, 0.25)
BACKLOG_EVENTS = 4000  # that are there at the start
# Everything must be in the queue within this after the last fault.
PATIENCE_SECONDS = 300
OVERLAP = "60s"
RESIDENT_MIB_MAX = 200
# How much more of it the last third of the time may need than the first: what RocksDB's memory tables and block caches
# fill up in a few minutes, and no more.
RESIDENT_MIB_GROWTH_MAX = 48
SAMPLE_SECONDS = 0.25
# Of a process that has just started nothing is to be learnt.
YOUNG_SECONDS = 3
SETTINGS = 'skip-session-types = ""'


class Phase:
    """The settings of one stretch, from dice of its own."""

    def __init__(self, seed, number):
        self.number = number
        self.dice = random.Random(f"{seed} phase {number}")
        self.kind = ("proxy", "balancer")[(number + seed) % 2]
        self.by_export = number == 0 or self.dice.random() < 0.5
        # In the others leaks would show.
        self.with_kills = number % 3 != 2

    def __str__(self):
        source = "bulk export" if self.by_export else "search"
        return f"phase {self.number}: {source} through a {self.kind}{'' if self.with_kills else ', no kills'}"


class Memory:
    """Looks at how much memory the fetcher has, on a thread of its own."""

    def __init__(self, soak):
        self.samples = []  # (seconds since the beginning, MiB)
        self._soak = soak
        self._begin = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self):
        self._stop.set()
        self._thread.join()

    def _look(self):
        while not self._stop.wait(SAMPLE_SECONDS):
            pid, age = self._soak.fetcher_pid_and_age()
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            except OSError:
                continue
            found = re.search(r"VmRSS:\s+(\d+) kB", status)
            if found and age >= YOUNG_SECONDS:
                self.samples.append((time.monotonic() - self._begin, int(found[1]) / 1024))

    def failures(self, full):
        """Fills no more than the limit and, in a run that is long enough to tell, goes on growing no more."""
        if not self.samples:
            return []
        most, first, last = self.figures()
        found = []
        if most >= RESIDENT_MIB_MAX:
            found.append(f"the fetcher had {most:.0f} MiB resident, at most {RESIDENT_MIB_MAX} allowed")
        if full and last - first > RESIDENT_MIB_GROWTH_MAX:
            found.append(f"the fetcher's resident memory grew from {first:.0f} to {last:.0f} MiB")
        return found

    def figures(self):
        """MiB: the most, the medians of the first and of the last third of the time."""
        end = self.samples[-1][0]
        first = [size for at, size in self.samples if at <= end / 3]
        last = [size for at, size in self.samples if at >= end * 2 / 3]
        return (max(size for _, size in self.samples), statistics.median(first or last), statistics.median(last))


class Soak:
    """The installation and all that is done to it."""

    def __init__(self, rig, cell, web):
        self.rig = rig
        self.cell = cell
        self.has_only_exported = True  # since the beginning
        self.identity = rig.folder / "identity"
        self._front = Front(rig, "proxy", web)  # each phase gives it another kind
        self._phase = None
        self._healing = []  # (when, what)
        self._fetcher_began = 0.0
        self._recordings_due = 0.0

    # What faults use ------------------------------------------------------------------------------

    def count(self, what):
        self.cell.extra[what] += 1

    def teleport(self, line):
        return control(self.rig.teleport_control, line)

    def heal_later(self, seconds, action):
        self._healing.append((time.monotonic() + seconds, action))

    def recording_comes_in(self, seconds):
        self._recordings_due = max(self._recordings_due, time.monotonic() + seconds)
        self.count("recordings that come late")

    def set_export(self, supported):
        self.has_only_exported = self.has_only_exported and supported
        self.teleport(f"unimplemented export {'off' if supported else 'on'}")

    def kill_fetcher(self, seconds):
        if not self._phase.with_kills or not self.rig.fetcher.running():
            return
        self.rig.kill_fetcher()
        self.count("kills of the fetcher")
        self.heal_later(seconds, self._start_fetcher)

    def restart_fetcher(self):
        if not self._phase.with_kills or not self.rig.fetcher.running():
            return
        self._stop_fetcher()
        self._start_fetcher()

    def restart_front(self, *options):
        """False: it is down at the moment."""
        if not self._front.running():
            return False
        self._front.restart(*options)
        if options:
            self.count("fronts that cut connections")
        return True

    def close_front(self, seconds):
        if self._front.running():
            self._front.kill()
            self.heal_later(seconds, self._front.start)

    def renew_identity(self, valid_for, half_written=False):
        renewed = self.rig.folder / "renewed"
        certificates.issue_identity(self.rig.teleport_files, renewed, valid_for)
        if half_written:
            # A fetcher may not be started now: one that cannot read its identity at its start ends.
            text = renewed.read_bytes()
            self.identity.write_bytes(text[:len(text) // 2])
            time.sleep(0.2)
        renewed.replace(self.identity)
        self.count("renewals of the identity")

    # The course -----------------------------------------------------------------------------------

    def begin(self, phase):
        """Goes on with another way to Teleport, and another source."""
        self._heal_all()
        if self.rig.fetcher is not None:
            self.rig.kill_fetcher()
        self._phase = phase
        if self._front.port:
            self._front.kill()
        self._front.kind = phase.kind
        self._front.start()
        self.set_export(phase.by_export)
        self.rig.write_config(addr=f"localhost:{self._front.port}", identity=self.identity)
        self.renew_identity(timedelta(minutes=5))
        self._start_fetcher()

    def play(self, seconds):
        dice, end = self._phase.dice, time.monotonic() + seconds
        weights = [fault.weight for fault in FAULTS]
        while time.monotonic() < end:
            self._heal_due()
            fault = dice.choices(FAULTS, weights)[0]
            fault.act(self, dice)
            self.cell.points += 1
            time.sleep(dice.uniform(*STEP_SECONDS))

    def finish(self):
        """Nothing fails any more: everything must come to the queue. How long that took."""
        self._heal_all()
        for line in ("duplicates off", "page-edges off", "unimplemented export off"):
            self.teleport(line)
        self.renew_identity(timedelta(hours=1))
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() > self._recordings_due, "late recordings are there", PATIENCE_SECONDS)
        # A recording that was put aside is tried again at the start.
        self.rig.kill_fetcher()
        self._start_fetcher()
        try:
            wait_until(self._has_everything, "everything is in the queue", PATIENCE_SECONDS)
        except TestFailure as failure:
            raise TestFailure(f"{failure}: {self.rig.teleport_stats()}\n{self.rig.queuectl('status')}\n"
                              f"{self.rig.fetcher.log_tail(12)}") from None
        return time.monotonic() - begin

    def judge(self):
        self._stop_fetcher()
        self.rig.queuectl("verify")  # any damage is an error
        failures = queue_contents.differences(self.rig)
        status = self.rig.status()
        if status["unaccounted"] != 0:
            failures.append(f"unaccounted is {status['unaccounted']}")
        lost = [line for line in self.rig.fetcher.log_text().splitlines() if " are lost" in line or "is given up" in line]
        failures += [f"the fetcher has given up what it could have had: {line}" for line in lost]
        self.cell.extra["events in the queue"] = sum(lane["fetched"] for lane in status["lanes"].values())
        self.cell.extra["calls"] = sum(self.rig.teleport_stats()["calls"].values())
        return failures

    def fetcher_pid_and_age(self):
        return self.rig.fetcher.pid, time.monotonic() - self._fetcher_began

    def _has_everything(self):
        self._check_alive()
        now = self.rig.teleport_stats()
        if now["recorded"] < now["servable"]:
            return False
        page = control_page.fetcher_page(self.rig.state)
        return page is not None and sum(page.durable.values()) >= now["recorded"]

    def _start_fetcher(self):
        if self.rig.fetcher is None:
            self.rig.start_fetcher("--teleport-web-ca", self._front.web.ca, "--search-overlap", OVERLAP,
                                   "--teleport-refresh-interval", "1s")
        else:
            self.rig.fetcher.start()
        self._fetcher_began = time.monotonic()

    def _stop_fetcher(self):
        wait_until(self.rig.fetcher.has_said, "it takes signals", process=self.rig.fetcher)
        if self.rig.fetcher.stop() != 0:
            raise TestFailure(f"the fetcher did not end with 0:\n{self.rig.fetcher.log_tail()}")

    def _heal_due(self, everything=False):
        now = time.monotonic()
        due = [entry for entry in self._healing if everything or entry[0] <= now]
        self._healing = [entry for entry in self._healing if entry not in due]
        for _, action in sorted(due, key=lambda entry: entry[0]):
            action()
        if not any(action == self._start_fetcher for _, action in self._healing) and self._phase:
            self._check_alive()

    def _heal_all(self):
        self._heal_due(everything=True)
        if self._phase:
            self.restart_front()
            # An armed fault fires at the next call, or never.
            self.teleport("fail-after 1000000000 Unavailable session")

    def _check_alive(self):
        if not self.rig.fetcher.running():
            raise TestFailure(f"the fetcher has ended by itself with {self.rig.fetcher.wait(0)}:\n"
                              f"{self.rig.fetcher.log_tail()}")


def play_all(soak, result, minutes):
    phases = max(2, round(minutes * 60 / FULL_PHASE_SECONDS))
    memory = None
    for number in range(phases):
        phase = Phase(result.seed, number)
        print(f"hostile: {phase}", flush=True)
        soak.begin(phase)
        memory = memory or Memory(soak)
        soak.play(minutes * 60 / phases)
        if memory.samples:
            print(f"hostile:   {memory.samples[-1][1]:.0f} MiB resident; {soak.cell.line()}", flush=True)
    soak.cell.drain_seconds_max = soak.finish()
    memory.end()
    if memory.samples:
        most, first, last = memory.figures()
        soak.cell.extra.update({"MiB resident at most": round(most), "median of the first third": round(first),
                                "of the last third": round(last)})
    failures = memory.failures(result.full) + soak.judge()
    print(f"hostile: {soak.cell.line()}", flush=True)
    if failures:
        raise TestFailure("\n".join(failures))


def main():
    arguments = parse_with_minutes(__doc__, full=FULL_MINUTES, reduced=REDUCED_MINUTES)
    result = Result("hostile", arguments)
    print(f"hostile: seed {result.seed}, {arguments.minutes} minutes", flush=True)
    cell = result.cell("a hostile Teleport")
    with sites.work_folder("hostile", result) as folder, \
            rigs.Rig(arguments.bin_folder, folder, events=BACKLOG_EVENTS, sessions=20, events_per_session=50,
                     seed=result.seed % (1 << 30), days=2, poll="500ms", settings=SETTINGS,
                     queue_settings="min-free-disk = 0") as rig:
        rig.start_stand_ins()
        soak = Soak(rig, cell, certificates.make_fluentd(folder / "certificates/web"))
        try:
            play_all(soak, result, arguments.minutes)
        except TestFailure as failure:
            cell.fail(str(failure))
    return result.finish()


if __name__ == "__main__":
    sys.exit(main())
