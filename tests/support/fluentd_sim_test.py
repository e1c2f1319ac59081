#!/usr/bin/env python3
"""fluentd_sim.py answers as Fluentd does, and does what a test asks it for."""

import argparse
import concurrent.futures
import http.client
import json
import socket
import ssl
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import certificates  # noqa: E402
import fluentd_sim  # noqa: E402
import processes  # noqa: E402

PROGRAM = Path(__file__).with_name("fluentd_sim.py")


class FluentdSimTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.files = certificates.make_fluentd(Path(folder.name) / "certificates", key_type="ec")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.started = processes.Processes(self.folder)
        self.addCleanup(self.started.__exit__)
        self.sim = self.started.start("fluentd-sim", [
            sys.executable, PROGRAM, "--ca", self.files.ca, "--cert", self.files.server_cert,
            "--key", self.files.server_key, "--record", self.folder / "record",
            "--port-file", self.folder / "port", "--control", self.folder / "control",
            "--monitor-port", "0", "--monitor-port-file", self.folder / "monitor-port"])
        self.port = processes.wait_for_port(self.folder / "port", self.sim)
        self.connection = self.connect()

    def tls_context(self, cert=None, key=None):
        context = ssl.create_default_context(cafile=str(self.files.ca))
        if cert != "none":
            context.load_cert_chain(cert or self.files.cert, key or self.files.key)
        return context

    def connect(self, cert=None, key=None):
        context = self.tls_context(cert, key)
        connection = http.client.HTTPSConnection("localhost", self.port, context=context,
                                                 timeout=processes.PATIENCE_SECONDS)
        self.addCleanup(connection.close)
        return connection

    def post(self, body, path="/test.log", connection=None, **headers):
        """(status, answer)"""
        connection = connection or self.connection
        data = body if isinstance(body, bytes) else body.encode()
        connection.request("POST", path, data, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read().decode()

    def command(self, line):
        return processes.control(self.folder / "control", line)

    def stats(self):
        return processes.stats(self.folder / "control")

    def record(self):
        lines = (self.folder / "record").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def stored(self):
        return [(line["tag"], line["event"]) for line in self.record()]

    def test_counts_tls_sessions_that_are_resumed(self):
        for number, version in enumerate((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), 1):
            with self.subTest(version.name):
                context = self.tls_context()
                context.minimum_version = context.maximum_version = version
                session = None
                for _ in range(2):
                    plain = socket.create_connection(("localhost", self.port), processes.PATIENCE_SECONDS)
                    with context.wrap_socket(plain, server_hostname="localhost", session=session) as one:
                        connection = http.client.HTTPSConnection("localhost")
                        connection.sock = one
                        self.assertEqual(200, self.post("[]", connection=connection)[0])
                        session = one.session  # from TLS 1.3 on it comes with the first answer
                stats = self.stats()
                self.assertEqual((2 * number, number), (stats["connections"], stats["resumed"]))

    def test_stores_arrays_and_objects_under_the_tag_of_the_path(self):
        self.assertEqual((200, ""), self.post('[{"a":1,"time":"2026-03-09T10:00:00.5Z"},{"a":2}]'))
        self.assertEqual((200, ""), self.post(' {"b": "ü",\n"c":[]} ', "/session.12-34.log?x=1"))
        self.assertEqual([("test.log", {"a": 1, "time": "2026-03-09T10:00:00.5Z"}),
                          ("test.log", {"a": 2}),
                          ("session.12-34.log", {"b": "ü", "c": []})], self.stored())
        self.assertEqual([(0, 0), (1, 0), (2, 1)],
                         [(line["n"], line["batch"]) for line in self.record()])
        self.assertEqual(1, self.stats()["connections"])

    def test_refuses_clients_without_a_good_certificate(self):
        for cert, key in (("none", None), (self.files.expired_cert, self.files.key),
                          (self.files.other_cert, self.files.other_key)):
            with self.subTest(cert=cert), self.assertRaises(OSError):
                self.post("{}", connection=self.connect(cert, key))
        self.assertEqual(0, self.stats()["connections"])

    def test_refuses_a_whole_array_for_one_bad_time(self):
        for time in ("null", "5", "1.5", "true", '""', '"nonsense"', '"2026-13-01T00:00:00"',
                     '"2026-01-01 00:00:00"', '"2026-01-01T24:00:00"'):
            with self.subTest(time=time):
                self.assertEqual(400, self.post('[{"a":1},{"time":%s}]' % time)[0])
        self.assertEqual([], self.stored())

    def test_drops_what_is_no_event_and_answers_200_all_the_same(self):
        for body in ("", "[]", "nonsense", '[{"a":1}', '{"a":1}x', "3", '[{"a":1},]', "[1,null]"):
            with self.subTest(body=body):
                self.assertEqual((200, ""), self.post(body))
        self.assertEqual((200, ""), self.post('{"a":1}', "/"))
        self.assertEqual([], self.stored())
        self.assertEqual(9, self.stats()["dropped"])

    def test_decompresses_gzip_and_reads_chunked_bodies(self):
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(b'{"a":1}') + packer.flush()
        self.assertEqual(200, self.post(packed, **{"Content-Encoding": "gzip"})[0])
        self.connection.request("POST", "/test.log", iter([b'{"a"', b":2}"]), encode_chunked=True,
                                headers={"Transfer-Encoding": "chunked"})
        self.connection.getresponse().read()
        self.assertEqual([{"a": 1}, {"a": 2}], [event for _, event in self.stored()])
        self.assertEqual(1, self.stats()["gzip"])

    def test_wants_a_token_when_told_to(self):
        self.command("token Bearer a b")
        self.assertEqual(401, self.post('{"a":1}')[0])
        self.assertEqual(401, self.post('{"a":1}', Authorization="Bearer a")[0])
        self.assertEqual(200, self.post('{"a":2}', Authorization="Bearer a b")[0])
        self.command("token")
        self.assertEqual(200, self.post('{"a":3}')[0])
        self.assertEqual([{"a": 2}, {"a": 3}], [event for _, event in self.stored()])

    def test_takes_lines_only_when_told_to_and_by_their_content_type(self):
        lines, header = '{"a":1}\n{"a":2}\nx\n', {"Content-Type": "application/x-ndjson"}
        self.assertEqual((200, ""), self.post(lines, **header))
        self.command("ndjson on")
        self.assertEqual((200, ""), self.post(lines))
        self.assertEqual([], self.stored())
        self.assertEqual((200, ""), self.post(lines, **header))
        self.assertEqual([{"a": 1}, {"a": 2}], [event for _, event in self.stored()])

    def test_refuses_a_body_above_the_limit(self):
        self.command("max-body 10")
        self.assertEqual(200, self.post('{"a":1234}')[0])
        # In one write: the answer comes before the body is read, and a reset right behind it.
        self.connection.sock.sendall(b"POST /test.log HTTP/1.1\r\nContent-Length: 11\r\n\r\n"
                                     b'{"a":12345}')
        with http.client.HTTPResponse(self.connection.sock) as response:
            response.begin()
            self.assertEqual((413, b"Too large"), (response.status, response.read()))

    def test_answers_the_status_asked_for_and_stores_nothing(self):
        self.command("status 500 1 buffer space has too many data")
        self.command("retry-after 7")
        self.assertEqual((500, "buffer space has too many data"), self.post('{"a":1}'))
        self.assertEqual(200, self.post('{"a":2}')[0])
        self.command("status 503")
        self.assertEqual([503, 503], [self.post("{}")[0] for _ in range(2)])
        self.command("status off")
        self.command("status 204 1")
        self.assertEqual(204, self.post('{"a":3}')[0])
        self.assertEqual([{"a": 2}, {"a": 3}], [event for _, event in self.stored()])

    def test_resets_before_reading_or_after_storing(self):
        self.command("reset-before 1")
        with self.assertRaises(OSError):
            self.post('{"a":1}')
        self.connection = self.connect()
        self.command("reset-after 1")
        with self.assertRaises(OSError):
            self.post('[{"a":2},{"a":3}]')
        self.assertEqual([{"a": 2}, {"a": 3}], [event for _, event in self.stored()])
        stats = self.stats()
        self.assertEqual((1, 2), (stats["unanswered_requests"], stats["unanswered_events"]))

    def test_refuses_poison_alone(self):
        self.command("poison needle in")
        self.assertEqual(400, self.post('[{"a":"a needle in hay"},{"a":1}]')[0])
        self.assertEqual(200, self.post('{"a":"hay"}')[0])
        self.command("poison")
        self.assertEqual(200, self.post('{"a":"a needle in hay"}')[0])

    def test_refuses_the_unfit_by_their_uid_and_stores_the_neighbours_of_those_above_the_chunk_limit(self):
        self.command("unfit 2")
        uids = {status: next(f"u{n}" for n in range(1000) if fluentd_sim.is_unfit({"uid": f"u{n}"}, 2) == status)
                for status in (None, 400, 500)}
        events = {status: json.dumps({"uid": uid}) for status, uid in uids.items()}
        self.assertEqual(200, self.post(f"[{events[None]}]")[0])
        self.assertEqual(400, self.post(f"[{events[None]},{events[400]},{events[500]}]")[0])
        status, answer = self.post(f"[{events[None]},{events[500]}]")
        self.assertEqual(500, status)
        self.assertIn("larger than buffer chunk limit", answer)
        self.assertEqual([{"uid": uids[None]}] * 2, [event for _, event in self.stored()])
        self.assertEqual(1, self.stats()["failed_events"])
        self.command("unfit 0")
        self.assertEqual(200, self.post(f"[{events[400]},{events[500]}]")[0])

    def test_answers_with_what_is_no_answer_after_storing(self):
        for kind, error in (("garbage", http.client.BadStatusLine), ("cut", http.client.HTTPException),
                            ("short", http.client.IncompleteRead)):
            with self.subTest(kind):
                self.command(f"corrupt {kind}")
                with self.assertRaises(error):
                    self.post('{"a":1}', connection=self.connect())
        self.assertEqual(3, len(self.stored()))
        self.assertEqual(3, self.stats()["unanswered_events"])
        self.assertEqual(200, self.post('{"a":2}', connection=self.connect())[0])

    def test_reads_slowly(self):
        body = json.dumps({"a": "x" * 2000})
        self.command("slow 500")
        begin = time.monotonic()
        self.assertEqual(200, self.post(body)[0])
        self.assertGreater(time.monotonic() - begin, 0.2)
        self.command("slow 0")
        self.assertEqual(1, self.stats()["late_events"])

    def load(self):
        return json.loads(self.command("load"))

    def post_at_once(self, count):
        """Starts so many requests, each with two events: their statuses, to be waited for."""
        connections = [self.connect() for _ in range(count)]
        pool = concurrent.futures.ThreadPoolExecutor(count)
        self.addCleanup(pool.shutdown)
        return [pool.submit(lambda one=one: self.post('[{"a":1},{"a":2}]', connection=one)[0]) for one in connections]

    def test_works_on_one_request_after_the_other_and_says_how_many_wait(self):
        self.command("work 0.75")
        begin = time.monotonic()
        self.assertEqual([200] * 3, [one.result() for one in self.post_at_once(3)])
        self.assertGreaterEqual(time.monotonic() - begin, 4.5)
        self.assertEqual({"requests": 3, "events_a_request": 2}, self.load())
        self.command("work 0")
        self.assertEqual(200, self.post('{"a":1}')[0])
        self.assertEqual({"requests": 1, "events_a_request": 1}, self.load())
        self.assertEqual(6, self.stats()["late_events"])

    def test_refuses_what_is_more_than_its_capacity(self):
        self.command("capacity 1")
        self.command("stall 5 1")
        first, = self.post_at_once(1)
        processes.wait_until(lambda: self.load()["requests"] == 1, "the first request is under way")
        self.assertEqual(503, self.post('{"a":3}')[0])
        self.assertEqual(200, first.result())
        self.assertEqual(200, self.post('{"a":4}')[0])
        self.assertEqual(3, len(self.stored()))

    def test_a_connection_that_is_aborted_keeps_its_tls(self):
        # Without it, the thread that reads it would take what is still there for plain text.
        files = self.files
        context = fluentd_sim.make_context(argparse.Namespace(
            tls12=False, tls13=False, ca=files.ca, cert=files.server_cert, key=files.server_key, passphrase=None))
        theirs, ours = socket.socketpair()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            accepted = pool.submit(context.wrap_socket, theirs, server_side=True)
            client = self.tls_context().wrap_socket(ours, server_hostname="localhost")
            server = accepted.result()
        with server, client:
            fluentd_sim.Connection(None, server).abort()
            self.assertIsNotNone(server.version())
            self.assertEqual(b"", client.recv(1))

    def test_uses_other_files_for_tls_when_told_to(self):
        files = self.files
        self.assertEqual(200, self.post("{}")[0])
        self.command(f"tls {files.other_ca} {files.server_cert} {files.server_key}")
        with self.assertRaises(OSError):  # the connection is ended
            self.post("{}")
        with self.assertRaises(OSError):
            self.post("{}", connection=self.connect())
        self.assertEqual(200, self.post("{}", connection=self.connect(files.other_cert, files.other_key))[0])
        self.command(f"tls {files.ca} {files.other_cert} {files.other_key}")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.post("{}", connection=self.connect())
        self.command(f"tls {files.ca} {files.server_cert} {files.server_key}")
        self.assertEqual(200, self.post("{}", connection=self.connect())[0])

    def test_stores_what_came_before_a_stall_though_the_client_has_left(self):
        self.command("stall 0.2 1")
        self.connection.request("POST", "/test.log", b'{"a":1}')
        self.connection.close()
        processes.wait_until(lambda: self.stats()["unanswered_events"] == 1, "the event is stored")
        self.assertEqual([("test.log", {"a": 1})], self.stored())

    def test_closes_its_port_and_opens_it_again(self):
        self.assertEqual(200, self.post("{}")[0])
        self.command("refuse on")
        with self.assertRaises(OSError):
            self.post("{}")
        with self.assertRaises(ConnectionRefusedError):
            self.post("{}", connection=self.connect())
        self.command("refuse off")
        self.assertEqual(200, self.post("{}", connection=self.connect())[0])

    def test_keeps_its_record_over_a_kill_and_goes_on_behind_it(self):
        self.post('[{"a":1},{"a":2}]')
        self.sim.kill()
        with open(self.folder / "record", "a", encoding="utf-8") as record:
            record.write('{"n":2,"tag":"te')
        (self.folder / "port").unlink()
        self.sim.start()
        self.port = processes.wait_for_port(self.folder / "port", self.sim)
        self.post('{"a":3}', connection=self.connect())
        self.assertEqual([(0, 0), (1, 0), (2, 1)],
                         [(line["n"], line["batch"]) for line in self.record()])
        self.command("quit")
        self.assertEqual(0, self.sim.wait())

    def ask_monitor(self, path="/api/plugins.json"):
        port = int((self.folder / "monitor-port").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=processes.PATIENCE_SECONDS)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def emitted(self):
        """By the input and by the output, as the monitor_agent says."""
        plugins = json.loads(self.ask_monitor()[1])["plugins"]
        self.assertEqual([("input", "http"), ("input", "monitor_agent"), ("output", "file")],
                         [(plugin["plugin_category"], plugin["type"]) for plugin in plugins])
        return plugins[0]["emit_records"], plugins[2]["emit_records"]

    def test_its_monitor_counts_what_was_emitted_and_nothing_else(self):
        self.assertEqual((0, 0), self.emitted())
        self.post('[{"a":1},{"a":2}]')
        self.post("nonsense")
        self.post('[{"time":5}]')
        self.command("status 500 1")
        self.post('{"a":3}')
        self.assertEqual((2, 2), self.emitted())
        self.command("swallow 1")
        self.assertEqual((200, ""), self.post('{"a":4}'))
        self.assertEqual((2, 2), self.emitted())
        self.command("match off")
        self.assertEqual((200, ""), self.post('{"a":5}'))
        self.assertEqual((3, 2), self.emitted())
        self.assertEqual(2, len(self.record()))

    def test_its_monitor_can_be_restarted_and_can_fail(self):
        process = self.ask_monitor("/api/config.json")
        self.post('{"a":1}')
        self.command("monitor restart")
        self.assertEqual((0, 0), self.emitted())
        self.assertNotEqual(process, self.ask_monitor("/api/config.json"))
        self.command("monitor counts off")
        self.post('{"a":2}')
        self.assertEqual((0, 1), self.emitted())
        self.command("monitor process off")
        self.assertNotIn("pid", json.loads(self.ask_monitor("/api/config.json")[1]))
        self.command("monitor space 7.5")
        self.command("monitor add retry_count 3")
        output = json.loads(self.ask_monitor()[1])["plugins"][2]
        self.assertEqual((7.5, 3), (output["buffer_available_buffer_space_ratios"],
                                    output["retry_count"]))
        self.command("monitor off")
        self.assertEqual(500, self.ask_monitor()[0])

    def test_reads_times_as_it_is_told_to(self):
        longer, good = '{"time":"2026-01-01T00:00:00 x"}', '{"time":"2026-01-01T00:00:00.5Z"}'
        self.assertEqual([200, 200], [self.post(body)[0] for body in (longer, good)])
        self.command("time-format iso8601")
        self.assertEqual([400, 200], [self.post(body)[0] for body in (longer, good)])
        self.command("time-format none")
        self.assertEqual([200, 200], [self.post(body)[0] for body in (longer, '{"time":"x"}')])

    def test_says_that_a_command_is_wrong(self):
        for line in ("dance", "status", "stall x", "refuse maybe", "corrupt x", "tls a b c"):
            with self.subTest(line=line), self.assertRaises(processes.TestFailure):
                self.command(line)


if __name__ == "__main__":
    unittest.main()
