#!/usr/bin/env python3
"""What both daemons tell Prometheus is true, is documented, and is what the alerts look at.

metrics_test.py BIN_FOLDER
"""

import http.client
import json
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import rig as rigs  # noqa: E402
from processes import control, free_port, wait_until  # noqa: E402

BIN = None
SKIPPED_TYPE = "user.update"


class Metrics(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("metrics"), events=1500, sessions=2, events_per_session=30,
                            settings=f'skip-event-types = ["{SKIPPED_TYPE}"]\n', shipper_settings='retry-max = "1s"\n')
        self.rig.metrics = {name: f"127.0.0.1:{free_port()}" for name in ("fetcher", "shipper")}
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()

    def get(self, daemon, path):
        """Status and text; nothing while nobody listens."""
        host, port = self.rig.metrics[daemon].split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            return None, ""
        finally:
            connection.close()

    def samples(self, daemon):
        """Value by name with labels."""
        status, text = self.get(daemon, "/metrics")
        self.assertEqual(200, status)
        values = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def names(self, daemon):
        return set(re.findall(r"^# TYPE (\w+) ", self.get(daemon, "/metrics")[1], re.M))

    def is_ready(self, daemon):
        return self.get(daemon, "/readyz")[0] == 200

    def served_events(self, event_type=None, skip=0):
        """How many audit events Teleport's stand-in has served, of a type, beyond the first `skip`."""
        *lines, _ = self.rig.served.read_text(encoding="utf-8").split("\n")  # the last one may not be whole
        bodies = [record["body"] for record in map(json.loads, lines) if record["lane"] == "audit"]
        return sum(event_type in (None, body.get("event")) for body in bodies[skip:])

    def ship_everything(self):
        self.rig.start_daemons()
        for daemon, process in (("fetcher", self.rig.fetcher), ("shipper", self.rig.shipper)):
            wait_until(lambda d=daemon: self.is_ready(d), f"the {daemon} is ready", process=process)
        wait_until(self.rig.everything_is_fetched, "all is fetched", process=self.rig.fetcher)
        self.rig.wait_until_drained()
        wait_until(lambda: self.samples("shipper")['sluice_backlog_events{lane="audit"}'] == 0, "the backlog is told as 0")
        # The page is as of the last second.
        lanes = self.rig.status()["lanes"]
        wait_until(lambda: all(self.samples("fetcher")[f'sluice_queue_last_number{{lane="{name}"}}'] == lane["fetched"]
                               for name, lane in lanes.items()), "the last numbers are told")

    def test_the_numbers_are_those_of_the_queue_and_of_the_sink(self):
        self.ship_everything()
        fetcher, shipper, lanes = self.samples("fetcher"), self.samples("shipper"), self.rig.status()["lanes"]
        for name, lane in lanes.items():
            label = f'{{lane="{name}"}}'
            self.assertEqual(lane["fetched"], fetcher["sluice_queued_events_total" + label])
            self.assertEqual(lane["acknowledged"], shipper["sluice_shipped_events_total" + label])
            self.assertEqual(lane["acknowledged"], shipper["sluice_delivery_lag_seconds_count" + label])
            self.assertEqual(lane["dead"], shipper["sluice_dead_lettered_events_total" + label])
            requests = shipper["sluice_requests_total" + label]
            self.assertEqual(requests, shipper[f'sluice_answers_total{{lane="{name}",status="2xx"}}'])
            self.assertEqual(requests, shipper["sluice_send_duration_seconds_count" + label])
            self.assertGreater(shipper["sluice_delivery_commit_duration_seconds_count" + label], 0)
            self.assertEqual(0, shipper["sluice_backlog_oldest_age_seconds" + label])
        self.assertGreater(fetcher['sluice_filtered_events_total{lane="audit"}'], 0)
        self.assertGreater(fetcher["sluice_read_up_to_timestamp_seconds"], 1.7e9)
        self.assertGreater(shipper["sluice_disk_free_bytes"], 0)
        self.assertGreater(shipper['sluice_certificate_expiry_timestamp_seconds{whose="client"}'], 1.7e9)

    def test_an_outage_of_fluentd_is_seen_and_its_end_too(self):
        self.ship_everything()
        self.rig.sink.outage_begins()
        before = self.served_events()
        control(self.rig.teleport_control, "add 200")
        wait_until(lambda: self.served_events() == before + 200, "the new ones are fetched", process=self.rig.fetcher)
        kept = 200 - self.served_events(SKIPPED_TYPE, skip=before)
        self.assertTrue(0 < kept < 200, "some of the new ones are filtered")
        age = 'sluice_backlog_oldest_age_seconds{lane="audit"}'
        wait_until(lambda: self.samples("shipper")[age] > 2, "the oldest event ages", process=self.rig.shipper)
        wait_until(lambda: self.samples("shipper")['sluice_backlog_events{lane="audit"}'] >= kept, "the backlog is told")
        now = self.samples("shipper")
        self.assertEqual(kept, now['sluice_backlog_events{lane="audit"}'])
        self.assertGreater(now['sluice_failed_requests_total{lane="audit"}'], 0)
        self.assertGreater(now['sluice_answers_total{lane="audit",status="none"}'], 0)
        self.assertEqual(200, self.get("shipper", "/healthz")[0], "a dead Fluentd is no fault of this process")
        self.rig.sink.outage_ends()
        wait_until(lambda: self.samples("shipper")['sluice_backlog_events{lane="audit"}'] == 0, "it is drained", 60)

    def test_what_waits_says_why(self):
        self.rig.start_shipper()
        wait_until(lambda: self.get("shipper", "/readyz")[0] == 503, "the shipper listens", process=self.rig.shipper)
        wait_until(lambda: "queue" in self.get("shipper", "/readyz")[1], "it says that there is no queue")
        self.assertEqual(200, self.get("shipper", "/healthz")[0])
        self.rig.teleport.stop()
        self.rig.start_fetcher()
        wait_until(lambda: "Teleport" in self.get("fetcher", "/readyz")[1], "the fetcher says that it has no Teleport",
                   process=self.rig.fetcher)
        self.assertEqual(503, self.get("fetcher", "/readyz")[0])

    def test_a_port_that_is_taken_does_not_stop_the_work(self):
        self.rig.metrics["shipper"] = self.rig.metrics["fetcher"]
        self.rig.write_config()
        self.rig.start_fetcher()
        wait_until(lambda: self.is_ready("fetcher"), "the fetcher is ready", process=self.rig.fetcher)
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        self.assertIn("cannot serve metrics on", said)

    def test_the_document_and_the_alerts_name_what_is_served(self):
        self.ship_everything()
        served = self.names("fetcher") | self.names("shipper")
        document = set(re.findall(r"^\| `(sluice_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.M))
        self.assertEqual(served, document)
        alerts = (ROOT / "deploy" / "prometheus" / "sluice-alerts.yml").read_text()
        named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bsluice_\w+", alerts)}
        self.assertGreater(len(named), 5)
        self.assertEqual(set(), named - served)


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
