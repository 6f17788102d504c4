"""Protections, pre-trade checks, data rules and theses: the smaller documents."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.rules.book import Criterion, Protection, RuleSet, Thesis
from mqd.rules.check.conditions import fact_scope, read_conditions, read_one
from mqd.rules.check.document import Document
from mqd.rules.check.values import duration_s, number
from mqd.rules.expressions.scope import FACT, UNDECIDED, Scope
from mqd.rules.problems import WARNING
from mqd.rules.words.facts import CHECK, DATA, PROTECTION

CODES = {
    "PROTECTION_LASTS_NOTHING": "A protection blocks for no time at all.",
    "PROTECTION_ALLOWS_UNKNOWN": "A protection lets entries pass on what nobody knows.",
}

REST_OF_SESSION = "rest_of_session"
WHILE_TRUE = "while_true"


class Surroundings(NamedTuple):
    """What documents of one rule book know of each other."""

    limits: Scope
    desk_states: tuple[str, ...]
    order_states: tuple[str, ...]
    breaker_states: tuple[str, ...]

    def scope(self, kind: str) -> Scope:
        """The facts of this kind of rule and the desk's limits; uses are noted in one place."""
        states = {
            "desk.state": self.desk_states,
            "order.state": self.order_states,
            "broker.breaker": self.breaker_states,
        }
        scope = fact_scope(kind, states)
        for name, members in states.items():
            if not members and name in scope.names:
                # The machine could not be read, which is told where it happened.
                scope.add(name, FACT, UNDECIDED, ("undecided",))
        scope.names.update(self.limits.names)
        scope.limit_values = self.limits.limit_values
        scope.used = self.limits.used
        scope.undecided_owner = self.limits.undecided_owner
        return scope


def read_protection(document: Document, around: Surroundings) -> Protection | None:
    """One protection, or None when it is wrong."""
    scope = around.scope(PROTECTION)
    condition = read_one(document, (), "trips_when", scope, "block", document.id)
    lasts = document.text("for")
    lasts_s = duration_s(lasts)
    if lasts_s == 0:
        document.note(
            document.place_of("for"), (), "PROTECTION_LASTS_NOTHING",
            f"A block for {lasts} blocks nothing.", "write while_true, or how long it lasts",
        )  # fmt: skip
    if document.text("on_unknown") == "allow":
        # Listed, not refused: the live profile is where it needs a waiver.
        document.notes.problems.add(
            document.place_of("on_unknown"), document.id, "PROTECTION_ALLOWS_UNKNOWN",
            "This protection lets entries pass while it cannot be told whether it trips.",
            "leave `on_unknown` out to block then", WARNING,
        )  # fmt: skip
    if condition is None or not lasts:
        return None
    return Protection(
        header=document.header(),
        scope=document.text("scope"),
        trips_when=condition,
        lasts=lasts if lasts_s is None else lasts_s,
    )


def read_set(
    document: Document, name: str, kind: str, on_unknown: str, around: Surroundings
) -> RuleSet:
    """The list of conditions under `name`."""
    conditions = read_conditions(document, (name,), around.scope(kind), on_unknown)
    return RuleSet(document.header(), name, conditions)


def read_checks(document: Document, around: Surroundings) -> tuple[RuleSet, RuleSet]:
    """The checks of entries (an unknown answer refuses) and of exits (it does not)."""
    return (
        read_set(document, "entries", CHECK, "block", around),
        read_set(document, "exits", CHECK, "skip", around),
    )


def read_data(document: Document, around: Surroundings) -> tuple[RuleSet, RuleSet]:
    """What sets a bar aside, and what lets it count but blocks entries on it."""
    return (
        read_set(document, "sets_aside", DATA, "skip", around),
        read_set(document, "blocks_entries", DATA, "block", around),
    )


def read_thesis(document: Document) -> Thesis:
    """One thesis."""
    return Thesis(
        header=document.header(),
        claim=document.text("claim"),
        status=document.text("status"),
        invalidated_when=_criterion(document),
    )


def _criterion(document: Document) -> Criterion:
    """The numbers of `invalidated_when`; where the shape stage refused one, something that fits."""
    rate = number(document.text("invalidated_when", "win_rate_below"))
    trades = number(document.text("invalidated_when", "over_trades"))
    return Criterion(
        win_rate_below=rate or Decimal(0),
        over_trades=int(trades or 0),
        place=document.key_place("invalidated_when"),
    )
