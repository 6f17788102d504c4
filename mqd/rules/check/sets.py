"""Protections, pre-trade checks, data rules and theses: the smaller documents."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.ground.canonical import decimal_text
from mqd.rules.book import (
    Condition,
    Criterion,
    HistoryMeasure,
    Protection,
    RuleSet,
    Series,
    Thesis,
)
from mqd.rules.check.conditions import fact_scope, read_conditions, read_one
from mqd.rules.check.document import Document
from mqd.rules.check.measured import CODES as MEASURE_CODES
from mqd.rules.check.measured import Members, read_measures
from mqd.rules.check.values import duration_s, number
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, UNDECIDED, Scope
from mqd.rules.problems import WARNING
from mqd.rules.words.blocking import (
    DESK,
    SYMBOL,
    UNTIL,
)
from mqd.rules.words.facts import CHECK, DATA, EVIDENCE, FACTS, PROTECTION
from mqd.rules.words.streams import BARS_STREAM, EQUITY_STREAM, SESSIONS_STREAM

CODES = {
    "PROTECTION_LASTS_NOTHING": "A protection blocks for no time at all, or does not say how long.",
    "PROTECTION_ALLOWS_UNKNOWN": "A protection lets entries pass on what nobody knows.",
    "PROTECTION_DOES_NOTHING": "A protection neither blocks entries nor makes them smaller.",
    "MEASURE_STREAM": "A protection of this scope cannot read the stream that it measures.",
    **MEASURE_CODES,
}

WIN_RATE_BELOW = "WIN_RATE_BELOW"


class Surroundings(NamedTuple):
    """What documents of one rule book know of each other.

    `members` are the values of the enumerated words of a finished trade or an entry.
    """

    limits: Scope
    desk_states: tuple[str, ...]
    order_states: tuple[str, ...]
    breaker_states: tuple[str, ...]
    members: Members | None = None

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


_WHOSE = {BARS_STREAM: SYMBOL, SESSIONS_STREAM: SYMBOL, EQUITY_STREAM: DESK}
"""What a stream is of, where it is not of whatever the protection is about."""


def read_protection(document: Document, around: Surroundings) -> Protection | None:
    """One protection, or None when it is wrong."""
    scope = around.scope(PROTECTION)
    measures = read_measures(document, scope, around.members or {})
    condition = read_one(document, (), "trips_when", scope, "block", document.id)
    until = read_one(document, (), "until", scope, "skip", document.id)
    if condition is not None:
        _check_measures_used(document, (condition, until))
    _check_scope(document, measures)
    lasts = _lasts(document)
    _check_unknown(document)
    sizes = number(document.text("sizes"))
    _check_what_it_does(document, sizes)
    if condition is None or lasts is None:
        return None
    return Protection(
        header=document.header(),
        scope=document.text("scope"),
        trips_when=condition,
        lasts=lasts,
        measures=measures,
        sizes=sizes,
        until=until,
    )


def _lasts(document: Document) -> str | int | None:
    lasts, has_until = document.text("for"), document.scalar("until") is not None
    lasts_s = duration_s(lasts)
    if lasts_s == 0:
        document.note(
            document.place_of("for"), (), "PROTECTION_LASTS_NOTHING",
            f"A block for {lasts} blocks nothing.", "write while_true, or how long it lasts",
        )  # fmt: skip
    elif has_until == bool(lasts):
        document.note(
            document.place_of("for") if lasts else document.place, (), "PROTECTION_LASTS_NOTHING",
            "How long it lasts is said twice, or not at all.",
            "write `for:` with a length, or `until:` with what a session's opening is asked",
        )  # fmt: skip
        return None
    if has_until:
        return UNTIL
    return lasts if lasts_s is None else lasts_s


def _check_unknown(document: Document) -> None:
    if document.text("on_unknown") == "allow":
        # Listed, not refused: the live profile is where it needs a waiver.
        document.notes.problems.add(
            document.place_of("on_unknown"), document.id, "PROTECTION_ALLOWS_UNKNOWN",
            "This protection lets entries pass while it cannot be told whether it trips.",
            "leave `on_unknown` out to block then", WARNING,
        )  # fmt: skip


def _check_what_it_does(document: Document, sizes: Decimal | None) -> None:
    blocks = document.scalar("blocks") is not None
    if blocks == (document.scalar("sizes") is not None):
        document.note(
            document.place, (), "PROTECTION_DOES_NOTHING",
            "A protection keeps entries out or makes them smaller: one of the two.",
            "write `blocks: entries`, or `sizes:` with the part of its size that an entry keeps",
        )  # fmt: skip
    elif sizes is not None and not 0 < sizes < 1:
        document.note(
            document.place_of("sizes"), (), "PROTECTION_DOES_NOTHING",
            f"An entry of {document.text('sizes')} of its size is none, or not smaller.",
            "write a share between 0 and 1, such as 0.5",
        )  # fmt: skip


def _check_measures_used(document: Document, read: tuple[Condition | None, ...]) -> None:
    used = {name.name for rule in read if rule is not None for name in ir.names(rule.when)}
    for key, _ in document.pairs("measures"):
        if key.text not in used:
            document.note(
                key.place, ("measures", key.text), "NAME_UNUSED",
                f"Nothing reads `{key.text}`.", "read it in `trips_when`, or remove it",
            )  # fmt: skip


def _check_scope(document: Document, measures: tuple[HistoryMeasure, ...]) -> None:
    """Bars and sessions are those of one symbol; what the account is worth is the desk's."""
    scope = document.text("scope")
    for measure in measures:
        wanted = _WHOSE.get(measure.stream, scope)
        if scope != wanted:
            document.note(
                document.place_of("scope"), ("measures", measure.name), "MEASURE_STREAM",
                f"`{measure.name}` reads {measure.stream}, which are not a {scope}'s.",
                f"write `scope: {wanted}`",
            )  # fmt: skip


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


def read_series(document: Document) -> Series:
    """One daily series."""
    return Series(
        header=document.header(),
        unit=document.text("unit"),
        counts=int(number(document.text("counts")) or 1),
        stale_after=int(number(document.text("stale_after")) or 1),
    )


def read_thesis(document: Document, around: Surroundings) -> Thesis:
    """One thesis."""
    return Thesis(
        header=document.header(),
        claim=document.text("claim"),
        status=document.text("status"),
        invalidated_when=_criterion(document, around),
    )


def _criterion(document: Document, around: Surroundings) -> Criterion:
    """What ends it; where the shape stage refused a number, something that fits."""
    path = ("invalidated_when",)
    trades = number(document.text(*path, "over_trades"))
    rules = read_conditions(document, (*path, "rules"), around.scope(EVIDENCE), "skip")
    rate = number(document.text(*path, "win_rate_below"))
    if rate is not None:  # the form of before there were rules for it
        rules = (*rules, _win_rate_below(document, rate))
    return Criterion(int(trades or 0), rules, document.key_place(*path))


def _win_rate_below(document: Document, rate: Decimal) -> Condition:
    """The rule that a thesis of the older form means."""
    fact = FACTS["evidence.win_rate"]
    text = decimal_text(rate)
    name = ir.Name(fact.name, FACT, fact.unit)
    when = ir.Compare("<", name, ir.Number(text, fact.unit), fact.unit)
    place = document.key_place("invalidated_when", "win_rate_below")
    return Condition(
        WIN_RATE_BELOW, when, ir.to_text(when), document.text("because"), "skip", place
    )
