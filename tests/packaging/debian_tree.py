"""Debian 12 in a folder: for what must be tried on a clean machine, not on the one that the tests run on.

    debian_tree.enter_own_namespace()               # at the program's start, before anything else
    cache = build / "debian"
    with debian_tree.Tree(cache, debian_tree.SYSTEMD) as tree:
        tree.install("libfoo1", "/root/sluice.deb")  # with apt; a path is one in the tree
        (tree.root / "etc/hostname").write_text("bank")
        said = tree.run("foo", "--version").stdout

A tree is minbase and the packages that are asked for, made with debootstrap and apt once and kept in the cache folder. A test
gets a copy of it, that is an overlay in memory: nothing that it does is in the cached tree, and nothing is left of it. For
that the program runs in a mount and a process namespace of its own, so that neither mounts nor processes outlive it, however
it ends.

Needs root, debootstrap, and apt sources of Debian 12 on this machine, whose mirror is used. Raises NotPossible where that is
not there.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from power import NotPossible, enter_own_namespace  # noqa: E402, F401
from processes import TestFailure  # noqa: E402

RELEASE = "bookworm"
# What has to be in a tree that is to be booted.
SYSTEMD = ("systemd", "systemd-sysv", "dbus")
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
# Making a tree downloads some hundred packages.
PATIENCE_SECONDS = 900
# In the mount and process namespace of each command: what a program expects to find, and nothing else of this machine.
ENTER = 'mount -t proc proc "$0/proc" && mount -t devpts devpts "$0/dev/pts" && mount -t tmpfs shm "$0/dev/shm" && ' \
    'exec chroot "$0" "$@"'
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
APT = ("apt-get", "-q", "-y", "--no-install-recommends", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root")


def libraries_of(programs):
    """The Debian packages of the shared libraries that the programs are linked with."""
    listed = _run("ldd", *programs).stdout
    paths = {line.split()[2] for line in listed.splitlines() if " => /" in line}
    # dpkg knows a file by the path that its package gave it, which may be below /lib or below /usr/lib.
    names = {form for path in paths for form in (path, path.removeprefix("/usr"), f"/usr{path}")}
    found = subprocess.run(["dpkg-query", "--search", *sorted(names)], capture_output=True, text=True, check=False)
    return tuple(sorted({line.split(":")[0] for line in found.stdout.splitlines() if not line.startswith("diversion")}))


def minimal(cache):
    """The cached tree without further packages, for who only reads it."""
    return _cached(Path(cache), ())


class Tree:
    """See the head of this file. `root` is where the tree is mounted while the context is open."""

    def __init__(self, cache, packages=()):
        if os.geteuid() != 0:
            raise NotPossible("only root can make a Debian tree")
        self._base = _cached(Path(cache), tuple(sorted(set(packages))))
        self._folder = None
        self.root = None

    def __enter__(self):
        # Not in the cache folder: when a kill leaves it behind, it is an empty folder in /tmp.
        self._folder = Path(tempfile.mkdtemp(prefix="sluice-debian-"))
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "none", self._folder)
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir(mode=0o755)
        self.root = self._folder / "root"
        _run("mount", "-t", "overlay", "-o", f"lowerdir={self._base},upperdir={self._folder}/upper,"
             f"workdir={self._folder}/work", "none", self.root)
        return self

    def __exit__(self, *_):
        for mounted in (self.root, self._folder):
            # Lazily: what a test has left running in it ends with the namespace.
            subprocess.run(["umount", "--recursive", "--lazy", str(mounted)], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def run(self, *command, check=True, **more):
        """Runs a command in the tree, as root, and waits for its end and that of all that it has started. Its status and
        output, both streams in one; raises TestFailure when it fails, unless that is not to be checked."""
        return _run_in(self.root, *command, check=check, **more)

    def install(self, *packages):
        """With apt: names of packages, or paths in the tree of .deb files."""
        _install_in(self.root, packages)


def _run(*command, check=True, **more):
    done = subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL, check=False,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "timeout": PATIENCE_SECONDS, **more})
    if check and done.returncode != 0:
        raise TestFailure(f"{' '.join(str(word) for word in command)} ended with {done.returncode}:\n{done.stdout}")
    return done


def _run_in(root, *command, environment=None, **more):
    return _run("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, root,
                *command, env={**ENVIRONMENT, **(environment or {})}, **more)


def _install_in(root, packages):
    # The resolver of this machine is lent to the tree for as long as it takes.
    resolver = root / "etc/resolv.conf"
    shutil.copy("/etc/resolv.conf", resolver)
    try:
        tried = _run_in(root, *APT, "install", *packages, check=False)
        if tried.returncode != 0:
            # The mirror may have moved on since the lists were fetched.
            _run_in(root, *APT, "update")
            _run_in(root, *APT, "install", *packages)
    finally:
        resolver.unlink()


def _mirror():
    listed = _run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages").stdout
    for line in listed.splitlines():
        site, *rest = line.split()
        if rest == [RELEASE, "main"]:
            return site
    raise NotPossible(f"apt here has no source of Debian 12 ({RELEASE} main), from which a tree could be made")


def _cached(cache, packages):
    """The tree with these packages; makes it if it is not there."""
    if shutil.which("debootstrap") is None:
        raise NotPossible("there is no debootstrap (Debian package debootstrap)")
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    tree = cache / (f"{RELEASE}-{digest}" if packages else RELEASE)
    # Others wait for the one that makes it. A tree that carries its final name is whole.
    with open(cache / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        minimal = cache / RELEASE
        if not minimal.exists():
            _make(minimal, _bootstrap)
        if not tree.exists():
            def add_packages(root):
                _run("cp", "--archive", "--reflink=auto", f"{minimal}/.", root)
                _install_in(root, packages)
                _run_in(root, "apt-get", "clean")
            _make(tree, add_packages)
    return tree


def _make(tree, fill):
    made = tree.with_name(f"{tree.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o755)
    print(f"making a Debian tree once: {tree}", flush=True)
    fill(made)
    made.rename(tree)


def _bootstrap(root):
    site = _mirror()
    certificates = ["--include=ca-certificates"] if site.startswith("https") else []
    _run("debootstrap", "--variant=minbase", *certificates, RELEASE, root, site)
    (root / "etc/hosts").write_text(HOSTS, encoding="ascii")
    (root / "etc/hostname").write_text("sluice-test\n", encoding="ascii")
    # These were this machine's.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    _run_in(root, "apt-get", "clean")
