"""A simulation that lets everything pass proves nothing: each of these desks must be caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mqd.engine.afterthoughts
import mqd.engine.core
import mqd.engine.fills
import mqd.engine.gate
import mqd.engine.moves
import mqd.engine.news
import mqd.engine.reconcile
import mqd.engine.start
import mqd.engine.step
import mqd.engine.watch
from mqd.app.simulation.day import SimulatedDay
from mqd.app.simulation.settings import DaySettings
from mqd.engine.core import Engine
from mqd.engine.ledger import Ledger
from mqd.engine.state import DeskState
from mqd.model.command import SubmitOrder
from mqd.model.event import ExecutionBusted, SnapshotFailed, SnapshotTaken
from mqd.model.order import Order
from mqd.model.snapshot import OrderReport

SEED = 11
MOST_DAYS = 200

Breaks = Callable[[pytest.MonkeyPatch], None]


def first_violation(settings: DaySettings, engine: Engine, days: range) -> tuple[int, str] | None:
    for day in days:
        result = SimulatedDay(settings, engine, SEED, day).run()
        if result.violation:
            return day, result.violation
    return None


def books_duplicates_twice(patch: pytest.MonkeyPatch) -> None:
    book = Ledger.book

    def again(self: Ledger, execution: Any, *rest: Any) -> Any:
        while execution.execution_id in self.executions:
            execution = execution._replace(execution_id=execution.execution_id + "-again")
        return book(self, execution, *rest)

    patch.setattr(Ledger, "book", again)


def sends_again_under_a_new_id(patch: pytest.MonkeyPatch) -> None:
    def submit_again(state: DeskState, order: Any, step: Any) -> None:
        new = order._replace(
            client_order_id=order.client_order_id + f"-{order.times_sent}",
            times_sent=order.times_sent + 1,
            asked_ns=state.now_ns,
        )
        state.orders[new.client_order_id] = new
        state.orders[order.client_order_id] = order._replace(asked_ns=state.now_ns)
        state.working.add(new.client_order_id)
        step.commands.append(
            SubmitOrder(
                step.at_ns, new.client_order_id, new.symbol, new.side, new.qty, new.type, "day"
            )
        )

    patch.setattr(mqd.engine.watch, "submit_again", submit_again)


def sends_other_shares_under_the_old_id(patch: pytest.MonkeyPatch) -> None:
    submit_again = mqd.engine.gate.submit_again

    def doubled(state: DeskState, order: Any, step: Any) -> None:
        submit_again(state, order._replace(qty=order.qty * 2), step)

    patch.setattr(mqd.engine.watch, "submit_again", doubled)


def _as_it_is(order: Order) -> OrderReport:
    """The order as the broker would tell it, had it the same in its books."""
    return OrderReport(
        order.client_order_id, order.broker_order_id or "", order.symbol, order.side, order.qty,
        order.filled_qty, order.reference_price, "new", order.stop_price,
    )  # fmt: skip


def takes_a_failed_snapshot_for_an_empty_account(patch: pytest.MonkeyPatch) -> None:
    on_broker_event = mqd.engine.news.on_broker_event

    def trusting(engine: Engine, state: DeskState, event: Any, step: Any) -> None:
        if isinstance(event, SnapshotFailed):
            asked_ns = state.desk.snapshot_asked_ns
            state.adopts_next = True  # at once: the rules would look three times
            orders = tuple(_as_it_is(state.orders[order_id]) for order_id in state.working)
            empty = SnapshotTaken(event.at_ns, asked_ns, None, (), orders, ())
            mqd.engine.reconcile.on_snapshot(engine, state, empty, step)
        else:
            on_broker_event(engine, state, event, step)

    patch.setattr(mqd.engine.step, "on_broker_event", trusting)


def forgets_what_was_pending_when_it_restarts(patch: pytest.MonkeyPatch) -> None:
    on_desk_started = mqd.engine.start.on_desk_started

    def forgetful(engine: Engine, state: DeskState, event: Any, step: Any) -> None:
        for order_id in sorted(state.working):
            if state.orders[order_id].state == "PENDING":
                state.working.discard(order_id)
                del state.orders[order_id]
        on_desk_started(engine, state, event, step)

    patch.setattr(mqd.engine.step, "on_desk_started", forgetful)


def never_compares_itself_with_the_broker(patch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> None:
        return

    patch.setattr(mqd.engine.watch, "_watch_desk", nothing)


def throws_late_fills_away(patch: pytest.MonkeyPatch) -> None:
    on_fill = mqd.engine.fills.on_fill

    def picky(engine: Engine, state: DeskState, event: Any, order: Any, step: Any) -> None:
        if order.state not in engine.orders.terminal:
            on_fill(engine, state, event, order, step)

    patch.setattr(mqd.engine.afterthoughts, "on_fill", picky)


def takes_a_wish_to_cancel_for_the_deed(patch: pytest.MonkeyPatch) -> None:
    def ask_back(engine: Engine, state: DeskState, order: Any, reason: str, step: Any) -> None:
        mqd.engine.moves.ask_back(engine, state, order, reason, step)
        asked = state.orders[order.client_order_id]
        mqd.engine.moves.move_order(engine, state, asked, "cancelled", step)

    for module in (mqd.engine.watch, mqd.engine.gate):
        patch.setattr(module, "ask_back", ask_back)


def ignores_what_the_broker_takes_back(patch: pytest.MonkeyPatch) -> None:
    on_afterthought = mqd.engine.afterthoughts.on_afterthought

    def deaf(engine: Engine, state: DeskState, event: Any, step: Any) -> None:
        if not isinstance(event, ExecutionBusted):
            on_afterthought(engine, state, event, step)

    patch.setattr(mqd.engine.news, "on_afterthought", deaf)


def counts_its_losses_as_profit(patch: pytest.MonkeyPatch) -> None:
    follow_booked = mqd.engine.fills.follow_booked

    def upside_down(engine: Engine, state: DeskState, key: Any, booked: Any, step: Any) -> None:
        turned = booked._replace(realised_usd=-booked.realised_usd)
        follow_booked(engine, state, key, turned, step)

    patch.setattr(mqd.engine.fills, "follow_booked", upside_down)


def opens_after_a_failed_comparison(patch: pytest.MonkeyPatch) -> None:
    on_broker_event = mqd.engine.news.on_broker_event

    def careless(engine: Engine, state: DeskState, event: Any, step: Any) -> None:
        on_broker_event(engine, state, event, step)
        if isinstance(event, SnapshotFailed):
            state.desk.is_in_step = True

    patch.setattr(mqd.engine.step, "on_broker_event", careless)


def forgets_its_stop_when_it_restarts(patch: pytest.MonkeyPatch) -> None:
    def loose(engine: Engine, state: DeskState, _: Any) -> None:
        mqd.engine.core.set_desk_state(engine, state, engine.desk.rules.initial)

    patch.setattr(mqd.engine.start, "_take_up_desk_state", loose)


def fails_with_an_error_that_nobody_foresaw(patch: pytest.MonkeyPatch) -> None:
    def clumsy(*_: Any) -> None:
        raise TypeError("an operand of another kind")

    patch.setattr(mqd.engine.news, "on_afterthought", clumsy)


BROKEN = [
    ignores_what_the_broker_takes_back,
    counts_its_losses_as_profit,
    opens_after_a_failed_comparison,
    forgets_its_stop_when_it_restarts,
    fails_with_an_error_that_nobody_foresaw,
    books_duplicates_twice,
    sends_again_under_a_new_id,
    sends_other_shares_under_the_old_id,
    takes_a_failed_snapshot_for_an_empty_account,
    forgets_what_was_pending_when_it_restarts,
    never_compares_itself_with_the_broker,
    throws_late_fills_away,
    takes_a_wish_to_cancel_for_the_deed,
]


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda breaks: breaks.__name__)
def test_a_broken_desk_is_caught(
    breaks: Breaks, settings: DaySettings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(monkeypatch)
    found = first_violation(settings, engine, range(MOST_DAYS))
    assert found is not None
    monkeypatch.undo()  # the same day, with the desk as it is, is fine
    assert first_violation(settings, engine, range(found[0], found[0] + 1)) is None
