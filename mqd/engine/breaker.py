"""The breaker between the desk and its broker: what requests come to, and its machine's answers.

Measured is what each request came to and how long it took; what follows from that stands in the
machine `breaker` of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from mqd.engine.core import TIME_PASSED, Engine, Step
from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_S
from mqd.model.decision import BreakerMoved
from mqd.model.event import ANSWERED, RequestAnswered

FAILED = "failed"
_MS_PER_S = 1_000


@dataclass(slots=True)
class LineFacts:
    """The line to the broker as the guards of the breaker read it; times in seconds."""

    latency_s: float
    errors: int
    since_moved_s: float


def on_request_answered(
    engine: Engine, state: DeskState, event: RequestAnswered, step: Step
) -> None:
    """Measure what a request came to, and let the breaker hear of it."""
    breaker = state.breaker
    breaker.latency_s = event.took_ms / _MS_PER_S
    is_answered = event.outcome == ANSWERED
    errors = 0 if is_answered else breaker.in_a_row.get(event.request, 0) + 1
    breaker.in_a_row[event.request] = errors
    cause = f"{event.request} {event.outcome} after {breaker.latency_s:.3f} s, {errors} in a row"
    now_ns = max(state.now_ns, event.at_ns)
    _hear(engine, state, step, ANSWERED if is_answered else FAILED, errors, cause, now_ns)


def pass_time(engine: Engine, state: DeskState, step: Step) -> None:
    """Let the breaker hear that time may have passed; `breaker_waits` are where that matters."""
    _hear(engine, state, step, TIME_PASSED, 0, "", state.now_ns)


def take_up_breaker(engine: Engine, state: DeskState) -> None:
    """Its state outlives the process; one that these rules do not know begins anew."""
    machine = engine.breaker.rules
    known = {item.name for item in machine.states}
    was = state.breaker.state_name
    _set_state(engine, state, was if was in known else machine.initial)


def _hear(
    engine: Engine, state: DeskState, step: Step, event: str, errors: int, cause: str, now_ns: int
) -> None:
    breaker = state.breaker
    before = breaker.state_name or engine.breaker.rules.initial
    since_moved_s = (now_ns - breaker.moved_ns) / NS_PER_S
    fired = engine.breaker.fire(before, event, LineFacts(breaker.latency_s, errors, since_moved_s))
    if fired.state != before:
        breaker.moved_ns = now_ns
        _set_state(engine, state, fired.state)
        step.notes.append(BreakerMoved(step.at_ns, event, before, fired.state, fired.row.id, cause))


def _set_state(engine: Engine, state: DeskState, name: str) -> None:
    """Put the breaker into a state, as the rules' facts see it too."""
    state.breaker.state_name = name
    names = [item.name for item in engine.breaker.rules.states]
    state.desk.breaker_code = names.index(name)
