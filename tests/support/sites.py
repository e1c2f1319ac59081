"""Installations that come and go beside each other and share a rig's stand-ins: each is played through a fault and then held
against what was served to it.
"""

import contextlib
import os
import re
import shutil
import subprocess

import rig as rigs
from processes import Processes, TestFailure, wait_until

# Ends a hopeless wait; a sync on a disk that others use may take many seconds.
PATIENCE_SECONDS = 180
# Not exported, so that events that are filtered are among those that move a cursor.
SKIPPED_TYPES = ("desktop.recording",)
SETTINGS = f"concurrency = 2\nskip-session-types = {list(SKIPPED_TYPES)}"
END_OPTIONS = {"fetcher": "--exit-on-last-event", "shipper": "--exit-when-drained"}


@contextlib.contextmanager
def work_folder(name, result):
    """A new folder. At the end it goes if the result is good by then, and else stays for a look."""
    folder = rigs.temporary_folder(name).resolve()
    yield folder
    if result.good():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"everything is kept in {folder}")


@contextlib.contextmanager
def shared_rig(name, arguments, result, **options):
    """The stand-ins, running, for a row whose points have installations of their own; in a work folder."""
    with work_folder(name, result) as folder, \
            rigs.Rig(arguments.bin_folder, folder, seed=result.seed, poll="100ms", settings=SETTINGS, **options) as rig:
        rig.start_stand_ins()
        yield rig


def fresh(rig, name, connections):
    """A new installation, in place of an earlier one of the same name."""
    shutil.rmtree(rig.folder / name, ignore_errors=True)
    site = rig.twin(name, connections)
    site.processes = Processes(site.folder)
    return site


def copy_state(source, target):
    """Copies a state folder, or a part of one. What was a socket of a daemon stays behind."""
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))


def run_to_end(site, daemon, environment=None, patience_seconds=PATIENCE_SECONDS):
    """Runs a daemon until it has nothing left to do; any other end is a failure. What it said."""
    try:
        status, said = site.run(f"sluice-{daemon}", END_OPTIONS[daemon], environment=environment,
                                patience_seconds=patience_seconds)
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"") + (expired.stderr or b"")
        raise TestFailure(f"sluice-{daemon} has not ended within {patience_seconds} s:\n"
                          f"{said.decode(errors='replace')[-3000:]}") from None
    with open(site.folder / "undisturbed.log", "a", encoding="utf-8") as log:
        log.write(f"--- sluice-{daemon} ended with {status}\n{said}")
    if status != 0:
        raise TestFailure(f"sluice-{daemon} ended with {status}:\n{said}")
    return said


def start(site, daemon, *options, environment=None):
    """In the background; it belongs to the site's processes."""
    program = f"sluice-{daemon}"
    return site.processes.start(program, site.command(program, *options), environment)


def run_until(site, daemon, reached):
    """Runs a daemon until the numbers of the lanes are so, then kills it."""
    process = start(site, daemon)

    def looks_right():
        try:
            return reached(site.status()["lanes"])
        except (TestFailure, TypeError):
            return False  # there is nothing to look at yet
    wait_until(looks_right, f"sluice-{daemon} has come far enough", PATIENCE_SECONDS, process)
    process.kill()


def cut_record(rig, site, offset):
    """The sink's record of this installation from `offset` of the common record on, in a file of its own."""
    target = site.folder / "accepted.ndjson"
    tag = f'"tag":"{site.folder.name}.'.encode()
    with open(rig.sink.record, "rb") as source, open(target, "wb") as copy:
        source.seek(offset)
        for line in source:
            if tag in line[:120]:
                copy.write(line)
    return target


def skips_sanitized(bin_folder):
    """Says so if the daemons are built with a sanitizer."""
    said = subprocess.run(["ldd", bin_folder / "sluice-fetcher"], capture_output=True, text=True, check=False).stdout
    if re.search(r"lib(a|t|l|ub)san\.", said) is None:
        return False
    print("SKIPPED: the daemons are built with a sanitizer, which does not bear a preloaded library")
    return True


def environment():
    """For programs that a test starts by itself."""
    return dict(os.environ)
