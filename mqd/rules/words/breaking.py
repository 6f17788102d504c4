"""The facts of the breaker between the desk and its broker, and of what waits for the broker."""

from __future__ import annotations

from mqd.ground.units import DURATION, ORDERS, REQUESTS, TEXT
from mqd.rules.words.fact import BREAKER_GUARD, CHECK, DESK_WATCH, ORDER_WATCH, Fact

_GUARDED = frozenset({BREAKER_GUARD})

BREAKING = (
    Fact(
        "broker.breaker", TEXT, "The state of the breaker between the desk and its broker.",
        frozenset({CHECK, ORDER_WATCH, DESK_WATCH}), "desk.breaker_code", is_integer=True,
    ),
    Fact(
        "broker.latency", DURATION,
        "How long the request took that came back last; of several requests of one command, the "
        "slowest.",
        _GUARDED, "subject.latency_s",
    ),
    Fact(
        "broker.errors", REQUESTS,
        "How many requests of its kind in a row failed, that one counted: the broker did not take "
        "them, or nothing is proved of what came of them. A no is an answer.",
        _GUARDED, "subject.errors", is_integer=True,
    ),
    Fact(
        "broker.since_moved", DURATION, "Since the breaker came into the state that it is in.",
        _GUARDED, "subject.since_moved_s",
    ),
    Fact(
        "desk.queued_orders", ORDERS,
        "Orders handed over that have not ended and that the broker has not confirmed.",
        frozenset({CHECK}), "desk.queued_orders", is_integer=True,
    ),
)  # fmt: skip
