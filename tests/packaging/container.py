"""A machine with a systemd of its own: a Debian tree that systemd-nspawn boots.

    with container.Container(disk, log) as machine:
        machine.boot()

See machine.py for what it can do. It has the network of this program, which is best a loopback interface of its own
(enter_own_network()), so that what listens there reaches each other and nothing else, on any port. It has cgroups of its own
below those of this program, and its processes are in the process namespace of this program (debian_tree.enter_own_namespace()),
so that none outlives it. Its kernel is that of this machine.
"""

import contextlib
import ctypes
import fcntl
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from machine import ENVIRONMENT, Machine, as_user
from power import NotPossible
from processes import Process, TestFailure

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def enter_own_network():
    """From here on this program and what it starts have a loopback interface to themselves, and no other. What has a thread
    or a socket already keeps the network that it has."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise NotPossible(f"no network namespace of one's own here: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


class Container(Machine):
    """See the head of this file. `disk`: a mounted power.FileSystem with its files; `log` takes what it says."""

    outside_address = "127.0.0.1"
    open_files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # no more than this program was given

    def __init__(self, disk, log):
        if shutil.which("systemd-nspawn") is None:
            raise NotPossible("there is no systemd-nspawn (Debian package systemd-container)")
        self._disk = disk
        self._log = log
        self._cgroups = []
        self._nspawn = None
        self._init = None  # the first process of the machine, as this program's namespace numbers it

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(TestFailure):
            self._kill()

    def boot(self):
        self._cgroups = _new_cgroups()
        enter = "".join(f"echo $$ >{cgroup}/cgroup.procs && " for cgroup in self._cgroups)
        self._nspawn = Process("systemd-nspawn", [
            "sh", "-c", f'{enter}exec "$@"', "sh", "systemd-nspawn", f"--directory={self._disk.root}", "--boot", "--quiet",
            "--register=no", "--keep-unit", "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off"],
            self._log)
        self.wait_until(self._find_init, "systemd-nspawn has started the machine", self._nspawn)
        self.wait_until_booted(self._nspawn)

    def running(self):
        return self._init is not None and self._nspawn.running()

    def run(self, *command, user=None, check=True, given=""):
        words = ["nsenter", "--target", str(self._init), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd",
                 *as_user(user, command)]
        shown = " ".join(str(word) for word in command)
        try:
            done = subprocess.run(words, text=True, errors="replace", input=given, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False, env=ENVIRONMENT, timeout=self.patience_seconds)
        except subprocess.TimeoutExpired as expired:
            said = (expired.stdout or b"").decode(errors="replace")
            raise TestFailure(f"{shown} has not ended within {expired.timeout} s:\n{said}") from None
        if check and done.returncode != 0:
            raise TestFailure(f"{shown} ended with {done.returncode}:\n{done.stdout}")
        return done

    def stop(self):
        """Shuts it down in order."""
        self.run("systemctl", "poweroff", check=False)
        self._nspawn.wait(self.patience_seconds)
        self._forget()

    def cut_power(self):
        """Of its disk first, and with that of all of its processes."""
        self._disk.cut()
        self._kill()
        self._disk.remount()

    def _kill(self):
        """The kernel ends what is in the process namespace of a first process that is killed."""
        if self._init is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
        if self._nspawn is not None:
            self._nspawn.kill()
        self._forget()

    def _forget(self):
        self._init = self._nspawn = None
        for cgroup in self._cgroups:
            _remove_cgroup(cgroup)
        self._cgroups = []

    def _find_init(self):
        """The child of systemd-nspawn that is the first of a process namespace, once it has become systemd."""
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text(encoding="ascii").split()
        for child in children:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "systemd":
                    self._init = int(child)
                    return True
        return False


def _new_cgroups():
    """Folders below this program's own cgroups in each hierarchy that systemd uses, for systemd-nspawn to work in: it would
    otherwise do so beside this program, where another one may do the same."""
    own = Path("/proc/self/cgroup").read_text(encoding="ascii")
    mounts = Path("/proc/self/mounts").read_text(encoding="ascii")
    name = f"sluice-boot-{secrets.token_hex(6)}"  # the same in all, which systemd-nspawn takes for granted
    made = []
    for kind, line in (("cgroup2", r"^0::(.*)$"), ("cgroup", r"^\d+:name=systemd:(.*)$")):
        option = r".*\bname=systemd\b" if kind == "cgroup" else ""
        mount = re.search(rf"^\S+ (\S+) {kind} {option}", mounts, re.MULTILINE)
        path = re.search(line, own, re.MULTILINE)
        if mount and path:
            made.append(Path(mount[1] + path[1].rstrip("/")) / name)
            made[-1].mkdir()
    return made


def _remove_cgroup(folder):
    """Its processes are dead, but the kernel may not be done with them."""
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        time.sleep(0.01)
