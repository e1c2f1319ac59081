#!/usr/bin/env python3
"""A row of the torture matrix is good only when nothing is lost and nothing has failed, and its figures reach the table."""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import oracle  # noqa: E402
import run_torture  # noqa: E402
import torture_result  # noqa: E402


def report(lost=0, disordered=0, duplicates=0):
    lane = oracle.LaneResult(lost=["an event"] * lost, disordered=["an event"] * disordered,
                             duplicates=duplicates)
    return oracle.Report({"audit": lane, "session": oracle.LaneResult()}, 0, False, None, {})


class TortureResult(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patch = mock.patch.object(torture_result, "FOLDER", self.folder)
        patch.start()
        self.addCleanup(patch.stop)
        self.result = torture_result.Result("kill", argparse.Namespace(full=False, seed=7))
        self.cell = self.result.cell("fetcher, steady")

    def finish(self):
        with contextlib.redirect_stdout(io.StringIO()):
            status = self.result.finish()
        return status, json.loads((self.folder / "kill.json").read_text(encoding="utf-8"))

    def test_points_without_a_loss_are_good(self):
        self.cell.add_point(report(duplicates=3), bound=20, drain_seconds=1.5)
        self.cell.add_point(report(duplicates=1), bound=40)
        status, found = self.finish()
        self.assertEqual((0, True, 2, 0, 7), (status, found["ok"], found["points"], found["lost"],
                                              found["seed"]))
        cell = found["cells"][0]
        self.assertEqual((3, 20, 1.5), (cell["duplicates_max"], cell["duplicates_bound"],
                                        cell["drain_seconds_max"]))

    def test_a_lost_event_is_counted_and_fails(self):
        self.cell.add_point(report(lost=2))
        status, found = self.finish()
        self.assertEqual((1, 2), (status, found["lost"]))

    def test_disorder_counts_only_where_order_is_promised(self):
        self.cell.add_point(report(disordered=1), strict_lanes=("session",))
        self.assertTrue(self.result.good())
        self.cell.add_point(report(disordered=1), strict_lanes=("audit",))
        self.assertFalse(self.result.good())

    def test_a_failure_fails_and_names_its_cell(self):
        self.cell.fail("it did not drain")
        status, found = self.finish()
        self.assertEqual((1, ["fetcher, steady: it did not drain"]), (status, found["failures"]))

    def test_the_tables_show_the_figures(self):
        self.cell.add_point(report(lost=2, duplicates=3), bound=20, extra={"second kills": 1})
        _, found = self.finish()
        row = run_torture.ROWS[0]
        words = run_torture.summary([(row, found), (row, None)]).split()
        self.assertIn("FAILED", words)
        self.assertIn("cannot", words)
        lines = run_torture.details(row, found).splitlines()
        self.assertEqual(["fetcher, steady", "1", "2", "0", "0", "0", "3 of 20", "0.0", "1"],
                         [cell.strip() for cell in lines[2].strip("| ").split("|")])


if __name__ == "__main__":
    unittest.main()
