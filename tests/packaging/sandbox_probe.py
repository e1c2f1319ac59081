"""Tries things inside the sandbox of a daemon's unit: a unit with the same settings that runs a script instead of the daemon."""

import platform
import re

from processes import TestFailure

SCRIPT = "/usr/local/lib/sluice-probe.sh"
# Of the unit, what makes a daemon of it. All the rest is taken over.
DAEMONS_OWN = re.compile(r"^(Type|NotifyAccess|WatchdogSec|ExecStart|ExecReload|Restart\w*|PartOf|WantedBy|Description)=")
HEAD = """
try() {
  name="$1"
  shift
  if said="$("$@" 2>&1)"; then echo "yes $name"; else echo "no $name: $said"; fi
}
sh_c() { sh -c "$1"; }
export state=/var/lib/sluice/default
"""
# mmap(2)'s number: no program of a minimal Debian asks for memory that can be written and executed.
MMAP = {"x86_64": 9, "aarch64": 222}
# What is tried in both sandboxes: {name: (command, which of the two it works for)}.
BOTH, NEITHER, FETCHER, SHIPPER = {"fetcher", "shipper"}, set(), {"fetcher"}, {"shipper"}
ATTEMPTS = {
    "reads the configuration": ("cat /etc/sluice/default.toml", BOTH),
    "reads the identity": ("cat /etc/sluice/identity", FETCHER),
    "reads the key for Fluentd": ("cat /etc/sluice/client.key", SHIPPER),
    "reads the queue": ("cat $state/queue/page && ls $state/queue/db", BOTH),
    "writes the queue": ("echo x >$state/queue/probe && rm $state/queue/probe", FETCHER),
    "changes the queue": ("echo x >>$state/queue/FORMAT.probe && rm $state/queue/FORMAT.probe", FETCHER),
    "sees the delivery store": ("ls $state/delivery/default", SHIPPER),
    "writes the delivery store": ("echo x >$state/delivery/default/probe && rm $state/delivery/default/probe", SHIPPER),
    "reads how far the shipper is": ("cat $state/shipper/page", BOTH),
    "writes how far the shipper is": ("echo x >$state/shipper/probe && rm $state/shipper/probe", SHIPPER),
    "writes beside the folders of the instance": ("echo x >$state/probe", NEITHER),
    "writes the configuration": ("echo x >>/etc/sluice/default.toml", NEITHER),
    "writes to /usr": ("echo x >/usr/probe", NEITHER),
    "writes to /run": ("echo x >/run/probe", NEITHER),
    "has a /tmp of its own": ("echo x >/tmp/probe && test $(ls -A /tmp | wc -l) = 1", BOTH),
    "sees homes": ("ls /home", NEITHER),
    "sees root's home": ("ls /root", NEITHER),
    "sees other processes": ("test -d /proc/1", NEITHER),
    "sees the kernel's files in /proc": ("cat /proc/sys/kernel/random/boot_id || cat /proc/version", NEITHER),
    "knows the boot id": ('test "${#SLUICE_BOOT_ID}" = 32', BOTH),
    "makes a namespace": ("unshare --user true", NEITHER),
    "makes memory that can be written and executed":
        (f"perl -e 'exit(syscall({MMAP.get(platform.machine(), 9)}, 0, 4096, 7, 34, -1, 0) == -1)'", NEITHER),
    "makes ordinary memory": (f"perl -e 'exit(syscall({MMAP.get(platform.machine(), 9)}, 0, 4096, 3, 34, -1, 0) == -1)'", BOTH),
    "opens a TCP socket": ("perl -e 'socket(my $s, 2, 1, 0) or exit 1'", BOTH),
    "opens a packet socket": ("perl -e 'socket(my $s, 17, 3, 0) or exit 1'", NEITHER),
    "opens a netlink socket": ("perl -e 'socket(my $s, 16, 3, 0) or exit 1'", NEITHER),
    "sets a set-user-id bit": ("echo x >/tmp/suid && chmod u+s /tmp/suid", NEITHER),
    "has devices": ("test -e /dev/kmsg || test -e /dev/kvm", NEITHER),
    "has /dev/null": ("echo >/dev/null", BOTH),
}


class SandboxProbe:
    def __init__(self, machine):
        self._machine = machine

    def surprises(self, daemon):
        """What works and should not, or does not and should, in a sluice-DAEMON's sandbox; a line each."""
        unit = f"sluice-probe-{daemon}"
        self._write(unit, daemon)
        self._machine.run("systemctl", "daemon-reload")
        self._machine.run("systemctl", "start", unit)
        said = self._machine.read(f"/var/log/{unit}")
        found = [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith(("yes ", "no "))]
        works = {name: name in found for name in ATTEMPTS}
        fails = {name: any(line.startswith(f"{name}: ") for line in found) for name in ATTEMPTS}
        if not all(works[name] != fails[name] for name in ATTEMPTS):
            raise TestFailure(f"the probe of {daemon} did not try everything:\n{said}")
        return [f"{name}: {'works' if works[name] else 'does not work'}" for name, (_, whom) in ATTEMPTS.items()
                if works[name] != (daemon in whom)]

    def _write(self, unit, daemon):
        lines = self._machine.run("systemctl", "cat", f"sluice-{daemon}").stdout.splitlines()
        kept = [line for line in lines if not line.startswith("#") and not DAEMONS_OWN.match(line)]
        own = f"Type=oneshot\nExecStart=/bin/sh {SCRIPT}\nStandardOutput=truncate:/var/log/{unit}\n"
        text = "\n".join(kept).replace("[Service]\n", f"[Service]\n{own}", 1)
        self._machine.put(f"/etc/systemd/system/{unit}.service", text + "\n")
        script = HEAD + "".join(f"try {quoted(name)} sh_c {quoted(command)}\n" for name, (command, _) in ATTEMPTS.items())
        self._machine.put(SCRIPT, script)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"
