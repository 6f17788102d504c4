"""One position a symbol, whoever holds it: told from what left, not from what the desk believes."""

from __future__ import annotations

from mqd.engine.state import DeskState
from mqd.model.command import SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.order import ENTRY, Order


def doubled_by(outcome: Outcome, state: DeskState) -> str | None:
    """The entry that left beside a position or another entry of its symbol, in words.

    Two strategies may come to hold one symbol all the same, where the broker takes an exit's
    execution back after another one has entered; nothing that the desk sends may lead there.
    """
    sent = (each.client_order_id for each in outcome.commands if isinstance(each, SubmitOrder))
    for order in (state.orders[order_id] for order_id in sent if order_id in state.orders):
        if order.role == ENTRY and order.times_sent == 1:
            beside = _holder(order, state) or _other_entry(order, state)
            if beside:
                return f"{order.client_order_id} left while {beside}"
    return None


def _holder(order: Order, state: DeskState) -> str:
    for held in state.ledger.positions.open_positions():
        if held.symbol == order.symbol:
            return f"{held.strategy} holds {held.qty} {held.symbol}"
    return ""


def _other_entry(order: Order, state: DeskState) -> str:
    for other in (state.orders[order_id] for order_id in sorted(state.working)):
        is_entry = other.role == ENTRY and other.symbol == order.symbol
        if is_entry and other.client_order_id != order.client_order_id:
            return f"{other.client_order_id} may still fill"
    return ""
