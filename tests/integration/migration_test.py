#!/usr/bin/env python3
"""Taking over from Teleport's own teleport-event-handler, and the way back.

migration_test.py BIN_FOLDER

What that handler had sent is sent to the stand-in for Fluentd, one event a request, and its folder is made as it
leaves it in mid-stream. Then our daemons go on, and the outside oracle holds what arrived against what was served:
nothing may be missing, and no more may be there twice than the documents say.
"""

import json
import os
import shutil
import subprocess
import sys
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import documents  # noqa: E402
import event_handler  # noqa: E402
import rig as rigs  # noqa: E402

BIN = None
EVENTS = 600
DAYS = 3
PER_SESSION = 10
FETCHER, SHIPPER = "sluice-fetcher", "sluice-shipper"
CONFIG, BUSY, CANNOT_OPEN = 78, 75, 73
OVERLAP = timedelta(minutes=2)


def at(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Migration(unittest.TestCase):
    def begin(self, mode):
        self.rig = rigs.Rig(BIN, rigs.temporary_folder("migration"), mode=mode, days=DAYS, chunk_events=50,
                            events=EVENTS, sessions=24, events_per_session=PER_SESSION,
                            settings="skip-session-types = []")
        self.addCleanup(self.rig.remove)
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.start_stand_ins()
        self.run_daemon(FETCHER, "--dry-run", "--exit-on-last-event", "--start-time",
                        at(datetime.now(UTC) - timedelta(days=9)))
        self.folder = event_handler.Folder(self.rig.folder / "storage", f"localhost:{self.rig.teleport_port}")

    def run_daemon(self, program, *options, status=0):
        code, said = self.rig.run(program, *options)
        self.assertEqual(status, code, said)
        return said

    def served(self, lane):
        text = self.rig.served.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.rstrip("\n").split("\n")]
        return [line for line in lines if line["lane"] == lane]

    def recordings_of(self, audit):
        return [line["body"]["sid"] for line in audit if line["body"]["event"] == "session.upload"]

    def in_order_of_time(self):
        audit = self.served("audit")
        self.assertEqual(EVENTS, len(audit))
        return sorted(audit, key=lambda line: (line["body"]["time"], line["id"]))

    def begin_recordings(self, sent):
        """Of those that the handler has seen announced: the first was read in part, the second is missing, the
        others were sent. What it had sent of the first, once that was served."""
        first, second, *_ = self.recordings_of(sent)
        self.folder.put_session(first, 4)
        self.folder.put_missing_recording(second, at(datetime.now(UTC)))
        return lambda: [line for line in self.served("session") if line["sid"] == first and line["ordinal"] < 4]

    def take_over(self):
        """Runs our daemons once, with the handler's folder where nothing can be written."""
        before = self.folder.contents()
        self.rig.read_only_folder = self.folder.storage if os.geteuid() == 0 else None
        said = self.run_daemon(FETCHER, "--exit-on-last-event")
        self.rig.read_only_folder = None
        self.assertEqual(before, self.folder.contents())
        self.assertIn("the position of teleport-event-handler was taken over from", said)
        self.run_daemon(SHIPPER, "--exit-when-drained")
        return said

    def judge(self, sent, sent_of_recordings, duplicates_max):
        event_handler.send(self.rig, [("audit", None, line["body"]) for line in sent])
        event_handler.send(self.rig, [("session", line["sid"], line["body"]) for line in sent_of_recordings()])
        report = self.rig.judge(duplicates_max=duplicates_max)
        self.assertTrue(report.ok, report)
        self.assertEqual(EVENTS, report.lanes["audit"].delivered)
        return report

    def test_a_search_goes_on_behind_the_last_event(self):
        self.begin("search")
        order = self.in_order_of_time()
        sent = order[:EVENTS // 2]
        last = datetime.fromisoformat(sent[-1]["body"]["time"])
        start = last.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
        window = start
        while window + timedelta(days=1) <= last:
            window += timedelta(days=1)
        self.folder.search(at(start), at(window), sent[-1]["id"], "a key of another release")
        recordings = self.begin_recordings(sent)
        self.folder.written()
        said = self.take_over()
        self.assertIn(f"sent is of {at(last)}: going on", said)
        self.assertIn("recordings that it had not finished: 2", said)
        again = [line for line in sent if datetime.fromisoformat(line["body"]["time"]) >= last - OVERLAP]
        allowed = len(again) + PER_SESSION * len(self.recordings_of(again))
        self.judge(sent, recordings, allowed)
        # The way back: everything before that time is in Fluentd.
        position = self.position()
        self.assertEqual({"audit": 0, "session": 0}, position["backlog"])
        start_time = datetime.fromisoformat(position["start_time"])
        self.assertGreater(start_time, last)
        self.assertLess(start_time, datetime.now(UTC))

    def test_a_bulk_export_goes_on_in_its_days_and_chunks(self):
        self.begin("bulk")
        chunks = {}
        for line in self.served("audit"):
            chunks.setdefault(line["source"], []).append(line)
        sources = sorted(chunks)
        done, begun = sources[:len(sources) // 2], sources[len(sources) // 2]
        cut = len(chunks[begun]) // 2
        sent = [line for source in done for line in chunks[source]]
        sent += [line for line in chunks[begun] if line["ordinal"] < cut]
        self.folder.put("start_time", at(datetime.now(UTC) - timedelta(days=DAYS + 2)))
        for source in done:
            self.folder.chunk(source)
        self.folder.chunk(begun, f"a1:{cut - 1}")
        recordings = self.begin_recordings(sent)
        self.folder.written()
        said = self.take_over()
        self.assertIn(f"has read {len(done)} chunks and begun 1", said)
        report = self.judge(sent, recordings, 0)
        self.assertEqual(0, report.duplicates)
        # A second start has its own position, and notices a handler that runs again.
        self.folder.put("id", "later")
        said = self.run_daemon(FETCHER, "--exit-on-last-event")
        self.assertNotIn("was taken over", said.split("after its position")[0])
        self.assertIn("teleport-event-handler was started again", said)

    def prepare_machine(self):
        """A system with the old handler, below a folder of its own in which the rig's files have their paths, too."""
        root = self.rig.folder / "root"
        for folder in ("etc/systemd/system", "var/lib/sluice/default", "bin"):
            (root / folder).mkdir(parents=True)
        below = root / str(self.rig.folder.parent).lstrip("/")
        below.mkdir(parents=True)
        (below / self.rig.folder.name).symlink_to(self.rig.folder)
        user, group = os.geteuid(), os.getegid()
        names = ("root", "sluice-fetcher", "sluice-shipper")
        (root / "etc/passwd").write_text("".join(f"{name}:x:{user}:{group}::/:/bin/sh\n" for name in names))
        (root / "etc/group").write_text(f"sluice:x:{group}:\n")
        (root / "etc/systemd/system/teleport-event-handler.service").write_text(
            "[Service]\nExecStart=/usr/local/bin/teleport-event-handler start --config=/etc/teh.toml\n")
        shutil.copy(self.rig.config_path, root / "etc/teh.toml")
        log = root / "systemctl.log"
        for name, script in (("sluice-adopt", f'exec "{BIN}/sluice-adopt" --root "{root}" "$@"'),
                             ("sluice-fetcher", f'exec "{BIN}/sluice-fetcher" "$@"'),
                             ("systemctl", f'echo "$@" >> "{log}"')):
            (root / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (root / "bin" / name).chmod(0o755)
        return root, log

    def follow(self, name, root):
        script = documents.block("docs/migration.md", name).replace("--instance default", f"--config {self.rig.config_path}")
        done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}"})
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_the_pages_own_commands(self):
        self.begin("search")
        sent = self.in_order_of_time()[:EVENTS // 2]
        start = at(datetime.now(UTC) - timedelta(days=DAYS + 2))
        self.folder.search(start, start, sent[-1]["id"])
        self.folder.written()
        root, log = self.prepare_machine()
        looked = self.follow("look", root)
        self.assertFalse((root / "etc/sluice").exists())
        self.assertEqual(looked.splitlines()[1:], self.follow("adopt", root).splitlines())
        self.assertIn("disable teleport-event-handler.service", log.read_text())
        self.follow("start", root)
        self.assertIn("enable --now sluice-fetcher sluice-shipper", log.read_text())
        text = (root / "etc/sluice/default.toml").read_text().replace("/etc/sluice/", f"{root}/etc/sluice/")
        self.assertIn(f'identity = "{root}/etc/sluice/default/teleport-identity"', text)
        self.rig.config_path.write_text(text)
        said = self.run_daemon(FETCHER, "--exit-on-last-event")
        self.assertIn("the position of teleport-event-handler was taken over", said)
        self.run_daemon(SHIPPER, "--exit-when-drained")
        self.follow("stop", root)
        self.assertRegex(self.follow("position", root), r"^--start-time=\d{4}-.*Z\n")

    def position(self):
        done = subprocess.run([self.rig.bin / FETCHER, "position", "--config", self.rig.config_path,
                               "--output", "json"], capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def test_what_keeps_it_from_being_taken_over(self):
        self.begin("search")
        self.folder.search(at(datetime.now(UTC)), at(datetime.now(UTC)), "x")
        said = self.run_daemon(FETCHER, "--exit-on-last-event", status=BUSY)
        self.assertIn("so teleport-event-handler is running: stop it", said)
        self.folder.written()
        said = self.run_daemon(FETCHER, "--exit-on-last-event", "--teleport-addr",
                               f"127.0.0.1:{self.rig.teleport_port}", status=CONFIG)
        self.assertIn(f"but has localhost_{self.rig.teleport_port}: give teleport.addr as it was there", said)
        if os.geteuid() == 0:
            self.folder.path.chmod(0)
            command = ["setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
            folder = self.rig.folder
            for path in (folder, *folder.rglob("*")):
                if path != self.folder.path and self.folder.path not in path.parents:
                    os.chown(path, 65534, -1)
            os.chown(self.folder.storage, 0, -1)
            done = subprocess.run([*command, *map(str, self.rig.command(FETCHER, "--exit-on-last-event"))],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(CANNOT_OPEN, done.returncode, done.stderr)
            self.assertIn("sluice-fetcher's user must be allowed to enter each folder above it", done.stderr)
            self.folder.path.chmod(0o755)


if __name__ == "__main__":
    BIN = sys.argv.pop(1)
    unittest.main()
