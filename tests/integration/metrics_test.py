#!/usr/bin/env python3
"""What both daemons tell Prometheus is true, is documented, and is what alerts and dashboard look at; heartbeats arrive and disturb
nothing.

metrics_test.py BIN_FOLDER
"""

import calendar
import http.client
import json
import re
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import oracle  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, free_port, wait_until  # noqa: E402

BIN = None
SKIPPED_TYPE = "user.update"
HEARTBEAT_TAG = "sluice.heartbeat"
ALERTS = ROOT / "deploy" / "prometheus" / "sluice-alerts.yml"
ALERT_TESTS = ROOT / "tests" / "integration" / "sluice-alerts.test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "sluice-dashboard.json"
DOCUMENT = ROOT / "docs" / "metrics.md"
# Which calls of ours are which of Teleport's.
CALLS = {"ping": "Ping", "list_chunks": "GetEventExportChunks", "export_chunk": "ExportUnstructuredEvents",
         "search": "GetUnstructuredEvents", "stream_session": "StreamUnstructuredSessionEvents"}
# Served only while there is trouble, or when the queue has a history of ten minutes.
NOT_ALWAYS_SERVED = {"sluice_queue_full_in_seconds", "sluice_last_error_timestamp_seconds",
                     "sluice_dead_lettered_events_total"}


def names_in(text):
    """The metrics that expressions name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bsluice_\w+", text)}


def dashboard_expressions():
    return [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]


def end_of_certificate(path):
    """Unix time, as openssl tells it."""
    said = subprocess.run(["openssl", "x509", "-in", str(path), "-noout", "-enddate"], check=True, capture_output=True,
                          text=True).stdout
    return calendar.timegm(time.strptime(said.strip().removeprefix("notAfter="), "%b %d %H:%M:%S %Y %Z"))


class MetricsCase(unittest.TestCase):
    def begin(self, shipper_settings="", **options):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("metrics"), events=1500, sessions=2, events_per_session=30,
                            settings=f'skip-event-types = ["{SKIPPED_TYPE}"]\n', **options)
        self.rig.metrics = {name: f"127.0.0.1:{free_port()}" for name in ("fetcher", "shipper")}
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        self.rig._shipper_settings = (f'retry-min = "50ms"\nretry-max = "500ms"\n'
                                      f'monitor-url = "http://127.0.0.1:{self.rig.sink.monitor_port}"\n'
                                      f'monitor-interval = "200ms"\n{shipper_settings}')
        self.rig.write_config()

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

    def served(self):
        """The audit events that Teleport's stand-in has served, in order."""
        *lines, _ = self.rig.served.read_text(encoding="utf-8").split("\n")  # the last one may not be whole
        return [record["body"] for record in map(json.loads, lines) if record["lane"] == "audit"]

    def sink_lines(self):
        """What the sink has stored, in two lists: heartbeats, and all else."""
        lines = self.rig.sink.record.read_text(encoding="utf-8").split("\n")[:-1]
        heartbeats = [line for line in lines if json.loads(line)["tag"] == HEARTBEAT_TAG]
        return heartbeats, [line for line in lines if json.loads(line)["tag"] != HEARTBEAT_TAG]

    def start(self):
        self.rig.start_daemons()
        for daemon, process in (("fetcher", self.rig.fetcher), ("shipper", self.rig.shipper)):
            wait_until(lambda d=daemon: self.is_ready(d), f"the {daemon} is ready", process=process)

    def ship_everything(self):
        wait_until(self.rig.everything_is_fetched, "all is fetched", process=self.rig.fetcher)
        self.rig.wait_until_drained()
        self.wait_for_pages()

    def wait_for_pages(self):
        """They are as of the last second. For a drained queue."""
        def are_told():
            lanes, fetcher, shipper = self.rig.status()["lanes"], self.samples("fetcher"), self.samples("shipper")
            return all((lane["fetched"], lane["filtered"], lane["fetched"], lane["acknowledged"]) ==
                       (fetcher[f'sluice_queue_last_number{{lane="{name}"}}'],
                        fetcher[f'sluice_ledger_events{{lane="{name}",what="filtered"}}'],
                        shipper[f'sluice_position{{lane="{name}"}}'],
                        shipper[f'sluice_ledger_events{{lane="{name}",what="acknowledged"}}'])
                       for name, lane in lanes.items())
        wait_until(are_told, "both pages have the numbers of the queue")


class Metrics(MetricsCase):
    def test_all_numbers_are_those_of_both_ends_and_of_the_documents(self):
        self.begin(f'heartbeat-tag = "{HEARTBEAT_TAG}"\nheartbeat-interval = "1s"')
        self.start()
        self.ship_everything()
        self.numbers_are_those_of_the_queue()
        self.numbers_are_those_of_the_sink()
        self.calls_are_those_that_teleport_has_counted()
        self.certificates_end_when_openssl_says()
        self.names_are_those_of_document_alerts_and_dashboard()
        self.heartbeats_arrive_and_disturb_nothing()
        self.an_outage_of_the_sink_is_seen_and_its_end_too()
        self.a_dead_letter_is_counted_by_its_reason()
        self.a_restart_keeps_the_ledger_and_counts_an_epoch()

    def numbers_are_those_of_the_queue(self):
        fetcher, shipper, lanes = self.samples("fetcher"), self.samples("shipper"), self.rig.status()["lanes"]
        for name, lane in lanes.items():
            label = f'{{lane="{name}"}}'
            self.assertEqual(lane["fetched"], fetcher["sluice_queued_events_total" + label])
            self.assertEqual(lane["acknowledged"], shipper["sluice_shipped_events_total" + label])
            self.assertEqual(0, shipper["sluice_backlog_oldest_age_seconds" + label])
            self.assertEqual(0, shipper["sluice_unaccounted_events" + label])
            for samples, what, expected in ((fetcher, "queued", "fetched"), (fetcher, "filtered", "filtered"),
                                            (shipper, "acknowledged", "acknowledged"),
                                            (shipper, "dead", "dead"), (shipper, "skipped", "skipped"),
                                            (shipper, "gap", "gap")):
                self.assertEqual(lane[expected], samples[f'sluice_ledger_events{{lane="{name}",what="{what}"}}'], what)
        self.assertEqual(sum(event.get("event") == SKIPPED_TYPE for event in self.served()),
                         fetcher['sluice_filtered_events_total{lane="audit"}'])
        self.assertEqual(self.rig.status()["epoch"], fetcher["sluice_epoch"])
        self.assertEqual(fetcher["sluice_epoch"], shipper["sluice_epoch"])
        self.assertGreater(fetcher["sluice_queue_commit_duration_seconds_count"], 0)
        wait_until(lambda: abs(time.time() - self.samples("fetcher").get("sluice_read_up_to_timestamp_seconds", 0)) < 3600,
                   "it is known that all is read")
        self.assertGreater(fetcher["sluice_queue_bytes"], 0)
        self.assertLess(abs(shutil.disk_usage(self.rig.state).free - shipper["sluice_disk_free_bytes"]), 2 ** 30)

    def numbers_are_those_of_the_sink(self):
        shipper = self.samples("shipper")
        _, others = self.sink_lines()
        events = [json.loads(line) for line in others]
        by_lane = {"audit": [e for e in events if e["tag"] == "events.log"], "session": [e for e in events if e["tag"] != "events.log"]}
        for name, stored in by_lane.items():
            label = f'{{lane="{name}"}}'
            for metric in ("sluice_shipped_events_total", "sluice_delivery_lag_seconds_count",
                           "sluice_end_to_end_lag_seconds_count"):
                self.assertEqual(len(stored), shipper[metric + label], metric)
            requests = shipper["sluice_requests_total" + label]
            self.assertEqual(len({event["batch"] for event in stored}), requests)
            self.assertEqual(requests, shipper[f'sluice_answers_total{{lane="{name}",status="2xx"}}'])
            self.assertEqual(requests, shipper["sluice_send_duration_seconds_count" + label])
            self.assertGreater(shipper["sluice_delivery_commit_duration_seconds_count" + label], 0)
        bodies = sum(len(line[line.index('"event":') + len('"event":'):-1].encode()) for line in others)
        self.assertEqual(bodies, sum(shipper[f'sluice_sent_bytes_total{{lane="{name}"}}'] for name in by_lane))
        # From the events' own times on: they are of the last days.
        mean = shipper['sluice_end_to_end_lag_seconds_sum{lane="audit"}'] / len(by_lane["audit"])
        times = [calendar.timegm(time.strptime(event["event"]["time"][:19], "%Y-%m-%dT%H:%M:%S")) for event in by_lane["audit"]]
        self.assertLess(abs(time.time() - sum(times) / len(times) - mean), 900)
        self.assertGreaterEqual(shipper["sluice_sink_difference_events"], 0)

    def calls_are_those_that_teleport_has_counted(self):
        # It goes on polling, so what it has counted lies between two looks.
        before, counted, after = self.samples("fetcher"), self.rig.teleport_stats()["calls"], self.samples("fetcher")
        for ours, theirs in CALLS.items():
            sample = f'sluice_teleport_calls_total{{call="{ours}"}}'
            self.assertLessEqual(counted.get(theirs, 0), after[sample], ours)
            self.assertGreaterEqual(counted.get(theirs, 0) + 1, before[sample], ours)
        self.assertGreater(after['sluice_teleport_calls_total{call="stream_session"}'], 1)
        self.assertEqual(0, after['sluice_failed_teleport_calls_total{call="export_chunk"}'])

    def certificates_end_when_openssl_says(self):
        metric = "sluice_certificate_expiry_timestamp_seconds"
        self.assertEqual(end_of_certificate(self.rig.teleport_files.identity),
                         self.samples("fetcher")[f'{metric}{{whose="identity"}}'])
        shipper, files = self.samples("shipper"), self.rig.fluentd_files
        for whose, path in (("client", files.cert), ("server", files.server_cert), ("authority", files.ca)):
            self.assertEqual(end_of_certificate(path), shipper[f'{metric}{{whose="{whose}"}}'], whose)

    def names_are_those_of_document_alerts_and_dashboard(self):
        served = self.names("fetcher") | self.names("shipper")
        documented = set(re.findall(r"^\| `(sluice_\w+)`", DOCUMENT.read_text(), re.M))
        self.assertEqual(set(), served - documented)
        self.assertEqual(set(), documented - served - NOT_ALWAYS_SERVED)
        for used in (names_in(ALERTS.read_text()), names_in("\n".join(dashboard_expressions()))):
            self.assertGreater(len(used), 10)
            self.assertEqual(set(), used - documented)

    def heartbeats_arrive_and_disturb_nothing(self):
        wait_until(lambda: len(self.sink_lines()[0]) >= 2, "heartbeats arrive", process=self.rig.shipper)
        heartbeats, others = self.sink_lines()
        event = json.loads(heartbeats[-1])["event"]
        self.assertEqual(("sluice.heartbeat", "default", 1, ""),
                         (event["event"], event["instance"], event["interval_seconds"], event["waits_for"]))
        lanes = self.rig.status()["lanes"]
        self.assertEqual({name: lane["fetched"] for name, lane in lanes.items()},
                         {name: lane["position"] for name, lane in event["lanes"].items()})
        self.assertIn("read_up_to", event)
        self.assertGreaterEqual(self.samples("shipper")['sluice_heartbeats_total{result="accepted"}'], 2)
        self.assertEqual(sum(lane["acknowledged"] for lane in lanes.values()), len(others))
        self.assertEqual([], self.rig.ledger_failures())
        without = self.rig.folder / "without-heartbeats.ndjson"
        without.write_text("\n".join(others) + "\n")
        report = oracle.judge(self.rig.served, [without], duplicates_max=0, skip_audit_types=(SKIPPED_TYPE,),
                              skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures())
        # Fluentd's own count has them, and so has what it is compared with.
        sink = self.rig.status()["sink"]
        self.assertEqual(0, sink["own_count"]["differs_by"])

    def an_outage_of_the_sink_is_seen_and_its_end_too(self):
        self.rig.sink.outage_begins()
        before = len(self.served())
        control(self.rig.teleport_control, "add 200")
        wait_until(lambda: len(self.served()) == before + 200, "the new ones are fetched", process=self.rig.fetcher)
        kept = [event for event in self.served()[before:] if event.get("event") != SKIPPED_TYPE]
        self.assertTrue(0 < len(kept) < 200, "some of the new ones are filtered")
        backlog, age = 'sluice_backlog_events{lane="audit"}', 'sluice_backlog_oldest_age_seconds{lane="audit"}'
        wait_until(lambda: self.samples("shipper")[backlog] >= len(kept) and self.samples("shipper")[age] > 1,
                   "the backlog is told, and ages", process=self.rig.shipper)
        wait_until(lambda: self.samples("shipper")['sluice_heartbeats_total{result="failed"}'] > 0,
                   "heartbeats fail", process=self.rig.shipper)
        now = self.samples("shipper")
        self.assertEqual(len(kept), now[backlog])
        self.assertEqual(0, now['sluice_unaccounted_events{lane="audit"}'])
        size = sum(len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()) for event in kept)
        self.assertTrue(size / 2 < now['sluice_backlog_bytes{lane="audit"}'] < size * 2, f"{size} bytes wait")
        self.assertGreater(now['sluice_failed_requests_total{lane="audit"}'], 0)
        self.assertGreater(now['sluice_answers_total{lane="audit",status="none"}'], 0)
        self.assertLess(abs(time.time() - now["sluice_last_error_timestamp_seconds"]), 60)
        self.assertEqual(200, self.get("shipper", "/healthz")[0], "a dead Fluentd is no fault of this process")
        self.rig.sink.outage_ends()
        wait_until(lambda: self.samples("shipper")[backlog] == 0, "it is drained", 60)

    def a_dead_letter_is_counted_by_its_reason(self):
        before = len(self.served())
        # Whatever is behind it in the lane is accepted, so that it alone is at fault.
        control(self.rig.teleport_control, "add 100")
        self.rig.sink.command("poison \"event\":\"user.login\"")
        letters = 'sluice_dead_lettered_events_total{lane="audit",reason="http_400"}'
        wait_until(lambda: len(self.served()) == before + 100, "the new ones are fetched", process=self.rig.fetcher)
        poisoned = sum(event.get("event") == "user.login" for event in self.served()[before:])
        if poisoned == 0:
            self.fail("none of the new events is poisoned")
        wait_until(lambda: self.samples("shipper").get(letters) == poisoned, "they are dead letters", process=self.rig.shipper)
        self.rig.sink.command("poison")
        self.rig.wait_until_drained()
        wait_until(lambda: self.samples("shipper")['sluice_dead_letters{lane="audit"}'] == poisoned, "they are kept")
        shipper = self.samples("shipper")
        self.assertEqual(poisoned, shipper['sluice_ledger_events{lane="audit",what="dead"}'])
        self.assertEqual(0, shipper['sluice_unaccounted_events{lane="audit"}'])
        self.assertGreater(shipper['sluice_answers_total{lane="audit",status="4xx"}'], 0)

    def a_restart_keeps_the_ledger_and_counts_an_epoch(self):
        self.wait_for_pages()
        before = self.samples("fetcher")
        began = time.monotonic()
        self.rig.fetcher.stop()
        self.rig.fetcher.start()
        queued = 'sluice_ledger_events{lane="audit",what="queued"}'
        wait_until(lambda: self.get("fetcher", "/readyz")[0] == 200 and self.samples("fetcher")["sluice_epoch"] > 0,
                   "the fetcher is back", process=self.rig.fetcher)
        print(f"a stop and a start took {time.monotonic() - began:.1f} s", file=sys.stderr)
        after = self.samples("fetcher")
        self.assertEqual(before["sluice_epoch"] + 1, after["sluice_epoch"])
        self.assertEqual(before[queued], after[queued])
        self.assertEqual(0, after['sluice_queued_events_total{lane="audit"}'])

    def test_what_waits_says_why(self):
        self.begin()
        self.rig.start_shipper()
        wait_until(lambda: self.get("shipper", "/readyz")[0] == 503, "the shipper listens", process=self.rig.shipper)
        wait_until(lambda: "queue" in self.get("shipper", "/readyz")[1], "it says that there is no queue")
        self.assertEqual(200, self.get("shipper", "/healthz")[0])
        self.rig.teleport.stop()
        self.rig.start_fetcher()
        wait_until(lambda: "Teleport" in self.get("fetcher", "/readyz")[1], "the fetcher says that it has no Teleport",
                   process=self.rig.fetcher)
        self.assertEqual(503, self.get("fetcher", "/readyz")[0])
        self.assertGreater(self.samples("fetcher")['sluice_failed_teleport_calls_total{call="ping"}'], 0)

    def test_a_port_that_is_taken_does_not_stop_the_work(self):
        self.begin(mode="search")
        self.rig.metrics["shipper"] = self.rig.metrics["fetcher"]
        self.rig.write_config()
        self.rig.start_fetcher()
        wait_until(lambda: self.is_ready("fetcher"), "the fetcher is ready", process=self.rig.fetcher)
        wait_until(self.rig.everything_is_fetched, "all is fetched", process=self.rig.fetcher)
        # Without a bulk export it searches.
        before, counted, after = self.samples("fetcher"), self.rig.teleport_stats()["calls"], self.samples("fetcher")
        searches = 'sluice_teleport_calls_total{call="search"}'
        self.assertTrue(before[searches] - 1 <= counted["GetUnstructuredEvents"] <= after[searches], counted)
        self.assertGreater(counted["GetUnstructuredEvents"], 1)
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertEqual(0, code, said)
        self.assertIn("cannot serve metrics on", said)


class Files(unittest.TestCase):
    def promtool(self, *arguments):
        program = shutil.which("promtool")
        if program is None:
            self.skipTest("promtool is not here (Debian package prometheus): the rules are not tried")
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_each_alert_fires_when_it_should_and_only_then(self):
        alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
        self.assertEqual(set(), alerts - set(re.findall(r'alertname="(\w+)"', ALERT_TESTS.read_text())))
        self.assertEqual(set(), alerts ^ set(re.findall(r"`(Sluice\w+)`", DOCUMENT.read_text())))
        self.promtool("check", "rules", ALERTS)
        self.promtool("test", "rules", ALERT_TESTS)

    def test_the_dashboard_asks_what_prometheus_understands(self):
        folder = rigs.temporary_folder("dashboard")
        self.addCleanup(shutil.rmtree, folder)
        rules = [{"record": f"a:b{number}", "expr": expression.replace("$instance", ".*")}
                 for number, expression in enumerate(dashboard_expressions())]
        self.assertGreater(len(rules), 20)
        # JSON is YAML.
        (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.promtool("check", "rules", folder / "rules.yml")


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
