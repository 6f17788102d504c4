"""The life of each strategy: what its record calls for, and its machine's answers.

When and why stands in the rules: the watch of strategies says what its record calls for, the
machine `strategy` what that leads to. A strategy is looked at when something of its record is new:
one of its trades ended, a session opened or closed, a daily value came, a person put it back; and
at night, when what was found is journaled whether or not it leads to anything.
"""

from __future__ import annotations

from bisect import insort_right
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import Final

from mqd.engine.core import Engine, Step, tell_desk
from mqd.engine.promotions import agree, withdraw
from mqd.engine.record import (
    ClosedSession,
    Record,
    SeriesValue,
    evidence_of,
    record_of,
    series_figures,
)
from mqd.engine.state import DeskState, LifeFacts
from mqd.model.decision import (
    Figure,
    PromotionProposed,
    StrategyJudged,
    StrategyMoved,
    ThesisJudged,
)
from mqd.model.event import Event, SeriesValueTold, SessionClosed
from mqd.rules.book import MachineRules, RuleBook, Thesis
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.strategy_life import (
    CALLS,
    ENABLE_ORDERED,
    PAUSE_ENDED,
    is_over,
    is_paused,
    may_open,
    retired_state,
)
from mqd.rules.words.acts import PROMOTE

LIVE: Final = "live"
_OF_DATE: Final = attrgetter("date")
NONE_LEFT: Final = "none_left"
RULES_CHANGED: Final = "rules_changed"
STATE_IS_GONE: Final = "STATE_IS_GONE"
"""Why a strategy leaves a state that its rules have no more, as the pages say it."""
_KEPT_SESSIONS: Final = 260  # more than any record looks back
_KEPT_VALUES: Final = 260


def take_up_lives(engine: Engine, state: DeskState, step: Step) -> None:
    """Each state outlives the process; one that these rules do not know opens nothing."""
    machine = engine.lives.rules
    known = {item.name for item in machine.states}
    for compiled in engine.book.strategies:
        life = state.lives.get(compiled.rules.id)
        if life is None:
            state.lives[compiled.rules.id] = LifeFacts(machine.initial, step.at_ns, step.at_ns)
        elif life.state_name not in known:  # whatever it was, only a person lets it open again
            _take_up_unknown(machine, state, compiled.rules.id, step)


def _take_up_unknown(machine: MachineRules, state: DeskState, strategy_id: str, step: Step) -> None:
    """Retire a strategy from a state that is gone; where no state is closed, switch it off."""
    life, now = state.lives[strategy_id], retired_state(machine)
    if may_open(machine, now):
        state.disabled.add(strategy_id)
    step.notes.append(
        StrategyMoved(
            step.at_ns, strategy_id, RULES_CHANGED, life.state_name, now, STATE_IS_GONE, ""
        )
    )
    state.lives[strategy_id] = replace(life, state_name=now, moved_ns=step.at_ns, row="")


def may_trade(engine: Engine, compiled: CompiledStrategy, state: DeskState) -> bool:
    """Its status lets it trade, nobody has switched it off, and its life lets it open."""
    life = state.lives.get(compiled.rules.id)
    is_closed = life is not None and not may_open(engine.lives.rules, life.state_name)
    if compiled.rules.id in state.disabled or is_closed:
        return False
    return _could_trade(compiled, state)


def _could_trade(compiled: CompiledStrategy, state: DeskState) -> bool:
    """Its status lets it trade here: live money is only for `live`."""
    return status_opens(compiled.rules.status, state.profile)


def status_opens(status: str, profile: str) -> bool:
    """Whether a strategy of this status may open positions under a profile."""
    return status == LIVE or (status == "paper" and profile != LIVE)


# -- what the record is made of -------------------------------------------------------------------


def judge_after(engine: Engine, state: DeskState, event: Event, step: Step) -> None:
    """Take what is new into the records, and look at every strategy."""
    if isinstance(event, SessionClosed):
        closed = ClosedSession(event.date, event.at_ns)
        if not state.closed_sessions or state.closed_sessions[-1].date < event.date:
            state.closed_sessions = (*state.closed_sessions, closed)[-_KEPT_SESSIONS:]
    elif isinstance(event, SeriesValueTold):
        on_series_value(state, event)
    judge(engine, state, step)


def on_series_value(state: DeskState, event: SeriesValueTold) -> None:
    """Keep a daily value in its place; the same date again corrects it."""
    kept = [each for each in state.series.get(event.series, ()) if each.date != event.date]
    insort_right(kept, SeriesValue(event.date, event.value, event.good_through), key=_OF_DATE)
    state.series[event.series] = tuple(kept[-_KEPT_VALUES:])


def record_now(book: RuleBook, state: DeskState, strategy_id: str) -> Record:
    """The record of a strategy as it is now."""
    life = state.lives[strategy_id]
    own = [trade for trade in state.history.trades if trade.strategy == strategy_id]
    record = record_of(
        own, state.closed_sessions, life.since_ns, state.desk.week_open_ns,
        book.strategy_watch.over, book.strategy_watch.curve,
    )  # fmt: skip
    record.paused_this_week = life.week == state.desk.week
    counts = {series.id: series.counts for series in book.series}
    record.series = series_figures(state.series, counts, state.session.date)
    return record


# -- judging --------------------------------------------------------------------------------------


def judge(engine: Engine, state: DeskState, step: Step, *, is_night: bool = False) -> None:
    """Look at every strategy that runs; at night also at the theses, and say what was found.

    What fails in one strategy's figures is told, leaves it as it is, and touches no other.
    """
    for compiled in engine.book.strategies:
        strategy_id = compiled.rules.id
        try:
            record = record_now(engine.book.rules, state, strategy_id)
            mask = _mask(engine, state, record)
            _end_pause(engine, state, compiled, record, step)
            _act(engine, state, compiled, record, mask, step, is_night=is_night)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody is promoted by it
            state_name = state.lives[strategy_id].state_name
            skipped = f"{type(error).__name__}: {error}"
            step.notes.append(
                StrategyJudged(step.at_ns, strategy_id, state_name, (), (), (), skipped)
            )
            continue
        if is_night:
            rows = engine.book.strategy_watch.true_codes(mask)
            now = state.lives[strategy_id].state_name
            step.notes.append(StrategyJudged(step.at_ns, strategy_id, now, rows, *record.figures()))
    if is_night:
        for thesis in engine.book.rules.theses:
            _judge_thesis(engine, state, thesis, step)
    halt_if_none_left(engine, state, step)


def halt_if_none_left(engine: Engine, state: DeskState, step: Step) -> None:
    """Where only a person could let any strategy open again, the desk's machine hears of it."""
    machine = engine.lives.rules
    could = [each.rules.id for each in engine.book.strategies if _could_trade(each, state)]
    if could and all(is_over(machine, state.lives[each].state_name) for each in could):
        tell_desk(engine, state, step, NONE_LEFT)


def put_back(engine: Engine, state: DeskState, compiled: CompiledStrategy, step: Step) -> None:
    """A person puts a strategy back: it is judged anew, by what it does from now on."""
    life = state.lives[compiled.rules.id]
    if life.state_name != engine.lives.rules.initial:
        state.lives[compiled.rules.id] = replace(life, since_ns=step.at_ns)
        move_life(engine, state, compiled, ENABLE_ORDERED, "", None, step)


def move_life(
    engine: Engine,
    state: DeskState,
    compiled: CompiledStrategy,
    event: str,
    row: str,
    record: Record | None,
    step: Step,
) -> None:
    """Fire an event of a strategy's machine, and note a change of state with its figures."""
    strategy_id = compiled.rules.id
    life = state.lives[strategy_id]
    fired = engine.lives.fire(life.state_name, event)
    if fired.state == life.state_name:
        return
    figures = ((), ()) if record is None else record.figures()
    step.notes.append(
        StrategyMoved(
            step.at_ns, strategy_id, event, life.state_name, fired.state, fired.row.id, row,
            *figures,
        )
    )  # fmt: skip
    week = state.desk.week if is_paused(engine.lives.rules, fired.state) else -1
    state.lives[strategy_id] = replace(
        life, state_name=fired.state, moved_ns=step.at_ns, row=row, week=week
    )
    state.strategies[strategy_id].enabled = may_trade(engine, compiled, state)


def _mask(engine: Engine, state: DeskState, record: Record) -> int:
    mask: int = engine.book.strategy_watch.evaluate(
        None, None, state.session, state.desk, None, None, record
    )
    return mask


def _end_pause(
    engine: Engine, state: DeskState, compiled: CompiledStrategy, record: Record, step: Step
) -> None:
    """End a pause whose row says that it is over; one whose row is gone from the rules is over."""
    life = state.lives[compiled.rules.id]
    if not is_paused(engine.lives.rules, life.state_name):
        return
    record.paused_this_week = life.week == state.desk.week
    ends = engine.book.pause_ends.get(life.row)
    if ends is None or ends.evaluate(None, None, state.session, state.desk, None, None, record):
        move_life(engine, state, compiled, PAUSE_ENDED, life.row, record, step)


def _act(
    engine: Engine,
    state: DeskState,
    compiled: CompiledStrategy,
    record: Record,
    mask: int,
    step: Step,
    *,
    is_night: bool,
) -> None:
    """The first row that is true acts.

    A promotion is proposed once until it is true no more, and is withdrawn as soon as another row
    acts, or none; what the strategy had not got by then is proposed again when its row is first
    again. While it waits for a person each night tells of it again.
    """
    book, strategy_id = engine.book, compiled.rules.id
    rows = tuple(zip(book.strategy_watch.codes, book.strategy_watch_acts, strict=True))
    true = [row for bit, row in enumerate(rows) if mask >> bit & 1]
    state.paged -= {(code, strategy_id) for code, _ in rows} - {
        (code, strategy_id) for code, _ in true
    }
    code, act = true[0] if true else ("", "")
    life = state.lives[strategy_id]
    if act != PROMOTE:
        if withdraw(state, strategy_id, step):
            state.paged -= {(row, strategy_id) for row, does in rows if does == PROMOTE}
        if act:
            move_life(engine, state, compiled, CALLS[act], code, record, step)
    elif (code, strategy_id) not in state.paged and may_trade(engine, compiled, state):
        _propose(engine, state, strategy_id, code, record, step)
        state.paged.add((code, strategy_id))
    elif is_night and life.proposed is not None:
        figures = record.figures()
        step.notes.append(
            PromotionProposed(step.at_ns, strategy_id, code, life.proposed, True, *figures)
        )


def _propose(
    engine: Engine, state: DeskState, strategy_id: str, code: str, record: Record, step: Step
) -> None:
    share = engine.book.promotions[code](None, None, state.session, state.desk, None, None, record)
    by = Decimal(repr(share))
    if not by.is_finite():
        raise ArithmeticError(f"by how much {code} promotes is unknown")
    waits = state.profile == LIVE
    state.lives[strategy_id].proposed = by if waits else None
    step.notes.append(
        PromotionProposed(step.at_ns, strategy_id, code, by, waits, *record.figures())
    )
    if not waits:
        agree(engine, state, strategy_id, by)


def _judge_thesis(engine: Engine, state: DeskState, thesis: Thesis, step: Step) -> None:
    """What the desk's own trades on a thesis say of it, by its own rules."""
    own = {item.id for item in engine.book.rules.strategies if item.thesis == thesis.header.id}
    names: tuple[str, ...] = ()
    values: tuple[Figure, ...] = ()
    met: tuple[str, ...] = ()
    skipped, enough = "", False
    try:
        found = evidence_of([trade for trade in state.history.trades if trade.strategy in own])
        enough = found.trades >= thesis.invalidated_when.over_trades
        names, values = ("trades", "win_rate", "pnl"), (found.trades, found.win_rate, found.pnl)
        rules = engine.book.invalidations[thesis.header.id]
        if enough:
            met = rules.true_codes(rules.evaluate(None, None, None, None, None, None, found))
    except Exception as error:  # noqa: BLE001  # whatever it is, no thesis is judged by it
        skipped = f"{type(error).__name__}: {error}"
    step.notes.append(
        ThesisJudged(
            step.at_ns, thesis.header.id, thesis.status, met, enough, names, values, skipped
        )
    )
