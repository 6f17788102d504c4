"""The streams that a measure of the past may read, the words of their rows, and the functions.

A row's `source` reads it from `row`, which is the engine's own object: a finished `Trade`, an
`EntrySent`, a `BarClosed`. A word with `members` is text there and stands for its place among
them; what is not among them is none of them.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd.ground.units import (
    BARS,
    DURATION,
    ORDERS,
    PRICE,
    RATIO,
    SHARES,
    TEXT,
    TRADES,
    USD,
    Unit,
)
from mqd.rules.words.fact import Fact, finite

TRADES_STREAM, ENTRIES_STREAM = "trades", "entries"
BARS_STREAM, EQUITY_STREAM = "bars", "equity"
SESSIONS_STREAM = "sessions"

_NOWHERE: frozenset[str] = frozenset()


def _word(name: str, unit: Unit, means: str, source: str, known: str = "") -> Fact:
    return Fact(name, unit, means, _NOWHERE, source, known)


def _of_bar(name: str, unit: Unit, means: str) -> Fact:
    return _word(name, unit, means, f"row.{name}", finite(f"row.{name}"))


_STRATEGY = _word("strategy", TEXT, "The strategy that it was of.", "row.strategy")
_SYMBOL = _word("symbol", TEXT, "The symbol that it was in.", "row.symbol")
_CHANGE = "(row.close / symbol.previous_close - 1.0 if symbol.previous_close > 0.0 else NAN)"

ROW_WORDS: dict[str, dict[str, Fact]] = {
    TRADES_STREAM: {
        word.name: word
        for word in (
            _word("exit_reason", TEXT, "Why the trade was closed.", "row.exit_reason"),
            _word(
                "pnl", USD, "What the trade came to, net of costs.", "float(row.pnl_usd)",
            ),
            _word(
                "held", DURATION, "From its first fill to the fill that made it flat.",
                "(row.exit_ns - row.entry_ns) / 1e9",
            ),
            _word("qty", SHARES, "The shares that were bought.", "float(row.qty)"),
            _word(
                "entry_price", PRICE, "What a share cost in the mean.", "float(row.entry_price)"
            ),
            _word(
                "exit_price", PRICE, "What a share brought in the mean.", "float(row.exit_price)"
            ),
            _STRATEGY,
            _SYMBOL,
        )
    },
    ENTRIES_STREAM: {word.name: word for word in (_STRATEGY, _SYMBOL)},
    BARS_STREAM: {
        word.name: word
        for word in (
            _of_bar("open", PRICE, "The first price of the minute."),
            _of_bar("high", PRICE, "The highest price of the minute."),
            _of_bar("low", PRICE, "The lowest price of the minute."),
            _of_bar("close", PRICE, "The last price of the minute."),
            _of_bar("volume", SHARES, "The shares traded in the minute."),
            _word(
                "change", RATIO,
                "The close against that of the session's bar before; unknown for its first bar.",
                _CHANGE, finite(_CHANGE),
            ),
        )
    },
    EQUITY_STREAM: {},
    SESSIONS_STREAM: {},
}  # fmt: skip
"""What `where` and `of` may read of a row of each stream."""

STREAM_MEANINGS: dict[str, str] = {
    TRADES_STREAM: "Finished round trips, by the instant of the fill that closed them.",
    ENTRIES_STREAM: "Entry orders that were sent, each once, by the instant they were made.",
    BARS_STREAM: "Bars of the symbol in hand that no data rule set aside.",
    EQUITY_STREAM: "What the account is worth: the broker's word, or what is assumed, and the "
    "desk's own profit and loss since, open positions at their last close.",
    SESSIONS_STREAM: "Finished sessions of the symbol that were seen from open to close, as the "
    "regimes of the market keep them; known at the open, the same until the close.",
}

COUNTED: dict[str, Unit] = {TRADES_STREAM: TRADES, ENTRIES_STREAM: ORDERS, BARS_STREAM: BARS}
"""The unit in which the rows of a stream are counted."""

TAKES_NO_ROWS: dict[str, Unit] = {EQUITY_STREAM: RATIO, SESSIONS_STREAM: PRICE}
"""Streams that are measured as a whole, and the unit of that."""


class HistoryFunction(NamedTuple):
    """A function of rows: which streams it takes, whether it needs `of` or `where`, its formula.

    `fewest` is the number of rows below which it has no value.
    """

    streams: tuple[str, ...]
    needs_of: bool
    needs_where: bool
    fewest: int
    means: str
    formula: str


_ROWS = (TRADES_STREAM, ENTRIES_STREAM, BARS_STREAM)
_VALUES = (TRADES_STREAM, BARS_STREAM)

HISTORY_FUNCTIONS: dict[str, HistoryFunction] = {
    "count": HistoryFunction(
        _ROWS, False, False, 0, "How many rows there are.", "the number of rows"
    ),
    "streak": HistoryFunction(
        (TRADES_STREAM,), False, True, 0,
        "How many rows in a row, up to the newest, meet `where`.",
        "rows counted back from the newest, up to the first that does not meet `where`",
    ),
    "sum": HistoryFunction(
        _VALUES, True, False, 0, "The sum of `of`; of no rows it is 0.", "the sum of the values"
    ),
    "mean": HistoryFunction(
        _VALUES, True, False, 1, "The mean of `of`.", "the sum of the values / their number"
    ),
    "min": HistoryFunction(
        _VALUES, True, False, 1, "The smallest `of`.", "the smallest of the values"
    ),
    "max": HistoryFunction(
        _VALUES, True, False, 1, "The largest `of`.", "the largest of the values"
    ),
    "last": HistoryFunction(_VALUES, True, False, 1, "The newest `of`.", "the newest value"),
    "stdev": HistoryFunction(
        _VALUES, True, False, 2, "How far the values of `of` spread around their mean.",
        "the root of (the sum of (value - mean) squared / (their number - 1))",
    ),
    "drawdown": HistoryFunction(
        (EQUITY_STREAM,), False, False, 0,
        "How far the equity is below its highest value of the window, as a share of that.",
        "(highest - newest) / highest, the value at the window's start counted",
    ),
    "atr": HistoryFunction(
        (SESSIONS_STREAM,), False, False, 0,
        "The range of a session in the mean, a gap from the close before in it; unknown with "
        "fewer sessions than the window has, and one before.",
        "the mean of max(high, previous close) - min(low, previous close)",
    ),
}  # fmt: skip
