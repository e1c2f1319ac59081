#!/usr/bin/env python3
"""Follows docs/quick-start.md as a new user would, on a Debian 12 without Sluice: `./dev test-quick-start`.

quick_start_test.py BUILD_FOLDER DEB OUT

The machine (container.py) has systemd and what the package depends on, since it has no network; DEB lies in /root. Each command
of the page is run as it stands there, in its order, and shown with what it prints, which OUT gets as well. Outside of the
machine, on a loopback interface that nobody else has, are a stand-in for Teleport behind a proxy (port 443) and one for Fluentd
(port 8888) with the certificates that the page makes; tctl_stand_in.sh is the machine's tctl. In the end both ends are held
against each other. Then the blocks of other documents that want systemd are run on the same machine.

Exit status 77: skipped, for the reason printed.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import certificates  # noqa: E402
import debian_tree  # noqa: E402
import rig as rigs  # noqa: E402
from booted_rig import BootedRig  # noqa: E402
from container import Container, enter_own_network  # noqa: E402
from documents import commands_of  # noqa: E402
from fronts import Front  # noqa: E402
from machine import status_of  # noqa: E402
from package_test import dependencies  # noqa: E402
from scenes import check  # noqa: E402

USAGE = 64
PAGE = "docs/quick-start.md"
TELEPORT, FLUENTD = "teleport.example.com", "fluentd.example.com"
TELEPORT_PORT, FLUENTD_PORT = 443, 8888
# What a person has on such a machine, and other documents use.
TOOLS = ("curl", "jq")
SETUP = "root/sluice-setup"
NEW_EVENTS = 200
# Of a <parse>, and what the stand-in calls it.
TIME_FORMATS = {"%iso8601": "iso8601"}


class NewRig(BootedRig):
    """Sluice as the page sets it up."""

    def make_certificates(self):
        self.teleport_files = certificates.make_teleport(self.folder / "certificates/teleport", TELEPORT)

    def start_fluentd(self, setup):
        """With the files of the set that go to its machine."""
        passphrase = re.search(r"private_key_passphrase '([0-9a-f]{64})'", (setup / "fluent.conf").read_text())[1]
        port = int(re.search(r"@type http\n(?:.*\n)*?  port (\d+)", (setup / "fluent.conf").read_text())[1])
        check(port == FLUENTD_PORT, "Fluentd's port", port)
        self.fluentd_files = certificates.FluentdFiles(
            folder=setup, ca=setup / "ca.crt", server_cert=setup / "server.crt", server_key=setup / "server.key",
            cert=setup / "client.crt", key=setup / "client.key", server_passphrase=passphrase)
        self.sink.port = port
        self.sink.start()
        time_format = re.search(r"time_format (\S+)", (setup / "fluent.conf").read_text())[1]
        self.sink.command(f"time-format {TIME_FORMATS[time_format]}")


class Reader:
    """Who follows the page, and notes what is seen."""

    def __init__(self, machine, rig, tree, out):
        self.machine = machine
        self.rig = rig
        self.tree = tree
        self._out = out

    def say(self, text, document=PAGE):
        print(text, flush=True)
        if document == PAGE:
            self._out.write(f"{text}\n")

    def follow(self, name, document=PAGE, status=0):
        """Runs the block command by command, in root's home; what they printed. `status`: of the last one."""
        said = ""
        self.say(f"--- {document}: {name}", document)
        commands = commands_of(document, name)
        for command in commands:
            self.say(f"# {command}", document)
            done = self.machine.run("sh", "-c", f"cd /root && {command}", check=False)
            if done.stdout:
                self.say(done.stdout.rstrip(), document)
            expected = status if command == commands[-1] else 0
            check(done.returncode == expected, f"{document}, {name}: {command} ended with {done.returncode}", done.stdout)
            said += done.stdout
        return said

    def expect_no_finding(self, said):
        for line in said.splitlines():
            check(not line.startswith(("FAIL", "WARN")), "a finding that is not ok", line)

    def install(self):
        said = self.follow("install")
        check("Setting up sluice" in said and "unsandboxed" not in said, "the package is installed", said)
        for unit in self.rig.units:
            check(self.machine.show(unit, "ActiveState") == "inactive", f"{unit} is not started yet")

    def configure(self):
        said = self.follow("configure")
        for name in ("ca.crt", "server.crt", "server.key", "fluent.conf", "role.yaml", "sluice.toml"):
            check(name in said and (self.tree.root / SETUP / name).exists(), f"the folder has {name}", said)

    def teleport(self):
        said = self.follow("teleport")
        for text in ("role 'sluice'", 'user "sluice"', "written to sluice-setup/identity"):
            check(text in said, text, said)

    def fluentd(self):
        self.rig.start_fluentd(self.tree.root / SETUP)

    def place(self):
        self.follow("place")
        self.follow("past")
        for user, path, may in (("sluice-fetcher", "identity", True), ("sluice-shipper", "identity", False),
                                ("sluice-shipper", "client.key", True), ("sluice-fetcher", "client.key", False)):
            done = self.machine.run("cat", f"/etc/sluice/{path}", user=user, check=False)
            check((done.returncode == 0) == may, f"{user} reads {path}", done.stdout)

    def check(self):
        said = self.follow("check")
        self.expect_no_finding(said)
        for finding in ("identity", "route", "role", "certificate", "fluentd"):
            check(re.search(rf"^ok +{finding} ", said, re.MULTILINE), f"{finding} is found to be ok", said)

    def start(self):
        self.follow("start")
        for unit in self.rig.units:
            check(self.machine.show(unit, "ActiveState", "UnitFileState") == {"ActiveState": "active", "UnitFileState": "enabled"},
                  f"{unit} runs, and starts with the machine")
        self.machine.wait_until(lambda: self.rig.status()["lanes"]["audit"]["fetched"] > 0, "some seconds have passed")
        said = self.follow("look")
        check(re.search(r"^audit +[1-9]", said, re.MULTILINE), "the status shows audit events", said)

    def all_arrived(self):
        self.rig.add(NEW_EVENTS)
        self.rig.wait_until_drained()
        self.expect_delivered()

    def expect_delivered(self, duplicates_max=0):
        """Each event that Teleport has served is in Fluentd, `duplicates_max` of them twice (None: any number)."""
        report = self.rig.judge_without_probes(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=duplicates_max)
        failures = report.failures() + self.rig.ledger_failures()
        check(not failures, "what arrived is not what was served", "\n".join(failures))
        lanes = {name: (lane.served, lane.delivered) for name, lane in report.lanes.items()}
        check(lanes["audit"][1] > NEW_EVENTS and lanes["session"][1] > 0, "events arrived in both lanes", lanes)
        self.say("--- in the end: " + ", ".join(
            f"{name} {delivered} events of {served} arrived in Fluentd" for name, (served, delivered) in lanes.items()))

    # What other documents have for a machine with systemd.

    def look_at_metrics(self):
        said = self.follow("pages", "docs/metrics.md")
        check(re.search(r'^sluice_shipped_events_total\{.*lane="audit".*\} [1-9]', said, re.MULTILINE), "metrics", said)

    def look_first(self):
        self.machine.wait_until(lambda: self.rig.status()["read_up_to"], "it is known how far Teleport is read")
        said = self.follow("first-look", "docs/troubleshooting.md")
        self.expect_no_finding(said)
        check(re.search(r"^ok +audit ", said, re.MULTILINE), "doctor looks at the lane", said)

    def check_all(self):
        said = self.follow("check", "docs/checks.md")
        self.expect_no_finding(said)
        check("/etc/sluice/default.toml:" in said, "the origins are shown", said)

    def look_at_logs(self):
        """After an outage of Fluentd, and an event that it refuses."""
        self.rig.sink.outage_begins()
        self.rig.add(NEW_EVENTS)
        self.machine.wait_until(lambda: "SLUICE_KIND=events-wait" in self.machine.journal("--output=export"),
                                "the outage is in the journal")
        self.rig.sink.outage_ends()
        self.rig.wait_until_drained()
        said = self.follow("logs", "docs/operations.md")
        check("events wait" in said and "this is over after" in said, "the journal has the outage and its end", said)

    def fetch_a_part_of_the_past(self):
        path = "/etc/sluice/default.toml"
        before = self.machine.read(path)
        self.machine.put(path, f'{before}\n[fetcher]\nbackfill = ["2026-11-01T00:00:00Z/2026-11-03T00:00:00Z"]\n', "root:sluice",
                         0o640)
        self.follow("backfill", "docs/operations.md")
        self.machine.wait_until(lambda: re.search(r"the backfill of .* is done", self.machine.journal("--unit=sluice-fetcher")),
                                "the log says that the span is done")
        self.machine.put(path, before, "root:sluice", 0o640)
        self.machine.run("systemctl", "restart", "sluice-fetcher")

    def fetch_again(self):
        before = self.rig.status()["lanes"]["audit"]["fetched"]
        said = self.follow("again-look", "docs/operations.md", status=USAGE)
        check(re.search(r"\d+ audit events.* comes a second time.*--yes", said), "it says how many come a second time", said)
        check(before == self.rig.status()["lanes"]["audit"]["fetched"], "and changes nothing")
        self.follow("again", "docs/operations.md")
        self.rig.wait_until_drained()
        check(self.rig.status()["lanes"]["audit"]["fetched"] > before, "events came again")
        self.expect_delivered(duplicates_max=None)

    def scenes(self):
        return (self.install, self.configure, self.teleport, self.fluentd, self.place, self.check, self.start, self.all_arrived)

    def scenes_of_other_documents(self):
        return (self.look_at_metrics, self.look_first, self.check_all, self.look_at_logs, self.fetch_a_part_of_the_past,
                self.fetch_again)


def furnish(tree, deb, rig, web):
    """What the machine has, and its user: the package, a tctl that is logged in, names, and trust in the proxy's certificate."""
    shutil.copy(deb, tree.root / "root")
    folder = tree.root / "var/lib/tctl"
    folder.mkdir()
    shutil.copy(rig.teleport_files.identity, folder / "identity")
    script = (Path(__file__).parent / "tctl_stand_in.sh").read_text(encoding="utf-8").replace("@FOLDER@", "/var/lib/tctl")
    tctl = tree.root / "usr/local/bin/tctl"
    tctl.write_text(script, encoding="utf-8")
    tctl.chmod(0o755)
    with open(tree.root / "etc/hosts", "a", encoding="ascii") as hosts:
        hosts.write("".join(f"{Container.outside_address} {name}\n" for name in (TELEPORT, FLUENTD)))
    shutil.copy(web.ca, tree.root / "usr/local/share/ca-certificates/web.crt")
    tree.run("update-ca-certificates")


def play(arguments, folder, out):
    tree = debian_tree.Tree(arguments.build.parent / "debian", (*debian_tree.SYSTEMD, *TOOLS, *dependencies(arguments.deb)))
    with tree, Container(tree, folder / "console.log") as machine:
        enter_own_network()
        (folder / "rig").mkdir()
        with NewRig(arguments.build / "bin", folder / "rig", machine) as rig:
            rig.make_certificates()
            web = certificates.make_fluentd(folder / "web", (f"DNS:{TELEPORT}",))
            furnish(tree, arguments.deb, rig, web)
            rig.start_teleport()
            proxy = Front(rig, "proxy", web)
            proxy.port = TELEPORT_PORT
            proxy.start()
            machine.boot()
            reader = Reader(machine, rig, tree, out)
            for scene in (*reader.scenes(), *reader.scenes_of_other_documents()):
                try:
                    scene()
                except Exception:
                    print(f"FAILED {scene.__name__}; the journal ends:", flush=True)
                    if machine.running():
                        print(machine.journal("--lines=60"), flush=True)
                    raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("build", "deb", "out"):
        parser.add_argument(name, type=lambda text: Path(text).resolve())
    arguments = parser.parse_args()

    def in_folder(folder):
        with open(arguments.out, "w", encoding="utf-8") as out:
            play(arguments, folder, out)
    return status_of("quick", in_folder)


if __name__ == "__main__":
    sys.exit(main())
