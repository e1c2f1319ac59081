#!/usr/bin/env python3
"""The image, the compose file and the chart, with a real Docker Engine and a real Helm, against stand-ins for Teleport and Fluentd.

container_test.py BIN_FOLDER WORK_FOLDER [unittest's arguments]

An operator follows docs/containers.md: the page's own commands are run. `./dev test-container` is for this. WORK_FOLDER keeps what
takes long: images, the compiler's cache, Helm. Exit status 77: nothing of it can be tried here, for the reasons printed.
"""

import contextlib
import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import docker_engine  # noqa: E402
import documents  # noqa: E402
import event_handler  # noqa: E402
import helm as helms  # noqa: E402
import rig as rigs  # noqa: E402
from pod import Pod  # noqa: E402
from processes import TestFailure, wait_until  # noqa: E402

SKIPPED = 77
IMAGE = "sluice:0.1.0"
CHART = SOURCE / "deploy/helm/sluice"
DAEMONS = ("fetcher", "shipper")
PORTS = {"fetcher": 9464, "shipper": 9465}  # of metrics and health
FETCHER, SHIPPER, GROUP = 10001, 10002, 10000
CONFIG, NOT_FOUND = 78, 66
# The machine may be slow, and a health check comes every 2 s.
PATIENCE_SECONDS = 180
BIN = WORK = None
engine = None  # None: there can be none here
helm = None
not_tried = []


def documented(name, kind="sh"):
    """The code block of that name in docs/containers.md."""
    return documents.block("docs/containers.md", name, kind)


def setUpModule():
    global engine, helm
    try:
        helm = helms.Helm(WORK / "helm")
    except helms.NotHere as why:
        not_tried.append(f"chart: {why}")
    try:
        with docker_engine.DockerEngine(WORK / "docker") as builder:
            print("building the image; the first time takes long", file=sys.stderr, flush=True)
            builder.shell(documented("image"), SOURCE)
        # What is built needs no network but that of its own machine; and nothing else on this one meets its ports.
        docker_engine.enter_own_network()
        engine = docker_engine.DockerEngine(WORK / "docker").__enter__()
        unittest.addModuleCleanup(engine.__exit__)
    except docker_engine.NotHere as why:
        not_tried.append(f"image and compose file: {why}")


def needs_engine(test):
    """Whether there is one is known only when the tests run."""
    @functools.wraps(test)
    def tested(self):
        if engine is None:
            self.skipTest("no Docker Engine")
        test(self)
    return tested


class ContainerRig(rigs.Rig):
    """The stand-ins; the daemons are containers. `queuectl` is a function that runs it and returns what is returned by a
    subprocess."""

    queuectl_in_container = None

    def write_config(self, **changes):
        pass  # each test has a form of its own

    def try_queuectl(self, *arguments):
        done = self.queuectl_in_container(*arguments)
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr.strip()

    def first_start(self):
        """The settings of when it begins."""
        return f"{self._settings}\n"

    def addresses(self):
        base = f"{self.sink.scheme}://localhost:{self.sink.port}"
        return f"localhost:{self.teleport_port}", f"{base}/events.log", f"{base}/session"

    def wait_until_delivered(self):
        """What the sink got is what Teleport has served, and queuectl's numbers add up to it."""
        def drained():
            now = self.try_status()
            return now is not None and self.everything_is_fetched() and \
                rigs.has_taken(now, self.teleport_stats()["events"]) and \
                all(lane["backlog"] == 0 for lane in now["lanes"].values())
        wait_until(drained, "everything is delivered", PATIENCE_SECONDS)

    def check(self, test):
        # A recording may still be on its way when all else is delivered; what does not add up stays so.
        with contextlib.suppress(TestFailure):
            wait_until(lambda: not self.ledger_failures(), "the numbers add up", PATIENCE_SECONDS)
        report = self.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=self.duplicates_bound())
        test.assertEqual([], report.failures())
        test.assertEqual([], self.ledger_failures())


def new_rig(test, name, **options):
    rig = ContainerRig(BIN, rigs.temporary_folder(name), days=1, **options)
    test.addCleanup(rig.remove)
    test.addCleanup(rig.__exit__, None, None, None)
    rig.start_stand_ins()
    return rig


class Image(unittest.TestCase):
    @needs_engine
    def test_it_has_the_programs_and_nobody_is_root(self):
        for program, arguments in (("sluice-fetcher", "version"), ("sluice-shipper", "version"), ("queuectl", "--help")):
            said = engine.docker("run", "--rm", "--network", "none", "--read-only", IMAGE, program, arguments)
            self.assertTrue(said)
        self.assertEqual("65534:65534", engine.docker("image", "inspect", "--format", "{{.Config.User}}", IMAGE))

    @needs_engine
    def test_all_containers_of_all_machines_would_be_one_machine_if_it_had_an_id(self):
        said = engine.try_docker("run", "--rm", "--network", "none", IMAGE, "cat", "/etc/machine-id")
        self.assertEqual("", said.stdout)

    @needs_engine
    def test_the_folders_for_volumes_have_the_owners_and_modes_of_the_units(self):
        said = engine.docker("run", "--rm", "--network", "none", IMAGE, "stat", "--format", "%n %u:%g %a",
                             *(f"/var/lib/sluice/default/{name}" for name in ("queue", "delivery", "shipper")))
        self.assertEqual([f"/var/lib/sluice/default/queue {FETCHER}:{GROUP} 2750",
                          f"/var/lib/sluice/default/delivery {SHIPPER}:{GROUP} 700",
                          f"/var/lib/sluice/default/shipper {SHIPPER}:{GROUP} 2750"], said.splitlines())


class Compose(unittest.TestCase):
    """One story, since each of its steps needs what was before."""

    def start_stand_ins(self):
        self.rig = new_rig(self, "compose", events=9000, sessions=3, events_per_session=100, rate=100)
        self.rig.queuectl_in_container = self.queuectl
        self.folder = self.rig.folder / "srv/sluice"  # Compose names volumes after it
        self.backups = self.rig.folder / "backups"
        self.folder.mkdir(parents=True)
        self.backups.mkdir()
        self.environment = {"COMPOSE_FILE": "compose.yaml:test.yaml"}
        self.prepare()
        self.addCleanup(self.compose, "down --volumes --timeout 5")

    def follow(self, name):
        """Runs the commands of the page in the folder that they are meant for."""
        commands = documented(name).replace("/srv/sluice", str(self.folder)).replace("/var/backups:", f"{self.backups}:")
        return engine.shell(commands, self.folder if name != "prepare" else self.rig.folder, self.environment)

    def compose(self, arguments):
        return engine.shell(f"docker compose {arguments}", self.folder, self.environment)

    def prepare(self):
        folder, fluentd = self.rig.folder, self.rig.fluentd_files
        address, url, session_url = self.rig.addresses()
        config = documented("default.toml", "toml")
        for old, new in (("teleport.example.com:443", address), ("https://fluentd.example.com:8888/events.log", url),
                         ("https://fluentd.example.com:8888/session", session_url)):
            self.assertIn(f'"{old}"', config)
            config = config.replace(f'"{old}"', f'"{new}"')
        (folder / "default.toml").write_text(f'timeout = "500ms"\n{self.rig.first_start()}{config}', encoding="utf-8")
        for source, name in ((self.rig.teleport_files.identity, "identity"), (fluentd.ca, "ca.crt"),
                             (fluentd.cert, "client.crt"), (fluentd.key, "client.key")):
            shutil.copyfile(source, folder / name)
        (folder / "deploy").symlink_to(SOURCE / "deploy")
        self.follow("prepare")
        # Some machines let nobody raise this limit, root neither.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        service = {"network_mode": "host", "healthcheck": {"interval": "2s", "start_period": "1s", "retries": 2},
                   **({"ulimits": {"nofile": files}} if files < 65536 else {})}
        (self.folder / "test.yaml").write_text(json.dumps({"services": dict.fromkeys(DAEMONS, service)}), encoding="utf-8")

    def container(self, daemon):
        """Its id; of a stopped one, too."""
        return engine.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.service={daemon}",
                             "--filter", "label=com.docker.compose.project=sluice")

    def state(self, daemon):
        return json.loads(engine.docker("inspect", self.container(daemon)))[0]

    def health(self, daemon):
        return self.state(daemon)["State"]["Health"]["Status"]

    def queuectl(self, *arguments):
        return engine.try_docker("exec", self.container("shipper"), "queuectl", *arguments)

    def in_container(self, daemon, *command):
        """Whether the command succeeds as the daemon's user."""
        return engine.try_docker("exec", self.container(daemon), *command).returncode == 0

    def is_ready(self, daemon):
        return self.in_container(daemon, "curl", "--silent", "--fail", f"http://127.0.0.1:{PORTS[daemon]}/readyz")

    def wait_until_healthy(self):
        for daemon in DAEMONS:
            wait_until(lambda one=daemon: self.health(one) == "healthy", f"{daemon} is healthy", PATIENCE_SECONDS)

    def wait_for_more(self, count=200):
        """Events go on arriving."""
        before = self.rig.sink.count_lines()
        wait_until(lambda: self.rig.sink.count_lines() >= before + count or self.rig.everything_is_fetched(),
                   "more events arrive", PATIENCE_SECONDS)

    @needs_engine
    def test_events_arrive_and_none_is_lost_whatever_becomes_of_the_containers(self):
        self.start_stand_ins()
        self.shipper_alone_waits_for_the_queue()
        self.follow("start")
        self.wait_until_healthy()
        for daemon in DAEMONS:
            wait_until(lambda one=daemon: self.is_ready(one), f"{daemon} is ready", PATIENCE_SECONDS)
        self.wait_for_more()
        self.each_reaches_only_what_is_its_own()
        self.sighup_reloads()
        self.crashed_ones_are_started_again()
        self.a_sink_that_is_down_makes_nobody_unhealthy()
        self.a_hanging_process_becomes_unhealthy()
        self.killed_ones_are_replaced()
        before = [self.container(daemon) for daemon in DAEMONS]
        self.follow("renew")
        self.assertFalse(set(before) & {self.container(daemon) for daemon in DAEMONS})
        self.rig.wait_until_delivered()
        self.wait_until_healthy()
        self.rig.check(self)
        said = self.follow("look")
        self.assertRegex(said, r"audit +[\d,]+")
        self.backup_has_both_halves()
        self.compose("stop")
        for daemon in DAEMONS:
            self.assertEqual(0, self.state(daemon)["State"]["ExitCode"], daemon)

    def shipper_alone_waits_for_the_queue(self):
        """Which is no fault of its own."""
        self.compose("up --detach shipper")
        wait_until(lambda: self.health("shipper") == "healthy", "the shipper is healthy", PATIENCE_SECONDS)
        self.assertFalse(self.is_ready("shipper"))

    def each_reaches_only_what_is_its_own(self):
        root = "/var/lib/sluice/default"
        # The modes of the folders keep them apart, and the mounts do so once more.
        writable = {"fetcher": {f"{root}/queue": True, f"{root}/shipper": False, "/run/secrets/teleport": False},
                    "shipper": {f"{root}/queue": False, f"{root}/shipper": True, f"{root}/delivery": True,
                                "/run/secrets/fluentd": False}}
        for daemon, user in (("fetcher", FETCHER), ("shipper", SHIPPER)):
            state = self.state(daemon)
            self.assertEqual({"/etc/sluice": False, **writable[daemon]},
                             {mount["Destination"]: mount["RW"] for mount in state["Mounts"]})
            pid = state["State"]["Pid"]
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            self.assertIn(f"Uid:\t{user}\t{user}\t{user}\t{user}\n", status)
            self.assertIn(f"Gid:\t{GROUP}\t{GROUP}\t{GROUP}\t{GROUP}\n", status)
            self.assertIn("CapBnd:\t0000000000000000\n", status)
            self.assertIn("NoNewPrivs:\t1\n", status)
            self.assertFalse(self.in_container(daemon, "touch", "/etc/sluice/x"), daemon)
            self.assertFalse(self.in_container(daemon, "touch", "/usr/bin/x"), daemon)
            self.assertTrue(self.in_container(daemon, "touch", "/tmp/x"), daemon)
        self.assertTrue(self.in_container("fetcher", "cat", "/run/secrets/teleport/identity"))
        self.assertFalse(self.in_container("shipper", "ls", "/run/secrets/teleport"))
        self.assertTrue(self.in_container("shipper", "cat", "/run/secrets/fluentd/client.key"))
        self.assertFalse(self.in_container("fetcher", "ls", "/run/secrets/fluentd"))
        self.assertTrue(self.in_container("fetcher", "touch", f"{root}/queue/x"))
        self.assertTrue(self.in_container("fetcher", "rm", f"{root}/queue/x"))
        self.assertTrue(self.in_container("shipper", "cksum", f"{root}/queue/page"))
        self.assertFalse(self.in_container("shipper", "touch", f"{root}/queue/x"))
        self.assertTrue(self.in_container("fetcher", "cksum", f"{root}/shipper/page"))
        self.assertFalse(self.in_container("fetcher", "touch", f"{root}/shipper/x"))
        self.assertTrue(self.in_container("shipper", "ls", f"{root}/delivery/default/db"))
        self.assertFalse(self.in_container("fetcher", "ls", f"{root}/delivery"))

    def log(self, daemon):
        done = engine.try_docker("logs", self.container(daemon))
        return done.stdout + done.stderr

    def sighup_reloads(self):
        self.follow("reload")
        for daemon in DAEMONS:
            wait_until(lambda one=daemon: "reload" in self.log(one), f"{daemon} says that it reloads", PATIENCE_SECONDS)
            self.assertEqual(0, self.state(daemon)["RestartCount"], daemon)
        self.wait_for_more()

    def crashed_ones_are_started_again(self):
        """After a SIGHUP, too."""
        for daemon in DAEMONS:
            self.rig.shipper_kills += daemon == "shipper"
            os.kill(self.state(daemon)["State"]["Pid"], signal.SIGKILL)
            wait_until(lambda one=daemon: self.state(one)["RestartCount"] == 1, f"{daemon} is started again", PATIENCE_SECONDS)
            self.wait_for_more()
        self.wait_until_healthy()

    def a_sink_that_is_down_makes_nobody_unhealthy(self):
        self.rig.sink.outage_begins()
        begin = {daemon: self.state(daemon)["State"]["Health"]["Log"][-1]["Start"] for daemon in DAEMONS}
        for daemon in DAEMONS:
            wait_until(lambda one=daemon: all(entry["Start"] > begin[one]
                                              for entry in self.state(one)["State"]["Health"]["Log"]),
                       "five more checks have been made", PATIENCE_SECONDS)
            self.assertEqual("healthy", self.health(daemon), daemon)
        self.rig.sink.outage_ends()

    def a_hanging_process_becomes_unhealthy(self):
        pid = self.state("fetcher")["State"]["Pid"]
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: self.health("fetcher") == "unhealthy", "the hanging fetcher is noticed", PATIENCE_SECONDS)
        os.kill(pid, signal.SIGCONT)
        self.wait_until_healthy()

    def killed_ones_are_replaced(self):
        for daemon in DAEMONS:
            before = self.container(daemon)
            self.rig.shipper_kills += daemon == "shipper"
            engine.docker("kill", before)
            self.compose(f"rm --stop --force {daemon}")
            self.follow("start")
            self.assertNotEqual(before, self.container(daemon))
            self.wait_for_more()

    def backup_has_both_halves(self):
        self.follow("backup")
        done = subprocess.run(["tar", "-tzvf", self.backups / "sluice-default.tar.gz"], capture_output=True, text=True, check=True)
        for pattern in (rf"{FETCHER}/{GROUP}|sluice-fetcher/sluice .*default/queue/db/CURRENT",
                        rf"{SHIPPER}/{GROUP}|sluice-shipper/sluice .*default/delivery/default/db/CURRENT"):
            self.assertRegex(done.stdout, pattern)
        self.assertNotRegex(done.stdout, r"/page$")
        self.wait_until_healthy()


# As the guide for Teleport's handler on Kubernetes has them.
GUIDE_VALUES = {
    "eventHandler": {"storagePath": "/var/lib/teleport/plugins/event-handler/storage", "timeout": "10s", "batch": 20},
    "teleport": {"address": "example.teleport.com:443", "identitySecretName": "teleport-event-handler-identity",
                 "identitySecretPath": "identity"},
    "fluentd": {"url": "https://fluentd.fluentd.svc.cluster.local/events.log",
                "sessionUrl": "https://fluentd.fluentd.svc.cluster.local/session.log",
                "certificate": {"secretName": "teleport-event-handler-client-tls", "caPath": "ca.crt",
                                "certPath": "client.crt", "keyPath": "client.key"}},
    "persistentVolumeClaim": {"enabled": True},
}
# Every other value of that chart which this one takes.
MORE_VALUES = {
    "image": {"repository": "registry.example.com/sluice", "tag": "1.2.3", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "pull"}], "nameOverride": "events", "fullnameOverride": "audit-events",
    "eventHandler": {**GUIDE_VALUES["eventHandler"], "windowSize": "12h", "debug": True, "types": ["user.login"],
                     "skipEventTypes": ["session.recording.access"], "skipSessionTypes": [], "concurrency": 3,
                     "startTime": "2026-11-01T00:00:00Z"},
    "persistentVolumeClaim": {"enabled": True, "size": "50Gi", "storageClassName": "fast", "volumeName": "events"},
    "annotations": {"config": {"a": "1"}, "deployment": {"b": "2"}, "pod": {"c": "3"}},
    "extraLabels": {"pod": {"team": "audit"}},
    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}, "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "audit", "operator": "Exists"}], "affinity": {"nodeAffinity": {}},
    "tls": {"existingCASecretName": "ca", "existingCASecretKeyName": "root.pem"},
    "volumes": [{"name": "token", "secret": {"secretName": "token"}}],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "serviceAccount": {"create": True}, "tbot": {"enabled": False},
    # And those that are this chart's own.
    "metrics": {"enabled": True}, "startupProbe": None, "livenessProbe": {"periodSeconds": 60},
    "shipper": {"volumeMounts": [{"name": "token", "mountPath": "/run/secrets/token", "readOnly": True}]},
    "settings": {"top": {"lock-enabled": True}, "queue": {"retention": "48h", "max-size": "20GiB"},
                 "fetcher": {"search-overlap": "5m", "buffer-bytes": 33554432},
                 "shipper": {"gzip": True, "headers": ["Authorization: Bearer file:/run/secrets/token/token"]},
                 "teleport": {"max-requests-per-second": 20}, "fluentd": {"max-connections": 2}},
}


def merged(base, changes):
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


class Chart(unittest.TestCase):
    def setUp(self):
        if helm is None:
            self.skipTest("no Helm")

    def rendered(self, values):
        status, said = helm.template(CHART, values)
        self.assertEqual(0, status, said)
        return helm.objects(said)

    def spec(self, objects):
        return objects["StatefulSet"]["spec"]["template"]["spec"]

    def container(self, objects, name):
        return next(one for one in self.spec(objects)["containers"] if one["name"] == name)

    def accepted(self, config):
        """The programs take it, and look for what it names."""
        folder = rigs.temporary_folder("chart")
        self.addCleanup(shutil.rmtree, folder, True)
        path = folder / "default.toml"
        path.write_text(config.replace("/var/lib/sluice/default", f"{folder}/none"), encoding="utf-8")
        done = subprocess.run([BIN / "queuectl", "status", "--config", path], capture_output=True, text=True, check=False)
        self.assertEqual(NOT_FOUND, done.returncode, f"{done.stderr}\n{config}")
        # Each daemon goes on to the first file of its own, which is not there.
        for daemon, file in (("fetcher", "/run/secrets/teleport"), ("shipper", "/run/secrets/")):
            done = subprocess.run([BIN / f"sluice-{daemon}", "start", "--config", path], capture_output=True, text=True,
                                  timeout=60, check=False)
            said = [line for line in done.stderr.splitlines() if line]
            self.assertEqual(CONFIG, done.returncode, f"{said}\n{config}")
            self.assertTrue(said and all(file in line or "warn" in line.lower() for line in said), said)

    def test_documented_commands_take_what_configure_makes(self):
        folder = rigs.temporary_folder("chart")
        self.addCleanup(shutil.rmtree, folder, True)
        subprocess.run([BIN / "sluice-shipper", "configure", folder / "out", "teleport.example.com:443"], check=True,
                       capture_output=True)
        (folder / "deploy").symlink_to(SOURCE / "deploy")
        shutil.copyfile(folder / "out/helm-values.yaml", folder / "helm-values.yaml")
        done = subprocess.run(["sh", "-euc", documented("chart")], cwd=folder, env=helm.environment, capture_output=True, text=True,
                              check=False)
        self.assertEqual(0, done.returncode, done.stderr + done.stdout)
        objects = helm.objects(done.stdout[done.stdout.index("---"):])
        self.accepted(objects["ConfigMap"]["data"]["default.toml"])

    def test_values_of_the_guide_make_a_pod_with_a_volume(self):
        objects = self.rendered(GUIDE_VALUES)
        self.assertEqual({"ConfigMap", "Service", "StatefulSet"}, set(objects))
        config = objects["ConfigMap"]["data"]["default.toml"]
        for line in ('addr = "example.teleport.com:443"', 'timeout = "10s"', "batch = 20",
                     'url = "https://fluentd.fluentd.svc.cluster.local/events.log"',
                     'session-url = "https://fluentd.fluentd.svc.cluster.local/session.log"'):
            self.assertIn(f"\n{line}\n", f"\n{config}")
        self.accepted(config)
        claims = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]
        self.assertEqual("20Gi", claims[0]["spec"]["resources"]["requests"]["storage"])
        self.assertEqual(1, objects["StatefulSet"]["spec"]["replicas"])

    def test_every_value_has_its_effect(self):
        objects = self.rendered(merged(GUIDE_VALUES, MORE_VALUES))
        config = objects["ConfigMap"]["data"]["default.toml"]
        for line in ('window-size = "12h"', "debug = true", 'types = ["user.login"]', "skip-session-types = []",
                     'skip-event-types = ["session.recording.access"]', "concurrency = 3", 'retention = "48h"',
                     'start-time = "2026-11-01T00:00:00Z"', "lock-enabled = true", "buffer-bytes = 33554432", "gzip = true",
                     "max-requests-per-second = 20", 'fetcher-address = "0.0.0.0:9464"', 'shipper-address = "0.0.0.0:9465"',
                     'web-ca = "/run/secrets/teleport-ca/ca.pem"'):
            self.assertIn(f"\n{line}\n", f"\n{config}\n")
        self.accepted(config)
        spec = self.spec(objects)
        for name in DAEMONS:
            container = self.container(objects, name)
            self.assertEqual("registry.example.com/sluice:1.2.3", container["image"])
            self.assertEqual("Always", container["imagePullPolicy"])
            self.assertEqual(MORE_VALUES["resources"], container["resources"])
            self.assertEqual(MORE_VALUES["extraEnv"], container["env"])
            self.assertEqual(PORTS[name], container["ports"][0]["containerPort"])
            self.assertNotIn("startupProbe", container)
            self.assertEqual((60, 25), (container["livenessProbe"]["periodSeconds"], container["livenessProbe"]["timeoutSeconds"]))
        self.assertEqual(list(PORTS.values()), [one["port"] for one in objects["Service"]["spec"]["ports"]])
        for key in ("nodeSelector", "tolerations", "affinity", "imagePullSecrets"):
            self.assertEqual(MORE_VALUES[key], spec[key])
        self.assertEqual("audit-events", objects["StatefulSet"]["metadata"]["name"])
        self.assertEqual("audit-events", spec["serviceAccountName"])
        self.assertEqual("audit-events", objects["ServiceAccount"]["metadata"]["name"])
        self.assertEqual({"a": "1"}, objects["ConfigMap"]["metadata"]["annotations"])
        self.assertEqual({"b": "2"}, objects["StatefulSet"]["metadata"]["annotations"])
        pod = objects["StatefulSet"]["spec"]["template"]["metadata"]
        self.assertEqual("3", pod["annotations"]["c"])
        self.assertEqual("audit", pod["labels"]["team"])
        claim = objects["StatefulSet"]["spec"]["volumeClaimTemplates"][0]
        self.assertEqual(("events", "fast", "50Gi"), (claim["metadata"]["name"], claim["spec"]["storageClassName"],
                                                      claim["spec"]["resources"]["requests"]["storage"]))
        self.assertIn("token", [mount["name"] for mount in self.container(objects, "shipper")["volumeMounts"]])
        self.assertNotIn("token", [mount["name"] for mount in self.container(objects, "fetcher")["volumeMounts"]])

    def test_each_container_sees_only_what_is_its_own(self):
        objects = self.rendered(GUIDE_VALUES)
        spec = self.spec(objects)
        volumes = {one["name"] for one in spec["volumes"]} | {"storage"}
        seen = {}
        for container in spec["initContainers"] + spec["containers"]:
            for mount in container["volumeMounts"]:
                self.assertIn(mount["name"], volumes)
            seen[container["name"]] = {(mount["name"], mount.get("subPath", ""), mount.get("readOnly", False))
                                       for mount in container["volumeMounts"]}
        self.assertEqual({("config", "", True), ("fetcher-tmp", "", False), ("teleport", "", True),
                          ("storage", "queue", False), ("storage", "shipper", True)}, seen["fetcher"])
        self.assertEqual({("config", "", True), ("shipper-tmp", "", False), ("fluentd", "", True), ("storage", "queue", True),
                          ("storage", "delivery", False), ("storage", "shipper", False)}, seen["shipper"])

    def test_containers_are_confined(self):
        spec = self.spec(self.rendered(GUIDE_VALUES))
        self.assertFalse(spec["automountServiceAccountToken"])
        pod = spec["securityContext"]
        self.assertEqual((True, GROUP, GROUP, "RuntimeDefault"),
                         (pod["runAsNonRoot"], pod["runAsGroup"], pod["fsGroup"], pod["seccompProfile"]["type"]))
        users = {}
        for container in spec["initContainers"] + spec["containers"]:
            context = container["securityContext"]
            users[container["name"]] = context["runAsUser"]
            self.assertEqual((False, True, ["ALL"]), (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"],
                                                      context["capabilities"]["drop"]), container["name"])
        self.assertEqual((FETCHER, SHIPPER), (users["fetcher"], users["shipper"]))

    def test_the_claim_of_teleports_chart_is_read_by_the_fetcher_alone(self):
        objects = self.rendered(merged(GUIDE_VALUES, nested("eventHandler.storageClaim", "handler")))
        path = GUIDE_VALUES["eventHandler"]["storagePath"]
        self.assertIn(f'storage = "{path}"\n', objects["ConfigMap"]["data"]["default.toml"])
        mount = {"name": "old-storage", "mountPath": path, "readOnly": True}
        self.assertIn(mount, self.container(objects, "fetcher")["volumeMounts"])
        self.assertNotIn(mount, self.container(objects, "shipper")["volumeMounts"])
        self.assertIn({"name": "old-storage", "persistentVolumeClaim": {"claimName": "handler", "readOnly": True}},
                      self.spec(objects)["volumes"])

    def test_without_a_claim_of_its_own(self):
        there = self.rendered(merged(GUIDE_VALUES, nested("persistentVolumeClaim.existingClaim", "mine")))
        self.assertNotIn("volumeClaimTemplates", there["StatefulSet"]["spec"])
        self.assertIn({"name": "storage", "persistentVolumeClaim": {"claimName": "mine"}}, self.spec(there)["volumes"])
        none = self.rendered(merged(GUIDE_VALUES, nested("persistentVolumeClaim.enabled", False)))
        self.assertNotIn("volumeClaimTemplates", none["StatefulSet"]["spec"])
        self.assertIn({"name": "storage", "emptyDir": {}}, self.spec(none)["volumes"])

    def test_notes_name_what_the_pod_waits_for_and_warn_of_a_queue_that_does_not_last(self):
        notes = helm.notes(CHART, GUIDE_VALUES)
        for line in ("kubectl -n default exec sluice-0 -c shipper -- queuectl status",
                     "teleport-event-handler-identity with the key identity",
                     "teleport-event-handler-client-tls with the keys ca.crt, client.crt, client.key"):
            self.assertIn(line, notes)
        self.assertNotIn("WARNING", notes)
        self.assertIn("WARNING: persistentVolumeClaim.enabled is false",
                      helm.notes(CHART, merged(GUIDE_VALUES, nested("persistentVolumeClaim.enabled", False))))

    def test_a_wrong_value_is_a_sentence(self):
        for path, value, sentence in (
                ("eventHandler.timeout", "10", 'eventHandler.timeout is "10", but must be a duration'),
                ("eventHandler.timeout", 10, "at '/eventHandler/timeout': got number, want string"),
                ("eventHandler.batch", 0, "at '/eventHandler/batch': minimum: got 0, want 1"),
                ("eventHandler.timeot", "10s", "at '/eventHandler': additional properties 'timeot' not allowed"),
                ("eventHandler.startTime", "2026-11-01T00:00:00", "but must be a time with a zone"),
                ("eventHandler", {"storageClaim": "old", "storagePath": "storage"}, "but must be an absolute path"),
                ("replicas", 2, "additional properties 'replicas' not allowed"),
                ("teleport.address", "", "teleport.address is not set"),
                ("teleport.address", "teleport.example.com", "but must be HOST:PORT"),
                ("teleport.identitySecretName", "", "teleport.identitySecretName is not set"),
                ("fluentd.url", "", "fluentd.url is not set"),
                ("fluentd.url", "ftp://fluentd", 'fluentd.url is "ftp://fluentd", but must be a URL'),
                ("fluentd.url", "https://me:secret@fluentd", "without a user in it"),
                ("fluentd.sessionUrl", "", "fluentd.sessionUrl is not set"),
                ("fluentd.certificate.secretName", "", "fluentd.certificate.secretName is not set"),
                ("persistentVolumeClaim.size", "much", "but must be a size such as 20Gi"),
                ("persistentVolumeClaim.enabled", "yes", "got string, want boolean"),
                ("securityContext.runAsUser", 1000, "securityContext.runAsUser cannot be set"),
                ("podSecurityContext.fsGroup", 1000, "podSecurityContext.fsGroup must stay 10000"),
                ("settings.queue.path", "/data", "settings.queue.path is made from other values"),
                ("settings.queue.retention", {"a": "b"}, "at '/settings/queue/retention'"),
                ("tbot.enabled", True, "tbot.enabled is not for this chart"),
                ("certManager.enabled", True, "certManager.enabled is not for this chart"),
                ("crd.create", True, "crd.create is not for this chart"),
                ("extraArgs", ["--dry-run"], "use fetcher.extraArgs or shipper.extraArgs")):
            with self.subTest(path=path, value=value):
                status, said = helm.template(CHART, merged(GUIDE_VALUES, nested(path, value)))
                self.assertNotEqual(0, status)
                self.assertIn(sentence, said)

    @needs_engine
    def test_the_rendered_pod_runs(self):
        rig = new_rig(self, "pod", events=2000, sessions=2, events_per_session=100)
        address, url, session_url = rig.addresses()
        # Where to begin is known from Teleport's own handler alone.
        handler = event_handler.Folder(rig.folder / "handler", address)
        handler.put("start_time", re.search(r'start-time = "(.*?)"', rig.first_start()).group(1))
        handler.written()
        before = handler.contents()
        values = merged(GUIDE_VALUES, {"teleport": {"address": address}, "fluentd": {"url": url, "sessionUrl": session_url},
                                       "image": {"repository": "sluice", "tag": "0.1.0"},
                                       "eventHandler": {"timeout": "500ms", "storageClaim": "handler"}})
        fluentd = rig.fluentd_files
        secrets = {"teleport-event-handler-identity": {"identity": rig.teleport_files.identity},
                   "teleport-event-handler-client-tls": {"ca.crt": fluentd.ca, "client.crt": fluentd.cert,
                                                         "client.key": fluentd.key}}
        claims = {"handler": handler.storage}
        with Pod(engine, self.rendered(values), rig.folder / "pod", secrets=secrets, claims=claims) as pod:
            rig.queuectl_in_container = lambda *arguments: pod.run("shipper", "queuectl", *arguments)
            for daemon in DAEMONS:
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    wait_until(lambda one=daemon, by=probe: pod.passes(one, by), f"{daemon} passes {probe}", PATIENCE_SECONDS)
            self.assertIn("the position of teleport-event-handler was taken over", pod.log("fetcher"))
            self.assertEqual(before, handler.contents())
            # Each container is replaced once, as the kubelet does it after a crash.
            for daemon in DAEMONS:
                rig.shipper_kills += daemon == "shipper"
                pod.replace(daemon)
            rig.wait_until_delivered()
            rig.check(self)
            self.assertNotEqual(0, pod.run("fetcher", "ls", "/run/secrets/fluentd").returncode)
            self.assertNotEqual(0, pod.run("shipper", "ls", "/run/secrets/teleport").returncode)
            self.assertNotEqual(0, pod.run("shipper", "touch", "/var/lib/sluice/default/queue/x").returncode)
            self.assertNotEqual(0, pod.run("fetcher", "touch", "/var/lib/sluice/default/shipper/x").returncode)
            self.assertEqual({"queue": (FETCHER, GROUP, 0o2750), "delivery": (SHIPPER, GROUP, 0o2700),
                              "shipper": (SHIPPER, GROUP, 0o2750)}, pod.folders("storage"))


def main():
    global BIN, WORK
    BIN, WORK = Path(sys.argv.pop(1)).resolve(), Path(sys.argv.pop(1)).resolve()
    program = unittest.main(exit=False, verbosity=2)
    for reason in not_tried:
        print(f"SKIPPED: {reason}")
    if not program.result.wasSuccessful():
        return 1
    return SKIPPED if len(not_tried) == 2 else 0


if __name__ == "__main__":
    sys.exit(main())
