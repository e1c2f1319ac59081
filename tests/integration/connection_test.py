#!/usr/bin/env python3
"""The fetcher reaches Teleport's Auth service whatever stands between, and says what is wrong when it cannot.

connection_test.py BIN_FOLDER
"""

import json
import re
import shutil
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import certificates  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, wait_for_port, wait_until  # noqa: E402

BIN = None
NO_PROXY = {"HTTPS_PROXY": "", "https_proxy": "", "NO_PROXY": "", "no_proxy": ""}


class ConnectionCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = rigs.temporary_folder("certificates")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.files = certificates.make_teleport(folder / "teleport"), certificates.make_fluentd(folder / "fluentd")
        cls.web = certificates.make_fluentd(folder / "web")

    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("connection"), events=2000, sessions=2,
                            events_per_session=100)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins(self.files)
        self.front_log = self.rig.folder / "front.log"
        self.front_log.touch()

    def start_front(self, kind, *options, cluster=None):
        port_file = self.rig.folder / f"{kind}.port"
        front = self.rig.processes.start(f"front-{kind}", [
            sys.executable, rigs.SUPPORT / "teleport_front.py", "--kind", kind,
            "--auth", f"127.0.0.1:{self.rig.teleport_port}",
            "--cluster", cluster or self.rig.teleport_files.cluster,
            "--web-cert", self.web.server_cert, "--web-key", self.web.server_key,
            "--port-file", port_file, "--log", self.front_log, *options])
        return wait_for_port(port_file, front)

    def fetch(self, port, *options, status=0, web_ca=True, host="localhost", environment=None):
        """Runs the fetcher until it has everything; what it said."""
        self.rig.write_config(addr=f"{host}:{port}")
        flags = ["--teleport-web-ca", self.web.ca] if web_ca else []
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event", *flags, *options,
                                  environment={**NO_PROXY, **(environment or {})})
        self.assertEqual(status, code, said)
        return said

    def sentence(self, port, pattern, *options, **more):
        """What a fetcher that cannot connect says, and goes on saying: it waits for better times."""
        self.rig.write_config(addr=f"{more.pop('host', 'localhost')}:{port}")
        flags = ["--teleport-web-ca", self.web.ca] if more.pop("web_ca", True) else []
        fetcher = self.rig.processes.start(
            "sluice-fetcher", self.rig.command("sluice-fetcher", *flags, *options),
            {**NO_PROXY, **more.pop("environment", {})})
        wait_until(lambda: "cannot" in fetcher.log_text(), "it says what is wrong", process=fetcher)
        self.assertEqual(0, fetcher.stop())
        line = next(line for line in fetcher.log_text().splitlines() if "cannot" in line)
        self.assertRegex(line, pattern)

    def expect_everything_arrived(self):
        self.rig.run("sluice-shipper", "--exit-when-drained")
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES,
                                duplicates_max=0)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertTrue(self.rig.everything_is_fetched())

    def count_calls(self):
        return sum(self.rig.teleport_stats()["calls"].values())

    def log(self):
        return self.front_log.read_text(encoding="utf-8")


class Ways(ConnectionCase):
    def test_directly(self):
        said = self.fetch(self.rig.teleport_port)
        self.assertEqual([f"connected to Teleport directly to localhost:{self.rig.teleport_port}, "
                          f"cluster {self.rig.teleport_files.cluster}"],
                         re.findall("connected to Teleport .*", said))
        self.expect_everything_arrived()

    def test_through_a_proxy_with_tls_routing(self):
        said = self.fetch(self.start_front("proxy"))
        self.assertIn("connected to Teleport through the proxy localhost:", said)
        self.expect_everything_arrived()
        cluster = self.rig.teleport_files.cluster
        self.assertIn(f"route teleport-auth@{cluster.encode().hex()}.teleport.cluster.local", self.log())
        self.assertEqual(1, self.log().count("web /webapi/find"), "what was found out is remembered")

    def test_through_a_load_balancer_that_ends_tls(self):
        said = self.fetch(self.start_front("balancer"))
        self.assertIn("behind a load balancer", said)
        self.assertIn("upgrade alpn teleport-auth@", self.log())
        self.expect_everything_arrived()

    def test_a_load_balancer_that_is_named_by_its_address(self):
        self.assertIn("behind a load balancer", self.fetch(self.start_front("balancer"), host="127.0.0.1"))
        self.expect_everything_arrived()

    def test_a_mode_that_is_set_is_not_looked_for(self):
        self.fetch(self.start_front("proxy"), "--teleport-mode", "tls-routing")
        self.fetch(self.start_front("balancer"), "--teleport-mode", "upgrade")
        self.expect_everything_arrived()

    def test_the_identity_names_the_cluster_when_the_proxy_does_not(self):
        said = self.fetch(self.start_front("proxy"), "--teleport-mode", "tls-routing", web_ca=False)
        self.assertIn("connected to Teleport through the proxy", said)
        self.expect_everything_arrived()

    def test_by_ipv6_and_ipv4(self):
        self.fetch(self.rig.teleport_port, host="127.0.0.1")
        # Nobody listens at ::1, to which localhost leads as well.
        self.fetch(self.rig.teleport_port, host="localhost")
        self.expect_everything_arrived()

    def test_through_an_http_proxy(self):
        proxy = self.start_front("http-denies")
        # An address of this machine that is not excepted from proxies, as loopback is.
        self.fetch(self.rig.teleport_port, host="auth.example.com",
                   environment={"HTTPS_PROXY": f"http://anna:p%40ss@127.0.0.1:{proxy}"})
        self.assertIn(f"CONNECT auth.example.com:{self.rig.teleport_port} Proxy-Authorization: Basic "
                      "YW5uYTpwQHNz", self.log())
        self.expect_everything_arrived()


class Limits(ConnectionCase):
    def test_no_more_calls_begin_in_a_second_than_configured(self):
        self.fetch(self.rig.teleport_port, "--timeout", "100ms")
        begin, calls = time.monotonic(), self.count_calls()
        self.fetch(self.rig.teleport_port, "--timeout", "100ms", "--teleport-max-requests-per-second", "4")
        made = self.count_calls() - calls
        self.assertGreater(made, 4)
        self.assertLessEqual(made, 4 * (time.monotonic() - begin) + 1)
        self.expect_everything_arrived()


class Locks(ConnectionCase):
    """Users who fail to log in too often, asked of a Teleport that refuses it at first."""

    def test_users_are_locked_for_what_happens_now_and_not_for_what_is_long_over(self):
        control(self.rig.teleport_control, "deny lock on")
        self.rig.start_fetcher("--lock-enabled", "--lock-failed-attempts-count", "1", "--lock-period", "1h",
                               "--lock-for", "2h")
        wait_until(self.rig.everything_is_fetched, "what is old is fetched", process=self.rig.fetcher)
        self.assertNotIn("cannot lock", self.rig.fetcher.log_text())
        control(self.rig.teleport_control, "add 4000")
        wait_until(lambda: re.search(r"cannot lock user .*permission denied .*add the rule \{resources: "
                                     r"\[lock\], verbs: \[create, update\]\}", self.rig.fetcher.log_text()),
                   "a refusal is told", process=self.rig.fetcher)
        control(self.rig.teleport_control, "deny lock off")
        wait_until(lambda: self.rig.teleport_stats()["locks"], "a user is locked", process=self.rig.fetcher)
        self.assertEqual(0, self.rig.fetcher.stop())
        for lock in self.rig.teleport_stats()["locks"]:
            self.assertTrue(lock["name"].startswith(f"event-handler-auto-lock-{lock['user']}"), lock)
            self.assertAlmostEqual(time.time() + 7200, lock["expires"], delta=600)
            self.assertGreaterEqual(self.failures_of(lock["user"]), 2)

    def failures_of(self, user):
        with open(self.rig.served, encoding="utf-8") as lines:
            events = [json.loads(line)["body"] for line in lines]
        return sum(1 for event in events if event.get("user") == user and
                   event.get("event") == "user.login" and event.get("success") is False)


class Sentences(ConnectionCase):
    def test_a_proxy_without_tls_routing(self):
        self.sentence(self.start_front("ssh-only"),
                      "has no TLS routing, only SSH tunnels.*proxy_listener_mode: multiplex.*port 3025")

    def test_a_proxy_of_another_cluster(self):
        port = self.start_front("proxy", cluster="other.example.com")
        self.sentence(port, r"does not route to the Auth service of cluster sim\.example\.com.*"
                      "no application protocol", "--teleport-mode", "tls-routing", web_ca=False)

    def test_a_private_web_certificate_needs_its_ca(self):
        self.sentence(self.start_front("balancer"), r"name its CA with \[teleport\] web-ca",
                      "--teleport-mode", "upgrade", web_ca=False)

    def test_an_http_proxy_that_wants_a_user(self):
        proxy = self.start_front("http-denies")
        self.sentence(3025, r"the HTTP proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\) does not pass us on to "
                      r"auth\.example\.com:3025: it answered 407.*give it a user",
                      host="auth.example.com", environment={"HTTPS_PROXY": f"http://127.0.0.1:{proxy}"})

    def test_an_http_proxy_that_is_not_there(self):
        self.sentence(3025, r"cannot connect to the HTTP proxy 127\.0\.0\.1:1 \(HTTPS_PROXY\): "
                      "Connection refused", host="auth.example.com",
                      environment={"HTTPS_PROXY": "http://127.0.0.1:1"})

    def test_a_missing_right(self):
        for resource, rule in (("event", r"\{resources: \[event\], verbs: \[list\]\}"),
                               ("session", r"\{resources: \[session\], verbs: \[read\]\}")):
            control(self.rig.teleport_control, f"deny {resource} on")
            said = self.fetch(self.rig.teleport_port, status=77)
            self.assertRegex(said, f"permission denied .*; add the rule {rule} to a role of the identity's user")
            control(self.rig.teleport_control, f"deny {resource} off")
        self.fetch(self.rig.teleport_port)
        self.expect_everything_arrived()

    def test_a_mode_that_there_is_not(self):
        said = self.fetch(1, "--teleport-mode", "tunnel", status=64)
        self.assertIn("must be auto, direct, tls-routing or upgrade", said)


class Renewal(ConnectionCase):
    def setUp(self):
        super().setUp()
        self.identity = self.rig.folder / "identity"
        self.rig.write_config(identity=self.identity)
        self.rig.config_path.write_text(self.rig.config_path.read_text() +
                                        '\n[teleport.refresh]\ninterval = "1h"\n')

    def write_identity(self, source, part=1.0):
        text = source.read_bytes()
        self.identity.write_bytes(text[:int(len(text) * part)])
        self.identity.chmod(0o600)

    def wait_for_line(self, pattern):
        wait_until(lambda: re.search(pattern, self.rig.fetcher.log_text()), pattern,
                   process=self.rig.fetcher)

    def test_a_renewed_identity_is_taken_up_and_a_half_written_one_does_no_harm(self):
        files = self.rig.teleport_files
        self.write_identity(files.identity)
        self.rig.start_fetcher()
        self.wait_for_line("connected to Teleport")
        calls = self.count_calls()
        self.write_identity(files.renewed_identity, part=0.6)
        self.wait_for_line("cannot renew the Teleport identity, the old one stays in use")
        wait_until(lambda: self.count_calls() > calls + 3, "it goes on", process=self.rig.fetcher)
        self.write_identity(files.renewed_identity)
        self.wait_for_line("the Teleport identity .* was renewed and is valid until 2099")
        # One that Teleport refuses does not end the connection that stands.
        self.write_identity(files.other_identity)
        self.wait_for_line("is not trusted by the CA|does not accept the identity")
        self.assertEqual(0, self.rig.fetcher.stop())
        self.write_identity(files.renewed_identity)
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event", environment=NO_PROXY)
        self.assertEqual(0, code, said)
        self.expect_everything_arrived()

    def test_an_identity_that_ends_soon_and_that_everybody_can_read_is_warned_of(self):
        self.write_identity(self.rig.teleport_files.ending_identity)
        self.identity.chmod(0o644)
        code, said = self.rig.run("sluice-fetcher", "--exit-on-last-event", environment=NO_PROXY)
        self.assertEqual(0, code, said)
        self.assertRegex(said, r"expires at 20\d\d.*, in 5\dm.*has not been renewed yet: check tbot")
        self.assertRegex(said, "open to every user of this machine: run \"chmod o= ")


class Losses(ConnectionCase):
    """Connections that end in the middle of anything: no event is lost, none comes twice."""

    def test_connections_cut_after_any_number_of_bytes(self):
        # In the handshake, in the first answers, in the middle of events.
        for kind, bytes_passed in (("proxy", 1), ("balancer", 900), ("proxy", 1_500), ("proxy", 5_000),
                                   ("balancer", 40_000), ("proxy", 200_000)):
            port = self.start_front(kind, "--cut-after", bytes_passed)
            self.rig.write_config(addr=f"localhost:{port}")
            fetcher = self.rig.processes.start("sluice-fetcher", self.rig.command(
                "sluice-fetcher", "--teleport-web-ca", self.web.ca), NO_PROXY)
            wait_until(lambda: "cut after" in self.log(), "a connection was cut", process=fetcher)
            wait_until(lambda f=fetcher: "cannot" in f.log_text(), "it was noticed", process=fetcher)
            self.assertEqual(0, fetcher.stop())
            self.front_log.write_text("", encoding="utf-8")
        self.fetch(self.rig.teleport_port)
        self.expect_everything_arrived()


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
