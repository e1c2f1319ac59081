"""File systems whose power can be cut: ext4 in a file, on a loop device.

    power.enter_own_namespace()        # at the program's start, before anything else
    with power.FileSystem(folder, "queue") as disk:
        disk.mount()
        ... programs write below disk.root ...
        disk.cut()                     # from here on it takes nothing more
        ... kill the programs ...
        disk.remount()                 # with what had been synced, and nothing else

The cut is ext4's own shutdown call without a flush of the journal: what was not synced is gone at the next mount, as when the
power of a machine fails whose disk keeps what it said it had.

Mounts are made in a mount namespace of the program's own, and its processes are in a process namespace of their own, so that
nothing is left of either, however the program ends. Needs root.
"""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from processes import TestFailure

SHUT_DOWN = 0x8004587d  # EXT4_IOC_SHUTDOWN
WITHOUT_FLUSH = 2
IMAGE_BYTES = 2 << 30  # a sparse file: it takes what is written
MEMORY_KIB_MIN = 3 << 20
IN_NAMESPACE = "SLUICE_TEST_IN_NAMESPACE"
CANARY = "canary"


class NotPossible(Exception):
    """This machine lets nobody do this, or this user not. The text says why."""


def _command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TestFailure(f"{' '.join(str(word) for word in words)}: {done.stderr.strip()}")


def enter_own_namespace():
    """Starts the program anew in namespaces of its own, once. Raises NotPossible."""
    if os.environ.get(IN_NAMESPACE):
        return
    tools = ("unshare", "mount", "umount", "mkfs.ext4", "losetup")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise NotPossible(f"there is no {', '.join(missing)}")
    unshare = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
               "--mount-proc"]
    tried = subprocess.run([*unshare, "losetup", "--find"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise NotPossible("no loop mounts in a namespace of one's own here: "
                          f"{tried.stderr.strip() or tried.returncode}")
    sys.stdout.flush()
    os.execvpe("unshare", [*unshare, sys.executable, *sys.argv], {**os.environ, IN_NAMESPACE: "yes"})


def shut_down(folder):
    """What power loss does to the file system that the folder is on."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", WITHOUT_FLUSH))
    finally:
        os.close(descriptor)


def has_memory():
    """Whether there is room in memory for the images."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(free.split()[1]) >= MEMORY_KIB_MIN


class FileSystem:
    """See the head of this file. `root` is the folder in it that is for use."""

    def __init__(self, folder, name, options="", block_bytes=4096, image_bytes=IMAGE_BYTES):
        self._store = Path(folder) / f"{name}-image"
        self._image = self._store / "image"
        self._in_memory = has_memory()
        self._options = options
        self.mount_point = Path(folder) / name
        self.root = self.mount_point / "root"
        self.mounted = False
        for made in (self.mount_point, self._store):
            made.mkdir(parents=True, exist_ok=True)
        if self._in_memory:
            # So that a busy disk does not slow the test down. What a cut takes away is decided above, by ext4.
            _command("mount", "-t", "tmpfs", "none", self._store)
        with open(self._image, "wb") as image:
            image.truncate(image_bytes)
        _command("mkfs.ext4", "-q", "-F", "-b", block_bytes, self._image)

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(TestFailure):
            self.unmount()
        self._image.unlink(missing_ok=True)
        if self._in_memory:
            with contextlib.suppress(TestFailure):
                _command("umount", self._store)

    def mount(self):
        options = "loop,noatime" + (f",{self._options}" if self._options else "")
        _command("mount", "-t", "ext4", "-o", options, self._image, self.mount_point)
        self.mounted = True

    def unmount(self, patience_seconds=10):
        """Nobody may use it any more; who was killed just now may need a moment to be gone."""
        if not self.mounted:
            return
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                _command("umount", self.mount_point)
                self.mounted = False
                return
            except TestFailure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def clear(self):
        """Empties `root`, and makes that durable."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        self.sync()

    def sync(self):
        _command("sync", "--file-system", self.mount_point)

    def write_canary(self):
        """A file that nobody syncs: a cut must lose it."""
        (self.mount_point / CANARY).write_bytes(b"x" * 10_000)

    def canary_is_lost(self):
        canary = self.mount_point / CANARY
        lost = not canary.exists() or canary.stat().st_size == 0
        canary.unlink(missing_ok=True)
        return lost

    def cut(self):
        shut_down(self.mount_point)

    def remount(self):
        self.unmount()
        self.mount()
