#!/usr/bin/env python3
"""The shipper's side of TLS: encrypted keys, credentials of systemd, certificates that end, and a renewal of all of them while events
flow, of which nothing is lost and nobody has to restart anything.

tls_test.py BIN_FOLDER
"""

import os
import shutil
import subprocess
import sys
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import certificates  # noqa: E402
import rig as rigs  # noqa: E402
from processes import wait_until  # noqa: E402

BIN = None
PASSPHRASE = "correct horse battery staple"


def encrypt(key, path, form):
    """The key as Teleport's `configure` writes it (pkcs1), or as openssl does today (pkcs8)."""
    command = {"pkcs1": ["openssl", "rsa", "-in", key, "-aes256", "-traditional"],
               "pkcs8": ["openssl", "pkcs8", "-topk8", "-in", key, "-v2", "aes-256-cbc"]}[form]
    subprocess.run([*command, "-passout", f"pass:{PASSPHRASE}", "-out", path], check=True,
                   capture_output=True)
    mark = {"pkcs1": "DEK-Info: AES-256-CBC", "pkcs8": "BEGIN ENCRYPTED PRIVATE KEY"}[form]
    assert mark in Path(path).read_text(), path


class TlsCase(unittest.TestCase):
    def begin(self, **options):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("tls"), **{
            "events": 400, "sessions": 2, "events_per_session": 60, "batch_events": 50, **options})
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()

    def fetch(self):
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event")
        self.assertEqual(0, code, said)

    def expect_all(self, **options):
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, **options)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())

    def add_setting(self, line):
        """In the table of Fluentd."""
        text = self.rig.config_path.read_text()
        self.rig.config_path.write_text(text.replace("[forward.fluentd]\n", f"[forward.fluentd]\n{line}\n"))


class Keys(TlsCase):
    def test_encrypted_keys_are_opened_and_the_passphrase_is_never_said(self):
        for form in ("pkcs1", "pkcs8"):
            with self.subTest(form):
                self.begin()
                self.fetch()
                key, passphrase = self.rig.folder / "client.key", self.rig.folder / "passphrase"
                encrypt(self.rig.fluentd_files.key, key, form)
                self.rig.write_config(key=key)
                code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
                self.assertEqual(78, code, said)
                self.assertIn("forward.fluentd.key-passphrase-file", said)
                self.add_setting(f'key-passphrase-file = "{passphrase}"')
                passphrase.write_text("wrong-word\n")
                code, said = self.rig.run("sluice-shipper", "--exit-when-drained")
                self.assertEqual(78, code, said)
                self.assertIn("does not open this key", said)
                self.assertNotIn("wrong-word", said)
                passphrase.write_text(PASSPHRASE + "\n")
                code, said = self.rig.run("sluice-shipper", "--exit-when-drained", "--debug")
                self.assertEqual(0, code, said)
                self.assertNotIn(PASSPHRASE, said)
                self.expect_all(duplicates_max=0)

    def test_every_file_can_be_a_credential(self):
        self.begin()
        self.fetch()
        folder = self.rig.folder / "credentials"
        folder.mkdir()
        files = self.rig.fluentd_files
        shutil.copy(files.ca, folder / "fluentd-ca")
        shutil.copy(files.cert, folder / "fluentd-cert")
        encrypt(files.key, folder / "fluentd-key", "pkcs8")
        (folder / "fluentd-passphrase").write_text(PASSPHRASE)
        self.rig.write_config(ca="credential:fluentd-ca", cert="credential:fluentd-cert",
                              key="credential:fluentd-key")
        self.add_setting('key-passphrase-file = "credential:fluentd-passphrase"')
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained",
                                  environment={"CREDENTIALS_DIRECTORY": ""})
        self.assertEqual(78, code, said)
        self.assertIn("LoadCredential=", said)
        # The tool does not need them.
        self.rig.status()
        code, said = self.rig.run("sluice-shipper", "--exit-when-drained",
                                  environment={"CREDENTIALS_DIRECTORY": str(folder)})
        self.assertEqual(0, code, said)
        self.expect_all(duplicates_max=0)


class Renewal(TlsCase):
    def test_authority_server_and_client_are_renewed_while_events_flow_and_nothing_is_lost(self):
        self.begin(events=6000, sessions=0, rate=200, settings='', shipper_settings='retry-max = "1s"')
        live = self.rig.folder / "live"
        live.mkdir()
        passphrase = live / "passphrase"
        passphrase.write_text(PASSPHRASE)
        self.install(self.rig.fluentd_files, live)
        self.rig.write_config(ca=live / "ca", cert=live / "cert", key=live / "key")
        self.add_setting(f'key-passphrase-file = "{passphrase}"')
        self.rig.start_daemons()
        pid = self.rig.shipper.pid
        self.wait_for_events(300)
        for turn in range(3):
            fresh = certificates.make_fluentd(self.rig.folder / f"renewed-{turn}")
            # The sink first, so that every connection that we make meanwhile is refused.
            self.rig.sink.command(f"tls {fresh.ca} {fresh.server_cert} {fresh.server_key}")
            self.install(fresh, live, pause=turn == 1)
            self.wait_for_events(self.rig.sink.count_lines() + 300)
        self.rig.wait_until_drained()
        self.assertEqual(pid, self.rig.shipper.pid)
        in_flight = self.rig.events_in_flight()
        self.rig.shipper.stop()
        self.expect_all(duplicates_max=3 * in_flight)
        self.assertEqual(0, self.rig.status()["lanes"]["audit"]["dead"])

    def test_a_renewal_that_is_half_done_holds_up_no_new_connection(self):
        for forward in (False, True):
            with self.subTest(forward=forward):
                self.expect_connections_in_the_midst_of_a_renewal(forward)

    def expect_connections_in_the_midst_of_a_renewal(self, forward):
        self.begin(events=2400, sessions=0, rate=200, forward=forward,
                   shipper_settings='retry-max = "1s"')
        live = self.rig.folder / "live"
        live.mkdir()
        files = self.rig.fluentd_files
        shutil.copy(files.cert, live / "cert")
        shutil.copy(files.key, live / "key")
        self.rig.write_config(cert=live / "cert", key=live / "key")
        self.rig.start_daemons()
        self.wait_for_events(300)
        fresh = certificates._make_leaf(
            files.folder / "fresh", "/CN=Client",
            certificates.Pair(files.ca, files.folder / "ca.key"), [], "client")
        os.replace(fresh.cert, live / "cert")
        for _ in range(2):
            self.rig.sink.command("refuse on")
            self.rig.sink.command("refuse off")
            self.wait_for_events(self.rig.sink.count_lines() + 300)
        said = self.rig.shipper.log_text()
        self.assertIn("the last one goes on being used", said)
        self.assertIn("the key does not belong", said)
        os.replace(fresh.key, live / "key")
        self.rig.sink.command("refuse on")
        self.rig.sink.command("refuse off")
        self.rig.wait_until_drained()
        self.assertIn("this is over", self.rig.shipper.log_text())
        in_flight = self.rig.events_in_flight()
        self.rig.shipper.stop()
        self.expect_all(duplicates_max=3 * in_flight)

    def install(self, files, live, pause=False):
        """Puts the files in place one by one, as a program that renews does."""
        for name, source in (("ca", files.ca), ("cert", files.cert), ("key", None)):
            new = live / f"{name}.new"
            if source:
                shutil.copy(source, new)
            else:
                encrypt(files.key, new, "pkcs1")
            os.replace(new, live / name)
            if pause and name == "cert":
                # With a certificate and a key that do not belong together.
                wait_until(lambda: "the key does not belong" in self.rig.shipper.log_text(),
                           "the half renewal is seen", process=self.rig.shipper)

    def wait_for_events(self, count):
        wait_until(lambda: self.rig.sink.count_lines() >= count, f"{count} events have arrived",
                   process=self.rig.shipper)


class Ends(TlsCase):
    def test_the_end_of_a_certificate_is_warned_of_once_and_shown(self):
        for forward in (False, True):
            with self.subTest(forward=forward):
                self.expect_warning(forward)

    def expect_warning(self, forward):
        self.begin(forward=forward)
        files = self.rig.fluentd_files
        soon = datetime.now(UTC) + timedelta(days=5, hours=1)
        ending = certificates._make_leaf(
            files.folder / "ending", "/CN=Client",
            certificates.Pair(files.ca, files.folder / "ca.key"), [], "client", key=files.key,
            validity=(certificates.VALID[0], f"{soon:%Y%m%d%H%M%SZ}"))
        self.rig.write_config(cert=ending.cert)
        self.fetch()
        self.rig.start_shipper()

        def is_shown():
            now = self.rig.try_status()
            return now and now["sink"] and len(now["sink"]["certificates_end_at"]) == 3 and now
        ends = wait_until(is_shown, "the certificates are shown",
                          process=self.rig.shipper)["sink"]["certificates_end_at"]
        self.assertEqual(f"{soon:%Y-%m-%dT%H:%M:%S}", ends["client"][:19])
        self.assertEqual("2099-12-31", ends["server"][:10])
        self.assertIn("authority", ends)
        self.assertRegex(self.rig.queuectl("status"), r"certificates end: .*client in 5d")
        wait_until(lambda: "ends in 5d" in self.rig.shipper.log_text(), "the warning",
                   process=self.rig.shipper)
        self.rig.shipper.stop()
        self.assertEqual(1, self.rig.shipper.log_text().count("ends in 5d"))


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
