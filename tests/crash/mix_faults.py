"""What the long mix does: each is drawn by its weight, and all that it needs to know comes from the dice.

act(mix, dice) draws from the dice before it looks at anything else, so that the same seed makes the same decisions.
"""

import json
from dataclasses import dataclass
from typing import Callable

from kill_point import sum_failures
from processes import TestFailure

DOWN_SECONDS = (0.0, 2.0)
STOPPED_SECONDS = (0.1, 3.0)
OUTAGE_SECONDS = (0.5, 4.0)
FAULT_SECONDS = (0.5, 5.0)
REPLAYED_MAX = 3000  # numbers of one job


@dataclass(frozen=True)
class Fault:
    name: str
    weight: int
    act: Callable
    full_only: bool


FAULTS = []


def fault(weight, full_only=False):
    def add(function):
        FAULTS.append(Fault(function.__name__, weight, function, full_only))
        return function
    return add


@fault(8)
def kill_daemons(mix, dice):
    victims = dice.choice((("fetcher",), ("shipper",), ("fetcher", "shipper")))
    seconds = dice.uniform(*DOWN_SECONDS)
    for victim in victims:
        mix.kill(victim, seconds)


@fault(2)
def kill_a_stand_in(mix, dice):
    mix.kill(dice.choice(("sink", "teleport")), dice.uniform(*DOWN_SECONDS))


@fault(4)
def stop_a_process(mix, dice):
    mix.stop_for(dice.choice(("fetcher", "shipper", "sink", "teleport")),
                 dice.uniform(*STOPPED_SECONDS))


@fault(6)
def sink_answers_badly(mix, dice):
    line = dice.choice(("status 500", "status 429", "status 503", "reset-before", "reset-after"))
    mix.sink_command(f"{line} {dice.randrange(1, 6)}")
    mix.count("faults of the sink")


@fault(2)
def sink_asks_to_wait(mix, dice):
    mix.sink_command("retry-after 1")
    mix.sink_command(f"status 429 {dice.randrange(1, 4)}")
    mix.heal_later(dice.uniform(*FAULT_SECONDS), lambda: mix.sink_command("retry-after off"))
    mix.count("faults of the sink")


@fault(3)
def sink_stalls(mix, dice):
    mix.sink_command(f"stall {dice.uniform(0.1, 1.5):.2f} {dice.randrange(1, 6)}")
    mix.count("faults of the sink")


@fault(2)
def sink_is_away(mix, dice):
    seconds = dice.uniform(*OUTAGE_SECONDS)
    if not mix.is_up("sink"):
        return
    # Requests that were being answered are cut off, beyond what the sink can count.
    mix.may_repeat()
    mix.sink_command("refuse on")
    mix.heal_later(seconds, lambda: mix.sink_command("refuse off"))
    mix.count("faults of the sink")


@fault(2)
def sink_takes_small_bodies_only(mix, dice):
    size = dice.randrange(60_000, 200_000)
    mix.refusable.append(lambda line: len(line) > size // 2)
    mix.sink_command(f"max-body {size}")
    mix.heal_later(dice.uniform(*FAULT_SECONDS), lambda: mix.sink_command(f"max-body {32 << 20}"))
    mix.count("faults of the sink")


@fault(2)
def sink_refuses_some_events(mix, dice):
    text = f'"uid":"{dice.randrange(256):02x}'
    wanted = text.encode()
    mix.refusable.append(lambda line: wanted in line.replace(b'": "', b'":"'))
    mix.sink_command(f"poison {text}")
    mix.heal_later(dice.uniform(*FAULT_SECONDS), lambda: mix.sink_command("poison"))
    mix.count("faults of the sink")


@fault(4)
def teleport_fails(mix, dice):
    code = dice.choice(("Unavailable", "Internal", "DeadlineExceeded"))
    target = dice.choice(("any", "chunks", "export", "search", "session"))
    mix.teleport_command(f"fail-after {dice.randrange(300)} {code} {target}")
    mix.count("faults of Teleport")


# A recording that is not there is asked for again after a minute.
@fault(1, full_only=True)
def teleport_hides_recordings(mix, dice):
    mix.teleport_command("hide-recordings on")
    mix.heal_later(dice.uniform(*FAULT_SECONDS),
                   lambda: mix.teleport_command("hide-recordings off"))
    mix.count("faults of Teleport")


@fault(6)
def somebody_looks(mix, dice):
    command = dice.choice((("status", "--output", "json"), ("report",), ("peek", "--count", "5"),
                           ("verify",)))
    status, said = mix.rig.try_queuectl(*command)
    # A fetcher that was killed while it opened the queue leaves it unreadable until its next start.
    if status not in (0, 75):
        raise TestFailure(f"queuectl {' '.join(command)} ended with {status}: {said}")
    if status == 0 and command[0] == "status":
        wrong = sum_failures(json.loads(said))
        if wrong:
            raise TestFailure("; ".join(wrong))
    mix.count("looks of queuectl")


@fault(4)
def somebody_replays(mix, dice):
    lane = dice.choice(("audit", "session"))
    begin, share, rate = dice.random(), dice.random(), dice.choice((0, 500))
    if mix.is_stopped("shipper"):
        return
    status = mix.rig.try_status()
    position = status and status["lanes"][lane]["position"]
    if not position:
        return
    first = 1 + int(begin * position)
    last = min(position, first + int(share * REPLAYED_MAX))
    status, said = mix.rig.try_queuectl(
        "replay", "--lane", lane, "--from-seq", str(first), "--to-seq", str(last), "--mark", "--partial",
        "--rate", str(rate), "--reason", "torture")
    # 66: all of it is trimmed; 69 and 75: the shipper is just being started or is stopped.
    if status not in (0, 66, 69, 75):
        raise TestFailure(f"queuectl replay of {lane} {first} to {last} ended with {status}: {said}")
    mix.count("replay jobs begun" if status == 0 else "replay jobs not begun")


@fault(1)
def somebody_cancels_a_replay(mix, dice):
    choice = dice.random()
    if mix.is_stopped("shipper"):
        return
    status, said = mix.rig.try_queuectl("replay", "list", "--output", "json")
    active = [job["id"] for job in map(json.loads, said.splitlines()) if job["state"] == "active"] \
        if status == 0 else []
    if not active:
        return
    job = active[int(choice * len(active))]
    status, said = mix.rig.try_queuectl("replay", "cancel", str(job), "--reason", "torture")
    # 64 and 66: it has ended meanwhile.
    if status not in (0, 64, 66, 69, 75):
        raise TestFailure(f"queuectl replay cancel {job} ended with {status}: {said}")
    mix.count("replay jobs cancelled")
