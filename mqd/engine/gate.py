"""The gate: from a wish to trade to an order, or to the codes that say no.

Protections, data rules and checks can refuse an entry. An exit is refused by nothing that is about
risk: only a second exit while one works, and a desk halted by a broken invariant, hold it back.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.fills import ask_back, count_working, working_orders
from mqd.engine.state import DeskState, OrderFacts
from mqd.ground.errors import DuplicateOrderError, MalformedSignalError
from mqd.ground.ids import client_order_id
from mqd.model.command import SubmitOrder
from mqd.model.event import BarClosed
from mqd.model.order import ENTRY, Order
from mqd.model.signal import StrategySignal

TIME_IN_FORCE = "day"


class Verdict(NamedTuple):
    """Whether the order was sent; if not, the masks of what said no."""

    sent: bool
    protections: int = 0
    checks: int = 0


def submit_entry(
    engine: Engine, state: DeskState, bar: BarClosed, signal: StrategySignal, data: int, step: Step
) -> Verdict:
    """Send the entry unless a data rule, a protection or a check refuses it."""
    facts = _order_facts(signal)
    symbol = state.symbol(signal.symbol)
    strategy = state.strategies[signal.strategy]
    book = engine.book
    protections = state.active_protections | book.protections.evaluate(
        bar, symbol, state.session, state.desk, strategy, facts
    )
    checks = book.entry_checks.evaluate(bar, symbol, state.session, state.desk, strategy, facts)
    if data or protections or checks:
        return Verdict(False, protections, checks)
    if not _send(engine, state, signal, step):
        return Verdict(False)
    strategy.entries_today += 1
    return Verdict(True)


def submit_exit(
    engine: Engine, state: DeskState, bar: BarClosed, signal: StrategySignal, step: Step
) -> Verdict:
    """Send the exit; entries of the same position that still work are asked back first."""
    facts = _order_facts(signal)
    symbol = state.symbol(signal.symbol)
    strategy = state.strategies[signal.strategy]
    checks = engine.book.exit_checks.evaluate(
        bar, symbol, state.session, state.desk, strategy, facts
    )
    for entry in working_orders(state, signal.strategy, signal.symbol, ENTRY):
        ask_back(engine, state, entry, signal.reason, step)
    if checks:
        return Verdict(False, 0, checks)
    return Verdict(_send(engine, state, signal, step))


def _order_facts(signal: StrategySignal) -> OrderFacts:
    return OrderFacts(
        qty=float(signal.qty),
        price=float(signal.price),
        stop_loss=float("nan") if signal.stop_loss is None else float(signal.stop_loss),
    )


def _send(engine: Engine, state: DeskState, signal: StrategySignal, step: Step) -> bool:
    """Make the order, durable with this step's outcome, and the command that sends it."""
    order_id = client_order_id(signal.strategy, signal.symbol, signal.at_ns, signal.role)
    if order_id in state.orders:
        error = DuplicateOrderError(f"{order_id} exists already; nothing was sent")
        raise_incident(engine, state, step, error, order_id)
        return False
    order = Order(
        client_order_id=order_id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        side=signal.side,
        type=signal.order_type,
        role=signal.role,
        qty=signal.qty,
        reference_price=signal.price,
        stop_loss=signal.stop_loss,
        reason=signal.reason,
        rules_digest=state.rules_digest,
        created_ns=signal.at_ns,
        state="",
    )
    order = engine.orders.created(order, step.log)
    state.orders[order_id] = order
    state.working.add(order_id)
    count_working(state, signal.symbol)
    state.desk.orders_today += 1
    step.commands.append(
        SubmitOrder(
            signal.at_ns, order_id, order.symbol, order.side, order.qty, order.type, TIME_IN_FORCE
        )
    )
    return True


def checked(
    engine: Engine, state: DeskState, signal: StrategySignal, step: Step
) -> StrategySignal | None:
    """The signal, or None after noting that it is malformed."""
    try:
        return signal.checked()
    except MalformedSignalError as error:
        raise_incident(engine, state, step, error, signal.strategy)
        return None
