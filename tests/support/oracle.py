#!/usr/bin/env python3
"""Holds what a sink received against what Teleport's stand-in served.

Reads teleport-sim's record and the sink's records: fluentd_sim.py's file, or the files of a real
Fluentd's out_file (TIME<tab>TAG<tab>JSON). Per lane it finds

  lost        served and not delivered
  invented    delivered and never served, or of a type that the configuration filters out
  altered     delivered under its id with another value (numbers are compared as doubles)
  duplicates  deliveries beyond the first
  disordered  first deliveries of one chunk, search or recording that are not in served order
  set aside   not delivered, and of those for which the sink had a reason to refuse them
  replayed    deliveries with the mark of a replay job, which are no duplicates; `repeats` counts those
              of a job beyond its first of a number

An event is known by its "uid", and by its whole value when it has none: so an alteration of an
event without uid counts as one lost and one invented, and of several events without uid that have
the same value as many must arrive as were served. Exit status 0: all is well, 1: it is not.
"""

import argparse
import glob
import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass, field

LANES = ("audit", "session")
SESSION_TAG = re.compile(r"(?:^|\.)session\.(?P<sid>.+)\.log$")
STAMP = "_sluice"  # what the shipper may add to an event; {"replay": job, "lane": …, "seq": …} in a replay


@dataclass(frozen=True)
class Place:
    """Where a line of a file is, to show it again."""

    path: str
    offset: int


@dataclass
class Served:
    event_id: str
    digest: bytes
    source: str
    ordinal: int
    place: Place
    count: int = 1  # more than one only for events without uid that have the same value


@dataclass
class Delivered:
    digest: bytes
    order: int
    place: Place
    count: int = 1
    wrong: Place = None  # a delivery that differs from what was served


@dataclass
class LaneResult:
    served: int = 0
    filtered: int = 0
    delivered: int = 0  # distinct
    deliveries: int = 0
    duplicates: int = 0
    lost: list = field(default_factory=list)
    invented: list = field(default_factory=list)
    altered: list = field(default_factory=list)
    disordered: list = field(default_factory=list)
    set_aside: list = field(default_factory=list)
    replayed: int = 0
    repeats: int = 0

    def to_dict(self):
        numbers = {name: getattr(self, name) for name in
                   ("served", "filtered", "delivered", "deliveries", "duplicates", "replayed", "repeats")}
        return {**numbers, **{name: len(getattr(self, name)) for name in
                              ("lost", "invented", "altered", "disordered", "set_aside")}}


class Report:
    """The results of both lanes, and of lines that could not be read."""

    def __init__(self, lanes, broken_lines, strict, duplicates_max, replays):
        self.lanes = lanes
        self.replays = replays  # {job: {(lane, seq): how often}}
        self.broken_lines = broken_lines
        self._strict_lanes = frozenset(LANES if strict is True else strict or ())
        self._duplicates_max = duplicates_max

    @property
    def duplicates(self):
        return sum(lane.duplicates for lane in self.lanes.values())

    @property
    def ok(self):
        return not self.failures()

    def failures(self):
        """One sentence for each kind of failure, with the first few events."""
        found = []
        for name, lane in self.lanes.items():
            kinds = ["lost", "invented", "altered"]
            if name in self._strict_lanes:
                kinds.append("disordered")
            for kind in kinds:
                events = getattr(lane, kind)
                if events:
                    shown = "".join(f"\n    {event}" for event in events[:5])
                    found.append(f"{name}: {len(events)} {kind}, the first:{shown}")
        if self._duplicates_max is not None and self.duplicates > self._duplicates_max:
            found.append(f"{self.duplicates} duplicates, at most {self._duplicates_max} allowed")
        return found

    def to_dict(self):
        return {"ok": self.ok, "broken_lines": self.broken_lines,
                "lanes": {name: lane.to_dict() for name, lane in self.lanes.items()}}

    def __str__(self):
        lines = [f"{name}: " + ", ".join(f"{key} {value}" for key, value in lane.to_dict().items())
                 for name, lane in self.lanes.items()]
        if self.broken_lines:
            lines.append(f"{self.broken_lines} broken lines in the sink's files")
        return "\n".join(lines + (self.failures() or ["ok"]))


class DuplicateKey(ValueError):
    """A JSON object has a key twice."""


def _number(text):
    # Adding zero makes -0.0 and 0.0 the same.
    return float(text) + 0.0


def _object(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        raise DuplicateKey
    return value


def parse(text):
    """A JSON value with every number as a double, which is what Teleport has sent."""
    return json.loads(text, parse_int=_number, parse_float=_number, object_pairs_hook=_object)


def digest_of(value):
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def comparable(event, ignore):
    return {key: value for key, value in event.items() if key != STAMP and key not in ignore}


def identify(lane, sid, event, digest):
    """The key under which an event is looked for."""
    uid = event.get("uid")
    name = uid if isinstance(uid, str) and uid else digest
    return (sid, name) if lane == "session" else name


def read_served(path, skip_types, ignore, lanes):
    """{lane: {key: Served}}; events of skipped types are counted and left out."""
    served = {lane: {} for lane in LANES}
    with open(path, "rb") as file:
        offset = 0
        for line in file:
            place = Place(str(path), offset)
            offset += len(line)
            if not line.endswith(b"\n"):
                break  # cut short by a kill: its event was not put on the wire
            record = parse(line)
            lane, body = record["lane"], record["body"]
            if body.get("event") in skip_types.get(lane, ()):
                lanes[lane].filtered += 1
                continue
            body = comparable(body, ignore)
            digest = digest_of(body)
            key = identify(lane, record.get("sid"), body, digest)
            known = served[lane].get(key)
            if known is None:
                served[lane][key] = Served(record["id"], digest, record["source"],
                                           int(record["ordinal"]), place)
            elif not body.get("uid"):
                known.count += 1
    return served


def read_sink_line(line):
    """(tag, event) of one line of fluentd-sim's or a real Fluentd's file."""
    if not line.startswith(b"{"):
        _, tag, text = line.rstrip(b"\n").split(b"\t", 2)
        return tag.decode(), parse(text)
    record = parse(line)
    return record["tag"], record["event"]


def read_sink(paths, served, ignore, lanes):
    """({lane: {key: Delivered}}, broken lines). Files are taken in the order given."""
    delivered = {lane: {} for lane in LANES}
    replays = {}
    broken = 0
    order = 0
    for path in paths:
        with open(path, "rb") as file:
            offset = 0
            for line in file:
                place = Place(str(path), offset)
                offset += len(line)
                order += 1
                try:
                    tag, event = read_sink_line(line)
                except ValueError:
                    broken += 1
                    continue
                session = SESSION_TAG.search(tag)
                lane = "session" if session else "audit"
                sid = session and session["sid"]
                if is_replay(event):
                    _count_replay(lane, sid, event, ignore, place, served, replays, lanes[lane])
                    continue
                _count_delivery(lane, sid, comparable(event, ignore), order, place, served,
                                delivered)
                lanes[lane].deliveries += 1
    return delivered, broken, replays


def is_replay(event):
    stamp = event.get(STAMP)
    return isinstance(stamp, dict) and "replay" in stamp


def _count_replay(lane, sid, event, ignore, place, served, replays, result):
    stamp = event[STAMP]
    body = comparable(event, ignore)
    digest = digest_of(body)
    original = served[lane].get(identify(lane, sid, body, digest))
    where = f"job {stamp['replay']:.0f}, number {stamp['seq']:.0f}, at byte {place.offset}"
    if original is None or stamp.get("lane") != lane:
        result.invented.append(f"{body.get('uid')} of {where}")
    elif original.digest != digest:
        result.altered.append(f"{original.event_id} of {where}")
    numbers = replays.setdefault(int(stamp["replay"]), {})
    number = (lane, int(stamp["seq"]))
    result.replayed += 1
    result.repeats += number in numbers
    numbers[number] = numbers.get(number, 0) + 1


def _count_delivery(lane, sid, event, order, place, served, delivered):
    digest = digest_of(event)
    key = identify(lane, sid, event, digest)
    known = delivered[lane].get(key)
    if known is None:
        known = delivered[lane][key] = Delivered(digest, order, place)
    else:
        known.count += 1
    original = served[lane].get(key)
    if original is not None and original.digest != digest and known.wrong is None:
        known.wrong = place


def load_line(place):
    with open(place.path, "rb") as file:
        file.seek(place.offset)
        return file.readline()


def describe_difference(served, delivered_place, ignore):
    """Which top-level keys differ, and how."""
    before = comparable(parse(load_line(served.place))["body"], ignore)
    after = comparable(read_sink_line(load_line(delivered_place))[1], ignore)
    differing = [key for key in sorted({*before, *after})
                 if (key in before) != (key in after)
                 or digest_of(before[key]) != digest_of(after[key])]
    shown = [f"{key}: {json.dumps(before.get(key))[:80]} became {json.dumps(after.get(key))[:80]}"
             for key in differing[:3]]
    return f"{served.event_id}: " + "; ".join(shown)


def judge_lane(lane, served, delivered, ignore, may_be_set_aside):
    """Fills in the lists of `lane`, a LaneResult."""
    expected = {key: one.count for key, one in served.items()}
    lane.served = sum(expected.values())
    lane.delivered = sum(min(one.count, expected.get(key, 1)) for key, one in delivered.items())
    lane.duplicates = sum(max(0, one.count - expected.get(key, 1))
                          for key, one in delivered.items())
    for key, one in served.items():
        if key not in delivered or delivered[key].count < one.count:
            refused = may_be_set_aside and may_be_set_aside(load_line(one.place))
            (lane.set_aside if refused else lane.lost).append(
                f"{one.event_id} of {one.source} number {one.ordinal}")
    lane.invented += [f"{key if isinstance(key, str) else load_line(one.place)[:200]} at "
                     f"{os.path.basename(one.place.path)} byte {one.place.offset}"
                     for key, one in delivered.items() if key not in served]
    for key, one in delivered.items():
        if one.wrong is not None:
            # Only the first few are shown, so only for those the files are read again.
            lane.altered.append(describe_difference(served[key], one.wrong, ignore)
                                if len(lane.altered) < 5 else served[key].event_id)
    lane.disordered = find_disorder(served, delivered)


def find_disorder(served, delivered):
    """Events that were first delivered after one which was served behind them."""
    sources = {}
    for key, one in served.items():
        if key in delivered:
            sources.setdefault(one.source, []).append((one.ordinal, delivered[key].order, one))
    disordered = []
    for source, events in sources.items():
        events.sort(key=lambda event: event[0])
        latest, latest_ordinal = -1, None
        for ordinal, order, one in events:
            if order < latest:
                disordered.append(f"{one.event_id}: number {ordinal} of {source} came before "
                                  f"number {latest_ordinal}")
            else:
                latest, latest_ordinal = order, ordinal
    return disordered


def judge(served_path, sink_paths, strict=False, skip_audit_types=(), skip_session_types=(),
          ignore=(), duplicates_max=None, may_be_set_aside=None):
    """Compares and returns a Report.

    strict: order counts, in both lanes or in those named. skip_*_types: what the configuration filters out. ignore: top-level keys
    that are not compared, such as "time" when Fluentd takes it out of the event. duplicates_max:
    how many are allowed; None: any number. may_be_set_aside(line of the served record): whether the sink had a reason
    to refuse that event.
    """
    lanes = {lane: LaneResult() for lane in LANES}
    skip_types = {"audit": frozenset(skip_audit_types), "session": frozenset(skip_session_types)}
    served = read_served(served_path, skip_types, frozenset(ignore), lanes)
    delivered, broken, replays = read_sink(sink_paths, served, frozenset(ignore), lanes)
    for name, lane in lanes.items():
        judge_lane(lane, served[name], delivered[name], frozenset(ignore), may_be_set_aside)
    return Report(lanes, broken, strict, duplicates_max, replays)


def sink_files(patterns):
    """Existing files that match, oldest first."""
    paths = {path for pattern in patterns for path in glob.glob(str(pattern))}
    return sorted(paths, key=lambda path: (os.stat(path).st_mtime_ns, path))


def split_types(text):
    return [word for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--served", required=True, help="teleport-sim's record")
    parser.add_argument("--sink", required=True, action="append", help="file or pattern")
    parser.add_argument("--strict", action="store_true", help="order counts")
    parser.add_argument("--skip-audit-types", type=split_types, default=[], metavar="TYPE,...")
    parser.add_argument("--skip-session-types", type=split_types, default=[], metavar="TYPE,...")
    parser.add_argument("--ignore", type=split_types, default=[], metavar="KEY,...")
    parser.add_argument("--duplicates-max", type=int)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = judge(arguments.served, sink_files(arguments.sink), arguments.strict,
                   arguments.skip_audit_types, arguments.skip_session_types, arguments.ignore,
                   arguments.duplicates_max)
    print(json.dumps(report.to_dict()) if arguments.json else report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
