"""The whole path on one machine: stand-ins for Teleport and Fluentd, both daemons, queuectl.

    with Rig(bin_folder, work_folder, events=1000) as rig:
        rig.start_stand_ins()
        rig.start_daemons()
        rig.wait_until_delivered()
        report = rig.judge()

Everything is on the loopback interface and below the work folder, and ends with the context.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certificates
import oracle
from processes import Processes, TestFailure, control, stats, wait_for_port, wait_until

SUPPORT = Path(__file__).resolve().parent
BATCH_EVENTS = 500
CONNECTIONS = 4
LANES = 2
# Events of recordings that are not exported where nothing is configured.
UNCONFIGURED_SKIPPED_TYPES = ("print", "desktop.recording")
# Of the forward protocol.
SHARED_KEY = "s3cret of both"
USER, PASSWORD = "sluice", "s3cret of ours"
PROBE = b'"event":"sluice.probe"'
START_PATIENCE_SECONDS = 240  # many events take long to be planned


class FluentdSim:
    """The stand-in, which can fail on command. There can be several, with other names."""

    scheme = "https"
    name, program = "fluentd-sim", "fluentd_sim.py"
    more_options = ()

    def __init__(self, rig, name="fluentd"):
        self._rig = rig
        self._name = name
        self.options = []  # more of its own, to be set before the start
        self.record = rig.folder / ("accepted.ndjson" if name == "fluentd" else f"accepted-{name}.ndjson")
        self._port_file = rig.folder / f"{name}.port"
        self.control_path = rig.folder / f"{name}.control"
        self._monitor_port_file = rig.folder / f"{name}-monitor.port"
        self.monitor_port = None
        self.port = None
        self.process = None
        self._outages = 0

    def start(self):
        """Starts it; again on the same port, if it was killed."""
        files = self._rig.fluentd_files
        passphrase = ["--passphrase", files.server_passphrase] if files.server_passphrase else []
        self._port_file.unlink(missing_ok=True)
        name = self.name if self._name == "fluentd" else f"{self._name}-sim"
        self.process = self._rig.processes.start(name, [
            sys.executable, SUPPORT / self.program, "--listen", f"127.0.0.1:{self.port or 0}",
            "--ca", files.ca,
            "--cert", files.server_cert, "--key", files.server_key, *passphrase, "--record", self.record,
            "--port-file", self._port_file, "--control", self.control_path,
            "--monitor-port", self.monitor_port or 0, "--monitor-port-file", self._monitor_port_file,
            *self.more_options, *self.options])
        self.port = wait_for_port(self._port_file, self.process)
        self.monitor_port = int(self._monitor_port_file.read_text(encoding="ascii"))

    def command(self, line):
        return control(self.control_path, line)

    def outage_begins(self):
        self._outages += 1
        self.command("refuse on")

    def outage_ends(self):
        self.command("refuse off")

    def sink_files(self):
        return [self.record]

    def count_lines(self):
        return stats(self.control_path)["events"]

    def unanswered_bound(self, events_in_flight):
        """How many events it may hold without having said so. The requests that an outage cut off while they
        were being answered are beyond what it can count, so each outage adds what was in flight."""
        return stats(self.control_path)["unanswered_events"] + self._outages * events_in_flight


class ForwardSim(FluentdSim):
    """The stand-in for the forward input, with a shared key and one user."""

    scheme = "forward+tls"
    name, program = "forward-sim", "forward_sim.py"
    more_options = ("--shared-key", SHARED_KEY, "--user", f"{USER}:{PASSWORD}")


class RealFluentd:
    """A Fluentd from the PATH, with the configuration that Teleport's own handler generates, but for its output:
    files instead of the terminal, so that what arrived can be read back."""

    scheme = "https"
    time_format = "%Y-%m-%dT%H:%M:%S%:z"
    options = ("--no-supervisor",)
    buffer_type = "file"
    flush_interval = "1s"
    more_of_buffer = ""
    filters = ""  # what stands between <source> and <match>

    def __init__(self, rig, keep_time=True):
        self._rig = rig
        self._folder = rig.folder / "fluentd"
        self._keep_time = keep_time
        self.port = None
        self.monitor_port = None
        self.process = None
        self._outages = 0

    def start(self):
        from processes import free_port
        self.port, self.monitor_port = free_port(), free_port()
        self._folder.mkdir(exist_ok=True)
        (self._folder / "fluent.conf").write_text(self._configuration())
        self.process = self._rig.processes.start(
            "fluentd", ["fluentd", *self.options, "-c", self._folder / "fluent.conf"],
            {"TZ": "UTC", "SERVERENGINE_SOCKETMANAGER_SOCK_DIR": str(self._folder)})
        self._wait_until_ready(1)

    def _worker_starts(self):
        return self.process.log_text().count("fluentd worker is now running")

    def _wait_until_ready(self, starts):
        wait_until(lambda: self._worker_starts() >= starts, "Fluentd is running", process=self.process)

    def _configuration(self):
        match = "\n".join(self._match(pattern, name) for pattern, name in
                          (("events.log", "events"), ("session.*.log", "session")))
        return f"""{self._source()}
<source>
  @type monitor_agent
  bind 127.0.0.1
  port {self.monitor_port}
</source>
{self.filters}
{match}
"""

    def _source(self):
        keep_time = "keep_time_key true" if self._keep_time else ""
        return f"""
<source>
  @type http
  bind 127.0.0.1
  port {self.port}
  {self._transport()}
  <parse>
    @type json
    json_parser oj
    time_type string
    time_format %Y-%m-%dT%H:%M:%S
    {keep_time}
  </parse>
</source>"""

    def _transport(self):
        files = self._rig.fluentd_files
        return f"""<transport tls>
    client_cert_auth true
    ca_path "{files.ca}"
    cert_path "{files.server_cert}"
    private_key_path "{files.server_key}"
  </transport>"""

    def _match(self, pattern, name):
        path = f'path "{self._folder}/buffer/{name}"' if self.buffer_type == "file" else ""
        return f"""
<match {pattern}>
  @type file
  path "{self._folder}/out/{name}"
  append true
  <format>
    @type out_file
    delimiter "\\t"
    time_format {self.time_format}
  </format>
  <buffer []>
    @type {self.buffer_type}
    {path}
    flush_at_shutdown true
    flush_mode interval
    flush_interval {self.flush_interval}
    {self.more_of_buffer}
  </buffer>
</match>"""

    def outage_begins(self):
        self._outages += 1
        self.process.stop()

    def crash(self):
        """An outage that begins without a farewell."""
        self._outages += 1
        self.process.kill()

    def outage_ends(self):
        self.process.start()
        self._wait_until_ready(self._outages + 1)

    def sink_files(self):
        return oracle.sink_files([self._folder / "out" / "*.log"])

    def count_lines(self):
        total = 0
        for path in self.sink_files():
            with open(path, "rb") as file:
                total += sum(block.count(b"\n") for block in iter(lambda f=file: f.read(1 << 20), b""))
        return total

    def unanswered_bound(self, events_in_flight):
        return self._outages * events_in_flight


class RealForwardFluentd(RealFluentd):
    """The same with the forward input, and a <security>."""

    scheme = "forward+tls"
    time_format = "%Y-%m-%dT%H:%M:%S.%LZ"

    def _source(self):
        return f"""
<source>
  @type forward
  bind 127.0.0.1
  port {self.port}
  {self._transport()}
  <security>
    self_hostname fluentd.test
    shared_key "{SHARED_KEY}"
    user_auth true
    <user>
      username {USER}
      password "{PASSWORD}"
    </user>
  </security>
</source>"""


class Rig:
    """See the head of this file. `settings` is TOML that is put before the tables of the configuration file."""

    def __init__(self, bin_folder, folder, *, events=1000, sessions=0, events_per_session=0,
                 mode="bulk", seed=1, chunk_events=1000, days=3, settings="", shipper_settings="",
                 connections=CONNECTIONS, batch_events=BATCH_EVENTS, poll="1s",
                 start_time=None, events_file=None, session_events_file=None,
                 real_fluentd=False, forward=False, rate=0, queue_settings=""):
        self.bin = Path(bin_folder)
        self.folder = Path(folder)
        self.state = self.folder / "state"
        self.config_path = self.folder / "sluice.toml"
        self.served = self.folder / "served.ndjson"
        self.teleport_control = self.folder / "teleport.control"
        self.processes = Processes(self.folder)
        self.teleport_files = None
        self.fluentd_files = None
        self.teleport = None
        self.teleport_port = None
        if forward:
            self.sink = RealForwardFluentd(self) if real_fluentd else ForwardSim(self)
        else:
            self.sink = RealFluentd(self) if real_fluentd else FluentdSim(self)
        self._forward = forward
        self.fetcher = None
        self.shipper = None
        self.shipper_kills = 0
        self.read_only_folder = None  # run() makes this folder read-only for the program
        self._twins = []
        base = datetime.now(UTC)
        start_time = start_time or f"{base - timedelta(days=days + 1):%Y-%m-%dT00:00:00Z}"
        self._settings = f'start-time = "{start_time}"\n{settings}'
        self.connections = connections
        self.batch_events = batch_events
        self._poll = poll
        self.queue_settings = queue_settings  # in the [queue] table
        self._shipper_settings = shipper_settings
        self.metrics = {}  # IP:PORT by "fetcher" and "shipper"
        self._sim_options = ["--events", events, "--sessions", sessions, "--events-per-session",
                             events_per_session, "--mode", mode, "--seed", seed, "--days", days,
                             "--chunk-events", chunk_events,
                             # The same events again when it is started again.
                             "--now", f"{base:%Y-%m-%dT%H:%M:%SZ}"]
        if rate:
            self._sim_options += ["--rate", rate]
        for option, path in (("--events-file", events_file),
                             ("--session-events-file", session_events_file)):
            if path:
                self._sim_options += [option, path]

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        for twin in self._twins:
            twin.processes.__exit__(*arguments)
        self.processes.__exit__(*arguments)

    def make_certificates(self):
        self.teleport_files = certificates.make_teleport(self.folder / "certificates/teleport")
        self.fluentd_files = certificates.make_fluentd(self.folder / "certificates/fluentd")

    def start_teleport(self, mode=None):
        """Starts the stand-in; again on the same port, if it was killed, and in another mode if one is given."""
        if mode:
            self._sim_options[self._sim_options.index("--mode") + 1] = mode
        files = self.teleport_files
        port_file = self.folder / "teleport.port"
        port_file.unlink(missing_ok=True)
        listen = f"127.0.0.1:{self.teleport_port or 0}"
        self.teleport = self.processes.start("teleport-sim", [
            self.bin / "teleport-sim", "--listen", listen, "--ca", files.client_cas,
            "--cert", files.server_cert, "--key", files.server_key, "--cluster", files.cluster,
            "--record", self.served, "--port-file", port_file,
            "--control", self.teleport_control, *self._sim_options])
        self.teleport_port = wait_for_port(port_file, self.teleport, START_PATIENCE_SECONDS)

    def start_stand_ins(self, files=None):
        """`files`: certificates of a Teleport and a Fluentd; new ones if there are none."""
        if files:
            self.teleport_files, self.fluentd_files = files
        else:
            self.make_certificates()
        self.start_teleport()
        self.sink.start()
        self.write_config()

    def write_config(self, **changes):
        """The file that an operator of Teleport's handler has, and where the queue is. `changes` replaces values: ca,
        cert, key, url, session_url, addr, identity, queue."""
        teleport, fluentd = self.teleport_files, self.fluentd_files
        values = {"ca": fluentd.ca, "cert": fluentd.cert, "key": fluentd.key,
                  "url": f"{self.sink.scheme}://localhost:{self.sink.port}/events.log",
                  "session_url": f"{self.sink.scheme}://localhost:{self.sink.port}/session",
                  "addr": f"localhost:{self.teleport_port}", "identity": teleport.identity,
                  "queue": self.state, **changes}
        security = self._write_secrets() if self._forward else ""
        self.config_path.write_text(f"""storage = "{self.folder}/storage"
timeout = "{self._poll}"
batch = 20
{self._settings}
[forward.fluentd]
ca = "{values['ca']}"
cert = "{values['cert']}"
key = "{values['key']}"
url = "{values['url']}"
session-url = "{values['session_url']}"
{security}

[teleport]
addr = "{values['addr']}"
identity = "{values['identity']}"

[queue]
path = "{values['queue']}"
{self.queue_settings}

[metrics]
fetcher-address = "{self.metrics.get('fetcher', 'none')}"
shipper-address = "{self.metrics.get('shipper', 'none')}"

[shipper]
batch-events = {self.batch_events}
connections = {self.connections}
{self._shipper_settings}
""")
        self.state.mkdir(exist_ok=True)

    def _write_secrets(self):
        """The files with the secrets of the forward protocol, and the settings that name them."""
        (self.folder / "shared-key").write_text(SHARED_KEY + "\n")
        (self.folder / "password").write_text(PASSWORD + "\n")
        return (f'shared-key-file = "shared-key"\nusername = "{USER}"\n'
                'password-file = "password"')

    def twin(self, name, connections=None):
        """Another installation, with a state, a configuration and processes of its own, that shares the stand-ins,
        which have to be running. Its events have tags that begin with the name, so that the sink's record says
        whose they are."""
        one = copy.copy(self)
        one.folder = self.folder / name
        one.folder.mkdir()
        one.state = one.folder / "state"
        one.config_path = one.folder / "sluice.toml"
        one.connections = connections or self.connections
        one.fetcher = one.shipper = None
        one.processes = Processes(one.folder)
        self._twins.append(one)
        sink = f"{self.sink.scheme}://localhost:{self.sink.port}/{name}"
        one.write_config(url=f"{sink}/events.log", session_url=f"{sink}/session")
        return one

    def command(self, program, *arguments):
        return [self.bin / program, "start", "--config", self.config_path, *arguments]

    def start_fetcher(self, *arguments):
        if self.fetcher is not None and not arguments:
            self.fetcher.start()
            return
        self.fetcher = self.processes.start("sluice-fetcher",
                                            self.command("sluice-fetcher", *arguments))

    def start_shipper(self, *arguments):
        if self.shipper is not None and not arguments:
            self.shipper.start()
            return
        self.shipper = self.processes.start("sluice-shipper",
                                            self.command("sluice-shipper", *arguments))

    def start_daemons(self):
        self.start_fetcher()
        self.start_shipper()

    def kill_fetcher(self):
        self.fetcher.kill()

    def kill_shipper(self):
        self.shipper_kills += 1
        self.shipper.kill()

    def run(self, program, *arguments, patience_seconds=60, environment=None):
        """Runs a daemon in the foreground: its exit status (-9: killed) and what it said."""
        command = [str(word) for word in self.command(program, *arguments)]
        if self.read_only_folder:
            # A mount of its own, which ends with the process; root may write to any folder otherwise.
            command = ["unshare", "-m", "sh", "-c",
                       'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
                       str(self.read_only_folder), *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience_seconds,
                              check=False, env={**os.environ, **(environment or {})})
        return done.returncode, done.stdout + done.stderr

    def queuectl(self, *arguments):
        status, said = self.try_queuectl(*arguments)
        if status != 0:
            raise TestFailure(f"queuectl {' '.join(arguments)} ended with {status}: {said}")
        return said

    def try_queuectl(self, *arguments):
        """Its exit status and what it printed."""
        command = [self.bin / "queuectl", *arguments, "--config", self.config_path]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr.strip()

    def try_status(self):
        """None while there is no view of the queue to be had."""
        status, said = self.try_queuectl("status", "--output", "json")
        return json.loads(said) if status == 0 else None

    def status(self):
        return json.loads(self.queuectl("status", "--output", "json"))

    def events_in_flight(self):
        """What queuectl says a crash of the shipper can send again."""
        return self.status()["duplicates_bound"]

    def duplicates_bound(self):
        """The stated bound for what has been done to this rig so far."""
        in_flight = self.events_in_flight()
        return self.shipper_kills * in_flight + self.sink.unanswered_bound(in_flight)

    def teleport_stats(self):
        return stats(self.teleport_control)

    def everything_is_fetched(self):
        """Whether Teleport's stand-in has put every event on the wire that there is."""
        now = self.teleport_stats()
        return now["recorded"] >= now["events"]

    def wait_until_drained(self, patience_seconds=240):
        """Everything was served, and the queue says that nothing is left. Raises what stands in the way."""
        def drained():
            if not self.everything_is_fetched():
                return False
            now = self.status()
            return has_taken(now, self.teleport_stats()["events"]) and \
                all(lane["backlog"] == 0 for lane in now["lanes"].values())
        try:
            wait_until(drained, "the queue is drained", patience_seconds)
        except TestFailure as failure:
            raise TestFailure(f"{failure}\n{self.queuectl('status')}\nsluice-fetcher's log ends:\n"
                              f"{self.fetcher.log_tail(8)}\nsluice-shipper's log ends:\n"
                              f"{self.shipper.log_tail(8)}") from None

    def judge(self, **options):
        return oracle.judge(self.served, self.sink.sink_files(), **options)

    def judge_without_probes(self, **options):
        """The events of `sluice-shipper probe` are none of Teleport's. For stand-ins only."""
        rest = self.folder / "accepted-without-probes.ndjson"
        with open(self.sink.record, "rb") as record, open(rest, "wb") as out:
            out.writelines(line for line in record if PROBE not in line)
        return oracle.judge(self.served, [rest], **options)

    def ledger_failures(self):
        """What does not add up in queuectl's own numbers; an empty list is good. Only for a drained queue."""
        failures = []
        now = self.status()
        if now["unaccounted"] != 0:
            failures.append(f"unaccounted is {now['unaccounted']}")
        report = [json.loads(line) for line in
                  self.queuectl("report", "--output", "json").splitlines()]
        for lane, numbers in now["lanes"].items():
            days = [line for line in report if line["lane"] == lane]
            for ours, theirs in (("fetched", "queued"), ("acknowledged", "acknowledged"),
                                 ("dead", "dead"), ("skipped", "skipped")):
                total = sum(day[theirs] for day in days)
                if numbers[ours] != total:
                    failures.append(f"{lane}: {ours} is {numbers[ours]}, the days add up to {total}")
        for day in report:
            if day["open"] != 0:
                failures.append(f"{day['day']} {day['lane']}: {day['open']} are open")
            left = (int(day["acknowledged_ids"], 16) + int(day["set_aside_ids"], 16)) % 2 ** 256
            if left != int(day["queued_ids"], 16):
                failures.append(f"{day['day']} {day['lane']}: the digests of ids differ")
        return failures

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def has_taken(status, events):
    """Whether so many events have come to the queue. Those that are on the wire or in the fetcher's memory have not."""
    return sum(lane["fetched"] + lane["filtered"] for lane in status["lanes"].values()) >= events


def temporary_folder(name):
    """A new folder for a test, whose path is short enough for Unix sockets."""
    import tempfile
    return Path(tempfile.mkdtemp(prefix=f"sluice-{name}-"))


def has_real_fluentd():
    return shutil.which("fluentd") is not None and os.environ.get("SLUICE_FLUENTD") != "sim"
