"""Facts: what a rule may read. Each has a unit, a scope, a source and one sentence."""

from __future__ import annotations

from mqd.ground.units import SHARES
from mqd.rules.words.attributing import ATTRIBUTING
from mqd.rules.words.auditing import AUDITING
from mqd.rules.words.breaking import BREAKING
from mqd.rules.words.fact import (
    ALLOCATION,
    BREAKER_GUARD,
    CHECK,
    DATA,
    DESK_WATCH,
    DRIFT_OF_ACCOUNT,
    DRIFT_OF_POSITION,
    ENDED_ENTRY,
    EVIDENCE,
    FINISHED_TRADE,
    INVARIANT,
    LARGEST,
    ORDER_GUARD,
    ORDER_WATCH,
    POSITION_WATCH,
    PROFILE_MEANINGS,
    PROFILES,
    PROTECTION,
    PROTECTION_GUARD,
    REGIME,
    STRATEGY,
    STRATEGY_WATCH,
    WATCHES,
    Fact,
)
from mqd.rules.words.judging import JUDGING
from mqd.rules.words.protecting import PROTECTING
from mqd.rules.words.sharing import SHARING
from mqd.rules.words.trading import MARKET, TRADING
from mqd.rules.words.watching import WATCHING

FACTS: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        *MARKET,
        *TRADING,
        *SHARING,
        *PROTECTING,
        *BREAKING,
        *WATCHING,
        *JUDGING,
        *AUDITING,
        *ATTRIBUTING,
    )
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
    "ALLOCATION",
    "BREAKER_GUARD",
    "CHECK",
    "DATA",
    "DESK_WATCH",
    "DRIFT_OF_ACCOUNT",
    "DRIFT_OF_POSITION",
    "ENDED_ENTRY",
    "ENTRY_QTY",
    "EVIDENCE",
    "FACTS",
    "FINISHED_TRADE",
    "INVARIANT",
    "LARGEST",
    "ORDER_GUARD",
    "ORDER_WATCH",
    "POSITION_WATCH",
    "PROFILES",
    "PROFILE_MEANINGS",
    "PROTECTION",
    "PROTECTION_GUARD",
    "REGIME",
    "STRATEGY",
    "STRATEGY_WATCH",
    "WATCHES",
    "Fact",
    "facts_in",
]
