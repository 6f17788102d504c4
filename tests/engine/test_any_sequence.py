"""Whatever the market, the broker and a person say, in any order: what holds after every event."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqd.engine.moves import exit_excess
from mqd.engine.positions import EXACT
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground.canonical import encode
from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import Outcome, outcome_record
from mqd.model.event import (
    CancelRefused,
    ClockTicked,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    OperatorActed,
    OrderCancelled,
    OrderExpired,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    SnapshotFailed,
    SnapshotTaken,
    StreamLost,
    StreamRestored,
)
from mqd.model.order import ENTRY, EXIT, EXTERNAL, Order
from mqd.model.snapshot import HeldPosition, OrderReport, ReportedExecution

ZERO = Decimal(0)
STREAM = "trade_updates"
MOST_SENDS = 5
STRANGER = 12
NEWS = (
    "ack", "fill", "fill", "fill", "cancel", "reject", "expire", "lost", "missing", "not_taken",
    "cancel_refused", "report", "report", "bust", "correct", "fee",
)  # fmt: skip
WORDS = ("new", "partially_filled", "filled", "canceled", "expired", "rejected", "done_for_day")
BUTTONS = ("halt", "reduce", "flatten", "resume", "resume", "disable", "enable", "adopt")
ANSWERS = (
    "agree",
    "agree",
    "drift",
    "gone",
    "more",
    "execution",
    "by hand",
    "fail",
    "silent",
    "late",
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("bar"), st.integers(-120, 40), st.booleans()),
        st.tuples(
            st.sampled_from(NEWS),
            st.integers(0, STRANGER),
            st.sampled_from(["0.5", "2", "rest", "again"]),
        ),
        st.tuples(st.just("tick"), st.sampled_from([1, 3, 11, 40]), st.just("")),
        st.tuples(st.just("button"), st.just(0), st.sampled_from(BUTTONS)),
        st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from(ANSWERS)),
        st.tuples(st.just("stream"), st.integers(0, 1), st.just("")),
        st.tuples(st.sampled_from(["day", "restart"]), st.just(0), st.just("")),
    ),
    max_size=45,
)


class Story:
    """Acts on a bench and checks it after every event."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.minute = bench.ten
        self.sent: Counter[str] = Counter()
        self.impossible = False  # what is told now cannot be: the desk may freeze
        self.late: Event | None = None
        self.told = 0
        self.agreeing: Callable[[TakeSnapshot], SnapshotTaken] = bench.agreeing
        bench.warm()
        self.before, self.prior = bench.state.state_name, dict(bench.state.orders)
        bench.watcher = self.check

    @property
    def state(self) -> DeskState:
        state: DeskState = self.bench.state
        return state

    def act(self, kind: str, number: int, extra: Any) -> None:
        self.impossible = False
        if kind == "bar":
            self.bar(99.6 + number / 100, 0.0 if extra else 50.0)
        elif kind == "day":
            self.day()
        elif kind == "restart":
            self.restart()
        elif kind == "tick":
            self.bench.take(ClockTicked(self.state.now_ns + number * NS_PER_S))
        elif kind == "button":
            by = ("A. Person", "to see")
            self.bench.take(OperatorActed(self.state.now_ns, extra, self.bench.strategy, *by))
        elif kind == "stream":
            made = StreamRestored if number else StreamLost
            self.bench.take(made(self.state.now_ns, STREAM))
        elif kind == "answer":
            self.bench.answer = lambda command: self.answer(command, number, extra)
            if self.late is not None:
                told, self.late = self.late, None
                self.bench.take(told)
        elif name := self.named(number):
            self.news(kind, name, extra)

    def day(self) -> None:
        self.bench.close()
        self.bench.open(self.bench.day + 1)
        self.minute = 0
        for _ in range(self.bench.ten):
            self.bar(100.0, 100.0)

    def bar(self, close: float, volume: float) -> None:
        self.bench.bar(self.minute, close, volume=volume)
        self.minute += 1

    def restart(self) -> None:
        """Another process makes the same state of the same events, and starts with it."""
        state, _ = self.lived_again()
        assert state.canonical() == self.state.canonical()
        self.bench.state = state
        started = self.bench.events[0]
        self.bench.take(started._replace(at_ns=state.now_ns))

    def lived_again(self) -> tuple[DeskState, list[Outcome]]:
        state, outcomes = DeskState(), []
        for event in self.bench.events:
            outcome = step(self.bench.engine, state, event)
            others = [each for each in outcome.commands if not isinstance(each, TakeSnapshot)]
            outcomes.append(outcome._replace(commands=tuple(others)))
        return state, outcomes

    # -- what is told ----------------------------------------------------------------------------

    def named(self, number: int) -> str:
        """One of the newest orders, or one that nobody ever sent; none while there is neither."""
        known = list(self.state.orders)[-4:]
        if number == STRANGER:
            return "stranger"
        return known[number % len(known)] if known else ""

    def news(self, kind: str, order_id: str, extra: str) -> None:
        now, order = self.state.now_ns, self.state.orders.get(order_id)
        reported = [e for e in self.state.ledger.executions.values() if e.kind == "reported"]
        state = "" if order is None else order.state
        self.impossible = (kind, state) in {
            ("reject", "PARTIALLY_FILLED"), ("missing", "PARTIALLY_FILLED"),
            ("missing", "SUBMITTED"),
        }  # fmt: skip
        if kind == "fill":
            self.fill(order_id, order, extra)
        elif kind == "ack":
            self.bench.ack(order_id)
        elif kind == "report":
            if order is not None:
                self.report(order, extra)
        elif kind in {"bust", "correct", "fee"}:
            if reported:
                self.afterthought(kind, reported[-1].execution_id, extra)
        else:
            total = {"again": None, "rest": order.qty if order else ZERO}.get(
                extra, order.filled_qty if order else ZERO
            )
            made: dict[str, Event] = {
                "cancel": OrderCancelled(now, order_id, total),
                "reject": OrderRejected(now, order_id, "1", "no"),
                "expire": OrderExpired(now, order_id, total),
                "lost": OrderOutcomeLost(now, order_id),
                "missing": OrderNotFound(now, order_id),
                "not_taken": OrderNotTaken(now, order_id, "429", "busy"),
                "cancel_refused": CancelRefused(now, order_id, "422", "no"),
            }
            self.bench.take(made[kind])

    def fill(self, order_id: str, order: Order | None, extra: str) -> None:
        executions = [e for e in self.state.ledger.executions.values() if e.kind == "reported"]
        if extra == "again" and executions:
            last = executions[-1]
            self.bench.fill(
                last.client_order_id, last.qty, str(last.price),
                execution=last.execution_id,
            )  # fmt: skip
            return
        rest = order.remaining_qty if order is not None else Decimal(1)
        qty = rest if extra in {"rest", "again"} and rest > 0 else Decimal("0.5")
        self.told += 1
        self.bench.fill(
            order_id, qty, "99.3", broker="" if extra == "0.5" else None,
            execution=f"told-{self.told}",
        )  # fmt: skip

    def report(self, order: Order, extra: str) -> None:
        self.told += 1
        word = WORDS[self.told % len(WORDS)]
        more = {"0.5": Decimal("0.5"), "2": Decimal(2), "rest": order.remaining_qty}
        filled = max(ZERO, order.filled_qty + more.get(extra, Decimal("-0.5")))
        self.impossible = word == "rejected" and (filled > 0 or order.state == "PARTIALLY_FILLED")
        self.bench.take(
            OrderReported(
                self.state.now_ns,
                OrderReport(
                    order.client_order_id, f"b-{order.client_order_id}", order.symbol, order.side,
                    order.qty, filled, Decimal("99.4") if filled else None, word,
                ),
            )
        )  # fmt: skip

    def afterthought(self, kind: str, execution_id: str, extra: str) -> None:
        self.told += 1
        now = self.state.now_ns
        qty = Decimal("0.5") if extra == "rest" else Decimal(2)
        made: dict[str, Event] = {
            "bust": ExecutionBusted(now, execution_id),
            "correct": ExecutionCorrected(
                now, execution_id, f"told-{self.told}", Decimal("99.2"), qty
            ),
            "fee": FeeCharged(now, execution_id, Decimal(f"0.0{self.told % 9 + 1}")),
        }
        self.bench.take(made[kind])

    def answer(self, command: TakeSnapshot, number: int, how: str) -> Event | None:
        """What the desk hears when it asks for everything; only an honest answer is for ever."""
        self.bench.answer = self.agreeing
        honest, now = self.agreeing(command), self.state.now_ns
        if how == "fail":
            return SnapshotFailed(now, "HTTP 500")
        if how == "late":
            self.late = honest
        if how in {"silent", "late"}:
            return None
        held = self.bench.held()
        if how in {"drift", "gone", "more"}:
            there = {"drift": held * Decimal("0.97"), "gone": ZERO, "more": held + 1 + number}
            price = Decimal("99.3")
            self.impossible = how == "more" and bool(held)  # too much for lost news
            return honest._replace(positions=(HeldPosition("SPY", there[how], price),))
        if how == "by hand":
            other = OrderReport("by-hand", "b-0", "SPY", "buy", Decimal(1), ZERO, None, "new")
            return honest._replace(orders=(*honest.orders, other))
        order = self.state.orders.get(self.named(number))
        if how == "execution" and order is not None:
            self.told += 1
            execution = ReportedExecution(
                f"told-{self.told}", order.client_order_id, f"b-{order.client_order_id}",
                order.symbol, order.side, Decimal("0.5"), Decimal("99.1"), ZERO, now,
            )  # fmt: skip
            self.impossible = True  # the positions do not say the same
            return honest._replace(executions=(execution,))
        return honest

    # -- what must hold --------------------------------------------------------------------------

    def check(self, event: Event, outcome: Outcome) -> None:
        """Called after every single step."""
        self.check_commands(event, outcome)
        self.check_desk()
        self.check_books()
        self.check_facts()
        self.before, self.prior = self.state.state_name, dict(self.state.orders)

    def check_desk(self) -> None:
        """It freezes where the world cannot be, and never because it lost count by itself."""
        assert "InvariantViolatedError" not in self.bench.incidents()
        if self.state.state_name == "FROZEN" and self.before != "FROZEN":
            assert self.impossible

    def check_commands(self, event: Event, outcome: Outcome) -> None:
        orders, desk_before, now = self.state.orders, self.before, self.state.state_name
        for command in outcome.commands:
            order = orders[command.client_order_id]
            if isinstance(command, LookUpOrder):
                assert order.role != EXTERNAL
            elif isinstance(command, CancelOrder):
                was = self.prior.get(order.client_order_id, order)
                is_first = was is order or was.state != "PENDING_CANCEL"
                assert is_first or not was.was_taken  # asked once, unless it never arrived
                if is_first and order.role == EXIT and desk_before == "FROZEN" == now:
                    assert exit_excess(self.state, order) > 0  # else nothing is sent any more
            else:
                assert isinstance(command, SubmitOrder)
                is_new = order.client_order_id not in self.sent
                self.sent[order.client_order_id] += 1
                assert desk_before != "FROZEN" or isinstance(event, OperatorActed)
                if order.role == ENTRY:
                    assert "ACTIVE" in {desk_before, now}
                    assert isinstance(event, OperatorActed) or desk_before == "ACTIVE"
                elif is_new:
                    held = self.state.ledger.positions.get(order.strategy, order.symbol).qty
                    assert order.qty == abs(held)
        assert set(self.sent) == set(orders)
        assert max(self.sent.values(), default=0) <= MOST_SENDS
        for role in (ENTRY, EXIT):
            working = [orders[each] for each in self.state.working]
            assert sum(order.role == role for order in working) <= 1

    def check_books(self) -> None:
        ledger = self.state.ledger
        executions = ledger.executions.values()
        signed = [each.qty if each.side == "buy" else -each.qty for each in executions]
        assert self.bench.held() == sum(signed, ZERO)
        with localcontext(EXACT):
            paid = [-q * e.price - e.fee_usd for q, e in zip(signed, executions, strict=True)]
            assert ledger.cash_delta_usd == sum(paid, ZERO)
        filled: dict[str, Decimal] = defaultdict(Decimal)
        for each in executions:
            filled[each.client_order_id] += -each.qty if each.of else each.qty
        terminal = self.bench.engine.orders.terminal
        for name, order in self.state.orders.items():
            assert order.filled_qty == filled[name] == ledger.filled(name)
            assert (name in self.state.working) is (order.state not in terminal)
        if not ledger.positions.open_positions() and all(e.kind == "reported" for e in executions):
            trades = [trade.pnl_usd for each in self.bench.outcomes for trade in each.trades]
            assert sum(trades, ZERO) == ledger.cash_delta_usd

    def check_facts(self) -> None:
        state, strategy = self.state, self.bench.strategy
        facts = state.strategies[strategy]
        own = state.ledger.positions.get(strategy, "SPY").qty
        assert facts.position_open is bool(own)
        assert facts.position_qty == float(own)
        assert state.symbols["SPY"].position_qty == float(self.bench.held())
        assert state.symbols["SPY"].working_orders == len(state.working)
        opened = {(each.strategy, each.symbol) for each in state.ledger.positions.open_positions()}
        assert set(state.holdings) == opened
        used = [
            order
            for order in state.orders.values()
            if order.role == ENTRY
            and order.created_ns >= state.session.open_ns
            and (order.filled_qty or order.client_order_id in state.working)
        ]
        assert facts.entries_today == len(used)
        assert not (state.desk.is_in_step and state.streams_down)


@pytest.mark.rule(
    "SENT_ONCE", "SUM_OF_EXECUTIONS", "STOPPED_IS_STOPPED", "ORDER_SENT_IS_KNOWN",
    "FILLS_ARE_EXECUTIONS", "WORKING_IS_NOT_ENDED", "ONE_ENTRY_A_SYMBOL",
    "POSITION_IS_ITS_EXECUTIONS", "PNL_IS_ITS_EXECUTIONS", "EXITS_WITHIN_POSITION",
)  # fmt: skip
@settings(max_examples=100, deadline=None)
@given(ACTIONS)
def test_whatever_happens_the_books_are_right(often, actions):
    story = Story(often())
    for action in actions:
        story.act(*action)
    state, outcomes = story.lived_again()
    assert encode([outcome_record(each) for each in outcomes]) == encode(
        [outcome_record(each) for each in story.bench.outcomes]
    )
    assert state.hash() == story.state.hash()
