"""What the row of the hostile Fluentd does to the shipper, and what it gives it to ship: each is drawn by its weight.

act(soak, dice) draws from the dice before it looks at anything else, so that the same seed makes the same decisions.
"""

import time

from faults import Faults

FAULT_SECONDS = (0.3, 3.0)
REFUSAL_SECONDS = (0.3, 2.0)
DOWN_SECONDS = (0.0, 1.5)
# A few events are larger, and are refused if they come then.
SMALL_BODY_BYTES = (40_000, 200_000)
BUFFER_IS_FULL = "500 Internal Server Error buffer space has too many data"
DISK_IS_FULL = "500 Internal Server Error can't create buffer metadata: No space left on device"

FAULTS = Faults()


# New events --------------------------------------------------------------------------------------

@FAULTS.of_weight(40)
def events_happen(soak, dice):
    soak.teleport(f"add {dice.randrange(1, 120)}")


@FAULTS.of_weight(8)
def a_session_ends(soak, dice):
    soak.teleport(f"add-session {dice.randrange(1, 150)}")


# The shipper -------------------------------------------------------------------------------------

@FAULTS.of_weight(8)
def the_shipper_is_killed(soak, dice):
    soak.kill_shipper(dice.uniform(*DOWN_SECONDS))


@FAULTS.of_weight(3)
def the_shipper_is_stopped(soak, dice):
    soak.stop_shipper(dice.uniform(*DOWN_SECONDS))


# Answers -------------------------------------------------------------------------------------------

@FAULTS.of_weight(6)
def it_cannot_take_more_for_the_moment(soak, dice):
    status = dice.choice((f"500 {dice.randrange(1, 6)} {BUFFER_IS_FULL}", f"503 {dice.randrange(1, 6)}",
                          f"408 {dice.randrange(1, 6)}", f"429 {dice.randrange(1, 6)}"))
    soak.sink(f"status {status}")


@FAULTS.of_weight(2)
def its_buffer_is_full_for_a_while(soak, dice):
    seconds = dice.uniform(*FAULT_SECONDS)
    soak.sink(f"status 500 {BUFFER_IS_FULL}")
    soak.heal_later(seconds, lambda: soak.sink("status off"))


@FAULTS.of_weight(2)
def it_asks_to_wait(soak, dice):
    count, seconds = dice.randrange(1, 4), dice.uniform(*FAULT_SECONDS)
    soak.sink("retry-after 1")
    soak.sink(f"status 429 {count}")
    soak.heal_later(seconds, lambda: soak.sink("retry-after off"))


@FAULTS.of_weight(2)
def it_fails_as_if_by_an_event(soak, dice):
    """So often on one batch that others would overtake it, as they may then, it does not: the order is looked at."""
    count = dice.randrange(1, 4)
    if soak.has_accepted_since_it_failed():
        soak.sink(f"status 500 {count} {DISK_IS_FULL}")


@FAULTS.of_weight(2)
def all_is_refused_by_what_is_in_front(soak, dice):
    code, seconds = dice.choice((401, 403, 404)), dice.uniform(*REFUSAL_SECONDS)
    if not soak.has_accepted_since_it_failed():
        return
    soak.sink(f"status {code}")
    soak.heal_later(seconds, lambda: soak.sink("status off"))


@FAULTS.of_weight(2)
def it_accepts_in_other_words(soak, dice):
    soak.sink(f"status {dice.choice((201, 204))} {dice.randrange(1, 50)}")


@FAULTS.of_weight(3)
def it_takes_small_bodies_only(soak, dice):
    size, seconds = dice.randrange(*SMALL_BODY_BYTES), dice.uniform(*FAULT_SECONDS)
    soak.sink(f"max-body {size}")
    soak.heal_later(seconds, lambda: soak.sink(f"max-body {32 << 20}"))


@FAULTS.of_weight(3)
def its_answer_is_rubbish(soak, dice):
    soak.sink(f"corrupt {dice.choice(('garbage', 'cut', 'short'))} {dice.randrange(1, 4)}")


# Connections ---------------------------------------------------------------------------------------

@FAULTS.of_weight(4)
def connections_are_reset(soak, dice):
    soak.sink(f"reset-{dice.choice(('before', 'after'))} {dice.randrange(1, 5)}")


@FAULTS.of_weight(3)
def it_stalls(soak, dice):
    soak.sink(f"stall {dice.uniform(0.1, 1.0):.2f} {dice.randrange(1, 6)}")


@FAULTS.of_weight(2)
def it_hangs_beyond_the_time_of_a_request(soak, dice):
    seconds = soak.request_seconds + dice.uniform(0.2, 1.5)
    soak.hang_sink(seconds)


@FAULTS.of_weight(2)
def it_reads_slowly(soak, dice):
    size, seconds = int(10 ** dice.uniform(3, 5)), dice.uniform(*FAULT_SECONDS)
    soak.sink(f"slow {size}")
    soak.heal_later(seconds, lambda: soak.sink("slow 0"))


@FAULTS.of_weight(2)
def it_is_away(soak, dice):
    soak.close_sink(dice.uniform(*FAULT_SECONDS))


@FAULTS.of_weight(2)
def it_is_killed(soak, dice):
    soak.kill_sink(dice.uniform(*DOWN_SECONDS))


@FAULTS.of_weight(2)
def tls_is_refused(soak, dice):
    """Our certificate by the server, or the server's by us."""
    soak.refuse_tls(dice.choice(("client", "server")), dice.uniform(*FAULT_SECONDS))


@FAULTS.of_weight(6)
def nothing_happens(_, dice):
    time.sleep(dice.uniform(0.1, 0.5))
