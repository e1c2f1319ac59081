#!/usr/bin/env python3
"""Boots a Debian 12 with Sluice installed, and sees whether a real systemd runs both daemons as their units say.

boot_test.py BUILD_FOLDER [--virtual] [--deb FILE]...

BUILD_FOLDER: of a preset, such as build/dev. Sluice is installed from the packages given, else as `cmake --install` does it.
The machine is a container of systemd-nspawn (container.py) on a file system whose power can be cut (tests/support/power.py), or,
with --virtual, a virtual one (virtual_machine.py) with a kernel and a disk of its own, which plays fewer scenes and takes
longer. The stand-ins for Teleport and Fluentd run outside of it, on a loopback interface that nobody else has. The scenes are
played one after the other on the same machine. In the end its power is cut while events flow; it boots again, the daemons go
on by themselves, and both ends are held against each other.

Exit status 77: skipped, for the reason printed.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import debian_tree  # noqa: E402
import documents  # noqa: E402
import power  # noqa: E402
import virtual_machine  # noqa: E402
from booted_rig import BootedRig  # noqa: E402
from container import Container, enter_own_network  # noqa: E402
from machine import OUTSIDE, status_of  # noqa: E402
from scenes import OPERATOR, STRANGER, Play  # noqa: E402
from virtual_machine import VirtualMachine  # noqa: E402

PROGRAMS = ("sluice-fetcher", "sluice-shipper", "queuectl")
IMAGE_BYTES = 4 << 30


def say(text):
    print(text, flush=True)


def install(arguments, tree):
    """Puts Sluice into the tree, from packages or as docs/packages.md does it without one."""
    if arguments.deb:
        for package in arguments.deb:
            shutil.copy(package, tree.root / "root")
        tree.install(*(f"/root/{package.name}" for package in arguments.deb))
        return
    for command in documents.commands_of("docs/packages.md", "without-a-package"):
        words = command.split()
        if words[:2] == ["cmake", "--install"]:
            for component in ("programs", "systemd"):
                subprocess.run(["cmake", "--install", arguments.build, "--component", component], check=True,
                               stdout=subprocess.DEVNULL, env={**os.environ, "DESTDIR": str(tree.root)})
        elif words[0] not in ("cmake", "ninja", "systemctl"):  # it is built, and no systemd runs in the tree yet
            tree.run(*words)


@contextlib.contextmanager
def machine_files(arguments, kind):
    """A tree with Sluice and its people, for a kind of machine."""
    packages = [*debian_tree.SYSTEMD, *(virtual_machine.PACKAGES if arguments.virtual else ())]
    if not arguments.deb:
        packages += debian_tree.libraries_of([arguments.build / "bin" / program for program in PROGRAMS])
    with debian_tree.Tree(arguments.build.parent / "debian", packages) as tree:
        install(arguments, tree)
        for name in (OPERATOR, STRANGER):
            tree.run("useradd", "--user-group", "--no-create-home", name)
        tree.run("gpasswd", "--add", OPERATOR, "sluice")
        tree.run("systemctl", "enable", "sluice.target", "sluice-fetcher", "sluice-shipper")
        with open(tree.root / "etc/hosts", "a", encoding="ascii") as hosts:
            hosts.write(f"{kind.outside_address} {OUTSIDE}\n")
        yield tree


@contextlib.contextmanager
def container_machine(arguments, folder):
    with power.FileSystem(folder, "disk", image_bytes=IMAGE_BYTES) as disk:
        with machine_files(arguments, Container) as tree:
            disk.clear()
            subprocess.run(["cp", "--archive", f"{tree.root}/.", disk.root], check=True)
        disk.sync()
        with Container(disk, folder / "console.log") as machine:
            yield machine


@contextlib.contextmanager
def virtual_one(arguments, folder):
    with machine_files(arguments, VirtualMachine) as tree:
        virtual_machine.prepare(tree)
        machine = VirtualMachine(tree, folder / "machine")
    with machine:
        yield machine


def play(arguments, folder):
    kind = virtual_one if arguments.virtual else container_machine
    with kind(arguments, folder) as machine:
        enter_own_network()
        with BootedRig(arguments.build / "bin", folder / "rig", machine) as rig:
            rig.start_stand_ins()
            machine.boot()
            one = Play(machine, rig)
            for scene in one.scenes_of_a_virtual_machine() if arguments.virtual else one.scenes():
                begin = time.monotonic()
                try:
                    scene()
                except Exception:
                    say(f"FAILED {scene.__name__}; the journal ends:")
                    if machine.running():
                        say(machine.journal("--lines=60"))
                    raise
                say(f"ok     {scene.__name__} ({time.monotonic() - begin:.1f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: Path(text).resolve())
    parser.add_argument("--virtual", action="store_true")
    parser.add_argument("--deb", action="append", type=lambda text: Path(text).resolve(), default=[], metavar="FILE")
    arguments = parser.parse_args()
    return status_of("boot", lambda folder: play(arguments, folder))


if __name__ == "__main__":
    sys.exit(main())
