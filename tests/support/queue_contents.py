"""Holds what is in a queue, as queuectl shows it, against what Teleport's stand-in has served: the same events, each once.

    failures = queue_contents.differences(rig)      # an empty list is good

An event of the audit lane is known by its id, one of a recording by its session and its place in that; both sides' values
are compared as oracle.py does. Nothing may have been trimmed from the queue.
"""

import subprocess
from collections import Counter

import oracle
from processes import TestFailure

COUNT_MAX = 1_000_000  # that queuectl peek shows


def served_events(path, skip_session_types=()):
    """{lane: {id: digest}} of the stand-in's record."""
    served = {lane: {} for lane in oracle.LANES}
    with open(path, "rb") as file:
        for line in file:
            record = oracle.parse(line)
            lane, body = record["lane"], record["body"]
            name = record["id"]
            if lane == "session":
                if body["event"] in skip_session_types:
                    continue
                name = f"{record['sid']}:{record['ordinal'] + 1:.0f}"
            served[lane][name] = oracle.digest_of(body)
    return served


def queued_events(rig, lane):
    """(Counter of ids, {id: digest}) of everything in the lane."""
    count, digests = Counter(), {}
    command = [rig.bin / "queuectl", "peek", "--lane", lane, "--from", "1", "--count", str(COUNT_MAX), "--output",
               "json", "--config", rig.config_path]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as peek:
        for line in peek.stdout:
            record = oracle.parse(line)
            count[record["id"]] += 1
            digests[record["id"]] = oracle.digest_of(record.get("event", record.get("raw")))
        said = peek.stderr.read().decode()
    if peek.returncode != 0 or sum(count.values()) == COUNT_MAX:
        raise TestFailure(f"queuectl peek of lane {lane} ended with {peek.returncode} after "
                          f"{sum(count.values())} events: {said}")
    return count, digests


def differences(rig, skip_session_types=()):
    """A sentence for each kind of difference, with the first few events."""
    found = []
    for lane, served in served_events(rig.served, skip_session_types).items():
        count, queued = queued_events(rig, lane)
        kinds = {"missing": [one for one in served if one not in count],
                 "more than once": [one for one, times in count.items() if times > 1],
                 "never served": [one for one in count if one not in served],
                 "altered": [one for one, digest in queued.items() if served.get(one, digest) != digest]}
        found += [f"{lane}: {len(events)} {kind}: {', '.join(events[:5])}" for kind, events in kinds.items() if events]
    return found
