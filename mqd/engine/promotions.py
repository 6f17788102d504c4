"""A promotion from the word on until the strategy has it: before the next session opens.

Who agreed, a person or on paper the row itself, agreed to a part of the share that the strategy
has; how much that comes to is said by what is free when it is given.
"""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.core import Engine, Step
from mqd.engine.portfolio import (
    NOTHING_FREE,
    PROMOTED,
    WITHDRAWN,
    change_share,
    keep_earned,
    possible_change,
    share_of,
    tell_share_kept,
)
from mqd.engine.positions import EXACT
from mqd.engine.state import DeskState


def agree(engine: Engine, state: DeskState, strategy_id: str, by: Decimal) -> Decimal:
    """Keep that a strategy gets `by` more of its share before the next session opens; the change
    that it would be now, as a share of the account.
    """
    life = state.lives[strategy_id]
    life.proposed, life.agreed = None, by
    return possible_change(engine, state, strategy_id, _more(state, strategy_id, by))


def withdraw(state: DeskState, strategy_id: str, step: Step) -> bool:
    """Forget what is proposed or agreed to, and say so of what was agreed to; whether there was."""
    life = state.lives[strategy_id]
    if life.agreed is not None:
        tell_share_kept(state, strategy_id, WITHDRAWN, step)
    was_there = life.proposed is not None or life.agreed is not None
    life.proposed = life.agreed = None
    return was_there


def give_agreed(engine: Engine, state: DeskState, step: Step) -> None:
    """Give each strategy what was agreed to; to be asked before a new session begins, and before
    the one that ended moves any share.
    """
    portfolio = engine.book.rules.portfolio
    for each in () if portfolio is None else portfolio.allotments:
        life = state.lives.get(each.strategy)
        facts = state.strategies.get(each.strategy)
        may_trade = facts is not None and facts.enabled  # else it waits, or is withdrawn, with that
        if life is not None and life.agreed is not None and may_trade:
            more, life.agreed = _more(state, each.strategy, life.agreed), None
            could = possible_change(engine, state, each.strategy, more)
            if not could and share_of(state, each.strategy) < each.maximum:
                tell_share_kept(state, each.strategy, NOTHING_FREE, step)
            change_share(engine, state, each.strategy, more, PROMOTED, step)
            keep_earned(state, each.strategy, more)


def _more(state: DeskState, strategy_id: str, by: Decimal) -> Decimal:
    return EXACT.multiply(share_of(state, strategy_id), by)
