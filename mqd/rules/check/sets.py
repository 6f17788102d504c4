"""Protections, pre-trade checks, data rules and theses: the smaller documents."""

from __future__ import annotations

from typing import NamedTuple

from mqd.rules.book import Protection, RuleSet, Thesis
from mqd.rules.check.conditions import fact_scope, read_conditions, read_one
from mqd.rules.check.document import Document
from mqd.rules.check.values import duration_s
from mqd.rules.expressions.scope import Scope
from mqd.rules.words.facts import CHECK, DATA, PROTECTION

REST_OF_SESSION = "rest_of_session"
WHILE_TRUE = "while_true"


class Surroundings(NamedTuple):
    """What documents of one rule book know of each other."""

    limits: Scope
    desk_states: tuple[str, ...]

    def scope(self, kind: str) -> Scope:
        """The facts of this kind of rule and the desk's limits; uses are noted in one place."""
        scope = fact_scope(kind, {"desk.state": self.desk_states})
        scope.names.update(self.limits.names)
        scope.limit_values = self.limits.limit_values
        scope.used = self.limits.used
        return scope


def read_protection(document: Document, around: Surroundings) -> Protection | None:
    """One protection, or None when it is wrong."""
    scope = around.scope(PROTECTION)
    condition = read_one(document, (), "trips_when", scope, "block", document.id)
    lasts = document.text("for")
    if condition is None or not lasts:
        return None
    return Protection(
        header=document.header(),
        scope=document.text("scope"),
        trips_when=condition,
        lasts=lasts if lasts in {REST_OF_SESSION, WHILE_TRUE} else duration_s(lasts) or 0,
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
        evidence=document.text("evidence"),
        invalidated_by=document.text("invalidated_by"),
    )
