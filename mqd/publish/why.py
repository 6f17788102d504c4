"""Why the desk did what it did: a journaled decision, rule by rule, in words.

Whether a condition was true is what the record's masks say; the values beside it are the facts that
the record kept, the bar's own prices, and the params and limits of the rules under which it was
made. Distances and flips are computed from these by the compiled rules themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mqd.engine.protections import WHOLE
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.command import SubmitOrder
from mqd.model.decision import (
    ENTER,
    EXIT,
    EXIT_WAITS,
    BarSetAside,
    Decision,
    EntryMadeSmaller,
    IncidentRaised,
    ProtectionTripped,
)
from mqd.model.event import BarClosed
from mqd.model.order import OrderStateChangedEvent
from mqd.publish.closed import ENABLED, Closed
from mqd.publish.flips import Flips, flips_of
from mqd.publish.groups import SETS_ASIDE, groups_of
from mqd.publish.judged import FALSE, TRUE, UNKNOWN, Group, Judge, Judged, flips_row, group_row
from mqd.publish.recorded_values import (
    BAR_VALUES,
    RecordedValues,
    bar_facts,
    finite,
    told_by_answers,
)
from mqd.publish.records import Record
from mqd.publish.situation import Situation
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.question import declared
from mqd.rules.english import English

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


@dataclass(frozen=True, slots=True)
class Explanation:
    """One bar and one strategy (empty for a bar that was set aside), explained.

    `closed` says why the strategy could open nothing, where that was asked for, and `closed_text`
    the same in words.
    """

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
    closed: Closed | None = None
    closed_text: str = ""

    def in_question(self) -> tuple[Judged, ...]:
        """The conditions whose turning could have flipped the decision."""
        return tuple(item for group in self.groups for item in group.conditions if item.changes)

    @property
    def is_closed(self) -> bool:
        """Whether a condition stood in the way because the strategy was not enabled."""
        return any(stands_for_closed(item) for group in self.groups for item in group.conditions)

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
            "closed": None if self.closed is None else self.closed.to_json(),
            "flips": flips_row(self.flips) if self.flips else None,
            "orders": list(self.orders),
            "order_ids": list(self.order_ids),
            "incidents": list(self.incidents),
            "rules_digest": self.rules_digest,
        }


def explain_decision(
    seq: int,
    bar: BarClosed,
    decision: Decision,
    records: Iterable[Record],
    book: CompiledBook,
    *,
    with_flips: bool = True,
) -> Explanation:
    """A decision record in words; `records` are what its event led to, `book` its rules.

    Without flips it does not look for what would have made it another: that takes longest.
    """
    kept = tuple(records)
    tripped = {item.protection for item in kept if isinstance(item, ProtectionTripped)}
    smaller = [item for item in kept if isinstance(item, EntryMadeSmaller)
               and item.strategy == decision.strategy]  # fmt: skip
    left = min((item.kept for item in smaller), default=WHOLE)
    situation = Situation.of(decision, bar, book, frozenset(tripped), left)
    orders = [item for item in kept if isinstance(item, SubmitOrder)]
    mine = [item for item in orders if f"-{decision.strategy}-" in item.client_order_id]
    sizing = frozenset(name for item in smaller for name in item.protections)
    groups = groups_of(situation, mine, sizing, with_flips=with_flips)
    by_name = {group.name: [item.code for item in group.conditions if item.counts]
               for group in groups}  # fmt: skip
    blocked = _blocked_by(decision, by_name)
    return Explanation(
        seq=seq,
        bar=bar,
        strategy=decision.strategy,
        outcome=decision.outcome,
        headline=_headline(decision, by_name, blocked, smaller, is_held=situation.is_held),
        blocked_by=tuple(blocked),
        groups=groups,
        orders=(*map(_order_text, mine), *_waiting(decision, kept, mine)),
        incidents=tuple(item.message for item in kept if isinstance(item, IncidentRaised)),
        rules_digest=decision.rules_digest,
        is_held=situation.is_held,
        order_ids=tuple(item.client_order_id for item in mine),
        flips=flips_of(situation) if with_flips else None,
    )


def explain_set_aside(
    seq: int, bar: BarClosed, aside: BarSetAside, book: CompiledBook
) -> Explanation:
    """A bar that fed nothing, in words."""
    limits = {limit.name: limit for limit in book.rules.limits}
    rules = book.rules.sets_aside.conditions
    facts = bar_facts(bar) | told_by_answers(rules, aside.codes)
    numbers = facts | {PREFIX + name: declared(limit) for name, limit in limits.items()}
    judge = Judge(RecordedValues(facts, {}, limits), English((), book.rules.limits), numbers)
    mask = sum(1 << bit for bit, rule in enumerate(rules) if rule.code in aside.codes)
    because = " ".join(rule.because for rule in rules if rule.code in aside.codes)
    return Explanation(
        seq=seq,
        bar=bar,
        strategy="",
        outcome="SET_ASIDE",
        headline=f"set aside: {', '.join(aside.codes)}, because: {because}",
        blocked_by=aside.codes,
        groups=(Group("sets_aside", SETS_ASIDE, judge.judged(rules, mask)),),
        orders=(),
        incidents=(),
        rules_digest=book.digest,
    )


def stands_for_closed(judged: Judged) -> bool:
    """Whether a condition was true because its strategy was not enabled."""
    return judged.counts and any(
        shown.name == ENABLED and shown.value is False for shown in judged.values
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
    smaller: list[EntryMadeSmaller],
    *,
    is_held: bool,
) -> str:
    listed = ", ".join(blocked)
    exits = by_name["exits"]
    match decision.outcome:
        case "ENTER":
            return f"entered{_part_text(smaller)}: nothing stood against it"
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


def _part_text(smaller: list[EntryMadeSmaller]) -> str:
    """How much of its size protections left an entry, where that is not all of it."""
    if not smaller:
        return ""
    least = min(smaller, key=lambda item: item.kept)
    return f" with {decimal_text(least.kept * 100)} % of its size ({', '.join(least.protections)})"


def _waiting(
    decision: Decision, kept: Iterable[Record], sent: Iterable[SubmitOrder]
) -> tuple[str, ...]:
    """An exit that was made and not sent yet, in words."""
    ids = {order.client_order_id for order in sent}
    made = (
        item.client_order_id
        for item in kept
        if isinstance(item, OrderStateChangedEvent) and not item.from_state
    )
    return tuple(
        f"an exit that waits for the stop at the broker to end ({order_id})"
        for order_id in made
        if decision.outcome == EXIT
        and order_id not in ids
        and f"-{decision.strategy}-{decision.symbol}-" in order_id
    )


def _order_text(order: SubmitOrder) -> str:
    stop = f" at {decimal_text(order.stop_price)}" if order.stop_price is not None else ""
    return (
        f"{order.side.upper()} {decimal_text(order.qty)} {order.symbol} {order.type}{stop} "
        f"({order.client_order_id})"
    )
