#!/usr/bin/env python3
"""`sluice-fetcher check`, `sluice-shipper check` and `queuectl doctor`: a good site, then one fault after the other.

check_test.py BIN_FOLDER
"""

import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from fronts import Front  # noqa: E402
from processes import free_port, stats, wait_until  # noqa: E402

BIN = None
SECRET = "hunter2-of-both"
NOBODY = 65534
# Whether something keeps the clock in step depends on the machine.
NOT_OURS = {"clock", "fetcher/clock"}


def run(command, **environment):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **environment})


class CheckCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rig = rigs.Rig(BIN, rigs.temporary_folder("check"), events=20)
        cls.addClassCleanup(cls.rig.remove)
        cls.addClassCleanup(cls.rig.__exit__, None, None, None)
        cls.rig.start_stand_ins()
        cls.good = cls.rig.config_path.read_text().replace("storage =", "# storage =")
        cls.rig.config_path.write_text(cls.good)

    def setUp(self):
        self.addCleanup(self.rig.config_path.write_text, self.good)

    def check(self, program, *options):
        """Its exit status, and its findings."""
        done = run([self.rig.bin / program, "check", "--config", self.rig.config_path, "--output", "json", *options])
        self.assertEqual("", done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((1, program, done.returncode), (report["schema"], report["program"], report["status"]))
        return done.returncode, report["findings"]

    def settle(self, **changes):
        """The good configuration, with other values in it."""
        self.rig.write_config(**changes)
        text = self.rig.config_path.read_text().replace("storage =", "# storage =")
        self.rig.config_path.write_text(text)

    def expect(self, program, status, level, check, words, *options):
        code, findings = self.check(program, *options)
        with self.subTest(words):
            self.assertEqual(status, code, findings)
            hits = [one for one in findings
                    if one["level"] == level and one["check"] == check and words in one["text"] + str(one["do"])]
            self.assertTrue(hits, findings)

    def only_good(self, findings):
        bad = [one for one in findings if one["level"] in ("warn", "fail") and one["check"] not in NOT_OURS]
        self.assertEqual([], bad)


class Daemons(CheckCase):
    def test_a_good_site_is_all_ok_before_and_after_the_first_start_and_nothing_is_disturbed(self):
        for program in ("sluice-fetcher", "sluice-shipper"):
            code, findings = self.check(program)
            self.assertEqual(0, code, findings)
            self.only_good(findings)
        self.assertEqual([], list(self.rig.state.iterdir()), "a check writes nothing")
        self.expect("sluice-fetcher", 0, "skipped", "fluentd", "sluice-shipper check")
        self.expect("sluice-shipper", 0, "skipped", "teleport", "sluice-fetcher check")
        self.rig.start_daemons()
        self.rig.wait_until_drained()
        before = self.state()
        delivered = stats(self.rig.sink.control_path)["events"]
        for program in ("sluice-fetcher", "sluice-shipper"):
            code, findings = self.check(program)
            self.assertEqual(0, code, findings)
            self.only_good(findings)
        self.assertEqual(before, self.state())
        self.assertEqual(delivered, stats(self.rig.sink.control_path)["events"], "a check sends no event")
        self.assertTrue(self.rig.fetcher.running() and self.rig.shipper.running())
        for daemon in (self.rig.fetcher, self.rig.shipper):
            daemon.stop()

    def state(self):
        """What a second owner would have changed."""
        return {path.relative_to(self.rig.state): path.stat().st_ino
                for path in self.rig.state.rglob("*") if path.name in ("lock", "page", "FORMAT")}, self.rig.status()["epoch"]

    def test_faults_of_the_fetchers_side(self):
        files, program = self.rig.teleport_files, "sluice-fetcher"
        self.settle(identity=files.expired_identity)
        self.expect(program, 77, "fail", "identity", "expired at 2020-02-01")
        self.settle(identity=files.ending_identity)
        self.expect(program, 0, "warn", "identity", "has not been renewed")
        self.settle(identity=files.other_identity)
        self.expect(program, 77, "fail", "route", "the identity is of another cluster")
        self.settle(identity="not-there")
        self.expect(program, 78, "fail", "identity", "No such file")
        self.settle(addr=f"localhost:{free_port()}")
        self.expect(program, 69, "fail", "route", "Connection refused")
        self.expect(program, 0, "skipped", "route", "--offline", "--offline")
        self.settle()
        files.identity.chmod(0o644)
        self.expect(program, 0, "warn", "identity", f"chmod o= {files.identity}")
        files.identity.chmod(0o600)
        self.expect(program, 74, "fail", "disk", "nothing is fetched", "--min-free-disk", "1000TiB")
        self.expect(program, 73, "fail", "folders", "No such file", "--queue-path", self.rig.folder / "not-there")

    def test_the_old_handler_that_still_runs_is_seen(self):
        state = self.rig.folder / "storage" / f"localhost_{self.rig.teleport_port}"
        options = ("--storage", self.rig.folder / "storage")
        self.expect("sluice-fetcher", 0, "ok", "takeover", "has left nothing", *options)
        (state / "cursor_v2").mkdir(parents=True)
        file = state / "cursor_v2" / "completed-chunks"
        file.write_text("one\n")
        self.expect("sluice-fetcher", 75, "fail", "takeover", "systemctl disable --now", *options)
        for path in (file, file.parent, state):
            os.utime(path, (0, 0))
        self.expect("sluice-fetcher", 0, "ok", "takeover", "has stopped", *options)

    def test_all_mistakes_of_the_configuration_are_named_with_their_places(self):
        self.rig.config_path.write_text(self.good.replace("batch = 20", "batch = 0\nbatchh = 1\ntypes = 5")
                                        .replace("connections = 4", "connections = 4000"))
        for words in (":3:9: batch is 0", ":4:1: the key batchh is not known; did you mean batch?", ":5:9: types must be",
                      "shipper.connections is 4000"):
            self.expect("sluice-fetcher", 78, "fail", "config", words)
        self.expect("sluice-shipper", 78, "fail", "config", "did you mean batch?")
        code, said = self.rig.run("sluice-fetcher")
        self.assertEqual(78, code)
        for words in (":3:9: batch is 0", ":4:1: the key batchh", ":5:9: types must be", "shipper.connections is 4000"):
            self.assertIn(words, said)
        # What the mistakes do not concern is looked at all the same.
        self.expect("sluice-fetcher", 78, "ok", "route", "cluster sim.example.com")

    def test_faults_of_the_shippers_side(self):
        files, program = self.rig.fluentd_files, "sluice-shipper"
        self.settle(cert=files.expired_cert)
        self.expect(program, 77, "fail", "certificate", "expired at 2020-02-01")
        self.settle(ca=files.other_ca)
        self.expect(program, 69, "fail", "fluentd", "set forward.fluentd.ca to the authority that issued it")
        self.settle(cert=files.other_cert, key=files.other_key)
        self.expect(program, 77, "fail", "fluentd", "refuses our client certificate")
        self.settle(key=files.other_key)
        self.expect(program, 78, "fail", "certificate", "does not belong to the certificate")
        self.settle(key="not-there")
        self.expect(program, 78, "fail", "certificate", "No such file")
        nowhere = f"https://localhost:{free_port()}"
        self.settle(url=f"{nowhere}/a", session_url=f"{nowhere}/b")
        self.expect(program, 69, "fail", "fluentd", "is Fluentd running there?")
        self.settle()
        files.key.chmod(0o644)
        self.expect(program, 0, "warn", "certificate", f"chmod o= {files.key}")
        files.key.chmod(0o600)
        delivery = self.rig.state / "delivery"
        delivery.mkdir(exist_ok=True)
        delivery.chmod(0o755)
        self.expect(program, 0, "warn", "folders", f"chmod 0700 {delivery}")
        delivery.chmod(0o700)
        self.settle(url=f"https://localhost:{self.rig.sink.port}/a b")
        self.expect(program, 78, "fail", "config", "must have no spaces")

    def test_the_clock_is_held_against_the_proxys(self):
        web = self.rig.fluentd_files
        for ahead, level, words in ((0, "ok", "the same time"), (3600, "warn", "behind Teleport's proxy"),
                                    (-3600, "warn", "ahead of Teleport's proxy")):
            front = Front(self.rig, "proxy", web)
            port = front.start("--ahead", str(ahead))
            self.settle(addr=f"localhost:{port}")
            self.expect("sluice-fetcher", 0, level, "clock", words, "--teleport-web-ca", web.ca)
            front.kill()

    def test_secrets_are_never_printed_and_each_value_has_its_origin(self):
        token = self.rig.folder / "token"
        token.write_text(SECRET)
        self.rig.config_path.write_text(
            self.good.replace("[shipper]", f'[shipper]\nheaders = ["X-A: {SECRET}", "Authorization: Bearer file:token"]'))
        command = [self.rig.bin / "sluice-shipper", "check", "--config", self.rig.config_path, "--origins"]
        for form in ("table", "json"):
            done = run([*command, "--output", form, "--linger", "1s"], SLUICE_SHIPPER_RETRY_MAX="44s")
            self.assertEqual(0, done.returncode, done.stdout)
            self.assertNotIn(SECRET, done.stdout + done.stderr)
            self.assertNotIn("\x1b", done.stdout)
        settings = {one["key"]: (one["from"], one["place"], one["value"]) for one in json.loads(done.stdout)["settings"]}
        self.assertEqual(("flag", "--linger", "1s"), settings["shipper.linger"])
        self.assertEqual(("environment", "the environment variable SLUICE_SHIPPER_RETRY_MAX", "44s"),
                         settings["shipper.retry-max"])
        self.assertEqual(("default", None, "false"), settings["shipper.gzip"])
        source, place, value = settings["shipper.headers"]
        self.assertEqual("file", source)
        self.assertRegex(place, r"sluice\.toml:\d+:11$")
        self.assertEqual(f"[X-A: ***, Authorization: Bearer file:{token}]", value)
        bad = self.good.replace("[forward.fluentd]", f"password = {SECRET}\n[forward.fluentd]\nheaders = {SECRET}")
        self.rig.config_path.write_text(bad)
        done = run(command)
        self.assertEqual(78, done.returncode)
        self.assertNotIn(SECRET, done.stdout + done.stderr)


class Forward(unittest.TestCase):
    def test_the_shared_key_is_tried_without_an_event(self):
        rig = rigs.Rig(BIN, rigs.temporary_folder("check"), events=1, forward=True)
        self.addCleanup(rig.remove)
        self.addCleanup(rig.__exit__, None, None, None)
        rig.start_stand_ins()
        command = [BIN / "sluice-shipper", "check", "--config", rig.config_path]
        done = run(command)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn("knows the shared key", done.stdout)
        (rig.folder / "shared-key").write_text("another\n")
        done = run(command)
        self.assertEqual(77, done.returncode, done.stdout)
        self.assertEqual(0, stats(rig.sink.control_path)["events"])


class Doctor(CheckCase):
    def doctor(self, *before):
        done = run([*before, self.rig.bin / "queuectl", "doctor", "--config", self.rig.config_path, "-o", "json"])
        report = json.loads(done.stdout)
        self.assertEqual(report["status"], done.returncode, done.stderr)
        return done.returncode, report["findings"]

    def find(self, findings, level, check):
        return [one["text"] + str(one["do"]) for one in findings if (one["level"], one["check"]) == (level, check)]

    def test_what_is_wrong_on_a_host_is_found_and_what_to_do_is_said(self):
        code, findings = self.doctor("env")
        self.assertEqual(66, code, findings)
        self.assertTrue(self.find(findings, "fail", "queue"), "there is no queue yet")
        self.assertTrue(self.find(findings, "ok", "fetcher/route"))
        self.rig.start_daemons()
        self.rig.wait_until_drained()
        wait_until(lambda: self.rig.status()["read_up_to"], "it is known how far Teleport is read", process=self.rig.fetcher)
        code, findings = self.doctor("env")
        self.assertEqual(0, code, findings)
        self.only_good(findings)
        self.assertNotIn("fetcher/fluentd", [one["check"] for one in findings], "the shipper's check looks at it")
        for check in ("fetcher", "shipper", "source", "audit", "dead-letters", "pages", "version", "fetcher/identity",
                      "shipper/fluentd"):
            self.assertTrue(self.find(findings, "ok", check), (check, findings))
        self.as_an_operator()
        # A program that was replaced while it ran.
        self.rig.kill_shipper()
        other = self.rig.folder / "bin"
        other.mkdir()
        shutil.copy(self.rig.bin / "sluice-fetcher", other / "sluice-fetcher")
        shutil.copy(self.rig.bin / "queuectl", other / "queuectl")
        command = [other / "queuectl", "doctor", "--config", self.rig.config_path]
        done = run(command)
        self.assertEqual(69, done.returncode, done.stdout)
        self.assertRegex(done.stdout, r"FAIL +shipper +it does not run")
        self.assertRegex(done.stdout, r"WARN +version +the fetcher \(process \d+\) runs")
        self.assertRegex(done.stdout, r"-- +shipper +sluice-shipper is not installed here")
        self.assertIn("do: systemctl status sluice-shipper", done.stdout)

    def as_an_operator(self):
        """Who may not read the identity is told so, and how to look."""
        if os.geteuid() != 0:
            return
        self.rig.folder.chmod(0o755)
        code, findings = self.doctor("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        self.assertEqual(0, code, findings)
        said = self.find(findings, "skipped", "fetcher/identity")
        self.assertTrue(said, findings)
        self.assertRegex(said[0], r"Permission denied.*sudo sluice-fetcher check")
        self.assertTrue(any("sudo queuectl" in text for text in self.find(findings, "skipped", "queue")), findings)
        wait_until(lambda: self.rig.fetcher.running(), "it still runs")


class AsTheDaemonsUser(CheckCase):
    def test_root_looks_with_the_eyes_of_the_daemons_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can look as somebody else")
        self.rig.folder.chmod(0o755)
        self.rig.config_path.chmod(0o644)
        queue = self.rig.state / "queue"
        queue.mkdir()
        os.chown(queue, NOBODY, NOBODY)
        queue.chmod(0o2750)
        self.expect("sluice-fetcher", 78, "fail", "identity", "Permission denied")
        os.chown(self.rig.teleport_files.identity, NOBODY, NOBODY)
        (self.rig.folder / "certificates").chmod(0o755)
        self.expect("sluice-fetcher", 0, "ok", "identity", "readable by nobody")
        self.expect("sluice-fetcher", 0, "ok", "route", "cluster sim.example.com")
        queue.chmod(0o550)
        self.expect("sluice-fetcher", 73, "fail", "folders", "cannot be written by nobody")


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
