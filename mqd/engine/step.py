"""`step`: one event in, one outcome out. No clock, no network, no disk, no randomness."""

from __future__ import annotations

from typing import cast

from mqd.engine.account import count_messages
from mqd.engine.audit import audit
from mqd.engine.core import Engine, Step
from mqd.engine.idle import tell_idle
from mqd.engine.lives import judge_after
from mqd.engine.moves import mark_to_market
from mqd.engine.news import on_broker_event
from mqd.engine.operate import on_operator
from mqd.engine.orchestrator import decide_on
from mqd.engine.portfolio import reallocate
from mqd.engine.promotions import give_agreed
from mqd.engine.reconcile import on_snapshot
from mqd.engine.regimes import keep_session, tell_regimes
from mqd.engine.start import on_desk_started
from mqd.engine.state import DeskState, SymbolFacts
from mqd.engine.watch import watch
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.decision import NOTHING, BarSetAside, Outcome
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
    SeriesValueTold,
    SessionClosed,
    SessionOpened,
    SnapshotTaken,
)

_OF_THE_BROKER = frozenset(BROKER_EVENTS)
_DAY_NS = 1_440 * NS_PER_MINUTE
_DAYS_OF_WEEK = 7
_FIRST_DAY_OF_1970 = 3  # a Thursday: that many days of its week, from Monday on, were before it
_JUDGED_AFTER = frozenset({SessionOpened, SessionClosed, SeriesValueTold})
_NO_NEWS = frozenset({ClockTicked, SeriesValueTold, FrameReceived})  # a frame is read into events


def step(engine: Engine, state: DeskState, event: Event, aside: int | None = None) -> Outcome:
    """Let one event act on the desk; `state` is changed in place.

    The same engine, an equal state and the same event give the same outcome, byte for byte.
    `aside` is the answer of `sets_aside` for this bar, where the caller has it already.
    """
    kind = type(event)
    if kind is FeedDefectFound:  # it has the instant of a bar that is still to come
        state.counts[cast("FeedDefectFound", event).code] += 1
        return NOTHING
    at_ns = event.at_ns
    if at_ns > state.now_ns and kind not in _OF_THE_BROKER:  # its clock may be anywhere
        state.now_ns = at_ns
    this = Step(at_ns, state)
    if isinstance(event, BarClosed):
        _on_bar(engine, state, event, aside, this)
    else:
        _act(engine, state, event, this)
    if state.history.news:
        engine.protections.on_news(state, this)
    if this.trades or kind in _JUDGED_AFTER:
        judge_after(engine, state, event, this)
    watch(engine, state, this)
    if this.commands or this.booked or this.log.entries:  # else nothing can have broken
        count_messages(state, this.commands)
        audit(engine, state, this)
    return this.outcome()


def _act(engine: Engine, state: DeskState, event: Event, this: Step) -> None:
    """What is no bar goes to whom it is about."""
    kind = type(event)
    if kind is SessionOpened:
        _on_session_opened(engine, state, cast("SessionOpened", event), this)
    elif kind is SessionClosed:
        _on_session_closed(engine, state, cast("SessionClosed", event), this)
    elif kind is DeskStarted:
        on_desk_started(engine, state, cast("DeskStarted", event), this)
    elif kind is OperatorActed:
        on_operator(engine, state, cast("OperatorActed", event), this)
    elif kind is SnapshotTaken:
        on_snapshot(engine, state, cast("SnapshotTaken", event), this)
    elif kind not in _NO_NEWS:
        on_broker_event(engine, state, cast("BrokerEvent", event), this)


def sets_aside(engine: Engine, state: DeskState, bar: BarClosed) -> int:
    """The mask of data rules that set this bar aside; the bar's flags are refreshed on the way."""
    symbol, session = state.symbol(bar.symbol), state.session
    start_ns, late_ns = bar.start_ns, state.now_ns - bar.at_ns
    symbol.is_traded_symbol = bar.symbol in engine.by_symbol
    symbol.starts_on_minute = start_ns % NS_PER_MINUTE == 0
    symbol.is_newest = start_ns > symbol.newest_start_ns
    symbol.bar_age_s = late_ns // NS_PER_S if late_ns > 0 else 0
    symbol.in_session = session.is_open and session.open_ns <= start_ns < session.close_ns
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
    engine.protections.on_bar(state, bar, this)
    decide_on(engine, state, bar, data, this)


def _count_bar(state: DeskState, symbol: SymbolFacts, bar: BarClosed) -> None:
    session = state.session
    if symbol.bars == 0:
        symbol.is_complete = bar.start_ns == session.open_ns
        symbol.session_high, symbol.session_low = bar.high, bar.low
    elif bar.high > symbol.session_high:
        symbol.session_high = bar.high
    if bar.low < symbol.session_low:  # noqa: PLR1730  # on every bar, and half as long
        symbol.session_low = bar.low
    symbol.bars += 1
    symbol.newest_start_ns = bar.start_ns
    symbol.previous_close = symbol.last_close if symbol.bars > 1 else 0.0
    symbol.last_close = bar.close
    session.clock_s = session.open_time_s + (bar.at_ns - session.open_ns) // NS_PER_S
    session.time_to_close_s = (session.close_ns - bar.at_ns) // NS_PER_S


# -- the day ------------------------------------------------------------------------------------


def _on_session_opened(engine: Engine, state: DeskState, event: SessionOpened, this: Step) -> None:
    session = state.session
    if session.date not in {"", event.date}:  # told again after a start it is the same day still
        give_agreed(engine, state, this)
        reallocate(engine, state, this)
    if event.open_ns != session.open_ns:
        _start_day(state, event)
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
    engine.protections.on_session(state, this)
    state.idle = {}
    tell_regimes(engine, state)


def _start_day(state: DeskState, event: SessionOpened) -> None:
    """What the session before came to, and whether this one is the first of its week.

    The day is the exchange's: its midnight follows from the open, whatever zone and season.
    """
    desk = state.desk
    if state.session.open_ns:
        desk.previous_pnl_usd = desk.pnl_usd
    midnight_ns = event.open_ns - event.open_time_s * NS_PER_S
    day = (midnight_ns + _DAY_NS // 2) // _DAY_NS
    week = (day + _FIRST_DAY_OF_1970) // _DAYS_OF_WEEK
    desk.is_new_week = week != desk.week
    if desk.is_new_week:
        desk.week, desk.week_open_ns = week, event.open_ns
        desk.realised_week = desk.realised_week * 0


def _on_session_closed(engine: Engine, state: DeskState, event: SessionClosed, this: Step) -> None:
    tell_idle(engine, state, event, this)
    keep_session(engine, state)
    state.session.is_open = False
    state.desk.snapshot_is_due = True
