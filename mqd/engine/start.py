"""The start of the desk: it takes up the rules and looks at everything it holds under them."""

from __future__ import annotations

from mqd.engine.breaker import take_up_breaker
from mqd.engine.core import Engine, Step, raise_incident, set_desk_state
from mqd.engine.holdings import tell_of_orphan
from mqd.engine.lives import judge, may_trade, take_up_lives
from mqd.engine.moves import follow_ledger, in_age_order, move_order, waits_here
from mqd.engine.portfolio import take_up_allocations
from mqd.engine.regimes import tell_regimes
from mqd.engine.state import DeskState, StrategyFacts
from mqd.ground.errors import InvalidTransitionError
from mqd.model.event import DeskStarted
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.words.facts import PROFILES
from mqd.rules.words.theses import THESIS_STATUSES


def on_desk_started(engine: Engine, state: DeskState, event: DeskStarted, step: Step) -> None:
    """Take up the rules; what was under way when the desk stopped has to be asked about."""
    if state.rules_digest != event.rules_digest:
        state.idle = {}  # what was counted were the conditions of other rules
    state.rules_digest = event.rules_digest
    state.profile = event.profile
    if state.now_ns > state.session.close_ns:
        state.session.is_open = False  # it closed while no process was there to hear of it
    state.desk.profile_code = PROFILES.index(event.profile)
    _take_up_desk_state(engine, state, step)
    take_up_breaker(engine, state)
    take_up_lives(engine, state, step)
    for compiled in engine.book.strategies:
        facts = state.strategies.setdefault(compiled.rules.id, StrategyFacts())
        facts.enabled = may_trade(engine, compiled, state)
        facts.thesis_code = thesis_code(engine, compiled)
        _take_up_measures(state, compiled, facts)
        follow_ledger(engine, state, compiled.rules.id, compiled.rules.symbol)
    take_up_allocations(engine, state)
    running = {item.rules.id for item in engine.book.strategies}
    for strategy_id, facts in state.strategies.items():
        if strategy_id not in running:
            facts.measured = ()  # it sees no bars now; should it come back, it starts anew
    engine.protections.on_start(state, step)
    tell_regimes(engine, state)
    _take_up_broker(engine, state, step)
    judge(engine, state, step)
    for position in state.ledger.positions.open_positions():
        tell_of_orphan(engine, state, (position.strategy, position.symbol), step)


def _take_up_desk_state(engine: Engine, state: DeskState, step: Step) -> None:
    machine = engine.desk.rules
    known = {item.name for item in machine.states}
    was = state.state_name
    set_desk_state(engine, state, was if was in known else machine.initial)
    if was and was not in known:
        error = InvalidTransitionError(f"the desk was {was}, and these rules have no such state")
        raise_incident(engine, state, step, error, "desk")


def _take_up_broker(engine: Engine, state: DeskState, step: Step) -> None:
    """Nothing is known of the broker until it has answered; what was unproved stays so.

    A process that ended may or may not have sent an order that it had recorded.
    """
    desk = state.desk
    desk.is_in_step = desk.is_waiting_for_snapshot = desk.has_compared = False
    desk.snapshot_is_due = True
    state.streams_down.clear()
    state.refused_start = ()
    for order in in_age_order(state):
        if order.state == engine.orders.rules.initial and not waits_here(engine, order):
            move_order(engine, state, order, "outcome_lost", step)


def _take_up_measures(state: DeskState, compiled: CompiledStrategy, facts: StrategyFacts) -> None:
    """Rules that measure something else start to, from here on, and the bars are counted anew."""
    measures = compiled.rules.measures
    measured = (
        compiled.rules.symbol,
        *(f"{item.function} of {item.of or item.stream} over {item.over}" for item in measures),
    )
    if facts.measured != measured:
        facts.measured = measured
        facts.accumulators = compiled.initial
        state.symbol(compiled.rules.symbol).bars = 0


def thesis_code(engine: Engine, compiled: CompiledStrategy) -> int:
    """How the strategy's thesis stands, as the rules' facts see it."""
    wanted = compiled.rules.thesis
    status = next(
        (each.status for each in engine.book.rules.theses if each.header.id == wanted),
        THESIS_STATUSES[0],
    )
    return THESIS_STATUSES.index(status)
