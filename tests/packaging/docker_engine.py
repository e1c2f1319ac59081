"""A Docker Engine of a test's own: its own data, its own socket, no network of its own, ended with the context.

No image can be pulled in a test, so a Debian 12 that debootstrap makes (debian_tree.py) is imported under the base image's name. What
takes long (that tree, the images, the compiler's cache) stays in the folder and is used again.
"""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import debian_tree
from processes import Processes, TestFailure, wait_until

BASE_IMAGE = "debian:bookworm-slim"
# Debian's own client knows how to build with BuildKit; others may need a plugin for it.
DEBIAN_CLIENT = "/usr/bin/docker"

# What the documented commands need to work here: images are built and containers run in the network of who starts them, since
# the stand-ins are on its loopback interface; there is no terminal; and Debian's compose is a program of its own.
CLIENT = """#!/bin/sh
case "$1" in
  build)
    shift
    exec {docker} build --network host "$@" ;;
  compose)
    shift
    if [ "$1" = exec ]; then shift; set -- exec -T "$@"; fi
    exec {compose} "$@" ;;
  *)
    exec {docker} "$@" ;;
esac
"""


# Of unshare(2) and netdevice(7).
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


class NotHere(Exception):
    """Why there can be no Docker Engine on this machine."""


def enter_own_network():
    """For this process and those that it starts from now on there is a loopback interface, and nothing else."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise NotHere(f"there can be no network of its own: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(device, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def _need(program, package):
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise NotHere(f"{program} is not installed (Debian package {package})")
    return found


class DockerEngine:
    """`environment` is for commands that use it: `docker` and `docker compose` are the first on its PATH."""

    def __init__(self, folder):
        self._folder = Path(folder).resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._dockerd = _need("dockerd", "docker.io")
        self._docker = DEBIAN_CLIENT if Path(DEBIAN_CLIENT).exists() else _need("docker", "docker.io")
        if os.geteuid() != 0:
            raise NotHere("only root can start a Docker Engine")
        self._processes = Processes(self._folder)
        # Sockets need short paths.
        self._run = Path(tempfile.mkdtemp(prefix="sluice-docker-"))
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self._run}/docker.sock", "DOCKER_BUILDKIT": "1",
                            "PATH": f"{self._run}:{os.environ['PATH']}"}
        self._process = None

    def __enter__(self):
        client = self._run / "docker"
        client.write_text(CLIENT.format(docker=self._docker, compose=self._compose()))
        client.chmod(0o755)
        self._process = self._processes.start("dockerd", [
            # However this process ends, the engine ends too.
            "setpriv", "--pdeathsig", "TERM", self._dockerd, "--data-root", self._folder / "data", "--exec-root", self._run / "exec",
            "--pidfile", self._run / "pid", "--host", f"unix://{self._run}/docker.sock",
            # The machine's own network and firewall are left alone.
            "--bridge=none", "--iptables=false", "--ip-forward=false"])
        try:
            wait_until(lambda: self._process.running() and self._succeeds("info"), "the Docker Engine answers",
                       process=self._process)
        except TestFailure:
            said = self._process.log_tail(5)
            self.__exit__()
            raise NotHere(f"dockerd does not run on this machine; it said:\n{said}") from None
        try:
            self._remove_containers()
            if not self._succeeds("image", "inspect", BASE_IMAGE):
                self._import_base()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._process is not None and self._process.running():
            self._process.stop()
        self._processes.__exit__(None, None, None)
        # The engine leaves the network that it lent to containers mounted.
        for left in (self._run / "exec/netns").glob("*"):
            subprocess.run(["umount", left], capture_output=True, check=False)
        shutil.rmtree(self._run, ignore_errors=True)

    def _compose(self):
        plugin = subprocess.run([self._docker, "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return f"{self._docker} compose"
        return _need("docker-compose", "docker-compose")

    def _succeeds(self, *arguments):
        return self.try_docker(*arguments).returncode == 0

    def try_docker(self, *arguments, **more):
        return subprocess.run(["docker", *(str(word) for word in arguments)], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, **more)

    def docker(self, *arguments):
        """What it printed."""
        done = self.try_docker(*arguments)
        if done.returncode != 0:
            raise TestFailure(f"docker {' '.join(map(str, arguments))} ended with {done.returncode}: "
                              f"{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def shell(self, commands, folder, environment=None):
        """Runs documented commands. What they printed."""
        done = subprocess.run(["sh", "-euxc", commands], env={**self.environment, **(environment or {})}, cwd=folder, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise TestFailure(f"these commands ended with {done.returncode}:\n{commands}\n{done.stdout[-6000:]}")
        return done.stdout

    def _remove_containers(self):
        """Those that a run which was killed has left; they would be started again for ever."""
        left = self.docker("ps", "--all", "--quiet").split()
        if left:
            self.docker("rm", "--force", *left)
        self.docker("volume", "prune", "--force")

    def _import_base(self):
        try:
            tree = debian_tree.minimal(self._folder / "debian")
        except debian_tree.NotPossible as why:
            raise NotHere(str(why)) from None
        with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(["docker", "import", "--change", 'CMD ["bash"]', "-", BASE_IMAGE], env=self.environment,
                           stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
