#!/usr/bin/env python3
"""Every form of a request's body, packed or not, brings every event once, sets aside the one that is refused, and sends it again
when asked to; and requests carry the headers that are configured.

bodies_test.py BIN_FOLDER
"""

import collections
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import stats, wait_until  # noqa: E402

BIN = None
BATCH = 50


class BodiesCase(unittest.TestCase):
    def begin(self, settings, *commands, **options):
        """A full queue, and a sink that has been told what it is."""
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("bodies"), events=400, sessions=2,
                            events_per_session=60, batch_events=BATCH, shipper_settings=settings,
                            **options)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        for command in commands:
            self.assertEqual("ok", self.rig.sink.command(command))
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event")
        self.assertEqual(0, code, said)

    def ship(self):
        """What the shipper said."""
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        return said

    def expect_all(self, **options):
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, **options)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertGreater(report.lanes["audit"].delivered, 0)
        self.assertGreater(report.lanes["session"].delivered, 0)
        return report

    def events_of_requests(self):
        """How many events each request had that was accepted."""
        with open(self.rig.sink.record, "rb") as lines:
            return list(collections.Counter(oracle.parse(line)["batch"] for line in lines).values())

    def some_audit_record(self):
        """One in the middle that is known by its id."""
        lines = self.rig.queuectl("peek", "--lane", "audit", "--from", "200", "--count", "50",
                                  "--output", "json").rstrip("\n").split("\n")
        return next(record for record in map(oracle.parse, lines)
                    if record["event"].get("uid") == record["id"])

    def poison_and_heal(self):
        """One event is refused and set aside, all others arrive; later it is sent again."""
        poisoned = self.some_audit_record()
        self.rig.sink.command(f"poison {poisoned['id']}")
        said = self.ship()
        self.expect_all(duplicates_max=0,
                        may_be_set_aside=lambda line: poisoned["id"] in str(line))
        self.assertEqual(1, self.rig.status()["lanes"]["audit"]["dead"])
        self.assertEqual(0, self.rig.status()["lanes"]["session"]["dead"])
        self.rig.sink.command("poison")
        number = str(int(poisoned["seq"]))
        self.rig.queuectl("replay", "--lane", "audit", "--reason", "healed", "--from-seq", number,
                          "--to-seq", number)
        self.ship()
        self.expect_all(duplicates_max=0)
        self.assertEqual(0, stats(self.rig.sink.control_path)["dropped"])
        return said


class Bodies(BodiesCase):
    def test_arrays(self):
        self.begin('body = "array"')
        self.poison_and_heal()
        self.assertLess(len(self.events_of_requests()), 100)

    def test_lines(self):
        self.begin('body = "ndjson"', "ndjson on")
        said = self.poison_and_heal()
        self.assertLess(len(self.events_of_requests()), 100)
        self.assertRegex(said, r"warn.* shipper\.body is \"ndjson\", which a Fluentd")

    def test_single_events(self):
        self.begin('body = "single"')
        said = self.poison_and_heal()
        self.assertEqual({1}, set(self.events_of_requests()))
        self.assertRegex(said, r"warn.* shipper\.batch-events is 50, but .* lowers it to 1")


class Gzip(BodiesCase):
    def test_packed_bodies(self):
        for form in ("array", "single"):
            with self.subTest(form):
                self.begin(f'body = "{form}"\ngzip = true')
                self.poison_and_heal()
                now = stats(self.rig.sink.control_path)
                self.assertEqual(now["requests"], now["gzip"])

    def test_packed_bodies_and_single_events_into_a_real_fluentd(self):
        if not rigs.has_real_fluentd():
            self.skipTest("there is no `fluentd` on the PATH")
        for settings in ("gzip = true", 'body = "single"', 'body = "single"\ngzip = true'):
            with self.subTest(settings):
                self.begin(settings, real_fluentd=True)
                self.ship()
                self.rig.sink.process.stop()
                self.expect_all(duplicates_max=0)


class Headers(BodiesCase):
    def test_a_token_is_read_from_its_file_again_when_that_changes_and_is_never_logged(self):
        self.begin('headers = ["X-Env: test", "Authorization: Bearer file:token"]\nretry-max = "1s"',
                   "token Bearer s3cret-new")
        token = self.rig.folder / "token"
        token.write_text("s3cret-old\n")
        self.rig.start_shipper()
        wait_until(lambda: "401" in self.rig.shipper.log_text(), "the token is refused",
                   process=self.rig.shipper)
        token.write_text("s3cret-new\n")
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values()),
                   "the queue is drained", process=self.rig.shipper)
        self.rig.shipper.stop()
        self.expect_all(duplicates_max=0)
        self.assertEqual(0, self.rig.status()["lanes"]["audit"]["dead"])
        self.assertNotIn("s3cret", self.rig.shipper.log_text())

    def test_a_bad_header_ends_the_start_with_its_place(self):
        self.begin("")
        text = self.rig.config_path.read_text()
        self.rig.config_path.write_text(text + 'headers = ["X-Env: a\\r\\nX-Other: s3cret"]\n')
        line = len(text.splitlines()) + 1
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(78, code, said)
        self.assertRegex(said, rf"sluice\.toml:{line}:11: shipper\.headers has a line end")
        self.assertNotIn("s3cret", said)


class Stamp(BodiesCase):
    def test_a_receiver_can_see_by_the_stamps_that_nothing_is_missing(self):
        self.begin("stamp = true")
        self.ship()
        self.expect_all(duplicates_max=0)
        queue = self.rig.status()["queue_id"]
        with open(self.rig.sink.record, "rb") as lines:
            stamps = [oracle.parse(line)["event"]["_sluice"] for line in lines]
        for lane in ("audit", "session"):
            told = {record["seq"]: record["id"] for record in map(oracle.parse, self.rig.queuectl(
                "peek", "--lane", lane, "--from", "1", "--count", "100000", "--output", "json").rstrip("\n").split("\n"))}
            self.assertEqual(list(range(1, len(told) + 1)), sorted(told))
            arrived = [stamp for stamp in stamps if stamp["lane"] == lane]
            self.assertEqual({seq: {"queue": queue, "lane": lane, "seq": seq, "id": event_id}
                              for seq, event_id in told.items()},
                             {stamp["seq"]: stamp for stamp in arrived})
            self.assertEqual(len(told), len(arrived))


class Rates(BodiesCase):
    def test_both_lanes_together_keep_to_the_rate(self):
        self.begin("max-events-per-second = 200")
        begin = time.monotonic()
        self.ship()
        took = time.monotonic() - begin
        report = self.expect_all(duplicates_max=0)
        events = sum(lane.delivered for lane in report.lanes.values())
        # What waits for each lane's last request to have had its time is not waited for.
        self.assertGreaterEqual(took, (events - 2 * BATCH) / 200)


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
