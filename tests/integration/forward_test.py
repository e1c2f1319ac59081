#!/usr/bin/env python3
"""Over the forward protocol every event arrives, whatever the sink does in between: with TLS, a shared key and a user, packed
or not, while the shipper is killed and the sink fails in all the ways that Fluentd has.

forward_test.py BIN_FOLDER
"""

import datetime
import json
import os
import random
import shutil
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import forward_sim  # noqa: E402
import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import stats, wait_until  # noqa: E402

BIN = None
BATCH = 50
QUICK_RETRIES = 'retry-min = "10ms"\nretry-max = "100ms"\n'


class ForwardCase(unittest.TestCase):
    def begin(self, settings="", events=400, more_of_buffer=None, sink_options=(), **options):
        """A full queue, and a sink."""
        options = {"batch_events": BATCH, "sessions": 2, "events_per_session": 60, **options}
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("forward"), events=events, forward=True,
                            shipper_settings=settings, **options)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        if more_of_buffer:
            self.rig.sink.more_of_buffer = more_of_buffer
        if sink_options:
            self.rig.sink.more_options = (*self.rig.sink.more_options, *sink_options)
        self.rig.start_stand_ins()
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event", patience_seconds=240)
        self.assertEqual(0, code, said)

    def ship(self, **options):
        """What the shipper said."""
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained", **options)
        self.assertEqual(0, code, said)
        return said

    def wait_until_drained(self):
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values()),
                   "the queue is drained", 240, process=self.rig.shipper)

    def expect_all(self, **options):
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, **options)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertEqual(0, report.broken_lines)
        for lane in report.lanes.values():
            self.assertGreater(lane.delivered, 0)
        return report

    def expect_clean_sink(self):
        now = stats(self.rig.sink.control_path)
        self.assertEqual((0, 0, 0), (now["dropped"], now["wrong_times"], now["wrong_sizes"]))
        return now

    def dead(self):
        return sum(lane["dead"] for lane in self.rig.status()["lanes"].values())


class Delivery(ForwardCase):
    def test_every_event_arrives_once_with_its_time_and_tag(self):
        for settings in ("", "gzip = true", "connections = 1"):
            with self.subTest(settings):
                options = {"connections": 1} if settings.startswith("connections") else {}
                self.begin("" if options else settings, **options)
                self.ship()
                self.expect_all(duplicates_max=0, strict=bool(options))
                now = self.expect_clean_sink()
                self.assertEqual(now["requests"] if settings == "gzip = true" else 0, now["gzip"])
                self.assertLess(now["requests"], 100)
                self.assertLessEqual(now["connections"], 2 * self.rig.connections)
                self.assertEqual({"events.log", "session"},
                                 {"session" if tag.startswith("session.") else tag
                                  for tag in now["tags"]})

    def test_every_version_of_tls_and_no_session_is_resumed(self):
        for option in ("--tls12", "--tls13"):
            with self.subTest(option):
                self.begin(QUICK_RETRIES, sink_options=[option])
                # The first answers are late, so that all connections are opened, one after the other; then each full buffer
                # closes one. So connections are made while sessions are known, of open connections and of lost ones;
                # OpenSSL forgets those of lost ones.
                self.rig.sink.command("stall 1 8")
                self.rig.sink.command("overflow 6")
                self.rig.start_shipper()
                self.wait_until_drained()
                self.rig.shipper.stop()
                now = self.expect_clean_sink()
                self.assertGreaterEqual(now["connections"], 7)
                self.assertEqual(0, now["resumed"])
                self.expect_all(duplicates_max=0)

    def test_stamps_and_replays_go_over_it_too(self):
        self.begin("stamp = true")
        self.ship()
        self.rig.queuectl("replay", "--lane", "audit", "--reason", "again", "--mark", "--from-seq", "1", "--to-seq", "120")
        self.ship()
        report = self.expect_all(duplicates_max=0)
        self.assertEqual((120, 0), (report.lanes["audit"].replayed, report.lanes["audit"].repeats))
        self.expect_clean_sink()


class RealFluentd(ForwardCase):
    def setUp(self):
        if not rigs.has_real_fluentd():
            self.skipTest("there is no `fluentd` on the PATH")

    def test_every_event_arrives_once_with_its_time(self):
        for settings in ("", "gzip = true"):
            with self.subTest(settings):
                self.begin(settings, real_fluentd=True)
                self.ship()
                self.rig.sink.process.stop()
                self.expect_all(duplicates_max=0)
                self.expect_times()

    def expect_times(self):
        """Each line begins with the time that Fluentd has for the event, in milliseconds."""
        for path in self.rig.sink.sink_files():
            with open(path, "rb") as lines:
                for line in lines:
                    said = line.split(b"\t", 1)[0].decode()
                    found = forward_sim.TIME.match(oracle.read_sink_line(line)[1]["time"])
                    self.assertEqual(f"{found[1]}.{(found[2] or '').ljust(3, '0')[:3]}Z", said)

    def test_what_it_was_killed_over_is_kept(self):
        self.begin(QUICK_RETRIES + "max-events-per-second = 1000\n", events=8000, real_fluentd=True)
        self.rig.start_shipper()
        for _ in range(3):
            time.sleep(1.5)
            self.rig.sink.crash()
            self.rig.sink.outage_ends()
        self.wait_until_drained()
        self.rig.shipper.stop()
        self.rig.sink.process.stop()
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertEqual(0, self.dead())

    LARGE = 500

    def begin_with_a_large_record(self, events, settings):
        """One record is above the chunk limit of the sink."""
        folder = rigs.temporary_folder("events")
        self.addCleanup(shutil.rmtree, folder)
        now = datetime.datetime.now(datetime.UTC)
        with open(folder / "events", "w", encoding="utf-8") as lines:
            for number in range(events):
                when = now - datetime.timedelta(minutes=30) + datetime.timedelta(milliseconds=number)
                event = {"event": "user.login", "uid": f"uid-{number}",
                         "time": f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z",
                         "much": "x" * (400_000 if number == self.LARGE else 10)}
                lines.write(json.dumps(event) + "\n")
        self.begin(QUICK_RETRIES + settings, events_file=folder / "events", batch_events=5, real_fluentd=True,
                   more_of_buffer="chunk_limit_size 128k")

    def test_a_record_above_its_chunk_limit_is_set_aside(self):
        self.begin_with_a_large_record(3000, "max-events-per-second = 250\n")
        self.ship(patience_seconds=240)
        self.rig.sink.process.stop()
        self.expect_all(may_be_set_aside=lambda line: b'"uid-500"' in line)
        self.assertEqual(1, self.dead())
        self.assertIn("larger than", self.rig.sink.process.log_text())

    def test_a_record_above_its_chunk_limit_at_the_end_of_all_does_no_harm_while_it_waits(self):
        self.begin_with_a_large_record(self.LARGE + 1, "")
        self.rig.start_shipper()
        backlog = lambda: self.rig.status()["lanes"]["audit"]["backlog"]  # noqa: E731
        wait_until(lambda: backlog() == 1, "all but the large record have arrived", 120,
                   process=self.rig.shipper)
        tries = lambda: self.rig.sink.process.log_text().count("larger than")  # noqa: E731
        for most in (30, 60):
            wait_until(lambda most=most: tries() > most, "the large record is tried for long", 120,
                       process=self.rig.shipper)
            copies = self.rig.sink.count_lines()
            # Its batch of 5, a few times, besides one of each.
            self.assertLess(copies, self.LARGE + 2 * 60 + 5 * 15)
        self.assertIn("without acknowledging the chunk", self.rig.shipper.log_text())
        self.assertEqual(0, self.dead())
        self.rig.queuectl("skip", "--id", f"uid-{self.LARGE}", "--reason", "too large")
        self.wait_until_drained()
        self.rig.shipper.stop()
        self.rig.sink.process.stop()
        self.expect_all(may_be_set_aside=lambda line: b'"uid-500"' in line)


class Faults(ForwardCase):
    COMMANDS = ("overflow 1", "overflow 3", "reset-before 1", "reset-after 1", "reset-after 2", "wrong-ack 1",
                "stall 0.3 2", "slow 300000", "slow 0")

    def test_nothing_is_lost_and_duplicates_stay_within_their_bound(self):
        seed = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {seed}", flush=True)
        dice = random.Random(seed)
        self.begin(QUICK_RETRIES + 'request-timeout = "5s"\nmax-events-per-second = 1500\n', events=15_000,
                   sessions=3, events_per_session=300)
        self.rig.start_shipper()
        end = time.monotonic() + 25
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.05, 0.8))
            if self.rig.shipper_kills == 0 or dice.random() < 0.12:
                self.rig.kill_shipper()
                self.rig.start_shipper()
            elif dice.random() < 0.1:
                self.rig.sink.outage_begins()
                time.sleep(dice.uniform(0.1, 0.7))
                self.rig.sink.outage_ends()
            else:
                self.rig.sink.command(dice.choice(self.COMMANDS))
        for command in ("slow 0", "stall 0", "overflow off", "reset-before 0", "reset-after 0", "wrong-ack 0"):
            self.rig.sink.command(command)
        self.wait_until_drained()
        bound = self.rig.duplicates_bound()
        self.rig.shipper.stop()
        self.assertGreater(self.rig.shipper_kills, 0)
        report = self.expect_all(duplicates_max=bound)
        self.assertEqual(0, self.dead(), "an outage must make no dead letters")
        self.expect_clean_sink()
        print(f"{self.rig.shipper_kills} kills, {report.duplicates} duplicates of at most {bound}", flush=True)

    def test_a_full_buffer_holds_everything_and_sets_nothing_aside(self):
        self.begin(QUICK_RETRIES)
        self.rig.sink.command("overflow on")
        self.rig.start_shipper()
        wait_until(lambda: "without acknowledging the chunk" in self.rig.shipper.log_text(),
                   "the shipper says that chunks are refused", process=self.rig.shipper)
        time.sleep(3)
        self.rig.sink.command("overflow off")
        self.wait_until_drained()
        self.rig.shipper.stop()
        self.expect_all(duplicates_max=0)
        self.assertEqual(0, self.dead())

    def some_audit_record(self):
        lines = self.rig.queuectl("peek", "--lane", "audit", "--from", "200", "--count", "50",
                                  "--output", "json").rstrip("\n").split("\n")
        return next(record for record in map(oracle.parse, lines)
                    if record["event"].get("uid") == record["id"])

    def test_a_record_that_fluentd_can_never_take_is_set_aside_and_holds_up_nothing(self):
        # The limit on the rate keeps others coming, by which the one is told from an outage.
        self.begin(QUICK_RETRIES + "max-events-per-second = 250\n", events=3000, batch_events=5,
                   sessions=1)
        poisoned = self.some_audit_record()
        self.rig.sink.command(f"poison {poisoned['id']}")
        self.ship(patience_seconds=240)
        report = self.expect_all(may_be_set_aside=lambda line: poisoned["id"] in str(line))
        self.assertEqual(1, self.dead())
        # What is beside it is stored at each try, as Fluentd does: 3 tries of 5, and of their halves.
        self.assertLess(report.duplicates, 40)
        self.rig.sink.command("poison")
        number = str(int(poisoned["seq"]))
        self.rig.queuectl("replay", "--lane", "audit", "--reason", "healed", "--from-seq", number,
                          "--to-seq", number)
        self.ship()
        self.expect_all()


class Security(ForwardCase):
    def refused(self, pattern):
        """The shipper ends at once with a sentence, without secrets in it."""
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertNotEqual(0, code, said)
        self.assertRegex(said, pattern)
        self.assertNotIn("s3cret", said)
        return code

    def edit(self, *replacements):
        text = self.rig.config_path.read_text()
        for old, new in replacements:
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.rig.config_path.write_text(text)

    def test_each_mismatch_is_one_clear_sentence(self):
        self.begin()
        original = self.rig.config_path.read_text()
        key = self.rig.folder / "shared-key"
        wrong = self.rig.folder / "wrong"
        wrong.write_text("s3cret of nobody\n")
        server = rf"forward\+tls://localhost:{self.rig.sink.port}: "
        for replacement, sentence in (
                (('shared-key-file = "shared-key"', 'shared-key-file = "wrong"'),
                 r'the server refuses us \("shared_key mismatch"\); compare'),
                (('password-file = "password"', 'password-file = "wrong"'),
                 r'the server refuses us \("username/password mismatch"\); compare'),
                ((f'shared-key-file = "shared-key"\nusername = "{rigs.USER}"\npassword-file = "password"', ""),
                 "the server asks for a shared key, and none is configured"),
                ((str(self.rig.fluentd_files.cert), str(self.rig.fluentd_files.other_cert)),
                 "the server refuses our client certificate"),
                ((str(self.rig.fluentd_files.ca), str(self.rig.teleport_files.client_cas)),
                 "the server's certificate is not trusted by")):
            with self.subTest(sentence):
                self.edit(replacement)
                if str(self.rig.fluentd_files.other_cert) in self.rig.config_path.read_text():
                    self.edit((str(self.rig.fluentd_files.key), str(self.rig.fluentd_files.other_key)))
                self.refused(server + sentence)
                self.rig.config_path.write_text(original)
        key.write_text("\n")
        self.refused(server + ".*the file is empty, but must hold the shared key")

    def test_a_server_without_security_is_told_from_one_with(self):
        self.begin('request-timeout = "8s"\n')
        self.rig.sink.process.stop()
        self.rig.sink.more_options = ()
        self.rig.sink.start()
        self.refused("the server has not asked for the shared key that is configured")

    def test_a_corrected_key_is_taken_up_without_a_restart(self):
        self.begin(QUICK_RETRIES)
        key = self.rig.folder / "shared-key"
        key.write_text("s3cret of nobody\n")
        self.rig.start_shipper()
        wait_until(lambda: "shared_key mismatch" in self.rig.shipper.log_text(), "the key is refused",
                   process=self.rig.shipper)
        key.write_text(rigs.SHARED_KEY + "\n")
        self.wait_until_drained()
        self.rig.shipper.stop()
        self.expect_all(duplicates_max=0)
        self.assertNotIn("s3cret", self.rig.shipper.log_text())


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
