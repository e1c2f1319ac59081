#!/usr/bin/env python3
"""One poison event among ten thousand: all others arrive, it alone is a dead letter, and it costs a few requests and no wait.

poison_test.py BIN_FOLDER
"""

import math
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import stats  # noqa: E402

BIN = None
EVENTS = 10_000


class Poison(unittest.TestCase):
    def setUp(self):
        # Whoever waited before a request would not come to the end of this test.
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("poison"), events=EVENTS,
                            shipper_settings='retry-min = "50m"\nretry-max = "55m"')
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event", patience_seconds=240)
        self.assertEqual(0, code, said)

    def record(self, first):
        """One that is known by its id."""
        lines = self.rig.queuectl("peek", "--lane", "audit", "--from", str(first), "--count", "50", "--output", "json")
        return next(record for record in map(oracle.parse, lines.rstrip("\n").split("\n"))
                    if record["event"].get("uid") == record["id"])

    def requests_to_ship_all(self):
        """Ships everything from the beginning on. How many requests the sink had."""
        for name in ("delivery", "shipper"):
            shutil.rmtree(self.rig.state / name, ignore_errors=True)
        self.rig.sink.record.write_bytes(b"")
        before = stats(self.rig.sink.control_path)["requests"]
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained", patience_seconds=240)
        self.assertEqual(0, code, said)
        return stats(self.rig.sink.control_path)["requests"] - before

    def test_one_event_of_ten_thousand_costs_a_few_requests_and_no_wait(self):
        without = self.requests_to_ship_all()
        self.assertGreaterEqual(without, EVENTS / rigs.BATCH_EVENTS)
        for first in (1, 5_000, EVENTS - 60):
            with self.subTest(first=first):
                poisoned = self.record(first)
                self.rig.sink.command(f"poison {poisoned['id']}")
                extra = self.requests_to_ship_all() - without
                # Each half is a request, and the last one of a single event.
                self.assertLessEqual(extra, 2 * math.ceil(math.log2(rigs.BATCH_EVENTS)))
                self.assertGreaterEqual(extra, math.floor(math.log2(rigs.BATCH_EVENTS)))
                report = self.rig.judge(duplicates_max=0, may_be_set_aside=lambda line: poisoned["id"] in str(line))
                self.assertEqual([], report.failures() + self.rig.ledger_failures())
                self.assertEqual(EVENTS - 1, report.lanes["audit"].delivered)
                lane = self.rig.status()["lanes"]["audit"]
                self.assertEqual((EVENTS - 1, 1, 0), (lane["acknowledged"], lane["dead"], lane["backlog"]))


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
