"""`step`: one event in, one outcome out. No clock, no network, no disk, no randomness."""

from __future__ import annotations

from typing import cast

from mqd.engine.account import count_messages
from mqd.engine.audit import audit
from mqd.engine.core import Engine, Step
from mqd.engine.decide import decide
from mqd.engine.moves import mark_to_market
from mqd.engine.news import on_broker_event
from mqd.engine.operate import on_operator
from mqd.engine.reconcile import on_snapshot
from mqd.engine.start import on_desk_started
from mqd.engine.state import DeskState, SymbolFacts
from mqd.engine.watch import watch
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.decision import NOTHING, BarSetAside, Outcome, ProtectionTripped
from mqd.model.event import (
    BROKER_EVENTS,
    BarClosed,
    BrokerEvent,
    ClockTicked,
    DeskStarted,
    Event,
    FeedDefectFound,
    FrameReceived,
    OperatorActed,
    SessionClosed,
    SessionOpened,
    SnapshotTaken,
)
from mqd.rules.book import Protection
from mqd.rules.check.sets import REST_OF_SESSION, WHILE_TRUE

_OF_THE_BROKER = frozenset(BROKER_EVENTS)


def step(engine: Engine, state: DeskState, event: Event, aside: int | None = None) -> Outcome:
    """Let one event act on the desk; `state` is changed in place.

    The same engine, an equal state and the same event give the same outcome, byte for byte.
    `aside` is the answer of `sets_aside` for this bar, where the caller has it already.
    """
    kind = type(event)
    if kind is FeedDefectFound:  # it has the instant of a bar that is still to come
        state.counts[cast("FeedDefectFound", event).code] += 1
        return NOTHING
    if kind not in _OF_THE_BROKER:  # its clock may be anywhere
        state.now_ns = max(state.now_ns, event.at_ns)
    this = Step(event.at_ns, state)
    if kind is BarClosed:
        _on_bar(engine, state, cast("BarClosed", event), aside, this)
    elif kind is SessionOpened:
        _on_session_opened(engine, state, cast("SessionOpened", event))
    elif kind is SessionClosed:
        state.session.is_open = False
        state.desk.snapshot_is_due = True
    elif kind is DeskStarted:
        on_desk_started(engine, state, cast("DeskStarted", event), this)
    elif kind is OperatorActed:
        on_operator(engine, state, cast("OperatorActed", event), this)
    elif kind is SnapshotTaken:
        on_snapshot(engine, state, cast("SnapshotTaken", event), this)
    elif kind is not ClockTicked and kind is not FrameReceived:  # a frame is read into events
        on_broker_event(engine, state, cast("BrokerEvent", event), this)
    watch(engine, state, this)
    if this.touched:
        count_messages(state, this.commands)
        audit(engine, state, this)
    return this.outcome()


def sets_aside(engine: Engine, state: DeskState, bar: BarClosed) -> int:
    """The mask of data rules that set this bar aside; the bar's flags are refreshed on the way."""
    symbol = state.symbol(bar.symbol)
    session = state.session
    symbol.is_traded_symbol = bar.symbol in engine.by_symbol
    symbol.starts_on_minute = bar.start_ns % NS_PER_MINUTE == 0
    symbol.is_newest = bar.start_ns > symbol.newest_start_ns
    symbol.bar_age_s = max(0, state.now_ns - bar.at_ns) // NS_PER_S
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
    symbol.previous_close = symbol.last_close if symbol.bars > 1 else 0.0
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


def _on_session_opened(engine: Engine, state: DeskState, event: SessionOpened) -> None:
    session = state.session
    session.date = event.date
    session.open_ns, session.close_ns = event.open_ns, event.close_ns
    session.open_time_s = event.open_time_s
    session.is_open = True
    session.clock_s, session.time_to_close_s = event.open_time_s, 0
    for symbol in state.symbols.values():
        symbol.bars = 0
    for holding in state.holdings.values():
        holding.stop_attempts = 0  # what refused a stop on another day may be over
    for facts in state.strategies.values():  # also one that is off today and comes back tomorrow
        facts.entries_today, facts.pnl_today_usd = 0, 0.0
        facts.pnl_today = facts.pnl_today * 0
    for compiled in engine.book.strategies:
        state.strategies[compiled.rules.id].accumulators = compiled.initial
    state.sent_content.clear()
    state.desk.orders_today = 0
    state.desk.realised_today = state.desk.realised_today * 0
    mark_to_market(state)
