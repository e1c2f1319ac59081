"""The container image installs the libraries that the programs are linked with, and no others.

Usage: image_test.py SOURCE_FOLDER BIN_FOLDER. Exit status 77: skipped, for the reason printed. What an image does is tried by
container_test.py, which takes long.
"""

import re
import subprocess
import sys
from pathlib import Path

from installation import need_tool, run, skip

PROGRAMS = ("sluice-fetcher", "sluice-shipper", "sluice-adopt", "queuectl")
# Debian's smallest installation has them.
OF_THE_BASE = {"libc6", "libgcc-s1", "libstdc++6"}
# For something else than linking.
NO_LIBRARIES = {"ca-certificates", "curl"}


def linked_libraries(program: Path) -> set[str]:
    """The paths of those that it names itself, not of what these need in turn."""
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "--dynamic", "--wide", program)))
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", program), re.MULTILINE))
    missing = needed - found.keys()
    assert not missing, f"{program} is linked with {missing}, which is not here"
    return {found[name] for name in needed}


def package_of(path: str) -> str:
    """dpkg knows a file by the path that its package gave it, which may be below /lib or below /usr/lib."""
    names = {path, path.removeprefix("/usr"), f"/usr{path}"}
    said = subprocess.run(["dpkg-query", "--search", *sorted(names)], capture_output=True, text=True, check=False).stdout
    packages = {line.split(":")[0] for line in said.splitlines() if not line.startswith("diversion")}
    if len(packages) != 1:
        skip(f"{path} is not of one Debian package: {said}")
    return packages.pop()


def main() -> None:
    source, programs = Path(sys.argv[1]), Path(sys.argv[2])
    need_tool("dpkg-query", "dpkg")
    need_tool("readelf", "binutils")
    dockerfile = (source / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    listed = re.search(r"apt-get install --yes --no-install-recommends \\\n(.*?) && \\\n", dockerfile, re.DOTALL)
    assert listed, "the Dockerfile does not install packages in the form that is expected here"
    installed = set(listed.group(1).replace("\\\n", " ").split()) - NO_LIBRARIES
    linked = {package_of(path) for name in PROGRAMS for path in linked_libraries(programs / name)} - OF_THE_BASE
    assert installed == linked, \
        f"deploy/docker/Dockerfile lacks {sorted(linked - installed)} and need not install {sorted(installed - linked)}"


if __name__ == "__main__":
    main()
