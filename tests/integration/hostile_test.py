#!/usr/bin/env python3
"""A Teleport that limits, goes away, repeats itself and forgets: the fetcher brings every event into the queue, each once.

hostile_test.py BIN_FOLDER

What Teleport may do is taken from reference/teleport.md: rate limits and GOAWAY (§3.5), pages (§1.3), keys and cursors
(§4), large events (§1.3, §5), leaked streams (§2.7), certificates that end (§3.5, §4).
"""

import sys
import time
import unittest
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import certificates  # noqa: E402
import control_page  # noqa: E402
import queue_contents  # noqa: E402
import rig as rigs  # noqa: E402
from fronts import Front  # noqa: E402
from processes import control, wait_until  # noqa: E402

BIN = None
EVENTS = 900
LARGE_BYTES = 6 << 20  # gRPC takes no more than 4 MiB where it is not told to


QUIET = ("slow 0", "rate-limit 0", "duplicates off", "page-edges off", "unimplemented export off")


class HostileCase(unittest.TestCase):
    """All share the stand-ins; each test has installations of its own beside each other, called sites."""

    @classmethod
    def setUpClass(cls):
        cls.rig = rigs.Rig(BIN, rigs.temporary_folder("hostile"), events=EVENTS, chunk_events=300, poll="100ms",
                           settings='skip-session-types = ""')
        cls.addClassCleanup(cls.rig.remove)
        cls.addClassCleanup(cls.rig.__exit__, None, None, None)
        cls.rig.start_stand_ins()

    def setUp(self):
        for line in QUIET:
            self.teleport(line)

    def site(self, name):
        site = self.rig.twin(f"{self.id().rpartition('.')[2][5:25]}-{name}")
        self.addCleanup(site.processes.__exit__, None, None, None)
        return site

    def teleport(self, line):
        return control(self.rig.teleport_control, line)

    def count(self, what):
        return self.rig.teleport_stats()[what]

    def fetch(self, site):
        """Runs the fetcher until it has everything, and holds that against what there is; what it said."""
        code, said = site.run("sluice-fetcher", "--exit-on-last-event")
        self.assertEqual(0, code, said)
        self.expect_everything_once(site)
        return said

    def wait_until_queued(self, site):
        """Until the running fetcher has brought all that there is into the queue, each event once."""
        def queued():
            page = control_page.fetcher_page(site.state)
            return page and sum(page.durable.values()) >= self.count("servable")
        wait_until(queued, "everything is in the queue", process=site.fetcher)
        self.expect_everything_once(site)

    def wait_until_called(self, site, calls=2):
        before = sum(self.count("calls").values())
        wait_until(lambda: sum(self.count("calls").values()) >= before + calls, "the fetcher is back",
                   process=site.fetcher)

    def expect_everything_once(self, site):
        self.assertEqual(self.count("servable"), self.count("recorded"))
        self.assertEqual([], queue_contents.differences(site))


class Answers(HostileCase):
    def test_a_rate_limit_is_waited_out(self):
        site = self.site("search")
        self.teleport("unimplemented export on")
        self.teleport("rate-limit 4")
        site.start_fetcher()
        self.wait_until_queued(site)
        self.assertIn("a limit was exceeded", site.fetcher.log_text())

    def test_connections_that_may_not_grow_old(self):
        site = self.site("bulk")
        self.teleport("connection-age 150")
        self.teleport("slow 1")
        site.start_fetcher()
        self.wait_until_queued(site)
        self.teleport("connection-age 0")

    def test_a_server_that_leaves_and_comes_back(self):
        site = self.site("bulk")
        self.teleport("slow 1")
        site.start_fetcher()
        for grace_ms in (0, 500):
            self.wait_until_called(site)
            self.teleport(f"goaway {grace_ms}")
        self.wait_until_queued(site)

    def test_pages_that_end_anywhere_and_events_that_come_twice(self):
        for line in ("page-edges on", "duplicates on"):
            self.teleport(line)
        self.fetch(self.site("bulk"))
        self.teleport("unimplemented export on")
        self.fetch(self.site("search"))

    def test_keys_and_cursors_that_are_void_all_of_a_sudden(self):
        self.teleport("page-edges on")
        for mode, slow_ms in (("off", 2), ("on", 100)):
            self.teleport(f"unimplemented export {mode}")
            self.teleport(f"slow {slow_ms}")  # before each event of a chunk, or each page
            site = self.site(mode)
            sent, refused = self.count("sent"), self.count("refused_keys")
            site.start_fetcher()
            wait_until(lambda least=sent: self.count("sent") > least, "events are sent", process=site.fetcher)
            while self.count("refused_keys") == refused:
                self.teleport("forget-keys")
                # A chunk is asked for behind a cursor only when its stream has broken.
                self.teleport("fail-after 100 Unavailable export")
                self.assertTrue(site.fetcher.running())
                time.sleep(0.2)
            self.teleport("fail-after 0 Unavailable chunks")  # in place of the one that is left
            self.teleport("slow 0")
            self.wait_until_queued(site)


class Events(HostileCase):
    def test_events_that_are_larger_than_a_page_and_than_what_grpc_takes_unasked(self):
        self.teleport(f"add-large {LARGE_BYTES}")
        for mode in ("off", "on"):
            self.teleport(f"unimplemented export {mode}")
            site = self.site(mode)
            self.fetch(site)
            self.assertEqual(0, sum(lane["dead"] for lane in site.status()["lanes"].values()))

    def test_a_stream_that_is_not_read_to_its_end_is_not_left_open(self):
        site = self.site("bulk")
        site.start_fetcher()
        self.wait_until_queued(site)
        self.teleport("slow 5")
        self.teleport("add-session 1500")
        wait_until(lambda: self.count("open_streams") == 1, "the recording is streamed", process=site.fetcher)
        streamed = self.count("calls")["StreamUnstructuredSessionEvents"]
        # The source is chosen anew, and everything begins again on the same connection.
        self.teleport("unimplemented export on")
        wait_until(lambda: self.count("calls")["StreamUnstructuredSessionEvents"] > streamed, "it is streamed again",
                   process=site.fetcher)
        wait_until(lambda: self.count("open_streams") == 1, "no stream but one is open", process=site.fetcher)
        self.assertEqual(1, site.fetcher.log_text().count("connected to Teleport directly"))
        self.teleport("slow 0")
        self.wait_until_queued(site)


class Certificates(HostileCase):
    def test_an_identity_that_ends_every_few_seconds_and_is_renewed_in_time_or_late(self):
        site = self.site("bulk")
        front = Front(site, "proxy", self.rig.fluentd_files)
        port = front.start("--close-after", "0.4")
        identity = site.folder / "identity"
        site.write_config(addr=f"localhost:{port}", identity=identity)
        certificates.issue_identity(site.teleport_files, identity, timedelta(seconds=2))
        self.teleport("slow 2")
        site.start_fetcher("--teleport-web-ca", self.rig.fluentd_files.ca, "--teleport-refresh-interval", "1s")
        wait_until(lambda: "expired at" in site.fetcher.log_text(), "the end of the identity is named",
                   process=site.fetcher)
        for kind in ("rsa", "ed25519"):
            renewed = site.fetcher.log_text().count("was renewed")
            certificates.issue_identity(site.teleport_files, identity, timedelta(seconds=60), kind)
            wait_until(lambda before=renewed: site.fetcher.log_text().count("was renewed") > before,
                       "the identity is taken up", process=site.fetcher)
        front.restart()
        self.wait_until_queued(site)


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
