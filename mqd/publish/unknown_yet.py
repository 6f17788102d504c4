"""Why a figure that a strategy is judged by has no value yet, and what it takes to have one."""

from __future__ import annotations

from mqd.engine.record import SHARPE_SESSIONS, Record
from mqd.engine.state import DeskState
from mqd.rules.book import RuleBook
from mqd.rules.words.judging import SERIES

_RECORD = {
    "record.win_rate": "needs a trade in these sessions",
    "record.profit_factor": "needs a loss in these sessions",
    "record.trades_under_water": "its watch says no curve",
}


def why_unknown(name: str, record: Record, state: DeskState, book: RuleBook) -> str:
    """What is missing of a fact that is unknown, in a few words; `unknown` of any other."""
    root, _, _ = name.partition(".")
    if root in SERIES:
        return _why_series(root, state, book)
    if name == "record.sharpe":
        missing = SHARPE_SESSIONS - record.sessions
        return _needs(missing) if missing > 0 else "needs two sessions that differ"
    return _RECORD.get(name, "unknown")


def _why_series(series: str, state: DeskState, book: RuleBook) -> str:
    """Nobody told a value, the newest is old or none, or too few stand in a row."""
    values = state.series.get(series, ())
    if not values:
        return "no value told yet"
    newest = values[-1]
    if newest.is_stale(state.session.date):
        return f"stale since {newest.good_through}"
    if newest.value <= 0:
        return "its newest value is none"
    counts = next((each.counts for each in book.series if each.id == series), 1)
    missing = counts - len(values)
    return _needs(missing) if missing > 0 else "a session's value is missing"


def _needs(sessions: int) -> str:
    return f"needs {sessions} more session{'s' if sessions > 1 else ''}"
