"""The acceptance list of execution, case by case: a desk, its loop, and a broker with a script.

A scene drives the same `Loop` and `Desk` that `mqd run` drives, with a journal in memory. The
broker keeps honest books and outlives every process; the script says how it answers, command by
command, and what it tells unasked. What is still on its way when a process ends is lost with it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.brokers.books import CANCELED, EXPIRED, ZERO, Books
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import (
    Decision,
    DeskStateChanged,
    IncidentRaised,
    Outcome,
    Reconciled,
    WatchActed,
)
from mqd.model.event import (
    BarClosed,
    BrokerEvent,
    CancelRefused,
    ClockTicked,
    DeskStarted,
    Event,
    OperatorActed,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    SessionClosed,
    SessionOpened,
    SnapshotFailed,
)
from mqd.model.order import Order
from mqd.model.position import Trade
from mqd.model.snapshot import AccountReport, SymbolProperties
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.replay import replay
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
OF_THE_MOMENT = ("daily_loss_limit", "time_window")
FIVE = {"max_trades_per_day": "5"}
STRATEGY = "vwap_micro_mean_reversion"
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
DAY_NS = 1_440 * NS_PER_MINUTE
MINUTES = 390
TEN = 30  # minutes after the open
CASH_USD = Decimal(1_000)

Answer = str | Callable[["ScriptedBroker", Any], None]


def whole_and_parts(symbol: str) -> SymbolProperties:
    """A symbol that is traded in parts of a share."""
    step, cent = Decimal("0.000000001"), Decimal("0.01")
    return SymbolProperties(symbol, OPEN_NS, True, True, step, cent)


class ProcessDied(Exception):
    """The desk's process ends here; its journal and its broker remain."""


class ScriptedBroker:
    """Answers each command as the script says, and honestly where the script says nothing.

    Answers to an order: `ack`; `fill` (at the last close); `reply_lost` (it is there, and a
    time-out is all that is told); `submit_lost` (it never arrived, and a time-out is told);
    `silent` (it is there, nothing is told); `vanish` (it never arrived, nothing is told);
    `not_taken`; `reject`; `die_before` and `die_after` (the process ends before, or after, the
    order arrived). To a cancel: `cancel`, `accept` (and nothing more until the test says so),
    `vanish`, `refuse`. To a look-up: `report`, `not_found`, `silent`. To a snapshot: `report`,
    `fail`, `silent`. A function takes the broker and the command, and does what it likes.

    Stops that rest beside a position have a script of their own, `answers_stop`: what is asked
    about them is in `sent_stops`, and in `sent` and `asked` is everything else.
    """

    def __init__(self) -> None:
        self.books = Books()
        self.sent: list[Command] = []
        self.sent_stops: list[Command] = []
        self.last_close: dict[str, Decimal] = {}
        self.now_ns = 0
        self.account: AccountReport | None = AccountReport(Decimal(10_000), Decimal(10_000), False)
        self.symbols = {name: whole_and_parts(name) for name in ("SPY", "QQQ")}
        self._script: dict[type, deque[Answer]] = defaultdict(deque)
        self._script_of_stops: dict[type, deque[Answer]] = defaultdict(deque)
        self._ready: deque[BrokerEvent] = deque()

    # -- the script ------------------------------------------------------------------------------

    def answers(self, command: type, *how: Answer) -> None:
        """Answer the next commands of this kind so, one each; later ones honestly again."""
        self._script[command].extend(how)

    def answers_stop(self, command: type, *how: Answer) -> None:
        """The same for what is asked about stops that rest."""
        self._script_of_stops[command].extend(how)

    def forgets(self) -> None:
        """Answer honestly from now on, whatever of the script was not asked for."""
        self._script.clear()

    def says(self, *news: BrokerEvent) -> None:
        """Tell something unasked."""
        self._ready.extend(news)

    def fills(
        self, order_id: str, qty: str | None = None, price: str | None = None, fee: str = "0"
    ) -> OrderFilled:
        """Trade `qty` of a working order, or its rest; the news of it is returned, not told."""
        booked = self.books.orders[order_id]
        shares = booked.remaining_qty if qty is None else Decimal(qty)
        paid = self.last_close[booked.order.symbol] if price is None else Decimal(price)
        return self.books.fill(booked, shares, paid, Decimal(fee), self.now_ns)

    def takes_back(self, order_id: str) -> OrderCancelled:
        """End a working order; the news of it is returned, not told."""
        booked = self.books.end(order_id, CANCELED)
        assert booked is not None
        return OrderCancelled(self.now_ns, order_id, booked.filled_qty)

    def undoes(self, order_id: str, qty: str | int | Decimal) -> None:
        """Undo what an order traded; the news of it is not told."""
        self.books.move("SPY", Decimal(qty).copy_negate(), Decimal("99.5"), ZERO)
        self.books.executions.clear()
        booked = self.books.orders[order_id]
        booked.filled_qty = booked.filled_usd = ZERO

    def expires(self, order_id: str) -> OrderExpired:
        """Let a working order's time run out; the news of it is returned, not told."""
        booked = self.books.end(order_id, EXPIRED)
        assert booked is not None
        return OrderExpired(self.now_ns, order_id, booked.filled_qty)

    def ack(self, order_id: str) -> OrderAcknowledged:
        """The acknowledgement of an order that is in the books."""
        return OrderAcknowledged(self.now_ns, order_id, self.books.orders[order_id].broker_order_id)

    def report(self, order_id: str, **changes: Any) -> OrderReported:
        """What a look-up of the order would say now, with some of it changed."""
        report = self.books.orders[order_id].report()._replace(**changes)
        return OrderReported(self.now_ns, report)

    def asked(self, kind: type) -> list[Any]:
        """The commands of a kind that left the desk so far, stops aside."""
        return [command for command in self.sent if isinstance(command, kind)]

    def stops(self, kind: type = SubmitOrder) -> list[Any]:
        """The commands of a kind about stops."""
        return [command for command in self.sent_stops if isinstance(command, kind)]

    def dies_with_its_news(self) -> None:
        """A process ended: what was on its way to it is lost."""
        self._ready.clear()

    # -- the port --------------------------------------------------------------------------------

    def observe(self, event: Event, *, accepted: bool) -> None:
        """See the time and the last price."""
        self.now_ns = max(self.now_ns, event.at_ns)
        if isinstance(event, BarClosed) and accepted:
            self.last_close[event.symbol] = Decimal(repr(event.close))

    def replies(self) -> Iterator[BrokerEvent]:
        """What was told and not heard yet."""
        while self._ready:
            yield self._ready.popleft()

    def send(self, command: Command) -> None:
        """Answer as the script says."""
        self.now_ns = max(self.now_ns, command.at_ns)
        is_stop = "-protective-" in getattr(command, "client_order_id", "")
        (self.sent_stops if is_stop else self.sent).append(command)
        waiting = (self._script_of_stops if is_stop else self._script)[type(command)]
        how = waiting.popleft() if waiting else ""
        if callable(how):
            how(self, command)
        elif isinstance(command, SubmitOrder):
            self._submit(command, how or "ack")
        elif isinstance(command, CancelOrder):
            self._cancel(command, how or "cancel")
        elif isinstance(command, LookUpOrder):
            self._look_up(command, how or "report")
        else:
            self._snapshot(command, how or "report")

    def _submit(self, command: SubmitOrder, how: str) -> None:
        order_id, now = command.client_order_id, self.now_ns
        if how == "die_before":
            raise ProcessDied
        if how in {"not_taken", "submit_lost", "vanish"}:
            if how == "not_taken":
                self.says(OrderNotTaken(now, order_id, "429", "too many requests"))
            elif how == "submit_lost":
                self.says(OrderOutcomeLost(now, order_id))
            return
        if order_id in self.books.orders:  # "client_order_id must be unique": it is there already
            self.says(self.report(order_id))
            return
        if how == "reject":
            self.books.refuse(command, f"b-{order_id}", now)
            self.says(OrderRejected(now, order_id, "40310000", "insufficient buying power"))
            return
        assert how in {"ack", "fill", "reply_lost", "silent", "die_after"}, how
        self.books.take(command, f"b-{order_id}", now)
        if how == "die_after":
            raise ProcessDied
        if how in {"ack", "fill"}:
            self.says(self.ack(order_id))
        if how == "fill":
            self.says(self.fills(order_id))
        if how == "reply_lost":
            self.says(OrderOutcomeLost(now, order_id))

    def _cancel(self, command: CancelOrder, how: str) -> None:
        order_id = command.client_order_id
        assert how in {"cancel", "accept", "vanish", "refuse"}, how
        if how in {"accept", "vanish"}:
            return
        if how == "refuse" or order_id not in self.books.working:
            self.says(CancelRefused(self.now_ns, order_id, "42210000", "order is not cancelable"))
            return
        self.says(self.takes_back(order_id))

    def _look_up(self, command: LookUpOrder, how: str) -> None:
        order_id = command.client_order_id
        assert how in {"report", "not_found", "silent"}, how
        if how == "silent":
            return
        if how == "not_found" or order_id not in self.books.orders:
            self.says(OrderNotFound(self.now_ns, order_id))
        else:
            self.says(self.report(order_id))

    def _snapshot(self, command: TakeSnapshot, how: str) -> None:
        assert how in {"report", "fail", "silent"}, how
        if how == "fail":
            self.says(SnapshotFailed(self.now_ns, "HTTP 500"))
        elif how == "report":
            symbols = tuple(self.symbols.values())
            taken = self.books.snapshot(self.now_ns, command.at_ns, CASH_USD, self.account, symbols)
            self.says(taken)


class KeptJournal(MemoryJournal):
    """A journal in memory of which the beginning can be had, as a crash leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[Event, Outcome]] = []

    def commit(self, seq: int, outcome: Outcome) -> None:
        event = self._writer.in_hand
        super().commit(seq, outcome)
        assert event is not None
        self.pairs.append((event, outcome))

    def until(self, count: int) -> KeptJournal:
        """The journal that a process left which ended after `count` events."""
        part = KeptJournal()
        part._rules = dict(self._rules)
        for event, outcome in self.pairs[:count]:
            part.commit(part.append(event), outcome)
        return part


class Scene:
    """A desk at its broker. Bars come minute by minute; `wait` lets seconds pass between them."""

    strategy = STRATEGY

    def __init__(self, book: RuleBook, profile: str = "paper") -> None:
        self.book = book
        self.profile = profile
        self.engine = Engine.of(compile_book(book))
        self.journal = KeptJournal()
        self.broker = ScriptedBroker()
        self.day = 0
        self.minute = 0
        self.seen: list[tuple[Event, Outcome]] = []
        self._buttons: deque[Event] = deque()
        self.start(DeskState())

    # -- processes -------------------------------------------------------------------------------

    def start(self, state: DeskState, now_ns: int | None = None) -> None:
        """Begin a process with this state, and hear what the broker says to it."""
        self.journal.remember_rules(self.book.digest, self.book.canonical)
        self.desk = Desk(self.engine, state, self.journal, self.broker)
        self.loop = Loop(self.desk, [self], interruptions=self._pressed)
        started_ns = max(OPEN_NS, state.now_ns) if now_ns is None else now_ns
        self.loop.start(DeskStarted(started_ns, self.book.digest, self.profile, "test"))
        self.loop.take_replies()

    def restart(self, *, after_s: float = 0, book: RuleBook | None = None) -> None:
        """Another process takes the journal over; what was on its way to the old one is lost."""
        self.broker.dies_with_its_news()
        self.journal._writer.in_hand = None  # an event in hand ended with the process
        state = self.replayed()
        if book is not None:
            self.book, self.engine = book, Engine.of(compile_book(book))
        self.start(state, state.now_ns + round(after_s * NS_PER_S))

    def replayed(self) -> DeskState:
        """The state as another process finds it in the journal."""
        state = DeskState()
        for item in replay(self.journal):
            state = item.state
        return state

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Watch the loop."""
        self.seen.append((event, outcome))

    # -- the market ------------------------------------------------------------------------------

    @property
    def open_ns(self) -> int:
        return OPEN_NS + self.day * DAY_NS

    def feed(self, *events: Any) -> Outcome:
        """Let the loop run over these events of the feed; what the last one led to itself."""
        before = len(self.seen)
        self.loop.run(events)
        return next(
            outcome for event, outcome in reversed(self.seen[before:]) if event == events[-1]
        )

    def open(self, day: int = 0, minutes: int = MINUTES) -> None:
        self.day, self.minute = day, 0
        close_ns = self.open_ns + minutes * NS_PER_MINUTE
        date = f"2024-10-{7 + day:02}"
        self.feed(SessionOpened(self.open_ns, date, self.open_ns, close_ns, 34_200))

    def close(self) -> None:
        session = self.state.session
        self.feed(SessionClosed(session.close_ns, session.date))

    def bar(self, close: float, symbol: str = "SPY", **values: float) -> Outcome:
        """The next minute's bar, flat unless told otherwise; minutes that were waited are gone."""
        gone = (self.state.now_ns - self.open_ns) // NS_PER_MINUTE - 1
        minute = max(self.minute, gone)
        prices = {"open": close, "high": close, "low": close, "volume": 100.0} | values
        start_ns = self.open_ns + minute * NS_PER_MINUTE
        self.minute = minute + 1
        return self.feed(
            BarClosed(
                start_ns + NS_PER_MINUTE, symbol, start_ns, prices["open"], prices["high"],
                prices["low"], close, prices["volume"],
            )
        )  # fmt: skip

    def until_ten(self, close: float = 100.0) -> None:
        """An open session and flat bars up to 10:00, so that a dip at 10:01 may be bought."""
        if not self.state.session.is_open:
            self.open(self.day)
        while self.minute < TEN:
            self.bar(close)

    def wait(self, seconds: float, every_s: float = 1) -> None:
        """Let time pass, tick by tick."""
        end_ns = self.state.now_ns + round(seconds * NS_PER_S)
        while self.state.now_ns < end_ns:
            at_ns = min(end_ns, self.state.now_ns + round(every_s * NS_PER_S))
            self.loop.run([ClockTicked(at_ns)])

    def press(self, action: str, strategy: str = "") -> None:
        """A person presses a button."""
        self._buttons.append(
            OperatorActed(self.state.now_ns, action, strategy, "A. Person", "because of a test")
        )
        self.loop.take_interruptions()

    def _pressed(self) -> Iterable[Event]:
        while self._buttons:
            yield self._buttons.popleft()

    # -- the broker ------------------------------------------------------------------------------

    def hear(self, *news: BrokerEvent) -> None:
        """Let the broker tell this, and the desk take it with all that follows."""
        self.broker.says(*news)
        self.loop.take_replies()

    def fill(self, order_id: str, qty: str | None = None, price: str | None = None) -> OrderFilled:
        """A fill happens and is told."""
        filled = self.broker.fills(order_id, qty, price)
        self.hear(filled)
        return filled

    def entry(self, *how: Answer) -> str:
        """The id of an entry sent at 10:01 for 5.025 shares at 99.50; answered so, or with an ack.

        Where the process dies meanwhile the id is that of the order in the journal.
        """
        self.until_ten()
        self.broker.answers(SubmitOrder, *how)
        try:
            self.bar(99.5)
        except ProcessDied:
            return str(self.broker.asked(SubmitOrder)[-1].client_order_id)
        return self.newest()

    def holding(self) -> str:
        """A filled entry of 5.025 shares at 99.50; the id of its order."""
        return self.entry("fill")

    def exit(self, *how: Answer, close: float = 99.0) -> str:
        """The id of an exit sent on the next bar because the stop was reached."""
        self.broker.answers(SubmitOrder, *how)
        self.bar(close)
        return self.newest()

    # -- what can be seen ------------------------------------------------------------------------

    @property
    def state(self) -> DeskState:
        return self.desk.state

    @property
    def desk_state(self) -> str:
        return self.state.state_name

    def newest(self) -> str:
        """The id of the order sent last."""
        return str(self.broker.asked(SubmitOrder)[-1].client_order_id)

    def sends(self, order_id: str) -> int:
        """How often the order left the desk."""
        return sum(each.client_order_id == order_id for each in self.broker.asked(SubmitOrder))

    def stop(self) -> Order:
        """The stop made last."""
        return self.order(self.broker.stops()[-1].client_order_id)

    def order(self, order_id: str) -> Order:
        return self.state.orders[order_id]

    def held(self, symbol: str = "SPY") -> Decimal:
        return self.state.ledger.positions.held(symbol)

    def agrees(self, symbol: str = "SPY") -> bool:
        """Whether the desk's books and the broker's say the same."""
        return self.held(symbol) == self.broker.books.position(symbol)

    def decision(self) -> Decision:
        """The last one."""
        return next(d for _, outcome in reversed(self.seen) for d in reversed(outcome.decisions))

    def refusals(self) -> tuple[str, ...]:
        """The checks that the last decision names."""
        decision = self.decision()
        is_exit = decision.outcome.startswith("EXIT")
        book = self.engine.book
        checks = book.exit_checks if is_exit else book.entry_checks
        return checks.true_codes(decision.checks)

    def notes(self, kind: type) -> list[Any]:
        return [n for _, outcome in self.seen for n in outcome.notes if isinstance(n, kind)]

    def incidents(self) -> list[str]:
        return [note.error for note in self.notes(IncidentRaised)]

    def watched(self) -> list[str]:
        """The rows of the watches that acted, but those that only ask, or send a stop."""
        quiet = {"take_snapshot", "protect"}
        return [note.code for note in self.notes(WatchActed) if note.act not in quiet]

    def verdicts(self) -> list[str]:
        """What the comparisons with the broker came to."""
        return [note.verdict for note in self.notes(Reconciled)]

    def desk_changes(self) -> list[tuple[str, str]]:
        return [(note.from_state, note.to_state) for note in self.notes(DeskStateChanged)]

    def trades(self) -> list[Trade]:
        return [trade for _, outcome in self.seen for trade in outcome.trades]

    def count(self, name: str) -> int:
        return self.state.counts[name]


@pytest.fixture(scope="session")
def shipped() -> RuleBook:
    """The shipped rules with the protections that remember nothing; the others have their cases."""
    return load_rules(ROOT / "rules", Changes(protections=OF_THE_MOMENT))


@pytest.fixture(scope="session")
def eager() -> RuleBook:
    """The shipped rules with five trades a day, so that a second entry is a question."""
    return load_rules(ROOT / "rules", Changes(values=FIVE, protections=OF_THE_MOMENT))


@pytest.fixture
def scene(shipped) -> Scene:
    return Scene(shipped)


@pytest.fixture
def bare_scene(shipped) -> Scene:
    """A desk without an account, beside whose positions no stop rests."""
    return Scene(shipped, "samples")


@pytest.fixture
def eager_scene(eager) -> Scene:
    return Scene(eager)


@pytest.fixture(scope="session")
def make_scene() -> type[Scene]:
    return Scene
