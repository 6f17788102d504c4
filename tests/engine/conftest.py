"""A desk on a bench: the shipped rules, events by hand, every outcome kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.command import SubmitOrder, TakeSnapshot
from mqd.model.decision import Decision, IncidentRaised, Outcome
from mqd.model.event import (
    BarClosed,
    DeskStarted,
    Event,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    SeriesValueTold,
    SessionClosed,
    SessionOpened,
    SnapshotTaken,
)
from mqd.model.order import Order
from mqd.model.snapshot import AccountReport, HeldPosition, OrderReport, SymbolProperties
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
OF_THE_MOMENT = ("daily_loss_limit", "time_window")
FIVE = {"max_trades_per_day": "5"}
STRATEGY = "vwap_micro_mean_reversion"
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
MONDAY = date(2024, 10, 7)
DAY_NS = 1_440 * NS_PER_MINUTE
MINUTES = 390
TEN = 30  # minutes after the open; the bar with this number ends at 10:01


class Bench:
    """An engine and its state. Minutes count from the session's open, days from the first one.

    When the desk asks what the broker has it is told, at once, what it has itself: `answer` may
    be another answer, or None. The question is not among the commands that a test sees.
    """

    strategy = STRATEGY
    ten = TEN

    def __init__(self, book: RuleBook, profile: str = "backtest") -> None:
        self.engine = Engine.of(compile_book(book))
        self.state = DeskState()
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.day = 0
        self.answer: Callable[[TakeSnapshot], Event | None] = self.agreeing
        self.watcher: Callable[[Event, Outcome], object] = lambda *_: None
        self.take(DeskStarted(OPEN_NS, book.digest, profile, "test"))

    @property
    def open_ns(self) -> int:
        return OPEN_NS + self.day * DAY_NS

    def take(self, event: Event) -> Outcome:
        self.events.append(event)
        outcome = step(self.engine, self.state, event)
        asked = [each for each in outcome.commands if isinstance(each, TakeSnapshot)]
        others = [each for each in outcome.commands if not isinstance(each, TakeSnapshot)]
        outcome = outcome._replace(commands=tuple(others))
        self.outcomes.append(outcome)
        self.watcher(event, outcome)
        for command in asked:
            told = self.answer(command)
            if told is not None:
                self.take(told)
        return outcome

    def agreeing(self, command: TakeSnapshot) -> SnapshotTaken:
        """What the broker says when it has what the desk has, and news of nothing."""
        positions = self.state.ledger.positions
        symbols = sorted({each.symbol for each in positions.open_positions()})
        working = [self.state.orders[each] for each in sorted(self.state.working)]
        return SnapshotTaken(
            self.state.now_ns, command.at_ns, None,
            tuple(HeldPosition(each, positions.held(each), Decimal(100)) for each in symbols),
            tuple(
                OrderReport(
                    each.client_order_id, each.broker_order_id or "", each.symbol, each.side,
                    each.qty, each.filled_qty, None, "done_for_day",
                )
                for each in working
            ),
            (),
            AccountReport(Decimal(10_000), Decimal(10_000), False),
            tuple(
                SymbolProperties(name, OPEN_NS, True, True, Decimal("1e-9"), Decimal("0.01"))
                for name in ("QQQ", "SPY")
            ),
        )  # fmt: skip

    def restart(self, book: RuleBook, profile: str = "backtest") -> Outcome:
        """Another process with these rules takes the desk over."""
        self.engine = Engine.of(compile_book(book))
        return self.take(DeskStarted(self.state.now_ns, book.digest, profile, "test"))

    def open(self, day: int = 0, minutes: int = MINUTES) -> Outcome:
        self.day = day
        close_ns = self.open_ns + minutes * NS_PER_MINUTE
        session_date = (MONDAY + timedelta(days=day)).isoformat()
        return self.take(SessionOpened(self.open_ns, session_date, self.open_ns, close_ns, 34_200))

    def close(self) -> Outcome:
        session = self.state.session
        return self.take(SessionClosed(session.close_ns, session.date))

    def end_of(self, minute: int) -> int:
        return self.open_ns + (minute + 1) * NS_PER_MINUTE

    def made(self, minute: int, close: float, symbol: str = "SPY", **values: float) -> BarClosed:
        prices = {"open": close, "high": close, "low": close, "volume": 100.0} | values
        start_ns = self.end_of(minute) - NS_PER_MINUTE
        return BarClosed(
            self.end_of(minute), symbol, start_ns, prices["open"], prices["high"], prices["low"],
            close, prices["volume"],
        )  # fmt: skip

    def bar(self, minute: int, close: float, symbol: str = "SPY", **values: float) -> Outcome:
        return self.take(self.made(minute, close, symbol, **values))

    def warm(self, close: float = 100.0, symbol: str = "SPY") -> None:
        """An open session and flat bars up to 10:00, so that a dip at 10:01 may be bought."""
        if not self.state.session.is_open:
            self.open(self.day)
        for minute in range(TEN):
            self.bar(minute, close, symbol)

    def calm(self, vix: str = "15") -> None:
        """The five values of the VIX that real money wants to know, each of them this one."""
        for day in range(1, 6):
            now_ns = self.state.now_ns
            self.take(
                SeriesValueTold(now_ns, "vix", f"2024-09-{day:02}", Decimal(vix), "2024-12-31")
            )

    def entry(self) -> str:
        """The id of an entry order just sent at 10:01 for 5.025 shares at 99.50."""
        self.warm()
        return self.sent(self.bar(TEN, 99.5))

    def sent(self, outcome: Outcome) -> str:
        (command,) = [each for each in outcome.commands if isinstance(each, SubmitOrder)]
        return command.client_order_id

    def ack(self, order_id: str) -> Outcome:
        return self.take(OrderAcknowledged(self.state.now_ns, order_id, f"b-{order_id}"))

    def fill(
        self,
        order_id: str,
        qty: str | Decimal | None = None,
        price: str = "99.5",
        *,
        execution: str | None = None,
        broker: str | None = None,
        fee: str = "0",
    ) -> Outcome:
        """A fill of the rest, or of `qty`, under the next execution id or a given one."""
        number = len(self.state.ledger.executions) + 1
        order = self.state.orders.get(order_id)
        shares = Decimal(qty) if qty is not None else order.remaining_qty if order else Decimal(1)
        return self.take(
            OrderFilled(
                self.state.now_ns, order_id, f"b-{order_id}" if broker is None else broker,
                execution or f"x{number}", Decimal(price), shares, Decimal(fee),
            )
        )  # fmt: skip

    def cancelled(self, order_id: str) -> Outcome:
        return self.take(OrderCancelled(self.state.now_ns, order_id))

    def holding(self, price: str = "99.5") -> str:
        """A filled entry of 5.025 shares; the id of its order."""
        order_id = self.entry()
        self.ack(order_id)
        self.fill(order_id, price=price)
        return order_id

    def order(self, order_id: str) -> Order:
        return self.state.orders[order_id]

    def held(self, symbol: str = "SPY") -> Decimal:
        return self.state.ledger.positions.held(symbol)

    def decision(self) -> Decision:
        """The one that was made last."""
        (decision,) = next(each.decisions for each in reversed(self.outcomes) if each.decisions)
        return decision

    def incidents(self) -> list[str]:
        """The errors raised so far, by name."""
        notes = [note for outcome in self.outcomes for note in outcome.notes]
        return [note.error for note in notes if isinstance(note, IncidentRaised)]

    def check_codes(self) -> tuple[str, ...]:
        """The checks that the last decision names."""
        decision = self.decision()
        is_exit = decision.outcome.startswith("EXIT")
        checks = self.engine.book.exit_checks if is_exit else self.engine.book.entry_checks
        return checks.true_codes(decision.checks)


@pytest.fixture(scope="session")
def shipped() -> RuleBook:
    """The shipped rules with the protections that remember nothing; the others have their tests."""
    return load_rules(ROOT / "rules", Changes(protections=OF_THE_MOMENT))


@pytest.fixture(scope="session")
def unprotected() -> RuleBook:
    return load_rules(ROOT / "rules", Changes(protections=()))


@pytest.fixture(scope="session")
def often() -> Callable[[], Bench]:
    """Makes benches whose strategy may trade five times a day."""
    book = load_rules(ROOT / "rules", Changes(values=FIVE, protections=OF_THE_MOMENT))
    return lambda: Bench(book)


@pytest.fixture
def bench(shipped) -> Bench:
    return Bench(shipped)


@pytest.fixture(scope="session")
def make_bench() -> type[Bench]:
    return Bench
