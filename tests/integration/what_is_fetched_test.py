#!/usr/bin/env python3
"""What an operator can ask of the fetcher: from when on, again from when on, which span of the past, or only a look.

what_is_fetched_test.py BIN_FOLDER

Each case has a fetcher of its own beside a stand-in for Teleport, once with bulk export and once with the search only.
What is in the queue is held against what was served.
"""

import collections
import json
import shutil
import sys
import time
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import control  # noqa: E402

BIN = None
EVENTS = 600
FETCHER = "sluice-fetcher"
USAGE = 64


def at(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def parsed(text):
    return datetime.fromisoformat(text)


class WhatIsFetched(unittest.TestCase):
    def begin(self, mode, **options):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("fetched"), mode=mode, days=3, chunk_events=50,
                            **{"events": EVENTS, "sessions": 2, "events_per_session": 10, **options})
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()

    def in_both_modes(self, case, **options):
        for mode in ("bulk", "search"):
            with self.subTest(mode=mode):
                self.begin(mode, **options)
                case()

    def fetch(self, *options, status=0):
        code, said = self.rig.run(FETCHER, "--exit-on-last-event", *options)
        self.assertEqual(status, code, said)
        return said

    def records(self):
        """The audit lane, in order."""
        lines = self.rig.queuectl("peek", "--lane", "audit", "--from", "1", "--count", "100000",
                                  "--output", "json").split("\n")
        return [json.loads(line) for line in lines if line]

    def queued(self):
        """How often each event is in the queue, by its id."""
        return collections.Counter(record["id"] for record in self.records())

    def served(self):
        """The times of the audit events that were served, by id."""
        times = {}
        for line in self.rig.served.read_text(encoding="utf-8").rstrip("\n").split("\n"):
            record = json.loads(line)
            if record["lane"] == "audit":
                times[record["id"]] = parsed(record["body"]["time"])
        return times

    def since(self, moment):
        return {id for id, time in self.served().items() if time >= moment}

    def test_a_dry_run_counts_and_leaves_everything_as_it_is(self):
        def case():
            said = self.fetch("--dry-run")
            self.assertRegex(said, rf"dry run: {EVENTS} audit events would be queued \(")
            self.assertIn("2 recordings announced", said)
            self.assertEqual([], list(self.rig.state.iterdir()))
            self.assertNotIn("StreamUnstructuredSessionEvents", self.rig.teleport_stats()["calls"])
        self.in_both_modes(case)

    def test_a_span_of_the_past_comes_beside_the_present_and_once(self):
        def case():
            now = datetime.now(UTC)
            begin, end = now - timedelta(hours=60), now - timedelta(hours=30)
            present = now - timedelta(hours=6)
            options = ["--start-time", at(present), "--backfill", f"{at(begin)}/{at(end)}"]
            said = self.fetch(*options)
            self.assertRegex(said, "the backfill of .* begins")
            self.fetch(*options)
            self.fetch("--dry-run", "--start-time", at(now - timedelta(days=9)))  # all is served once
            begin, end, present = (parsed(at(t)) for t in (begin, end, present))
            wanted = {id for id, time in self.served().items() if begin <= time < end or time >= present}
            self.assertEqual(collections.Counter(wanted), self.queued())
            self.assertGreater(len(wanted), EVENTS // 4)
        self.in_both_modes(case)

    def test_fetching_again_is_said_first_and_done_once(self):
        def case():
            self.fetch()
            self.assertEqual({1}, set(self.queued().values()))
            again = datetime.now(UTC) - timedelta(hours=24)
            said = self.fetch("--restart-from", at(again), status=USAGE)
            self.assertRegex(said, r"\(\d+ audit events, \d+ of recordings\).*comes a second time")
            self.assertIn("add --yes", said)
            self.assertEqual(EVENTS, sum(self.queued().values()))
            for _ in range(2):
                self.fetch("--restart-from", at(again), "--yes")
            repeated = self.since(parsed(at(again)))
            self.assertEqual({id: 1 + (id in repeated) for id in self.served()}, dict(self.queued()))
        self.in_both_modes(case)

    def test_large_events_pass_and_of_larger_ones_it_is_known_what_they_were(self):
        folder = rigs.temporary_folder("large")
        self.addCleanup(shutil.rmtree, folder)
        times = datetime.now(UTC) - timedelta(hours=2)
        sizes = {"small-1": 1, "large": 40, "too-large": 70, "small-2": 1}  # MiB
        with open(folder / "events.ndjson", "w", encoding="utf-8") as file:
            for minute, (uid, mebibytes) in enumerate(sizes.items()):
                file.write(json.dumps({"event": "db.session.query", "uid": uid, "ei": 0,
                                       "time": at(times + timedelta(minutes=minute)),
                                       "data": "x" * (mebibytes << 20)}) + "\n")
        self.begin("bulk", events_file=folder / "events.ndjson")
        self.fetch()
        status, lines = self.rig.try_queuectl("peek", "--lane", "audit", "--from", "1", "--output", "json")
        self.assertEqual(0, status)
        found = {record["id"]: record for record in map(json.loads, lines.rstrip("\n").split("\n"))}
        self.assertLessEqual(set(sizes), set(found))
        self.assertEqual(40 << 20, len(found["large"]["event"]["data"]))
        reject = found["too-large"]
        self.assertEqual(("reject", "db.session.query", ""), (reject["kind"], reject["type"], reject["raw"]))
        self.assertIn("67108864 are the most", reject["note"])

    def test_what_is_said_to_be_read_is_there_at_every_moment(self):
        options = ("--search-overlap", "0s", "--export-delay", "3s", "--timeout", "200ms")

        def case():
            said = []  # (up to when, how many events were in the queue a moment later)
            end = time.monotonic() + 12
            while time.monotonic() < end:
                self.rig.start_fetcher(*options) if self.rig.fetcher is None else self.rig.fetcher.start()
                kill_at = time.monotonic() + 3
                while time.monotonic() < kill_at:
                    status, later = self.rig.try_status(), self.rig.try_status()
                    if status and later and status["read_up_to"]:
                        said.append((parsed(status["read_up_to"]), later["lanes"]["audit"]["fetched"]))
                    time.sleep(0.1)
                self.rig.kill_fetcher()
            self.assertGreater(len({moment for moment, _ in said}), 5)
            places = [(parsed(record["time"]), record["seq"]) for record in self.records()]
            for moment, fetched in said:
                missing = [place for place in places if place[0] < moment and place[1] > fetched]
                self.assertEqual([], missing, f"read up to {moment} with {fetched} events")
            self.assertGreater(said[-1][0], places[-1][0] - timedelta(seconds=10))
        self.in_both_modes(case, events=4000, sessions=0, rate=200)

    def test_status_says_up_to_when_teleport_was_read(self):
        def case():
            self.fetch("--search-overlap", "1m", "--export-delay", "1m")
            control(self.rig.teleport_control, "add 1")
            self.fetch("--search-overlap", "1m", "--export-delay", "1m")
            reached = parsed(self.rig.status()["read_up_to"])
            now = parsed(at(datetime.now(UTC)))
            self.assertLess(now - timedelta(minutes=3), reached)
            self.assertLess(reached, now - timedelta(seconds=50))
            self.assertRegex(self.rig.queuectl("status"), "Teleport read completely up to 20")
        self.in_both_modes(case)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
