"""Facts: what a rule may read. Each has a unit, a scope, a source and one sentence."""

from __future__ import annotations

from mqd.ground.units import SHARES
from mqd.rules.words.auditing import AUDITING
from mqd.rules.words.breaking import BREAKING
from mqd.rules.words.fact import (
    BREAKER_GUARD,
    CHECK,
    DATA,
    DESK_WATCH,
    DRIFT_OF_ACCOUNT,
    DRIFT_OF_POSITION,
    INVARIANT,
    LARGEST,
    ORDER_GUARD,
    ORDER_WATCH,
    POSITION_WATCH,
    PROFILE_MEANINGS,
    PROFILES,
    PROTECTION,
    STRATEGY,
    WATCHES,
    Fact,
)
from mqd.rules.words.trading import MARKET, TRADING
from mqd.rules.words.watching import WATCHING

FACTS: dict[str, Fact] = {
    fact.name: fact for fact in (*MARKET, *TRADING, *BREAKING, *WATCHING, *AUDITING)
}

ENTRY_QTY = Fact(
    "entry.qty", SHARES, "The shares the sizing rule buys at this price, rounded to its step.",
    frozenset({STRATEGY}), "",
)  # fmt: skip


def facts_in(scope: str) -> dict[str, Fact]:
    """The facts that a rule of this scope may read, by name."""
    found = {name: fact for name, fact in FACTS.items() if scope in fact.scopes}
    if scope == STRATEGY:
        found[ENTRY_QTY.name] = ENTRY_QTY
    return found


__all__ = [
    "BREAKER_GUARD",
    "CHECK",
    "DATA",
    "DESK_WATCH",
    "DRIFT_OF_ACCOUNT",
    "DRIFT_OF_POSITION",
    "ENTRY_QTY",
    "FACTS",
    "INVARIANT",
    "LARGEST",
    "ORDER_GUARD",
    "ORDER_WATCH",
    "POSITION_WATCH",
    "PROFILES",
    "PROFILE_MEANINGS",
    "PROTECTION",
    "STRATEGY",
    "WATCHES",
    "Fact",
    "facts_in",
]
