"""What happened, kept for rules that look back: finished trades, entries, bars, the equity.

Pure: rows are added as they happen, a replay of the journal adds the same ones, and a measure is a
function of them and of the instant. A time window is (now - d, now]. Rows are kept in the order of
their instants; those of the same instant in the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_right, insort_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import fsum, nan, sqrt
from operator import attrgetter
from typing import Any, NamedTuple

from mqd.engine.positions import EXACT
from mqd.ground.times import NS_PER_S
from mqd.model.position import Trade
from mqd.rules.compile.history import CompiledMeasure
from mqd.rules.measured import ROWS, SESSION, TIME, WEEK
from mqd.rules.words.streams import (
    BARS_STREAM,
    ENTRIES_STREAM,
    EQUITY_STREAM,
    TRADES_STREAM,
)

_CLOSED_AT = attrgetter("exit_ns")
_MADE_AT = attrgetter("at_ns")
_UNTIL = attrgetter("until_ns")
_NEVER = 1 << 62


class EntrySent(NamedTuple):
    """One entry order that was sent."""

    at_ns: int
    strategy: str
    symbol: str


class Mark(NamedTuple):
    """The desk's whole profit or loss, in USD, as it was in [since_ns, until_ns)."""

    since_ns: int
    until_ns: int
    pnl_usd: float


class Now(NamedTuple):
    """The instant of a question, and when the session and the week under way began."""

    at_ns: int
    session_ns: int
    week_ns: int


class Measured(NamedTuple):
    """A measure's value, not a number where it is unknown, and until when time leaves it so."""

    value: float
    until_ns: int = _NEVER


class Series:
    """The newest `size` values of bars, or all where that is 0, with their sums.

    The sums are made anew each time that all values have been exchanged, so that what is rounded
    never adds up; `around` is taken from each value, so that no digits are lost where they are all
    far from 0.
    """

    __slots__ = ("around", "left", "size", "squares", "total", "values")

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: deque[float] = deque()
        self.around = self.total = self.squares = 0.0
        self.left = 0

    def add(self, value: float) -> None:
        """One more value; the oldest leaves where there are too many."""
        values, around = self.values, self.around
        values.append(value)
        left = self.left = self.left - 1
        if left < 0:
            self._sum_up()
            return
        beyond = value - around
        total, squares = self.total + beyond, self.squares + beyond * beyond
        if 0 < self.size < len(values):
            gone = values.popleft() - around
            total -= gone
            squares -= gone * gone
        self.total, self.squares = total, squares

    def _sum_up(self) -> None:
        if self.size and len(self.values) > self.size:
            self.values.popleft()
        self.around = fsum(self.values) / len(self.values)
        beyond = [value - self.around for value in self.values]
        self.total, self.squares = fsum(beyond), fsum([each * each for each in beyond])
        self.left = max(len(self.values), 1)

    def stdev(self) -> float:
        """The sample deviation of the values, of which there are two or more."""
        count, total = len(self.values), self.total
        square = (self.squares - total * total / count) / (count - 1)
        return sqrt(square) if square > 0.0 else 0.0

    def fork(self) -> Series:
        """An independent copy."""
        other = Series(self.size)
        other.values = self.values.copy()
        other.around, other.total, other.squares = self.around, self.total, self.squares
        other.left = self.left
        return other

    def canonical(self) -> list[object]:
        """Everything it knows."""
        return [self.size, self.left, self.around, self.total, self.squares, *self.values]


@dataclass(slots=True)
class History:
    """The rows that measures read. The engine owns it and changes it in place.

    `marks` are those of the desk's profits that may still be the highest of a window: each lower
    than the one before. `base_usd` is what the account is worth beyond the desk's profit, as the
    broker told it last; None where it never did. `series` are values of bars, by symbol and
    measure. `news` are the rows that are new since the protections looked last.
    """

    trades: list[Trade] = field(default_factory=list)
    entries: list[EntrySent] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    base_usd: Decimal | None = None
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    news: list[tuple[str, Trade | EntrySent]] = field(default_factory=list)
    is_equity_new: bool = False

    def add_trade(self, trade: Trade) -> None:
        """A round trip has ended."""
        insort_right(self.trades, trade, key=_CLOSED_AT)
        self.news.append((TRADES_STREAM, trade))

    def add_entry(self, entry: EntrySent) -> None:
        """An entry was sent."""
        insort_right(self.entries, entry, key=_MADE_AT)
        self.news.append((ENTRIES_STREAM, entry))

    def mark(self, at_ns: int, pnl_usd: float) -> None:
        """The desk's whole profit or loss is this from now on; the same again says nothing."""
        marks = self.marks
        if marks:
            newest = marks[-1]
            if newest.pnl_usd == pnl_usd:
                return
            marks[-1] = newest._replace(until_ns=at_ns)
            while marks and marks[-1].pnl_usd <= pnl_usd:
                marks.pop()
        marks.append(Mark(at_ns, _NEVER, pnl_usd))
        self.is_equity_new = True

    def worth(self, equity_usd: Decimal) -> None:
        """The broker says what the account is worth; the desk's own profit is a part of that."""
        pnl_usd = self.marks[-1].pnl_usd if self.marks else 0.0
        base_usd = EXACT.subtract(equity_usd, Decimal(repr(pnl_usd)))
        self.is_equity_new = self.is_equity_new or base_usd != self.base_usd
        self.base_usd = base_usd

    def take_bar(self, measure: CompiledMeasure, bar: Any, symbol: Any) -> None:
        """Keep a bar's value for a measure of its symbol; one that is unknown is not kept."""
        keeps, of = measure.keeps, measure.value
        if keeps is not None and not keeps(bar, symbol):
            return
        value = 0.0 if of is None else of(bar, symbol)
        if value != value:  # noqa: PLR0124  # not a number
            return
        key = symbol.symbol, measure.key
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series(measure.rules.span.size)
        series.add(value)

    def start_session(self, measures: tuple[CompiledMeasure, ...]) -> None:
        """A session begins: what is measured over it begins anew."""
        over = {measure.key for measure in measures if measure.rules.span.kind == SESSION}
        for key in [key for key in self.series if key[1] in over]:
            del self.series[key]

    def keep_series(self, measures: tuple[CompiledMeasure, ...]) -> None:
        """These are the measures of bars from here on; what was kept for others is of no use."""
        wanted = {measure.key for measure in measures}
        for key in [key for key in self.series if key[1] not in wanted]:
            del self.series[key]

    def fork(self) -> History:
        """An independent copy."""
        return replace(
            self,
            trades=list(self.trades),
            entries=list(self.entries),
            marks=list(self.marks),
            series={key: series.fork() for key, series in self.series.items()},
            news=list(self.news),
        )

    def canonical(self) -> list[object]:
        """Everything it knows."""
        return [
            self.trades,
            self.entries,
            self.marks,
            self.base_usd,
            [[*key, *series.canonical()] for key, series in sorted(self.series.items())],
            [self.news, self.is_equity_new],
        ]


def measured(
    history: History,
    measure: CompiledMeasure,
    now: Now,
    strategy: str | None = None,
    symbol: str | None = None,
) -> Measured:
    """The measure at this instant; of one strategy's or one symbol's rows where one is named."""
    stream = measure.rules.stream
    if stream == EQUITY_STREAM:
        return _drawdown(history, measure, now)
    if stream == BARS_STREAM:
        return Measured(of_bars(history, measure, symbol or ""))
    rows, until_ns = _rows(history, measure, now, strategy, symbol)
    if measure.rules.function == "streak":
        return Measured(_streak(measure, rows), until_ns)
    keeps, value = measure.keeps, measure.value
    if keeps is not None:
        rows = [row for row in rows if keeps(row, None)]
    values = [0.0] * len(rows) if value is None else [value(row, None) for row in rows]
    values = [each for each in values if each == each]  # noqa: PLR0124  # not a number is unknown
    return Measured(_function(measure, values), until_ns)


def of_bars(history: History, measure: CompiledMeasure, symbol: str) -> float:
    """A measure of the bars of a symbol, not a number where it is unknown."""
    series, rules = history.series.get((symbol, measure.key)), measure.rules
    if series is None:
        return _function(measure, ())
    if rules.function != "stdev":
        return _function(measure, series.values)
    return nan if len(series.values) < rules.warmup else series.stdev()


def _rows(
    history: History, measure: CompiledMeasure, now: Now, strategy: str | None, symbol: str | None
) -> tuple[list[Any], int]:
    """The rows of the window, oldest first, and when the oldest of them leaves it."""
    span = measure.rules.span
    rows: list[Any] = history.trades
    at = _CLOSED_AT
    if measure.rules.stream != TRADES_STREAM:
        rows, at = history.entries, _MADE_AT
    after_ns, until_ns = -_NEVER, _NEVER
    if span.kind == TIME:
        after_ns = now.at_ns - span.size * NS_PER_S
    elif span.kind in {SESSION, WEEK}:
        after_ns = (now.session_ns if span.kind == SESSION else now.week_ns) - 1
    rows = rows[bisect_right(rows, after_ns, key=at) :]
    rows = [
        row
        for row in rows
        if (strategy is None or row.strategy == strategy)
        and (symbol is None or row.symbol == symbol)
    ]
    if span.kind == TIME and rows:
        until_ns = at(rows[0]) + span.size * NS_PER_S
    return (rows[-span.size :] if span.kind == ROWS else rows), until_ns


def _streak(measure: CompiledMeasure, rows: list[Any]) -> float:
    count = 0
    for row in reversed(rows):
        if not measure.keeps(row, None):
            break
        count += 1
    return float(count) if len(rows) >= measure.rules.warmup else nan


def _function(measure: CompiledMeasure, values: Sequence[float]) -> float:
    """The value of a function of these numbers, oldest first."""
    count = len(values)
    if count < measure.rules.warmup:
        return nan
    match measure.rules.function:
        case "count":
            return float(count)
        case "sum":
            return fsum(values)
        case "mean":
            return fsum(values) / count
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "last":
            return values[-1]
    mean = sum(values) / count
    return sqrt(sum([(value - mean) ** 2 for value in values]) / (count - 1))


def _drawdown(history: History, measure: CompiledMeasure, now: Now) -> Measured:
    """How far the equity is below its highest value of the window, as a share of that value.

    What the account is worth beyond the desk's own profit counts as it is known now, so that money
    that was paid in or out is neither a gain nor a loss.
    """
    marks = history.marks
    if not marks:
        return Measured(0.0)
    span = measure.rules.span
    after_ns = -_NEVER
    if span.kind == TIME:
        after_ns = now.at_ns - span.size * NS_PER_S
    elif span.kind in {SESSION, WEEK}:
        after_ns = now.session_ns if span.kind == SESSION else now.week_ns
    highest = marks[bisect_right(marks, after_ns, key=_UNTIL)]
    base_usd = measure.assumed_usd if history.base_usd is None else float(history.base_usd)
    peak_usd = base_usd + highest.pnl_usd
    if peak_usd <= 0.0:
        return Measured(nan)
    until_ns = _NEVER
    if span.kind == TIME and highest.until_ns != _NEVER:
        until_ns = highest.until_ns + span.size * NS_PER_S
    return Measured((highest.pnl_usd - marks[-1].pnl_usd) / peak_usd, until_ns)
