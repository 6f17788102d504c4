"""Why nothing was traded: on how many bars each NO-TRADE condition was true, session by session.

A bar adds one to a count; what the counts mean is asked once, when the session closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mqd.engine.core import Engine, Step
from mqd.engine.state import DeskState
from mqd.model.decision import IdleOutOfBand
from mqd.model.event import SessionClosed
from mqd.rules.book import Condition, Strategy
from mqd.rules.expressions import ir


class InWindow(NamedTuple):
    """The bars of a session at the strategy's own times of day, and on how many each was true."""

    bars: int
    times: tuple[tuple[str, int], ...]


def count_idle(state: DeskState, strategy_id: str, no_trade: int) -> None:
    """Count what the decision of one bar found true."""
    counts = state.idle.get(strategy_id)
    if counts is None:
        counts = state.idle[strategy_id] = {}
    counts[no_trade] = counts.get(no_trade, 0) + 1


def tell_idle(engine: Engine, state: DeskState, event: SessionClosed, step: Step) -> None:
    """Judge the session that closes: a condition outside of its band for long enough is told.

    A session that the desk did not see from its open on, or not to its close, is not judged, and
    breaks no row of them.
    """
    if not state.session.is_open:
        return
    for compiled in engine.book.strategies:
        strategy = compiled.rules
        counted = in_window(strategy, state.idle.get(strategy.id, {}))
        if not counted.bars or not state.symbol(strategy.symbol).is_complete:
            continue
        times = dict(counted.times)
        for band in strategy.expected:
            key = (strategy.id, band.code)
            if band.holds(times[band.code], counted.bars):
                state.out_of_band.pop(key, None)
                continue
            state.out_of_band[key] = in_a_row = state.out_of_band.get(key, 0) + 1
            if in_a_row >= band.sessions:
                step.notes.append(
                    IdleOutOfBand(
                        step.at_ns, strategy.id, event.date, band.code, times[band.code],
                        counted.bars, band.text, in_a_row,
                    )
                )  # fmt: skip


def in_window(strategy: Strategy, masks: Mapping[int, int]) -> InWindow:
    """The counts of the bars at which no condition about the time of day was true."""
    outside = sum(1 << bit for bit, rule in enumerate(strategy.no_trade) if is_window(rule))
    inside = {mask: count for mask, count in masks.items() if not mask & outside}
    times = (
        (rule.code, sum(count for mask, count in inside.items() if mask >> bit & 1))
        for bit, rule in enumerate(strategy.no_trade)
    )
    return InWindow(sum(inside.values()), tuple(times))


def is_window(rule: Condition) -> bool:
    """Whether the condition is about the time of day: then it says when to expect trades."""
    return any(isinstance(node, ir.InWindow) for node in ir.walk(rule.when))
