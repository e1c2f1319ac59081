#!/usr/bin/env python3
"""Receivers other than Fluentd: whatever they answer with is understood, nothing comes twice, and the one event that they refuse is
set aside.

receivers_test.py BIN_FOLDER
"""

import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from receiver_sim import KINDS, Receiver  # noqa: E402

BIN = None
BATCH = 50


class Receivers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One queue, which is shipped to each of them from its beginning on."""
        cls.rig = rigs.Rig(BIN, rigs.temporary_folder("receivers"), events=400, sessions=2, events_per_session=60,
                           batch_events=BATCH, shipper_settings='retry-max = "1s"')
        cls.addClassCleanup(cls.rig.remove)
        cls.addClassCleanup(cls.rig.__exit__, None, None, None)
        cls.rig.start_stand_ins()
        code, said = cls.rig.run("sluice-fetcher", "--exit-on-last-event")
        if code != 0:
            raise AssertionError(said)
        lines = cls.rig.queuectl("peek", "--lane", "audit", "--from", "200", "--count", "50", "--output", "json")
        records = map(oracle.parse, lines.rstrip("\n").split("\n"))
        cls.refused = next(record["id"] for record in records if record["event"].get("uid") == record["id"])

    def ship_to(self, receiver):
        for name in ("delivery", "shipper"):
            shutil.rmtree(self.rig.state / name, ignore_errors=True)
        base = f"http://127.0.0.1:{receiver.port}"
        self.rig.write_config(url=f"{base}/events.log", session_url=f"{base}/session")
        return self.rig.run("sluice-shipper", "--exit-when-drained")

    def test_every_receiver_gets_every_event_once_but_for_the_one_that_it_refuses(self):
        for kind in KINDS:
            with self.subTest(kind.name):
                record = self.rig.folder / f"{KINDS.index(kind)}.ndjson"
                with Receiver(kind, record) as receiver:
                    receiver.refused = self.refused
                    code, said = self.ship_to(receiver)
                    self.assertEqual(0, code, said)
                report = oracle.judge(self.rig.served, [record], skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES,
                                      duplicates_max=0, may_be_set_aside=lambda line: self.refused in str(line))
                self.assertEqual([], report.failures() + self.rig.ledger_failures())
                lanes = self.rig.status()["lanes"]
                self.assertEqual({"audit": 1, "session": 0}, {name: lane["dead"] for name, lane in lanes.items()})
                self.assertEqual(0, receiver.unknown)
                self.assertNotRegex(said, r"error ")
                if not kind.closes and kind.name != "Fluent Bit with 204":
                    self.assertLessEqual(receiver.connections, 2 * rigs.CONNECTIONS, "connections are kept")


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
