#!/usr/bin/env python3
"""What `sluice-shipper configure` makes works as it is: openssl trusts it, both daemons and Fluentd start with it, and events
arrive. It is there whole or not at all, and nothing that exists is lost.

configure_test.py BIN_FOLDER

What is tried against a real Fluentd needs `fluentd` on the PATH, and is skipped elsewhere.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import certificates  # noqa: E402
import oracle  # noqa: E402
import rig as rigs  # noqa: E402
import sites  # noqa: E402
from processes import TestFailure, free_port, wait_until  # noqa: E402

BIN = None
FILES = {"ca.crt", "ca.key", "server.crt", "server.key", "client.crt", "client.key", "fluent.conf", "role.yaml",
         "tbot.yaml", "sluice.toml", "helm-values.yaml"}
KILLED = -9
USAGE, CANNOT_CREATE, IO_ERROR = 64, 73, 74
HOWS = ("before", "half", "after")
# Before the oldest event; each day from then on is asked for.
START_TIME = f"{datetime.now(UTC) - timedelta(days=7):%Y-%m-%dT00:00:00Z}"


def configure(*arguments, environment=None, folder=None):
    """Exit status and what it said, on both outputs."""
    command = [BIN / "sluice-shipper", "configure", *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False,
                          cwd=folder, env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout + done.stderr


def passphrase_in(text):
    return re.search(r"private_key_passphrase '([0-9a-f]{64})'", text).group(1)


def files_of(out):
    """The set as the rig wants it."""
    return certificates.FluentdFiles(
        folder=out, ca=out / "ca.crt", server_cert=out / "server.crt", server_key=out / "server.key",
        cert=out / "client.crt", key=out / "client.key",
        server_passphrase=passphrase_in((out / "fluent.conf").read_text()))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class ConfigureCase(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-configure-")).resolve()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.out = self.folder / "out"

    def make(self, *arguments):
        status, said = configure(self.out, "teleport.example.com:443", *arguments)
        self.assertEqual(0, status, said)
        return said

    def openssl(self, *arguments):
        """Exit status and output."""
        done = subprocess.run(["openssl", *(str(word) for word in arguments)], capture_output=True, text=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr


class TheSet(ConfigureCase):
    def test_openssl_trusts_the_certificates_for_their_purpose_and_names(self):
        for key_type in ("ecdsa", "rsa"):
            with self.subTest(key_type):
                self.make("--force", "--key-type", key_type, "--dns-names", "fluentd.example.com,fluentd",
                          "--ip", "10.0.0.1")
                verify = ["verify", "-x509_strict", "-CAfile", self.out / "ca.crt"]
                for purpose, name, host in (("sslserver", "server", ["-verify_hostname", "fluentd.example.com"]),
                                            ("sslserver", "server", ["-verify_ip", "10.0.0.1"]),
                                            ("sslclient", "client", [])):
                    status, said = self.openssl(*verify, "-purpose", purpose, *host, self.out / f"{name}.crt")
                    self.assertEqual(0, status, said)
                for purpose, name, host in (("sslserver", "server", ["-verify_hostname", "other.example.com"]),
                                            ("sslserver", "client", []), ("sslclient", "server", [])):
                    status, said = self.openssl(*verify, "-purpose", purpose, *host, self.out / f"{name}.crt")
                    self.assertNotEqual(0, status, said)

    def test_the_servers_key_needs_the_passphrase_of_fluent_conf(self):
        self.make()
        key = self.out / "server.key"
        passphrase = files_of(self.out).server_passphrase
        public = self.openssl("x509", "-in", self.out / "server.crt", "-noout", "-pubkey")
        self.assertEqual(public, self.openssl("pkey", "-in", key, "-passin", f"pass:{passphrase}", "-pubout"))
        self.assertNotEqual(0, self.openssl("pkey", "-in", key, "-passin", "pass:x", "-noout")[0])
        self.assertNotEqual(0, self.openssl("pkey", "-in", key, "-passin", "pass:", "-noout")[0])

    def test_only_its_owner_can_read_it(self):
        self.make()
        self.assertEqual(FILES, set(contents(self.out)))
        self.assertEqual(0o700, stat.S_IMODE(self.out.stat().st_mode))
        for path in self.out.iterdir():
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode), path)

    def test_what_is_said_tells_what_was_made_and_what_is_next(self):
        said = self.make("--role-name", "export")
        for name in FILES:
            self.assertIn(f"\n  {name} ", said)
        self.assertIn(f"tctl create -f {self.out}/role.yaml", said)
        self.assertIn(f"--user=export --ttl=8760h --out={self.out}/identity", said)
        self.assertNotIn(files_of(self.out).server_passphrase, said)


class ShippingCase(ConfigureCase):
    def begin(self, *arguments):
        """Stand-ins with the set's certificates, and a rig whose daemons use the set's sluice.toml."""
        rig = self.rig = rigs.Rig(BIN, rigs.temporary_folder("configure"), events=300, sessions=2,
                                  events_per_session=30)
        self.addCleanup(rig.remove)
        self.addCleanup(rig.__exit__, None, None, None)
        rig.make_certificates()
        rig.start_teleport()
        rig.sink.port = free_port()
        status, said = configure(self.out, f"localhost:{rig.teleport_port}", "--port", rig.sink.port, *arguments)
        self.assertEqual(0, status, said)
        rig.fluentd_files = files_of(self.out)
        self.take_configuration(rig)

    def take_configuration(self, rig):
        """The file stays as it was made; only where this test's queue is, and its metrics are, comes from elsewhere."""
        shutil.copy(rig.teleport_files.identity, self.out / "identity")
        rig.config_path = self.out / "sluice.toml"
        rig.state.mkdir()
        variables = mock.patch.dict(os.environ, {"SLUICE_QUEUE_PATH": str(rig.state),
                                                 # Others on this machine may have the default ports.
                                                 "SLUICE_METRICS_FETCHER_ADDRESS": "none",
                                                 "SLUICE_METRICS_SHIPPER_ADDRESS": "none",
                                                 "FDFWD_START_TIME": START_TIME})
        variables.start()
        self.addCleanup(variables.stop)

    def run_daemon(self, name, *arguments):
        status, said = self.rig.run(name, *arguments)
        self.assertEqual(0, status, said)
        self.assertNotRegex(said, r"\bwarn|\berror")

    def expect_all(self, **options):
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, **options)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertGreater(report.lanes["audit"].delivered, 0)
        self.assertGreater(report.lanes["session"].delivered, 0)


class Shipping(ShippingCase):
    def test_both_daemons_take_the_file_as_it_is_and_events_arrive(self):
        for arguments in ([], ["--key-type", "rsa"], ["--lock-enabled"]):
            with self.subTest(arguments):
                self.begin("--force", *arguments)
                self.rig.sink.start()
                self.run_daemon("sluice-fetcher", "--exit-on-last-event")
                self.run_daemon("sluice-shipper", "--exit-when-drained")
                self.expect_all(duplicates_max=0)

    def test_certificates_of_another_set_are_not_trusted(self):
        self.begin()
        self.rig.sink.start()
        self.run_daemon("sluice-fetcher", "--exit-on-last-event")
        other = self.folder / "other"
        self.assertEqual(0, configure(other)[0])
        for name in ("client.crt", "client.key"):
            shutil.copy(other / name, self.out / name)
        status, said = self.rig.run("sluice-shipper", "--exit-when-drained")
        self.assertNotEqual(0, status)
        self.assertIn("certificate", said)


class GeneratedFluentd(rigs.RealFluentd):
    """A real Fluentd with what `configure` made for it, on a machine whose own time zone is far from UTC."""

    def __init__(self, rig, out, arguments):
        super().__init__(rig)
        self._out = out
        self._arguments = arguments
        self.config = out / "fluent.conf"

    def start(self):
        self.port = free_port()
        status, said = configure(self._out, f"localhost:{self._rig.teleport_port}", "--port", self.port,
                                 "--fluentd-data", self._folder, *self._arguments)
        if status != 0:
            raise TestFailure(said)
        # Nothing else may be changed: another test's Fluentd may have that port.
        text = self.config.read_text()
        self.config.write_text(text.replace("port 24220", f"port {free_port()}"))
        self._folder.mkdir()
        self.process = self._rig.processes.start("fluentd", ["fluentd", "--no-supervisor", "-c", self.config],
                                                 {"TZ": "America/New_York"})
        self._wait_until_ready(1)

    def outage_begins(self):
        self._outages += 1
        self.process.kill()

    def sink_files(self):
        return oracle.sink_files([self._folder / "*.log"])


@unittest.skipUnless(rigs.has_real_fluentd(), "there is no `fluentd` on the PATH, so nothing was tried against a real one")
class RealFluentd(ShippingCase):
    def begin_with_fluentd(self, *arguments):
        rig = self.rig = rigs.Rig(BIN, rigs.temporary_folder("configure"), events=20_000, sessions=4,
                                  events_per_session=100)
        self.addCleanup(rig.remove)
        self.addCleanup(rig.__exit__, None, None, None)
        rig.make_certificates()
        rig.start_teleport()
        rig.sink = GeneratedFluentd(rig, self.out, arguments)
        rig.sink.start()
        self.take_configuration(rig)
        self.run_daemon("sluice-fetcher", "--exit-on-last-event")

    def acknowledged(self):
        return sum(lane["acknowledged"] or 0 for lane in self.rig.status()["lanes"].values())

    def all_are_in_files(self):
        return self.rig.sink.count_lines() >= self.acknowledged()

    def test_a_dry_run_has_nothing_to_complain_of(self):
        for arguments in ([], ["--forward"]):
            with self.subTest(arguments):
                self.make("--force", *arguments)
                done = subprocess.run(["fluentd", "--dry-run", "-c", self.out / "fluent.conf"], capture_output=True,
                                      text=True, timeout=120, check=False)
                self.assertEqual(0, done.returncode, done.stdout + done.stderr)
                self.assertNotRegex(done.stdout + done.stderr, r"\[(warn|error)\]")

    def ship_and_expect_times(self):
        self.run_daemon("sluice-shipper", "--exit-when-drained")
        wait_until(self.all_are_in_files, "Fluentd has written its files", process=self.rig.sink.process)
        self.expect_all(duplicates_max=0)
        for path in self.rig.sink.sink_files():
            self.assertRegex(Path(path).name, r"^(events|sessions)\.\d{4}-\d\d-\d\d\.log$")
            with open(path, "rb") as lines:
                for line in lines:
                    shown, tag, text = line.rstrip(b"\n").split(b"\t", 2)
                    event_time = oracle.parse(text)["time"]
                    self.assertEqual(event_time[:19], shown.decode()[:19])
                    self.assertTrue(shown.endswith(b"Z") and event_time.endswith("Z"))
        self.assertNotRegex(self.rig.sink.process.log_text(), r"\[(warn|error)\]")

    def test_everything_arrives_with_its_time(self):
        self.begin_with_fluentd()
        self.ship_and_expect_times()

    def test_everything_arrives_with_its_time_by_the_forward_input(self):
        self.begin_with_fluentd("--forward")
        self.ship_and_expect_times()

    def test_what_it_was_killed_over_is_kept(self):
        self.begin_with_fluentd()
        self.rig.start_shipper("--max-events-per-second", "1500")
        had = 0
        for _ in range(3):
            wait_until(lambda had=had: self.acknowledged() >= had + 500, "more is acknowledged", process=self.rig.shipper)
            self.rig.sink.outage_begins()
            had = self.acknowledged()
            self.rig.sink.outage_ends()
        wait_until(lambda: all(lane["backlog"] == 0 for lane in self.rig.status()["lanes"].values()),
                   "the queue is drained", process=self.rig.shipper, patience_seconds=240)
        self.rig.shipper.stop()
        wait_until(self.all_are_in_files, "Fluentd has written its files", process=self.rig.sink.process)
        self.expect_all()


class NothingIsOverwritten(ConfigureCase):
    def test_a_folder_with_anything_in_it_is_left_as_it_is(self):
        self.make()
        before = contents(self.out)
        for extra in ((), ("--key-type", "rsa")):
            status, said = configure(self.out, *extra)
            self.assertEqual(CANNOT_CREATE, status, said)
            self.assertIn("nothing was written", said)
        for name in before.keys() - {"ca.crt"}:
            (self.out / name).unlink()
        self.assertEqual(CANNOT_CREATE, configure(self.out)[0])
        self.assertEqual({"ca.crt": before["ca.crt"]}, contents(self.out))
        self.assertEqual(["out"], os.listdir(self.folder))

    def test_with_force_what_was_there_is_moved_aside(self):
        self.make()
        (self.out / "identity").write_text("of some worth")
        before = contents(self.out)
        said = self.make("--force")
        aside = Path(re.search(r"What was there is now (\S+)\.\n", said).group(1))
        self.assertEqual(before, contents(aside))
        self.assertEqual(FILES, set(contents(self.out)))
        self.assertNotEqual(before["ca.crt"], contents(self.out)["ca.crt"])

    def test_the_folder_that_one_is_in_is_refused(self):
        self.out.mkdir()
        status, said = configure(".", folder=self.out)
        self.assertEqual(USAGE, status, said)
        self.assertEqual({}, contents(self.out))


class Arguments(ConfigureCase):
    def test_wrong_ones_are_told_in_one_sentence_and_nothing_is_made(self):
        for arguments, complaint in (([self.out, "teleport.example.com"], "ADDR is"),
                                     ([self.out, "--dns-names", "a b"], "--dns-names is"),
                                     ([self.out, "--ip", "1.2.3"], "--ip is"),
                                     ([self.out, "--length", "4096"], "--length is for RSA"),
                                     ([self.out, "--ttl", "10"], "--ttl: "),
                                     ([self.out, "--port", "70000"], "--port"),
                                     ([self.out, "--forwad"], "--forwad"),
                                     ([], "OUT")):
            with self.subTest(arguments):
                status, said = configure(*arguments)
                self.assertEqual(USAGE, status, said)
                self.assertIn(complaint, said)
                self.assertLessEqual(len(said.strip().splitlines()), 2, said)
                self.assertEqual([], os.listdir(self.folder))

    def test_each_option_is_in_the_document(self):
        status, said = configure("--help")
        self.assertEqual(0, status, said)
        document = (Path(__file__).resolve().parents[2] / "docs/configure.md").read_text()
        options = set(re.findall(r"^  (?:-h,)?(--[a-z-]+)", said, re.MULTILINE)) - {"--help"}
        self.assertGreater(len(options), 10)
        for option in options:
            self.assertRegex(document, rf"(?m)^\|.*{option}[, ]")

    def test_a_parent_that_is_not_there_is_told(self):
        status, said = configure(self.folder / "none" / "out")
        self.assertEqual(CANNOT_CREATE, status, said)
        self.assertIn(f"{self.folder}/none is no folder", said)


class Interrupted(ConfigureCase):
    """Killed, or failing, at each of its calls that change files. Not in a build with a sanitizer."""

    @classmethod
    def setUpClass(cls):
        if sites.skips_sanitized(BIN):
            raise unittest.SkipTest("a sanitizer does not bear a preloaded library")

    def switch(self, **numbers):
        return {"LD_PRELOAD": str(BIN / "kill_switch.so"), "KILL_SWITCH_FOLDERS": str(self.folder),
                "KILL_SWITCH_LOG": str(self.log), **{name: str(value) for name, value in numbers.items()}}

    def setUp(self):
        super().setUp()
        self.log = Path(tempfile.mkdtemp(prefix="sluice-configure-")) / "calls"
        self.addCleanup(shutil.rmtree, self.log.parent, ignore_errors=True)

    def clear(self):
        for path in self.folder.iterdir():
            shutil.rmtree(path)

    def count_calls(self, *arguments):
        status, said = configure(self.out, *arguments, environment=self.switch())
        self.assertEqual(0, status, said)
        calls = self.log.read_text().splitlines()
        self.assertGreater(len(calls), 2 * len(FILES))
        return len(calls), calls

    def expect_whole(self, found):
        self.assertEqual(FILES, set(found))
        for name, content in found.items():
            self.assertTrue(content.endswith(b"\n"), name)
        self.assertEqual(0, self.openssl("verify", "-CAfile", self.out / "ca.crt", self.out / "client.crt")[0])

    def test_a_kill_leaves_all_or_nothing(self):
        count, calls = self.count_calls()
        self.assertIn("rename", calls[-2])
        whole = 0
        for number in range(1, count + 1):
            for how in HOWS:
                with self.subTest(number=number, how=how):
                    self.clear()
                    status, said = configure(self.out, environment=self.switch(
                        KILL_SWITCH_AT=number, KILL_SWITCH_HOW=how))
                    self.assertEqual(KILLED, status, said)
                    if self.out.exists():
                        self.expect_whole(contents(self.out))
                        whole += 1
                    else:
                        self.assertEqual(0, configure(self.out)[0])
        self.assertGreater(whole, 0)
        self.assertLess(whole, 3 * count)

    def test_a_kill_while_replacing_leaves_the_old_set_or_the_new_one(self):
        self.make()
        old = contents(self.out)
        count, calls = self.count_calls("--force")
        self.assertTrue(any("renameat2" in call for call in calls), calls)
        seen = set()
        for number in range(1, count + 1):
            with self.subTest(number=number):
                self.clear()
                self.out.mkdir()
                for name, content in old.items():
                    (self.out / name).write_bytes(content)
                status, said = configure(self.out, "--force", environment=self.switch(
                    KILL_SWITCH_AT=number, KILL_SWITCH_HOW=HOWS[number % len(HOWS)]))
                self.assertEqual(KILLED, status, said)
                now = contents(self.out)
                self.expect_whole(now)
                seen.add(now == old)
                self.assertIn(old, [contents(path) for path in self.folder.iterdir()])
        self.assertEqual({True, False}, seen)

    def test_an_error_leaves_all_or_nothing_and_no_folder_beside_it(self):
        count, _ = self.count_calls()
        for number in range(1, count + 1):
            with self.subTest(number=number):
                self.clear()
                status, said = configure(self.out, environment=self.switch(KILL_SWITCH_ERROR_AT=number))
                self.assertEqual(IO_ERROR, status, said)
                self.assertIn(str(self.folder), said)
                self.assertIn(os.listdir(self.folder), ([], ["out"]))
                if self.out.exists():
                    self.expect_whole(contents(self.out))


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
