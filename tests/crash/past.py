"""An installation with a past, for tests that put together what does not belong together.

    with new_past("halves", arguments, result) as past:      # takes some seconds
        sites.copy_state(past.copy("yesterday") / "queue", ...)
"""

import contextlib
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
import sites  # noqa: E402
from processes import TestFailure, control  # noqa: E402

BATCH_EVENTS = 10
EVENTS = 300
SESSIONS = 2
EVENTS_PER_SESSION = 25
CONNECTIONS = 4
SLOWNESS_MS = (15, 60, 240)  # a pause of Teleport's stand-in between events


@contextlib.contextmanager
def new_past(name, arguments, result):
    options = {"events": EVENTS, "sessions": SESSIONS, "events_per_session": EVENTS_PER_SESSION,
               "chunk_events": 30, "batch_events": BATCH_EVENTS}
    with sites.shared_rig(name, arguments, result, **options) as rig, \
            rigs.Rig(arguments.bin_folder, rig.folder / "neighbour", seed=result.seed + 1, poll="100ms",
                     settings=sites.SETTINGS, **options) as neighbour:
        neighbour.start_stand_ins()
        yield Past(rig, neighbour)


class Past:
    """Copies of an installation from yesterday and today, and of a neighbour. `record` has what was delivered until today."""

    def __init__(self, rig, neighbour_rig):
        self.rig = rig
        self.total = {"audit": EVENTS, "session": SESSIONS * EVENTS_PER_SESSION}  # what is there to fetch
        for slowness_ms in SLOWNESS_MS:
            if self._make(slowness_ms):
                break
        else:
            raise TestFailure("nothing is left for the future: Teleport's stand-in must be slower")
        self.record = self.site.folder / "delivered"
        shutil.copyfile(sites.cut_record(rig, self.site, 0), self.record)
        # Its events are others, so that one of them is found among ours.
        for daemon in ("fetcher", "shipper"):
            sites.run_to_end(neighbour_rig, daemon)
        sites.copy_state(neighbour_rig.state, self.copy("neighbour"))

    def _make(self, slowness_ms):
        """Whether something is left for the future: on a busy machine a daemon may come farther than it was to, before
        it is seen."""
        shutil.rmtree(self.rig.folder / "copies", ignore_errors=True)
        self.site = sites.fresh(self.rig, f"past{slowness_ms}", CONNECTIONS)
        control(self.rig.teleport_control, f"slow {slowness_ms}")
        with self.site.processes:
            self._grow(80, 50)
            self.acknowledged = self._keep("yesterday")
            self._grow(160, 110)
            self.acknowledged_today = self._keep("today")
        control(self.rig.teleport_control, "slow 0")
        return self.site.status()["lanes"]["audit"]["fetched"] < EVENTS

    def _grow(self, fetched, acknowledged):
        sites.run_until(self.site, "fetcher", lambda lanes: lanes["audit"]["fetched"] >= fetched)
        sites.run_until(self.site, "shipper", lambda lanes: lanes["audit"]["acknowledged"] >= acknowledged)

    def _keep(self, name):
        sites.copy_state(self.site.state, self.copy(name))
        return sum(lane["acknowledged"] for lane in self.site.status()["lanes"].values())

    def copy(self, name):
        return self.rig.folder / "copies" / name
