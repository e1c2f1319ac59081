#!/usr/bin/env python3
"""The long-mix row of the torture matrix: everything that can go wrong at once, for a long time.

long_mix.py BIN_FOLDER [--full] [--minutes N] [--seed S]

Events appear all the time. Daemons and stand-ins are killed and stopped, the sink refuses, stalls, resets and loses
connections, Teleport fails, and queuectl looks on. In between there are checkpoints: Teleport's time stands still,
everything is healed, the queue must drain, and both ends are held against each other. Each phase between two of them
has other settings. Every decision comes from the seed; what happens at which event does not.
"""

import json
import random
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import control_page  # noqa: E402
import oracle  # noqa: E402
import rig as rigs  # noqa: E402
import sites  # noqa: E402
from kill_point import is_drained, sum_failures  # noqa: E402
from mix_faults import FAULTS  # noqa: E402
from processes import TestFailure, control, stats, wait_until  # noqa: E402
from torture_result import LOSSES, Result, parse_with_minutes  # noqa: E402

# (events a second, seconds of a phase)
FULL_PACE = (80, 180)
REDUCED_PACE = (150, 15)
# Small limits, so that there is always something to trim, to erase, and to hold for replays.
FULL_LIMITS = """retention = "30s"
max-size = "64MiB"
min-free-disk = 0
erase-within = "20s"
"""
REDUCED_LIMITS = """retention = "6s"
max-size = "32MiB"
min-free-disk = 0
erase-within = "2s"
"""
FULL_MINUTES = 30
REDUCED_MINUTES = 0.5
STEP_SECONDS = (0.05, 1.2)
REPLAYS_AT_ONCE = 4  # queue/replay_job.h
# Everything must be delivered within this after the last fault.
PATIENCE_SECONDS = 300


class Phase:
    """The settings of one stretch between two checkpoints, from dice of its own."""

    def __init__(self, seed, number):
        self.number = number
        self.dice = random.Random(f"{seed} phase {number}")
        self.mode = ("bulk", "search")[(number + seed) % 2]
        self.connections = (1, 4)[(number + number // 2 + seed) % 2]
        self.batch_events = self.dice.choice((20, 100, 500))

    @property
    def strict_lanes(self):
        return ("audit", "session") if self.connections == 1 else ("session",)

    def __str__(self):
        return (f"phase {self.number}: {self.mode}, {self.connections} connections, "
                f"batches of {self.batch_events}")


class Mix:
    """The installation and all that is done to it."""

    def __init__(self, rig, cell):
        self.rig = rig
        self.cell = cell
        self.bound = 0  # how many duplicates all faults so far may have made
        self.in_flight = 0
        self.replay_bound = 0  # how many repetitions within replay jobs
        self._judged_jobs = set()
        self.refusable = []  # predicates over a line of the served record: the sink may have refused it
        self._healing = []  # (when, what)
        self._expected_down = set()
        self._stopped = set()

    # What faults use ------------------------------------------------------------------------------

    def count(self, what):
        self.cell.add_point(extra={what: 1})

    def _unanswered(self):
        """Events that the sink has stored without saying so; live ones and replayed ones."""
        return stats(self.rig.sink.control_path)["unanswered_events"]

    def heal_later(self, seconds, action):
        self._healing.append((time.monotonic() + seconds, action))

    def process(self, name):
        return {"fetcher": self.rig.fetcher, "shipper": self.rig.shipper,
                "sink": self.rig.sink.process, "teleport": self.rig.teleport}[name]

    def is_up(self, name):
        return name not in self._expected_down

    def is_stopped(self, name):
        """It holds its locks and answers nobody, until the step in which it is healed."""
        return name in self._stopped

    def may_repeat(self):
        """Everything that is under way may be sent again."""
        self.bound += self.in_flight
        self.replay_bound += REPLAYS_AT_ONCE * self.rig.batch_events

    def kill(self, name, seconds):
        """Starts it again `seconds` later."""
        if not self.is_up(name):
            return
        if name == "shipper":
            self.may_repeat()
        if name == "sink":
            # What it had stored and not answered is forgotten with it.
            self.sink_command("reset-after 0")
            unanswered = self._unanswered()
            self.bound += unanswered
            self.replay_bound += unanswered
            self.may_repeat()
        self.process(name).kill()
        self._expected_down.add(name)
        self.count(f"kills of the {name}")
        self.heal_later(seconds, lambda: self.start(name))

    def start(self, name):
        {"fetcher": self.rig.start_fetcher, "shipper": self.rig.start_shipper,
         "sink": self.rig.sink.start, "teleport": self.rig.start_teleport}[name]()
        self._expected_down.discard(name)

    def stop_for(self, name, seconds):
        """SIGSTOP, and SIGCONT `seconds` later."""
        if not self.is_up(name):
            return
        process = self.process(name)
        process.signal(signal.SIGSTOP)
        self._expected_down.add(name)  # nothing else is done to it, and nobody waits for its answer
        self._stopped.add(name)
        self.count("stops of a process")
        def go_on():
            process.signal(signal.SIGCONT)
            self._expected_down.discard(name)
            self._stopped.discard(name)
        self.heal_later(seconds, go_on)

    def sink_command(self, line):
        if self.is_up("sink"):
            self.rig.sink.command(line)

    def teleport_command(self, line):
        if self.is_up("teleport"):
            control(self.rig.teleport_control, line)

    # The course -----------------------------------------------------------------------------------

    def begin(self, phase):
        self.rig.connections = phase.connections
        self.rig.batch_events = phase.batch_events
        self.rig.write_config()
        if self.rig.teleport is not None:
            self.rig.teleport.kill()
        self.rig.start_teleport(phase.mode)
        self.rig.start_daemons()
        self._begin_offsets = (size_of(self.rig.served), size_of(self.rig.sink.record))
        try:
            wait_until(lambda: self.rig.try_status() is not None, "there is a queue", PATIENCE_SECONDS)
        except TestFailure as failure:
            raise TestFailure(f"{failure}: {self.rig.try_queuectl('status')[1]}\n"
                              f"{self.rig.fetcher.log_tail(8)}") from None
        self.in_flight = self.rig.events_in_flight()

    def play(self, phase, seconds, full):
        end = time.monotonic() + seconds
        faults = [fault for fault in FAULTS if full or not fault.full_only]
        weights = [fault.weight for fault in faults]
        while time.monotonic() < end:
            self._heal_due()
            self._check_alive()
            fault = phase.dice.choices(faults, weights)[0]
            fault.act(self, phase.dice)
            time.sleep(phase.dice.uniform(*STEP_SECONDS))

    def _heal_due(self, everything=False):
        now = time.monotonic()
        due = [entry for entry in self._healing if everything or entry[0] <= now]
        self._healing = [entry for entry in self._healing if entry not in due]
        for _, action in sorted(due, key=lambda entry: entry[0]):
            action()

    def _check_alive(self):
        for name in ("fetcher", "shipper", "sink", "teleport"):
            process = self.process(name)
            if self.is_up(name) and not process.running():
                raise TestFailure(f"{process.name} has ended by itself with {process.wait(0)}:\n"
                                  f"{process.log_tail()}")

    def checkpoint(self, phase):
        """Heals everything, waits until all is delivered, and judges."""
        self._heal_due(everything=True)
        for line in ("status off", "stall 0", "reset-before 0", "reset-after 0", "poison",
                     "retry-after off", f"max-body {32 << 20}", "refuse off"):
            self.rig.sink.command(line)
        for line in ("hide-recordings off", "freeze on"):
            control(self.rig.teleport_control, line)
        begin = time.monotonic()
        self._wait_until_drained()
        drained = time.monotonic() - begin
        self.cell.drain_seconds_max = max(self.cell.drain_seconds_max, drained)
        self._check_alive()
        report = self._judge(phase)
        for daemon in (self.rig.fetcher, self.rig.shipper):
            if daemon.stop() != 0:
                raise TestFailure(f"{daemon.name} did not end with 0:\n{daemon.log_tail()}")
        return report, drained

    def _wait_until_drained(self):
        def drained():
            self._check_alive()
            now = self.rig.teleport_stats()
            if now["recorded"] < now["servable"] or not is_drained(self.rig.state):
                return False
            status = self.rig.try_status()
            return status is not None and rigs.has_taken(status, now["servable"]) and all(
                lane["backlog"] == 0 for lane in status["lanes"].values()) and not any(
                job["state"] == "active" for job in self._jobs())
        try:
            wait_until(drained, "everything is delivered", PATIENCE_SECONDS)
        except TestFailure as failure:
            raise TestFailure(f"{failure}\n{self.rig.queuectl('status')}\n"
                              f"{self.rig.fetcher.log_tail(8)}\n{self.rig.shipper.log_tail(8)}") \
                from None

    def _judge(self, phase):
        status = self.rig.status()
        self.rig.queuectl("verify")  # any damage is an error
        bound = self.bound + self._unanswered()
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=bound,
                                may_be_set_aside=self._may_be_refused)
        failures = report.failures() + self.rig.ledger_failures() + sum_failures(status)
        if report.broken_lines:
            failures.append(f"{report.broken_lines} broken lines at the sink")
        for name, lane in report.lanes.items():
            dead = status["lanes"][name]["dead"]
            if len(lane.set_aside) > dead:
                failures.append(f"{name}: {len(lane.set_aside)} events were not delivered, but only "
                                f"{dead} are among the dead letters")
        failures += self._order_failures(phase) + self._replay_failures(report)
        self._count_losses(report, bound)
        if failures:
            raise TestFailure("\n".join(failures))
        return report

    def _jobs(self):
        return [json.loads(line) for line in
                self.rig.queuectl("replay", "list", "--output", "json").splitlines()]

    def _replay_failures(self, report):
        """Each job that has ended must have sent all that it was to send, and nothing else."""
        failures = []
        bound = self.replay_bound + self._unanswered()
        repeats = sum(lane.repeats for lane in report.lanes.values())
        if repeats > bound:
            failures.append(f"{repeats} replayed events came again, at most {bound} allowed")
        self.cell.extra["events replayed again"] = repeats
        for job in self._jobs():
            if job["id"] in self._judged_jobs:
                continue
            self._judged_jobs.add(job["id"])
            self.cell.extra[f"replay jobs {job['state']}"] += 1
            sent = {seq for _, seq in report.replays.get(job["id"], {})}
            wanted = set(range(job["numbers"]["first"], job["numbers"]["last"] + 1))
            missing = len(wanted - sent) - job["refused"]
            if job["state"] == "failed" or sent - wanted or (job["state"] == "done" and missing > 0):
                failures.append(f"replay job {job['id']} is {job['state']}: {len(sent & wanted)} of "
                                f"{len(wanted)} numbers have arrived, {job['refused']} were refused, "
                                f"{len(sent - wanted)} were not its own; {job}")
        return failures

    def _may_be_refused(self, line):
        return any(predicate(line) for predicate in self.refusable)

    def _order_failures(self, phase):
        """Within a phase only: what was served by search in one can come by bulk export in another."""
        served, record = (self.rig.folder / name for name in ("phase-served", "phase-accepted"))
        for source, offset, target in ((self.rig.served, self._begin_offsets[0], served),
                                       (self.rig.sink.record, self._begin_offsets[1], record)):
            with open(source, "rb") as file, open(target, "wb") as copy:
                file.seek(offset)
                shutil.copyfileobj(file, copy)
        report = oracle.judge(served, [record], skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        failures = []
        for name in phase.strict_lanes:
            events = report.lanes[name].disordered
            self.cell.losses["disordered"] += len(events)
            if events:
                failures.append(f"{name}: {len(events)} disordered, the first: {events[0]}")
        return failures

    def _count_losses(self, report, bound):
        """A report is about everything since the beginning."""
        for loss in LOSSES:
            if loss != "disordered":
                self.cell.losses[loss] = sum(len(getattr(lane, loss))
                                             for lane in report.lanes.values())
        self.cell.duplicates_max, self.cell.duplicates_bound = report.duplicates, bound
        for name in ("served", "replayed"):
            self.cell.extra[f"events {name}"] = sum(getattr(lane, name)
                                                    for lane in report.lanes.values())
        page = control_page.fetcher_page(self.rig.state)
        self.cell.extra["events trimmed"] = sum(floor - 1 for floor in page.floor.values())
        self.cell.extra["events set aside"] = sum(len(lane.set_aside)
                                                  for lane in report.lanes.values())


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def play_all(mix, result, minutes, phase_seconds):
    phases = max(2, round(minutes * 60 / phase_seconds))
    for number in range(phases):
        phase = Phase(result.seed, number)
        print(f"mix: {phase}", flush=True)
        mix.begin(phase)
        mix.play(phase, minutes * 60 / phases, result.full)
        _, drained = mix.checkpoint(phase)
        mix.cell.extra["checkpoints"] += 1
        print(f"mix:   drained after {drained:.1f} s; {mix.cell.line()}", flush=True)


def main():
    arguments = parse_with_minutes(__doc__, full=FULL_MINUTES, reduced=REDUCED_MINUTES)
    result = Result("mix", arguments)
    print(f"mix: seed {result.seed}, {arguments.minutes} minutes", flush=True)
    rate, phase_seconds = FULL_PACE if arguments.full else REDUCED_PACE
    cell = result.cell("everything at once")
    # Checkpoints take time, too.
    events = int(rate * 60 * (arguments.minutes * 2 + 10))
    with sites.work_folder("mix", result) as folder, \
            rigs.Rig(arguments.bin_folder, folder, events=events, sessions=events // 800,
                  events_per_session=100, seed=result.seed % (1 << 30), rate=rate, days=1,
                  poll="200ms", queue_settings=FULL_LIMITS if arguments.full else REDUCED_LIMITS,
                  shipper_settings='retry-max = "2s"') as rig:
        rig.make_certificates()
        rig.sink.start()
        rig.start_teleport()
        mix = Mix(rig, cell)
        try:
            play_all(mix, result, arguments.minutes, phase_seconds)
        except TestFailure as failure:
            cell.fail(str(failure))
    return result.finish()


if __name__ == "__main__":
    sys.exit(main())
