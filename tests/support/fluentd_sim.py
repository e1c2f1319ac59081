#!/usr/bin/env python3
"""Stands in for Fluentd's http input as Teleport configures it, with faults on demand.

Answers what Fluentd 1.19 answers: JSON arrays and single objects, the tag from the path, the rules
for "time", 200 for what it cannot parse. A client certificate is required. Accepted events are
written to --record before the answer, one line each:

    {"n":ORDER,"tag":TAG,"batch":REQUEST,"event":{...}}     (the event's own bytes)

Unlike Fluentd it keeps "time" in the event, so that a test can compare it, and it drops events with
raw control characters in their strings, which are no JSON though Fluentd's parser lets them pass.

Commands on the control socket, one line each, answered by "ok", JSON (stats) or "error ...":

    status CODE [COUNT] [BODY]  answer CODE to the next COUNT requests, or until "status off";
                                2xx: the events are stored, otherwise not
    retry-after SECONDS|off     a Retry-After header on every answer from 400 up
    max-body BYTES              413 above; 33554432 at the start
    refuse on|off               close the port and all connections; open the same port again
    reset-before N              reset the next N requests after their headers
    reset-after N               read and store the next N requests, then reset without an answer
    stall SECONDS [N]           wait before storing and answering, N requests or until "stall 0"
    poison TEXT                 400 for a request whose body contains TEXT; "poison" alone ends it
    ndjson on|off               take a body of application/x-ndjson apart by lines, as Fluentd does without
                                <parse>; off at the start: it is dropped, as with <parse> @type json
    unfit N                     refuse about one event in N for ever, those that is_unfit() names: half of them make
                                their request 400, half 500 as above the buffer's chunk limit, which stores the
                                others of the request; "unfit 0" ends it
    corrupt KIND [N]            after storing, answer the next N requests (1) with bytes that are no HTTP ("garbage"),
                                with half a head ("cut") or with less body than announced ("short"), and close
    work SECONDS                work on one request at a time, so long for each event, while the others wait their
                                turn, as in Fluentd's one event loop; "work 0" ends it
    capacity N                  503 for a request that comes while N others are under way; "capacity 0" ends it
    slow BYTES                  read so many bytes at a time, twenty times a second; "slow 0" ends it
    tls CA CERT KEY             end all connections, and use these files for new ones
    token TEXT                  401 for a request whose Authorization is not TEXT; "token" alone ends it
    swallow N                   answer 200 to the next N requests, and store and emit nothing of them
    match on|off                off: events are emitted by the input and go to no output, as without a <match>
    time-format KIND            how "time" is read: teleport (at the start; what follows the seconds is ignored),
                                iso8601 (all of it), none (not at all)
    monitor restart             the counters of the monitor_agent begin anew, as in another process
    monitor on|off              whether it answers anything but 500
    monitor counts on|off       off: its input counts nothing, as in versions that have input metrics off
    monitor process on|off      off: it does not say which process it is
    monitor overlong on|off     on: its answer is far too long
    monitor space PERCENT       what is left of the output's buffer
    monitor add COUNTER N       more of a counter of the output: retry_count, write_count, drop_oldest_chunk_count
    load                        the most since the last "load" or the start: "requests" under way at once, and
                                "events_a_request"
    stats                       counts; "gzip": of requests that were packed; "failed_events": stored with an answer that
                                is an error; "late_events": of requests that were stalled, read slowly or worked on
    quit
"""

import argparse
import contextlib
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import sys
import threading
import zlib

import monitor_sim

IDLE_SECONDS = 10
HEADER_BYTES_MAX = 64 * 1024
TIME_FORMAT = re.compile(
    r"\d{1,4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])"
    r"T(?:[01]?\d|2[0-3]):[0-5]?\d:(?:60|[0-5]?\d)(?!\d)")
ISO8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
# Outside of a string no JSON text needs a line end; inside it cannot have one.
SPACES = re.compile(r"[ \t\n\r]*")
REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 413: "Request Entity Too Large",
           417: "Expectation Failed", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}


class Refused(Exception):
    """The request gets an error status and nothing of it is stored."""

    def __init__(self, status, body, close=False):
        super().__init__(body)
        self.status = status
        self.body = body
        self.close = close


class Disconnected(Exception):
    """The client is gone, or has been silent for too long."""


def _refuse_constant(name):
    # Accepted as input by Fluentd, and then refused by its formatter.
    raise Refused(500, f"500 Internal Server Error\n{name} not allowed in JSON\n")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def is_unfit(event, share):
    """None, 400 or 500: how "unfit N" refuses this event. Known by its uid alone, so that others can tell, too."""
    uid = event.get("uid")
    if not share or not isinstance(uid, str):
        return None
    return {0: 400, 1: 500}.get(zlib.crc32(uid.encode()) % (2 * share))


class Store:
    """Writes accepted events. Thread-safe."""

    def __init__(self, path):
        self._lock = threading.Lock()
        self._n = 0
        self._batch = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._continue()

    def _continue(self):
        """Goes on behind the lines of an earlier run; a line cut short by a kill is removed."""
        with open(self._file, "rb", closefd=False) as file:
            complete = self._find_line_end(file, os.fstat(self._file).st_size)
            if complete > 0:
                file.seek(self._find_line_end(file, complete - 1))
                record = json.loads(file.readline())
                self._n, self._batch = record["n"] + 1, record["batch"] + 1
        os.ftruncate(self._file, complete)

    @staticmethod
    def _find_line_end(file, end):
        """The offset behind the last line end before `end`; 0 if there is none."""
        while end > 0:
            begin = max(0, end - 64 * 1024)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
        return 0

    def add(self, tag, texts):
        """`texts` are the events' JSON. They are in the file when this returns."""
        tag_text = json.dumps(tag)
        with self._lock:
            batch = self._batch
            self._batch += 1
            lines = [f'{{"n":{n},"tag":{tag_text},"batch":{batch},"event":{text}}}\n'
                     for n, text in enumerate(texts, self._n)]
            self._n += len(texts)
            data = memoryview("".join(lines).encode("utf-8", "surrogateescape"))
            while data:
                data = data[os.write(self._file, data):]


class Faults:
    """What the test has asked for. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._status = None  # [code, how many more or None, body]
        self._stall = None  # [seconds, how many more or None]
        self._resets = {"reset-before": 0, "reset-after": 0}
        self.retry_after = None
        self.max_body = 32 * 1024 * 1024
        self.poison = None
        self.ndjson = False
        self.token = None
        self.unfit = 0
        self.slow = 0
        self.work = 0
        self.capacity = 0
        self._corrupt = None  # [kind, how many more]
        self._swallow = 0
        self.match = True
        self.time_format = "teleport"

    def set_status(self, code, count, body):
        with self._lock:
            self._status = None if code is None else [code, count, body]

    def set_stall(self, seconds, count):
        with self._lock:
            self._stall = [seconds, count] if seconds > 0 else None

    def set_resets(self, kind, count):
        with self._lock:
            self._resets[kind] = count

    def take_status(self):
        """(code, body) for this request, or None."""
        with self._lock:
            taken, self._status = self._take(self._status)
            return (taken[0], taken[2]) if taken else None

    def take_stall(self):
        with self._lock:
            taken, self._stall = self._take(self._stall)
            return taken[0] if taken else 0

    def set_corrupt(self, kind, count):
        with self._lock:
            self._corrupt = [kind, count] if count > 0 else None

    def take_corrupt(self):
        with self._lock:
            taken, self._corrupt = self._take(self._corrupt)
            return taken[0] if taken else None

    def set_swallow(self, count):
        with self._lock:
            self._swallow = count

    def take_swallow(self):
        with self._lock:
            taken = self._swallow > 0
            self._swallow -= taken
            return taken

    def take_reset(self, kind):
        with self._lock:
            if self._resets[kind] == 0:
                return False
            self._resets[kind] -= 1
            return True

    @staticmethod
    def _take(fault):
        """What applies to this request, and what is left for the next one."""
        if fault is None or fault[1] is None:
            return fault, fault
        taken = list(fault)
        fault[1] -= 1
        return taken, (fault if fault[1] > 0 else None)


class Load:
    """What is under way, from when a request is read until it is to be answered. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._requests = 0
        self._most = {"requests": 0, "events_a_request": 0}
        self.turn = threading.Lock()  # held by the request that is worked on

    @contextlib.contextmanager
    def request(self):
        """Gives how many requests are under way, with this one."""
        with self._lock:
            self._requests += 1
            requests = self._requests
            self._note("requests", requests)
        try:
            yield requests
        finally:
            with self._lock:
                self._requests -= 1

    def events(self, count):
        with self._lock:
            self._note("events_a_request", count)

    def take_most(self):
        with self._lock:
            taken, self._most = self._most, {"requests": self._requests, "events_a_request": 0}
        return taken

    def _note(self, name, value):
        self._most[name] = max(self._most[name], value)


class Statistics:
    """Counts. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = {"connections": 0, "resumed": 0, "requests": 0, "events": 0, "dropped": 0,
                        "unanswered_requests": 0, "unanswered_events": 0, "gzip": 0,
                        "failed_events": 0, "late_events": 0}
        self._status = {}
        self._tags = {}

    def add(self, name, count=1):
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + count

    def stored(self, tag, events):
        with self._lock:
            self._counts["events"] += events
            self._tags[tag] = self._tags.get(tag, 0) + events

    def answered(self, status):
        with self._lock:
            self._status[str(status)] = self._status.get(str(status), 0) + 1

    def unanswered(self, events):
        with self._lock:
            self._counts["unanswered_requests"] += 1
            self._counts["unanswered_events"] += events

    def to_json(self):
        with self._lock:
            return json.dumps({**self._counts, "status": self._status, "tags": self._tags})


def tag_of(target):
    """The tag for a request's path, as Fluentd makes it: nothing is decoded."""
    path = target.split("?", 1)[0]
    if path.startswith("//"):
        raise Refused(400, "400 Bad Request\nundefined method `split' for nil:NilClass\n")
    parts = path[1:].split("/")
    while parts and parts[-1] == "":
        parts.pop()
    return ".".join(parts)


def split_events(body):
    """[(event, its own text)] of a JSON object or array of objects, and how many elements are no
    objects. A body that is no JSON is one dropped element."""
    text = body.decode("utf-8", "surrogateescape")
    decode = DECODER.raw_decode
    try:
        at = SPACES.match(text).end()
        if text[at:at + 1] != "[":
            value, end = decode(text, at)
            if SPACES.match(text, end).end() != len(text):
                return [], 1
            return ([(value, text[at:end])], 0) if isinstance(value, dict) else ([], 1)
        return _split_array(text, at + 1, decode)
    except ValueError:
        return [], 1
    except RecursionError:
        raise Refused(500, "500 Internal Server Error\nToo deeply nested.\n") from None


def split_lines(body):
    """The same of an event a line; a line that is none is one dropped element."""
    events, skipped = [], 0
    for line in body.split(b"\n"):
        if line.strip():
            found, dropped = split_events(line)
            events, skipped = events + found, skipped + dropped
    return events, skipped


def _split_array(text, at, decode):
    events, skipped = [], 0
    at = SPACES.match(text, at).end()
    closed = text[at:at + 1] == "]"
    while not closed:
        value, end = decode(text, at)
        if isinstance(value, dict):
            events.append((value, text[at:end]))
        else:
            skipped += 1
        at = SPACES.match(text, end).end()
        separator = text[at:at + 1]
        if separator not in (",", "]"):
            raise ValueError("an array needs a comma or its end")
        closed = separator == "]"
        if not closed:
            at = SPACES.match(text, at + 1).end()
    if SPACES.match(text, at + 1).end() != len(text):
        raise ValueError("there is text behind the array")
    return events, skipped


def check_time(event, time_format="teleport"):
    """Refuses what Fluentd's time_format %Y-%m-%dT%H:%M:%S refuses, or %iso8601; no time at all is fine."""
    if "time" not in event or time_format == "none":
        return
    value = event["time"]
    if not isinstance(value, str):
        raise Refused(400, f"400 Bad Request\nvalue must be string: {json.dumps(value)}\n")
    if not (ISO8601.fullmatch(value) if time_format == "iso8601" else TIME_FORMAT.match(value)):
        raise Refused(400, f"400 Bad Request\ninvalid time format: value = {value}, error_class = "
                           "ArgumentError, error = invalid strptime\n")


def decompress(body, encoding):
    """Only these two names are known to Fluentd; with any other the body is taken as it is."""
    if encoding not in ("gzip", "deflate"):
        return body
    try:
        return zlib.decompress(body, 31 if encoding == "gzip" else 15)
    except zlib.error:
        raise Refused(400, "", close=True) from None


class Connection:
    """One client, served by one thread until it leaves."""

    def __init__(self, server, sock):
        self._server = server
        self._socket = sock
        self._buffer = bytearray()

    def serve(self):
        try:
            self._socket.settimeout(IDLE_SECONDS)
            if not self._shake_hands():
                return
            while self._serve_request():
                pass
        except TimeoutError:
            self._say_goodbye()
        except (OSError, Disconnected):
            pass
        finally:
            self.reset()
            self._server.forget(self)

    def _shake_hands(self):
        try:
            self._socket.do_handshake()
        except OSError:
            self._leave_gently()
            return False
        self._server.statistics.add("connections")
        if getattr(self._socket, "session_reused", False):  # which Fluentd would end with an alert
            self._server.statistics.add("resumed")
        return True

    def _leave_gently(self):
        """Closes without a RST, which could overtake the alert that tells the client why."""
        try:
            self._socket.settimeout(1)
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(4096):
                pass
        except OSError:
            pass

    def reset(self):
        """Closes with a RST, as Fluentd does after every kind of end. Any thread may call it."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()
        except OSError:
            pass

    def _say_goodbye(self):
        """TLS's close_notify, which Fluentd sends to a client that has been silent for too long."""
        try:
            self._socket.settimeout(0)
            self._socket.unwrap()
        except OSError:
            pass  # it is sent, and the client's own is not waited for

    def _client_has_left(self):
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def abort(self):
        """Makes the serving thread, which may be waiting for the client, come to its end."""
        try:
            # Not SSLSocket's own, which lets the other thread read what is left as it came, without TLS.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass

    def _serve_request(self):
        """False when the connection has to be closed."""
        server = self._server
        method, target, headers = self._read_head()
        if server.faults.take_reset("reset-before"):
            return False
        close = headers.get("connection", "").lower() == "close"
        events = 0
        try:
            body = self._read_body(headers)
            server.statistics.add("requests")
            with server.load.request() as requests:
                if 0 < server.faults.capacity < requests:
                    raise Refused(503, "too many requests at once")
                stall = server.faults.take_stall()
                if stall:
                    server.stopping.wait(stall)
                if method not in ("POST", "PUT", "PATCH"):
                    self._answer(403 if method == "OPTIONS" else 200, "", close=True)
                    return False
                status, text, events = self._accept(target, headers, body)
            if stall or server.faults.slow or server.faults.work:
                server.statistics.add("late_events", events)
        except Refused as refusal:
            status, text, close = refusal.status, refusal.body, close or refusal.close
        # To a client that gave up waiting an answer could still be sent, and be lost.
        if server.faults.take_reset("reset-after") or self._client_has_left():
            server.statistics.unanswered(events)
            return False
        if corrupt := server.faults.take_corrupt():
            server.statistics.unanswered(events)
            self._answer_corruptly(corrupt, status)
            return False
        try:
            self._answer(status, text, close)
        except OSError:
            server.statistics.unanswered(events)
            raise
        return not close

    def _accept(self, target, headers, body):
        """(status, answer, events stored)"""
        faults = self._server.faults
        forced = faults.take_status()
        if forced and not 200 <= forced[0] < 300:
            raise Refused(*forced)
        if faults.token and headers.get("authorization") != faults.token:
            raise Refused(401, "the token is wrong")
        body = decompress(body, headers.get("content-encoding"))
        if headers.get("content-encoding") == "gzip":
            self._server.statistics.add("gzip")
        if faults.poison and faults.poison.encode() in body:
            raise Refused(400, "400 Bad Request\nthe body contains poison\n")
        is_lines = faults.ndjson and headers.get("content-type") == "application/x-ndjson"
        stored = self._store(tag_of(target), body, split_lines if is_lines else split_events)
        return (*(forced or (200, "")), stored)

    def _store(self, tag, body, split):
        statistics, faults = self._server.statistics, self._server.faults
        if faults.take_swallow():
            return 0
        events, skipped = split(body)
        self._work_on(len(events))
        for event, _ in events:
            check_time(event, faults.time_format)
        unfit = [is_unfit(event, self._server.faults.unfit) for event, _ in events]
        if 400 in unfit:
            raise Refused(400, "400 Bad Request\nan event is unfit\n")
        events = [event for event, status in zip(events, unfit) if status is None]
        if tag == "":
            skipped, events = skipped + len(events), []
        statistics.add("dropped", skipped)
        if not faults.match:
            self._server.monitor.emitted(len(events), matched=False)
            events = []
        if events:
            texts = [text if "\n" not in text and "\r" not in text else json.dumps(event)
                     for event, text in events]
            self._server.store.add(tag, texts)
            statistics.stored(tag, len(events))
            self._server.monitor.emitted(len(events))
        if 500 in unfit:
            statistics.add("failed_events", len(events))
            raise Refused(500, "500 Internal Server Error\na 400030 bytes record (nth: "
                               f"{unfit.index(500)}) is larger than buffer chunk limit size (262144)\n")
        return len(events)

    def _work_on(self, events):
        server = self._server
        server.load.events(events)
        if server.faults.work:
            with server.load.turn:
                server.stopping.wait(server.faults.work * events)

    def _read_head(self):
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            if len(self._buffer) > HEADER_BYTES_MAX:
                raise Disconnected
            self._receive()
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[:end + 4]
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Disconnected
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return words[0], words[1], headers

    def _read_body(self, headers):
        length = int(headers.get("content-length", 0))
        if length > self._server.faults.max_body:
            raise Refused(413, "Too large", close=True)
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        return self._take(length)

    def _read_chunks(self):
        body = bytearray()
        while True:
            size = int(self._take_line().split(b";")[0], 16)
            if len(body) + size > self._server.faults.max_body:
                raise Refused(413, "Too large", close=True)
            if size == 0:
                while self._take_line():
                    pass
                return bytes(body)
            body += self._take(size)
            self._take(2)

    def _take_line(self):
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[:end + 2]
        return line

    def _take(self, size):
        while len(self._buffer) < size:
            self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _receive(self):
        slow = self._server.faults.slow
        if slow:
            self._server.stopping.wait(0.05)
        part = self._socket.recv(slow or 256 * 1024)
        if not part:
            raise Disconnected
        self._buffer += part

    def _answer(self, status, text, close=False):
        body = text.encode("utf-8", "surrogateescape")
        head = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", "Content-Type: text/plain",
                f"Connection: {'close' if close else 'Keep-Alive'}", f"Content-Length: {len(body)}"]
        if status >= 400 and self._server.faults.retry_after is not None:
            head.append(f"Retry-After: {self._server.faults.retry_after}")
        self._socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self._server.statistics.answered(status)


    def _answer_corruptly(self, kind, status):
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n"
        answer = {"garbage": b"\x16\x03\x01 no HTTP at all\r\n\r\n", "cut": head[:9].encode(),
                  "short": head.encode() + b"Content-Length: 100\r\n\r\ntoo little"}[kind]
        self._socket.sendall(answer)
        self._say_goodbye()
        self._leave_gently()


class Server:
    """Listens, and keeps track of the connections."""

    def __init__(self, context, address, store, connection_class=Connection, faults=None, arguments=None):
        self.store = store
        self.arguments = arguments  # those of TLS count
        self.faults = faults or Faults()
        self.statistics = Statistics()
        self.load = Load()
        self.monitor = monitor_sim.Monitor()
        self.stopping = threading.Event()
        self._context = context  # None: without TLS
        self._connection_class = connection_class
        self._lock = threading.Lock()
        self._connections = set()
        self._listener = None
        self._address = address
        self.open()

    @property
    def port(self):
        return self._address[1]

    def open(self):
        """Listens; after the first time on the same port as before."""
        with self._lock:
            if self._listener is not None:
                return
            self._listener = socket.create_server(self._address, backlog=128)
            self._address = self._listener.getsockname()[:2]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        with self._lock:
            listener, self._listener = self._listener, None
            connections = list(self._connections)
        if listener is not None:
            # Ends the accept() of the other thread, which close() alone would not.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            connection.abort()

    def use_tls(self, context):
        self._context = context
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.abort()

    def forget(self, connection):
        with self._lock:
            self._connections.discard(connection)

    def _accept(self, listener):
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = plain if self._context is None else self._context.wrap_socket(
                plain, server_side=True, do_handshake_on_connect=False)
            connection = self._connection_class(self, wrapped)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()


class Control:
    """The commands of the control socket."""

    def __init__(self, server):
        self._server = server
        self._listener = None

    def listen(self, path):
        """It can be connected to when this returns."""
        if os.path.exists(path):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)

    def serve(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve_client, args=(client,), daemon=True).start()

    def _serve_client(self, client):
        with client, client.makefile("rw", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                try:
                    lines.write(self.handle(line.rstrip("\n")) + "\n")
                    lines.flush()
                except OSError:
                    return

    def actions(self):
        return {"status": self._status, "retry-after": self._retry_after,
                "max-body": self._max_body, "refuse": self._refuse, "poison": self._poison,
                "reset-before": self._reset, "reset-after": self._reset, "stall": self._stall,
                "ndjson": self._ndjson, "token": self._token, "unfit": self._unfit, "corrupt": self._corrupt,
                "swallow": self._swallow, "match": self._match, "time-format": self._time_format,
                "monitor": self._monitor,
                "work": self._work, "capacity": self._capacity, "load": self._load,
                "slow": self._slow, "tls": self._tls, "stats": self._stats, "quit": self._quit}

    def handle(self, line):
        words = line.split(" ")
        actions = self.actions()
        if words[0] not in actions:
            return f"error no such command: {line}"
        try:
            return actions[words[0]](words) or "ok"
        except (ValueError, IndexError, KeyError, OSError):
            return f"error wrong arguments: {line}"

    def _status(self, words):
        if words[1] == "off":
            self._server.faults.set_status(None, None, "")
            return
        counted = len(words) > 2 and words[2].isdigit()
        body = " ".join(words[3 if counted else 2:])
        self._server.faults.set_status(int(words[1]), int(words[2]) if counted else None, body)

    def _retry_after(self, words):
        self._server.faults.retry_after = None if words[1] == "off" else int(words[1])

    def _max_body(self, words):
        self._server.faults.max_body = int(words[1])

    def _refuse(self, words):
        {"on": self._server.close, "off": self._server.open}.get(words[1], _wrong)()

    def _poison(self, words):
        self._server.faults.poison = " ".join(words[1:]) or None

    def _ndjson(self, words):
        self._server.faults.ndjson = {"on": True, "off": False}[words[1]]

    def _token(self, words):
        self._server.faults.token = " ".join(words[1:]) or None

    def _unfit(self, words):
        self._server.faults.unfit = int(words[1])

    def _swallow(self, words):
        self._server.faults.set_swallow(int(words[1]))

    def _match(self, words):
        self._server.faults.match = {"on": True, "off": False}[words[1]]

    def _time_format(self, words):
        self._server.faults.time_format = {name: name for name in ("teleport", "iso8601", "none")}[words[1]]

    def _monitor(self, words):
        monitor, switch = self._server.monitor, {"on": True, "off": False}
        actions = {"restart": lambda: monitor.restart(),
                   "on": lambda: setattr(monitor, "answers", True),
                   "off": lambda: setattr(monitor, "answers", False),
                   "counts": lambda: setattr(monitor, "counts", switch[words[2]]),
                   "process": lambda: setattr(monitor, "shows_process", switch[words[2]]),
                   "overlong": lambda: setattr(monitor, "overlong", switch[words[2]]),
                   "space": lambda: setattr(monitor, "space", float(words[2])),
                   "add": lambda: monitor.add(words[2], int(words[3]))}
        actions[words[1]]()

    def _corrupt(self, words):
        kind = {"garbage": "garbage", "cut": "cut", "short": "short"}[words[1]]
        self._server.faults.set_corrupt(kind, int(words[2]) if len(words) > 2 else 1)

    def _slow(self, words):
        self._server.faults.slow = int(words[1])

    def _work(self, words):
        self._server.faults.work = float(words[1])

    def _capacity(self, words):
        self._server.faults.capacity = int(words[1])

    def _load(self, _):
        return json.dumps(self._server.load.take_most())

    def _tls(self, words):
        _, ca, cert, key = words
        files = {"ca": ca, "cert": cert, "key": key, "passphrase": None}
        self._server.use_tls(make_context(argparse.Namespace(**{**vars(self._server.arguments), **files})))

    def _reset(self, words):
        self._server.faults.set_resets(words[0], int(words[1]))

    def _stall(self, words):
        count = int(words[2]) if len(words) > 2 else None
        self._server.faults.set_stall(float(words[1]), count)

    def _stats(self, _):
        return self._server.statistics.to_json()

    def _quit(self, _):
        self._server.stopping.set()


def _wrong():
    raise ValueError


def make_context(arguments):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if arguments.tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if arguments.tls13:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(arguments.cert, arguments.key, arguments.passphrase)
    context.load_verify_locations(arguments.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def make_parser(description, epilog, tls_required=True):
    parser = argparse.ArgumentParser(description=description, epilog=epilog,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--ca", required=tls_required, help="who may sign client certificates")
    parser.add_argument("--cert", required=tls_required)
    parser.add_argument("--key", required=tls_required)
    parser.add_argument("--passphrase", help="of the key, if it is encrypted")
    parser.add_argument("--record", required=True, help="gets the accepted events")
    parser.add_argument("--port-file", help="gets the port when the server is ready")
    parser.add_argument("--control", help="Unix socket for commands")
    parser.add_argument("--monitor-port", type=int, help="where the monitor_agent answers; 0: any")
    parser.add_argument("--monitor-port-file", help="gets that port")
    parser.add_argument("--tls12", action="store_true", help="TLS 1.2 only, Fluentd's default")
    parser.add_argument("--tls13", action="store_true", help="TLS 1.3 only")
    return parser


def write_port(path, port):
    """For whoever waits for it: the file appears whole."""
    if not path:
        return
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"{port}\n")
    os.rename(path + ".new", path)


def address_of(arguments):
    host, _, port = arguments.listen.rpartition(":")
    return host, int(port)


def run(name, server, control, arguments):
    """Serves until it is told to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stopping.set())
    if arguments.control:
        control.listen(arguments.control)
        threading.Thread(target=control.serve, daemon=True).start()
    if arguments.monitor_port is not None:
        write_port(arguments.monitor_port_file, monitor_sim.serve(server.monitor, arguments.monitor_port))
    write_port(arguments.port_file, server.port)
    print(f"{name}: serving on port {server.port}", file=sys.stderr, flush=True)
    server.stopping.wait()
    server.close()


def main():
    parser = make_parser("Stands in for Fluentd's http input.", __doc__)
    parser.add_argument("--unfit", type=int, default=0, metavar="N", help="as the command, from the first request on")
    arguments = parser.parse_args()
    server = Server(make_context(arguments), address_of(arguments), Store(arguments.record), arguments=arguments)
    server.faults.unfit = arguments.unfit
    run("fluentd-sim", server, Control(server), arguments)


if __name__ == "__main__":
    main()
