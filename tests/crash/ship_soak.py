#!/usr/bin/env python3
"""The row of the hostile Fluentd: a sink that gives every answer, and fails in every way, which a shipper can meet.

ship_soak.py BIN_FOLDER [--full] [--minutes N] [--seed S]

Events happen all the time. The sink answers everything from 201 to 503, refuses some events for ever, stores a part and says
that it failed, resets and cuts connections, stalls, hangs, reads slowly, answers with rubbish, is away, is killed, and wants
other certificates; and the shipper is killed with -9 and stopped. In the end the faults cease, everything must be delivered,
and what was served is held against what has arrived: nothing lost, nothing invented or altered, in order; the dead letters are
those events that the sink refuses for ever, or which were too large for it, and no others; no more duplicates than there were unknown outcomes. Then the
shipper is stopped again and again while it ships to a sink without faults, which must make no duplicate at all.

Once with one connection, once with several. Every decision comes from the seed; what happens at which event does not.
"""

import json
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
import sites  # noqa: E402
from fluentd_sim import is_unfit  # noqa: E402
from kill_point import is_drained  # noqa: E402
from processes import TestFailure, control, stats, wait_until  # noqa: E402
from ship_faults import FAULTS, SMALL_BODY_BYTES  # noqa: E402
from torture_result import LOSSES, Result, parse_with_minutes  # noqa: E402

FULL_MINUTES = 10
REDUCED_MINUTES = 0.2
STEP_SECONDS = (0.01, 0.25)
BACKLOG_EVENTS = 1500  # that are there at the start
BATCH_EVENTS = 50
UNFIT_SHARE = 150  # one event in so many is refused for ever
FULL_CLEAN_STOPS = 10
REDUCED_CLEAN_STOPS = 3
EVENTS_A_STOP = 1500
# Everything must be delivered within this after the last fault.
PATIENCE_SECONDS = 300
REQUEST_SECONDS = 2
SHIPPER_SETTINGS = f'retry-min = "20ms"\nretry-max = "500ms"\nrequest-timeout = "{REQUEST_SECONDS}s"'
HEALTHY = ("status off", "retry-after off", "stall 0", "reset-before 0", "reset-after 0", f"max-body {32 << 20}",
           "slow 0", "corrupt cut 0", "refuse off")
# What the sink has stored without a 2xx that the shipper is certain to have got.
UNKNOWN = ("unanswered_events", "failed_events", "late_events")


class Soak:
    """The installation and all that is done to it."""

    request_seconds = REQUEST_SECONDS

    def __init__(self, rig, cell):
        self.rig = rig
        self.cell = cell
        self.bound = 0  # how many duplicates there may be, but for what the sink's counts say
        self._in_flight = 0
        self._healing = []  # (when, what)
        self._sink_is_up = True
        self._shipper_is_up = True
        self._accepted = None  # events by the sink, when it was last made to fail

    # What faults use ------------------------------------------------------------------------------

    def count(self, what):
        self.cell.extra[what] += 1

    def heal_later(self, seconds, action):
        self._healing.append((time.monotonic() + seconds, action))

    def teleport(self, line):
        control(self.rig.teleport_control, line)

    def sink(self, line):
        if self._sink_is_up:
            self.rig.sink.command(line)

    def has_accepted_since_it_failed(self):
        """Whether the sink has taken events since this was last asked."""
        if not self._sink_is_up:
            return False
        before, self._accepted = self._accepted, stats(self.rig.sink.control_path)["events"]
        return self._accepted != before

    def kill_shipper(self, seconds):
        if not self._shipper_is_up:
            return
        self.bound += self._in_flight
        self.rig.kill_shipper()
        self._shipper_is_up = False
        self.count("kills of the shipper")
        self.heal_later(seconds, self._start_shipper)

    def stop_shipper(self, seconds):
        """The sink may be in such a state that what is under way is given up."""
        if not self._shipper_is_up:
            return
        self.bound += self._in_flight
        self._stop_shipper()
        self._shipper_is_up = False
        self.heal_later(seconds, self._start_shipper)

    def hang_sink(self, seconds):
        """Requests end by their time limit; what their answers would have been, nobody knows."""
        if not self._sink_is_up:
            return
        self.bound += self._in_flight
        self.rig.sink.process.signal(signal.SIGSTOP)
        self._sink_is_up = False
        self.count("hangs of the sink")

        def go_on():
            self.rig.sink.process.signal(signal.SIGCONT)
            self._sink_is_up = True
        self.heal_later(seconds, go_on)

    def close_sink(self, seconds):
        if not self._sink_is_up:
            return
        # Requests that were being answered are cut off, beyond what the sink can count.
        self.bound += self._in_flight
        self.sink("refuse on")
        self.heal_later(seconds, lambda: self.sink("refuse off"))

    def refuse_tls(self, whose, seconds):
        if not self._sink_is_up:
            return
        files = self.rig.fluentd_files
        self.bound += self._in_flight  # as above
        if whose == "client":
            self.sink(f"tls {files.other_ca} {files.server_cert} {files.server_key}")
        else:
            self.sink(f"tls {files.ca} {files.other_cert} {files.other_key}")
        self.count("refusals of certificates")
        self.heal_later(seconds, self._accept_tls)

    def kill_sink(self, seconds):
        if not self._sink_is_up:
            return
        # Its counts are lost with it, and what was stored between this look and the end, and what was under way then.
        self.bound += self._unknown() + 2 * self._in_flight
        self.rig.sink.process.kill()
        self._sink_is_up = False
        self.count("kills of the sink")
        self.heal_later(seconds, self._start_sink)

    # The course -----------------------------------------------------------------------------------

    def begin(self):
        # From its start on, also after a kill: else it would take some of them before it is told.
        self.rig.sink.options = ["--unfit", UNFIT_SHARE]
        self.rig.start_stand_ins()
        self.rig.start_daemons()
        wait_until(lambda: self.rig.try_status() is not None, "there is a queue", PATIENCE_SECONDS, self.rig.shipper)
        self._in_flight = self.rig.events_in_flight()

    def play(self, dice, seconds):
        end = time.monotonic() + seconds
        weights = [fault.weight for fault in FAULTS]
        while time.monotonic() < end:
            self._heal_due()
            self._check_alive()
            fault = dice.choices(FAULTS, weights)[0]
            fault.act(self, dice)
            self.cell.points += 1
            time.sleep(dice.uniform(*STEP_SECONDS))

    def finish(self):
        """Nothing fails any more: everything must be delivered, and in order. The report."""
        self._heal_all()
        self.wait_until_drained()
        return self._judge(self.bound + self._unknown())

    def stop_cleanly(self, report, stops):
        """Stops in the middle of shipping to a sink without faults. They may add no duplicate to the report's."""
        self.sink("unfit 0")
        for _ in range(stops):
            before = stats(self.rig.sink.control_path)["events"]
            self.teleport(f"add {EVENTS_A_STOP}")
            wait_until(lambda b=before: stats(self.rig.sink.control_path)["events"] > b, "events arrive",
                       PATIENCE_SECONDS, self.rig.shipper)
            self._stop_shipper()
            backlog = sum(lane["backlog"] for lane in self.rig.status()["lanes"].values())
            self.count("clean stops" if backlog else "clean stops with nothing left to ship")
            self.rig.start_shipper()
        self.wait_until_drained()
        bound = self.cell.duplicates_bound
        self._judge(report.duplicates)
        self.cell.duplicates_bound = bound

    def end(self):
        self._stop_shipper()
        if self.rig.fetcher.stop() != 0:
            raise TestFailure(f"the fetcher did not end with 0:\n{self.rig.fetcher.log_tail()}")
        self.rig.queuectl("verify")  # any damage is an error

    def wait_until_drained(self):
        begin = time.monotonic()

        def drained():
            self._check_alive()
            now = self.rig.teleport_stats()
            if now["recorded"] < now["servable"] or not is_drained(self.rig.state):
                return False
            status = self.rig.try_status()
            return status is not None and rigs.has_taken(status, now["servable"]) and all(
                lane["backlog"] == 0 for lane in status["lanes"].values())
        try:
            wait_until(drained, "everything is delivered", PATIENCE_SECONDS)
        except TestFailure as failure:
            raise TestFailure(f"{failure}\n{self.rig.queuectl('status')}\n{self.rig.fetcher.log_tail(8)}\n"
                              f"{self.rig.shipper.log_tail(8)}") from None
        self.cell.drain_seconds_max = max(self.cell.drain_seconds_max, time.monotonic() - begin)

    def _judge(self, bound):
        strict = ("audit", "session") if self.rig.connections == 1 else ("session",)
        report = self.rig.judge(strict=strict, skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=bound,
                                may_be_set_aside=may_be_refused)
        for loss in LOSSES:
            self.cell.losses[loss] = sum(len(getattr(lane, loss)) for name, lane in report.lanes.items()
                                         if loss != "disordered" or name in strict)
        self.cell.duplicates_max, self.cell.duplicates_bound = report.duplicates, bound
        failures = report.failures() + self.rig.ledger_failures()
        status = self.rig.status()
        for name, lane in report.lanes.items():
            dead = status["lanes"][name]["dead"]
            if dead != len(lane.set_aside):
                failures.append(f"{name}: {dead} dead letters, and {len(lane.set_aside)} events that the sink refuses")
        if report.broken_lines:
            failures.append(f"{report.broken_lines} broken lines at the sink")
        self.cell.extra["events served"] = sum(lane.served for lane in report.lanes.values())
        self.cell.extra["events set aside"] = sum(len(lane.set_aside) for lane in report.lanes.values())
        if failures:
            raise TestFailure("\n".join(failures))
        return report

    def expect_every_refusal(self, report):
        """Everything that the sink refuses was refused: else the row would prove less than it says."""
        with open(self.rig.served, "rb") as lines:
            bodies = [json.loads(line)["body"] for line in lines]
        refused = {body["uid"] for body in bodies if refusal_of(body) and
                   body.get("event") not in rigs.UNCONFIGURED_SKIPPED_TYPES}
        aside = sum(len(lane.set_aside) for lane in report.lanes.values())
        if aside < len(refused) or not refused:
            raise TestFailure(f"the sink should have refused {len(refused)} events, but only {aside} did not arrive")

    def _unknown(self):
        now = stats(self.rig.sink.control_path)
        return sum(now[name] for name in UNKNOWN)

    def _accept_tls(self):
        files = self.rig.fluentd_files
        self.sink(f"tls {files.ca} {files.server_cert} {files.server_key}")

    def _start_sink(self):
        self.rig.sink.start()
        self._sink_is_up = True

    def _start_shipper(self):
        self.rig.start_shipper()
        self._shipper_is_up = True

    def _stop_shipper(self):
        wait_until(self.rig.shipper.has_said, "it takes signals", process=self.rig.shipper)
        if self.rig.shipper.stop() != 0:
            raise TestFailure(f"the shipper did not end with 0:\n{self.rig.shipper.log_tail()}")
        self.count("stops of the shipper")

    def _heal_due(self, everything=False):
        now = time.monotonic()
        due = [entry for entry in self._healing if everything or entry[0] <= now]
        self._healing = [entry for entry in self._healing if entry not in due]
        for _, action in sorted(due, key=lambda entry: entry[0]):
            action()

    def _heal_all(self):
        self._heal_due(everything=True)
        for line in HEALTHY:
            self.sink(line)
        self._accept_tls()

    def _check_alive(self):
        up = {"shipper": self._shipper_is_up, "sink": self._sink_is_up, "fetcher": True}
        processes = {"shipper": self.rig.shipper, "sink": self.rig.sink.process, "fetcher": self.rig.fetcher}
        for name, process in processes.items():
            if up[name] and not process.running():
                raise TestFailure(f"{process.name} has ended by itself with {process.wait(0)}:\n{process.log_tail()}")


def refusal_of(event):
    return is_unfit(event, UNFIT_SHARE)


def may_be_refused(line):
    """Whether the event of a line of the served record is always refused, or may have been too large at its time."""
    return refusal_of(json.loads(line)["body"]) is not None or len(line) > SMALL_BODY_BYTES[0] // 2


def play_cell(result, arguments, connections):
    cell = result.cell("one connection" if connections == 1 else f"{connections} connections")
    seconds = arguments.minutes * 60 / 2
    with sites.work_folder("sink", result) as folder, \
            rigs.Rig(arguments.bin_folder, folder, events=BACKLOG_EVENTS, sessions=20, events_per_session=50,
                     seed=result.seed % (1 << 30), days=2, poll="200ms", connections=connections,
                     batch_events=BATCH_EVENTS, shipper_settings=SHIPPER_SETTINGS,
                     queue_settings="min-free-disk = 0") as rig:
        soak = Soak(rig, cell)
        try:
            soak.begin()
            soak.play(random.Random(f"{result.seed} {connections}"), seconds)
            report = soak.finish()
            soak.expect_every_refusal(report)
            soak.stop_cleanly(report, FULL_CLEAN_STOPS if result.full else REDUCED_CLEAN_STOPS)
            soak.end()
        except TestFailure as failure:
            cell.fail(str(failure))
    print(f"sink: {cell.name}: {cell.line()}", flush=True)


def main():
    arguments = parse_with_minutes(__doc__, full=FULL_MINUTES, reduced=REDUCED_MINUTES)
    result = Result("sink", arguments)
    print(f"sink: seed {result.seed}, {arguments.minutes} minutes", flush=True)
    for connections in (1, rigs.CONNECTIONS):
        play_cell(result, arguments, connections)
    return result.finish()


if __name__ == "__main__":
    sys.exit(main())
