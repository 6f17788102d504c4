"""What happens at the desk, one line each: for the screen, and for a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from mqd.engine.state import DeskState
from mqd.feeds.calendar import exchange_datetime, exchange_time_text
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.decision import (
    ENTER,
    EXIT,
    EXIT_WAITS,
    NO_TRADE,
    AllocationChanged,
    BarSetAside,
    BreakerMoved,
    Decision,
    DeskStateChanged,
    DriftFound,
    EntryMadeSmaller,
    IncidentRaised,
    Note,
    OperatorHeard,
    Outcome,
    PromotionProposed,
    ProtectionReleased,
    ProtectionTripped,
    Reconciled,
    SignalsConflict,
    StrategyJudged,
    StrategyMoved,
    ThesisJudged,
    WatchActed,
)
from mqd.model.event import (
    BarClosed,
    Event,
    FeedDefectFound,
    OrderFilled,
    OrderRejected,
    SessionClosed,
    SessionOpened,
)
from mqd.model.order import OrderStateChangedEvent
from mqd.model.position import ZERO, Trade
from mqd.publish.figures import counts_text, price_text, signed_usd
from mqd.publish.summary import ranked, true_codes
from mqd.publish.trade_journal import made_by
from mqd.rules.book import RuleBook

# A comparison is asked for many times a day, and mostly finds nothing.
_ROUTINE = frozenset({"take_snapshot"})
_CLEAN = "clean"
_BY_BUTTON = "_ordered"  # the button itself is told, with what it did


class Tone(StrEnum):
    """How a line is meant; the screen gives each a colour."""

    plain = "plain"
    quiet = "quiet"
    good = "good"
    bad = "bad"
    warning = "warning"


class Happening(NamedTuple):
    """One thing that happened, in words."""

    at_ns: int
    text: str
    tone: Tone = Tone.plain


def both_times(at_ns: int) -> str:
    """An instant for people: `2024-11-25 10:31 ET (15:31Z)`."""
    return f"{exchange_time_text(at_ns)} ({iso_utc(at_ns)[11:].replace(':00Z', 'Z')})"


def clock_of(at_ns: int) -> str:
    """The wall clock at the exchange: 10:31."""
    return f"{exchange_datetime(at_ns):%H:%M}"


def both_clocks(at_ns: int) -> str:
    """The clocks alone, where the day is known: `10:31 (15:31Z)`."""
    return f"{clock_of(at_ns)} ({iso_utc(at_ns)[11:16]}Z)"


def entered_text(trade: Trade) -> str:
    """When a trade was entered, beside its end: the day too, where it is an earlier one."""
    days = {exchange_datetime(at_ns).date() for at_ns in (trade.entry_ns, trade.exit_ns)}
    return both_clocks(trade.entry_ns) if len(days) == 1 else both_times(trade.entry_ns)


class _SessionCounts:
    """What is told once a session, not bar by bar."""

    def __init__(self) -> None:
        self.bars = 0
        self.bars_aside = 0
        self.aside: Counter[str] = Counter()
        self.defects: Counter[str] = Counter()
        self.trades = 0
        self.pnl_usd = ZERO

    def text(self) -> str:
        """The counts in words."""
        parts = [f"{self.bars - self.bars_aside:,} bars counted"]
        if self.aside:
            parts.append(f"{self.bars_aside:,} set aside ({counts_text(ranked(self.aside))})")
        if self.defects:
            parts.append(f"feed: {counts_text(ranked(self.defects))}")
        parts.append(f"{self.trades} trade{'' if self.trades == 1 else 's'}")
        if self.trades:
            parts.append(f"P&L {signed_usd(self.pnl_usd)} USD")
        return "; ".join(parts)


class Teller:
    """Turns events and outcomes into happenings; what repeats bar after bar is told once.

    With `order_states` every step of an order's life is told too.
    """

    def __init__(self, book: RuleBook, *, order_states: bool) -> None:
        self._book = book
        self._order_states = order_states
        self._session = _SessionCounts()
        self._refused: dict[str, str] = {}

    def told(self, event: Event, outcome: Outcome, state: DeskState) -> Iterator[Happening]:
        """The lines that this event is worth; most bars are worth none."""
        kind = type(event)
        if kind is BarClosed:
            self._session.bars += 1
            yield from self._decided(outcome, state)
        elif isinstance(event, FeedDefectFound):
            self._session.defects[event.code] += 1
        elif isinstance(event, SessionOpened):
            text = f"session of {event.date} opened, until {clock_of(event.close_ns)} ET"
            yield Happening(event.at_ns, text, Tone.quiet)
        else:
            yield from self._broker_said(event, state)
        if self._order_states:
            for change in outcome.transitions:
                yield from _transition(change)
        for trade in outcome.trades:
            yield self._finished(trade)
        for note in outcome.notes:
            if not isinstance(note, EntryMadeSmaller) or _left(note, outcome):
                yield from self._noted(note)
        if isinstance(event, SessionClosed):
            yield Happening(
                event.at_ns, f"session of {event.date} closed: {self._session.text()}", Tone.quiet
            )
            self._session = _SessionCounts()

    def left_over(self, at_ns: int) -> Iterator[Happening]:
        """What came after the last session closed, or in one that has not."""
        if self._session.bars or self._session.defects:
            yield Happening(at_ns, f"after that: {self._session.text()}", Tone.quiet)

    def _decided(self, outcome: Outcome, state: DeskState) -> Iterator[Happening]:
        for decision in outcome.decisions:
            if decision.outcome == NO_TRADE:
                self._refused.pop(decision.strategy, None)
            elif decision.outcome == ENTER:
                yield Happening(decision.at_ns, _entry_text(decision, outcome, state))
            elif decision.outcome == EXIT:
                yield Happening(decision.at_ns, _exit_text(decision, outcome, state))
            else:
                yield from self._held_back(decision)

    def _held_back(self, decision: Decision) -> Iterator[Happening]:
        book = self._book
        codes = [
            *true_codes([item.trips_when for item in book.protections], decision.protections),
            *true_codes(book.blocks_entries.conditions, decision.data),
            *true_codes(book.entry_checks.conditions, decision.checks),
        ]
        word = "entry refused"
        if decision.outcome == EXIT_WAITS:
            word, codes = "exit waits", true_codes(book.exit_checks.conditions, decision.checks)
        text = f"{word}: {', '.join(codes) or 'see the incident'} ({decision.strategy})"
        if self._refused.get(decision.strategy) != text:
            self._refused[decision.strategy] = text
            yield Happening(decision.at_ns, text, Tone.warning)

    def _broker_said(self, event: Event, state: DeskState) -> Iterator[Happening]:
        if isinstance(event, OrderFilled):
            order = state.orders.get(event.client_order_id)
            side = order.side.upper() if order else "unknown order"
            symbol = order.symbol if order else event.client_order_id
            text = f"filled: {side} {decimal_text(event.qty)} {symbol} @ {price_text(event.price)}"
            yield Happening(event.at_ns, text)
        elif isinstance(event, OrderRejected):
            text = f"the broker rejected {event.client_order_id}: {event.code}, {event.reason}"
            yield Happening(event.at_ns, text, Tone.warning)

    def _finished(self, trade: Trade) -> Happening:
        self._session.trades += 1
        self._session.pnl_usd += trade.pnl_usd
        text = (
            f"trade finished: {trade.exit_reason}, {signed_usd(trade.pnl_usd)} USD, "
            f"{price_text(trade.entry_price)} -> {price_text(trade.exit_price)}"
        )
        return Happening(trade.exit_ns, text, Tone.good if trade.pnl_usd > 0 else Tone.bad)

    def _noted(self, note: Note) -> Iterator[Happening]:
        if isinstance(note, BarSetAside):
            self._session.bars_aside += 1
            self._session.aside.update(note.codes)
            return
        told = noted(note)
        if told is not None:
            yield Happening(note.at_ns, *told)


def _left(note: EntryMadeSmaller, outcome: Outcome) -> bool:
    """Whether the entry was sent; what was refused has its own line, and no size."""
    return any(
        (each.strategy, each.outcome) == (note.strategy, ENTER) for each in outcome.decisions
    )


def noted(note: Note) -> tuple[str, Tone] | None:
    """What the desk has to say beside its decisions, and how it is meant; None for the routine."""
    match note:
        case ProtectionTripped():
            until = exchange_time_text(note.until_ns) if note.until_ns else note.end
            return f"protection {note.name} tripped until {until}", Tone.warning
        case IncidentRaised():
            return f"incident {note.error}: {note.message}", Tone.bad
        case DeskStateChanged() if not note.event.endswith(_BY_BUTTON):
            moved = f"from {note.from_state} to {note.to_state} ({note.rule})"
            return f"the desk went {moved}", Tone.bad
        case (
            BreakerMoved()
            | ProtectionReleased()
            | EntryMadeSmaller()
            | SignalsConflict()
            | AllocationChanged()
            | StrategyMoved()
        ):
            return note.text, Tone.warning
        case PromotionProposed() | StrategyJudged() | ThesisJudged():
            return _judged(note)
        case OperatorHeard():
            button = f"{note.action} {note.strategy}".rstrip()
            return f"{button} by {note.by}: {note.reason}. {note.result}", Tone.warning
        case WatchActed() if note.act not in _ROUTINE:
            return f"{note.watch} watch: {note.code} on {note.subject}, {note.act}", Tone.warning
        case DriftFound():
            sides = f"{decimal_text(note.local)} here, {decimal_text(note.broker)} at the broker"
            return f"{note.kind}: {note.subject} is {sides}; {note.done}", Tone.bad
        case Reconciled() if note.verdict != _CLEAN:
            return f"compared with the broker: {note.verdict}", Tone.warning
    return None


def _judged(
    note: PromotionProposed | StrategyJudged | ThesisJudged,
) -> tuple[str, Tone] | None:
    """What of the judging is no routine: a proposal, a skip, what speaks against a thesis."""
    match note:
        case PromotionProposed():
            return f"{note.strategy} may have more to work with, by {note.row}", Tone.good
        case StrategyJudged() if note.skipped:
            return f"{note.strategy} was not judged: {note.skipped}", Tone.warning
        case ThesisJudged() if note.met:
            return f"thesis {note.thesis} is contradicted by {', '.join(note.met)}", Tone.warning
    return None


def _transition(change: OrderStateChangedEvent) -> Iterator[Happening]:
    """Only what changed; the order's own number is in the id's last words."""
    if change.from_state != change.to_state:
        role = change.client_order_id.rsplit("-", 2)[-2]
        before = change.from_state or "new"
        text = f"{role} order {before} -> {change.to_state}"
        yield Happening(change.at_ns, text, Tone.quiet)


def _entry_text(decision: Decision, outcome: Outcome, state: DeskState) -> str:
    order = _order_of(decision, outcome, state)
    return f"entry: {order} ({decision.strategy})"


def _exit_text(decision: Decision, outcome: Outcome, state: DeskState) -> str:
    return f"exit: {_order_of(decision, outcome, state)} ({decision.strategy})"


def _order_of(decision: Decision, outcome: Outcome, state: DeskState) -> str:
    """The order that a decision made, in words."""
    order = made_by(decision, outcome, state)
    if order is None:
        return decision.symbol
    stop = f", stop {price_text(order.stop_loss)}" if order.stop_loss else ""
    reason = f", {order.reason}" if decision.outcome == EXIT else ""
    waits = "; it waits for the stop at the broker to end" if order.never_left else ""
    return (
        f"{order.side.upper()} {decimal_text(order.qty)} {order.symbol} at "
        f"{price_text(order.reference_price)}{stop}{reason}{waits}"
    )
