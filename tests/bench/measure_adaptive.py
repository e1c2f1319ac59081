#!/usr/bin/env python3
"""A shipper that adapts leaves room for others in a Fluentd that is slow, and is as fast as a fixed one once that is quick again.

Fluentd has one event loop a worker, so that whoever else sends to it waits behind our requests. Both ways of sending are tried
one after the other against the same Fluentd, and compared with each other, since all times are those of the machine.

It compares times, so it needs a machine that does nothing else, and is no test of the suite.

measure_adaptive.py BIN_FOLDER
"""

import http.client
import json
import ssl
import statistics
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import wait_until  # noqa: E402

BIN = None
EVENTS = 40_000
SECONDS_TO_LEARN = 12
SECONDS_TO_MEASURE = 25
# What a Fluentd that is slow does with each event: with batches of 500, two seconds a request.
SLOW_FILTER = """
<filter events.log>
  @type record_transformer
  enable_ruby true
  remove_keys slow
  <record>
    slow ${{File.exist?("{flag}") ? sleep(0.004) : 0}}
  </record>
</filter>
<match other>
  @type null
</match>
"""


class OtherSender(threading.Thread):
    """Sends one small event after the other over a connection of its own, and notes how long each answer takes."""

    def __init__(self, rig):
        super().__init__()
        self._files, self._port = rig.fluentd_files, rig.sink.port
        self._ends = threading.Event()
        self.seconds = []

    def run(self):
        context = ssl.create_default_context(cafile=str(self._files.ca))
        context.load_cert_chain(self._files.cert, self._files.key)
        while not self._ends.wait(0.1):
            # A connection each time: Fluentd resets those that are not used for a while.
            connection = http.client.HTTPSConnection("localhost", self._port, timeout=120, context=context)
            begin = time.monotonic()
            connection.request("POST", "/other", json.dumps({"event": "other"}),
                               {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200
            self.seconds.append(time.monotonic() - begin)
            connection.close()

    def stop(self):
        self._ends.set()
        self.join()


class Adaptive(unittest.TestCase):
    def begin(self, is_adaptive):
        folder = rigs.temporary_folder("adaptive")
        rig = rigs.Rig(BIN, folder, events=EVENTS, sessions=1, events_per_session=5, real_fluentd=True, batch_events=500,
                       shipper_settings=f'adaptive = {"true" if is_adaptive else "false"}\nrequest-timeout = "120s"\n')
        self.addCleanup(rig.remove)
        self.addCleanup(rig.__exit__, None, None, None)
        rig.slow_flag = folder / "slow"
        rig.slow_flag.touch()
        rig.sink.filters = SLOW_FILTER.format(flag=rig.slow_flag)
        rig.start_stand_ins()
        code, said = rig.run("sluice-fetcher", "--exit-on-last-event", patience_seconds=240)
        self.assertEqual(0, code, said)
        return rig

    @staticmethod
    def acknowledged(rig):
        return rig.status()["lanes"]["audit"]["acknowledged"]

    def measure(self, is_adaptive):
        """How long others wait in a slow Fluentd, in seconds, and then how many events a second a quick one is sent."""
        rig = self.begin(is_adaptive)
        rig.start_shipper()
        time.sleep(SECONDS_TO_LEARN)
        other = OtherSender(rig)
        other.start()
        time.sleep(SECONDS_TO_MEASURE)
        other.stop()
        self.assertGreater(self.acknowledged(rig), 0, "nothing is sent to a slow Fluentd")
        before = self.acknowledged(rig)
        self.assertLess(before, EVENTS // 2, "Fluentd was not slow")
        rig.slow_flag.unlink()
        begin = time.monotonic()
        wait_until(lambda: all(lane["backlog"] == 0 for lane in rig.status()["lanes"].values()),
                   "the queue is drained", 240, process=rig.shipper)
        rate = (EVENTS - before) / (time.monotonic() - begin)
        self.assertEqual(0, sum(lane["dead"] for lane in rig.status()["lanes"].values()))
        rig.shipper.stop()
        rig.sink.process.stop()
        report = rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures() + rig.ledger_failures())
        return statistics.median(other.seconds), rate

    def test_others_wait_less_long_and_what_comes_after_is_as_quick(self):
        if not rigs.has_real_fluentd():
            self.skipTest("there is no `fluentd` on the PATH")
        wait, rate = self.measure(is_adaptive=True)
        fixed_wait, fixed_rate = self.measure(is_adaptive=False)
        print(f"others wait {wait:.2f} s, fixed {fixed_wait:.2f} s; then {rate:.0f} events/s, fixed {fixed_rate:.0f}", flush=True)
        self.assertLess(1.5 * wait, fixed_wait)
        self.assertGreater(rate, fixed_rate / 3)


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
