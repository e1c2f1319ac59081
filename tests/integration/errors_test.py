#!/usr/bin/env python3
"""What goes wrong at an operator's site gives one clear sentence and a documented exit status, and harms nothing.

errors_test.py BIN_FOLDER

Each case runs a real daemon to its end, in the form that ends by itself (--exit-on-last-event, --exit-when-drained), and expects
the status of docs/exit-codes.md and the sentence. Afterwards the same queue is used without the fault, and everything arrives.
"""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import rig as rigs  # noqa: E402
from processes import free_port, wait_until  # noqa: E402

USAGE, DATA, NO_INPUT, UNAVAILABLE, CANNOT_CREATE, IO_ERROR = 64, 65, 66, 69, 73, 74
TEMPORARY, NO_PERMISSION, CONFIG = 75, 77, 78
ONE_SHOT = {"sluice-fetcher": "--exit-on-last-event", "sluice-shipper": "--exit-when-drained"}
BIN = None


def can_make_mounts():
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


class Errors(unittest.TestCase):
    def setUp(self):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("errors"), events=300, sessions=2,
                            events_per_session=20)
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()

    def run_daemon(self, program):
        return self.rig.run(program, ONE_SHOT[program])

    def expect(self, program, status, pattern):
        """One line that says it, and nothing that looks like a crash."""
        code, said = self.run_daemon(program)
        self.assertEqual(status, code, said)
        lines = [line for line in said.splitlines() if re.search(pattern, line)]
        self.assertEqual(1, len(lines), f"lines with {pattern!r} in:\n{said}")
        self.assertNotRegex(said, r"terminate called|Assertion|invariant broken|core dumped")

    def expect_all_arrives(self):
        self.rig.write_config()
        for program in ("sluice-fetcher", "sluice-shipper"):
            code, said = self.run_daemon(program)
            self.assertEqual(0, code, said)
        report = self.rig.judge(strict=("session",), duplicates_max=0,
                                skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.assertGreater(report.lanes["audit"].served, 0)

    # ---- Teleport

    def test_a_server_of_another_cluster(self):
        self.rig.write_config(identity=self.rig.teleport_files.other_identity)
        self.expect("sluice-fetcher", NO_PERMISSION,
                    r"error .*certificate of the server at localhost:\d+ is not trusted by the CA in")
        self.expect_all_arrives()

    def test_an_expired_identity(self):
        self.rig.write_config(identity=self.rig.teleport_files.expired_identity)
        self.expect("sluice-fetcher", NO_PERMISSION, r"error .*expired at 2020-02-01T00:00:00Z.*tctl")
        self.expect_all_arrives()

    def test_no_teleport_at_the_address(self):
        port = free_port()
        self.rig.write_config(addr=f"localhost:{port}")
        self.expect("sluice-fetcher", UNAVAILABLE, rf"error .*localhost:{port}.*[Cc]onnection refused")
        self.expect_all_arrives()

    def test_no_such_host(self):
        self.rig.write_config(addr="teleport.invalid:3025")
        self.expect("sluice-fetcher", UNAVAILABLE, r"error .*teleport\.invalid")
        self.expect_all_arrives()

    # ---- Fluentd

    def fill_queue(self):
        code, said = self.run_daemon("sluice-fetcher")
        self.assertEqual(0, code, said)

    def test_a_fluentd_with_a_certificate_of_another_ca(self):
        self.fill_queue()
        self.rig.write_config(ca=self.rig.fluentd_files.other_ca)
        self.expect("sluice-shipper", UNAVAILABLE, r"error .*https://localhost:\d+.*not trusted")
        self.expect_all_arrives()

    def test_a_client_certificate_that_fluentd_does_not_accept(self):
        self.fill_queue()
        files = self.rig.fluentd_files
        self.rig.write_config(cert=files.other_cert, key=files.other_key)
        self.expect("sluice-shipper", NO_PERMISSION,
                    r"error .*https://localhost:\d+.*client certificate")
        self.expect_all_arrives()

    def test_an_expired_client_certificate(self):
        self.fill_queue()
        self.rig.write_config(cert=self.rig.fluentd_files.expired_cert)
        self.expect("sluice-shipper", NO_PERMISSION, r"error .*expired at 2020-02-01T00:00:00Z")
        self.expect_all_arrives()

    def test_no_fluentd_at_the_address(self):
        self.fill_queue()
        port = free_port()
        self.rig.write_config(url=f"https://localhost:{port}/events.log",
                              session_url=f"https://localhost:{port}/session")
        self.expect("sluice-shipper", UNAVAILABLE,
                    rf"error .*https://localhost:{port}.*[Cc]onnection refused")
        self.expect_all_arrives()

    def test_daemons_wait_for_a_teleport_and_a_fluentd_that_come_later(self):
        self.rig.teleport.stop()
        self.rig.sink.command("refuse on")
        self.rig.start_daemons()
        self.wait_for_refusal(self.rig.fetcher)
        self.rig.start_teleport()
        wait_until(self.rig.everything_is_fetched, "all is fetched", process=self.rig.fetcher)
        self.wait_for_refusal(self.rig.shipper)
        self.rig.sink.command("refuse off")
        self.rig.wait_until_drained()
        for daemon in (self.rig.fetcher, self.rig.shipper):
            self.assertEqual(0, daemon.stop())
            refusals = [line for line in daemon.log_text().splitlines() if "refused" in line]
            self.assertLessEqual(len(refusals), 3, "a cause that lasts is told once, not each time")
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())

    @staticmethod
    def wait_for_refusal(daemon):
        wait_until(lambda: "refused" in daemon.log_text(), f"{daemon.name} says what is wrong",
                   process=daemon)

    # ---- The queue's folder

    def test_a_missing_folder(self):
        missing = self.rig.folder / "not" / "there"
        self.rig.write_config(queue=missing)
        for program in ONE_SHOT:
            self.expect(program, CANNOT_CREATE,
                        rf"error .*cannot make the directory {missing}/.*make {missing} first")
        self.assertFalse(missing.exists())
        self.expect_all_arrives()

    def test_a_read_only_folder(self):
        folder = self.rig.folder / "read-only"
        folder.mkdir()
        if os.geteuid() != 0:
            folder.chmod(0o555)
        elif not can_make_mounts():
            self.skipTest("as root, a read-only folder needs a mount, and none can be made here")
        self.rig.write_config(queue=folder)
        for program in ONE_SHOT:
            with self.subTest(program):
                self.rig.read_only_folder = folder if os.geteuid() == 0 else None
                self.expect(program, CANNOT_CREATE, rf"error .*{folder}.*(Read-only|Permission denied)")
        self.rig.read_only_folder = None
        self.expect_all_arrives()

    def test_a_second_fetcher_on_the_same_queue(self):
        self.rig.start_fetcher()
        wait_until(self.rig.everything_is_fetched, "all is fetched", process=self.rig.fetcher)
        self.expect("sluice-fetcher", TEMPORARY,
                    rf"error .*in use by process {self.rig.fetcher.pid}")
        self.assertTrue(self.rig.fetcher.running())
        self.rig.fetcher.stop()
        self.expect_all_arrives()

    def test_a_second_shipper_on_the_same_delivery_store(self):
        self.fill_queue()
        self.rig.start_shipper()
        wait_until((self.rig.state / "delivery/default/db/CURRENT").exists, "the store is there")
        self.expect("sluice-shipper", TEMPORARY,
                    rf"error .*in use by process {self.rig.shipper.pid}")
        self.assertTrue(self.rig.shipper.running())
        self.rig.shipper.stop()
        self.expect_all_arrives()

    def test_a_queue_of_a_newer_format(self):
        self.fill_queue()
        self.refuses_newer("queue", "sluice-queue", ("sluice-fetcher", "sluice-shipper"))
        self.expect_all_arrives()

    def test_a_delivery_store_of_a_newer_format(self):
        self.fill_queue()
        code, said = self.run_daemon("sluice-shipper")
        self.assertEqual(0, code, said)
        self.refuses_newer("delivery/default", "sluice-delivery", ("sluice-shipper",))
        self.expect_all_arrives()

    def refuses_newer(self, folder, kind, programs):
        format_file = self.rig.state / folder / "FORMAT"
        before = format_file.read_text()
        newer = int(before.split()[1]) + 1
        format_file.write_text(f"{kind} {newer}\n")
        files = self.contents(folder)
        for program in programs:
            self.expect(program, DATA, rf"error .*has format version {newer}, .*nothing was changed")
        self.assertEqual(files, self.contents(folder))
        format_file.write_text(before)

    def contents(self, folder):
        """Every file's name and bytes, but for the lock, which names the last process that asked."""
        return {path: path.read_bytes() for path in sorted((self.rig.state / folder).rglob("*"))
                if path.is_file() and path.name not in ("lock", "LOCK")}

    # ---- queuectl

    def queuectl(self, *arguments, stdout=subprocess.PIPE):
        command = [self.rig.bin / "queuectl", *arguments, "--config", self.rig.config_path]
        return subprocess.run([str(word) for word in command], stdout=stdout, text=True,
                              stderr=subprocess.PIPE, timeout=60, check=False)

    def test_queuectl_where_there_is_no_queue(self):
        for command in ("status", "report", "peek"):
            done = self.queuectl(command)
            self.assertEqual(NO_INPUT, done.returncode)
            self.assertRegex(done.stderr, r"there is no queue at .* yet: start sluice-fetcher")

    def test_queuectl_whose_output_cannot_be_written(self):
        self.fill_queue()
        with open("/dev/full", "wb") as full:
            done = self.queuectl("status", stdout=full)
        self.assertEqual(IO_ERROR, done.returncode)
        self.assertIn("cannot write standard output: No space left on device", done.stderr)

    def test_queuectl_peeks_at_nothing_as_the_backlog_when_it_cannot_know_what_that_is(self):
        self.fill_queue()
        self.assertEqual(0, self.run_daemon("sluice-shipper")[0])
        (self.rig.state / "delivery/default/FORMAT").write_text("garbage\n")
        self.assertNotEqual(0, self.queuectl("peek").returncode)
        done = self.queuectl("peek", "--from", "1", "--count", "2")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(3, len(done.stdout.splitlines()))

    # ---- The configuration

    def test_a_key_that_is_not_known(self):
        self.rig.config_path.write_text('[forward.fluentd]\nsesion-url = "https://x/"\n')
        for program in ONE_SHOT:
            self.expect(program, CONFIG, rf"error .*{self.rig.config_path}:2:1: .*sesion-url.*session-url")

    def test_a_file_that_is_not_there(self):
        self.rig.config_path.unlink()
        for program in ONE_SHOT:
            self.expect(program, CONFIG, rf"error .*{self.rig.config_path}")

    def test_a_flag_that_is_not_known(self):
        for program in ONE_SHOT:
            code, said = self.rig.run(program, "--no-such-flag")
            self.assertEqual(USAGE, code, said)


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
