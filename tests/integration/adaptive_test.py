#!/usr/bin/env python3
"""Adaptive sending: when the sink slows down, the shipper sends fewer requests at once and smaller batches, so that little waits
there, and both grow again when it is quick. Nothing is lost or set aside. Each case is tried without it too, where none of that
happens.

adaptive_test.py BIN_FOLDER [TEST…]

RealFluentd needs `fluentd` on the PATH, and is skipped elsewhere. The sink's work is sleep, so that how long it takes depends on
the events alone, and a busy machine only adds to it. Only StandInBriefly is in the test suite: the rest takes minutes. What others gain by it is measured by tests/bench/measure_adaptive.py.
"""

import json
import re
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import control, stats, wait_until  # noqa: E402

BIN = None
CONNECTIONS = 8
BATCH = 100
# What every lane begins with (AdaptiveLimits::kRequestsAtStart).
REQUESTS_AT_START = 4
# A full batch alone takes more than the second that the shipper takes for long, and half a batch less.
SLOW_SECONDS_PER_EVENT = 0.015
SLOW_BATCH_MAX = BATCH // 2
# One that is worked on, and one that waits for its turn.
SLOW_REQUESTS_MAX = 2
LONG_SECONDS = 300
STATUS_LINE = re.compile(r"lane audit: position .* at most (\d+) requests of (\d+) events at once; lane session")


class AdaptiveCase(unittest.TestCase):
    def begin(self, adaptive, events=10_000, **options):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("adaptive"), events=events, connections=CONNECTIONS,
                            batch_events=BATCH, poll="200ms", **options,
                            shipper_settings='retry-min = "10ms"\nretry-max = "100ms"\n'
                                             f"adaptive = {str(adaptive).lower()}\n")
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.before_start()
        self.rig.start_stand_ins()
        self.rig.start_fetcher()
        wait_until(self.rig.everything_is_fetched, "the queue is full", LONG_SECONDS, process=self.rig.fetcher)
        self.become_quick()

    def before_start(self):
        pass

    def keep_busy(self):
        """Sees to it that events wait for the sink, and gives it a moment."""
        backlog = self.rig.status()["lanes"]["audit"]["backlog"]  # none, where the numbers were not of one moment
        if backlog is not None and backlog < 3000 and self.rig.everything_is_fetched():
            control(self.rig.teleport_control, "add 5000")
        time.sleep(0.2)

    def wait_until_busily(self, condition, what):
        def is_so():
            self.keep_busy()
            return condition()
        return wait_until(is_so, what, LONG_SECONDS, process=self.rig.shipper)

    def status_lines(self):
        """[(requests at once, events of a batch)]: the limits of the audit lane, as the shipper says each minute."""
        return [tuple(map(int, found)) for found in STATUS_LINE.findall(self.rig.shipper.log_text())]

    def next_status_line(self):
        before = len(self.status_lines())
        return wait_until(lambda: self.status_lines()[before:], "the shipper says how it is", LONG_SECONDS,
                          process=self.rig.shipper)[0]

    def end(self):
        """Everything is there once, and nothing else has become of anything."""
        self.rig.wait_until_drained(LONG_SECONDS)
        self.rig.shipper.stop()
        self.rig.fetcher.stop()
        self.stop_sink()
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=0)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertEqual(0, sum(lane["dead"] for lane in self.rig.status()["lanes"].values()))

    def stop_sink(self):
        pass


class OnStandIn(AdaptiveCase):
    def become_quick(self):
        # A round trip, during which others can be under way.
        self.rig.sink.command("work 0")
        self.rig.sink.command("stall 0.1")

    def become_slow(self):
        self.rig.sink.command("stall 0")
        self.rig.sink.command(f"work {SLOW_SECONDS_PER_EVENT}")

    def statuses(self, code):
        return stats(self.rig.sink.control_path)["status"].get(str(code), 0)

    def most_of_next(self, answers):
        """The most that is at the sink at once, and in a request, while it gives so many answers."""
        self.rig.sink.command("load")
        end = self.statuses(200) + answers
        self.wait_until_busily(lambda: self.statuses(200) >= end, "the sink answers")
        load = json.loads(self.rig.sink.command("load"))
        return load["requests"], load["events_a_request"]

    def is_at_limits(self):
        requests, events = self.most_of_next(2 * CONNECTIONS)
        return requests >= CONNECTIONS - 1 and events == BATCH

    def is_gentle(self):
        requests, events = self.most_of_next(6)
        return requests <= SLOW_REQUESTS_MAX and events <= SLOW_BATCH_MAX

    def says_gentle(self):
        requests, events = self.next_status_line()
        return requests <= SLOW_REQUESTS_MAX and events <= SLOW_BATCH_MAX

    def run_through_a_slow_spell(self, adaptive):
        self.begin(adaptive)
        self.rig.start_shipper()
        self.wait_until_busily(self.is_at_limits, "all connections carry full batches")
        self.become_slow()
        if adaptive:
            self.wait_until_busily(self.is_gentle, "little is at the sink at once")
        self.while_it_is_slow(adaptive)
        self.become_quick()
        self.wait_until_busily(self.is_at_limits, "all connections carry full batches again")
        self.end()

    def while_it_is_slow(self, adaptive):
        pass


class StandInBriefly(OnStandIn):
    def test_a_slow_sink_gets_less_at_once_and_a_quick_one_more_again(self):
        self.run_through_a_slow_spell(adaptive=True)


class StandIn(OnStandIn):
    def while_it_is_slow(self, adaptive):
        if adaptive:
            # One more is tried now and then, perhaps just when a line is written.
            self.wait_until_busily(self.says_gentle, "the status line says so")
        else:
            for _ in range(2):
                self.assertEqual((CONNECTIONS, BATCH), self.most_of_next(6))

    def test_a_slow_sink_gets_less_at_once_and_a_quick_one_more_again(self):
        for adaptive in (False, True):
            with self.subTest(adaptive=adaptive):
                self.run_through_a_slow_spell(adaptive)

    def test_a_sink_that_is_overloaded_is_asked_less_in_vain(self):
        refused = {}
        for adaptive in (False, True):
            with self.subTest(adaptive=adaptive):
                self.begin(adaptive)
                self.rig.sink.command(f"capacity {CONNECTIONS // 2 - 1}")
                self.rig.start_shipper()
                self.rig.wait_until_drained(LONG_SECONDS)
                refused[adaptive] = self.statuses(503) / self.statuses(200)
                self.assertGreater(refused[adaptive], 0)
                self.rig.sink.command("capacity 0")
                self.wait_until_busily(self.is_at_limits, "all connections carry full batches")
                self.end()
        print(f"refused requests for one that is accepted: {refused[True]:.2f}, without adaptive sending "
              f"{refused[False]:.2f}", flush=True)
        self.assertLess(refused[True], refused[False] / 2)


# Works on events as a filter does that looks something up for each: in the input's event loop. It
# writes down how many there are in each request.
SLOW_FILTER = """
require "fluent/plugin/filter"

module Fluent::Plugin
  class SlowFilter < Filter
    Fluent::Plugin.register_filter("slow", self)
    config_param :folder, :string

    def filter_stream(tag, events)
      File.open(File.join(@folder, "batches"), "a") { |file| file.puts(events.size) }
      seconds = File.join(@folder, "seconds-per-event")
      sleep(events.size * File.read(seconds).to_f) if File.exist?(seconds)
      events
    end
  end
end
"""


@unittest.skipUnless(rigs.has_real_fluentd(), "there is no `fluentd` on the PATH")
class RealFluentd(AdaptiveCase):
    def before_start(self):
        folder = self.slow = self.rig.folder / "slow"
        folder.mkdir()
        (folder / "filter_slow.rb").write_text(SLOW_FILTER)
        (folder / "batches").touch()
        self.rig.sink.options = (*self.rig.sink.options, "-p", folder)
        self.rig.sink.filters = f'<filter events.log>\n  @type slow\n  folder "{folder}"\n</filter>'

    def become_quick(self):
        (self.slow / "seconds-per-event").unlink(missing_ok=True)

    def become_slow(self):
        (self.slow / "seconds-per-event.new").write_text(str(SLOW_SECONDS_PER_EVENT))
        (self.slow / "seconds-per-event.new").rename(self.slow / "seconds-per-event")

    def stop_sink(self):
        self.rig.sink.process.stop()

    def batches(self):
        return [int(line) for line in (self.slow / "batches").read_text().split("\n")[:-1]]

    def largest_of_next(self, count):
        before = len(self.batches())
        self.wait_until_busily(lambda: len(self.batches()) >= before + count, "Fluentd takes batches")
        return max(self.batches()[before:])

    def be_at_full_batches(self):
        self.assertEqual(BATCH, self.largest_of_next(CONNECTIONS))

    def test_a_slow_fluentd_gets_less_at_once_and_a_quick_one_more_again(self):
        for adaptive in (False, True):
            with self.subTest(adaptive=adaptive):
                self.begin(adaptive, real_fluentd=True)
                self.rig.start_shipper()
                self.be_at_full_batches()
                self.become_slow()
                if adaptive:
                    self.wait_until_busily(lambda: self.largest_of_next(6) <= SLOW_BATCH_MAX, "the batches are small")
                    self.wait_until_busily(lambda: self.next_status_line()[0] <= SLOW_REQUESTS_MAX,
                                           "there are few requests at once")
                    self.assertLessEqual(self.largest_of_next(6), SLOW_BATCH_MAX)
                else:
                    self.assertEqual((CONNECTIONS, BATCH), self.next_status_line())
                    self.assertEqual(BATCH, self.largest_of_next(2 * CONNECTIONS))
                self.become_quick()
                if adaptive:
                    self.wait_until_busily(self.has_grown, "batches and requests at once have grown again")
                self.end()

    def has_grown(self):
        """Once there was more to send for a moment; what it has found out holds while nothing is sent."""
        self.rig.wait_until_drained(LONG_SECONDS)
        requests, events = self.next_status_line()
        return requests >= REQUESTS_AT_START and events == BATCH


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
