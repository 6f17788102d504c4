"""A person's buttons: each is an event of the desk's machine, or switches one strategy."""

from __future__ import annotations

from mqd.engine.core import Engine, Step, tell_desk
from mqd.engine.holdings import tell_of_orphan
from mqd.engine.start import may_trade
from mqd.engine.state import DeskState
from mqd.model.decision import OperatorHeard
from mqd.model.event import OperatorActed

DESK_BUTTONS = {
    "reduce": "reduce_ordered",
    "halt": "halt_ordered",
    "flatten": "flatten_ordered",
    "resume": "resume_ordered",
}
STRATEGY_BUTTONS = frozenset({"disable", "enable"})
ADOPT = "adopt"
ACTIONS = (*DESK_BUTTONS, *sorted(STRATEGY_BUTTONS), ADOPT)


def on_operator(engine: Engine, state: DeskState, event: OperatorActed, step: Step) -> None:
    """Do what the button says, and note what it did; nothing happens without a name."""
    if not event.by or not event.reason:
        result = "refused: a button needs a name and a reason"
    elif event.action in DESK_BUTTONS:
        result = _press(engine, state, event, step)
    elif event.action in STRATEGY_BUTTONS:
        result = _switch(engine, state, event)
    elif event.action == ADOPT:
        state.adopts_next = True
        state.desk.snapshot_is_due = True
        state.desk.is_waiting_for_snapshot = False
        result = "the next comparison takes the broker's side"
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
        state.paged.clear()  # what is still wrong is told again
        state.desk.snapshot_is_due = True
        for key in sorted(state.holdings):
            tell_of_orphan(engine, state, key, step)
        if state.state_name != engine.desk.rules.initial:
            return f"back in {state.state_name} at once: what stopped the desk is still so"
    return f"{before} -> {state.state_name} ({row.id})"


def _switch(engine: Engine, state: DeskState, event: OperatorActed) -> str:
    compiled = next(
        (item for item in engine.book.strategies if item.rules.id == event.strategy), None
    )
    if compiled is None:
        return f"refused: these rules run no strategy {event.strategy!r}"
    if event.action == "disable":
        state.disabled.add(event.strategy)
    else:
        state.disabled.discard(event.strategy)
    facts = state.strategies[event.strategy]
    facts.enabled = may_trade(compiled, state)
    if event.strategy in state.disabled:
        return f"{event.strategy} is disabled; its exits go on"
    if not facts.enabled:
        status = compiled.rules.status
        return f"{event.strategy} is enabled; as {status} it opens nothing, its exits go on"
    return f"{event.strategy} is enabled; its exits go on"
