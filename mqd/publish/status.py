"""How the desk stands: what a replay of the journal leads to, for people and for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.engine.fills import in_age_order
from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.ground.units import TIME_OF_DAY
from mqd.model.decision import BarSetAside, Outcome
from mqd.model.event import BarClosed, Event, FeedDefectFound, SessionOpened
from mqd.model.order import Order
from mqd.publish.figures import FactValue, Shown, fact_text
from mqd.publish.recorded_values import RecordedValues
from mqd.publish.summary import OpenPosition, open_positions, ranked
from mqd.rules.book import Protection, RuleBook, Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.check.sets import WHILE_TRUE
from mqd.rules.expressions import ir

ARMED = "armed"
TRIPPED = "tripped"
BLOCKING = "blocking"


class ProtectionStatus(NamedTuple):
    """One protection: armed, blocking while it is true, or tripped until an instant.

    `to_go` is how far what it watches is from tripping it, where that is one number.
    """

    protection: str
    state: str
    until_ns: int | None
    watches: tuple[Shown, ...]
    to_go: str


class StrategyStatus(NamedTuple):
    """One strategy today."""

    strategy: str
    status: str
    enabled: bool
    entries_today: int
    pnl_today_usd: Decimal


@dataclass(frozen=True, slots=True)
class DeskStatus:
    """The desk at the end of its journal; times are nanoseconds, money exact."""

    journal: str
    rules_digest: str
    profile: str
    desk_state: str
    events: int
    session: str
    session_is_open: bool
    last_bar: BarClosed | None
    positions: tuple[OpenPosition, ...]
    working: tuple[Order, ...]
    protections: tuple[ProtectionStatus, ...]
    strategies: tuple[StrategyStatus, ...]
    realised_usd: Decimal
    pnl_usd: float
    defects: tuple[tuple[str, int], ...]
    aside: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """The status for a program: times in UTC, money and prices as exact text."""
        bar = self.last_bar
        return {
            "journal": self.journal,
            "rules_digest": self.rules_digest,
            "profile": self.profile,
            "desk_state": self.desk_state,
            "events": self.events,
            "session": {"date": self.session or None, "is_open": self.session_is_open},
            "last_bar": None if bar is None else {
                "at": iso_utc(bar.at_ns), "symbol": bar.symbol, "close": bar.close,
            },
            "positions": [
                {name: value if isinstance(value, str) else decimal_text(value)
                 for name, value in held._asdict().items()}
                for held in self.positions
            ],
            "working_orders": [_order_row(order) for order in self.working],
            "protections": [_protection_row(item) for item in self.protections],
            "strategies": [
                item._asdict() | {"pnl_today_usd": decimal_text(item.pnl_today_usd)}
                for item in self.strategies
            ],
            "today": {"realised_usd": decimal_text(self.realised_usd), "pnl_usd": self.pnl_usd},
            "data_defects": dict(self.defects),
            "set_aside": dict(self.aside),
        }  # fmt: skip


class StatusWatcher:
    """What a replay has to be watched for: the last bar, and the data defects of the session."""

    def __init__(self) -> None:
        self.events = 0
        self.last_bar: BarClosed | None = None
        self.defects: Counter[str] = Counter()
        self.aside: Counter[str] = Counter()

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of one event."""
        self.events += 1
        if isinstance(event, BarClosed):
            self.last_bar = event
        elif isinstance(event, FeedDefectFound):
            self.defects[event.code] += 1
        elif isinstance(event, SessionOpened):
            self.defects.clear()
            self.aside.clear()
        for note in outcome.notes:
            if isinstance(note, BarSetAside):
                self.aside.update(note.codes)

    def status(self, state: DeskState, book: RuleBook, journal: str) -> DeskStatus:
        """How the desk stands now, under the rules that it ran last."""
        return DeskStatus(
            journal=journal,
            rules_digest=state.rules_digest,
            profile=state.profile,
            desk_state=state.state_name,
            events=self.events,
            session=state.session.date,
            session_is_open=state.session.is_open,
            last_bar=self.last_bar,
            positions=open_positions(state),
            working=tuple(in_age_order(state)),
            protections=tuple(
                _protection(state, book, bit, item) for bit, item in enumerate(book.protections)
            ),
            strategies=tuple(_strategies(state, book)),
            realised_usd=state.desk.realised_today,
            pnl_usd=state.desk.pnl_usd,
            defects=ranked(self.defects),
            aside=ranked(self.aside),
        )


def _strategies(state: DeskState, book: RuleBook) -> list[StrategyStatus]:
    found = []
    for name, facts in sorted(state.strategies.items()):
        declared = next(
            (item.status for item in book.strategies if item.id == name), "not in rules"
        )
        enabled = facts.enabled and declared != "not in rules"
        found.append(StrategyStatus(name, declared, enabled, facts.entries_today, facts.pnl_today))
    return found


def _protection(
    state: DeskState, book: RuleBook, bit: int, protection: Protection
) -> ProtectionStatus:
    until_ns = state.tripped_until_ns.get(protection.id, 0)
    is_true = bool(state.active_protections >> bit & 1)
    name, shown_until = ARMED, None
    if protection.lasts == WHILE_TRUE:
        name = BLOCKING if is_true else ARMED
    elif until_ns > state.now_ns:
        name, shown_until = TRIPPED, until_ns
    facts: dict[str, FactValue] = {
        "desk.pnl": state.desk.pnl_usd, "clock.time": state.session.clock_s,
    }  # fmt: skip
    limits = {limit.name: limit for limit in book.limits}
    watches = RecordedValues(facts, {}, limits).of(protection.trips_when.when)
    numbers = {key: float(value) for key, value in facts.items() if value is not None}
    numbers |= {
        PREFIX + limit.name: float(limit.value)
        for limit in book.limits
        if not isinstance(limit.value, Window)
    }
    to_go = _to_go(protection.trips_when.when, numbers) if name == ARMED else ""
    return ProtectionStatus(protection.id, name, shown_until, watches, to_go)


def _to_go(tree: ir.Logical, values: dict[str, float]) -> str:
    """How far the two sides of a comparison are apart; empty where that says nothing."""
    if not isinstance(tree, ir.Compare) or tree.unit == TIME_OF_DAY:
        return ""
    left, right = _amount(tree.left, values), _amount(tree.right, values)
    if left is None or right is None:
        return ""
    return fact_text(round(abs(left - right), 6), tree.unit).removeprefix("+")


def _amount(tree: ir.Numeric, values: dict[str, float]) -> float | None:
    match tree:
        case ir.Number(text=text):
            return float(text)
        case ir.Name(name=name):
            return values.get(name)
        case ir.Negative(operand=operand):
            amount = _amount(operand, values)
            return None if amount is None else -amount
        case ir.Arithmetic(op=("+" | "-" | "*") as op):
            left, right = _amount(tree.left, values), _amount(tree.right, values)
            if left is None or right is None:
                return None
            return {"+": left + right, "-": left - right, "*": left * right}[op]
    return None


def _order_row(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "side": order.side,
        "role": order.role,
        "state": order.state,
        "qty": decimal_text(order.qty),
        "filled_qty": decimal_text(order.filled_qty),
        "reason": order.reason,
        "created": iso_utc(order.created_ns),
    }


def _protection_row(item: ProtectionStatus) -> dict[str, Any]:
    return {
        "protection": item.protection,
        "state": item.state,
        "until": None if item.until_ns is None else iso_utc(item.until_ns),
        "watches": [shown._asdict() for shown in item.watches],
        "to_go": item.to_go or None,
    }
