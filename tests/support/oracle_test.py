#!/usr/bin/env python3
"""The oracle finds what it is there to find, and accepts what is right."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
import oracle  # noqa: E402

SID = "2b7a8f3e-0000-4000-8000-000000000001"


def audit_event(number, **more):
    return {"event": "exec", "uid": f"id-{number}", "ei": number, "time": "2026-03-09T10:00:00Z",
            "deep": {"list": [1, 2.5, None, True, "ü"], "empty": ""}, **more}


class OracleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.events = [audit_event(number) for number in range(6)]
        self.recording = [{"event": "print" if number % 2 else "resize", "sid": SID, "ei": number}
                          for number in range(4)]

    def serve(self):
        lines = [{"lane": "audit", "id": event.get("uid", "hash"), "source": "2026-03-09/c1",
                  "ordinal": ordinal, "body": event} for ordinal, event in enumerate(self.events)]
        lines += [{"lane": "session", "id": f"r{ordinal}", "sid": SID, "source": SID,
                   "ordinal": ordinal, "body": event}
                  for ordinal, event in enumerate(self.recording)]
        path = self.folder / "served"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    def deliver(self, audit, recording=None):
        events = [("test.log", event) for event in audit]
        events += [(f"session.{SID}.log", event)
                   for event in (self.recording if recording is None else recording)]
        lines = [{"n": n, "tag": tag, "batch": 0, "event": event}
                 for n, (tag, event) in enumerate(events)]
        path = self.folder / "sink"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    def judge(self, audit, recording=None, **options):
        return oracle.judge(self.serve(), [self.deliver(audit, recording)], **options)

    def test_all_delivered_once_and_in_order_is_well(self):
        report = self.judge(self.events, strict=True, duplicates_max=0)
        self.assertTrue(report.ok, str(report))
        self.assertEqual((6, 6, 6), (report.lanes["audit"].served, report.lanes["audit"].delivered,
                                     report.lanes["audit"].deliveries))
        self.assertEqual(4, report.lanes["session"].delivered)

    def test_finds_a_lost_event_and_names_it(self):
        report = self.judge(self.events[:3] + self.events[4:])
        self.assertFalse(report.ok)
        self.assertEqual(1, len(report.lanes["audit"].lost))
        self.assertIn("id-3 of 2026-03-09/c1 number 3", str(report))

    def test_finds_a_lost_event_of_a_recording(self):
        report = self.judge(self.events, self.recording[1:])
        self.assertEqual(1, len(report.lanes["session"].lost))
        self.assertEqual([], report.lanes["audit"].lost)

    def replayed(self, number, job=3, **more):
        return {**self.events[number], "_sluice": {"replay": job, "lane": "audit", "seq": number + 1}, **more}

    def test_a_marked_replay_is_no_duplicate_and_no_delivery(self):
        audit = self.events + [self.replayed(2), self.replayed(3), self.replayed(3)]
        report = self.judge(audit, duplicates_max=0)
        self.assertTrue(report.ok, str(report))
        self.assertEqual(3, report.lanes["audit"].replayed)
        self.assertEqual(1, report.lanes["audit"].repeats)
        self.assertEqual({3: {("audit", 3): 1, ("audit", 4): 2}}, report.replays)
        lost = self.judge(self.events[:5] + [self.replayed(5)])
        self.assertEqual(1, len(lost.lanes["audit"].lost))

    def test_finds_an_altered_and_an_invented_event_in_a_replay(self):
        altered = self.judge(self.events + [self.replayed(2, deep=1)])
        self.assertEqual(1, len(altered.lanes["audit"].altered))
        invented = self.judge(self.events + [self.replayed(2, uid="id-99")])
        self.assertEqual(1, len(invented.lanes["audit"].invented))

    def test_what_the_sink_had_a_reason_to_refuse_is_set_aside_and_not_lost(self):
        report = self.judge(self.events[:3] + self.events[4:],
                            may_be_set_aside=lambda line: b'"id-3"' in line)
        self.assertTrue(report.ok, str(report))
        self.assertEqual(1, len(report.lanes["audit"].set_aside))
        other = self.judge(self.events[:3] + self.events[4:],
                           may_be_set_aside=lambda line: b'"id-4"' in line)
        self.assertEqual(1, len(other.lanes["audit"].lost))

    def test_finds_an_invented_event(self):
        report = self.judge(self.events + [audit_event(99)])
        self.assertFalse(report.ok)
        self.assertEqual(1, len(report.lanes["audit"].invented))
        self.assertIn("id-99", str(report))

    def test_finds_every_kind_of_alteration_and_names_the_key(self):
        for altered in ({"ei": 2.5}, {"ei": True}, {"ei": "2"}, {"ei": None}, {"more": None},
                        {"deep": {"list": [2.5, 1, None, True, "ü"], "empty": ""}},
                        {"deep": {"list": [1, 2.5, None, True, "u"], "empty": ""}},
                        {"deep": {"list": [1, 2.5, None, True, "ü"], "empty": None}}):
            with self.subTest(altered=altered):
                events = [{**event, **altered} if event["uid"] == "id-2" else event
                          for event in self.events]
                report = self.judge(events)
                self.assertFalse(report.ok)
                self.assertEqual(1, len(report.lanes["audit"].altered))
                self.assertIn(f"id-2: {next(iter(altered))}: ", str(report))

    def test_finds_an_alteration_of_a_second_delivery(self):
        report = self.judge(self.events + [{**self.events[1], "ei": 77}])
        self.assertEqual(1, len(report.lanes["audit"].altered))
        self.assertEqual(1, report.duplicates)

    def test_finds_a_missing_key(self):
        del self.events[0]["ei"]
        self.assertFalse(self.judge([audit_event(number) for number in range(6)]).ok)

    def test_compares_numbers_as_doubles_and_keys_in_any_order(self):
        self.events[0]["ei"] = 9007199254740993  # not a double: Teleport serves ...992
        self.events[1]["ei"] = -0.0
        self.events[2]["ei"] = 1e21
        delivered = [dict(reversed(event.items())) for event in self.events]
        delivered[0]["ei"] = 9007199254740992
        delivered[1]["ei"] = 0
        delivered[2]["ei"] = 1000000000000000000000
        report = self.judge(delivered)
        self.assertTrue(report.ok, str(report))

    def test_finds_an_altered_event_without_uid_as_lost_and_invented(self):
        del self.events[3]["uid"]
        self.assertTrue(self.judge(self.events).ok)
        report = self.judge(self.events[:3] + [{**self.events[3], "ei": 9}] + self.events[4:])
        self.assertEqual(1, len(report.lanes["audit"].lost))
        self.assertEqual(1, len(report.lanes["audit"].invented))

    def test_equal_events_without_uid_must_arrive_as_often_as_they_were_served(self):
        self.recording = [{"event": "resize", "sid": SID}] * 3
        for count, lost, duplicates in ((3, 0, 0), (2, 1, 0), (5, 0, 2)):
            lane = self.judge(self.events, self.recording[:1] * count).lanes["session"]
            self.assertEqual((3, lost, duplicates),
                             (lane.served, len(lane.lost), lane.duplicates))

    def test_counts_duplicates_and_fails_only_above_the_limit(self):
        delivered = self.events + self.events[:2] + self.events[:1]
        self.assertTrue(self.judge(delivered).ok)
        report = self.judge(delivered, duplicates_max=2)
        self.assertFalse(report.ok)
        self.assertEqual(3, report.duplicates)
        self.assertTrue(self.judge(delivered, duplicates_max=3).ok)

    def test_finds_a_reordered_event_when_strict(self):
        delivered = [self.events[number] for number in (0, 2, 1, 3, 4, 5)]
        self.assertTrue(self.judge(delivered).ok)
        report = self.judge(delivered, strict=True)
        self.assertFalse(report.ok)
        self.assertEqual(1, len(report.lanes["audit"].disordered))
        self.assertIn("id-2: number 2", str(report))

    def test_a_second_delivery_is_no_disorder(self):
        self.assertTrue(self.judge(self.events + self.events[:3], strict=True).ok)

    def test_a_recording_under_another_session_is_wrong(self):
        path = self.deliver(self.events)
        path.write_text(path.read_text().replace(f"session.{SID}.log", "session.other.log"))
        report = oracle.judge(self.serve(), [path])
        self.assertEqual(4, len(report.lanes["session"].lost))
        self.assertEqual(4, len(report.lanes["session"].invented))

    def test_filtered_types_are_not_expected_and_not_allowed(self):
        kept = [event for event in self.recording if event["event"] != "print"]
        report = self.judge(self.events, kept, skip_session_types=["print"])
        self.assertTrue(report.ok, str(report))
        self.assertEqual(2, report.lanes["session"].filtered)
        self.assertFalse(self.judge(self.events, skip_session_types=["print"]).ok)

    def test_reads_the_files_of_a_real_fluentd_with_a_cut_line(self):
        lines = [f"2026-03-09T10:00:00+00:00\ttest.log\t{json.dumps(without_time(event))}\n"
                 for event in self.events]
        lines += [f"2026-03-09T10:00:00+00:00\tsession.{SID}.log\t{json.dumps(event)}\n"
                  for event in self.recording]
        path = self.folder / "out.log"
        path.write_text("".join(lines) + lines[0][:60] + "\n")
        report = oracle.judge(self.serve(), [path], ignore=["time"])
        self.assertTrue(report.ok, str(report))
        self.assertEqual(1, report.broken_lines)
        self.assertFalse(oracle.judge(self.serve(), [path]).ok)

    def test_ignores_the_stamp_that_a_shipper_may_add(self):
        self.assertTrue(self.judge([{**event, "_sluice": {"seq": 1}} for event in self.events]).ok)

    def test_the_program_exits_1_for_a_failure_and_0_without(self):
        for audit, status in ((self.events, 0), (self.events[1:], 1)):
            arguments = ["oracle", "--served", str(self.serve()), "--sink",
                         str(self.deliver(audit))]
            with mock.patch.object(sys, "argv", arguments), \
                    contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(status, oracle.main())


def without_time(event):
    return {key: value for key, value in event.items() if key != "time"}


if __name__ == "__main__":
    unittest.main()
