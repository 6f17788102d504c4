"""Where a wish to trade comes from: a strategy of the rules, or an act that they declare.

Nothing else has a way to an order. The text of a signal proves nothing about who made it, so each
is compared with what the rules of this step could have made themselves.
"""

from __future__ import annotations

from mqd.engine.core import Engine, Step
from mqd.engine.state import DeskState
from mqd.ground.errors import UnauthorizedAIActionError
from mqd.model.order import ENTRY
from mqd.model.signal import StrategySignal

ENTRY_REASON = "ENTRY"
FLATTEN = "FLATTEN"
"""Why a position is left because a person ordered it."""


def check_origin(engine: Engine, state: DeskState, signal: StrategySignal, step: Step) -> None:
    """Refuse a signal that no strategy, no watch and no person's button of these rules can make.

    Raises:
        UnauthorizedAIActionError: it stems from none of them; nothing was made of it.
    """
    why = (_no_entry if signal.role == ENTRY else _no_exit)(engine, state, signal, step)
    if why:
        raise UnauthorizedAIActionError(
            f"{signal.side} {signal.qty} {signal.symbol} for {signal.strategy}: {why}; no order "
            "was made"
        )


def _no_entry(engine: Engine, _: DeskState, signal: StrategySignal, step: Step) -> str:
    """Why no strategy of the rules made this entry on the event in hand; empty where one could."""
    compiled = next(
        (item for item in engine.by_symbol.get(signal.symbol, ())
         if item.rules.id == signal.strategy), None,
    )  # fmt: skip
    if compiled is None:
        return "these rules have no such strategy on that symbol"
    entry = compiled.rules.entry
    if (signal.side, signal.order_type) != (entry.side, entry.type):
        return f"its rules enter with {entry.side} and {entry.type}"
    if signal.reason != ENTRY_REASON or signal.at_ns != step.at_ns:
        return "it is not of the bar that is decided on"
    return ""


def _no_exit(engine: Engine, state: DeskState, signal: StrategySignal, _: Step) -> str:
    """Why nothing that the rules declare made this exit; empty where something could."""
    key = (signal.strategy, signal.symbol)
    position = state.ledger.positions.get(*key)
    side = "sell" if position.qty > 0 else "buy"
    if not position.is_open or (signal.side, signal.qty) != (side, position.qty.copy_abs()):
        return "an exit closes what the strategy holds, and nothing else"
    holding = state.holdings.get(key)
    if holding is not None and signal.reason == holding.exit_reason:
        return ""  # declared by rules that may be older than these
    rows = engine.book.rules.position_watch.rows
    declared = {FLATTEN, *(row.condition.code for row in rows)}
    for compiled in engine.book.strategies:
        if compiled.rules.id == signal.strategy:
            declared.update(rule.code for rule in compiled.rules.exits)
    return "" if signal.reason in declared else f"no rule is called {signal.reason!r}"
