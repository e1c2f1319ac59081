"""Fluentd's monitor_agent, as a part of its stand-in: what version 1.19 answers to /api/plugins.json and
/api/config.json, with what the stand-in has really emitted, and with faults on demand.
"""

import http.server
import json
import os
import threading


class Monitor:
    """Counts, and answers. Thread-safe."""

    def __init__(self):
        self.input_type = "http"
        self._lock = threading.Lock()
        self._starts = 0
        self._emitted = 0
        self._output = {}
        self.counts = True  # enable_input_metrics
        self.answers = True
        self.shows_process = True
        self.overlong = False
        self.space = 100.0
        self._restart()

    def _restart(self):
        self._emitted = 0
        self._output = {"retry_count": 0, "emit_records": 0, "emit_count": 0, "write_count": 0,
                        "drop_oldest_chunk_count": 0}
        self._starts += 1

    def restart(self):
        """All counters begin anew, as in another process."""
        with self._lock:
            self._restart()

    def emitted(self, events, matched=True):
        """`events` of a request have gone through the input; `matched`: and to the output."""
        with self._lock:
            if self.counts:
                self._emitted += events
            if matched:
                self._output["emit_records"] += events
                self._output["emit_count"] += 1

    def add(self, counter, count):
        """More of a counter of the output."""
        with self._lock:
            self._output[counter] += count

    def answer(self, path):
        """(status, body)"""
        with self._lock:
            if not self.answers:
                return 500, ""
            if path == "/api/config.json":
                process = {"pid": os.getpid() * 1000 + self._starts, "ppid": os.getppid()}
                return 200, json.dumps({**(process if self.shows_process else {}), "version": "1.19.3",
                                        "config_path": "fluent.conf", "pid_file": None,
                                        "plugin_dirs": ["/etc/fluent/plugin"], "log_path": None,
                                        "root_dir": None})
            if path == "/api/plugins.json":
                return 200, self._plugins()
        return 404, "Not found"

    def _plugins(self):
        def source(name, id, emitted):
            return {"plugin_id": id, "plugin_category": "input", "type": name,
                    "output_plugin": False, "retry_count": None, "emit_records": emitted,
                    "emit_size": 0}
        output = {"plugin_id": "object:640", "plugin_category": "output", "type": "file",
                  "output_plugin": True, "buffer_queue_length": 0, "buffer_timekeys": [],
                  "buffer_total_queued_size": 0, **self._output, "emit_size": 0,
                  "write_secondary_count": 0, "rollback_count": 0, "slow_flush_count": 0,
                  "flush_time_count": 0, "buffer_stage_length": 0, "buffer_stage_byte_size": 0,
                  "buffer_queue_byte_size": 0,
                  "buffer_available_buffer_space_ratios": self.space}
        text = json.dumps({"plugins": [source(self.input_type, "object:67c", self._emitted),
                                       source("monitor_agent", "object:690", 0), output]})
        return text + " " * (8 << 20) if self.overlong else text


def serve(monitor, port):
    """Serves until the process ends; returns the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self):
            status, text = monitor.answer(self.path.split("?", 1)[0])
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass  # it has left

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
