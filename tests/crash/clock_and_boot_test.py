#!/usr/bin/env python3
"""Steps the clock under running daemons, restarts the machine under old control pages, and starts daemons twice.

clock_and_boot_test.py BIN_FOLDER [--full] [--seed S]

The clock: an installation fetches and ships while the time of day jumps by hours, days and years in both directions
(tests/support/clock_switch.cc). The boot: the daemons find control pages of an earlier boot, of yesterday, of a neighbour, torn,
or none, after the machine was started anew, and one or both of them start. A second daemon: it is told that there is one
already, and the first one goes on. Each time everything that was served must arrive, once, and the numbers must add up.
"""

import argparse
import random
import shutil
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import sites  # noqa: E402
from past import CONNECTIONS, new_past  # noqa: E402
from processes import TestFailure, control, wait_until  # noqa: E402
from torture_result import SKIPPED, Result, add_arguments, parse  # noqa: E402

BUSY = 75
HOUR_MS = 3_600_000
STEPS_MS = (HOUR_MS, -HOUR_MS, 48 * HOUR_MS, -48 * HOUR_MS, 24 * 400 * HOUR_MS, -24 * 400 * HOUR_MS, 1_500, -1_500)
STEPS = 10
FULL_CLOCK_ROUNDS = 20
FULL_BOOT_ROUNDS = 60
PAGES = ("queue/page", "shipper/page")
PAGE_STATES = ("earlier boot", "yesterday", "neighbour", "torn", "missing")


class Scene:
    """One round: an installation that continues that of today."""

    def __init__(self, past, dice):
        self.past = past
        self.dice = dice
        self.site = sites.fresh(past.rig, "site", CONNECTIONS)
        sites.copy_state(past.copy("today"), self.site.state)
        self._offset = past.rig.sink.record.stat().st_size
        self.kills = 2  # in the past
        self.story = []

    def act(self):
        """What is special in this round; in the end the daemons have nothing left to do."""
        raise NotImplementedError

    def play(self):
        """The report and the bound. Raises TestFailure."""
        try:
            with self.site.processes:
                self.act()
                return self._check()
        except TestFailure as failure:
            logs = "".join(f"\n{log.name} ends:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-8:])
                           for log in sorted(self.site.folder.glob("sluice-*.log")))
            raise TestFailure("\n".join([*self.story, str(failure)]) + logs) from None

    def _check(self):
        record = sites.cut_record(self.past.rig, self.site, self._offset)
        bound = self.kills * self.site.events_in_flight()
        report = oracle.judge(self.site.served, [self.past.record, record], strict=("session",),
                              skip_session_types=sites.SKIPPED_TYPES, duplicates_max=bound)
        failures = report.failures() + self.site.ledger_failures()
        if report.broken_lines:
            failures.append(f"{report.broken_lines} broken lines at the sink")
        if failures:
            raise TestFailure("\n".join(failures))
        return report, bound

    def is_complete(self):
        """Whether all that Teleport's stand-in has is fetched and delivered."""
        try:
            lanes = self.site.status()["lanes"]
        except TestFailure:
            return False
        return all(lane["backlog"] == 0 and lane["fetched"] == self.past.total[name] for name, lane in lanes.items())


class ClockSteps(Scene):
    def act(self):
        clock = self.site.folder / "clock"
        clock.write_bytes(struct.pack("q", self.dice.choice((0, *STEPS_MS))))
        environment = {"LD_PRELOAD": str(self.site.bin / "clock_switch.so"), "CLOCK_SWITCH_FILE": str(clock)}
        control(self.past.rig.teleport_control, "slow 3")
        daemons = [sites.start(self.site, daemon, environment=environment) for daemon in ("shipper", "fetcher")]
        ahead = 0
        for _ in range(STEPS):
            ahead += self.dice.choice(STEPS_MS)
            self._set(clock, ahead)
            time.sleep(self.dice.uniform(0.05, 0.3))
        # A time before the certificates' begin keeps daemons waiting: with the right time they go on by themselves.
        self._set(clock, 0)
        control(self.past.rig.teleport_control, "slow 0")
        wait_until(self.is_complete, "everything is delivered")
        for process in daemons:
            if process.stop() != 0:
                raise TestFailure(f"{process.name} did not end well")
        for daemon in ("fetcher", "shipper"):
            sites.run_to_end(self.site, daemon)

    def _set(self, clock, ahead_ms):
        self.story.append(f"the clock is {ahead_ms / HOUR_MS:+.3f} h ahead")
        with open(clock, "r+b") as file:  # in place: it is mapped
            file.write(struct.pack("q", ahead_ms))


class OldPages(Scene):
    def act(self):
        environment = {"SLUICE_BOOT_ID": f"{self.dice.getrandbits(128):032x}"}
        for name in PAGES:
            state = self.dice.choice(PAGE_STATES)
            self.story.append(f"{name}: {state}")
            self._put(name, state)
        order = self.dice.choice((("fetcher", "shipper"), ("shipper", "fetcher")))
        self.story.append(f"first comes the {order[0]}")
        daemons = {}
        for daemon in order:
            daemons[daemon] = sites.start(self.site, daemon, *([sites.END_OPTIONS["fetcher"]] if daemon == "fetcher" else []),
                                          environment=environment)
            time.sleep(self.dice.choice((0, 0.3)))
        if daemons["fetcher"].wait() != 0:
            raise TestFailure("the fetcher did not end well")
        if not daemons["shipper"].running():
            # It saw a page that cannot be of this queue, before the fetcher had written its own.
            self._is_a_refusal(daemons["shipper"])
            sites.run_to_end(self.site, "shipper", environment)
            return
        wait_until(self.is_complete, "everything is delivered", process=daemons["shipper"])
        if daemons["shipper"].stop() != 0:
            raise TestFailure("the shipper did not end well")

    def _is_a_refusal(self, shipper):
        status = shipper.wait()
        self.story.append(f"the shipper refused: {shipper.log_tail(1)}")
        if status != 65 or str(self.site.state) not in shipper.log_tail(1):
            raise TestFailure(f"the shipper ended with {status}")

    def _put(self, name, state):
        page = self.site.state / name
        if state == "missing":
            page.unlink()
        elif state in ("yesterday", "neighbour"):
            shutil.copyfile(self.past.copy(state) / name, page)
        elif state == "torn":
            old = (self.past.copy("yesterday") / name).read_bytes()
            new = page.read_bytes()
            page.write_bytes(b"".join(self.dice.choice((old, new))[at:at + 512] for at in range(0, len(new), 512)))


class SecondDaemons(Scene):
    def act(self):
        control(self.past.rig.teleport_control, "slow 3")
        daemons = {daemon: sites.start(self.site, daemon) for daemon in ("fetcher", "shipper")}
        wait_until(lambda: all((self.site.state / lock).exists() and "info" in process.log_text() and
                               self._holds(daemon) for (daemon, process), lock in
                               zip(daemons.items(), ("queue/lock", "delivery/default/lock"), strict=True)), "both run")
        for daemon in ("fetcher", "shipper"):
            for _ in range(3):
                status, said = self.site.run(f"sluice-{daemon}", sites.END_OPTIONS[daemon])
                if status != BUSY or f"process {daemons[daemon].pid}" not in said:
                    raise TestFailure(f"a second sluice-{daemon} ended with {status}:\n{said}")
        control(self.past.rig.teleport_control, "slow 0")
        wait_until(self.is_complete, "everything is delivered")
        for process in daemons.values():
            if process.stop() != 0:
                raise TestFailure(f"{process.name} did not end well")
        for daemon in ("fetcher", "shipper"):
            sites.run_to_end(self.site, daemon)

    def _holds(self, daemon):
        return self.site.status()[daemon]["running"]


def play_all(arguments, past, result):
    plan = (("clock steps", ClockSteps, FULL_CLOCK_ROUNDS, 2), ("pages of another boot", OldPages, FULL_BOOT_ROUNDS, 4),
            ("second daemons", SecondDaemons, 3, 1))
    for name, kind, full, reduced in plan:
        cell = result.cell(name)
        for number in range(full if arguments.full else reduced):
            begin = time.monotonic()
            scene = kind(past, random.Random(f"{result.seed} {name} {number}"))
            try:
                report, bound = scene.play()
                cell.add_point(report, bound=bound, strict_lanes=("session",), drain_seconds=time.monotonic() - begin)
            except TestFailure as failure:
                kept = past.rig.folder / f"failed-{kind.__name__}-{number}"
                sites.copy_state(scene.site.folder, kept)
                cell.add_point()
                cell.fail(f"round {number}: {failure}\nthe state is in {kept}")
        print(f"{name}: {cell.line()}", flush=True)


def run(arguments):
    result = Result("clock_and_boot", arguments)
    with new_past("clock", arguments, result) as past:
        play_all(arguments, past, result)
    return result.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parse(parser)
    if sites.skips_sanitized(arguments.bin_folder):
        return SKIPPED
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
