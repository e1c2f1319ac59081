"""Starts what stands between a fetcher and Teleport's stand-in (teleport_front.py), and starts it anew on the same port.

    front = Front(rig, "proxy", web)
    port = front.start("--cut-after", 5000)
    front.restart()                          # every connection through it is gone

`web`: FluentdFiles, whose server certificate is the proxy's web certificate.
"""

import sys
from pathlib import Path

from processes import wait_for_port

PROGRAM = Path(__file__).resolve().parent / "teleport_front.py"


class Front:
    def __init__(self, rig, kind, web):
        self.kind = kind
        self.port = 0
        self.log = rig.folder / f"{kind}.front.log"
        self.log.touch()
        self._rig = rig
        self.web = web
        self._process = None

    def start(self, *options):
        """The port."""
        port_file = self._rig.folder / f"{self.kind}.port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, PROGRAM, "--kind", self.kind, "--auth", f"127.0.0.1:{self._rig.teleport_port}",
                   "--cluster", self._rig.teleport_files.cluster, "--web-cert", self.web.server_cert,
                   "--web-key", self.web.server_key, "--listen", f"127.0.0.1:{self.port}",
                   "--port-file", port_file, "--log", self.log, *options]
        self._process = self._rig.processes.start(f"front-{self.kind}", command)
        self.port = wait_for_port(port_file, self._process)
        return self.port

    def restart(self, *options):
        self.kill()
        self.start(*options)

    def kill(self):
        self._process.kill()

    def running(self):
        return self._process.running()
