"""The cells of the process-kill row: which daemon dies, and at which kind of work."""

import contextlib
import json
import shutil

import control_page
from kill_point import (HOWS, PATIENCE_SECONDS, Closing, KillPoint, Plan, cut, is_drained, spread)
from processes import TestFailure, control, wait_until

# Everything goes as soon as it is acknowledged, and nothing waits for room.
TRIM_SETTINGS = """retention = "0s"
max-size = "32MiB"
min-free-disk = 0
erase-within = "1s"
"""
# Erasing begins half of erase-within after the one before.
ERASING_SECONDS = 1.0


class FetcherBacklog(KillPoint):
    """The fetcher fills a queue that nobody drains."""

    daemon = "fetcher"
    workload = "backlog"

    def run_victim(self, site, environment=None):
        return self.run_to_end(site, "fetcher", environment)

    def finish(self, site):
        self.run_undisturbed(site, "shipper")


class FetcherSteady(KillPoint):
    """The fetcher appends what comes in while the shipper delivers it."""

    daemon = "fetcher"
    workload = "steady"

    def companions(self, site):
        site.shipper = self.start(site, "shipper")

    def run_victim(self, site, environment=None):
        return self.run_to_end(site, "fetcher", environment)

    def finish(self, site):
        self.wait_until_delivered(site)
        self.stop(site.shipper)


class FetcherSteadySearch(FetcherSteady):
    """The same on a cluster without bulk export."""

    workload = "steady, by search"
    mode = "search"


class ShipperBacklog(KillPoint):
    """The shipper drains a queue that was filled before."""

    daemon = "shipper"
    workload = "backlog"
    events = 500
    is_paced = False

    def make_template(self):
        site = self.new_site("template", self.connections[0])
        with Closing(site):
            self.run_undisturbed(site, "fetcher")
        self.template = site.state

    def prepare(self, site):
        shutil.copytree(self.template, site.state, dirs_exist_ok=True)

    def run_victim(self, site, environment=None):
        return self.run_to_end(site, "shipper", environment)


class ShipperSteady(KillPoint):
    """The shipper delivers what a fetcher appends meanwhile."""

    daemon = "shipper"
    workload = "steady"

    def companions(self, site):
        site.fetcher = self.start(site, "fetcher", "--exit-on-last-event")

    def run_victim(self, site, environment=None):
        return self.run_shipper_beside(site, site.fetcher, environment)

    def finish(self, site):
        if self.end_of(site.fetcher) != 0:
            raise TestFailure("sluice-fetcher was killed by somebody else")


class Replaying(KillPoint):
    """In the template a part is delivered, another waits, and replay jobs are asked for. All replayed events are
    marked, so that the oracle can tell them from deliveries that a death has repeated."""

    daemon = "shipper"
    workload = "replay"
    queue_settings = TRIM_SETTINGS  # whatever is replayed would go but for the hold
    events = 220
    added_events = 120
    rate = 0  # of each job, events a second; 0: no limit

    def make_template(self):
        site = self.new_site("template", self.connections[0])
        with Closing(site):
            self.run_undisturbed(site, "fetcher")
            self.run_undisturbed(site, "shipper")
            self.delivered = site.folder / "delivered.ndjson"
            cut(self.rig.sink.record, 0, '"tag":"template.', self.delivered)
            for lane in ("audit", "session"):
                site.queuectl("replay", "--lane", lane, "--from-seq", "1", "--mark", "--rate", self.rate,
                              "--reason", "torture")
            control(self.rig.teleport_control, f"add {self.added_events}")
            if self.daemon == "shipper":
                self.run_undisturbed(site, "fetcher")
        self.template = site.state

    def prepare(self, site):
        shutil.copytree(self.template, site.state, dirs_exist_ok=True)

    def judge(self, site, record, outcome):
        return self.judge_records(site, [self.delivered, record], outcome)

    def check_more(self, site, outcome):
        """Each job has ended, and has sent each of its events."""
        failures = []
        jobs = [json.loads(line) for line in
                site.queuectl("replay", "list", "--output", "json").splitlines()]
        sent_again = sum(lane.repeats for lane in outcome.report.lanes.values())
        for job in jobs:
            sent = outcome.report.replays.get(job["id"], {})
            wanted = {(job["lane"], seq) for seq in
                      range(job["numbers"]["first"], job["numbers"]["last"] + 1)}
            if job["state"] != "done" or job["matched"] != len(wanted) or set(sent) != wanted:
                failures.append(f"replay job {job['id']} is {job['state']}: {job['matched']} events matched, "
                                f"{len(sent)} of {len(wanted)} numbers have arrived")
        # A job has one request under way.
        bound = len(jobs) * site.batch_events * outcome.killed_shippers
        if sent_again > bound:
            failures.append(f"{sent_again} replayed events came again, at most {bound} allowed")
        outcome.extra["replayed"] = sum(lane.replayed for lane in outcome.report.lanes.values())
        outcome.extra["replayed again"] = sent_again
        return failures + ([] if len(jobs) == 2 else [f"there are {len(jobs)} replay jobs, not 2"])


class ShipperReplay(Replaying):
    """The shipper drains a queue and runs two replay jobs beside it."""

    is_paced = False

    def run_victim(self, site, environment=None):
        return self.run_to_end(site, "shipper", environment)


class FetcherReplay(Replaying):
    """The fetcher appends while the shipper delivers and replays."""

    daemon = "fetcher"
    rate = 100

    def companions(self, site):
        site.shipper = self.start(site, "shipper")

    def run_victim(self, site, environment=None):
        return self.run_to_end(site, "fetcher", environment)

    def finish(self, site):
        self.wait_until_delivered(site)
        self.stop(site.shipper)
        # The jobs go on to their end.
        self.run_undisturbed(site, "shipper")


class Trimming(KillPoint):
    """Everything that is acknowledged is trimmed and erased at once: floor rows, history rows, whole files, and
    compactions over what is erased. In the template there are files of all levels, of what is delivered."""

    workload = "trim"
    events = 200
    added_events = 40
    openings = 5  # each leaves a table file, and four of them make one of the next level
    queue_settings = TRIM_SETTINGS
    is_paced = False

    def make_template(self):
        site = self.new_site("template", self.connections[0])
        with Closing(site):
            for _ in range(self.openings):
                self.run_undisturbed(site, "fetcher")
                control(self.rig.teleport_control, f"add {self.added_events}")
            self.run_undisturbed(site, "shipper")
            self.delivered = site.folder / "delivered.ndjson"
            cut(self.rig.sink.record, 0, '"tag":"template.', self.delivered)
        self.template = site.state
        self.numbers = self.count_numbers()

    def count_numbers(self):
        """How many events there are to be queued."""
        site = self.new_site("counted", self.connections[0])
        with Closing(site):
            self.run_undisturbed(site, "fetcher")
        return sum(control_page.fetcher_page(site.state).durable.values())

    def prepare(self, site):
        shutil.copytree(self.template, site.state, dirs_exist_ok=True)

    def judge(self, site, record, outcome):
        return self.judge_records(site, [self.delivered, record], outcome)

    def run_beside(self, site, victim, other):
        """Until the victim dies, or until all is delivered and trimmed, and erasing had its time."""
        def is_over():
            if not other.running():
                raise TestFailure(f"{other.name} has ended by itself:\n{other.log_tail()}")
            return not victim.running() or self.is_trimmed(site)
        wait_until(is_over, "all is delivered and trimmed", PATIENCE_SECONDS)
        if victim.running():
            with contextlib.suppress(TestFailure):
                victim.wait(ERASING_SECONDS)
        if victim.running():
            self.stop(victim)
        return self.end_of(victim)

    def is_trimmed(self, site):
        page = control_page.fetcher_page(site.state)
        return is_drained(site.state) and sum(page.durable.values()) >= self.numbers and \
            all(page.floor[lane] == last + 1 for lane, last in page.durable.items())

    def check_after_death(self, site):
        """No number that is not acknowledged is ever below the floor."""
        super().check_after_death(site)
        fetcher = control_page.fetcher_page(site.state)
        shipper = control_page.shipper_page(site.state)
        if fetcher and shipper:
            for lane, floor in fetcher.floor.items():
                if floor > shipper.position[lane] + 1:
                    raise TestFailure(f"{lane}: the floor is {floor}, acknowledged is only up to "
                                      f"{shipper.position[lane]}")


class FetcherTrim(Trimming):
    daemon = "fetcher"

    def companions(self, site):
        site.shipper = self.start(site, "shipper")

    def run_victim(self, site, environment=None):
        return self.run_beside(site, self.start(site, "fetcher", environment=environment),
                               site.shipper)

    def finish(self, site):
        self.stop(site.shipper)


class ShipperTrim(Trimming):
    daemon = "shipper"

    def companions(self, site):
        site.fetcher = self.start(site, "fetcher")

    def run_victim(self, site, environment=None):
        return self.run_beside(site, self.start(site, "shipper", environment=environment),
                               site.fetcher)

    def finish(self, site):
        self.stop(site.fetcher)


class Reopening:
    """The calls of an opening: after a kill somewhere in the work before, and in a process one of whose writes has
    failed, which must open everything anew."""

    workload = "reopen"

    def plans(self, first, second, wanted, dice):
        made = []
        for i, number in enumerate(spread(len(second), wanted, dice)):
            how = HOWS[(number + i // len(second) + self.seed) % len(HOWS)]
            # Somewhere in the work, behind the first opening.
            before = dice.randrange(min(len(second), len(first) - 1), len(first))
            if i % 2:
                made.append(Plan(before + number, how, error_at=before))
            else:
                made.append(Plan(before, dice.choice(HOWS), number, how))
        return made


class FetcherReopen(Reopening, FetcherBacklog):
    pass


class ShipperReopen(Reopening, ShipperBacklog):
    pass


CELLS = (FetcherSteady, FetcherSteadySearch, FetcherBacklog, FetcherReplay, FetcherTrim, FetcherReopen,
         ShipperSteady, ShipperBacklog, ShipperReplay, ShipperTrim, ShipperReopen)
