"""For the tests of what is installed: the installation into a folder, and how a test is skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SKIPPED = 77


def skip(reason: str) -> None:
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def need_tool(name: str, package: str = "systemd") -> None:
    if shutil.which(name) is None:
        skip(f"{name} is not installed (Debian package {package})")


def need_root() -> None:
    if os.geteuid() != 0:
        skip("only root can give folders to other users")


def run(*command: object, **more: object) -> str:
    """The command's output, both streams; fails the test with it if the command fails."""
    done = subprocess.run(
        [str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more,
    )
    assert done.returncode == 0, f"{command} returned {done.returncode}:\n{done.stdout}"
    return done.stdout


def install(build: Path, root: Path, component: str) -> None:
    run("cmake", "--install", build, "--component", component,
        env={**os.environ, "DESTDIR": str(root)})
