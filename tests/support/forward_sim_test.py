#!/usr/bin/env python3
"""forward_sim.py answers as Fluentd's forward input does, and does what a test asks it for."""

import json
import os
import socket
import ssl
import struct
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import certificates  # noqa: E402
import forward_sim  # noqa: E402
import processes  # noqa: E402
from forward_sim import pack, sha512  # noqa: E402

PROGRAM = Path(__file__).with_name("forward_sim.py")
TIME = b"\xd7\x00" + struct.pack(">II", 1773050400, 849000000)
TIME_TEXT = "2026-03-09T10:00:00.849Z"


def entry(record, time=TIME):
    return b"\x92" + time + pack(record)


class Client:
    """One connection, as a shipper makes it."""

    def __init__(self, test, cert=None, context=None, session=None):
        self._socket = socket.create_connection(("127.0.0.1", test.port), processes.PATIENCE_SECONDS)
        test.addCleanup(self.close)
        self._bytes = b""
        if test.files:
            context = context or test.tls_context(cert)
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost", session=session)

    @property
    def session(self):
        """Of TLS. From 1.3 on it comes with the first message."""
        return self._socket.session

    def close(self):
        self._socket.close()

    def read(self):
        """The next message; None: the connection was closed."""
        while True:
            reader = forward_sim.Reader(self._bytes)
            try:
                message = reader.read()
            except forward_sim.Incomplete:
                try:
                    part = self._socket.recv(4096)
                except ConnectionError:
                    part = b""
                if not part:
                    return None
                self._bytes += part
            else:
                self._bytes = self._bytes[reader.at:]
                return message

    def write(self, data):
        self._socket.sendall(data)

    def chunk(self, entries, tag="test.log", **options):
        """Its acknowledgement, or None."""
        options = {"chunk": "id==", **options}
        self.write(b"\x93" + pack(tag) + b"\xc6" + struct.pack(">I", len(entries)) + entries +
                   pack(options))
        return self.read()

    def authenticate(self, key, name="", password=""):
        """PONG."""
        hello, options = self.read()
        assert hello == "HELO"
        salt = os.urandom(16)
        digest = sha512(salt, "client", options["nonce"], key)
        proof = sha512(options["auth"], name, password) if name else ""
        self.write(pack(["PING", "client", salt, digest, name, proof]))
        pong = self.read()
        if pong[1]:
            assert pong[4] == sha512(salt, pong[3], options["nonce"], key)
        return pong


ACK = {"ack": "id=="}


class ForwardSimTest(unittest.TestCase):
    files = None
    options = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.started = processes.Processes(self.folder)
        self.addCleanup(self.started.__exit__)
        self.start()

    def start(self, *options):
        (self.folder / "port").unlink(missing_ok=True)
        sim = self.started.start("forward-sim", [
            sys.executable, PROGRAM, "--record", self.folder / "record", "--port-file",
            self.folder / "port", "--control", self.folder / "control", *self.options, *options])
        self.port = processes.wait_for_port(self.folder / "port", sim)

    def command(self, line):
        return processes.control(self.folder / "control", line)

    def stats(self):
        return processes.stats(self.folder / "control")

    def stored(self):
        lines = (self.folder / "record").read_text(encoding="utf-8").splitlines()
        return [(line["tag"], line["event"]) for line in map(json.loads, lines)]


class Plain(ForwardSimTest):
    def test_stores_chunks_and_acknowledges_them_on_one_connection(self):
        client = Client(self)
        self.assertEqual(ACK, client.chunk(entry({"a": "ü", "time": TIME_TEXT}) + entry({"a": "2"})))
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(entry({"b": True})) + packer.flush()
        self.assertEqual(ACK, client.chunk(packed, tag="session.1-2.log", compressed="gzip"))
        self.assertEqual([("test.log", {"a": "ü", "time": TIME_TEXT}), ("test.log", {"a": "2"}),
                          ("session.1-2.log", {"b": True})], self.stored())
        now = self.stats()
        self.assertEqual((1, 2, 1), (now["connections"], now["requests"], now["gzip"]))
        self.assertEqual(0, now["wrong_times"])

    def test_numbers_of_every_kind_are_read(self):
        for data, value in ((b"\x05", 5), (b"\xff", -1), (b"\xcc\xff", 255), (b"\xcd\x01\x00", 256),
                            (b"\xce\x00\x01\x00\x00", 65536), (b"\xcf" + b"\xff" * 8, 2**64 - 1),
                            (b"\xd0\x80", -128), (b"\xd3\x80" + b"\0" * 7, -2**63),
                            (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", 0.1),
                            (b"\xde\x00\x01\xa1a\xdc\x00\x01\xc0", {"a": [None]})):
            self.assertEqual(value, forward_sim.Reader(data).read())

    def test_skips_what_is_no_event_and_acknowledges_all_the_same(self):
        self.assertEqual(ACK, Client(self).chunk(b"\x92\xa1x" + pack({"a": "1"}) + entry(["b"])[:1] +
                                                 TIME + pack(["b"]) + entry({"c": "1"})))
        self.assertEqual([("test.log", {"c": "1"})], self.stored())
        self.assertEqual(2, self.stats()["dropped"])

    def test_counts_times_that_are_not_those_of_the_records(self):
        client = Client(self)
        client.chunk(entry({"time": "2026-03-09T10:00:00.848Z"}) + entry({"time": TIME_TEXT}))
        self.assertEqual(1, self.stats()["wrong_times"])

    def test_a_full_buffer_is_a_closed_connection(self):
        self.command("overflow 1")
        self.assertIsNone(Client(self).chunk(entry({"a": "1"})))
        self.assertEqual(ACK, Client(self).chunk(entry({"a": "2"})))
        self.assertEqual([("test.log", {"a": "2"})], self.stored())

    def test_beside_a_record_that_is_too_large_all_others_are_stored_each_time(self):
        self.command("chunk-limit 100")
        for _ in range(2):
            self.assertIsNone(Client(self).chunk(entry({"a": "1"}) + entry({"b": "x" * 100})))
        self.command("chunk-limit 0")
        self.command("poison needle")
        self.assertIsNone(Client(self).chunk(entry({"c": "a needle"}) + entry({"a": "2"})))
        self.assertEqual([{"a": "1"}, {"a": "1"}, {"a": "2"}], [event for _, event in self.stored()])

    def test_a_message_above_its_limit_gets_no_answer(self):
        self.command("max-chunk 200")
        client = Client(self)
        client.write(b"\x93\xa1t\xc5\x01\x00" + b"\xc0" * 256 + pack({"chunk": "x"}))
        self.assertEqual(ACK, client.chunk(entry({"a": "1"})))
        self.assertEqual(1, self.stats()["too_large"])

    def test_closes_before_or_after_storing_and_acknowledges_another_chunk(self):
        self.command("reset-before 1")
        self.assertIsNone(Client(self).chunk(entry({"a": "x" * 100})))
        self.command("reset-after 1")
        self.assertIsNone(Client(self).chunk(entry({"a": "1"})))
        self.command("wrong-ack 1")
        self.assertEqual({"ack": "AAAA"}, Client(self).chunk(entry({"a": "2"})))
        self.assertEqual([{"a": "1"}, {"a": "2"}], [event for _, event in self.stored()])
        self.assertEqual(2, self.stats()["unanswered_events"])

    def test_reads_slowly_and_answers_late(self):
        self.command("slow 2000")
        self.command("stall 0.1 1")
        self.assertEqual(ACK, Client(self).chunk(entry({"a": "x" * 200})))

    def test_closes_its_port_and_opens_it_again(self):
        client = Client(self)
        self.command("refuse on")
        self.assertIsNone(client.read())
        with self.assertRaises(ConnectionRefusedError):
            Client(self)
        self.command("refuse off")
        self.assertEqual(ACK, Client(self).chunk(entry({"a": "1"})))

    def test_says_that_a_command_is_wrong(self):
        for line in ("dance", "overflow", "slow x", "ndjson on"):
            with self.subTest(line=line), self.assertRaises(processes.TestFailure):
                self.command(line)


class Secured(ForwardSimTest):
    options = ("--shared-key", "secret", "--user", "anna:pw")

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.files = certificates.make_fluentd(Path(folder.name) / "certificates", key_type="ec")
        cls.options = (*cls.options, "--ca", cls.files.ca, "--cert", cls.files.server_cert,
                       "--key", cls.files.server_key)

    def tls_context(self, cert=None):
        context = ssl.create_default_context(cafile=str(self.files.ca))
        if cert != "none":
            context.load_cert_chain(self.files.cert, self.files.key)
        return context

    def test_counts_tls_sessions_that_are_resumed(self):
        for number, version in enumerate((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), 1):
            with self.subTest(version.name):
                context, session = self.tls_context(), None
                context.minimum_version = context.maximum_version = version
                for _ in range(2):
                    client = Client(self, context=context, session=session)
                    self.assertTrue(client.authenticate("secret", "anna", "pw")[1])
                    session = client.session
                    client.close()
                stats = self.stats()
                self.assertEqual((2 * number, number), (stats["connections"], stats["resumed"]))

    def test_takes_chunks_of_who_knows_the_key_and_a_user(self):
        client = Client(self)
        self.assertTrue(client.authenticate("secret", "anna", "pw")[1])
        self.assertEqual(ACK, client.chunk(entry({"a": "1"})))

    def test_refuses_everybody_else_with_the_reason(self):
        for arguments, reason in ((("wrong", "anna", "pw"), "shared_key mismatch"),
                                  (("secret", "anna", "x"), "username/password mismatch"),
                                  (("secret",), "username/password mismatch")):
            with self.subTest(reason):
                client = Client(self)
                self.assertEqual([False, reason], client.authenticate(*arguments)[1:3])
                self.assertIsNone(client.read())
        client = Client(self)
        client.read()
        self.assertEqual("PONG", client.chunk(entry({"a": "1"}))[0])
        self.assertEqual([], self.stored())
        self.assertEqual(4, self.stats()["refused"])

    def test_refuses_clients_without_a_certificate(self):
        with self.assertRaises(OSError):
            client = Client(self, cert="none")
            client.write(b"\x90")
            client._socket.recv(1)


if __name__ == "__main__":
    unittest.main()
