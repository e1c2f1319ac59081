#!/usr/bin/env python3
"""What can stand between a fetcher and Teleport's Auth service: Teleport's proxy, a load balancer before it, an HTTP proxy.

teleport_front.py --kind KIND --auth HOST:PORT --cluster NAME [--web-cert FILE --web-key FILE] --port-file FILE
                  [--listen HOST:PORT] [--log FILE] [--cut-after BYTES] [--stall-after BYTES] [--close-after SECONDS]
                  [--ahead SECONDS]

KIND  proxy          Teleport's proxy with TLS routing: looks at the first ALPN name of the ClientHello, passes
                     `teleport-auth@<hex of the cluster's name>.teleport.cluster.local` on to Auth as raw bytes, and
                     answers all else itself, with its web certificate (reference/teleport.md §3.3 b, §3.4)
      balancer       the same proxy behind a load balancer that ends TLS and negotiates no protocol (§3.3 e)
      ssh-only       a proxy without TLS routing (§3.3 c)
      http           an HTTP proxy (CONNECT)
      http-denies    one that wants a user

--log FILE gets a line for each connection: what was asked for. --cut-after closes each passed-on connection once that
many bytes have come from Auth, --stall-after passes no more on after them. --close-after closes it after that time, as Auth does
when the client's certificate ends (`disconnect_expired_cert`, §3.5). --ahead is how many seconds its clock is ahead of ours.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import select
import socket
import ssl
import struct
import threading
import time
from email.utils import formatdate
from pathlib import Path

HELLO_BYTES_MAX = 16384 + 5
PATIENCE_SECONDS = 30
ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


def first_protocol(hello):
    """The first ALPN name in a TLS ClientHello; "" if there is none. None: more bytes are needed."""
    if len(hello) < 5:
        return None
    if hello[0] != 22:
        return ""
    length = struct.unpack(">H", hello[3:5])[0]
    if len(hello) < 5 + length:
        return None
    body = hello[5 + 4 + 2 + 32:5 + length]  # behind record, handshake header, version and random
    body = body[1 + body[0]:]  # session id
    body = body[2 + struct.unpack(">H", body[:2])[0]:]  # cipher suites
    body = body[1 + body[0]:]  # compression
    extensions = body[2:2 + struct.unpack(">H", body[:2])[0]]
    while extensions:
        kind, size = struct.unpack(">HH", extensions[:4])
        content, extensions = extensions[4:4 + size], extensions[4 + size:]
        if kind == 16:
            return content[3:3 + content[2]].decode()
    return ""


class Front:
    def __init__(self, options):
        self.options = options
        host, _, port = options.auth.rpartition(":")
        self.auth = (host, int(port))
        self.route = f"teleport-auth@{options.cluster.encode().hex()}.teleport.cluster.local"
        self.web = None
        if options.web_cert:
            self.web = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.web.load_cert_chain(options.web_cert, options.web_key)
            if options.kind == "proxy":
                self.web.set_alpn_protocols(["http/1.1", "teleport-reversetunnel"])
        self._lock = threading.Lock()

    def note(self, line):
        if self.options.log:
            with self._lock, open(self.options.log, "a", encoding="utf-8") as log:
                log.write(line + "\n")

    def serve(self, connection):
        connection.settimeout(PATIENCE_SECONDS)
        with contextlib.suppress(OSError, ssl.SSLError, ValueError), connection:
            kind = self.options.kind
            if kind.startswith("http"):
                self.serve_connect(connection)
            elif kind == "proxy":
                self.serve_proxy(connection)
            else:
                self.serve_web(self.web.wrap_socket(connection, server_side=True))

    def serve_proxy(self, connection):
        protocol = self.peek_protocol(connection)
        if protocol.startswith("teleport-auth@"):
            self.note(f"route {protocol}")
            if protocol == self.route:
                self.pass_on(connection, connection.recv, connection.sendall)
            else:
                connection.sendall(b"\x15\x03\x03\x00\x02\x02\x78")  # alert: no application protocol
            return
        self.serve_web(self.web.wrap_socket(connection, server_side=True))

    @staticmethod
    def peek_protocol(connection):
        while True:
            hello = connection.recv(HELLO_BYTES_MAX, socket.MSG_PEEK)
            protocol = first_protocol(hello)
            if not hello or protocol is not None:
                return protocol or ""
            select.select([], [], [], 0.01)

    def serve_web(self, connection):
        head = self.read_head(connection.recv)
        path = head[0].split(" ")[1]
        fields = {name.lower(): value.strip() for name, _, value in
                  (line.partition(":") for line in head[1:])}
        self.note(f"web {path}")
        if path == "/webapi/find":
            body = json.dumps({"cluster_name": self.options.cluster, "server_version": "18.0.0",
                               "proxy": {"tls_routing_enabled": self.options.kind != "ssh-only"}})
            date = formatdate(time.time() + self.options.ahead, usegmt=True)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                               f"Date: {date}\r\n"
                               f"Connection: close\r\n\r\n{body}".encode())
        elif path == "/webapi/connectionupgrade" and fields.get("upgrade") == "websocket":
            self.serve_upgrade(connection, fields)
        else:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    @staticmethod
    def read_head(receive):
        text = b""
        while b"\r\n\r\n" not in text:
            byte = receive(1)
            if not byte or len(text) > 65536:
                raise ValueError("no HTTP")
            text += byte
        return text.decode("latin-1").split("\r\n")[:-2]

    def serve_upgrade(self, connection, fields):
        digest = hashlib.sha1((fields["sec-websocket-key"] + ACCEPT_GUID).encode()).digest()
        connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
                            f"Sec-WebSocket-Protocol: {fields['sec-websocket-protocol']}\r\n\r\n").encode())
        stream = WebSocket(connection)
        stream.ping(b"are you there")
        hello = b""
        while (protocol := first_protocol(hello)) is None:
            hello += stream.receive()
        self.note(f"upgrade {fields['sec-websocket-protocol']} {protocol}")
        if protocol == self.route:
            self.pass_on(connection, lambda _: stream.receive(), stream.send, hello)

    def serve_connect(self, connection):
        head = self.read_head(connection.recv)
        method, target, _ = head[0].split(" ")
        user = next((line for line in head if line.lower().startswith("proxy-authorization:")), "")
        self.note(f"{method} {target} {user}".strip())
        if self.options.kind == "http-denies" and not user:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.pass_on(connection, connection.recv, connection.sendall)

    def pass_on(self, connection, receive, send, first=b""):
        """Bytes both ways until one side ends, or as many as the options allow."""
        with socket.create_connection(self.auth, PATIENCE_SECONDS) as auth:
            auth.sendall(first)
            connection.settimeout(None)
            auth.settimeout(None)
            if self.options.close_after:
                timer = threading.Timer(self.options.close_after, self.close, (auth,))
                timer.daemon = True
                timer.start()
            threading.Thread(target=self.copy_up, args=(receive, auth), daemon=True).start()
            passed = 0
            while data := auth.recv(65536):
                passed += len(data)
                if self.options.stall_after and passed > self.options.stall_after:
                    continue
                if self.options.cut_after and passed > self.options.cut_after:
                    self.note(f"cut after {passed}")
                    break
                send(data)
        # Whoever waits in copy_up() must see it, too.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    @staticmethod
    def close(auth):
        with contextlib.suppress(OSError):
            auth.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def copy_up(receive, auth):
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            while data := receive(65536):
                auth.sendall(data)
        with contextlib.suppress(OSError):
            auth.shutdown(socket.SHUT_WR)


class WebSocket:
    """A server's side, over a TLS socket whose reads and writes may come from two threads."""

    def __init__(self, connection):
        self._connection = connection
        self._lock = threading.Lock()

    def _read(self, count):
        data = b""
        while len(data) < count:
            # A TLS socket of Python may not be read and written at once, so it is read only when there is something.
            if not self._connection.pending():
                select.select([self._connection], [], [])
            with self._lock:
                self._connection.settimeout(5)
                piece = self._connection.recv(count - len(data))
            if not piece:
                raise ValueError("ended")
            data += piece
        return data

    def receive(self):
        """The payload of the next binary frame."""
        while True:
            first, second = self._read(2)
            length = second & 0x7F
            if length == 126:
                length = struct.unpack(">H", self._read(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self._read(8))[0]
            if not second & 0x80 or self._read(4) != b"\0\0\0\0":
                raise ValueError("a client's frame has a mask, of zeros with Teleport")
            payload = self._read(length)
            if first & 0x0F == 8:
                raise ValueError("closed")
            if first & 0x0F == 2:
                return payload

    def send(self, data):
        # Several frames for one piece: the other side must put them together.
        for begin in range(0, len(data), 10_000):
            self._frame(2, data[begin:begin + 10_000])

    def ping(self, data):
        self._frame(9, data)

    def _frame(self, opcode, payload):
        length = len(payload)
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        with self._lock:
            self._connection.sendall(bytes([0x80 | opcode]) + size + payload)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["proxy", "balancer", "ssh-only", "http", "http-denies"], required=True)
    parser.add_argument("--auth", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--web-cert")
    parser.add_argument("--web-key")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log")
    parser.add_argument("--cut-after", type=int, default=0)
    parser.add_argument("--stall-after", type=int, default=0)
    parser.add_argument("--close-after", type=float, default=0)
    parser.add_argument("--ahead", type=float, default=0)
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    front = Front(options)
    with socket.create_server((host, int(port)), backlog=64) as listener:
        unfinished = options.port_file.with_suffix(".new")
        unfinished.write_text(f"{listener.getsockname()[1]}\n")
        os.rename(unfinished, options.port_file)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=front.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
