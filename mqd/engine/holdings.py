"""How each open position is looked after: its exits, and how long nothing watched it."""

from __future__ import annotations

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.state import DeskState, Holding
from mqd.ground.errors import OrphanedPositionError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.decision import TradeWatched
from mqd.model.order import EXIT, EXTERNAL, Order

Key = tuple[str, str]


def follow_holding(state: DeskState, key: Key, step: Step) -> None:
    """Begin or end the care of a position, after the ledger has changed."""
    is_open = state.ledger.positions.get(*key).is_open
    holding = state.holdings.get(key)
    at_ns = min(step.at_ns, state.now_ns)  # a fill may carry a time to come
    if is_open and holding is None:
        state.holdings[key] = Holding(at_ns, at_ns)
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
        holding.exit_attempts = max(holding.exit_attempts, order.attempt)
        holding.exit_ended_ns = state.now_ns
        holding.exit_reason = order.reason


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
    strategy, symbol = key
    return any(item.rules.id == strategy for item in engine.by_symbol.get(symbol, ()))
