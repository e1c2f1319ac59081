#!/usr/bin/env python3
"""Stands in for Fluentd's forward input, with faults on demand.

Takes what Fluentd 1.19 takes: PackedForward and CompressedPackedForward chunks, with <security> (shared key, users) or
without, over TLS with client certificates if there is --cert. What is no event is skipped. Accepted
events are written to --record before the acknowledgement, in the form of fluentd_sim.py. When it
cannot take a chunk it says nothing: it closes the connection. An array that is no chunk, or a message that is no array, is
left without an answer.

Commands on the control socket, one line each, answered by "ok", JSON (stats) or "error ...":

    refuse on|off        close the port and all connections; open the same port again
    overflow N|on|off    close without storing, for the next N chunks or until "off": the buffer is full
    chunk-limit BYTES    a larger record (as msgpack) makes its chunk fail: all others of it are stored, and the
                         connection is closed; 0: none
    poison TEXT          the same for a record whose JSON contains TEXT; "poison" alone ends it
    max-chunk BYTES      a larger message is dropped without an answer, and the connection stays
                         (chunk_size_limit); 0: none
    reset-before N       close in the middle of the next N chunks
    reset-after N        store the next N chunks, then close without an acknowledgement
    wrong-ack N          store the next N chunks, and acknowledge others
    stall SECONDS [N]    wait before storing and acknowledging, N chunks or until "stall 0"
    slow BYTES           read no more than BYTES a second on each connection; 0: as they come
    stats                counts; "wrong_times": events whose time is not that of their record
    quit
"""

import datetime
import hashlib
import json
import os
import re
import struct
import zlib

import fluentd_sim
from fluentd_sim import Control, Disconnected, Faults, Server, Store

READ_BYTES = 256 * 1024
MESSAGE_BYTES_MAX = 256 * 1024 * 1024
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$")


class Incomplete(Exception):
    """More bytes are needed."""


class Broken(Exception):
    """The bytes are no msgpack."""


class Ext:
    """An extension type's value."""

    def __init__(self, kind, data):
        self.kind = kind
        self.data = data


class Reader:
    """Values out of msgpack."""

    _FIXED = {0xc0: None, 0xc2: False, 0xc3: True}
    _NUMBERS = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q",
                0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
    _SIZES = {0xc4: ">B", 0xc5: ">H", 0xc6: ">I", 0xd9: ">B", 0xda: ">H", 0xdb: ">I", 0xdc: ">H",
              0xdd: ">I", 0xde: ">H", 0xdf: ">I", 0xc7: ">B", 0xc8: ">H", 0xc9: ">I"}

    def __init__(self, data):
        self._data = data  # bytes
        self.at = 0

    def at_end(self):
        return self.at == len(self._data)

    def _take(self, size):
        end = self.at + size
        if end > len(self._data):
            raise Incomplete
        taken = self._data[self.at:end]
        self.at = end
        return taken

    def _number(self, form):
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def begin_of_options(self):
        """Where a chunk's third part begins, by its first two."""
        if self._take(1) != b"\x93" or not isinstance(self.read(), str):
            raise Broken
        mark = self._take(1)[0]
        if mark not in (0xc4, 0xc5, 0xc6):
            raise Broken
        size = self._number(self._SIZES[mark])
        return self.at + size

    def read(self):
        mark = self._take(1)[0]
        if mark < 0x80:
            return mark
        if mark < 0x90:
            return self._map(mark & 0x0f)
        if mark < 0xa0:
            return self._array(mark & 0x0f)
        if mark < 0xc0:
            return self._text(mark & 0x1f)
        if mark >= 0xe0:
            return mark - 0x100
        if mark in self._FIXED:
            return self._FIXED[mark]
        if mark in self._NUMBERS:
            return self._number(self._NUMBERS[mark])
        if 0xd4 <= mark <= 0xd8:
            return self._ext(1 << (mark - 0xd4))
        if mark not in self._SIZES:
            raise Broken
        size = self._number(self._SIZES[mark])
        if mark <= 0xc6:
            return self._take(size)
        if mark <= 0xc9:
            return self._ext(size)
        if mark <= 0xdb:
            return self._text(size)
        return self._array(size) if mark <= 0xdd else self._map(size)

    def _text(self, size):
        return self._take(size).decode("utf-8", "surrogateescape")

    def _array(self, size):
        return [self.read() for _ in range(size)]

    def _map(self, size):
        return {self.read(): self.read() for _ in range(size)}

    def _ext(self, size):
        kind = self._number(">b")
        return Ext(kind, self._take(size))


def pack(value):
    """What this server says: arrays, maps, booleans, texts and bytes."""
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(pack(key) + pack(one) for key, one in value.items())
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    data = value.encode()
    return b"\xd9" + bytes([len(data)]) + data


def seconds_and_nanos(event_time):
    """Of an EventTime or whole seconds; None: it is neither, and its event is skipped."""
    if isinstance(event_time, Ext) and event_time.kind == 0 and len(event_time.data) == 8:
        return struct.unpack(">II", event_time.data)
    is_whole = isinstance(event_time, int) and not isinstance(event_time, bool)
    return (event_time, None) if is_whole else None


def is_time_of(event_time, record):
    """Whether an event's time is that of its record; true for a record that has none."""
    found = isinstance(record.get("time"), str) and TIME.match(record["time"])
    if not found:
        return True
    whole = datetime.datetime.fromisoformat(found[1] + found[3])
    seconds = round((whole - datetime.datetime.fromtimestamp(0, datetime.UTC)).total_seconds())
    nanos = int((found[2] or "").ljust(9, "0"))
    return event_time in ((seconds, nanos), (seconds, None))


def sha512(*parts):
    digest = hashlib.sha512()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
    return digest.hexdigest()


class ForwardFaults(Faults):
    def __init__(self):
        super().__init__()
        self._resets.update({"wrong-ack": 0, "overflow": 0})
        self.chunk_limit = 0
        self.max_chunk = 0
        self.slow = 0


class ForwardConnection(fluentd_sim.Connection):
    """One client, served by one thread until it leaves."""

    def serve(self):
        try:
            if hasattr(self._socket, "do_handshake"):
                self._socket.settimeout(10)
                if not self._shake_hands():
                    return
                self._socket.settimeout(None)
            else:
                self._server.statistics.add("connections")
            if self._server.security is None or self._greet():
                while self._serve_chunk():
                    pass
        except (OSError, Disconnected, Broken):
            pass
        finally:
            self._socket.close()
            self._server.forget(self)

    def _greet(self):
        """HELO, PING, PONG; whether the client may go on."""
        security = self._server.security
        nonce, salt = os.urandom(16), os.urandom(16)
        self._socket.sendall(pack(["HELO", {"nonce": nonce, "auth": salt, "keepalive": True}]))
        ping, _ = self._read_message()
        refusal, key_salt = security.refusal(ping, nonce, salt)
        if refusal:
            self._server.statistics.add("refused")
            self._socket.sendall(pack(["PONG", False, refusal, "", ""]))
            return False
        digest = sha512(key_salt, security.hostname, nonce, security.key)
        self._socket.sendall(pack(["PONG", True, "", security.hostname, digest]))
        return True

    def _read_message(self):
        """The next message, and how many bytes it had."""
        needed = 1
        while True:
            if len(self._buffer) >= needed:
                reader = Reader(bytes(self._buffer))
                try:
                    message = reader.read()
                except Incomplete:
                    needed = max(len(self._buffer) + 1, self._whole_size())
                else:
                    del self._buffer[:reader.at]
                    return message, reader.at
            if len(self._buffer) > MESSAGE_BYTES_MAX:
                raise Disconnected
            self._receive()

    def _whole_size(self):
        """How many bytes the chunk that is being received has at least; 0: that is not known yet."""
        reader = Reader(bytes(self._buffer[:4096]))
        try:
            return reader.begin_of_options()
        except (Incomplete, Broken):
            return 0

    def _receive(self):
        slow = self._server.faults.slow
        part = self._socket.recv(max(1, slow // 10) if slow else READ_BYTES)
        if not part:
            raise Disconnected
        self._buffer += part
        if slow:
            self._server.stopping.wait(len(part) / slow)
        if len(self._buffer) > 64 and self._server.faults.take_reset("reset-before"):
            raise Disconnected

    def _serve_chunk(self):
        """False when the connection has to be closed."""
        server, faults = self._server, self._server.faults
        message, size = self._read_message()
        if not isinstance(message, list) or len(message) < 2 or not isinstance(message[1], bytes):
            server.statistics.add("dropped")
            return True
        options = message[2] if len(message) > 2 else {}
        if faults.max_chunk and size > faults.max_chunk:
            server.statistics.add("too_large")
            return True
        server.statistics.add("requests")
        stall = faults.take_stall()
        if stall:
            server.stopping.wait(stall)
        if faults.take_reset("overflow"):
            server.statistics.answered("overflow")
            return False
        stored, failed = self._store(message[0], message[1], options)
        if failed:
            server.statistics.answered("failed")
            return False
        if faults.take_reset("reset-after") or self._client_has_left():
            server.statistics.unanswered(stored)
            return False
        if "chunk" not in options:
            return True
        is_wrong = faults.take_reset("wrong-ack")
        try:
            self._socket.sendall(pack({"ack": "AAAA" if is_wrong else options["chunk"]}))
        except OSError:
            server.statistics.unanswered(stored)
            raise
        if is_wrong:
            server.statistics.unanswered(stored)
        server.statistics.answered("wrong-ack" if is_wrong else "ack")
        return True

    def _store(self, tag, entries, options):
        """(events stored, whether a record was refused)"""
        server = self._server
        if options.get("compressed") == "gzip":
            server.statistics.add("gzip")
            entries = zlib.decompress(entries, 31)
        texts, refused, count = [], False, 0
        reader = Reader(entries)
        while not reader.at_end():
            begin = reader.at
            entry = reader.read()
            count += 1
            event_time = seconds_and_nanos(entry[0])
            if event_time is None or not isinstance(entry[1], dict):
                server.statistics.add("dropped")
                continue
            text = json.dumps(entry[1], ensure_ascii=False)
            if self._is_refused(reader.at - begin, text):
                refused = True
                continue
            if not is_time_of(event_time, entry[1]):
                server.statistics.add("wrong_times")
            texts.append(text)
        if options.get("size", count) != count:
            server.statistics.add("wrong_sizes")
        if texts:
            server.store.add(tag, texts)
            server.statistics.stored(tag, len(texts))
            server.monitor.emitted(len(texts))
        return len(texts), refused

    def _is_refused(self, size, text):
        faults = self._server.faults
        return (faults.chunk_limit and size > faults.chunk_limit) or \
            (faults.poison and faults.poison in text)


class Security:
    """Fluentd's <security>."""

    hostname = "fluentd.test"

    def __init__(self, key, users):
        self.key = key
        self._users = users

    def refusal(self, ping, nonce, salt):
        """(what is wrong with it, or None; the client's salt)"""
        if not isinstance(ping, list) or len(ping) != 6 or ping[0] != "PING":
            return "invalid ping message", b""
        _, host, key_salt, digest, name, password_digest = ping
        if digest != sha512(key_salt, host, nonce, self.key):
            return "shared_key mismatch", key_salt
        if self._users and not (name in self._users and
                                password_digest == sha512(salt, name, self._users[name])):
            return "username/password mismatch", key_salt
        return None, key_salt


class ForwardControl(Control):
    def actions(self):
        kept = {name: action for name, action in super().actions().items()
                if name in ("refuse", "poison", "reset-before", "reset-after", "stall", "stats", "quit")}
        return {**kept, "overflow": self._overflow, "wrong-ack": self._reset,
                "chunk-limit": self._number, "max-chunk": self._number, "slow": self._number}

    def _overflow(self, words):
        count = {"on": 1 << 60, "off": 0}.get(words[1])
        self._server.faults.set_resets("overflow", int(words[1]) if count is None else count)

    def _number(self, words):
        setattr(self._server.faults, words[0].replace("-", "_"), int(words[1]))


def main():
    parser = fluentd_sim.make_parser("Stands in for Fluentd's forward input.", __doc__,
                                     tls_required=False)
    parser.add_argument("--shared-key", help="with it there is a <security>")
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD")
    arguments = parser.parse_args()
    context = fluentd_sim.make_context(arguments) if arguments.cert else None
    server = Server(context, fluentd_sim.address_of(arguments), Store(arguments.record),
                    ForwardConnection, ForwardFaults())
    server.security = None
    if arguments.shared_key:
        users = dict(user.split(":", 1) for user in arguments.user)
        server.security = Security(arguments.shared_key, users)
    for name in ("refused", "too_large", "wrong_times", "wrong_sizes"):
        server.statistics.add(name, 0)
    server.monitor.input_type = "forward"
    fluentd_sim.run("forward-sim", server, ForwardControl(server), arguments)


if __name__ == "__main__":
    main()
