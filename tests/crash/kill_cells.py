"""The cells of the process-kill row: which daemon dies, and at which kind of work."""

import shutil

from kill_point import HOWS, Closing, KillPoint, Plan, spread
from processes import TestFailure


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


CELLS = (FetcherSteady, FetcherSteadySearch, FetcherBacklog, FetcherReopen,
         ShipperSteady, ShipperBacklog, ShipperReopen)
