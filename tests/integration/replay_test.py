#!/usr/bin/env python3
"""Replay with real daemons: what was delivered is sent once more, beside the live flow, as often as asked and no more.

replay_test.py BIN_FOLDER

Each case has an installation of its own between the stand-ins. What arrived is counted at the sink by event id and held
against what queuectl says is in the queue.
"""

import collections
import json
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import control_page  # noqa: E402
import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, wait_until  # noqa: E402

BIN = None
EVENTS = 1200
BATCH = 50


class ReplayCase(unittest.TestCase):
    queue_settings = ""

    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("replay"), events=EVENTS, sessions=2,
                            events_per_session=100, batch_events=BATCH, connections=1,
                            queue_settings=self.queue_settings)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()

    def deliver_all(self):
        self.rig.start_daemons()
        self.rig.wait_until_drained()

    def queuectl(self, *arguments):
        """Its exit status, and what it said."""
        command = [self.rig.bin / "queuectl", *arguments, "--config", self.rig.config_path]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def replay(self, *arguments, lane="audit"):
        """Starts a job: what it is."""
        return json.loads(self.rig.queuectl("replay", "--lane", lane, "--reason", "test",
                                            "--output", "json", *arguments))

    def job(self, number):
        return json.loads(self.rig.queuectl("replay", "show", str(number), "--output", "json"))

    def wait_for(self, number):
        wait_until(lambda: self.job(number)["state"] != "active", f"replay {number} ends",
                   process=self.rig.shipper)
        return self.job(number)

    def records(self, lane="audit"):
        lines = self.rig.queuectl("peek", "--lane", lane, "--from", "1", "--count", "100000",
                                  "--output", "json").rstrip("\n").split("\n")
        return [oracle.parse(line) for line in lines]

    def arrived(self, lane="audit"):
        """The events that the sink has, in order."""
        events = []
        for line in self.rig.sink.record.read_bytes().rstrip(b"\n").split(b"\n"):
            tag, event = oracle.read_sink_line(line)
            if ("session" if oracle.SESSION_TAG.search(tag) else "audit") == lane:
                events.append(event)
        return events

    def digests(self, events):
        """Some events have no id, so they are told apart by all that is in them."""
        return [oracle.digest_of(oracle.comparable(event, ())) for event in events]

    def expect_nothing_lost(self, duplicates_max):
        report = self.rig.judge(strict=("session", "audit"), duplicates_max=duplicates_max,
                                skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())


class Replay(ReplayCase):
    # ---- What is sent

    def test_a_range_is_sent_once_more_in_order_while_the_live_flow_goes_on(self):
        self.deliver_all()
        before = self.rig.status()["lanes"]["audit"]
        records = self.records()
        self.rig.sink.command("stall 0.05 100000")
        control(self.rig.teleport_control, "add 300")
        started = self.replay("--from-seq", "101", "--to-seq", "700")
        self.assertEqual(600, started["matched"])
        self.assertEqual("done", self.wait_for(started["id"])["state"])
        self.rig.sink.command("stall 0")
        self.rig.wait_until_drained()
        again, known = [], set()
        for digest in self.digests(self.arrived()):
            (again.append if digest in known else known.add)(digest)
        self.assertEqual(self.digests(record["event"] for record in records[100:700]), again)
        after = self.rig.status()["lanes"]["audit"]
        self.assertEqual(before["acknowledged"] + 300, after["acknowledged"],
                         "the ledger counts first deliveries only")
        self.expect_nothing_lost(600)

    def test_filters_and_dry_run_agree_and_marked_events_say_what_they_are(self):
        self.deliver_all()
        records = self.records()
        kinds = collections.Counter(record["type"] for record in records)
        kind, count = kinds.most_common(1)[0]
        middle = records[len(records) // 2]["time"]
        arguments = ("--type", kind, "--from-time", middle)
        wanted = [record for record in records if record["type"] == kind and
                  oracle_time(record["time"]) >= oracle_time(middle)]
        dry = json.loads(self.rig.queuectl("replay", "--lane", "audit", "--dry-run", "--output",
                                           "json", *arguments))
        self.assertEqual(len(wanted), dry["matched"])
        self.assertEqual([wanted[0]["seq"], wanted[-1]["seq"]],
                         [dry["first"]["seq"], dry["last"]["seq"]])
        self.assertEqual(0, dry["trimmed"]["count"])
        self.assertLess(dry["matched"], count)
        self.assertEqual([], self.rig.queuectl("replay", "list", "--output", "json").splitlines())
        size = len(self.arrived())
        job = self.wait_for(self.replay(*arguments, "--mark")["id"])
        self.assertEqual(("done", len(wanted)), (job["state"], job["sent"]))
        again = self.arrived()[size:]
        self.assertEqual(self.digests(record["event"] for record in wanted), self.digests(again))
        self.assertEqual([{"replay": job["id"], "lane": "audit", "seq": record["seq"]}
                          for record in wanted], [event["_sluice"] for event in again])
        self.expect_nothing_lost(len(wanted))

    def test_ids_of_a_recording_go_to_its_own_tag(self):
        self.deliver_all()
        records = self.records("session")
        wanted = [records[3], records[-1]]
        size = len(self.arrived("session"))
        job = self.replay("--id", ",".join(record["id"] for record in wanted), lane="session")
        self.assertEqual(2, self.wait_for(job["id"])["sent"])
        self.assertEqual(2, len(self.arrived("session")) - size)
        self.expect_nothing_lost(2)

    def test_rate_and_several_at_once_and_cancel(self):
        self.deliver_all()
        slow = self.replay("--from-seq", "1", "--rate", "20")
        begin = time.monotonic()
        limited = self.replay("--from-seq", "1", "--to-seq", "300", "--rate", "150")
        fast = [self.replay("--from-seq", "1", "--to-seq", str(100 * i)) for i in (1, 2)]
        for number, job in enumerate(fast):
            self.assertEqual(100 * (number + 1), self.wait_for(job["id"])["sent"])
        self.assertEqual("active", self.job(slow["id"])["state"])
        self.assertEqual("done", self.wait_for(limited["id"])["state"])
        self.assertGreaterEqual(time.monotonic() - begin, 1.9)
        self.assertIn(f"JOBS   replay {slow['id']}", self.rig.queuectl("status"))
        self.assertEqual([slow["id"]], self.rig.status()["active_replays"])
        code, _, said = self.queuectl("replay", "cancel", str(slow["id"]))
        self.assertEqual(64, code)
        self.assertIn("--reason", said)
        self.rig.queuectl("replay", "cancel", str(slow["id"]), "--reason", "too slow")
        job = self.job(slow["id"])
        self.assertEqual("cancelled", job["state"])
        self.assertIn("too slow", job["remark"])
        time.sleep(0.5)
        sent = self.job(slow["id"])["sent"]
        self.assertLess(sent, 300)
        self.assertEqual(4, len(self.rig.queuectl("replay", "list", "--output", "json")
                                .splitlines()))
        self.expect_nothing_lost(sent + 300 + 300)

    # ---- What happens around it

    def test_jobs_survive_kills_and_repeat_no_more_than_was_in_flight(self):
        self.deliver_all()
        jobs = [self.replay("--from-seq", "1", "--rate", "400"),
                self.replay("--from-seq", "1", "--rate", "300")]
        kills = 4
        for _ in range(kills):
            time.sleep(0.4)
            self.rig.kill_shipper()
            self.rig.start_shipper()
        self.rig.kill_fetcher()
        self.rig.start_fetcher()
        total = 0
        for job in jobs:
            ended = self.wait_for(job["id"])
            self.assertEqual("done", ended["state"])
            self.assertEqual(job["matched"], ended["sent"])
            total += ended["sent"]
        self.expect_nothing_lost(total + kills * len(jobs) * BATCH + kills * 2 * BATCH)

    def test_what_the_sink_refuses_is_counted_and_blocks_nothing(self):
        self.deliver_all()
        self.rig.sink.command("status 400 3 {\"message\":\"invalid time\"}")
        job = self.wait_for(self.replay("--from-seq", "1", "--to-seq", "1")["id"])
        self.assertEqual(("done", 0, 1, [1]), (job["state"], job["sent"], job["refused"],
                                               job["refused_numbers"]))
        self.assertIn("400", job["refusal"])
        self.assertEqual(0, self.rig.status()["lanes"]["audit"]["dead"])

    def test_stopped_shipper_gets_its_job_and_does_it_later(self):
        self.deliver_all()
        self.rig.shipper.stop()
        owner = (self.rig.state / "delivery/default/db/CURRENT").stat().st_uid
        job = self.replay("--from-seq", "1", "--to-seq", "200")
        other = self.replay("--from-seq", "1", "--to-seq", "10")
        self.rig.queuectl("replay", "cancel", str(other["id"]), "--reason", "one too many")
        for path in (self.rig.state / "delivery").rglob("*"):
            self.assertEqual(owner, path.stat().st_uid, path)
        self.rig.start_shipper()
        self.assertEqual(200, self.wait_for(job["id"])["sent"])
        self.assertEqual("cancelled", self.job(other["id"])["state"])
        self.expect_nothing_lost(200)

    def test_run_that_is_to_end_by_itself_finishes_its_jobs_first(self):
        self.deliver_all()
        self.rig.shipper.stop()
        job = self.replay("--from-seq", "1", "--to-seq", "200", "--rate", "200")
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        self.assertEqual(("done", 200), (self.job(job["id"])["state"], self.job(job["id"])["sent"]))

    def test_what_cannot_be_is_said_in_one_sentence(self):
        self.deliver_all()
        cases = [
            (("--from-time", "2026-11-23T02:00:00"), 64, "--from-time"),
            (("--from-seq", "5", "--to-seq", "4"), 64, "before"),
            (("--from-seq", "1000000"), 64, "comes without a replay"),
            (("--id", "no-such-id"), 66, "nothing was started"),
            ((), 64, "say what to replay"),
        ]
        for arguments, status, sentence in cases:
            with self.subTest(arguments):
                code, _, said = self.queuectl("replay", "--lane", "audit", "--reason", "x",
                                              *arguments)
                self.assertEqual(status, code, said)
                self.assertIn(sentence, said)
                self.assertEqual(1, len(said.splitlines()), said)
        self.assertEqual([], self.rig.queuectl("replay", "list", "--output", "json").splitlines())


class ReplayBesideTrimming(ReplayCase):
    queue_settings = 'retention = "6s"'

    def floor(self):
        return control_page.fetcher_page(self.rig.state).floor["audit"]

    def wait_for_floor(self, number):
        wait_until(lambda: self.floor() >= number, f"everything before {number} is trimmed",
                   process=self.rig.fetcher)

    def test_a_slow_job_holds_trimming_back_and_what_is_trimmed_needs_partial(self):
        self.deliver_all()
        last = self.rig.status()["lanes"]["audit"]["position"]
        first = last - 399
        slow = self.replay("--from-seq", str(first), "--to-seq", str(last), "--rate", "25")
        # All of it is old enough by now, but the job still needs its part.
        self.wait_for_floor(first)
        held = self.job(slow["id"])
        self.assertEqual("active", held["state"])
        self.assertLess(self.floor(), last)
        asked = ("--from-seq", "1", "--to-seq", str(last))
        code, _, said = self.queuectl("replay", "--lane", "audit", "--reason", "x", *asked)
        self.assertEqual(66, code, said)
        self.assertRegex(said, r"\d+ of the numbers asked for are trimmed \(.*, and \d+ events are kept: "
                               "nothing was started; give --partial")
        size = len(self.arrived())
        partial = self.wait_for(self.replay(*asked, "--partial", "--mark")["id"])
        self.assertEqual(("done", partial["matched"]), (partial["state"], partial["sent"]))
        self.assertEqual(last, partial["trimmed"] + partial["matched"])
        self.assertGreaterEqual(partial["trimmed"], first - 1)
        numbers = [event["_sluice"]["seq"] for event in self.arrived()[size:] if "_sluice" in event]
        self.assertEqual(list(range(partial["trimmed"] + 1, last + 1)), numbers)
        ended = self.wait_for(slow["id"])
        self.assertEqual(("done", 400), (ended["state"], ended["sent"]))
        self.wait_for_floor(last + 1)
        self.expect_nothing_lost(400 + partial["sent"])


def oracle_time(text):
    """A time that compares: the fraction of a second has as many digits as it needs."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return whole, fraction.ljust(9, "0")


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main()
