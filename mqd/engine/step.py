"""`step`: one event in, one outcome out. No clock, no network, no disk, no randomness."""

from __future__ import annotations

from typing import cast

from mqd.engine.core import Engine, Step, set_desk_state
from mqd.engine.decide import decide
from mqd.engine.fills import mark_to_market, on_broker_event
from mqd.engine.state import DeskState, StrategyFacts, SymbolFacts
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
from mqd.rules.check.sets import REST_OF_SESSION, WHILE_TRUE
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.words.facts import PROFILES


def step(engine: Engine, state: DeskState, event: Event) -> Outcome:
    """Let one event act on the desk; `state` is changed in place.

    The same engine, an equal state and the same event give the same outcome, byte for byte.
    """
    state.now_ns = max(state.now_ns, event.at_ns)
    kind = type(event)
    if kind is BarClosed:
        return _on_bar(engine, state, cast("BarClosed", event))
    if kind is FeedDefectFound:
        state.counts[cast("FeedDefectFound", event).code] += 1
        return NOTHING
    if kind is DeskStarted:
        _on_desk_started(engine, state, cast("DeskStarted", event))
        return NOTHING
    if kind is SessionOpened:
        _on_session_opened(engine, state, cast("SessionOpened", event))
        return NOTHING
    if kind is SessionClosed:
        state.session.is_open = False
        return NOTHING
    this = Step(event.at_ns)
    on_broker_event(engine, state, cast("BrokerEvent", event), this)
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


def _on_bar(engine: Engine, state: DeskState, bar: BarClosed) -> Outcome:
    this = Step(bar.at_ns)
    aside = sets_aside(engine, state, bar)
    symbol = state.symbols[bar.symbol]
    if aside:
        codes = engine.book.sets_aside.true_codes(aside)
        for code in codes:
            state.counts[code] += 1
        this.notes.append(BarSetAside(bar.at_ns, bar.symbol, bar.start_ns, codes))
        return this.outcome()
    _count_bar(state, symbol, bar)
    if state.desk.open_positions:
        mark_to_market(state)
    data = engine.book.blocks_entries.evaluate(bar, symbol, state.session, state.desk, None, None)
    _watch_protections(engine, state, bar, symbol, this)
    for compiled in engine.by_symbol[bar.symbol]:
        decide(engine, state, compiled, bar, data, this)
    return this.outcome()


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
        return
    mask: int = engine.book.protections.evaluate(
        bar, symbol, state.session, state.desk, None, None
    )
    active = mask
    for bit, protection in enumerate(rules):
        until_ns = state.tripped_until_ns.get(protection.header.id, 0)
        if bar.at_ns < until_ns:
            active |= 1 << bit
        elif mask >> bit & 1 and protection.lasts != WHILE_TRUE:
            until_ns = (
                state.session.close_ns
                if protection.lasts == REST_OF_SESSION
                else bar.at_ns + cast("int", protection.lasts) * NS_PER_S
            )
            state.tripped_until_ns[protection.id] = until_ns
            this.notes.append(ProtectionTripped(bar.at_ns, protection.id, until_ns))
    state.active_protections = active


# -- the day ------------------------------------------------------------------------------------


def _on_desk_started(engine: Engine, state: DeskState, event: DeskStarted) -> None:
    """Take up the rules. New rules in mid-session start their measures anew, and say so."""
    rules_changed = event.rules_digest != state.rules_digest
    state.rules_digest = event.rules_digest
    state.profile = event.profile
    state.desk.profile_code = PROFILES.index(event.profile)
    if not state.state_name:
        state.state_name = engine.book.rules.desk_machine.initial
    set_desk_state(engine, state, state.state_name)
    for compiled in engine.book.strategies:
        facts = state.strategies.setdefault(compiled.rules.id, StrategyFacts())
        facts.enabled = _may_trade(compiled, event.profile)
        if rules_changed:
            facts.accumulators = compiled.initial
            if state.session.is_open:
                state.symbol(compiled.rules.symbol).is_complete = False


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
