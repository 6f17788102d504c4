"""What a broker says of an execution later: taken back, another one than it seemed, or with a fee.

Such news may overtake the execution itself, or the execution may have been told to a process that
died with it. Then it waits, and follows the execution when that is booked.
"""

from __future__ import annotations

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.fills import follow_booked, on_fill, on_foreign_fill
from mqd.engine.ledger import Booked
from mqd.engine.moves import is_entry_without_fill
from mqd.engine.state import Afterthought, DeskState
from mqd.ground.errors import ExecutionBustedError, MqdError
from mqd.model.event import ExecutionBusted, ExecutionCorrected, FeeCharged, OrderFilled
from mqd.model.fill import Execution
from mqd.model.order import ENTRY


def take_fill(engine: Engine, state: DeskState, event: OrderFilled, step: Step) -> None:
    """Book a fill, then what was said of it before it came."""
    order = state.orders.get(event.client_order_id)
    if order is None:
        on_foreign_fill(engine, state, event, step)
    else:
        on_fill(engine, state, event, order, step)
    if event.execution_id in state.ledger.executions:
        for said in state.afterthoughts.pop(event.execution_id, ()):
            on_afterthought(engine, state, said, step)


def on_afterthought(engine: Engine, state: DeskState, event: Afterthought, step: Step) -> None:
    """Take back, correct or charge the execution; positions and profit follow."""
    execution_id = event.execution_id
    if execution_id not in state.ledger.executions:
        waiting = state.afterthoughts.get(execution_id, ())
        if event not in waiting:
            state.afterthoughts[execution_id] = (*waiting, event)
        if isinstance(event, FeeCharged):  # the execution will be in the broker's list
            state.desk.snapshot_is_due = True
            return
    try:
        booked = _book(state, event)
    except MqdError as error:  # shares may be gone that are booked here: inferred, or still to come
        state.desk.snapshot_is_due = True
        raise_incident(engine, state, step, error, execution_id)
        return
    if booked is None:
        return
    known = state.ledger.executions[execution_id]
    follow_booked(engine, state, (known.strategy, known.symbol), booked, step)
    if not isinstance(event, FeeCharged):  # the order knows of no money
        _on_changed(engine, state, event, known, step)


def _book(state: DeskState, event: Afterthought) -> Booked | None:
    match event:
        case ExecutionBusted():
            return state.ledger.bust(event.execution_id, event.at_ns)
        case ExecutionCorrected():
            return state.ledger.correct(
                event.execution_id, event.new_execution_id, event.price, event.qty, event.at_ns
            )
        case FeeCharged():
            return state.ledger.charge(event.execution_id, event.fee_usd, event.at_ns)


def _on_changed(
    engine: Engine,
    state: DeskState,
    event: ExecutionBusted | ExecutionCorrected,
    known: Execution,
    step: Step,
) -> None:
    """The order's total follows too, and a person is told."""
    order = state.orders.get(known.client_order_id)
    if order is not None:
        was_empty = is_entry_without_fill(state, order)
        order = order._replace(filled_qty=state.ledger.filled(order.client_order_id))
        state.orders[order.client_order_id] = order
        if order.role == ENTRY and order.state in engine.orders.terminal:
            is_empty = is_entry_without_fill(state, order)
            state.strategies[order.strategy].entries_today += was_empty - is_empty
    state.desk.snapshot_is_due = True
    what = "was taken back" if isinstance(event, ExecutionBusted) else "was corrected"
    error = ExecutionBustedError(
        f"execution {event.execution_id} of {known.qty} {known.symbol} {what}"
    )
    raise_incident(engine, state, step, error, event.execution_id)
