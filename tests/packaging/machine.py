"""What the machines of the boot test have in common, be they containers (container.py) or virtual (virtual_machine.py).

    machine.boot()                                    # returns once all that is to start by itself has been started
    machine.run("systemctl", "start", "sluice.target")
    machine.run("queuectl", "status", user="anna")
    machine.put("/etc/sluice/default.toml", text, "root:sluice", 0o640)
    machine.cut_power()                               # what was not synced is gone
    machine.boot()                                    # another boot, with another boot id
"""

import shutil

import debian_tree
import power
import rig as rigs
from processes import TestFailure, wait_until

SKIPPED = 77

# The name by which the machines know the one that the tests run on; also the name of the stand-in's cluster.
OUTSIDE = "sim.example.com"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}


class Machine:
    """Subclasses have run(), boot(), stop(), cut_power() and running(), and may need more patience."""

    # For a boot, a command, or what is waited for: there to end what is hopeless.
    patience_seconds = 120
    # What it can give to a unit.
    open_files_max = 524288

    def run(self, *command, user=None, check=True, given=""):
        """Runs a command in it, as root or another user, with `given` as its input. Its status (returncode) and output
        (stdout, both streams in one); raises TestFailure when it fails, unless that is not to be checked."""
        raise NotImplementedError

    def wait_until(self, condition, what, process=None):
        return wait_until(condition, what, self.patience_seconds, process)

    def wait_until_booted(self, process):
        def booted():
            return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")
        self.wait_until(booted, "the machine has booted", process)

    def show(self, unit, *properties):
        """The values of properties that systemctl shows of a unit; the value itself if it is one."""
        said = self.run("systemctl", "show", unit, f"--property={','.join(properties)}").stdout
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return values[properties[0]] if len(properties) == 1 else values

    def journal(self, *arguments):
        return self.run("journalctl", "--no-pager", "--output=short-iso-precise", *arguments).stdout

    def put(self, path, text, owner="root:root", mode=0o644):
        """Writes a file as a whole, in place of what was there, and makes it durable; makes its folder."""
        script = 'mkdir -p "${1%/*}" && cat >"$1.new" && chown "$2" "$1.new" && chmod "$3" "$1.new" && sync "$1.new" && mv "$1.new" "$1" && ' \
            'sync "${1%/*}"'
        self.run("sh", "-c", script, "sh", path, owner, f"{mode:o}", given=text)

    def read(self, path):
        return self.run("cat", path).stdout


def as_user(user, command):
    """The words of a command that another user is to run."""
    return [*(["runuser", "-u", user, "--"] if user else []), *(str(word) for word in command)]


def status_of(name, play):
    """The exit status of a test program whose machines live in namespaces of its own; `play` gets a folder, which goes with it.
    To be called before anything else is done, with the command line untouched."""
    folder = None
    try:
        debian_tree.enter_own_namespace()
        folder = rigs.temporary_folder(name)
        play(folder)
    except power.NotPossible as reason:
        print(f"SKIPPED: {reason}", flush=True)
        return SKIPPED
    except TestFailure as failure:
        print(f"FAILED: {failure}", flush=True)
        return 1
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return 0
