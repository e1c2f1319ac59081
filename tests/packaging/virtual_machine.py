"""A machine of its own: a Debian tree on a disk image that QEMU boots, with Debian's kernel and nothing shared.

    tree.install(*virtual_machine.PACKAGES)
    virtual_machine.prepare(tree)
    with virtual_machine.VirtualMachine(tree, folder) as machine:
        machine.boot()

See machine.py for what it can do. Cutting its power is killing QEMU: gone are the memory of the machine with all that its
kernel had not written to the disk yet, and also what the disk had in its own cache, since QEMU keeps where it has put a block
of a qcow2 image in its memory until the machine asks the disk to flush. The image itself is in this machine's memory, where
there is room, and costs no time on a busy disk.

With KVM it is quick. Without, QEMU emulates the processor, ten times slower, which is right, too.
"""

import base64
import contextlib
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

from machine import ENVIRONMENT, Machine, as_user
from power import NotPossible
from processes import Process, TestFailure

# What a tree needs besides SYSTEMD to boot by itself.
PACKAGES = ("linux-image-cloud-amd64", "initramfs-tools", "udev")
IMAGE_BYTES = 8 << 30  # sparse
AGENT_PORT = "/dev/ttyS1"
# Runs each line that comes over the serial port, base64 of a script, and answers with its number, its status and its output.
AGENT = f"""stty -F {AGENT_PORT} raw -echo
exec <{AGENT_PORT} >{AGENT_PORT}
echo ready
while read -r number script; do
  said="$(printf %s "$script" | base64 -d | sh 2>&1 | base64 -w 0; echo " ${{PIPESTATUS[2]}}")"
  printf 'answer %s %s\\n' "$number" "$said"
done
"""
AGENT_UNIT = """[Service]
ExecStart=/bin/bash /usr/local/lib/test-agent
Restart=always
KillMode=process
[Install]
WantedBy=basic.target
"""
NETWORK = "[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"


def prepare(tree):
    """Writes into the tree what makes it a machine that can be spoken to."""
    for path, text in (("usr/local/lib/test-agent", AGENT), ("etc/systemd/system/test-agent.service", AGENT_UNIT),
                       ("etc/systemd/network/test.network", NETWORK), ("etc/fstab", "/dev/vda / ext4 defaults 0 1\n")):
        (tree.root / path).parent.mkdir(parents=True, exist_ok=True)
        (tree.root / path).write_text(text, encoding="ascii")
    tree.run("systemctl", "enable", "test-agent", "systemd-networkd")


class VirtualMachine(Machine):
    """See the head of this file. Keeps its image in `folder`."""

    outside_address = "10.0.2.2"  # as QEMU's user-mode network calls it

    def __init__(self, tree, folder, memory_mib=1024):
        missing = [tool for tool in ("qemu-system-x86_64", "qemu-img") if shutil.which(tool) is None]
        if missing:
            raise NotPossible(f"there is no {', '.join(missing)} (Debian packages qemu-system-x86, qemu-utils)")
        if platform.machine() != "x86_64":
            raise NotPossible("the virtual machine is written down for x86_64 only")
        self._accelerator = _accelerator()
        if "kvm" not in self._accelerator:
            self.patience_seconds = 900
        self._folder = Path(folder)
        self._memory_mib = memory_mib
        self._qemu = None
        self._agent = None
        self._number = 0
        _command("mount", "-t", "tmpfs", "none", self._new_folder("image"))
        raw, self._image = self._folder / "image/raw", self._folder / "image/qcow2"
        with open(raw, "wb") as image:
            image.truncate(IMAGE_BYTES)
        _command("mkfs.ext4", "-q", "-F", "-d", tree.root, raw)
        # All that is written from now on is new to this image.
        _command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw, self._image)
        for kind in ("vmlinuz", "initrd.img"):
            shutil.copy(next((tree.root / "boot").glob(f"{kind}-*")), self._folder / kind)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(TestFailure):
            self.cut_power()
        subprocess.run(["umount", "--lazy", str(self._folder / "image")], check=False)

    def boot(self):
        agent = self._folder / "agent.sock"
        agent.unlink(missing_ok=True)
        self._qemu = Process("qemu", [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", *self._accelerator,
            "-m", self._memory_mib, "-smp", 2, "-kernel", self._folder / "vmlinuz", "-initrd", self._folder / "initrd.img",
            "-append", "root=/dev/vda rw console=ttyS0 panic=-1", "-drive", f"file={self._image},if=virtio,format=qcow2",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
            "-serial", f"file:{self._folder / 'console.log'}", "-serial", f"unix:{agent},server=on,wait=off"],
            self._folder / "qemu.log")
        self.wait_until(agent.exists, "QEMU runs", self._qemu)
        self._agent = socket.socket(socket.AF_UNIX)
        self.wait_until(lambda: self._agent.connect_ex(str(agent)) == 0, "QEMU takes a connection", self._qemu)
        self._receive(re.compile(rb"ready\r?\n"), self.patience_seconds, "the machine has booted so far that it can be spoken to")
        self.wait_until_booted(self._qemu)

    def running(self):
        return self._qemu is not None and self._qemu.running()

    def run(self, *command, user=None, check=True, given=""):
        environment = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in ENVIRONMENT.items())
        status, said = self._ask(f"{environment}printf %s {base64.b64encode(given.encode()).decode()} | base64 -d | "
                                 f"{shlex.join(as_user(user, command))}", self.patience_seconds)
        if check and status != 0:
            raise TestFailure(f"{shlex.join(str(word) for word in command)} ended with {status}:\n{said}")
        return SimpleNamespace(returncode=status, stdout=said)

    def stop(self):
        with contextlib.suppress(TestFailure):
            self._ask("systemctl poweroff", 5)
        self._qemu.wait(self.patience_seconds)
        self._forget()

    def cut_power(self):
        if self._qemu is not None:
            self._qemu.kill()
        self._forget()

    def _forget(self):
        if self._agent is not None:
            self._agent.close()
        self._qemu = self._agent = None

    def _new_folder(self, name):
        folder = self._folder / name
        folder.mkdir(parents=True)
        return folder

    def _ask(self, script, patience_seconds):
        """Its status and output."""
        self._number += 1
        self._agent.sendall(f"{self._number} {base64.b64encode(script.encode()).decode()}\n".encode())
        # What is left of an earlier answer is passed over.
        found = self._receive(re.compile(rb"answer %d (\S*) +(\d+)\r?\n" % self._number), patience_seconds,
                              f"an answer to: {script[-300:]}")
        return int(found[2]), base64.b64decode(found[1]).decode(errors="replace")

    def _receive(self, wanted, patience_seconds, what):
        """The match of what is wanted, once the machine has said it."""
        deadline = time.monotonic() + patience_seconds
        said = b""
        while not (found := wanted.search(said)):
            self._agent.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                more = self._agent.recv(1 << 16)
            except TimeoutError:
                raise TestFailure(f"{what}: not within {patience_seconds} s") from None
            if not more:
                raise TestFailure(f"{what}: the machine is gone")
            said += more
        return found


def _command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TestFailure(f"{' '.join(str(word) for word in words)}: {done.stderr.strip()}")


def _accelerator():
    """KVM only where the processor has what it needs: the device alone says little in a virtual machine."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    if re.search(r"^flags.*\b(vmx|svm)\b", cpu, re.MULTILINE) and os.access("/dev/kvm", os.W_OK):
        return ("-accel", "kvm", "-cpu", "host")
    return ("-accel", "tcg,thread=multi", "-cpu", "max")
