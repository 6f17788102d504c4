"""How each open position is looked after: its exits, and how long nothing watched it."""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.positions import EXACT
from mqd.engine.state import DeskState, Holding
from mqd.ground.errors import OrphanedPositionError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_MS, NS_PER_S
from mqd.model.decision import TradeWatched
from mqd.model.order import ENTRY, EXIT, EXTERNAL, PROTECTIVE, Order
from mqd.model.position import AVERAGE, ZERO

Key = tuple[str, str]

EXPIRED = "EXPIRED"


def follow_holding(state: DeskState, key: Key, step: Step) -> None:
    """Begin or end the care of a position, after the ledger has changed."""
    is_open = state.ledger.positions.get(*key).is_open
    holding = state.holdings.get(key)
    at_ns = min(step.at_ns, state.now_ns)  # a fill may carry a time to come
    if is_open and holding is None:
        state.holdings[key] = Holding(at_ns, at_ns, planned_distance=_planned(state, key))
    elif not is_open and holding is not None:
        del state.holdings[key]
        if key[0] != EXTERNAL:
            _count_look(holding, at_ns)
            step.notes.append(
                TradeWatched(
                    step.at_ns,
                    *key,
                    (at_ns - holding.opened_ns) // NS_PER_S,
                    holding.blind_ns // NS_PER_S,
                    _stop_after_ms(holding),
                    _stop_beyond(state, holding),
                )
            )


def looked_at(state: DeskState, key: Key, at_ns: int) -> None:
    """A rule has just asked whether this position is to be left, as it stood at `at_ns`.

    What has long been history by now (after a start, after a gap) was not looked at then.
    """
    holding = state.holdings.get(key)
    if holding is not None:
        is_history = state.now_ns - at_ns >= NS_PER_MINUTE
        _count_look(holding, state.now_ns if is_history else at_ns)


def _count_look(holding: Holding, at_ns: int) -> None:
    """Exits are looked at when a bar of a minute closes; what is longer than that was blind."""
    blind_ns = at_ns - holding.looked_ns - NS_PER_MINUTE
    holding.blind_ns += max(0, blind_ns)
    holding.looked_ns = max(holding.looked_ns, at_ns)


def unwatched_s(state: DeskState, key: Key) -> float:
    """Seconds since anything looked at the position's exits; a working exit is a look."""
    holding = state.holdings[key]
    return max(0, state.now_ns - holding.looked_ns) / NS_PER_S


def note_ended_exit(state: DeskState, order: Order) -> None:
    """An exit ended; if it did not close the position, that counts as an attempt."""
    holding = state.holdings.get((order.strategy, order.symbol))
    if order.role == EXIT and holding is not None:
        # One that only waited was refused by nobody, but the wish to leave stands.
        attempts = 1 if order.never_left else order.attempt
        holding.exit_attempts = max(holding.exit_attempts, attempts)
        holding.exit_ended_ns = state.now_ns
        holding.exit_reason = order.reason


def note_resting_stop(state: DeskState, order: Order, step: Step) -> None:
    """A stop that has the broker's id rests there; the first one of a position is dated."""
    if order.role == PROTECTIVE and order.broker_order_id:
        holding = state.holdings.get((order.strategy, order.symbol))
        if holding is not None and not holding.stopped_ns:
            holding.stopped_ns = max(step.at_ns, state.now_ns)


def note_ended_stop(state: DeskState, order: Order) -> None:
    """A stop ended and its position did not; unless it was asked back, or its day was over, that
    is an attempt.
    """
    holding = state.holdings.get((order.strategy, order.symbol))
    if order.role == PROTECTIVE and holding is not None:
        holding.stop_ended_ns = state.now_ns
        if not order.times_asked_back and order.state != EXPIRED:
            holding.stop_attempts += 1


def _planned(state: DeskState, key: Key) -> Decimal | None:
    """How far below its price the newest entry of this position planned to be wrong."""
    for order in reversed(state.orders.values()):
        if order.role == ENTRY and (order.strategy, order.symbol) == key:
            stop = order.stop_loss
            return None if stop is None else EXACT.subtract(order.reference_price, stop)
    return None


def _stop_after_ms(holding: Holding) -> int | None:
    """From the first fill until a stop was known to rest, in milliseconds."""
    if not holding.stopped_ns:
        return None
    return max(0, holding.stopped_ns - holding.opened_ns) // NS_PER_MS


def _stop_beyond(state: DeskState, holding: Holding) -> Decimal | None:
    """How many USD a share the last stop traded below its price; None where it did not."""
    order = state.orders.get(holding.stop_id)
    if order is None or order.stop_price is None or not state.ledger.filled(holding.stop_id):
        return None
    qty = amount_usd = ZERO
    for item in state.ledger.executions.values():
        if item.client_order_id == holding.stop_id and item.qty:
            signed = item.qty.copy_negate() if item.of else item.qty
            qty = EXACT.add(qty, signed)
            amount_usd = EXACT.add(amount_usd, EXACT.multiply(signed, item.price))
    return EXACT.subtract(order.stop_price, AVERAGE.divide(amount_usd, qty))


def tell_of_orphan(engine: Engine, state: DeskState, key: Key, step: Step) -> None:
    """Tell of an open position of ours that no strategy of these rules looks after."""
    position = state.ledger.positions.get(*key)
    if position.is_open and position.strategy != EXTERNAL and not is_managed(engine, key):
        error = OrphanedPositionError(
            f"{position.qty} {position.symbol} of {position.strategy} are held, and these "
            "rules have no such strategy on that symbol: no exit looks after them"
        )
        raise_incident(engine, state, step, error, position.symbol)


def is_managed(engine: Engine, key: Key) -> bool:
    """Whether a strategy of these rules looks after the position."""
    return key in engine.managed
