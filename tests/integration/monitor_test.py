#!/usr/bin/env python3
"""What Fluentd says that it has counted is compared with what it has acknowledged; and `sluice-shipper probe` tells whether what it
sends arrives. Against the stand-in with its faults, and against a real Fluentd where there is one.

monitor_test.py BIN_FOLDER
"""

import json
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import wait_until  # noqa: E402

BIN = None
BATCH = 50


class MonitorCase(unittest.TestCase):
    def begin(self, settings="", events=400, real_fluentd=False, forward=False):
        """A full queue, and a sink whose monitor_agent the shipper is told of."""
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("monitor"), events=events, sessions=2,
                            events_per_session=60, batch_events=BATCH, real_fluentd=real_fluentd,
                            forward=forward)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        if events:
            code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event")
            self.assertEqual(0, code, said)
        self.configure(settings)

    def configure(self, settings=""):
        self.rig._shipper_settings = (
            f'monitor-url = "http://127.0.0.1:{self.rig.sink.monitor_port}"\n'
            f'monitor-interval = "200ms"\nretry-max = "1s"\n{settings}')
        self.rig.write_config()

    def ship(self):
        """What the shipper said of a run that ends by itself."""
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        return said

    def probe(self, *arguments):
        """(exit status, what it said)"""
        done = subprocess.run([str(self.rig.bin / "sluice-shipper"), "probe", "--config",
                               str(self.rig.config_path), *arguments],
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    def sink_status(self):
        """What `queuectl status` says of the sink; None while the shipper does not answer."""
        now = self.rig.try_status()
        return now and now["sink"]

    def wait_for_sink(self, condition, what):
        def holds():
            sink = self.sink_status()
            return sink if sink and condition(sink) else None
        return wait_until(holds, what, process=self.rig.shipper)


class Comparison(MonitorCase):
    def test_an_honest_sink_differs_by_nothing(self):
        self.begin()
        self.rig.start_shipper()
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values()),
                   "the queue is drained", process=self.rig.shipper)
        lanes = self.rig.status()["lanes"].values()
        acknowledged = sum(lane["acknowledged"] for lane in lanes)
        # But for what was in flight at the first look, which may have been before the first event.
        sink = self.wait_for_sink(lambda sink: sink["own_count"]["differs_by"] == 0 and
                                  sink["own_count"]["acknowledged"] > 0, "no difference")
        self.assertLessEqual(sink["own_count"]["acknowledged"], acknowledged)
        self.assertEqual(sink["own_count"]["acknowledged"], sink["own_count"]["counted"])
        self.assertIn("sink's own count (monitor_agent): differs by 0", self.rig.queuectl("status"))
        self.rig.shipper.stop()
        self.assertNotIn("did not arrive", self.rig.shipper.log_text())

    def test_what_is_dropped_with_a_200_is_an_error_with_both_numbers_and_is_shown(self):
        self.begin()
        self.rig.sink.command("swallow 1")
        self.rig.start_shipper()
        sink = self.wait_for_sink(lambda sink: sink["own_count"]["differs_by"] is not None and
                                  sink["own_count"]["differs_by"] < 0 and
                                  self.rig.status()["lanes"]["session"]["backlog"] == 0, "the alarm")
        missing = -sink["own_count"]["differs_by"]
        self.assertLessEqual(missing, BATCH)
        self.assertIn(f"at least {missing} did not arrive", sink["warnings"][0])
        log = self.rig.shipper.log_text()
        self.assertRegex(log, r"error Fluentd has acknowledged \d+ events since .* emitted \d+: at least")
        self.assertIn(f"differs by -{missing}", self.rig.queuectl("status"))
        self.rig.shipper.stop()
        self.assertLess(log.count("did not arrive"), 5)

    def test_a_drained_run_tells_of_what_was_dropped(self):
        self.begin()
        self.rig.sink.command("swallow 2")
        self.assertRegex(self.ship(), r"at least \d+ did not arrive")

    def test_a_fluentd_that_starts_anew_is_no_alarm(self):
        self.begin(events=0)
        self.rig.start_daemons()
        self.wait_for_sink(lambda sink: sink["own_count"]["since"], "a comparison")
        for _ in range(3):
            before = self.sink_status()["own_count"]["since"]
            self.rig.sink.command("monitor restart")
            self.wait_for_sink(lambda sink, old=before: sink["own_count"]["since"] not in (None, old),
                               "a comparison that begins anew")
        self.rig.sink.process.kill()
        self.rig.sink.start()
        self.wait_for_sink(lambda sink: sink["own_count"]["since"] and not sink["own_count"]["problem"],
                           "a comparison after the kill")
        self.assertNotIn("did not arrive", self.rig.shipper.log_text())

    def test_a_monitor_that_fails_holds_up_nothing_and_is_said(self):
        self.begin()
        self.rig.sink.command("monitor off")
        self.rig.start_shipper()
        sink = self.wait_for_sink(lambda sink: sink["own_count"]["problem"], "the problem")
        self.assertIn("answered 500", sink["own_count"]["problem"])
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values()),
                   "the queue is drained", process=self.rig.shipper)
        self.rig.sink.command("monitor on")
        self.wait_for_sink(lambda sink: not sink["own_count"]["problem"], "the end of the problem")
        self.rig.sink.command("monitor overlong on")
        self.wait_for_sink(lambda sink: "too long" in (sink["own_count"]["problem"] or ""), "the size")

    def test_an_input_that_does_not_count_is_told_with_what_may_be_the_cause(self):
        self.begin()
        self.rig.sink.command("monitor counts off")
        said = self.ship()
        self.assertIn("the input has never counted an event, though its outputs have", said)
        self.assertNotIn("error", said)
        self.configure('monitor-plugin-id = ["object:640"]')
        self.rig.queuectl("replay", "--lane", "audit", "--reason", "again", "--from-seq", "1",
                          "--to-seq", "200")
        self.assertNotIn("never counted", self.ship())
        self.rig.sink.command("swallow 1")
        self.rig.queuectl("replay", "--lane", "audit", "--reason", "again", "--from-seq", "1",
                          "--to-seq", "200")
        self.assertRegex(self.ship(), r"at least \d+ did not arrive")

    def test_buffers_and_failing_outputs_are_warned_of(self):
        self.begin(events=0)
        self.rig.start_daemons()
        self.wait_for_sink(lambda sink: sink["own_count"]["since"], "a comparison")
        self.rig.sink.command("monitor space 12")
        self.rig.sink.command("monitor add retry_count 1")
        sink = self.wait_for_sink(lambda sink: len(sink["warnings"]) == 2, "both warnings")
        self.assertIn("less than 20 %", sink["warnings"][0])
        self.assertIn("fails to write", sink["warnings"][1])
        self.assertIn("! the buffer of output file (object:640)", self.rig.queuectl("status"))
        self.rig.sink.command("monitor space 90")
        self.rig.sink.command("monitor add write_count 1")
        self.wait_for_sink(lambda sink: sink["warnings"] == [], "the end of both")


class Probe(MonitorCase):
    def test_it_arrives_and_its_time_is_read_to_its_end(self):
        self.begin(events=0)
        self.rig.sink.command("time-format iso8601")
        code, said = self.probe()
        self.assertEqual(0, code, said)
        self.assertRegex(said, r"tls +TLSv1\.\d, verified: CN = Server by CN = CA, ends in \d+d")
        self.assertIn("the whole of it is read", said)
        self.assertIn("it has counted 1 events more, of 1", said)
        lines = self.rig.sink.record.read_text(encoding="utf-8").splitlines()
        (line,) = map(json.loads, lines)
        self.assertEqual(("events.log", "sluice.probe"), (line["tag"], line["event"]["event"]))
        self.assertIn(line["event"]["uid"], said)

    def test_with_teleports_own_parser_it_says_what_is_lost_of_times(self):
        self.begin(events=0)
        code, said = self.probe()
        self.assertEqual(0, code, said)
        self.assertIn("what follows the seconds is not read", said)

    def test_as_a_recording_it_goes_where_they_go(self):
        self.begin(events=0)
        code, said = self.probe("--session")
        self.assertEqual(0, code, said)
        lines = self.rig.sink.record.read_text(encoding="utf-8").splitlines()
        self.assertEqual({"session.sluice-probe.log"}, {json.loads(line)["tag"] for line in lines})

    def test_without_a_monitor_it_says_what_it_cannot_see(self):
        self.begin(events=0)
        self.rig._shipper_settings = ""
        self.rig.write_config()
        code, said = self.probe()
        self.assertEqual(0, code, said)
        self.assertIn("set shipper.monitor-url", said)
        self.assertIn("which is all that can be seen", said)

    def test_what_does_not_arrive_is_no_success(self):
        for name, command, expected, text in (
                ("dropped", "swallow 9", 65, "either they are dropped"),
                ("times unread", "time-format none", 65, "does not read times, or drops"),
                ("no match", "match off", 65, "no output has: there is no <match>"),
                ("no metrics", "monitor counts off", 0, "the input does not count"),
                ("monitor", "monitor off", 65, "answered 500"),
                ("full", "status 500 9 buffer space has too many data", 69, "too many data"),
                ("down", "refuse on", 69, "is Fluentd running there"),
                ("token", "token x", 77, "answered 401")):
            with self.subTest(name):
                self.begin(events=0)
                self.rig.sink.command(command)
                code, said = self.probe()
                self.assertEqual(expected, code, said)
                self.assertIn(text, said)

    def test_a_body_that_is_dropped_after_good_times_is_found(self):
        """As of ndjson for a json parser: refused times cannot show it, the count does."""
        self.begin(events=0)
        self.configure('body = "ndjson"')
        code, said = self.probe()
        self.assertEqual(65, code, said)


class Forward(MonitorCase):
    """The same over the forward protocol, with the stand-in and with a real Fluentd."""

    def test_events_are_compared_and_the_probe_arrives(self):
        for real in (False, True):
            if real and not rigs.has_real_fluentd():
                continue
            with self.subTest(real=real):
                self.begin(forward=True, real_fluentd=real)
                said = self.ship()
                self.assertNotIn("cannot be compared", said)
                self.assertNotIn("did not arrive", said)
                code, said = self.probe()
                self.assertEqual(0, code, said)
                self.assertRegex(said, r"it has counted 1 events more, of 1")


class RealFluentd(MonitorCase):
    """The real monitor_agent, whose numbers the stand-in only repeats."""

    def setUp(self):
        if not rigs.has_real_fluentd():
            self.skipTest("there is no `fluentd` on the PATH")

    def begin_real(self, parse="time_format %iso8601", match="events.log"):
        self.begin(real_fluentd=True)
        sink = self.rig.sink
        sink.process.stop()
        conf = self.rig.folder / "fluentd" / "fluent.conf"
        text = conf.read_text().replace("time_format %Y-%m-%dT%H:%M:%S", parse)
        conf.write_text(text.replace("<match events.log>", f"<match {match}>"))
        sink.process.start()
        wait_until(self.monitor_answers, "monitor_agent answers", process=sink.process)

    def monitor_answers(self):
        try:
            url = f"http://127.0.0.1:{self.rig.sink.monitor_port}/api/config.json"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["pid"]
        except OSError:
            return None

    def test_everything_is_counted_and_the_probe_arrives(self):
        self.begin_real()
        said = self.ship()
        self.assertNotIn("did not arrive", said)
        self.assertNotIn("cannot be compared", said)
        code, said = self.probe()
        self.assertEqual(0, code, said)
        self.assertIn("the whole of it is read", said)
        self.assertRegex(said, r"it has counted 1 events more, of 1")
        code, said = self.probe("--session")
        self.assertEqual(0, code, said)

    def test_teleports_time_format_reads_no_zone(self):
        self.begin_real("time_format %Y-%m-%dT%H:%M:%S")
        code, said = self.probe()
        self.assertEqual(0, code, said)
        self.assertIn("what follows the seconds is not read", said)

    def test_an_input_with_a_label_does_not_count_and_its_outputs_do(self):
        self.begin_real()
        conf = self.rig.folder / "fluentd" / "fluent.conf"
        head, tail = conf.read_text().split("<match", 1)
        conf.write_text(head.replace("@type http", "@type http\n  @label @SLUICE") +
                        "<label @SLUICE>\n<match" + tail.replace("@type file", "@type file", 1) + "\n</label>\n")
        self.rig.sink.process.stop()
        self.rig.sink.process.start()
        wait_until(self.monitor_answers, "monitor_agent answers", process=self.rig.sink.process)
        self.assertIn("the input has never counted an event, though its outputs have", self.ship())
        code, said = self.probe()
        self.assertEqual(0, code, said)
        self.assertIn("the input does not count: it has an @label", said)

    def test_a_tag_that_nothing_matches_is_found(self):
        self.begin_real(match="other.log")
        code, said = self.probe()
        self.assertEqual(65, code, said)
        self.assertIn("there is no <match>", said)

    def test_lines_for_a_json_parser_are_found_to_be_dropped(self):
        self.begin_real()
        self.configure('body = "ndjson"')
        code, said = self.probe()
        self.assertEqual(65, code, said)
        self.assertIn("it has emitted none", self.ship())

    def test_a_fluentd_that_is_killed_and_starts_anew_is_no_alarm(self):
        self.begin_real()
        self.rig.start_shipper()
        self.wait_for_sink(lambda sink: sink["own_count"]["since"], "a comparison")
        self.rig.sink.process.kill()
        self.rig.sink.process.start()
        wait_until(self.monitor_answers, "monitor_agent answers", process=self.rig.sink.process)
        self.wait_for_sink(lambda sink: sink["own_count"]["since"] and not sink["own_count"]["problem"],
                           "a comparison again")
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values()),
                   "the queue is drained", process=self.rig.shipper)
        self.assertNotIn("did not arrive", self.rig.shipper.log_text())


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
