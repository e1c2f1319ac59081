#!/usr/bin/env python3
"""The night drill: four troubles are noticed by the alerts, understood and solved with nothing but docs/operations.md.

night_drill.py BIN_FOLDER [TEST...]

Real daemons on stand-ins for Teleport and Fluentd, and a real Prometheus (Debian package prometheus) with the alerts that are
shipped. Time runs 60 times as quick: every span in the rules, and the settings that belong to them, are divided by that. What
an operator types is read from the page: the section is the one that its table names for the alert, and its blocks are run as they
stand there, with this test's folders in place of /etc/sluice and /var/lib/sluice. What systemd does is done by the test. Every
command and what it prints is shown. Needs root for the full disk and the owner of the identity; exits with 77 where it cannot
run.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import unittest
from datetime import timedelta
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import certificates  # noqa: E402
import power  # noqa: E402
import rig as rigs  # noqa: E402
from processes import control, free_port, wait_until  # noqa: E402
from prometheus import Prometheus  # noqa: E402

SKIPPED = 77
TIMES = 60  # as quick
# Ten events a second.
EVENTS_OF_AN_HOUR = 36_000
PATIENCE_SECONDS = 180
PAGE = (SOURCE / "docs/operations.md").read_text(encoding="utf-8")
BIN = None


def section_for(alert):
    """The heading of the section that the page's table names for an alert."""
    row = next(line for line in PAGE.splitlines() if line.startswith("|") and f"`{alert}`" in line)
    anchor = re.search(r"\]\(#([\w-]+)\)", row)[1]
    return next(line.lstrip("# ") for line in PAGE.splitlines()
                if line.startswith("## ") and line.lstrip("# ").lower().replace(" ", "-") == anchor)


def blocks_of(heading):
    """{name: script} of the section."""
    text = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return dict(re.findall(r"^```sh ([\w-]+)\n(.*?)^```$", text, re.M | re.S))


class Night(unittest.TestCase):
    def begin(self, folder=None, queue_settings="", identity_for=None, events=600):
        self.folder = folder or rigs.temporary_folder("drill")
        self.rig = rigs.Rig(BIN, self.folder, events=events, sessions=1, events_per_session=20, poll="200ms",
                            queue_settings=queue_settings,
                            settings='[fetcher]\nexport-delay = "5s"\n[teleport.refresh]\ninterval = "1s"\n',
                            shipper_settings='retry-min = "50ms"\nretry-max = "500ms"\n')
        self.rig.metrics = {name: f"127.0.0.1:{free_port()}" for name in ("fetcher", "shipper")}
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        if folder:
            self.rig.state = self.disk.root / "state"
        self.rig.start_stand_ins()
        self.identity = self.rig.teleport_files.identity
        if identity_for:
            certificates.issue_identity(self.rig.teleport_files, self.identity, identity_for)
        self.make_tools()
        self.rig.start_daemons()
        self.rig.wait_until_drained()
        # Events of this moment tell the fetcher what time it is at Teleport, as in any cluster that is in use.
        control(self.rig.teleport_control, "add 20")
        self.rig.wait_until_drained()
        self.prometheus = Prometheus(self.rig.processes, self.folder / "prometheus", self.rig.metrics.values(), TIMES)

    def make_tools(self):
        """What stands in for the rest of the operator's machine."""
        tools = self.folder / "tools"
        tools.mkdir()
        scripts = {
            "queuectl": f'exec "{BIN}/queuectl" "$@" --config "{self.rig.config_path}"',
            # The lines of both daemons from warnings on.
            "journalctl": f'grep -hE " (warn|error) " "{self.folder}"/sluice-*.log || true',
            # There are no such users here; `runuser -u NAME --` and install's owners are left out.
            "runuser": 'shift 3; exec "$@"',
            "install": 'while [ $# -gt 0 ]; do case "$1" in -o|-g) shift 2;; *) set -- "$@" "$1"; break;; esac; done; '
                       'mode=$2; shift 2; exec /usr/bin/install -m "$mode" "$1" "$2"',
        }
        for name, script in scripts.items():
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{tools}:{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"}

    def say(self, text):
        print(text, flush=True)

    def follow(self, heading, name, is_well=False):
        """Runs a block of the section; what it printed. Looks may end with the status of what they find."""
        said = ""
        for line in blocks_of(heading)[name].replace("\\\n", " ").splitlines():
            self.say(f"$ {line}")
            line = line.replace("/etc/sluice/default.toml", str(self.rig.config_path)) \
                       .replace("/etc/sluice/identity", str(self.identity)).replace("/var/lib/sluice", str(self.rig.state))
            done = subprocess.run(["sh", "-c", line], env=self.environment, cwd=self.folder, capture_output=True, text=True,
                                  timeout=PATIENCE_SECONDS, check=False)
            self.say((done.stdout + done.stderr).rstrip())
            if is_well:
                self.assertEqual(0, done.returncode, line)
            said += done.stdout + done.stderr
        return said

    def notice(self, *alerts):
        """Waits for the alerts, looks first as the page says, and returns the section that it names for the first."""
        for name, summary in self.prometheus.wait_for(*alerts, patience_seconds=PATIENCE_SECONDS).items():
            self.say(f"ALERT {name}: {summary}")
        self.follow("Called at night", "night-look")
        heading = section_for(alerts[0])
        self.assertEqual({heading}, {section_for(alert) for alert in alerts})
        return heading

    def expect_all_is_well(self, but=(), **options):
        """No alert is left `but` these, and everything arrived."""
        self.prometheus.wait_until_quiet(PATIENCE_SECONDS, but)
        self.rig.wait_until_drained(PATIENCE_SECONDS)
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES,
                                duplicates_max=self.rig.duplicates_bound(), **options)
        self.assertEqual([], report.failures() + self.rig.ledger_failures())
        self.say(f"all is well: {report.lanes['audit'].delivered} audit events, lost 0")

    def test_fluentd_is_away_for_an_hours_worth_of_events(self):
        self.begin()
        self.rig.sink.outage_begins()
        control(self.rig.teleport_control, f"add {EVENTS_OF_AN_HOUR}")
        heading = self.notice("SluiceBacklogOld")
        self.assertEqual("Fluentd takes nothing", heading)
        wait_until(self.rig.everything_is_fetched, "the hour is in the queue", PATIENCE_SECONDS, process=self.rig.fetcher)
        said = self.follow(heading, "outage-look")
        self.assertRegex(said, r"36,\d\d\d")
        self.assertRegex(said, r"events wait|cannot|refuse|answered")
        self.rig.sink.outage_ends()
        self.follow(heading, "outage-over", is_well=True)
        self.expect_all_is_well()

    def test_somebody_else_fills_the_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, for a file system of its own")
        folder = rigs.temporary_folder("drill-disk")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.disk = power.FileSystem(folder, "disk", image_bytes=256 << 20)
        self.addCleanup(self.disk.__exit__, None, None, None)
        self.disk.mount()
        self.disk.clear()
        self.begin(folder=folder, queue_settings='min-free-disk = "8MiB"')
        foreign = self.disk.mount_point / "a-dump-of-somebody"
        with open(foreign, "ab", buffering=0) as file:
            while shutil.disk_usage(self.disk.mount_point).free > 4 << 20:
                file.write(b"x" * (1 << 20))
        control(self.rig.teleport_control, "add 5000")
        heading = self.notice("SluiceDiskNearlyFull", "SluiceFetchingPaused")
        self.assertEqual("The disk is full", heading)
        said = self.follow(heading, "disk-look")
        largest = said.strip().splitlines()[-2]  # the last one is the file system itself
        self.assertIn(foreign.name, largest)
        self.assertRegex(said, "no room|paused|free")
        foreign.unlink()
        # The line through the last six hours leads down until they are over.
        self.expect_all_is_well(but={"SluiceDiskFullInADay"})

    def test_an_event_that_fluentd_refuses(self):
        self.begin()
        control(self.rig.teleport_control, "add 200")
        self.rig.sink.command('poison "event":"user.login"')
        control(self.rig.teleport_control, "add 60")
        heading = self.notice("SluiceDeadLetters")
        self.assertEqual("Dead letters and skips", heading)
        said = self.follow(heading, "letters-look", is_well=True)
        self.assertIn("the body contains poison", said)
        self.assertIn("user.login", (self.folder / "letters.ndjson").read_text(encoding="utf-8"))
        self.rig.sink.command("poison")
        self.follow(heading, "letters-again", is_well=True)
        self.expect_all_is_well()

    def test_the_identity_expires(self):
        self.begin(identity_for=timedelta(seconds=60))
        ends = time.monotonic() + 60  # or up to a second earlier
        self.prometheus.wait_for("SluiceIdentityEnds", patience_seconds=PATIENCE_SECONDS)
        time.sleep(max(0, ends - time.monotonic()))
        # A connection that stands is not asked again who it is; but none stands for ever.
        control(self.rig.teleport_control, "goaway 1")
        heading = self.notice("SluiceSourceNotRead", "SluiceIdentityEnds")
        self.assertEqual("Teleport is not read", heading)
        control(self.rig.teleport_control, "add 300")
        said = self.follow(heading, "source-look")
        self.assertRegex(said, r"identity.*expired|expired at")
        certificates.issue_identity(self.rig.teleport_files, self.folder / "identity", timedelta(hours=1))
        self.follow(heading, "identity-renewed", is_well=True)
        self.expect_all_is_well()


def main():
    global BIN
    if shutil.which("prometheus") is None:
        print("SKIPPED: there is no Prometheus (Debian package prometheus)")
        return SKIPPED
    try:
        power.enter_own_namespace()
    except power.NotPossible as reason:
        print(f"only what needs no file system of its own: {reason}")
    BIN = Path(sys.argv.pop(1)).resolve()
    begin = time.monotonic()
    result = unittest.main(verbosity=2, exit=False).result
    print(f"the night took {time.monotonic() - begin:.0f} s")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
