"""One kill: a daemon of a fresh installation dies at a numbered call, goes on, and both ends are compared.

The calls by which a daemon changes its files are numbered by tests/support/kill_switch.cc. A cell of the matrix says
what is in the installation before (prepare), what else runs meanwhile (companions), and how the victim is run to
its end; this file has what all of them share.
"""

import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

import control_page
import oracle
import sites
from processes import TestFailure, wait_until

KILLED = -signal.SIGKILL
ABORTED = -signal.SIGABRT
IO_ERROR = 74  # docs/exit-codes.md
HOWS = ("before", "half", "after")
WRITES = ("write", "pwrite", "writev", "fdatasync", "fsync")
WATCHED = {"fetcher": ("queue",), "shipper": ("delivery", "shipper")}
# Ends a hopeless wait, and is the bound within which everything must be delivered after the last fault.
PATIENCE_SECONDS = 120


@dataclass
class Plan:
    """Where a point's faults are. Numbers count the victim's calls from its start on."""

    number: int
    how: str
    second: int = 0  # the call of the next start at which it dies again; 0: none
    second_how: str = "before"
    error_at: int = 0  # a call that fails before the deadly one; 0: none

    def __str__(self):
        error = f"call {self.error_at} fails, " if self.error_at else ""
        second = f", then call {self.second}, {self.second_how}" if self.second else ""
        return f"{error}call {self.number}, {self.how}{second}"


@dataclass
class Outcome:
    """What came of one point."""

    deaths: list = field(default_factory=list)  # "write FILE (half, call 17)"
    calls: int = 0  # how many there were, if none was deadly
    report: object = None  # oracle's
    strict_lanes: tuple = ()
    killed_shippers: int = 0
    bound: int = 0
    drain_seconds: float = 0.0  # from the start after the last death
    extra: dict = field(default_factory=dict)  # counts for the result


class Wrong(TestFailure):
    """A point at whose end something is wrong."""

    def __init__(self, outcome, text):
        super().__init__(text)
        self.outcome = outcome


class KillPoint:
    """What can be killed. One object serves all threads; each of them has a site, an installation of its own."""

    daemon = None
    workload = None
    mode = "bulk"
    events = 300
    sessions = 2
    events_per_session = 25
    connections = (1, 4)  # one: strict order in both lanes; several: order within a session
    is_paced = True  # whether events that come more slowly make the victim's calls more
    queue_settings = ""  # for the configuration file's [queue] table
    compares_modes = True

    def __init__(self, rig, seed):
        self.rig = rig
        self.seed = seed
        self.modes = None  # of all folders and files, after a run without a kill

    @property
    def name(self):
        return f"{self.daemon}, {self.workload}"

    # What cells fill in ---------------------------------------------------------------------------

    def make_template(self):
        """Makes what prepare() copies."""

    def prepare(self, site):
        """Puts into the empty state folder what is there before the victim starts."""

    def companions(self, site):
        """Starts what runs beside the victim."""

    def run_victim(self, site, environment=None):
        """Runs it to its end or its death; the exit status. Must set nothing aside."""
        raise NotImplementedError

    def finish(self, site):
        """After the victim's last, undisturbed run: until everything is delivered and all daemons have ended."""

    def check_more(self, site, outcome):
        """Sentences about what is wrong beyond what all cells check."""
        return []

    # What they are made of ------------------------------------------------------------------------

    def start(self, site, daemon, *options, environment=None):
        program = f"sluice-{daemon}"
        return site.processes.start(program, site.command(program, *options), environment)

    def end_of(self, process, environment=None):
        """The exit status. After a call that failed, a daemon that cannot even open what it needs ends, to be started
        again; and some failures make an assertion of RocksDB abort it, which is a death like any other."""
        status = process.wait(PATIENCE_SECONDS)
        has_failed = environment and environment["KILL_SWITCH_ERROR_AT"] != "0"
        if has_failed and (status == IO_ERROR or
                           status == ABORTED and "rocksdb::" in process.log_tail(1)):
            return status
        if status not in (0, KILLED):
            raise TestFailure(f"{process.name} ended with {status}:\n{process.log_tail()}")
        return status

    def run_to_end(self, site, daemon, environment=None):
        """Until nothing is left for it to do."""
        option = {"fetcher": "--exit-on-last-event", "shipper": "--exit-when-drained"}[daemon]
        return self.end_of(self.start(site, daemon, option, environment=environment), environment)

    def run_undisturbed(self, site, daemon):
        if self.run_to_end(site, daemon) != 0:
            raise TestFailure(f"sluice-{daemon} was killed by somebody else")

    def run_shipper_beside(self, site, fetcher, environment=None):
        """Until it dies, or until `fetcher` has ended by itself and everything is settled."""
        shipper = self.start(site, "shipper", environment=environment)
        # One that is stopped before it works leaves what its killed predecessor has left, such as a socket.
        wait_until(lambda: not shipper.running() or
                   self.is_settled(site, fetcher) and shipper.has_said("shipping queue"),
                   "everything is delivered", PATIENCE_SECONDS)
        if shipper.running():
            self.stop(shipper)
        return self.end_of(shipper, environment)

    def is_settled(self, site, fetcher):
        return not fetcher.running() and is_drained(site.state)

    def stop(self, process):
        # One that had nothing to do may not have got so far yet that it takes the signal.
        wait_until(lambda: process.has_said() or not process.running(),
                   f"{process.name} has begun", PATIENCE_SECONDS)
        status = process.stop(PATIENCE_SECONDS)
        if status not in (0, KILLED):
            raise TestFailure(f"{process.name} ended with {status}:\n{process.log_tail()}")

    def wait_until_delivered(self, site):
        wait_until(lambda: is_drained(site.state), "everything is delivered", PATIENCE_SECONDS,
                   site.shipper)

    # The course of one point ----------------------------------------------------------------------

    def record(self, site_name):
        """The calls that an undisturbed run makes, and those of a second one, on what the first has left: two lists
        of lines "NUMBER CALL PATH"."""
        site = self.new_site(site_name, self.connections[0])
        with Closing(site):
            self.prepare(site)
            self.companions(site)
            first = self.recorded_run(site)
            self.finish(site)
            self.modes = modes_below(site.state)
        with Closing(site):
            self.companions(site)
            second = self.recorded_run(site)
            self.finish(site)
        return first, second

    def recorded_run(self, site):
        log = site.folder / "calls"
        log.unlink(missing_ok=True)
        self.run_victim(site, self.switch(site, 0, "before"))
        return log.read_text(encoding="utf-8").splitlines()

    def plans(self, first, second, wanted, dice):
        """Which points to play: every call of the recorded run at least once if `wanted` is enough for that, else as
        many, spread evenly. Every second one dies again in its next start."""
        made = []
        for i, number in enumerate(spread(len(first), wanted, dice)):
            again = 1 + dice.randrange(len(second)) if i % 2 else 0
            made.append(Plan(number, HOWS[(number + i // len(first) + self.seed) % len(HOWS)],
                             again, dice.choice(HOWS)))
        return made

    def plans_of_first_writes(self, first, wanted):
        """Each of the first `wanted` calls of the recorded run that write or sync."""
        numbers = writes_of(first)
        if len(numbers) < wanted:
            raise TestFailure(f"the recorded run has {len(numbers)} calls that write or sync, not {wanted}")
        return [Plan(number, HOWS[(number + self.seed) % len(HOWS)]) for number in numbers[:wanted]]

    def play(self, site_name, plan):
        """One point. Raises Wrong when something is."""
        site = self.new_site(site_name, self.connections[plan.number // 3 % len(self.connections)])
        outcome = Outcome()
        offset = self.rig.sink.record.stat().st_size
        try:
            with Closing(site):
                self.prepare(site)
                self.companions(site)
                self.kill(site, plan.number, plan.how, outcome, plan.error_at)
                if outcome.deaths and plan.second:
                    self.kill(site, plan.second, plan.second_how, outcome)
                begin = time.monotonic()
                if not outcome.deaths:
                    outcome.calls = len((site.folder / "calls").read_text().splitlines())
                    return outcome
                self.run_victim(site)
                self.finish(site)
                outcome.drain_seconds = time.monotonic() - begin
                outcome.killed_shippers = len(outcome.deaths) if self.daemon == "shipper" else 0
                self.check(site, offset, outcome)
        except (TestFailure, subprocess.TimeoutExpired) as failure:
            deaths = "".join(f"\n  died {death}" for death in outcome.deaths)
            raise Wrong(outcome, f"{plan}:{deaths}\n{failure}") from None
        return outcome

    def new_site(self, site_name, connections):
        shutil.rmtree(self.rig.folder / site_name, ignore_errors=True)
        return self.rig.twin(site_name, connections)

    def switch(self, site, number, how, error_at=0):
        return {"LD_PRELOAD": str(site.bin / "kill_switch.so"),
                "KILL_SWITCH_FOLDERS": ":".join(str(site.state / name)
                                                for name in WATCHED[self.daemon]),
                "KILL_SWITCH_AT": str(number), "KILL_SWITCH_HOW": how,
                "KILL_SWITCH_ERROR_AT": str(error_at),
                "KILL_SWITCH_LOG": str(site.folder / "calls")}

    def kill(self, site, number, how, outcome, error_at=0):
        log = site.folder / "calls"
        log.unlink(missing_ok=True)
        status = self.run_victim(site, self.switch(site, number, how, error_at))
        if status in (IO_ERROR, ABORTED):
            ended = {IO_ERROR: "exit", ABORTED: "abort"}[status]
            outcome.deaths.append(f"{ended} by itself, because call {error_at} failed")
            return
        if status != KILLED:
            return
        reached, call = log.read_text(encoding="utf-8").splitlines()[-1].split(" ", 1)
        if int(reached) != number:
            raise TestFailure(f"it died at call {reached}")
        outcome.deaths.append(f"{call.replace(f'{site.state}/', '')} ({how}, call {number})")
        self.check_after_death(site)

    def check_after_death(self, site):
        check_while_dead(site)

    def duplicates_bound(self, site, outcome):
        return outcome.killed_shippers * site.events_in_flight()

    def strict_lanes(self, site):
        return ("audit", "session") if site.connections == 1 else ("session",)

    def check(self, site, offset, outcome):
        record = site.folder / "accepted.ndjson"
        cut(self.rig.sink.record, offset, f'"tag":"{site.folder.name}.', record)
        outcome.bound = self.duplicates_bound(site, outcome)
        outcome.strict_lanes = self.strict_lanes(site)
        outcome.report = self.judge(site, record, outcome)
        failures = outcome.report.failures() + site.ledger_failures() + self.check_more(site, outcome)
        failures += sum_failures(site.status())
        site.queuectl("verify")  # any damage is an error
        if outcome.report.broken_lines:
            failures.append(f"{outcome.report.broken_lines} broken lines at the sink")
        modes = modes_below(site.state)
        if self.compares_modes and modes != self.modes:
            failures.append(f"the files and their modes are {modes}, without a kill {self.modes}")
        if failures:
            raise TestFailure("\n".join(failures))

    def judge(self, site, record, outcome):
        return self.judge_records(site, [record], outcome)

    def judge_records(self, site, records, outcome):
        return oracle.judge(self.rig.served, records, strict=outcome.strict_lanes,
                            skip_session_types=sites.SKIPPED_TYPES, duplicates_max=outcome.bound)


def writes_of(calls):
    """The numbers of those recorded calls that write or sync."""
    return [int(number) for number, call, *_ in map(str.split, calls) if call in WRITES]


def check_while_dead(site):
    """What must hold while a daemon is dead: nothing published is missing, and all numbers add up."""
    fetcher, shipper = control_page.fetcher_page(site.state), control_page.shipper_page(site.state)
    try:
        status = site.status()
    except TestFailure as failure:
        # It died before there was a queue, or while it opened one: nothing to add up yet.
        if "start sluice-fetcher" in str(failure):
            return
        raise
    wrong = sum_failures(status)
    for lane, numbers in status["lanes"].items():
        if fetcher and numbers["fetched"] < fetcher.durable[lane]:
            wrong.append(f"{lane}: {fetcher.durable[lane]} were published as synced, "
                         f"{numbers['fetched']} are in the queue")
        if shipper and numbers["position"] is not None and \
                numbers["position"] < shipper.position[lane]:
            wrong.append(f"{lane}: position {shipper.position[lane]} was published, "
                         f"{numbers['position']} is in the delivery store")
    if wrong:
        raise TestFailure("while it is dead, " + "; ".join(wrong))


def spread(total, wanted, dice):
    """`wanted` numbers from 1 to `total`: evenly spread, or all of them, over and over."""
    if wanted < total:
        return [1 + int((i + dice.random()) * total / wanted) for i in range(wanted)]
    return [1 + i % total for i in range(wanted)]


class Closing:
    """Ends whatever still runs in a site."""

    def __init__(self, site):
        self._site = site

    def __enter__(self):
        return self._site

    def __exit__(self, *arguments):
        self._site.processes.__exit__(*arguments)


def is_drained(state):
    """Whether everything that is in the queue is settled, as the pages say."""
    fetcher, shipper = control_page.fetcher_page(state), control_page.shipper_page(state)
    return fetcher is not None and shipper is not None and \
        shipper.epoch == fetcher.epoch and shipper.position == fetcher.durable


def sum_failures(status):
    """Sentences about numbers of `queuectl status` that do not add up. Without a delivery store there are none."""
    wrong = []
    if status["unaccounted"] is None:
        return wrong
    if status["unaccounted"] != 0:
        wrong.append(f"unaccounted is {status['unaccounted']}")
    for lane, numbers in status["lanes"].items():
        parts = sum(numbers[part] for part in ("acknowledged", "backlog", "dead", "skipped", "gap"))
        if numbers["fetched"] != parts:
            wrong.append(f"{lane}: fetched is {numbers['fetched']}, the parts add up to {parts}")
    return wrong


def modes_below(state):
    """{path: mode} of all folders and of the files that are not the databases' own."""
    return {str(path.relative_to(state)): oct(path.stat().st_mode & 0o7777)
            for path in sorted(state.rglob("*")) if path.is_dir() or path.parent.name != "db"}


def cut(record, offset, text, target):
    """Copies the lines from `offset` on that contain `text` near their beginning."""
    text = text.encode()
    with open(record, "rb") as source, open(target, "wb") as copy:
        source.seek(offset)
        for line in source:
            if text in line[:120]:
                copy.write(line)
