#!/usr/bin/env python3
"""Runs clang-tidy over the project's own source files, and only over those that changed.

Reads the files to check from standard input, one path a line, relative to the working directory.
A file is checked again when anything that its verdict depends on has changed since it was last
found clean: its text, the headers that it includes (as the build knows them), how it is compiled,
.clang-tidy or the version of clang-tidy. Files that the build does not compile are left out: headers
are checked with the sources that include them.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

TIDY = "clang-tidy-19"


def object_dependencies(build: Path) -> dict[str, list[str]]:
    """For each object file of the build, the files that it was compiled from."""
    listing = subprocess.run(
        ["ninja", "-C", str(build), "-t", "deps"], check=True, capture_output=True, text=True
    ).stdout
    dependencies: dict[str, list[str]] = {}
    current: list[str] = []
    for line in listing.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif ": #deps" in line:
            current = dependencies.setdefault(line.split(": #deps")[0], [])
    return dependencies


def object_of(entry: dict) -> str:
    """The object file that a compile command makes; CMake 3.25 names it nowhere else."""
    words = shlex.split(entry["command"])
    return words[words.index("-o") + 1]


class Fingerprints:
    """What a file's verdict depends on, as one digest."""

    def __init__(self, build: Path):
        self.build = build.resolve()
        self.dependencies = object_dependencies(build)
        self.files: dict[Path, str] = {}
        version = subprocess.run([TIDY, "--version"], check=True, capture_output=True).stdout
        self.common = hashlib.sha256(version + Path(".clang-tidy").read_bytes()).hexdigest()

    def of_file(self, path: Path) -> str:
        if path not in self.files:
            if path.is_relative_to("/usr"):
                # The system's headers: many, and replaced only by another package.
                status = path.stat()
                self.files[path] = f"{status.st_size} {status.st_mtime_ns}"
            else:
                self.files[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self.files[path]

    def of_entry(self, entry: dict) -> str:
        parts = [self.common, entry["command"]]
        for name in self.dependencies.get(object_of(entry), []) or [entry["file"]]:
            path = Path(os.path.normpath(self.build / name))
            parts += [str(path), self.of_file(path) if path.exists() else "gone"]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check(build: Path, source: str) -> tuple[bool, str]:
    """Whether the file is clean, and what clang-tidy says about it."""
    result = subprocess.run(
        # The build's own warnings are GCC's; some of them clang does not know.
        [TIDY, "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option",
         "--extra-arg=-Wno-error", source],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    # Errors about the run itself come by the other stream, among counts of suppressed warnings.
    said = result.stdout if result.stdout.strip() else result.stderr
    return result.returncode == 0, said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True, help="a built CMake folder")
    parser.add_argument("--cache", type=Path, required=True, help="where to note clean files")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()

    wanted = {os.path.realpath(line.strip()) for line in sys.stdin if line.strip()}
    entries = json.loads((arguments.build / "compile_commands.json").read_text())
    fingerprints = Fingerprints(arguments.build)
    arguments.cache.mkdir(parents=True, exist_ok=True)

    to_check: dict[str, tuple[Path, str]] = {}
    known = 0
    for entry in entries:
        source = os.path.realpath(entry["file"])
        if source not in wanted:
            continue
        note = arguments.cache / os.path.relpath(source).replace(os.sep, "+")
        fingerprint = fingerprints.of_entry(entry)
        if note.exists() and note.read_text() == fingerprint:
            known += 1
        else:
            to_check[source] = (note, fingerprint)

    dirty = 0
    with concurrent.futures.ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        running = {pool.submit(check, arguments.build, source): source for source in to_check}
        for number, done in enumerate(concurrent.futures.as_completed(running), start=1):
            source = running[done]
            clean, said = done.result()
            print(f"    {number} of {len(to_check)}  {os.path.relpath(source)}", flush=True)
            if clean:
                note, fingerprint = to_check[source]
                note.write_text(fingerprint)
            else:
                dirty += 1
                print(said, flush=True)
    print(f"    {len(to_check)} files checked, {known} unchanged, {dirty} with findings")
    return 1 if dirty else 0


if __name__ == "__main__":
    sys.exit(main())
