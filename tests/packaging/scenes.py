"""What a real systemd is seen to make of Sluice's units: the scenes of boot_test.py."""

import re
import time

import rig as rigs
from processes import TestFailure, control
from sandbox_probe import SandboxProbe

OPERATOR, STRANGER = "anna", "eve"
SECOND = "second"
# As the units have them.
RESTART_SECONDS = 2
STOP_SECONDS = 60
CONFIG_STATUS = 78
OPEN_FILES = 65536
# Unless the configuration says otherwise.
METRICS_PORTS = (9464, 9465)
CANARY = "/var/tmp/canary"
# What the sandbox or a wrong mode would make a daemon say.
TROUBLE = re.compile(r"not permitted|permission denied|EPERM|EACCES|read-only file system", re.IGNORECASE)
# So many new events in Teleport take seconds to arrive.
IN_FLOW = 1200


def check(right, what, more=""):
    if not right:
        raise TestFailure(f"{what}{': ' if more else ''}{more}")


class Play:
    """The scenes, in the order in which they are played. Each leaves both units working, and the lanes as they are."""

    def __init__(self, machine, rig):
        self.machine = machine
        self.rig = rig
        self.second = None
        self.fetcher, self.shipper = rig.units

    def scenes_of_a_virtual_machine(self):
        """Those in which it may matter that it has a kernel of its own."""
        return (self.without_a_configuration_both_fail_and_are_left_alone,
                self.both_start_with_the_target_and_say_how_they_are,
                self.each_runs_as_its_user_under_all_of_its_sandbox,
                self.inside_its_sandbox_each_reaches_only_what_is_its_own,
                self.events_flow,
                self.nothing_was_refused_to_the_daemons,
                self.after_a_power_cut_nothing_is_lost,
                self.nothing_was_refused_to_the_daemons)

    def scenes(self):
        return (self.without_a_configuration_both_fail_and_are_left_alone,
                self.both_start_with_the_target_and_say_how_they_are,
                self.each_serves_its_health_where_the_documents_say,
                self.each_runs_as_its_user_under_all_of_its_sandbox,
                self.no_user_reaches_what_is_the_others,
                self.inside_its_sandbox_each_reaches_only_what_is_its_own,
                self.events_flow,
                self.an_operator_looks_and_root_changes,
                self.a_reload_takes_up_a_good_configuration_and_refuses_a_bad_one,
                self.each_is_restarted_in_mid_flow,
                self.they_stop_within_the_bound_though_fluentd_hangs,
                self.a_wrong_configuration_ends_with_78_and_is_not_tried_again,
                self.a_killed_daemon_is_started_again_after_a_delay,
                self.a_wedged_daemon_is_started_again_by_the_watchdog,
                self.an_expired_identity_ends_nothing,
                self.a_second_instance_runs_beside_the_first,
                self.after_a_reboot_all_that_is_enabled_runs,
                self.nothing_was_refused_to_the_daemons,  # the cut takes a part of the journal with it
                self.after_a_power_cut_nothing_is_lost,
                self.nothing_was_refused_to_the_daemons)

    # What the scenes are made of.

    def systemctl(self, *arguments, **more):
        return self.machine.run("systemctl", *arguments, **more)

    def state(self, unit):
        return self.machine.show(unit, "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainStatus", "StatusText")

    def wait_until_active(self, *units):
        for unit in units:
            self.machine.wait_until(lambda u=unit: self.machine.show(u, "ActiveState") == "active", f"{unit} runs")

    def when_it_died(self, unit):
        """In microseconds of the machine, while it waits for its restart."""
        now = self.machine.show(unit, "SubState", "ExecMainExitTimestampMonotonic")
        return int(now["ExecMainExitTimestampMonotonic"]) if now["SubState"] == "auto-restart" else 0

    def pid(self, unit):
        return int(self.machine.show(unit, "MainPID"))

    def mark(self):
        """Where the journal ends now."""
        return self.machine.journal("--lines=0", "--show-cursor").splitlines()[-1].removeprefix("-- cursor: ")

    def said(self, unit, mark):
        return self.machine.journal(f"--unit={unit}", f"--after-cursor={mark}")

    def wait_until_said(self, unit, mark, text):
        self.machine.wait_until(lambda: text in self.said(unit, mark), f'{unit} says "{text}"')

    def instances(self):
        return [self.rig, *([self.second] if self.second else [])]

    def expect_delivered(self, crashes=0):
        """Everything has arrived, and all numbers add up. Nothing has come twice since the last time, but for what so many
        crashes of a shipper may have repeated."""
        for one in self.instances():
            one.wait_until_drained()
            allowed = one.duplicates + crashes * one.events_in_flight()
            report = one.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES, duplicates_max=allowed, strict=("session",))
            failures = report.failures() + one.ledger_failures()
            check(not failures, f"instance {one.instance}", "\n".join(failures))
            one.duplicates = report.duplicates

    # The scenes.

    def without_a_configuration_both_fail_and_are_left_alone(self):
        for unit in self.rig.units:
            now = self.state(unit)
            check((now["ActiveState"], now["ExecMainStatus"], now["NRestarts"]) == ("failed", str(CONFIG_STATUS), "0"), unit, now)
        self.rig.write_config()
        self.rig.write_secrets()

    def both_start_with_the_target_and_say_how_they_are(self):
        # It has been active since the boot, but its units have failed.
        self.systemctl("start", "sluice.target")
        for unit in self.rig.units:
            check(self.machine.show(unit, "ActiveState") == "active", f"the start of the target waits for {unit}")
        self.machine.wait_until(lambda: re.search(r"^Teleport read completely up to 20.*last numbers: audit [1-9]",
                                     self.machine.show(self.fetcher, "StatusText")), "the fetcher's status says how far it is")
        self.machine.wait_until(lambda: re.search(r"^lane audit: \d+ waiting.*, 0 dead letters, last acknowledged: 20",
                                     self.machine.show(self.shipper, "StatusText")), "the shipper's status says how far it is")

    def each_serves_its_health_where_the_documents_say(self):
        for port in METRICS_PORTS:
            for path in ("healthz", "readyz", "metrics"):
                script = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /{path} HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"
                said = self.machine.run("bash", "-c", script).stdout
                check(" 200 " in said, f"{port}/{path}", said)

    def each_runs_as_its_user_under_all_of_its_sandbox(self):
        for unit in self.rig.units:
            lines = self.machine.run("cat", f"/proc/{self.pid(unit)}/status").stdout.splitlines()
            status = {key: value.split() for key, value in (line.split(":", 1) for line in lines)}
            user, group = (self.machine.run("id", option, unit).stdout.strip() for option in ("--user", "--group"))
            expected = {"Uid": [user] * 4, "Gid": [group] * 4, "Groups": [group], "Umask": ["0027"], "NoNewPrivs": ["1"],
                        "Seccomp": ["2"], **{name: ["0" * 16] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}}
            found = {key: status[key] for key in expected}
            check(found == expected, unit, found)
            limits = self.machine.run("cat", f"/proc/{self.pid(unit)}/limits").stdout
            check(re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), f"{unit} leaves no memory dump", limits)
            files = min(OPEN_FILES, self.machine.open_files_max)
            check(re.search(rf"^Max open files +{files} ", limits, re.MULTILINE), f"{unit} may open many files", limits)

    def no_user_reaches_what_is_the_others(self):
        state, secrets = "/var/lib/sluice/default", "/etc/sluice"
        fetcher, shipper = "sluice-fetcher", "sluice-shipper"
        may = {f"cat {secrets}/default.toml": {fetcher, shipper, OPERATOR},
               f"echo >>{secrets}/default.toml": set(),
               f"cat {secrets}/identity": {fetcher},
               f"cat {secrets}/client.key": {shipper},
               f"touch {state}/x": set(),
               f"cat {state}/queue/page": {fetcher, shipper, OPERATOR},
               f"cat {state}/queue/db/CURRENT": {fetcher, shipper, OPERATOR},
               f"touch {state}/queue/x && rm {state}/queue/x": {fetcher},
               f"ls {state}/delivery": {shipper},
               f"cat {state}/shipper/page": {fetcher, shipper, OPERATOR},
               f"touch {state}/shipper/x && rm {state}/shipper/x": {shipper}}
        for command, who in may.items():
            for user in (fetcher, shipper, OPERATOR, STRANGER):
                done = self.machine.run("sh", "-c", command, user=user, check=False)
                check((done.returncode == 0) == (user in who), f"{user}: {command}", done.stdout)

    def inside_its_sandbox_each_reaches_only_what_is_its_own(self):
        probe = SandboxProbe(self.machine)
        for daemon in ("fetcher", "shipper"):
            wrong = probe.surprises(daemon)
            check(not wrong, f"in the sandbox of sluice-{daemon}", "\n".join(wrong))

    def events_flow(self):
        self.rig.add(1000)
        self.expect_delivered()

    def an_operator_looks_and_root_changes(self):
        status, said = self.rig.try_queuectl("status", user=OPERATOR)
        check(status == 0 and "the delivery store cannot be read" in said, "the group may look at the queue", said)

        def replay(first, last):
            return ("replay", "--lane", "audit", "--from-seq", first, "--to-seq", last, "--reason", "drill", "--mark", "--wait")
        for user, arguments, expected, text in (
                (STRANGER, ("status",), 78, "Permission denied"),
                (OPERATOR, ("dead-letter", "list"), 73, "Permission denied"),
                (OPERATOR, replay(1, 9), 77, "may look but not change"),
                (None, ("dead-letter", "list"), 0, ""), ("sluice-shipper", ("dead-letter", "list"), 0, ""),
                (None, replay(1, 9), 0, ""), ("sluice-shipper", replay(5, 6), 0, "")):
            status, said = self.rig.try_queuectl(*arguments, user=user)
            check(status == expected and text in said, f"{user or 'root'}: queuectl {arguments}", f"{status}: {said}")
        report = self.rig.judge(skip_session_types=rigs.UNCONFIGURED_SKIPPED_TYPES)
        check(sorted(len(numbers) for numbers in report.replays.values()) == [2, 9], "both replays arrived", report.replays)
        strange = self.machine.run("find", *(f"/var/lib/sluice/default/{name}" for name in ("queue", "delivery", "shipper")),
                                   "!", "-user", "sluice-fetcher", "!", "-user", "sluice-shipper").stdout
        check(not strange, "root's queuectl leaves files of root behind", strange)

    def a_reload_takes_up_a_good_configuration_and_refuses_a_bad_one(self):
        pids = [self.pid(unit) for unit in self.rig.units]
        mark = self.mark()
        self.rig.write_config(batch=50)
        for unit in self.rig.units:
            self.systemctl("reload", unit)
            self.wait_until_active(unit)
        self.wait_until_said(self.shipper, mark, "a crash repeats at most 200 events")
        self.rig.write_text(self.rig.configuration().replace("batch-events", "bach-events"))
        for unit in self.rig.units:
            self.systemctl("reload", unit)
            self.wait_until_said(unit, mark, "the configuration is not reloaded")
            self.wait_until_active(unit)
        self.rig.write_config()
        for unit in self.rig.units:
            self.systemctl("reload", unit)
            self.wait_until_active(unit)
        check(pids == [self.pid(unit) for unit in self.rig.units], "the processes stay the same")
        self.rig.add(100)
        self.expect_delivered()

    def each_is_restarted_in_mid_flow(self):
        control(self.rig.teleport_control, "slow 4")
        for unit in (self.fetcher, self.shipper, "sluice.target"):
            pids = [self.pid(one) for one in self.rig.units]
            self.rig.add(IN_FLOW)
            self.rig.wait_until_flowing()
            self.systemctl("restart", unit)
            self.wait_until_active(*self.rig.units)
            changed = [one for one, pid in zip(self.rig.units, pids, strict=True) if self.pid(one) != pid]
            check(changed == ([unit] if unit in self.rig.units else self.rig.units), f"restart of {unit}", changed)
        control(self.rig.teleport_control, "slow 0")
        # An orderly stop repeats nothing.
        self.expect_delivered()

    def they_stop_within_the_bound_though_fluentd_hangs(self):
        self.rig.sink.command("stall 300")
        self.rig.add(IN_FLOW)
        self.machine.wait_until(lambda: self.rig.backlog() >= IN_FLOW // 2, "events wait")
        begin = time.monotonic()
        # This returns at once; a stop that names them would wait for their ends.
        self.systemctl("stop", "sluice.target")
        for unit in self.rig.units:
            self.machine.wait_until(lambda u=unit: self.state(u)["ActiveState"] not in ("active", "deactivating"), f"{unit} ends")
        check(time.monotonic() - begin < STOP_SECONDS, "the stop ends before systemd loses its patience")
        for unit in self.rig.units:
            now = self.state(unit)
            check((now["ActiveState"], now["Result"], now["ExecMainStatus"]) == ("inactive", "success", "0"), unit, now)
        self.rig.sink.command("stall 0")
        self.systemctl("start", "sluice.target")
        # What was not answered by then comes again.
        self.expect_delivered(crashes=1)

    def a_wrong_configuration_ends_with_78_and_is_not_tried_again(self):
        self.rig.write_text(self.rig.configuration().replace("timeout", "timeouts"))
        mark = self.mark()
        for unit in self.rig.units:
            done = self.systemctl("restart", unit, check=False)
            check(done.returncode != 0, f"the restart of {unit} says that it fails")
            now = self.state(unit)
            check((now["ActiveState"], now["SubState"], now["ExecMainStatus"]) == ("failed", "failed", str(CONFIG_STATUS)), unit, now)
            self.wait_until_said(unit, mark, "default.toml:2:1: the key timeouts is not known")
        self.rig.write_config()
        self.systemctl("start", "sluice.target")
        self.wait_until_active(*self.rig.units)

    def a_killed_daemon_is_started_again_after_a_delay(self):
        for unit in self.rig.units:
            self.rig.add(IN_FLOW)
            self.rig.wait_until_flowing()
            pid, restarts = self.pid(unit), int(self.machine.show(unit, "NRestarts"))
            self.systemctl("kill", "--kill-who=main", "--signal=KILL", unit)
            died_us = self.machine.wait_until(lambda u=unit: self.when_it_died(u), f"{unit} waits for its restart")
            self.machine.wait_until(lambda u=unit, p=pid: self.pid(u) not in (0, p), f"{unit} is started again")
            self.wait_until_active(unit)
            now = self.machine.show(unit, "NRestarts", "ExecMainStartTimestampMonotonic")
            waited_us = int(now["ExecMainStartTimestampMonotonic"]) - died_us
            check(int(now["NRestarts"]) == restarts + 1, unit, now)
            check(waited_us >= RESTART_SECONDS * 1_000_000, f"{unit} is started again after", waited_us)
        self.expect_delivered(crashes=1)

    def a_wedged_daemon_is_started_again_by_the_watchdog(self):
        for unit in self.rig.units:
            self.machine.put(f"/run/systemd/system/{unit}.service.d/watchdog.conf", "[Service]\nWatchdogSec=4s\n")
        self.systemctl("daemon-reload")
        self.systemctl("restart", *self.rig.units)
        for unit in self.rig.units:
            mark, pid = self.mark(), self.pid(unit)
            self.systemctl("kill", "--kill-who=main", "--signal=STOP", unit)
            self.wait_until_said(unit, mark, "Failed with result 'watchdog'")
            self.machine.wait_until(lambda u=unit, p=pid: self.pid(u) not in (0, p), f"{unit} is started again")
            self.wait_until_active(unit)
            self.machine.run("rm", "-r", f"/run/systemd/system/{unit}.service.d")
        self.systemctl("daemon-reload")
        self.systemctl("restart", *self.rig.units)
        self.rig.add(100)
        self.expect_delivered(crashes=1)

    def an_expired_identity_ends_nothing(self):
        mark = self.mark()
        self.rig.write_secrets(identity=self.rig.teleport_files.expired_identity)
        self.systemctl("restart", self.fetcher)
        self.wait_until_said(self.fetcher, mark, "expired")
        self.machine.wait_until(lambda: "expired" in self.machine.show(self.fetcher, "StatusText"), "the status says so")
        self.rig.add(100)
        self.rig.write_secrets()
        pid = self.pid(self.fetcher)
        self.expect_delivered()
        check(self.pid(self.fetcher) == pid, "it goes on by itself")

    def a_second_instance_runs_beside_the_first(self):
        self.second = self.rig.another(SECOND)
        self.second.write_config()
        self.systemctl("enable", "--now", *self.second.units)
        self.wait_until_active(*self.second.units)
        self.rig.add(500)
        self.expect_delivered()
        pids = [self.pid(unit) for unit in self.second.units]
        self.systemctl("restart", "sluice.target")
        self.wait_until_active(*self.rig.units, *self.second.units)
        check(not set(pids) & {self.pid(unit) for unit in self.second.units}, "the target restarts every instance")

    def after_a_reboot_all_that_is_enabled_runs(self):
        self.rig.add(IN_FLOW)
        self.rig.wait_until_flowing()
        self.machine.stop()
        self.machine.boot()
        self.wait_until_active(*(unit for one in self.instances() for unit in one.units))
        self.expect_delivered()

    def after_a_power_cut_nothing_is_lost(self):
        control(self.rig.teleport_control, "slow 10")
        self.rig.add(2 * IN_FLOW)
        # Seen from outside, so that a slow machine has nothing to do for it.
        begin = self.rig.sink.count_lines()
        self.machine.wait_until(lambda: self.rig.sink.count_lines() >= begin + IN_FLOW // 6, "events flow")
        # What nobody syncs, so that it is seen to be gone.
        self.machine.run("sh", "-c", f"echo >>{CANARY}")
        stats = self.rig.teleport_stats()
        check(stats["recorded"] < stats["events"], "the cut comes while events flow", stats)
        self.machine.cut_power()
        control(self.rig.teleport_control, "slow 0")
        self.machine.boot()
        lost = self.machine.run("test", "-s", CANARY, check=False).returncode != 0
        check(lost, "the cut is none: what nobody has synced is still there")
        self.wait_until_active(*(unit for one in self.instances() for unit in one.units))
        self.expect_delivered(crashes=1)

    def nothing_was_refused_to_the_daemons(self):
        said = self.machine.journal(*(f"--unit={unit}" for one in self.instances() for unit in one.units))
        for one in self.instances():
            state = f"/var/lib/sluice/{one.instance}"
            said += self.machine.run("sh", "-c", f"cat {state}/queue/db/LOG* {state}/delivery/default/db/LOG*").stdout
        trouble = [line for line in said.splitlines() if TROUBLE.search(line)]
        check(not trouble, "something was refused", "\n".join(trouble))
