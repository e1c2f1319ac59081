"""Starts, watches and ends the programs of a test, each with a log in the test's folder.

    with Processes(folder) as processes:
        sim = processes.start("teleport-sim", [binary, "--port-file", folder / "port", ...])
        port = wait_for_port(folder / "port", sim)
        answer = control(folder / "control", "stats")
        sim.kill()

Only processes that were started here are ever ended, by their ids.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

PATIENCE_SECONDS = 60


class TestFailure(Exception):
    """What a test driver waits for did not come, or was wrong. The text is for people."""


class Process:
    """A running program. Its output goes to `log`, which a restart continues."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.log = Path(log)
        self._environment = environment
        self._popen = None
        self._log_begin = 0
        self.start()

    def start(self):
        """Starts the program (again)."""
        if self.running():
            raise TestFailure(f"{self.name} runs already")
        environment = {**os.environ, **(self._environment or {})}
        with open(self.log, "ab") as log:
            self._log_begin = log.tell()
            self._popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=subprocess.STDOUT, env=environment)

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def stop(self, patience_seconds=PATIENCE_SECONDS):
        """SIGTERM. Returns the exit status; it is a failure not to end in time."""
        return self._end(signal.SIGTERM, patience_seconds)

    def kill(self):
        """SIGKILL: no code of the program runs any more."""
        return self._end(signal.SIGKILL, PATIENCE_SECONDS)

    def signal(self, number):
        """For example SIGSTOP and SIGCONT."""
        if self.running():
            self._popen.send_signal(number)

    def wait(self, patience_seconds=PATIENCE_SECONDS):
        """The exit status, once the program has ended by itself."""
        try:
            return self._popen.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            raise TestFailure(f"{self.name} has not ended within {patience_seconds} s; "
                              f"its log ends:\n{self.log_tail()}") from None

    def has_said(self, text=""):
        """Whether its log has that, or anything, since its last start. Our daemons say nothing before they take signals."""
        with open(self.log, "rb") as log:
            log.seek(self._log_begin)
            said = log.read()
        return bool(said) and text.encode() in said

    def log_text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self, lines=20):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def _end(self, number, patience_seconds):
        if self._popen is None:
            return None
        if self._popen.poll() is None:
            self._popen.send_signal(number)
            if number != signal.SIGKILL:
                # A stopped process gets the signal only when it goes on.
                self._popen.send_signal(signal.SIGCONT)
        return self.wait(patience_seconds)


class Processes:
    """All processes of a test; leaving the context kills what is left."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._all = []

    def start(self, name, command, environment=None):
        process = Process(name, command, self.folder / f"{name}.log", environment)
        self._all.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._all):
            with contextlib.suppress(TestFailure):
                process.kill()


def wait_until(condition, what, patience_seconds=PATIENCE_SECONDS, process=None):
    """Calls `condition` until it gives something true, and returns that. Fails when `process` ends
    before, or when nothing has come after `patience_seconds`, which is there to end a hopeless wait
    and no measure of speed."""
    deadline = time.monotonic() + patience_seconds
    while True:
        result = condition()
        if result:
            return result
        if process is not None and not process.running():
            raise TestFailure(f"{process.name} ended with {process.wait(0)} before {what}; "
                              f"its log ends:\n{process.log_tail()}")
        if time.monotonic() > deadline:
            raise TestFailure(f"{what}: not within {patience_seconds} s")
        time.sleep(0.02)


def wait_for_port(path, process=None, patience_seconds=PATIENCE_SECONDS):
    """The port that a program has written to its port file. Remove the file before the start."""
    path = Path(path)
    wait_until(path.exists, f"the port file {path.name} is there", patience_seconds, process)
    return int(path.read_text(encoding="ascii"))


def control(path, line, patience_seconds=PATIENCE_SECONDS):
    """Sends one line to a control socket and returns the answer; "error ..." is a failure."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience_seconds)
        connection.connect(str(path))
        connection.sendall(line.encode() + b"\n")
        with connection.makefile("r", encoding="utf-8") as lines:
            answer = lines.readline()
    if not answer.endswith("\n"):
        raise TestFailure(f"no answer to \"{line}\"")
    if answer.startswith("error"):
        raise TestFailure(f"\"{line}\": {answer.rstrip()}")
    return answer.rstrip("\n")


def stats(path):
    """The simulators' answer to "stats"."""
    return json.loads(control(path, "stats"))


def free_port():
    """A port that is free now. Prefer port 0 and a port file where the program can do that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
