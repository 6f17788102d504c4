"""The facts of protections: the week, the day before, and what stands in the way of their own."""

from __future__ import annotations

from mqd.ground.units import BOOL, USD
from mqd.rules.words.fact import CHECK, PROTECTION, PROTECTION_GUARD, Fact, finite

_PROTECTION = frozenset({PROTECTION})
_CHECK = frozenset({CHECK})
_GUARDED = frozenset({PROTECTION_GUARD})

PROTECTING = (
    Fact(
        "week.pnl", USD,
        "The desk's profit or loss since the week's first session opened: realised, unrealised at "
        "the last close, fees.",
        _PROTECTION, "desk.week_pnl_usd", finite("desk.week_pnl_usd"),
    ),
    Fact(
        "week.is_new", BOOL, "This session is the first of its week, Monday or not.",
        _PROTECTION, "desk.is_new_week",
    ),
    Fact(
        "desk.previous_pnl", USD,
        "The desk's profit or loss of the session before this one; unknown before there was one.",
        _PROTECTION, "desk.previous_pnl_usd", finite("desk.previous_pnl_usd"),
    ),
    Fact(
        "order.has_protection_error", BOOL,
        "A protection could not be asked: something went wrong inside the question.",
        _CHECK, "order.has_protection_error",
    ),
    Fact(
        "order.has_older_lock", BOOL,
        "A protection that these rules no longer have still blocks, by the rules that it tripped "
        "under.",
        _CHECK, "order.has_older_lock",
    ),
    Fact(
        "protection.goes_on", BOOL,
        "Its block has a length of its own, and that is not over.",
        _GUARDED, "subject.goes_on",
    ),
    Fact(
        "protection.waits_for_person", BOOL, "Its block ends by a person's word only.",
        _GUARDED, "subject.waits_for_person",
    ),
)  # fmt: skip
