#!/usr/bin/env python3
"""Runs fuzzers, two at a time, and prints what each of them did in one line.

run_fuzz.py BIN_FOLDER [NAME...] [--minutes N]

Without names, all of them. What they learn stays in build/fuzz/runs/NAME/corpus and is where the next run begins; an input
with a finding is left in build/fuzz/runs/NAME/found, with the log beside it. Exit status 0: no finding.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("build/fuzz/runs")
AT_ONCE = 2
PREFIX = "fuzz-"

# Of one input: longer ones count as hanging, larger ones as a leak of memory. The time is that of the clock on the wall,
# and a busy machine may leave a fuzzer little of it.
SECONDS_MAX = 25
MEGABYTES_MAX = 2048

# How long beyond its time a fuzzer may take to end.
GRACE_SECONDS = 120

STATUS_LINE = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)(?: corp: (\d+))?", re.MULTILINE)
EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s+(\d+)", re.MULTILINE)


@dataclass
class Outcome:
    name: str
    executions: int
    seconds: float
    coverage: tuple  # edges at the start, edges and features at the end
    inputs: int  # in the corpus
    found: list
    status: int

    @property
    def ok(self):
        return self.status == 0 and not self.found

    def line(self):
        first, edges, features = self.coverage
        verdict = "no finding"
        if self.found:
            verdict = f"{len(self.found)} FOUND: {', '.join(str(path) for path in self.found)}"
        elif not self.ok:
            verdict = f"FAILED with {self.status}: see {FOLDER / self.name / 'log'}"
        return (f"{self.name:<16}{self.executions:>12,} executions in {self.seconds:>4.0f} s  "
                f"edges {edges:,} (+{edges - first:,})  features {features:,}  "
                f"corpus {self.inputs:,}  {verdict}")


def options_of(folder, seconds):
    words = [f"-max_total_time={seconds}", f"-timeout={SECONDS_MAX}",
             f"-rss_limit_mb={MEGABYTES_MAX}", "-print_final_stats=1", "-print_funcs=0",
             "-use_value_profile=1", f"-artifact_prefix={folder / 'found'}/"]
    limit = folder / "bytes_max"
    if limit.exists():
        words.append(f"-max_len={limit.read_text(encoding='utf-8').strip()}")
    return words


def run(program, seconds):
    name = program.name.removeprefix(PREFIX)
    folder = FOLDER / name
    shutil.rmtree(folder / "found", ignore_errors=True)
    shutil.rmtree(folder / "seeds", ignore_errors=True)
    for part in ("corpus", "seeds", "found"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with open(folder / "log", "w", encoding="utf-8", errors="replace") as log:
        subprocess.run([program, f"--seeds={folder / 'seeds'}"], check=True, stdout=log,
                       stderr=log, stdin=subprocess.DEVNULL, timeout=GRACE_SECONDS)
        limit = folder / "bytes_max"
        (folder / "seeds" / "bytes_max").replace(limit)
        status = subprocess.run(
            [program, *options_of(folder, seconds), folder / "corpus", folder / "seeds"],
            check=False, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            timeout=seconds + GRACE_SECONDS).returncode
    return outcome_of(name, folder, status, time.monotonic() - begin)


def outcome_of(name, folder, status, seconds):
    text = (folder / "log").read_text(encoding="utf-8", errors="replace")
    lines = STATUS_LINE.findall(text)
    first = lines[0] if lines else ("0", "0", "0", "")
    last = lines[-1] if lines else first
    executions = EXECUTIONS.search(text)
    inited = next((line for line in lines if line[3]), first)
    return Outcome(name, int(executions.group(1) if executions else last[0]), seconds,
                   (int(inited[1]), int(last[1]), int(last[2])),
                   sum(1 for _ in (folder / "corpus").iterdir()),
                   sorted((folder / "found").iterdir()), status)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--minutes", type=float, default=1, help="how long each of them runs (1)")
    return parser, parser.parse_args()


def main():
    parser, arguments = parse_arguments()
    programs = {path.name.removeprefix(PREFIX): path.resolve()
                for path in sorted(arguments.bin_folder.glob(f"{PREFIX}*"))}
    unknown = [name for name in arguments.names if name not in programs]
    if unknown:
        parser.error(f"there is no fuzzer {unknown[0]}; there are: {', '.join(programs)}")
    chosen = [programs[name] for name in arguments.names or programs]
    seconds = max(1, round(arguments.minutes * 60))
    bad = 0
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for outcome in pool.map(lambda program: run(program, seconds), chosen):
            print(outcome.line(), flush=True)
            bad += not outcome.ok
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
