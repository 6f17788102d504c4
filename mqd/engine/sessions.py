"""Finished sessions of a symbol, as measures read them: one stretch without a long break.

All of this happens once a session; no bar pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

from mqd.engine.history import Measured, Now, measured
from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_S
from mqd.model.session_bar import SessionBar
from mqd.rules.book import Regimes, RuleBook
from mqd.rules.compile.history import CompiledMeasure
from mqd.rules.words.streams import SESSIONS_STREAM


def kept_sessions(book: RuleBook) -> int:
    """How many finished sessions are kept of a symbol: as many as the longest measure reads."""
    read = [
        measure.span.size + 1  # the close before the first of them
        for protection in book.protections
        for measure in protection.measures
        if measure.stream == SESSIONS_STREAM
    ]
    return max([book.regimes.sessions if book.regimes is not None else 0, *read])


def measured_now(
    state: DeskState,
    regimes: Regimes | None,
    measure: CompiledMeasure,
    now: Now,
    strategy: str | None = None,
    symbol: str | None = None,
) -> Measured:
    """Any measure of a protection at this instant: of finished sessions, or of what has happened.

    One of sessions is unknown while there are too few of them in one stretch.
    """
    if measure.rules.stream != SESSIONS_STREAM:
        return measured(state.history, measure, now, strategy, symbol)
    facts = state.symbols.get(symbol or "")
    if regimes is None or facts is None:  # without regimes nobody keeps sessions
        return Measured(nan)
    bars = in_one_stretch(facts.sessions, regimes.forgets_after_s * NS_PER_S, now.session_ns)
    value = FORMULAS[measure.rules.function](bars, measure.rules.span.size)
    return Measured(nan if value is None else value)


def in_one_stretch(
    bars: Sequence[SessionBar], longest_ns: int, open_ns: int
) -> tuple[SessionBar, ...]:
    """The newest sessions with no longer break between them, nor before the one that opens."""
    found: list[SessionBar] = []
    for bar in reversed(bars):
        if bar.open_ns >= open_ns:  # the session under way, when the desk starts after its close
            continue
        if open_ns - bar.close_ns > longest_ns:
            break
        found.append(bar)
        open_ns = bar.open_ns
    return tuple(reversed(found))


# -- the measures -------------------------------------------------------------------------------


def _atr(bars: Sequence[SessionBar], count: int) -> float | None:
    if len(bars) <= count:
        return None
    pairs = zip(bars[-count - 1 :], bars[-count:], strict=False)
    ranges = [max(bar.high, before.close) - min(bar.low, before.close) for before, bar in pairs]
    return sum(ranges) / count


def _slope(bars: Sequence[SessionBar], count: int) -> float | None:
    if len(bars) < count or count <= 1:
        return None
    middle = (count - 1) / 2
    closes = [bar.close for bar in bars[-count:]]
    across = sum((place - middle) ** 2 for place in range(count))
    return sum((place - middle) * close for place, close in enumerate(closes)) / across


def _last(bars: Sequence[SessionBar], _: int) -> float | None:
    return bars[-1].close if bars else None


FORMULAS: dict[str, Callable[[Sequence[SessionBar], int], float | None]] = {
    "atr": _atr,
    "slope": _slope,
    "last": _last,
}
