"""Installs the build into a temporary root folder and tries what systemd's tools make of it there.

Usage: systemd_test.py BUILD_FOLDER CASE. Exit status 77: skipped, for the reason printed.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from installation import install, need_root, need_tool, run

SERVICES = ["sluice-fetcher", "sluice-shipper"]


def unit_folder(root: Path) -> Path:
    found = list(root.glob("**/lib/systemd/system/sluice.target"))
    assert len(found) == 1, f"one sluice.target must be installed, but there are: {found}"
    return found[0].parent


def make_users_and_folders(root: Path) -> None:
    need_tool("systemd-sysusers")
    need_tool("systemd-tmpfiles")
    need_root()
    (root / "etc").mkdir(exist_ok=True)
    # The configuration files are named, so that nothing else of the host is applied.
    run("systemd-sysusers", f"--root={root}", "sluice.conf")
    run("systemd-tmpfiles", f"--root={root}", "--create", "sluice.conf")


def accounts(root: Path) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """The users (name: uid, gid) and groups (name: gid) of the root folder."""
    users = {"root": (0, 0)}
    groups = {"root": 0}
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid = line.split(":")[:4]
        users[name] = (int(uid), int(gid))
    for line in (root / "etc/group").read_text().splitlines():
        name, _, gid = line.split(":")[:3]
        groups[name] = int(gid)
    return users, groups


def systemd_accepts_the_units(build: Path, root: Path) -> None:
    need_tool("systemd-analyze")
    install(build, root, "systemd")
    install(build, root, "programs")
    # What the units refer to: systemd's own units, and the programs that they call.
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True,
                    dirs_exist_ok=True)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/bin/install", root / "usr/bin/install")
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy("/bin/sh", root / "bin/sh")
    (root / "etc").mkdir()
    units = sorted(unit_folder(root).glob("sluice*"))
    assert len(units) == 2 * len(SERVICES) + 1, f"installed units: {units}"
    said = run("systemd-analyze", "verify", f"--root={root}", "--man=no", *units)
    ours = [line for line in said.splitlines() if "sluice" in line]
    assert not ours, "systemd-analyze verify has objections:\n" + "\n".join(ours)


# In tenths, as systemd-analyze takes it: lower is better.
EXPOSURE_MAX = 12


def units_are_exposed_to_little(build: Path, root: Path) -> None:
    need_tool("systemd-analyze")
    install(build, root, "systemd")
    for service in SERVICES:
        for unit in (f"{service}.service", f"{service}@.service"):
            run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}",
                unit_folder(root) / unit)


def plain_unit_is_the_instance_default(build: Path, root: Path) -> None:
    install(build, root, "systemd")
    for service in SERVICES:
        plain = (unit_folder(root) / f"{service}.service").read_text()
        template = (unit_folder(root) / f"{service}@.service").read_text()
        assert f"{service} start --config /etc/sluice/default.toml --instance default\n" in plain
        assert f"{service} start --config /etc/sluice/%i.toml --instance %i\n" in template
        expected = template.replace(" (%i)", "").replace("@%i", "").replace("%i", "default")
        assert plain == expected, f"{service}.service is not {service}@default.service"


def folders_have_the_owners_and_modes_of_the_design(build: Path, root: Path) -> None:
    install(build, root, "systemd")
    make_users_and_folders(root)
    users, groups = accounts(root)
    expected = {
        "etc/sluice": (0o750, "root"),
        "var/lib/sluice": (0o751, "root"),
        "var/lib/sluice/default": (0o755, "root"),
        "var/lib/sluice/default/queue": (0o2750, "sluice-fetcher"),
        "var/lib/sluice/default/delivery": (0o700, "sluice-shipper"),
        "var/lib/sluice/default/delivery/default": (0o700, "sluice-shipper"),
        "var/lib/sluice/default/shipper": (0o2750, "sluice-shipper"),
    }
    for folder, (mode, owner) in expected.items():
        status = (root / folder).stat()
        assert stat.S_IMODE(status.st_mode) == mode, f"{folder}: {stat.S_IMODE(status.st_mode):o}"
        assert status.st_uid == users[owner][0], f"{folder} does not belong to {owner}"
        assert status.st_gid == groups["sluice"], f"{folder} does not belong to the group sluice"


def each_daemon_reaches_only_what_is_its_own(build: Path, root: Path) -> None:
    install(build, root, "systemd")
    make_users_and_folders(root)
    users, groups = accounts(root)
    fetcher, shipper = users["sluice-fetcher"], users["sluice-shipper"]
    assert fetcher[0] != shipper[0] and fetcher[1] == shipper[1] == groups["sluice"]

    identity = root / "etc/sluice/identity"
    key = root / "etc/sluice/fluentd.key"
    for secret, owner in ((identity, fetcher), (key, shipper)):
        secret.write_text("secret")
        os.chown(secret, owner[0], 0)
        secret.chmod(0o400)
    instance = root / "var/lib/sluice/default"

    def succeeds(user: tuple[int, int], command: str) -> bool:
        done = subprocess.run(
            ["sh", "-c", f"umask 0027; {command}"], user=user[0], group=user[1], extra_groups=[],
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
        )
        return done.returncode == 0

    assert succeeds(fetcher, f"echo events >{instance}/queue/file")
    assert succeeds(shipper, f"grep -q events {instance}/queue/file")
    assert not succeeds(shipper, f"echo more >>{instance}/queue/file")
    assert not succeeds(shipper, f"echo more >{instance}/queue/other")
    assert not succeeds(shipper, f"rm -f {instance}/queue/file")

    assert succeeds(shipper, f"echo letter >{instance}/delivery/default/file")
    assert not succeeds(fetcher, f"ls {instance}/delivery")
    assert succeeds(shipper, f"echo position >{instance}/shipper/page")
    assert succeeds(fetcher, f"grep -q position {instance}/shipper/page")
    assert not succeeds(fetcher, f"echo other >{instance}/shipper/page")

    assert succeeds(fetcher, f"cat {identity}") and not succeeds(shipper, f"cat {identity}")
    assert succeeds(shipper, f"cat {key}") and not succeeds(fetcher, f"cat {key}")


CASES = {
    case.__name__: case
    for case in (
        systemd_accepts_the_units,
        units_are_exposed_to_little,
        plain_unit_is_the_instance_default,
        folders_have_the_owners_and_modes_of_the_design,
        each_daemon_reaches_only_what_is_its_own,
    )
}


def main() -> None:
    build, case = Path(sys.argv[1]), CASES[sys.argv[2]]
    with tempfile.TemporaryDirectory(prefix="sluice-packaging-") as folder:
        # Other users must be able to walk through it.
        os.chmod(folder, 0o755)
        case(build, Path(folder))


if __name__ == "__main__":
    main()
