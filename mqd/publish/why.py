"""Why the desk did what it did: a journaled decision, rule by rule, in words.

Nothing is evaluated anew. Whether a condition was true is what the record's masks say; the values
beside it are the facts that the record kept, the bar's own prices, and the params and limits of
the rules under which it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from mqd.publish.figures import FactValue, Shown
from mqd.publish.recorded_values import BAR_VALUES, RecordedValues, bar_facts, finite
from mqd.publish.records import Record
from mqd.rules.book import Condition
from mqd.rules.compile.book import CompiledBook
from mqd.rules.expressions import ir

TRUE = "true"
FALSE = "false"
UNKNOWN = "unknown"
_SETS_ASIDE = "Data rules that set a bar aside"


class Judged(NamedTuple):
    """One condition on one bar. `counts` tells whether it stood in the way or acted.

    `truth` is unknown where the condition reads an unknown value: then `on_unknown` decided.
    """

    code: str
    truth: str
    counts: bool
    when: str
    because: str
    on_unknown: str
    values: tuple[Shown, ...]


class Group(NamedTuple):
    """Conditions of one kind; `not_reached` says why they were not looked at, if they were not."""

    name: str
    title: str
    conditions: tuple[Judged, ...]
    not_reached: str = ""


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
            "groups": [_group_row(group) for group in self.groups],
            "orders": list(self.orders),
            "incidents": list(self.incidents),
            "rules_digest": self.rules_digest,
        }


def explain_decision(
    seq: int, bar: BarClosed, decision: Decision, records: Iterable[Record], book: CompiledBook
) -> Explanation:
    """A decision record in words; `records` are what its event led to, `book` its rules."""
    compiled = book.strategy(decision.strategy)
    rules = compiled.rules
    orders = [item for item in records if isinstance(item, SubmitOrder)]
    mine = [item for item in orders if f"-{decision.strategy}-" in item.client_order_id]
    facts = bar_facts(bar) | dict(zip(compiled.fact_names, decision.facts, strict=True))
    values = RecordedValues(
        facts=facts,
        params={param.name: param for param in rules.params},
        limits={limit.name: limit for limit in book.rules.limits},
        sizing=ir.names(rules.entry.qty.value),
        entry_qty=mine[0].qty if mine and decision.outcome == ENTER else None,
    )
    groups = _groups(decision, book, values)
    by_name = {group.name: [item.code for item in group.conditions if item.counts]
               for group in groups}  # fmt: skip
    blocked = _blocked_by(decision, by_name)
    return Explanation(
        seq=seq,
        bar=bar,
        strategy=decision.strategy,
        outcome=decision.outcome,
        headline=_headline(decision, by_name, blocked, is_held=facts.get("position.is_open")),
        blocked_by=tuple(blocked),
        groups=groups,
        orders=tuple(_order_text(item) for item in mine),
        incidents=tuple(item.message for item in records if isinstance(item, IncidentRaised)),
        rules_digest=decision.rules_digest,
    )


def explain_set_aside(
    seq: int, bar: BarClosed, aside: BarSetAside, book: CompiledBook
) -> Explanation:
    """A bar that fed nothing, in words."""
    limits = {limit.name: limit for limit in book.rules.limits}
    values = RecordedValues(bar_facts(bar), {}, limits)
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
        groups=(Group("sets_aside", _SETS_ASIDE, _judged(conditions, mask, values)),),
        orders=(),
        incidents=(),
        rules_digest=book.digest,
    )


def _groups(decision: Decision, book: CompiledBook, values: RecordedValues) -> tuple[Group, ...]:
    """Every kind of condition; last those that would have set the bar aside before all others."""
    rules = book.strategy(decision.strategy).rules
    whole = book.rules
    is_held = bool(values.facts.get("position.is_open"))
    is_exit = decision.outcome in {EXIT, EXIT_WAITS}
    checks = whole.exit_checks if is_exit else whole.entry_checks
    trips = [item.trips_when for item in whole.protections]
    no_exit = "" if is_held else "no position was open, so no exit was looked at"
    no_check = "" if is_exit or decision.outcome in {ENTER, REFUSED} else "nothing was to be sent"
    return (
        Group("exits", "Exits", _judged(rules.exits, decision.exits, values), no_exit),
        Group("no_trade", "NO-TRADE conditions: any true one keeps the strategy from entering",
              _judged(rules.no_trade, decision.no_trade, values)),
        Group("blocks_entries", "Data rules that block entries",
              _judged(whole.blocks_entries.conditions, decision.data, values)),
        Group("protections", "Protections: true while one blocks entries",
              _judged(trips, decision.protections, values)),
        Group("checks", f"Checks before an {'exit' if is_exit else 'entry'} leaves",
              _judged(checks.conditions, decision.checks, values), no_check),
        Group("sets_aside", _SETS_ASIDE, _judged(whole.sets_aside.conditions, 0, values)),
    )  # fmt: skip


def _judged(
    conditions: Iterable[Condition], mask: int, values: RecordedValues
) -> tuple[Judged, ...]:
    found = []
    for bit, rule in enumerate(conditions):
        is_set = bool(mask >> bit & 1)
        truth = UNKNOWN if values.reads_unknown(rule.when) else TRUE if is_set else FALSE
        found.append(
            Judged(
                rule.code, truth, is_set, rule.text, rule.because, rule.on_unknown,
                values.of(rule.when),
            )
        )  # fmt: skip
    return tuple(found)


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
    is_held: FactValue,
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


def _group_row(group: Group) -> dict[str, Any]:
    is_reached = not group.not_reached
    return {
        "name": group.name,
        "reached": is_reached,
        "conditions": [
            judged._asdict()
            | {
                "truth": judged.truth if is_reached else None,
                "values": [shown._asdict() for shown in judged.values],
            }
            for judged in group.conditions
        ],
    }
