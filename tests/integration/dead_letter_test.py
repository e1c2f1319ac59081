#!/usr/bin/env python3
"""Dead letters and skips with real daemons: what the sink refuses is shown, sent again or discarded; what must not be
sent is taken out; nothing is lost and the sums add up.

dead_letter_test.py BIN_FOLDER
"""

import collections
import json
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, stats, wait_until  # noqa: E402

BIN = None
EVENTS = 400
BATCH = 50
WHY = ("--reason", "INC-4711")


class DeadLetterCase(unittest.TestCase):
    shipper_settings = 'retry-min = "100ms"\nretry-max = "500ms"'

    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("dead"), events=EVENTS, sessions=1,
                            events_per_session=40, batch_events=BATCH, connections=2,
                            shipper_settings=self.shipper_settings)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()

    def fetch_all(self):
        """So that it is known which events there are before anything is sent."""
        self.rig.start_fetcher()
        wait_until(lambda: self.rig.everything_is_fetched() and
                   rigs.has_taken(self.rig.status(), self.rig.teleport_stats()["events"]),
                   "all is fetched", process=self.rig.fetcher)

    def records(self, lane="audit"):
        lines = self.rig.queuectl("peek", "--lane", lane, "--from", "1", "--count", "100000",
                                  "--output", "json").rstrip("\n").split("\n")
        return [oracle.parse(line) for line in lines]

    def letters(self, *arguments):
        return json.loads(self.rig.queuectl("dead-letter", "list", "--output", "json", *arguments))

    def lane(self, name="audit"):
        return self.rig.status()["lanes"][name]

    def trace(self, event_id):
        return json.loads(self.rig.queuectl("trace", event_id, "--output", "json"))["events"]

    def arrived(self, event_id):
        """How often the sink has it."""
        count = 0
        for line in self.rig.sink.record.read_bytes().rstrip(b"\n").split(b"\n"):
            _, event = oracle.read_sink_line(line)
            count += event.get("uid") == event_id
        return count

    def with_own_ids(self, count):
        """Some audit events, far from each other, that the sink's poison can tell from all others."""
        known = [record for record in self.records() if record["event"].get("uid") == record["id"]]
        return known[10:len(known) - 10:max(1, (len(known) - 20) // count)][:count]

    def poison(self, event_id):
        self.rig.sink.command(f"poison {event_id}".rstrip())

    def expect_the_sum(self):
        status = self.rig.status()
        for name, lane in status["lanes"].items():
            self.assertEqual(lane["fetched"], sum(lane[part] for part in (
                "acknowledged", "backlog", "dead", "skipped", "gap")), name)
        self.assertEqual(0, status["unaccounted"])

    def expect_sums(self):
        self.expect_the_sum()
        self.assertEqual([], self.rig.ledger_failures())
        self.rig.queuectl("verify")

    def expect_delivered_but(self, *missing, duplicates_max=0):
        report = self.rig.judge(duplicates_max=duplicates_max,
                                skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES,
                                may_be_set_aside=lambda line: any(one.encode() in line
                                                                  for one in missing))
        self.assertEqual([], report.failures())
        self.assertEqual(len(missing), len(report.lanes["audit"].set_aside))


class DeadLetters(DeadLetterCase):
    def one_letter(self):
        self.fetch_all()
        record = self.with_own_ids(1)[0]
        self.poison(record["id"])
        self.rig.start_shipper()
        self.rig.wait_until_drained()
        self.assertEqual(1, self.lane()["dead"])
        return record

    def test_list_show_and_export_say_all_that_is_known(self):
        record = self.one_letter()
        listed = self.letters()
        self.assertEqual((1, 1), (listed["count"], listed["reason_count"]))
        self.assertEqual("400 the body contains poison", listed["reasons"][0]["reason"])
        one = listed["letters"][0]
        self.assertEqual(("audit", record["seq"], record["id"], 400, "dead"),
                         (one["lane"], one["seq"], one["id"], one["status"], one["state"]))
        self.assertGreater(one["attempts"], 1)
        self.assertIn("poison", one["answer"])
        for arguments in (("--lane", "session"), ("--status", "500"), ("--match", "no such text"),
                          ("--seq", f"{record['seq'] + 1:.0f}..99999"), ("--type", "no.such"),
                          ("--from-time", "2100-01-01T00:00:00Z")):
            self.assertEqual(0, self.letters(*arguments)["count"], arguments)
        for arguments in (("--lane", "audit"), ("--status", "400"), ("--match", "poison"),
                          ("--seq", f"{record['seq']:.0f}"), ("--type", record["type"]),
                          ("--id", record["id"]), ("-n", "0")):
            self.assertEqual(1, self.letters(*arguments)["count"], arguments)
        self.assertEqual([], self.letters("-n", "0")["letters"])
        shown = self.rig.queuectl("dead-letter", "show", "--id", record["id"])
        self.assertIn("the body contains poison", shown)
        line = self.rig.queuectl("dead-letter", "export")
        self.assertEqual(record["event"], oracle.parse(line)["event"])
        self.assertEqual(1, line.count("\n"))
        file = self.rig.folder / "letters.ndjson"
        self.rig.queuectl("dead-letter", "export", "--to", str(file))
        self.assertEqual(line, file.read_text())
        code, said = self.rig.try_queuectl("dead-letter", "export", "--to", str(file))
        self.assertNotEqual(0, code)
        self.assertIn(str(file), said)
        self.assertIn("DEAD   1 event, 1 reason (400 the body contains poison)",
                      self.rig.queuectl("status"))
        self.assertEqual("dead letter", self.trace(record["id"])[0]["state"])
        self.expect_sums()
        self.expect_delivered_but(record["id"])

    def test_requeued_it_is_delivered_once_and_counts_as_acknowledged(self):
        record = self.one_letter()
        before = self.lane()
        # Still refused: it stays, with the tries added.
        tries = self.letters()["letters"][0]["attempts"]
        said = self.rig.queuectl("dead-letter", "requeue", "--all", "--wait", *WHY)
        self.assertIn("1 still dead", said)
        one = self.letters()["letters"][0]
        self.assertEqual("dead", one["state"])
        self.assertGreater(one["attempts"], tries)
        self.expect_sums()
        self.poison("")
        said = self.rig.queuectl("dead-letter", "requeue", "--id", record["id"], "--wait", *WHY)
        self.assertIn("1 dead letter taken by the sink", said)
        after = self.lane()
        self.assertEqual((0, before["acknowledged"] + 1), (after["dead"], after["acknowledged"]))
        self.assertEqual(0, self.letters()["count"])
        self.assertEqual(1, self.arrived(record["id"]))
        traced = self.trace(record["id"])[0]
        self.assertEqual(("requeued", "INC-4711"), (traced["state"], traced["by_hand"]["reason"]))
        self.expect_sums()
        self.expect_delivered_but()

    def test_asked_for_while_no_shipper_runs_it_is_done_by_the_next_one(self):
        record = self.one_letter()
        self.poison("")
        self.rig.shipper.stop()
        owner = (self.rig.state / "delivery/default/db/CURRENT").stat().st_uid
        self.rig.queuectl("dead-letter", "requeue", "--all", *WHY)
        self.assertEqual("requeued", self.letters()["letters"][0]["state"])
        for path in (self.rig.state / "delivery").rglob("*"):
            self.assertEqual(owner, path.stat().st_uid, path)
        self.assertEqual(1, self.lane()["dead"])
        self.rig.start_shipper()
        wait_until(lambda: self.lane()["dead"] == 0, "it is sent again", process=self.rig.shipper)
        self.assertEqual(1, self.arrived(record["id"]))
        self.expect_sums()
        self.expect_delivered_but()

    def test_a_kill_during_a_requeue_loses_and_invents_nothing(self):
        record = self.one_letter()
        self.poison("")
        # Taken by the sink, and the answer never heard.
        self.rig.sink.command("stall 3 1")
        self.rig.queuectl("dead-letter", "requeue", "--all", *WHY)
        time.sleep(1)
        self.rig.kill_shipper()
        self.assertEqual(1, self.lane()["dead"])
        self.assertEqual("requeued", self.letters()["letters"][0]["state"])
        self.rig.start_shipper()
        wait_until(lambda: self.lane()["dead"] == 0, "it is sent again", process=self.rig.shipper)
        self.assertIn(self.arrived(record["id"]), (1, 2))
        self.expect_sums()
        self.expect_delivered_but(duplicates_max=BATCH)

    def test_many_that_are_sent_again_between_kills_are_delivered_or_stay(self):
        self.fetch_all()
        kinds = collections.Counter(record["type"] for record in self.records())
        kind, count = next((kind, count) for kind, count in kinds.most_common()
                           if count < EVENTS // 4)
        self.poison(f'"{kind}"')
        self.rig.start_shipper()
        self.rig.wait_until_drained()
        self.assertEqual(count, self.letters("--type", kind)["count"])
        self.assertEqual(count, self.lane()["dead"])
        keep = self.letters("--type", kind)["letters"][0]
        self.poison(keep["id"])
        self.rig.sink.command("stall 0.3")
        kills = 3
        self.rig.queuectl("dead-letter", "requeue", "--type", kind, *WHY)
        for _ in range(kills):
            time.sleep(0.7)
            self.rig.kill_shipper()
            self.expect_the_sum()
            self.rig.start_shipper()
        self.rig.sink.command("stall 0")
        wait_until(lambda: self.letters()["requeued"] == 0, "all have been sent again",
                   process=self.rig.shipper)
        self.assertEqual([keep["id"]], [one["id"] for one in self.letters()["letters"]])
        self.rig.wait_until_drained()
        self.expect_sums()
        self.expect_delivered_but(keep["id"], duplicates_max=kills * BATCH)

    def test_discarded_it_counts_as_skipped_with_who_and_why(self):
        record = self.one_letter()
        for arguments, status, sentence in ((WHY, 64, "say which"),
                                            (("--all",), 64, "--reason"),
                                            (("--id", "no-such-id", *WHY), 66, "nothing was changed")):
            code, said = self.rig.try_queuectl("dead-letter", "discard", *arguments)
            self.assertEqual(status, code, said)
            self.assertIn(sentence, said)
        self.rig.shipper.stop()
        self.rig.queuectl("dead-letter", "discard", "--id", record["id"], *WHY)
        lane = self.lane()
        self.assertEqual((0, 1), (lane["dead"], lane["skipped"]))
        traced = self.trace(record["id"])[0]
        self.assertEqual(("discarded", "INC-4711"), (traced["state"], traced["by_hand"]["reason"]))
        self.rig.start_shipper()
        self.rig.wait_until_drained()
        self.assertEqual(0, self.letters()["count"])
        self.expect_sums()
        self.expect_delivered_but(record["id"])


class Skips(DeadLetterCase):
    def test_while_no_shipper_runs_it_is_never_sent(self):
        self.fetch_all()
        first, second = self.with_own_ids(2)
        # The store begins with the first shipper.
        self.rig.sink.command("refuse on")
        self.rig.start_shipper()
        wait_until(lambda: (self.rig.state / "shipper/page").exists() and
                   (self.lane()["backlog"] or 0) > 0, "the shipper waits", process=self.rig.shipper)
        self.rig.shipper.stop()
        self.rig.queuectl("skip", "--id", first["id"], *WHY)
        number = f"{second['seq']:.0f}"
        self.rig.queuectl("skip", "--lane", "audit", "--seq", number, *WHY)
        self.assertEqual(2, self.lane()["skipped"])
        code, said = self.rig.try_queuectl("skip", "--lane", "audit", "--seq", number, *WHY)
        self.assertEqual(64, code)
        self.assertIn("accounted for already", said)
        code, said = self.rig.try_queuectl("skip", "--lane", "audit", "--seq", "100000", *WHY)
        self.assertEqual(64, code)
        self.assertIn("not in the queue yet", said)
        code, said = self.rig.try_queuectl("skip", "--id", second["id"])
        self.assertEqual(64, code)
        self.assertIn("--reason", said)
        self.rig.sink.command("refuse off")
        self.rig.start_shipper()
        self.rig.wait_until_drained()
        for record in (first, second):
            self.assertEqual(0, self.arrived(record["id"]))
            self.assertEqual("skipped", self.trace(record["id"])[0]["state"])
        self.expect_sums()
        self.expect_delivered_but(first["id"], second["id"])

    def test_while_it_is_tried_again_and_again_it_is_left_out_of_its_batch(self):
        self.fetch_all()
        record = self.with_own_ids(1)[0]
        # The sink fails on everything, so that batches with it are under way and wait.
        self.rig.sink.command("status 503 1000000 {}")
        self.rig.start_shipper()
        wait_until(lambda: self.rig.shipper.log_text().count("503") > 0, "the shipper tries",
                   process=self.rig.shipper)
        self.rig.queuectl("skip", "--id", record["id"], *WHY)
        self.assertEqual(1, self.lane()["skipped"])
        self.rig.sink.command("status off")
        self.rig.wait_until_drained()
        self.assertEqual(0, self.arrived(record["id"]))
        self.expect_sums()
        self.expect_delivered_but(record["id"])

    def test_an_answer_under_way_is_honoured_and_counted_once(self):
        self.fetch_all()
        record = self.records()[3]
        self.rig.sink.command("stall 4 100")
        self.rig.start_shipper()
        wait_until(lambda: stats(self.rig.sink.control_path)["requests"] > 0, "the shipper sends",
                   process=self.rig.shipper)
        self.rig.queuectl("skip", "--lane", "audit", "--seq", f"{record['seq']:.0f}", *WHY)
        self.rig.sink.command("stall 0")
        self.rig.wait_until_drained()
        lane = self.lane()
        self.assertEqual((0, lane["fetched"]), (lane["skipped"], lane["acknowledged"]))
        self.expect_sums()
        self.expect_delivered_but()


class Limit(DeadLetterCase):
    shipper_settings = DeadLetterCase.shipper_settings + "\ndead-letters-max = 1"

    def test_at_the_limit_the_lane_waits_and_says_so_and_goes_on_when_there_is_room(self):
        self.fetch_all()
        record = self.with_own_ids(1)[0]
        self.poison(record["id"])
        self.rig.start_shipper()
        self.rig.wait_until_drained()
        self.assertEqual(1, self.lane()["dead"])
        # What comes now is refused, too, and there is no room.
        self.poison('"event"')
        fetched = self.lane()["fetched"]
        control(self.rig.teleport_control, "add 20")
        wait_until(lambda: self.lane()["fetched"] >= fetched + 20, "more is fetched",
                   process=self.rig.fetcher)
        wait_until(lambda: "nothing more is set aside and what the sink" in
                   self.rig.shipper.log_text(), "the shipper says so", process=self.rig.shipper)
        requests = None

        def is_quiet():
            nonlocal requests
            before, requests = requests, stats(self.rig.sink.control_path)["requests"]
            time.sleep(2)
            return before == requests
        wait_until(is_quiet, "no more requests are made", process=self.rig.shipper)
        lane = self.lane()
        self.assertEqual((1, 20), (lane["dead"], lane["backlog"]))
        self.assertRegex(self.rig.queuectl("status"), "ERROR .*dead-letters-max")
        self.assertEqual(100, self.rig.status()["dead_letters"]["lanes"]["audit"]["percent_of_limit"])
        self.poison("")
        self.rig.queuectl("dead-letter", "requeue", "--id", record["id"], "--wait", *WHY)
        self.rig.wait_until_drained()
        self.assertEqual(0, self.lane()["dead"])
        self.expect_sums()
        self.expect_delivered_but()


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main()
