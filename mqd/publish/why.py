"""Why the desk did what it did: a journaled decision, rule by rule, in words.

Whether a condition was true is what the record's masks say; the values beside it are the facts that
the record kept, the bar's own prices, and the params and limits of the rules under which it was
made. Distances and flips are computed from these by the compiled rules themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.command import SubmitOrder
from mqd.model.decision import (
    ENTER,
    EXIT,
    EXIT_WAITS,
    REFUSED,
    BarSetAside,
    Decision,
    IncidentRaised,
)
from mqd.model.event import BarClosed
from mqd.publish.figures import FactValue
from mqd.publish.flips import Flips, flips_of, in_question
from mqd.publish.judged import FALSE, TRUE, UNKNOWN, Group, Judge, Judged, flips_row, group_row
from mqd.publish.recorded_values import BAR_VALUES, RecordedValues, bar_facts, finite
from mqd.publish.records import Record
from mqd.publish.situation import Situation
from mqd.rules.book import Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.question import declared
from mqd.rules.english import English
from mqd.rules.expressions import ir
from mqd.rules.words.facts import ENTRY_QTY

__all__ = [
    "FALSE",
    "TRUE",
    "UNKNOWN",
    "Explanation",
    "Group",
    "Judged",
    "explain_decision",
    "explain_set_aside",
]

_ORDER_FACTS = ("order.qty", "order.price", "order.stop_loss")
_SETS_ASIDE = "Data rules that set a bar aside"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One bar and one strategy (empty for a bar that was set aside), explained."""

    seq: int
    bar: BarClosed
    strategy: str
    outcome: str
    headline: str
    blocked_by: tuple[str, ...]
    groups: tuple[Group, ...]
    orders: tuple[str, ...]
    incidents: tuple[str, ...]
    rules_digest: str
    is_held: bool = False
    order_ids: tuple[str, ...] = ()
    flips: Flips | None = None

    def in_question(self) -> tuple[Judged, ...]:
        """The conditions whose turning could have flipped the decision."""
        return tuple(item for group in self.groups for item in group.conditions if item.changes)

    def to_json(self) -> dict[str, Any]:
        """The explanation for a program; times in UTC."""
        bar = self.bar
        return {
            "seq": self.seq,
            "at": iso_utc(bar.at_ns),
            "symbol": bar.symbol,
            "strategy": self.strategy or None,
            "outcome": self.outcome,
            "headline": self.headline,
            "blocked_by": list(self.blocked_by),
            "bar": {
                "start": iso_utc(bar.start_ns),
                **{name: finite(getattr(bar, name)) for name in BAR_VALUES},
            },
            "groups": [group_row(group) for group in self.groups],
            "flips": flips_row(self.flips) if self.flips else None,
            "orders": list(self.orders),
            "order_ids": list(self.order_ids),
            "incidents": list(self.incidents),
            "rules_digest": self.rules_digest,
        }


def explain_decision(
    seq: int, bar: BarClosed, decision: Decision, records: Iterable[Record], book: CompiledBook
) -> Explanation:
    """A decision record in words; `records` are what its event led to, `book` its rules."""
    orders = [item for item in records if isinstance(item, SubmitOrder)]
    mine = [item for item in orders if f"-{decision.strategy}-" in item.client_order_id]
    situation = Situation.of(decision, bar, book)
    groups = _Groups(decision, book, situation, mine).all()
    by_name = {group.name: [item.code for item in group.conditions if item.counts]
               for group in groups}  # fmt: skip
    blocked = _blocked_by(decision, by_name)
    return Explanation(
        seq=seq,
        bar=bar,
        strategy=decision.strategy,
        outcome=decision.outcome,
        headline=_headline(decision, by_name, blocked, is_held=situation.is_held),
        blocked_by=tuple(blocked),
        groups=groups,
        orders=tuple(_order_text(item) for item in mine),
        incidents=tuple(item.message for item in records if isinstance(item, IncidentRaised)),
        rules_digest=decision.rules_digest,
        is_held=situation.is_held,
        order_ids=tuple(item.client_order_id for item in mine),
        flips=flips_of(situation),
    )


def explain_set_aside(
    seq: int, bar: BarClosed, aside: BarSetAside, book: CompiledBook
) -> Explanation:
    """A bar that fed nothing, in words."""
    limits = {limit.name: limit for limit in book.rules.limits}
    facts = bar_facts(bar)
    numbers = facts | {PREFIX + name: declared(limit) for name, limit in limits.items()}
    judge = Judge(RecordedValues(facts, {}, limits), English((), book.rules.limits), numbers)
    conditions = book.rules.sets_aside.conditions
    mask = sum(1 << bit for bit, rule in enumerate(conditions) if rule.code in aside.codes)
    because = " ".join(rule.because for rule in conditions if rule.code in aside.codes)
    return Explanation(
        seq=seq,
        bar=bar,
        strategy="",
        outcome="SET_ASIDE",
        headline=f"set aside: {', '.join(aside.codes)}, because: {because}",
        blocked_by=aside.codes,
        groups=(Group("sets_aside", _SETS_ASIDE, judge.judged(conditions, mask)),),
        orders=(),
        incidents=(),
        rules_digest=book.digest,
    )


class _Groups:
    """Every kind of condition of one decision, in the order in which a reader asks for them."""

    def __init__(
        self,
        decision: Decision,
        book: CompiledBook,
        situation: Situation,
        orders: list[SubmitOrder],
    ) -> None:
        self.decision = decision
        self.book = book
        self.rules = book.strategy(decision.strategy).rules
        self.is_held = situation.is_held
        values = self._values(situation, orders)
        numbers = situation.values if situation.is_sound else situation.given
        wanted = frozenset(
            rule.code for rule in (in_question(situation) if situation.is_sound else ())
        )
        limits = book.rules.limits
        own = English(self.rules.params, limits)
        self.own = Judge(values, own, numbers, situation, wanted)
        self.desk = Judge(values, English((), limits), numbers, situation, wanted)

    def all(self) -> tuple[Group, ...]:
        """The groups; last what would have set the bar aside before all others."""
        decision, whole = self.decision, self.book.rules
        is_exit = decision.outcome in {EXIT, EXIT_WAITS}
        checks = whole.exit_checks if is_exit else whole.entry_checks
        trips = [item.trips_when for item in whole.protections]
        no_exit = "" if self.is_held else "no position was open"
        no_check = ""
        if not is_exit and decision.outcome not in {ENTER, REFUSED}:
            no_check = "nothing was to be sent"
        own, desk = self.own, self.desk
        exits = own.judged(self.rules.exits, decision.exits, stands_against=False)
        return (
            Group("exits", "Exits", exits, no_exit),
            Group("no_trade", "NO-TRADE conditions (any true one keeps it from entering)",
                  own.judged(self.rules.no_trade, decision.no_trade)),
            Group("blocks_entries", "Data rules that block entries",
                  desk.judged(whole.blocks_entries.conditions, decision.data)),
            Group("protections", "Protections (true while one blocks entries)",
                  desk.judged(trips, decision.protections)),
            Group("checks", f"Checks before an {'exit' if is_exit else 'entry'} leaves",
                  desk.judged(checks.conditions, decision.checks), no_check),
            Group("sets_aside", _SETS_ASIDE, desk.judged(whole.sets_aside.conditions, 0)),
        )  # fmt: skip

    def _values(self, situation: Situation, orders: list[SubmitOrder]) -> RecordedValues:
        """Where values come from; the size and the order of an entry follow from the record."""
        compiled = situation.compiled
        names = (*compiled.fact_names, *(f"bar.{name}" for name in BAR_VALUES))
        facts: dict[str, FactValue] = {}
        for name in names:
            value = situation.given[name]
            assert not isinstance(value, Window)
            facts[name] = value
        qty: Decimal | None = None
        decision = self.decision
        if decision.outcome == ENTER and orders:
            qty = orders[0].qty
        elif situation.is_sound and situation.values.get(ENTRY_QTY.name) is not None:
            qty = situation.answers[2] * self.rules.entry.qty.step
        if situation.is_sound and decision.outcome in {ENTER, REFUSED}:
            facts |= {name: value for name in _ORDER_FACTS
                      if not isinstance(value := situation.values.get(name), Window)}  # fmt: skip
        return RecordedValues(
            facts=facts,
            params={param.name: param for param in self.rules.params},
            limits={limit.name: limit for limit in self.book.rules.limits},
            sizing=ir.names(self.rules.entry.qty.value),
            entry_qty=qty,
        )


def _blocked_by(decision: Decision, by_name: Mapping[str, list[str]]) -> list[str]:
    """What kept an entry, or an exit that was due, from leaving."""
    if decision.outcome == EXIT_WAITS:
        return by_name["checks"]
    if decision.outcome in {ENTER, EXIT}:
        return []
    names = ("no_trade", "blocks_entries", "protections", "checks")
    return [code for name in names for code in by_name[name]]


def _headline(
    decision: Decision,
    by_name: Mapping[str, list[str]],
    blocked: list[str],
    *,
    is_held: bool,
) -> str:
    listed = ", ".join(blocked)
    exits = by_name["exits"]
    match decision.outcome:
        case "ENTER":
            return "entered: nothing stood against it"
        case "EXIT":
            others = f" (also true: {', '.join(exits[1:])})" if exits[1:] else ""
            return f"exited: {exits[0] if exits else 'for no kept reason'}{others}"
        case "EXIT_WAITS":
            return f"exit waits: {', '.join(exits)} is true, held back by {listed or 'an incident'}"
        case "REFUSED":
            return f"the entry was wanted and refused by {listed or 'an incident'}"
    if is_held:
        return "held the position: no exit was true"
    return f"no trade: {listed}"


def _order_text(order: SubmitOrder) -> str:
    return (
        f"{order.side.upper()} {decimal_text(order.qty)} {order.symbol} {order.type} "
        f"({order.client_order_id})"
    )
