#!/usr/bin/env python3
"""The whole path into a real Fluentd, with the configuration that Teleport's own handler generates for it.

real_fluentd_test.py BIN_FOLDER

Needs `fluentd` on the PATH, and is skipped elsewhere. Goal: what Fluentd puts out equals what Teleport served. The events are
those of the files that SLUICE_AUDIT_EVENTS and SLUICE_SESSION_EVENTS name, one JSON object a line, besides generated ones.

Teleport's configuration writes to the terminal, takes `time` out of the events (only its seconds remain, as the event's time),
and has a <buffer> in <source>, which Fluentd ignores with a warning. So events are compared without `time`, and the time that
Fluentd prints with the one that was sent.
"""

import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import TestFailure  # noqa: E402

SKIPPED = 77
OUTPUT_LINE = re.compile(rb"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d{9} \+0000 (\S+): (\{.*\})$")

# The values of Teleport's template; only the paths and the port are ours.
CONFIGURATION = """
<source>
    @type http
    port {port}
    bind 127.0.0.1
    <transport tls>
        client_cert_auth true
        ca_path "{ca}"
        cert_path "{cert}"
        private_key_path "{key}"
    </transport>
    <parse>
      @type json
      json_parser oj
      time_type string
      time_format %Y-%m-%dT%H:%M:%S
    </parse>
    <buffer>
      @type file
      path "{buffer}"
      flush_thread_count 8
      flush_interval 1s
      chunk_limit_size 10M
      queue_limit_length 16
      retry_max_interval 30
      retry_forever true
    </buffer>
</source>
<match events.log>
  @type stdout
</match>
<match session.*.log>
  @type stdout
</match>
"""


class TerminalFluentd(rigs.RealFluentd):
    """With Teleport's configuration, whose output is the terminal: here the process's log."""

    def _configuration(self):
        files = self._rig.fluentd_files
        return CONFIGURATION.format(port=self.port, ca=files.ca, cert=files.server_cert,
                                    key=files.server_key, buffer=self._folder / "buffer")

    def sink_files(self):
        """The events that the log holds, in the form that the oracle reads."""
        path = self._folder / "events.ndjson"
        with open(path, "wb") as out:
            for time, tag, text in self.events():
                out.write(b"%s\t%s\t%s\n" % (time, tag, text))
        return [path]

    def events(self):
        with open(self.process.log, "rb") as log:
            for line in log:
                match = OUTPUT_LINE.match(line.rstrip(b"\n"))
                if match:
                    yield match.groups()


def check_times(rig):
    """The seconds that Fluentd shows are those of the event's own time, which is in UTC."""
    sent = {}
    with open(rig.served, encoding="utf-8") as file:
        for line in file:
            body = json.loads(line)["body"]
            if body.get("uid"):
                sent[body["uid"]] = body["time"]
    compared = 0
    for time, _, text in rig.sink.events():
        expected = sent.get(json.loads(text).get("uid"))
        if expected is None:
            continue
        shown = datetime.strptime(time.decode(), "%Y-%m-%d %H:%M:%S")
        if shown != datetime.strptime(expected[:19], "%Y-%m-%dT%H:%M:%S"):
            raise TestFailure(f"Fluentd shows {shown} for an event of {expected}")
        compared += 1
    return compared


def run(bin_folder, name, **options):
    folder = rigs.temporary_folder("fluentd")
    with rigs.Rig(bin_folder, folder, **options) as rig:
        rig.sink = TerminalFluentd(rig)
        try:
            rig.start_stand_ins()
            rig.start_daemons()
            rig.wait_until_drained()
            rig.shipper.stop()
            rig.fetcher.stop()
            rig.sink.process.stop()
            report = rig.judge(ignore=("time",), strict=("session",), duplicates_max=0,
                               skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
            failures = report.failures() + rig.ledger_failures()
            if failures:
                raise TestFailure("\n".join(failures))
            compared = check_times(rig)
        except TestFailure as failure:
            print(f"{name}: FAILED, everything is in {folder}\n{failure}")
            return False
    lanes = ", ".join(f"{lane} {result.served} served and {result.delivered} delivered"
                      for lane, result in report.lanes.items())
    print(f"{name}: {lanes}, 0 lost, 0 altered, 0 duplicates, {compared} times compared", flush=True)
    rig.remove()
    return True


def main():
    if not rigs.has_real_fluentd():
        print("SKIPPED: there is no `fluentd` on the PATH, so nothing was tried against a real one")
        return SKIPPED
    bin_folder = Path(sys.argv[1])
    results = [run(bin_folder, "generated events", events=5_000, sessions=5, events_per_session=200)]
    audit = os.environ.get("SLUICE_AUDIT_EVENTS")
    session = os.environ.get("SLUICE_SESSION_EVENTS")
    if audit and session:
        results.append(run(bin_folder, "the events of the files", events_file=audit, sessions=1,
                           session_events_file=session, start_time="2010-01-01T00:00:00Z"))
    else:
        print("SKIPPED: SLUICE_AUDIT_EVENTS and SLUICE_SESSION_EVENTS name no files of real events")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
