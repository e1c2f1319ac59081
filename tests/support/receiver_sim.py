"""Stands in for what people put in Fluentd's place: an HTTP server without TLS that takes JSON arrays and answers as one of KINDS.

    with Receiver(kind, record_path) as receiver:
        ... f"http://127.0.0.1:{receiver.port}/events.log" ...

What it accepts is written to the record before the answer, as fluentd_sim.py does. A request whose body contains
`receiver.refused` gets the kind's refusal, and nothing of it is stored. The answers are made from the receivers' documentation
and source: Fluent Bit 4 (successful_response_code 201, 204), Logstash's http input (Netty), Vector's http_server (hyper).
"""

import json
import socket
import threading
from dataclasses import dataclass

from fluentd_sim import Store, split_events, tag_of


@dataclass(frozen=True)
class Kind:
    name: str
    accepted: bytes
    refused: bytes = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n"
    closes: bool = False  # the connection, after each answer


BIG = 1 << 20  # bytes of an answer nobody wants

KINDS = (
    Kind("Fluent Bit", b"HTTP/1.1 201 Created \r\nServer: Fluent Bit v4.0.0\r\nContent-Length: 0\r\n\r\n",
         b"HTTP/1.1 400 Bad Request\r\nServer: Fluent Bit v4.0.0\r\nContent-Length: 23\r\n\r\n"
         b"error: invalid payload\n"),
    # It ends its head twice, so that an empty line stands before the next answer.
    Kind("Fluent Bit with 204", b"HTTP/1.1 204 No Content\r\nServer: Fluent Bit v4.0.0\r\n\r\n\r\n"),
    Kind("Logstash", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok"),
    Kind("Vector", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ndate: Mon, 23 Nov 2026 10:00:00 GMT\r\n\r\n",
         b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 35\r\n\r\n"
         b'{"code":400,"message":"Bad Request"'),
    Kind("one that finds fault with the contents", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
         b"HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 0\r\n\r\n"),
    Kind("one without contents", b"HTTP/1.1 204 No Content\r\n\r\n"),
    Kind("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok \r\n8;x=y\r\nand good\r\n0\r\nX-Trailer: a\r\n\r\n",
         b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
    Kind("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nok", b"HTTP/1.0 400 Bad Request\r\n\r\nno", closes=True),
    Kind("HTTP/1.0 that keeps its connections", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
    Kind("a connection for each request", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
         b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", closes=True),
    Kind("a connection for each request, without a word", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", closes=True),
    Kind("large answers", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG,
         b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG),
    Kind("an answer before the answer", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
)


class Receiver:
    def __init__(self, kind, record):
        self.kind = kind
        self.record = record
        self.refused = None
        self.requests = 0
        self.connections = 0
        self.unknown = 0  # elements that are no events
        self._store = Store(record)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        # Ends the accept() of the other thread, which close() alone would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as stream:
            try:
                while self._serve_request(client, stream) and not self.kind.closes:
                    pass
            except OSError:
                pass

    def _serve_request(self, client, stream):
        """False: the client has left."""
        words = stream.readline().split()
        if not words:
            return False
        headers = {}
        while (line := stream.readline().strip()):
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers[b"content-length"]))
        refuses = self.refused is not None and self.refused.encode() in body
        with self._lock:
            self.requests += 1
        if not refuses:
            events, unknown = split_events(body)
            self.unknown += unknown
            # With a line end inside, the record would have half an event in a line.
            self._store.add(tag_of(words[1].decode()), [json.dumps(event) for event, _ in events])
        client.sendall(self.kind.refused if refuses else self.kind.accepted)
        return True
