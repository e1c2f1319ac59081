#!/usr/bin/env python3
"""Tries the Debian packages, with the commands of docs/packages.md: `./dev test-package`.

package_test.py BUILD_FOLDER PACKAGES AGAIN CACHE [CASE]...

PACKAGES: the folder where they were built; AGAIN: where they were built once more, at another path. BUILD_FOLDER: of a preset,
with the stand-in for Teleport. CACHE: for Debian trees. Prints a table; exit status 1 when a case failed, 77 when nothing was
tried.
"""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import debian_tree  # noqa: E402
import documents  # noqa: E402
import rig as rigs  # noqa: E402
from installation import SKIPPED, run  # noqa: E402
from processes import TestFailure, wait_until  # noqa: E402

EVENTS, SESSIONS, EVENTS_PER_SESSION = 2000, 2, 50
PROGRAMS = ("sluice-fetcher", "sluice-shipper", "sluice-adopt", "queuectl")
# What apt and dpkg note for themselves, and the users: who owns what is kept must not become somebody else.
REMAINS = re.compile(r"/(var/(lib/(dpkg|apt|systemd)|log|cache)/.*|etc/(passwd|group|g?shadow|subuid|subgid)-?|etc/ld\.so\.cache"
                     r"|etc/\.pwd\.lock|(usr/)?lib/\S*ssl.*|etc/ssl/.*|root/.*|tmp/.*|dev/.*|proc/.*|sys/.*|run/.*)")


def check(right, what, more=""):
    if not right:
        raise TestFailure(f"{what}{': ' if more else ''}{more}")


def package_in(folder):
    found = [path for path in Path(folder).glob("sluice_*.deb")]
    check(len(found) == 1, f"one package must be in {folder}", found)
    return found[0]


def field(deb, name):
    return run("dpkg-deb", "--field", deb, name).strip()


def dependencies(deb):
    """The first choice of each, by name."""
    return [re.match(r"\S+", one.strip())[0] for one in field(deb, "Depends").split(",")]


class PackagedRig(rigs.Rig):
    """A rig whose daemons are those of the package, each as the user that its unit names, with the configuration and secrets
    where an operator puts them. The stand-ins run outside of the tree, on the same loopback interface."""

    def __init__(self, bin_folder, folder, tree):
        super().__init__(bin_folder, folder, events=EVENTS, sessions=SESSIONS, events_per_session=EVENTS_PER_SESSION)
        self.tree = tree

    def in_tree(self, *command, user=None):
        who = [f"--userspec={user}:sluice", "--groups=sluice"] if user else []
        return ["chroot", *who, self.tree.root, *command]

    def command(self, program, *arguments):
        return self.in_tree("sh", "-c", 'umask 0027; exec "$0" "$@"', program, "start", "--instance", "default", *arguments,
                            user=program)

    def try_queuectl(self, *arguments):
        done = subprocess.run([str(word) for word in self.in_tree("queuectl", *arguments)], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr.strip()

    def write_config(self, **changes):
        example = (self.tree.root / "usr/share/doc/sluice/examples/sluice.toml").read_text(encoding="utf-8")
        for pattern, value in ((r'(?m)^# start-time = .*', re.search("start-time = .*", self._settings)[0]),
                               (r'teleport\.example\.com:443', f"localhost:{self.teleport_port}"),
                               (r'fluentd\.example\.com:8888', f"localhost:{self.sink.port}")):
            example, count = re.subn(pattern, value, example)
            check(count > 0, f"the example of the configuration has no {pattern}")
        self._put("default.toml", example.encode(), "root:sluice", "0640")
        teleport, fluentd = self.teleport_files, self.fluentd_files
        self._put("identity", Path(teleport.identity).read_bytes(), "sluice-fetcher:", "0400")
        self._put("ca.crt", Path(fluentd.ca).read_bytes(), "root:", "0644")
        self._put("client.crt", Path(fluentd.cert).read_bytes(), "root:", "0644")
        self._put("client.key", Path(fluentd.key).read_bytes(), "sluice-shipper:", "0400")

    def _put(self, name, content, owner, mode):
        (self.tree.root / "etc/sluice" / name).write_bytes(content)
        self.tree.run("chown", owner, f"/etc/sluice/{name}")
        self.tree.run("chmod", mode, f"/etc/sluice/{name}")

    def backlog(self):
        return sum(lane["backlog"] for lane in self.status()["lanes"].values())


class Trial:
    def __init__(self, arguments):
        self.build = arguments.build
        self.packages = arguments.packages
        self.again = arguments.again
        self.cache = arguments.cache

    @contextlib.contextmanager
    def tree(self):
        deb = package_in(self.packages)
        with debian_tree.Tree(self.cache, (*debian_tree.SYSTEMD, *dependencies(deb))) as tree:
            shutil.copy(deb, tree.root / "root")
            for place, kind in (("proc", "proc"), ("dev/shm", "tmpfs")):
                run("mount", "-t", kind, kind, tree.root / place)
            yield tree

    # The cases.

    def lintian_has_no_errors_and_no_warnings(self):
        changes = next(iter(self.packages.glob("*.changes")))
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", changes)
        check(not said, "lintian has objections", said)

    def the_same_sources_make_the_same_bytes(self):
        names = sorted(path.name for path in self.packages.glob("*.deb"))
        check(names == sorted(path.name for path in self.again.glob("*.deb")), "the packages have other names", names)
        for name in names:
            one, other = ((folder / name).read_bytes() for folder in (self.packages, self.again))
            check(hashlib.sha256(one).digest() == hashlib.sha256(other).digest(), f"{name} is not reproducible")

    def an_installation_is_complete_and_starts_nothing(self):
        with self.tree() as tree:
            as_documented(tree, "install")
            for program in PROGRAMS:
                check("Usage" in tree.run(program, "--help").stdout, program)
                for path in (f"usr/share/bash-completion/completions/{program}", f"usr/share/zsh/vendor-completions/_{program}",
                             f"usr/share/fish/vendor_completions.d/{program}.fish"):
                    check((tree.root / path).exists(), path)
            for page in ("man1/queuectl.1.gz", "man5/sluice.toml.5.gz", "man8/sluice-fetcher.8.gz", "man8/sluice-shipper.8.gz",
                         "man8/sluice-adopt.8.gz"):
                check((tree.root / "usr/share/man" / page).exists(), page)
            version = field(package_in(self.packages), "Version")
            check(tree.run("sluice-fetcher", "version").stdout.split()[1] == version, "the program's version is the package's")
            said = tree.run("stat", "--format", "%n %U:%G %a", "/etc/sluice", "/var/lib/sluice/default/queue",
                            "/var/lib/sluice/default/delivery").stdout.splitlines()
            check(said == ["/etc/sluice root:sluice 750", "/var/lib/sluice/default/queue sluice-fetcher:sluice 2750",
                           "/var/lib/sluice/default/delivery sluice-shipper:sluice 700"], "owners and modes", said)
            for unit in ("sluice-fetcher", "sluice-shipper", "sluice-fetcher@bank", "sluice-shipper@bank"):
                state = tree.run("systemctl", "--root=/", "is-enabled", unit, check=False).stdout.strip()
                check(state == "disabled", f"{unit} is {state}")
            said = tree.run("systemd-analyze", "verify", "--man=no", "sluice-fetcher.service", "sluice-shipper.service",
                            "sluice-fetcher@bank.service", "sluice-shipper@bank.service", check=False).stdout
            check("sluice" not in said, "systemd-analyze verify", said)

    def a_purge_leaves_only_the_users(self):
        with self.tree() as tree:
            before = files_of(tree)
            as_documented(tree, "install")
            for unit in ("sluice-fetcher", "sluice-shipper", "sluice-fetcher@bank", "sluice-shipper@bank", "sluice.target"):
                tree.run("systemctl", "--root=/", "enable", unit)
            (tree.root / "etc/sluice/default.toml").write_text("debug = true\n", encoding="ascii")
            as_documented(tree, "purge")
            left = {path for path in files_of(tree) - before if not REMAINS.fullmatch(path)}
            check(not left, "what a purge leaves", sorted(left))
            check("sluice-fetcher:" in (tree.root / "etc/passwd").read_text(encoding="utf-8"), "the users stay")

    def nothing_is_lost_by_upgrade_removal_and_purge(self):
        with self.tree() as tree, tempfile.TemporaryDirectory(prefix="sluice-package-") as folder, \
                PackagedRig(self.build / "bin", folder, tree) as rig:
            as_documented(tree, "install")
            rig.start_stand_ins()
            rig.sink.outage_begins()
            rig.start_daemons()
            wait_until(rig.everything_is_fetched, "everything is fetched", process=rig.fetcher)
            total = rig.teleport_stats()["events"]
            wait_until(lambda: rigs.has_taken(rig.status(), total), "everything is in the queue", process=rig.fetcher)
            full = rig.backlog()
            check(full > EVENTS * 0.9, "the queue is full", full)

            # While both run, as on a machine where it goes on until the restart.
            self.upgrade(tree, Path(folder))
            check(rig.fetcher.running() and rig.shipper.running(), "both run through the upgrade")
            check(rig.backlog() == full, "the backlog after the upgrade")
            for daemon in (rig.fetcher, rig.shipper):
                daemon.stop()
            before = contents(tree, "/var/lib/sluice")
            configuration = contents(tree, "/etc/sluice")

            as_documented(tree, "remove")
            check(contents(tree, "/var/lib/sluice") == before, "a removal touches no queue")
            check(contents(tree, "/etc/sluice") == configuration, "a removal touches no configuration")
            as_documented(tree, "install")
            check(rig.backlog() == full, "the backlog after removal and installation")
            check(contents(tree, "/etc/sluice") == configuration, "the configuration after removal and installation")

            before = contents(tree, "/var/lib/sluice")
            said = as_documented(tree, "purge")
            check("/var/lib/sluice/default is kept" in said, "a purge says what it keeps", said)
            check(contents(tree, "/var/lib/sluice") == before, "a purge touches no queue")
            check(not (tree.root / "etc/sluice").exists(), "a purge removes the configuration")
            as_documented(tree, "install")
            rig.write_config()
            check(rig.backlog() == full, "the backlog after purge and installation")

            rig.sink.outage_ends()
            rig.start_daemons()
            rig.wait_until_drained()
            report = rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=rig.duplicates_bound())
            failures = report.failures() + rig.ledger_failures()
            check(not failures, "what arrived", "\n".join(failures))

            for daemon in (rig.fetcher, rig.shipper):
                daemon.stop()
            as_documented(tree, "purge")
            as_documented(tree, "delete")
            check(not list((tree.root / "var/lib/sluice").glob("*")), "nothing is left of the queue")

    def upgrade(self, tree, folder):
        """To the same with a higher version."""
        next(tree.root.glob("root/sluice_*.deb")).unlink()
        parts = folder / "newer"
        run("dpkg-deb", "--raw-extract", package_in(self.packages), parts)
        control = parts / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+newer", control.read_text(encoding="utf-8")), encoding="utf-8")
        run("dpkg-deb", "--root-owner-group", "--build", parts, tree.root / "root/sluice_newer.deb")
        said = as_documented(tree, "install")
        check("Unpacking sluice" in said and " over (" in said, "it is an upgrade", said)


def as_documented(tree, block):
    """Runs the commands of that block of docs/packages.md, and says what they said."""
    return tree.run("sh", "-e", "-c", f"cd /root\n{documents.block('docs/packages.md', block)}").stdout


def files_of(tree):
    return set(tree.run("find", "/", "-xdev", "-not", "-type", "s").stdout.splitlines())


def contents(tree, folder):
    """Owner, mode and digest of all that is in it."""
    return tree.run("sh", "-c", f"cd {folder} && find . -printf '%p %u:%g %m\n' | sort && find . -type f | sort | "
                    "xargs -r sha256sum").stdout


CASES = ("lintian_has_no_errors_and_no_warnings", "the_same_sources_make_the_same_bytes",
         "an_installation_is_complete_and_starts_nothing", "a_purge_leaves_only_the_users",
         "nothing_is_lost_by_upgrade_removal_and_purge")


def run_case(trial, name):
    begin = time.monotonic()
    try:
        getattr(trial, name)()
        result = "ok"
    except debian_tree.NotPossible as reason:
        result = f"SKIPPED: {reason}"
    except Exception:  # noqa: BLE001: one case must not end the others
        traceback.print_exc()
        result = "FAILED"
    print(f"{name.replace('_', ' '):58} {time.monotonic() - begin:5.0f} s  {result}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("build", "packages", "again", "cache"):
        parser.add_argument(name, type=lambda text: Path(text).resolve())
    parser.add_argument("case", nargs="*")
    arguments = parser.parse_args()
    try:
        debian_tree.enter_own_namespace()
    except debian_tree.NotPossible as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    # Files of the tree are made as by a machine's root.
    os.umask(0o022)
    trial = Trial(arguments)
    results = [run_case(trial, name) for name in arguments.case or CASES]
    if "FAILED" in results:
        return 1
    return 0 if "ok" in results else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
