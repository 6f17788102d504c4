"""What a strategy is judged by: its own trades, the sessions that closed, and daily values.

Pure functions of what the state keeps. Money is summed exactly and becomes a float at the end,
where it is divided; a figure that cannot be had is None.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import fsum, isfinite, sqrt
from operator import attrgetter
from typing import NamedTuple

from mqd.engine.ledger import EXACT
from mqd.model.position import ZERO, Trade

SESSIONS_A_YEAR = 252
SHARPE_SESSIONS = 2
"""Fewer have no deviation."""
_ENDED_AT = attrgetter("exit_ns")


class ClosedSession(NamedTuple):
    """A session that the desk heard the end of."""

    date: str
    close_ns: int


class SeriesValue(NamedTuple):
    """A daily value of a series; the session of `good_through` is the last that may go by it."""

    date: str
    value: Decimal
    good_through: str

    def is_stale(self, date: str) -> bool:
        """Whether the session of `date` may not go by it any more."""
        return date > self.good_through


@dataclass(slots=True)
class SeriesFigures:
    """What the daily series say for the session under way; None where nobody knows."""

    vix_close: float | None = None
    vix_lowest: float | None = None


@dataclass(slots=True)
class Record:
    """A strategy's record as the rows of its watch read it; USD, sessions, shares of one.

    `trades_under_water` is None where the watch does not say what a point of the curve is.
    """

    losses_in_a_row: int
    week_pnl: float
    sessions: int
    trades: int
    win_rate: float | None
    profit_factor: float | None
    sharpe: float | None
    paused_this_week: bool
    series: SeriesFigures
    trades_under_water: int | None = None

    def figures(self) -> tuple[tuple[str, ...], tuple[float | int | None, ...]]:
        """Its figures by name, for the journal."""
        found: dict[str, float | int | None] = {
            name: getattr(self, name) for name in _TOLD if name != "series"
        }
        if self.trades_under_water is not None:  # rules that do not ask for it never told it
            found["trades_under_water"] = self.trades_under_water
        found |= {"vix_close": self.series.vix_close, "vix_lowest": self.series.vix_lowest}
        return tuple(found), tuple(found.values())


_TOLD = (
    "losses_in_a_row", "week_pnl", "sessions", "trades", "win_rate", "profit_factor", "sharpe",
)  # fmt: skip


@dataclass(slots=True)
class Evidence:
    """All that was traded on a thesis, as its rules read it."""

    trades: int
    win_rate: float | None
    pnl: float


def record_of(
    trades: Sequence[Trade],
    sessions: Sequence[ClosedSession],
    since_ns: int,
    week_ns: int,
    over: int,
    curve: int = 0,
) -> Record:
    """The record of one strategy since an instant, from its own trades in the order of their ends.

    What looks back does so over the last `over` sessions of `sessions` that closed since then. A
    point of the equity curve is the mean of `curve` trades.
    """
    trades = trades[bisect_right(trades, since_ns, key=_ENDED_AT) :]
    closes = [each.close_ns for each in sessions if each.close_ns > since_ns]
    starts = [since_ns, *closes][-over - 1 :]
    window = closes[-over:]
    days = [
        _between(trades, start_ns, end_ns) for start_ns, end_ns in zip(starts, window, strict=False)
    ]
    inside = [trade for day in days for trade in day]
    of_week = trades[bisect_left(trades, week_ns, key=_ENDED_AT) :]
    return Record(
        losses_in_a_row=losses_in_a_row(trades),
        week_pnl=float(total_usd(of_week)),
        sessions=len(window),
        trades=len(inside),
        win_rate=win_rate(inside),
        profit_factor=profit_factor(inside),
        sharpe=sharpe([float(total_usd(day)) for day in days]),
        paused_this_week=False,
        series=SeriesFigures(),
        trades_under_water=trades_under_water(trades, curve) if curve else None,
    )


def evidence_of(trades: Sequence[Trade]) -> Evidence:
    """What all trades on a thesis say."""
    return Evidence(len(trades), win_rate(trades), float(total_usd(trades)))


def losses_in_a_row(trades: Sequence[Trade]) -> int:
    """The newest trades in a row that made no money."""
    count = 0
    for trade in reversed(trades):
        if trade.pnl_usd > 0:
            break
        count += 1
    return count


def trades_under_water(trades: Sequence[Trade], curve: int) -> int:
    """The newest trades in a row after each of which the mean of the last `curve` was not above 0.

    The first such mean is that after trade number `curve`; those before it have none.
    """
    count = 0
    total = total_usd(trades[-curve:])
    for newest in range(len(trades) - 1, curve - 2, -1):
        if total > 0:
            break
        count += 1
        total = EXACT.subtract(total, trades[newest].pnl_usd)
        if newest >= curve:
            total = EXACT.add(total, trades[newest - curve].pnl_usd)
    return count


def total_usd(trades: Sequence[Trade]) -> Decimal:
    """What these trades made together, exact."""
    total = ZERO
    for trade in trades:
        total = EXACT.add(total, trade.pnl_usd)
    return total


def win_rate(trades: Sequence[Trade]) -> float | None:
    """The share of these trades that made money."""
    return sum(trade.pnl_usd > 0 for trade in trades) / len(trades) if trades else None


def profit_factor(trades: Sequence[Trade]) -> float | None:
    """What the winners made over what the losers lost; None where none lost."""
    won_usd = total_usd([trade for trade in trades if trade.pnl_usd > 0])
    lost_usd = total_usd([trade for trade in trades if trade.pnl_usd < 0])
    return _finite(float(won_usd) / -float(lost_usd)) if lost_usd else None


def sharpe(daily_usd: Sequence[float]) -> float | None:
    """Mean / sample deviation * sqrt(252) of daily P&L; None where no day differs from another.

    The account they are shares of stands above and below the line, so that it drops out.
    """
    count = len(daily_usd)
    if count < SHARPE_SESSIONS:
        return None
    if min(daily_usd) == max(daily_usd):  # a rounded mean would leave a deviation
        return None
    mean = fsum(daily_usd) / count
    deviation = sqrt(fsum((value - mean) ** 2 for value in daily_usd) / (count - 1))
    return _finite(mean / deviation * sqrt(SESSIONS_A_YEAR)) if deviation else None


def series_figures(
    values: dict[str, tuple[SeriesValue, ...]], counts: dict[str, int], date: str
) -> SeriesFigures:
    """What the series say for the session of `date`; a stale one says nothing.

    A VIX of nothing or less is no VIX: somebody wrote it where he had none.
    """
    found = SeriesFigures()
    vix = values.get("vix", ())
    if vix and not vix[-1].is_stale(date) and vix[-1].value > 0:
        found.vix_close = _finite(float(vix[-1].value))
        newest = vix[-counts.get("vix", 1) :]
        if len(newest) == counts.get("vix", 1) and not _have_hole(newest):
            lowest = min(each.value for each in newest)
            found.vix_lowest = _finite(float(lowest)) if lowest > 0 else None
    return found


def _have_hole(values: Sequence[SeriesValue]) -> bool:
    """Whether one of them was stale before the next one came: they are not of sessions in a row."""
    return any(later.date > earlier.good_through for earlier, later in pairwise(values))


def _between(trades: Sequence[Trade], start_ns: int, end_ns: int) -> Sequence[Trade]:
    """The trades that ended in (start, end]."""
    first = bisect_right(trades, start_ns, key=_ENDED_AT)
    return trades[first : bisect_right(trades, end_ns, key=_ENDED_AT)]


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
