"""Whatever the market and the broker say, in any order: what must hold after every event."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqd.ground.canonical import encode
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import outcome_record
from mqd.model.event import (
    OrderExpired,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRejected,
)
from mqd.model.order import ENTRY, EXIT

NEWS = ("ack", "fill", "fill", "fill", "cancel", "reject", "expire", "lost", "missing")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("bar"), st.integers(-120, 40), st.booleans()),
        st.tuples(
            st.sampled_from(NEWS), st.integers(0, 5), st.sampled_from(["0.5", "2", "rest", "again"])
        ),
        st.tuples(st.just("day"), st.just(0), st.just("")),
    ),
    max_size=45,
)


class Story:
    """Acts on a bench and checks it after every event."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.minute = bench.ten
        self.sent: Counter[str] = Counter()
        self.asked_back: Counter[str] = Counter()
        bench.warm()

    def act(self, kind: str, number: int, extra: Any) -> None:
        if kind == "bar":
            self.bar(99.6 + number / 100, 0.0 if extra else 50.0)
        elif kind == "day":
            self.checked(self.bench.close)
            self.checked(self.bench.open, self.bench.day + 1)
            self.minute = 0
            for _ in range(self.bench.ten):
                self.bar(100.0, 100.0)
        else:
            self.checked(self.news, kind, self.named(number), extra)

    def bar(self, close: float, volume: float) -> None:
        self.checked(self.bench.bar, self.minute, close, volume=volume)
        self.minute += 1

    def checked(self, take: Any, *arguments: Any, **values: Any) -> None:
        before, held = self.bench.state.state_name, self.bench.held()
        outcome = take(*arguments, **values)
        self.check_commands(outcome, before, held)
        self.check_books()
        self.check_facts()

    def named(self, number: int) -> str:
        """One of the newest orders, or one that nobody ever sent."""
        known = list(self.bench.state.orders)[-4:]
        return known[number] if number < len(known) else "stranger"

    def news(self, kind: str, order_id: str, extra: str) -> Any:
        bench, now = self.bench, self.bench.state.now_ns
        if kind == "fill":
            executions = list(bench.state.ledger.executions.values())
            order = bench.state.orders.get(order_id)
            if extra == "again" and executions:
                last = executions[-1]
                return bench.fill(
                    last.client_order_id, last.qty, str(last.price), execution=last.execution_id
                )
            rest = order.remaining_qty if order is not None else Decimal(1)
            qty = rest if extra in {"rest", "again"} and rest > 0 else Decimal("0.5")
            return bench.fill(order_id, qty, "99.3", broker="" if extra == "0.5" else None)
        if kind in {"ack", "cancel"}:
            return (bench.ack if kind == "ack" else bench.cancelled)(order_id)
        made = {
            "reject": OrderRejected(now, order_id, "1", "no"),
            "expire": OrderExpired(now, order_id),
            "lost": OrderOutcomeLost(now, order_id),
            "missing": OrderNotFound(now, order_id),
        }
        return bench.take(made[kind])

    def check_commands(self, outcome: Any, desk_before: str, held_before: Decimal) -> None:
        orders = self.bench.state.orders
        for command in outcome.commands:
            order = orders[command.client_order_id]
            if isinstance(command, CancelOrder):
                assert order.role == ENTRY
                self.asked_back[order.client_order_id] += 1
                continue
            assert isinstance(command, SubmitOrder)
            self.sent[order.client_order_id] += 1
            assert desk_before != "HALTED"
            if order.role == ENTRY:
                assert desk_before == "ACTIVE"
                assert not held_before
            else:
                assert order.qty == abs(held_before)
        assert set(self.sent) == set(orders)
        assert not [each for each, count in (self.sent | self.asked_back).items() if count > 1]
        for role in (ENTRY, EXIT):
            working = [orders[each] for each in self.bench.state.working]
            assert sum(order.role == role for order in working) <= 1

    def check_books(self) -> None:
        state = self.bench.state
        executions = state.ledger.executions.values()
        signed = [each.qty if each.side == "buy" else -each.qty for each in executions]
        assert self.bench.held() == sum(signed, Decimal(0))
        filled: dict[str, Decimal] = defaultdict(Decimal)
        for each in executions:
            filled[each.client_order_id] += each.qty
        terminal = self.bench.engine.orders.terminal
        for name, order in state.orders.items():
            assert order.filled_qty == filled[name]
            assert (name in state.working) is (order.state not in terminal)
        realised = sum(
            (trade.pnl_usd for o in self.bench.outcomes for trade in o.trades), Decimal(0)
        )
        if not self.bench.held():
            assert not state.ledger.positions.open_positions()
            assert realised == sum(
                (-q * e.price for q, e in zip(signed, executions, strict=True)), Decimal(0)
            )

    def check_facts(self) -> None:
        state = self.bench.state
        facts = state.strategies[self.bench.strategy]
        assert facts.position_open is bool(self.bench.held())
        assert facts.position_qty == state.symbols["SPY"].position_qty == float(self.bench.held())
        assert state.symbols["SPY"].working_orders == len(state.working)
        today = [
            order
            for order in state.orders.values()
            if order.role == ENTRY and order.created_ns >= state.session.open_ns
        ]
        used = [
            order for order in today if order.filled_qty or order.client_order_id in state.working
        ]
        assert facts.entries_today == len(used)


@pytest.mark.rule("SENT_ONCE", "SUM_OF_EXECUTIONS")
@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_whatever_happens_the_books_are_right(often, actions):
    story = Story(often())
    for action in actions:
        story.act(*action)
    again = Story(often())
    for action in actions:
        again.act(*action)
    assert encode([outcome_record(each) for each in story.bench.outcomes]) == encode(
        [outcome_record(each) for each in again.bench.outcomes]
    )
    assert story.bench.state.hash() == again.bench.state.hash()
