"""A person's buttons: each is an event of the desk's machine, or switches one strategy."""

from __future__ import annotations

from mqd.engine.core import Engine, Step, tell_desk
from mqd.engine.holdings import tell_of_orphan
from mqd.engine.lives import halt_if_none_left, judge, may_trade, put_back
from mqd.engine.promotions import agree
from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.model.decision import OperatorHeard
from mqd.model.event import OperatorActed
from mqd.rules.strategy_life import may_open

DESK_BUTTONS = {
    "reduce": "reduce_ordered",
    "halt": "halt_ordered",
    "flatten": "flatten_ordered",
    "resume": "resume_ordered",
}
STRATEGY_BUTTONS = frozenset({"disable", "enable"})
ADOPT = "adopt"
REARM = "rearm"
JUDGE = "judge"
APPROVE = "approve"
ACTIONS = (*DESK_BUTTONS, *sorted(STRATEGY_BUTTONS), ADOPT, REARM, JUDGE, APPROVE)
REFUSED = "refused"


def on_operator(engine: Engine, state: DeskState, event: OperatorActed, step: Step) -> None:
    """Do what the button says, and note what it did; nothing happens without a name."""
    if not event.by or not event.reason:
        result = "refused: a button needs a name and a reason"
    elif event.action in DESK_BUTTONS:
        result = _press(engine, state, event, step)
    elif event.action in STRATEGY_BUTTONS:
        result = _switch(engine, state, event, step)
    elif event.action == REARM:  # what stands where a strategy stands else is a protection
        result = engine.protections.blocks.rearm(state, event.strategy, step)
    elif event.action == ADOPT:
        state.adopts_next = True
        state.desk.snapshot_is_due = True
        state.desk.is_waiting_for_snapshot = False
        result = "the next comparison takes the broker's side"
    elif event.action == APPROVE:
        result = _approve(engine, state, event)
    elif event.action == JUDGE:
        judge(engine, state, step, is_night=True)
        result = "every strategy and every thesis was looked at"
    else:
        result = f"refused: there is no button {event.action!r}"
    step.notes.append(
        OperatorHeard(step.at_ns, event.action, event.strategy, event.by, event.reason, result)
    )


def _press(engine: Engine, state: DeskState, event: OperatorActed, step: Step) -> str:
    before = state.state_name
    row = tell_desk(engine, state, step, DESK_BUTTONS[event.action])
    if state.state_name == before:
        return f"still {before} ({row.id}): {row.because}"
    if event.action == "resume":
        promotions = engine.book.promotions  # who had one is not promoted for being told of again
        state.paged = {each for each in state.paged if each[0] in promotions}
        state.desk.snapshot_is_due = True
        for key in sorted(state.holdings):
            tell_of_orphan(engine, state, key, step)
        halt_if_none_left(engine, state, step)
        if state.state_name != engine.desk.rules.initial:
            return f"back in {state.state_name} at once: what stopped the desk is still so"
    return f"{before} -> {state.state_name} ({row.id})"


def _switch(engine: Engine, state: DeskState, event: OperatorActed, step: Step) -> str:
    compiled = next(
        (item for item in engine.book.strategies if item.rules.id == event.strategy), None
    )
    if compiled is None:
        return f"refused: these rules run no strategy {event.strategy!r}"
    if event.action == "disable":
        state.disabled.add(event.strategy)
    else:
        state.disabled.discard(event.strategy)
        put_back(engine, state, compiled, step)
        judge(engine, state, step)
    facts = state.strategies[event.strategy]
    facts.enabled = may_trade(engine, compiled, state)
    if event.strategy in state.disabled:
        return f"{event.strategy} is disabled; its exits go on"
    life = state.lives[event.strategy]
    if not may_open(engine.lives.rules, life.state_name):
        return f"{event.strategy} is {life.state_name} again at once by {life.row}; its exits go on"
    if not facts.enabled:
        status = compiled.rules.status
        return f"{event.strategy} is enabled; as {status} it opens nothing, its exits go on"
    return f"{event.strategy} is enabled; its exits go on"


def _approve(engine: Engine, state: DeskState, event: OperatorActed) -> str:
    """A person agrees that a strategy has more to work with; nothing is agreed to unasked."""
    life = state.lives.get(event.strategy)
    if life is not None and life.agreed is not None:
        return (
            f"{REFUSED}: it is agreed to already; {event.strategy} has it from the next session on"
        )
    if life is None or life.proposed is None:
        return f"{REFUSED}: nothing is proposed for {event.strategy!r}"
    change = agree(engine, state, event.strategy, life.proposed)
    if not change:
        return f"{event.strategy} keeps its share: nothing is free within its range"
    more = f"{decimal_text(change * 100)} % more of the account"
    return f"{event.strategy} may use {more} from the next session on"
