"""Teleport's own teleport-event-handler as far as taking over from it goes: what it had sent, and what its folder
says of that. The layout is that of fetcher/import/handler_state.h."""

import http.client
import json
import os
import ssl
import struct
from datetime import UTC, datetime, timedelta

# How long ago it was stopped.
AGE_SECONDS = 600


class Folder:
    """STORAGE/HOST_PORT."""

    def __init__(self, storage, address):
        self.storage = storage
        self.path = storage / address.replace(":", "_")
        self.path.mkdir(parents=True)

    def put(self, name, content):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def put_session(self, sid, index):
        self.put("session" + sid, struct.pack(">Q", index))

    def put_missing_recording(self, sid, uploaded):
        self.put("missing_recording" + sid, json.dumps({"Index": 0, "Attempt": 1, "Timestamp": uploaded}))

    def search(self, start_time, window_time, last_id, page_key=""):
        self.put("start_time", start_time)
        self.put("window_time", window_time)
        self.put("id", last_id)
        self.put("cursor", page_key)

    def chunk(self, source, cursor=None):
        """Of DAY/NAME: read to its end, or up to a cursor."""
        day, name = source.split("/")
        if cursor is not None:
            self.put(f"cursor_v2/{day}/{name}.chunk", cursor)
            return
        file = self.path / "cursor_v2" / day / "completed-chunks"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as completed:
            completed.write(name + "\n")

    def written(self, seconds_ago=AGE_SECONDS):
        """As if all of it had been written then."""
        then = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).timestamp()
        for folder, _, names in os.walk(self.path, topdown=False):
            for name in names:
                os.utime(os.path.join(folder, name), (then, then))
            os.utime(folder, (then, then))

    def contents(self):
        """Everything that a write, or a mere touch, would change."""
        found = {}
        for folder, _, names in os.walk(self.storage):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                status = os.lstat(path)
                content = b""
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        content = file.read()
                found[path] = (status.st_mode, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, content)
        return found


def send(rig, events):
    """As it did: one event a request. `events`: (lane, sid, body) of the record of what was served."""
    files = rig.fluentd_files
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.cert, files.key)
    connection = http.client.HTTPSConnection("localhost", rig.sink.port, context=context, timeout=60)
    for lane, sid, body in events:
        path = "/events.log" if lane == "audit" else f"/session.{sid}.log"
        connection.request("POST", path, body=json.dumps(body), headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    connection.close()
