"""`step`: one event in, one outcome out. No clock, no network, no disk, no randomness."""

from __future__ import annotations

from typing import cast

from mqd.engine.core import Engine, Step, raise_incident, set_desk_state
from mqd.engine.decide import decide
from mqd.engine.fills import ask_back_entries, follow_ledger, mark_to_market, on_broker_event
from mqd.engine.state import DeskState, StrategyFacts, SymbolFacts
from mqd.ground.errors import InvalidTransitionError, OrphanedPositionError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.decision import NOTHING, BarSetAside, Outcome, ProtectionTripped
from mqd.model.event import (
    BarClosed,
    BrokerEvent,
    DeskStarted,
    Event,
    FeedDefectFound,
    SessionClosed,
    SessionOpened,
)
from mqd.rules.book import Protection
from mqd.rules.check.sets import REST_OF_SESSION, WHILE_TRUE
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.words.facts import PROFILES


def step(engine: Engine, state: DeskState, event: Event, aside: int | None = None) -> Outcome:
    """Let one event act on the desk; `state` is changed in place.

    The same engine, an equal state and the same event give the same outcome, byte for byte.
    `aside` is the answer of `sets_aside` for this bar, where the caller has it already.
    """
    state.now_ns = max(state.now_ns, event.at_ns)
    kind = type(event)
    if kind is FeedDefectFound:
        state.counts[cast("FeedDefectFound", event).code] += 1
        return NOTHING
    if kind is SessionClosed:
        state.session.is_open = False
        return NOTHING
    this = Step(event.at_ns)
    if kind is BarClosed:
        _on_bar(engine, state, cast("BarClosed", event), aside, this)
    elif kind is SessionOpened:
        _on_session_opened(engine, state, cast("SessionOpened", event))
    elif kind is DeskStarted:
        _on_desk_started(engine, state, cast("DeskStarted", event), this)
    else:
        on_broker_event(engine, state, cast("BrokerEvent", event), this)
    if this.desk_moved:
        ask_back_entries(engine, state, this)
    return this.outcome()


def sets_aside(engine: Engine, state: DeskState, bar: BarClosed) -> int:
    """The mask of data rules that set this bar aside; the bar's flags are refreshed on the way."""
    symbol = state.symbol(bar.symbol)
    session = state.session
    symbol.is_traded_symbol = bar.symbol in engine.by_symbol
    symbol.starts_on_minute = bar.start_ns % NS_PER_MINUTE == 0
    symbol.is_newest = bar.start_ns > symbol.newest_start_ns
    symbol.in_session = session.is_open and session.open_ns <= bar.start_ns < session.close_ns
    mask: int = engine.book.sets_aside.evaluate(bar, symbol, session, state.desk, None, None)
    return mask


# -- bars ---------------------------------------------------------------------------------------


def _on_bar(
    engine: Engine, state: DeskState, bar: BarClosed, aside: int | None, this: Step
) -> None:
    if aside is None:
        aside = sets_aside(engine, state, bar)
    symbol = state.symbols[bar.symbol]
    if aside:
        codes = engine.book.sets_aside.true_codes(aside)
        state.counts.update(codes)
        this.notes.append(BarSetAside(bar.at_ns, bar.symbol, bar.start_ns, codes))
        return
    _count_bar(state, symbol, bar)
    if state.desk.open_positions:
        mark_to_market(state)
    data = engine.book.blocks_entries.evaluate(bar, symbol, state.session, state.desk, None, None)
    _watch_protections(engine, state, bar, symbol, this)
    for compiled in engine.by_symbol.get(bar.symbol, ()):
        decide(engine, state, compiled, bar, data, this)


def _count_bar(state: DeskState, symbol: SymbolFacts, bar: BarClosed) -> None:
    session = state.session
    if symbol.bars == 0:
        symbol.is_complete = bar.start_ns == session.open_ns
    symbol.bars += 1
    symbol.newest_start_ns = bar.start_ns
    symbol.last_close = bar.close
    session.clock_s = session.open_time_s + (bar.at_ns - session.open_ns) // NS_PER_S
    session.time_to_close_s = (session.close_ns - bar.at_ns) // NS_PER_S


def _watch_protections(
    engine: Engine, state: DeskState, bar: BarClosed, symbol: SymbolFacts, this: Step
) -> None:
    """Trip what has come true; remember what still holds. `[trip, until)` is the locked time."""
    rules = engine.book.rules.protections
    if not rules:
        state.active_protections = 0  # rules with protections may have run before these
        return
    session = state.session
    mask: int = engine.book.protections.evaluate(bar, symbol, session, state.desk, None, None)
    active = mask
    for bit, protection in enumerate(rules):
        if protection.lasts == WHILE_TRUE:
            continue
        if bar.at_ns < state.tripped_until_ns.get(protection.header.id, 0):
            active |= 1 << bit
        elif mask >> bit & 1:
            _trip(state, protection, bar.at_ns, this)
    state.active_protections = active


def _trip(state: DeskState, protection: Protection, at_ns: int, this: Step) -> None:
    until_ns = state.session.close_ns
    if protection.lasts != REST_OF_SESSION:
        until_ns = at_ns + cast("int", protection.lasts) * NS_PER_S
    if until_ns > at_ns:  # with the last bar the session is over
        state.tripped_until_ns[protection.id] = until_ns
        this.notes.append(ProtectionTripped(at_ns, protection.id, until_ns))


# -- the day ------------------------------------------------------------------------------------


def _on_desk_started(engine: Engine, state: DeskState, event: DeskStarted, this: Step) -> None:
    """Take up the rules, and look at everything the desk holds under them."""
    state.rules_digest = event.rules_digest
    state.profile = event.profile
    state.desk.profile_code = PROFILES.index(event.profile)
    _take_up_desk_state(engine, state, this)
    for compiled in engine.book.strategies:
        facts = state.strategies.setdefault(compiled.rules.id, StrategyFacts())
        facts.enabled = _may_trade(compiled, event.profile)
        _take_up_measures(state, compiled, facts)
        follow_ledger(engine, state, compiled.rules.id, compiled.rules.symbol)
    running = {item.rules.id for item in engine.book.strategies}
    for strategy_id, facts in state.strategies.items():
        if strategy_id not in running:
            facts.measured = ()  # it sees no bars now; should it come back, it starts anew
    managed = {(item.rules.id, item.rules.symbol) for item in engine.book.strategies}
    for position in state.ledger.positions.open_positions():
        if (position.strategy, position.symbol) not in managed:
            error = OrphanedPositionError(
                f"{position.qty} {position.symbol} of {position.strategy} are held, and these "
                "rules have no such strategy on that symbol: no exit looks after them"
            )
            raise_incident(engine, state, this, error, position.symbol)


def _take_up_desk_state(engine: Engine, state: DeskState, this: Step) -> None:
    machine = engine.desk.rules
    known = {item.name for item in machine.states}
    was = state.state_name
    set_desk_state(engine, state, was if was in known else machine.initial)
    if was and was not in known:
        error = InvalidTransitionError(f"the desk was {was}, and these rules have no such state")
        raise_incident(engine, state, this, error, "desk")


def _take_up_measures(state: DeskState, compiled: CompiledStrategy, facts: StrategyFacts) -> None:
    """Rules that measure something else start to, from here on, and the bars are counted anew."""
    measures = compiled.rules.measures
    measured = (
        compiled.rules.symbol,
        *(f"{item.function} of {item.stream} over {item.over}" for item in measures),
    )
    if facts.measured != measured:
        facts.measured = measured
        facts.accumulators = compiled.initial
        state.symbol(compiled.rules.symbol).bars = 0


def _may_trade(compiled: CompiledStrategy, profile: str) -> bool:
    """A strategy's status lets it trade: live money only for `live`, shadows nowhere."""
    status = compiled.rules.status
    return status == "live" or (status == "paper" and profile != "live")


def _on_session_opened(engine: Engine, state: DeskState, event: SessionOpened) -> None:
    session = state.session
    session.date = event.date
    session.open_ns, session.close_ns = event.open_ns, event.close_ns
    session.open_time_s = event.open_time_s
    session.is_open = True
    session.clock_s, session.time_to_close_s = event.open_time_s, 0
    for symbol in state.symbols.values():
        symbol.bars = 0
    for compiled in engine.book.strategies:
        facts = state.strategies[compiled.rules.id]
        facts.entries_today = 0
        facts.pnl_today = facts.pnl_today * 0
        facts.pnl_today_usd = 0.0
        facts.accumulators = compiled.initial
    state.desk.orders_today = 0
    state.desk.realised_today = state.desk.realised_today * 0
    mark_to_market(state)
