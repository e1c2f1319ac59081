#!/usr/bin/env python3
"""Runs the rows of the torture matrix, one after the other, and prints what they found as a table.

run_torture.py BIN_FOLDER [NAME...] [--minutes N] [--seed S]

Without names, all rows. Each leaves build/torture/NAME.json, and build/torture/torture.md gets the tables. Exit status 0: every row that
could be run was good, and at least one could.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from torture_result import FOLDER, LOSSES, SKIPPED, describe_counts  # noqa: E402

HERE = Path(__file__).resolve().parent


@dataclass
class Row:
    name: str
    title: str
    program: str  # in this folder; see torture_result.py for the arguments it takes
    arguments: tuple = ()
    takes_minutes: bool = False


ROWS = (
    Row("kill", "process kill", "kill_matrix.py"),
    Row("random_kills", "kills at random", "random_kills_test.py"),
    Row("power_cut", "power cut", "power_cut_test.py"),
    Row("storage_errors", "storage errors", "storage_errors_test.py"),
    Row("corruption", "corruption", "corruption_test.py"),
    Row("clock_and_boot", "clock and boot", "clock_and_boot_test.py"),
    Row("halves", "halves", "halves_test.py"),
    Row("mix", "long mix", "long_mix.py", takes_minutes=True),
    Row("hostile", "hostile Teleport", "fetch_soak.py", takes_minutes=True),
    Row("sink", "hostile Fluentd", "ship_soak.py", takes_minutes=True),
)


def run_row(row, arguments):
    """The row's result, or None if this machine cannot run it."""
    path = FOLDER / f"{row.name}.json"
    path.unlink(missing_ok=True)
    command = [sys.executable, HERE / row.program, arguments.bin_folder, *row.arguments, "--full"]
    if arguments.seed is not None:
        command += ["--seed", arguments.seed]
    if row.takes_minutes:
        command += ["--minutes", arguments.minutes]
    print(f"==> {row.title} ({row.name})", flush=True)
    begin = time.monotonic()
    status = subprocess.run([str(word) for word in command], check=False,
                            stdin=subprocess.DEVNULL).returncode
    if status == SKIPPED:
        return None
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"row": row.name, "ok": False, "seconds": time.monotonic() - begin,
            "failures": [f"it ended with {status} and left no result"]}


def cells_of(row, result):
    """A row without cells is one cell."""
    return result.get("cells") or [{"cell": row.title, **result}]


def table(head, lines):
    widths = [max(len(str(line[i])) for line in (head, *lines)) for i in range(len(head))]
    def row(cells):
        return "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(cells, widths)) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([row(head), rule, *(row(line) for line in lines)])


def duplicates_of(cell):
    most = cell.get("duplicates_max", cell.get("duplicates", 0))
    return f"{most} of {cell.get('duplicates_bound', cell.get('bound', 0))}"


def summary(results):
    lines = []
    for row, result in results:
        if result is None:
            lines.append([row.title, "not run: this machine cannot", *[""] * (len(LOSSES) + 3)])
            continue
        cells = cells_of(row, result)
        worst = max(cells, key=lambda cell: cell.get("duplicates_max", cell.get("duplicates", 0)))
        lines.append([row.title, sum(cell.get("points", 0) for cell in cells),
                      *(sum(cell.get(loss, 0) for cell in cells) for loss in LOSSES),
                      duplicates_of(worst),
                      max(cell.get("drain_seconds_max", 0) for cell in cells),
                      f"{result['seconds'] / 60:.1f} min" + ("" if result["ok"] else ", FAILED")])
    return table(["row", "points", *LOSSES, "duplicates, of bound", "drain s", "took"], lines)


def details(row, result):
    cells = cells_of(row, result)
    extras = list(dict.fromkeys(name for cell in cells for name in cell.get("extra", {})))
    lines = [[cell["cell"], cell.get("points", 0), *(cell.get(loss, 0) for loss in LOSSES),
              duplicates_of(cell), cell.get("drain_seconds_max", 0),
              *(cell.get("extra", {}).get(name, "") for name in extras)]
             for cell in cells]
    died_at = sum((Counter(cell.get("died_at", {})) for cell in cells), Counter())
    head = f"{row.title}, seed {result.get('seed', 'unknown')}"
    text = table([head, "points", *LOSSES, "duplicates, of bound", "drain s", *extras], lines)
    notes = [result["summary"]] if result.get("summary") else []
    if died_at:
        notes.append(f"Deaths by the call that was the last one: {describe_counts(died_at)}.")
    return "\n".join([text, *(line for note in notes for line in ("", note))])


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    except OSError:
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()


def machine(folder):
    """What a reader must know to judge the figures."""
    commit = first_line(["git", "-c", "safe.directory=*", "rev-parse", "--short=12", "HEAD"])
    changed = first_line(["git", "-c", "safe.directory=*", "status", "--porcelain", "-uno"])
    file_system = first_line(["stat", "--file-system", "--format=%T", str(folder)])
    return (f"commit {commit or 'unknown'}{' with changes' if changed else ''}; "
            f"Linux {platform.release()}, {os.cpu_count()} processors, {file_system}; "
            f"{time.strftime('%Y-%m-%dT%H:%MZ', time.gmtime())}")


def parse_arguments():
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--minutes", type=float, default=30, help="how long the long mix and the rows of hostile peers run")
    parser.add_argument("--seed", type=int, help="otherwise each row takes a new one and prints it")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in names]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are: {', '.join(names)}")
    return arguments


def main():
    arguments = parse_arguments()
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = [(row, run_row(row, arguments)) for row in ROWS
               if not arguments.names or row.name in arguments.names]
    ran = [(row, result) for row, result in results if result is not None]
    text = "\n\n".join([summary(results), *(details(row, result) for row, result in ran),
                        machine(FOLDER)])
    (FOLDER / "torture.md").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}")
    return 0 if ran and all(result["ok"] for _, result in ran) else 1


if __name__ == "__main__":
    sys.exit(main())
