"""A real Prometheus that scrapes both daemons and knows deploy/prometheus/sluice-alerts.yml, with time that runs quicker."""

import json
import re
import urllib.request
from pathlib import Path

from processes import TestFailure, free_port, wait_until

SOURCE = Path(__file__).resolve().parent.parent.parent
ALERTS = SOURCE / "deploy/prometheus/sluice-alerts.yml"
# The names of what must not reach a proxy.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def quicker(rules, times):
    """The rules with every span of time in them divided: durations ("for: 5m", "[6h]") and limits that are seconds."""
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}

    def span(match):
        left = int(match[2]) * seconds[match[3]] / times
        return f"{match[1]}{max(1, round(left))}s"

    rules = re.sub(r"(for: |\[)(\d+)([smhd])(?=\]|\n)", span, rules)
    lines = []
    for line in rules.splitlines():
        if "_seconds" in line:
            line = re.sub(r"(?<=[<>] )(?!86400)(\d+)\b(?! \*|\.)", lambda found: f"{int(found[1]) / times:g}", line)
        line = re.sub(r"\b86400\b", lambda found: f"{86400 / times:g}", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


class Prometheus:
    def __init__(self, processes, folder, targets, times):
        folder.mkdir()
        (folder / "rules.yml").write_text(quicker(ALERTS.read_text(encoding="utf-8"), times))
        (folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "sluice", "static_configs": [{"targets": list(targets)}]}]}))
        self._address = f"127.0.0.1:{free_port()}"
        self.process = processes.start("prometheus", [
            "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self._address}"])
        wait_until(lambda: self._get("/-/ready") is not None, "Prometheus is ready", process=self.process)

    def _get(self, path):
        try:
            with DIRECT.open(f"http://{self._address}{path}", timeout=10) as answer:
                return answer.read()
        except OSError:
            return None

    def firing(self):
        """{name of the alert: its summary}."""
        answer = self._get("/api/v1/alerts")
        if answer is None:
            raise TestFailure(f"Prometheus does not answer: {self.process.log_tail()}")
        return {alert["labels"]["alertname"]: alert["annotations"]["summary"]
                for alert in json.loads(answer)["data"]["alerts"] if alert["state"] == "firing"}

    def wait_for(self, *names, patience_seconds=120):
        return wait_until(lambda: set(names) <= set(self.firing()) and self.firing(), f"alerts fire: {', '.join(names)}",
                          patience_seconds, process=self.process)

    def wait_until_quiet(self, patience_seconds=120, but=()):
        try:
            wait_until(lambda: not set(self.firing()) - set(but), "no alert fires", patience_seconds, process=self.process)
        except TestFailure as failure:
            raise TestFailure(f"{failure}: {self.firing()}") from None
