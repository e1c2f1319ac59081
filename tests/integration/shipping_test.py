#!/usr/bin/env python3
"""The shipper's way to Fluentd: connections that are idle, refused or of one TLS version only, bodies that are too large, another
URL when the first one fails, and stops under load.

shipping_test.py BIN_FOLDER
"""

import re
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, stats, wait_until  # noqa: E402

BIN = None
BATCH = 50


class ShippingCase(unittest.TestCase):
    def begin(self, shipper_settings="", sink_options=(), **options):
        sizes = {"events": 400, "sessions": 2, "events_per_session": 60, "batch_events": BATCH, **options}
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("shipping"), poll="200ms",
                            shipper_settings=shipper_settings, **sizes)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.sink.options = list(sink_options)
        self.rig.start_stand_ins()

    def fill(self):
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event")
        self.assertEqual(0, code, said)

    def add(self, events):
        control(self.rig.teleport_control, f"add {events}")

    def sink_stats(self):
        return stats(self.rig.sink.control_path)

    def shipper_log(self):
        return self.rig.shipper.log_text()

    def expect_all(self, sinks=None, **options):
        report = oracle.judge(self.rig.served,
                              [file for sink in sinks or [self.rig.sink] for file in sink.sink_files()],
                              skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, **options)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertEqual(0, sum(lane["dead"] for lane in self.rig.status()["lanes"].values()))
        return report


class Connections(ShippingCase):
    def test_idle_connections_are_given_up_before_the_server_closes_them(self):
        self.begin(connections=2)
        self.rig.start_daemons()
        self.rig.wait_until_drained()
        before = self.sink_stats()["connections"]
        # Fluentd closes after 10 s; the worst moment to send is around that. In the first rounds it has not closed yet,
        # and the connections are given up all the same.
        for pause in (9.1, 9.1, 9.8, 10.1):
            time.sleep(pause)
            events = self.sink_stats()["events"] + 10
            self.add(10)
            wait_until(lambda wanted=events: self.sink_stats()["events"] >= wanted, "the new events are there",
                       process=self.rig.shipper)
        self.rig.wait_until_drained()
        after = self.sink_stats()
        self.assertGreaterEqual(after["connections"], before + 4)
        self.assertEqual(0, after["unanswered_requests"])
        self.assertEqual({"200"}, set(after["status"]))
        self.assertNotIn("events wait", self.shipper_log())
        self.rig.shipper.stop()
        self.expect_all(duplicates_max=0)

    def test_every_version_of_tls_and_no_session_is_resumed(self):
        for option in ("--tls12", "--tls13"):
            with self.subTest(option):
                self.begin('retry-max = "1s"', [option])
                self.rig.start_daemons()
                self.rig.wait_until_drained()
                # All connections are lost, so that new ones are made by a process that has had a session.
                self.rig.sink.command("refuse on")
                self.add(500)
                wait_until(lambda: "events wait" in self.shipper_log(), "the outage is noticed",
                           process=self.rig.shipper)
                before = self.sink_stats()["connections"]
                self.rig.sink.command("refuse off")
                self.rig.wait_until_drained()
                self.rig.shipper.stop()
                self.assertGreater(self.sink_stats()["connections"], before)
                self.assertEqual(0, self.sink_stats()["resumed"])
                self.expect_all(duplicates_max=0)

    def test_bodies_that_are_too_large_are_halved_though_the_connection_is_reset(self):
        # Above the largest single event, and below most batches.
        self.begin('batch-bytes = "8MiB"', events=12_000, batch_events=2000)
        self.rig.sink.command("max-body 700000")
        self.fill()
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        refused = self.sink_stats()["status"]["413"]
        self.assertGreater(refused, 0)
        # Of the first batches only: what comes after them is smaller.
        self.assertLess(refused, 15)
        self.expect_all(duplicates_max=0)


class SeveralUrls(ShippingCase):
    def start_both(self):
        self.begin('retry-max = "1s"')
        self.other = rigs.FluentdSim(self.rig, "other")
        self.other.start()
        ports = (self.rig.sink.port, self.other.port)
        self.rig.write_config(url=", ".join(f"https://localhost:{port}/events.log" for port in ports),
                              session_url=", ".join(f"https://localhost:{port}/session" for port in ports))

    def changes(self):
        """[(lane, the port that its events go to from then on)], as the log tells."""
        return re.findall(r"lane (\w+): events go to https://localhost:(\d+)/\S+ from now on", self.shipper_log())

    def test_the_second_takes_over_and_the_first_is_taken_back(self):
        self.start_both()
        self.rig.start_daemons()
        self.rig.wait_until_drained()
        self.assertEqual(0, stats(self.other.control_path)["requests"])
        first, second = str(self.rig.sink.port), str(self.other.port)

        self.rig.sink.outage_begins()
        self.add(200)
        self.rig.wait_until_drained()
        self.assertEqual([("audit", second)], self.changes())
        self.rig.sink.outage_ends()
        taken_over = self.rig.sink.count_lines()

        def is_back():
            self.add(5)
            time.sleep(1)
            return ("audit", first) in self.changes()
        wait_until(is_back, "the first is preferred again", 150, self.rig.shipper)
        self.rig.wait_until_drained()
        before = stats(self.other.control_path)["events"]
        self.add(200)
        self.rig.wait_until_drained()
        self.assertEqual(before, stats(self.other.control_path)["events"])
        self.assertGreater(self.rig.sink.count_lines(), taken_over)
        self.rig.shipper.stop()
        self.assertEqual([("audit", second), ("audit", first)], self.changes())
        report = self.expect_all([self.rig.sink, self.other])
        self.assertLessEqual(sum(lane.duplicates for lane in report.lanes.values()), self.rig.duplicates_bound())

    def test_a_run_that_is_to_end_by_itself_takes_the_second_when_the_first_was_never_there(self):
        self.start_both()
        self.rig.sink.command("refuse on")
        self.fill()
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        self.expect_all([self.rig.sink, self.other], duplicates_max=0)
        self.assertEqual(0, self.rig.sink.count_lines())


class Stops(ShippingCase):
    def shipped(self):
        return sum(lane["acknowledged"] for lane in self.rig.status()["lanes"].values())

    def test_many_stops_under_load_make_no_duplicate(self):
        self.begin("", events=30_000, sessions=10, events_per_session=300)
        self.fill()
        self.rig.sink.command("stall 0.1")  # so that there are requests under way all the time
        stops_under_load = 0
        for round_number in range(20):
            before = self.rig.sink.count_lines()
            self.rig.start_shipper()
            wait_until(lambda b=before: self.rig.sink.count_lines() > b, "events arrive",
                       process=self.rig.shipper)
            time.sleep(0.02 * (round_number % 5))
            self.assertEqual(0, self.rig.shipper.stop())
            backlog = sum(lane["backlog"] for lane in self.rig.status()["lanes"].values())
            stops_under_load += 1 if backlog > 0 else 0
            # What was answered is recorded, and nothing else arrived.
            self.assertEqual(self.rig.sink.count_lines(), self.shipped())
        self.assertGreaterEqual(stops_under_load, 15)
        self.rig.sink.command("stall 0")
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained", patience_seconds=240)
        self.assertEqual(0, code, said)
        self.expect_all(duplicates_max=0)

    def test_a_stop_does_not_wait_for_ever_for_a_sink_that_hangs(self):
        self.begin("", events=2000)
        self.fill()
        self.rig.sink.command("stall 1000")
        self.rig.start_shipper()
        wait_until(lambda: self.sink_stats()["requests"] > 0, "a request is under way",
                   process=self.rig.shipper)
        begin = time.monotonic()
        self.assertEqual(0, self.rig.shipper.stop())
        took = time.monotonic() - begin
        self.assertGreater(took, 4)
        self.assertLess(took, 30)  # 5 s and what an overloaded machine adds; TimeoutStopSec is 60 s
        self.assertEqual(0, self.shipped())


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
