#!/usr/bin/env python3
"""./dev demo: 100 000 events from Teleport to Fluentd, through an outage and two kill -9.

demo.py BIN_FOLDER [--events N] [--sim]

Stand-ins play Teleport and Fluentd; where `fluentd` is on the PATH, that one is used (unless --sim). The last line is
computed from what the two ends wrote down themselves, not from Sluice's own numbers. Exit status 1 if anything is lost.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import TestFailure, wait_until  # noqa: E402

OUTAGE_SECONDS = 4


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class Demo:
    def __init__(self, rig, events):
        self.rig = rig
        self.events = events
        self._last_line = 0.0

    def progress(self):
        """At most one line a second."""
        if time.monotonic() - self._last_line < 1:
            return
        self._last_line = time.monotonic()
        try:
            lanes = self.rig.status()["lanes"].values()
        except TestFailure:
            return  # a daemon is just being started
        say("  fetched {:>7,}   acknowledged {:>7,}   backlog {:>7,}".format(
            sum(lane["fetched"] for lane in lanes),
            sum(lane["acknowledged"] or 0 for lane in lanes),
            sum(lane["backlog"] or 0 for lane in lanes)))

    def until_fetched(self, share):
        def fetched():
            self.progress()
            return self.rig.teleport_stats()["recorded"] >= self.events * share
        wait_until(fetched, f"Teleport has served {share:.0%} of the events", 240)

    def until_arrived(self, share):
        def arrived():
            self.progress()
            return self.rig.sink.count_lines() >= self.events * share
        wait_until(arrived, f"{share:.0%} of the events are in Fluentd", 240)

    def run(self):
        self.rig.start_daemons()
        self.until_fetched(0.15)
        say("kill -9 of sluice-fetcher while it fetches, and a new start")
        self.rig.kill_fetcher()
        self.rig.start_fetcher()
        self.until_arrived(0.2)

        say(f"stopping Fluentd for {OUTAGE_SECONDS} s: the backlog grows")
        self.rig.sink.outage_begins()
        end = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < end:
            self.progress()
            time.sleep(0.1)
        print(self.rig.queuectl("status"), end="", flush=True)
        self.rig.sink.outage_ends()
        say("Fluentd is back: the backlog drains")
        self.until_arrived(0.5)

        say("kill -9 of sluice-shipper while it ships, and a new start")
        self.rig.kill_shipper()
        self.rig.start_shipper()
        self.until_arrived(1.0)
        self.rig.wait_until_drained()

    def verdict(self):
        bound = self.rig.duplicates_bound()
        self.rig.shipper.stop()
        self.rig.fetcher.stop()
        print(self.rig.queuectl("status"), end="", flush=True)
        if isinstance(self.rig.sink, rigs.RealFluentd):
            self.rig.sink.process.stop()  # writes out what it has buffered
        say("comparing what Fluentd got with what Teleport served, event by event")
        report = self.rig.judge()
        lanes = report.lanes.values()
        fetched = sum(lane.served for lane in lanes)
        lost = sum(len(lane.lost) for lane in lanes)
        wrong = sum(len(lane.altered) + len(lane.invented) for lane in lanes)
        if not report.ok:
            print(report)
        print(f"fetched {fetched}, delivered {fetched - lost}, lost {lost}, "
              f"duplicates {report.duplicates} (bound {bound})", flush=True)
        return 1 if lost or wrong or report.duplicates > bound else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder", type=Path)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--sim", action="store_true", help="do not use a real Fluentd")
    arguments = parser.parse_args()
    real = rigs.has_real_fluentd() and not arguments.sim
    # A tenth of the events are those of recordings, which go through the session lane.
    sessions = max(1, arguments.events // 2000)
    per_session = 200
    audit = arguments.events - sessions * per_session
    folder = rigs.temporary_folder("demo")
    with rigs.Rig(arguments.bin_folder, folder, events=audit, sessions=sessions,
                  events_per_session=per_session, real_fluentd=real,
                  settings='skip-session-types = ["desktop.recording"]') as rig:
        say(f"Teleport: stand-in (teleport-sim) with {arguments.events:,} events, over gRPC and mTLS")
        say("Fluentd:  " + ("the one on the PATH" if real else "stand-in (fluentd_sim.py)") +
            ", over HTTPS with client certificates")
        say(f"everything is in {folder} and is removed at the end")
        try:
            rig.start_stand_ins()
            demo = Demo(rig, arguments.events)
            demo.run()
            status = demo.verdict()
        except TestFailure as failure:
            print(f"the demo has failed: {failure}\nlogs and state are kept in {folder}")
            return 1
    if status == 0:
        rig.remove()
    else:
        print(f"logs and state are kept in {folder}")
    return status


if __name__ == "__main__":
    sys.exit(main())
