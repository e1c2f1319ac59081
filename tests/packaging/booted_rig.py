"""One instance of Sluice in a machine that has booted (machine.py), with the stand-ins outside of it."""

import copy
import re
from pathlib import Path

import certificates
import rig as rigs
from machine import OUTSIDE
from processes import TestFailure, control

# Few enough a second that there is time to do something meanwhile.
EVENTS_PER_SECOND = 400
SESSIONS, EVENTS_PER_SESSION = 3, 50
CONNECTIONS = 2
BATCH_EVENTS = 100


class BootedRig(rigs.Rig):
    """A rig whose daemons are units of a machine. Its configuration and secrets lie in /etc/sluice of the machine, with the
    owners and modes that the units ask for."""

    def __init__(self, bin_folder, folder, machine):
        super().__init__(bin_folder, folder, events=300, sessions=SESSIONS, events_per_session=EVENTS_PER_SESSION,
                         connections=CONNECTIONS, batch_events=BATCH_EVENTS)
        self.machine = machine
        self.instance = "default"
        self.events_per_second = EVENTS_PER_SECOND
        self.duplicates = 0  # that have been seen and were allowed

    def another(self, instance):
        """An instance beside this one, with the same stand-ins. It may send as fast as it can."""
        one = copy.copy(self)
        one.instance = instance
        one.events_per_second = 0
        one.duplicates = 0
        return one

    @property
    def units(self):
        """Those of the fetcher and of the shipper."""
        suffix = "" if self.instance == "default" else f"@{self.instance}"
        return [f"sluice-fetcher{suffix}", f"sluice-shipper{suffix}"]

    def make_certificates(self):
        self.teleport_files = certificates.make_teleport(self.folder / "certificates/teleport", OUTSIDE)
        self.fluentd_files = certificates.make_fluentd(self.folder / "certificates/fluentd", (f"DNS:{OUTSIDE}",))

    def start_stand_ins(self, files=None):
        """Without a configuration, which is to be written when it is to be there."""
        self.make_certificates()
        self.start_teleport()
        self.sink.start()

    def write_secrets(self, identity=None):
        fluentd = self.fluentd_files
        for source, name, owner, mode in (
                (identity or self.teleport_files.identity, "identity", "sluice-fetcher:sluice", 0o400),
                (fluentd.key, "client.key", "sluice-shipper:sluice", 0o400),
                (fluentd.ca, "ca.crt", "root:root", 0o644), (fluentd.cert, "client.crt", "root:root", 0o644)):
            self.machine.put(f"/etc/sluice/{name}", Path(source).read_text(encoding="ascii"), owner, mode)

    def configuration(self, batch=BATCH_EVENTS):
        prefix = "" if self.instance == "default" else f"{self.instance}."
        return f"""start-time = "{re.search('start-time = "([^"]*)"', self._settings)[1]}"
timeout = "500ms"

[teleport]
addr = "{OUTSIDE}:{self.teleport_port}"
identity = "identity"
refresh.interval = "1s"

[forward.fluentd]
ca = "ca.crt"
cert = "client.crt"
key = "client.key"
url = "https://{OUTSIDE}:{self.sink.port}/{prefix}events.log"
session-url = "https://{OUTSIDE}:{self.sink.port}/{prefix}session"

[queue]
max-size = "1GiB"
min-free-disk = "64MiB"

[shipper]
batch-events = {batch}
connections = {CONNECTIONS}
retry-max = "1s"
max-events-per-second = {self.events_per_second}
stamp = true
"""

    def write_config(self, **changes):
        self.write_text(self.configuration(**changes))

    def write_text(self, text):
        self.machine.put(f"/etc/sluice/{self.instance}.toml", text, "root:sluice", 0o640)

    def try_queuectl(self, *arguments, user=None):
        done = self.machine.run("queuectl", *arguments, "--instance", self.instance, user=user, check=False)
        return done.returncode, done.stdout

    def add(self, events):
        """New events in Teleport."""
        control(self.teleport_control, f"add {events}")

    def _audit(self):
        now = self.try_status()
        return now["lanes"]["audit"] if now else {"acknowledged": 0, "backlog": 0}

    def backlog(self):
        return self._audit()["backlog"]

    def wait_until_flowing(self):
        begin = self._audit()["acknowledged"]
        self.machine.wait_until(lambda: self._audit()["acknowledged"] >= begin + 2 * BATCH_EVENTS, "events flow")

    def wait_until_drained(self, patience_seconds=None):
        def drained():
            now = self.try_status()
            if now is None:
                return False
            events = {"audit": self.teleport_stats()["events"], "session": SESSIONS * EVENTS_PER_SESSION}
            return all(now["lanes"][lane]["backlog"] == 0 and
                       now["lanes"][lane]["fetched"] + now["lanes"][lane]["filtered"] >= number
                       for lane, number in events.items())
        try:
            self.machine.wait_until(drained, f"the queue of {self.instance} is drained")
        except TestFailure as failure:
            raise TestFailure(f"{failure}\n{self.try_queuectl('status')[1]}") from None

    def judge(self, **options):
        """Of what has come from this instance, which its tags say."""
        own = self.folder / f"accepted-{self.instance}.ndjson"
        others = re.compile(rb'"tag":"(?!events\.log|session\.)') if self.instance == "default" else \
            re.compile(rb'"tag":"(?!%s\.)' % self.instance.encode())
        with open(self.sink.record, "rb") as record, open(own, "wb") as out:
            out.writelines(line for line in record if not others.search(line[:120]))
        return rigs.oracle.judge(self.served, [own], **options)
