"""What the hostile row does to the fetcher, and what it gives it to fetch: each is drawn by its weight.

act(soak, dice) draws from the dice before it looks at anything else, so that the same seed makes the same decisions.
"""

import time
from datetime import UTC, datetime, timedelta

from faults import Faults

FAULT_SECONDS = (0.3, 4.0)
DOWN_SECONDS = (0.0, 1.5)
# Less than the overlap of searches, which is what a late event is found by.
LATE_EVENT_SECONDS = 5
LATE_RECORDING_SECONDS = (1, 20)
IDENTITY_SECONDS = (5, 60)
# A page key or cursor that is refused, a call that is cut off, a server in trouble, a limit.
CODES = ("Unavailable", "Internal", "Unknown", "DeadlineExceeded", "Aborted", "Cancelled", "ResourceExhausted",
         "InvalidArgument")

FAULTS = Faults()


# New events --------------------------------------------------------------------------------------

@FAULTS.of_weight(30)
def events_happen(soak, dice):
    soak.teleport(f"add {dice.randrange(1, 60)}")


@FAULTS.of_weight(5)
def events_are_stored_late(soak, dice):
    soak.teleport(f"late-event {dice.randrange(1, LATE_EVENT_SECONDS + 1)} {dice.randrange(1, 20)}")


@FAULTS.of_weight(3)
def a_chunk_comes_late(soak, dice):
    events = dice.randrange(1, 40)
    if soak.has_only_exported:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        soak.teleport(f"late-chunk {yesterday:%Y-%m-%d} {events}")


@FAULTS.of_weight(1)
def a_large_event_happens(soak, dice):
    soak.teleport(f"add-large {dice.randrange(1 << 19, 9 << 19)}")


@FAULTS.of_weight(6)
def a_session_ends(soak, dice):
    events, kind, late = dice.randrange(1, 150), dice.random(), dice.randint(*LATE_RECORDING_SECONDS)
    if kind < 0.6:
        soak.teleport(f"add-session {events}")
    elif kind < 0.85:
        soak.recording_comes_in(late)
        soak.teleport(f"add-session {events} {late}")
    else:
        soak.count("recordings that never come")
        soak.teleport(f"add-session {events} never")


# The fetcher -------------------------------------------------------------------------------------

@FAULTS.of_weight(4)
def the_fetcher_is_killed(soak, dice):
    soak.kill_fetcher(dice.uniform(*DOWN_SECONDS))


@FAULTS.of_weight(1)
def the_fetcher_is_restarted(soak, _):
    soak.restart_fetcher()


# The way to Teleport -------------------------------------------------------------------------------

@FAULTS.of_weight(5)
def connections_are_cut(soak, dice):
    """At once, and then each after so many bytes: in the handshake, in an answer, in the middle of events."""
    after, seconds = int(10 ** dice.uniform(0, 6.3)), dice.uniform(*FAULT_SECONDS)
    if soak.restart_front("--cut-after", after):
        soak.heal_later(seconds, soak.restart_front)


@FAULTS.of_weight(3)
def connections_are_closed_in_time(soak, dice):
    after, seconds = dice.uniform(0.2, 2), dice.uniform(*FAULT_SECONDS)
    if soak.restart_front("--close-after", f"{after:.2f}"):
        soak.heal_later(seconds, soak.restart_front)


@FAULTS.of_weight(3)
def nobody_answers(soak, dice):
    soak.close_front(dice.uniform(*DOWN_SECONDS))


@FAULTS.of_weight(4)
def the_identity_is_renewed(soak, dice):
    """Sometimes the file is seen half written, and sometimes the identity ends before the next one comes."""
    seconds, half = dice.uniform(*IDENTITY_SECONDS), dice.random() < 0.3
    soak.renew_identity(timedelta(seconds=seconds), half)


# Teleport --------------------------------------------------------------------------------------------

@FAULTS.of_weight(12)
def a_call_fails(soak, dice):
    code, target = dice.choice(CODES), dice.choice(("any", "chunks", "export", "search", "session"))
    soak.teleport(f"fail-after {dice.randrange(300)} {code} {target}")


@FAULTS.of_weight(4)
def calls_are_limited(soak, dice):
    calls, seconds = dice.randrange(1, 30), dice.uniform(*FAULT_SECONDS)
    soak.teleport(f"rate-limit {calls}")
    soak.heal_later(seconds, lambda: soak.teleport("rate-limit 0"))


@FAULTS.of_weight(4)
def teleport_leaves_and_comes_back(soak, dice):
    soak.teleport(f"goaway {dice.choice((0, 50, 500))}")


@FAULTS.of_weight(3)
def teleport_is_slow(soak, dice):
    wait_ms, seconds = dice.choice((1, 2, 20)), dice.uniform(*FAULT_SECONDS)
    soak.teleport(f"slow {wait_ms}")
    soak.heal_later(seconds, lambda: soak.teleport("slow 0"))


@FAULTS.of_weight(3)
def keys_are_forgotten(soak, _):
    soak.teleport("forget-keys")


@FAULTS.of_weight(5)
def events_come_twice(soak, dice):
    soak.teleport(f"duplicates {dice.choice(('on', 'off'))}")


@FAULTS.of_weight(5)
def pages_end_anywhere(soak, dice):
    soak.teleport(f"page-edges {dice.choice(('on', 'off'))}")


@FAULTS.of_weight(2)
def the_bulk_export_comes_or_goes(soak, dice):
    supported = dice.random() < 0.5
    soak.set_export(supported)


@FAULTS.of_weight(6)
def nothing_happens(_, dice):
    time.sleep(dice.uniform(0.1, 0.5))
