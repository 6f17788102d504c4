"""The facts that a strategy and a thesis are judged by: their own trades, and daily values.

What looks back counts the strategy's own round trips and the sessions that closed, from the day on
which it was first run, or last put back by a person.
"""

from __future__ import annotations

from mqd.ground.units import BOOL, NUMBER, RATIO, SESSIONS, TRADES, USD, Unit
from mqd.rules.words.fact import EVIDENCE, STRATEGY_WATCH, Fact

_JUDGED = frozenset({STRATEGY_WATCH})
_PROVED = frozenset({EVIDENCE})
UNDER_WATER = "record.trades_under_water"
SERIES = ("vix",)
"""The daily series that rules know; each is declared in a document of its own."""


def _record(name: str, unit: Unit, means: str, *, known: bool = False) -> Fact:
    read = f"subject.{name}"
    return Fact(
        f"record.{name}", unit, means, _JUDGED, read, f"{read} is not None" if known else "",
        is_integer=unit.is_count,
    )  # fmt: skip


def _evidence(name: str, unit: Unit, means: str, *, known: bool = False) -> Fact:
    read = f"subject.{name}"
    return Fact(
        f"evidence.{name}", unit, means, _PROVED, read, f"{read} is not None" if known else "",
        is_integer=unit.is_count,
    )  # fmt: skip


def _vix(name: str, means: str) -> Fact:
    read = f"subject.series.vix_{name}"
    return Fact(f"vix.{name}", NUMBER, means, _JUDGED, read, f"{read} is not None")


JUDGING = (
    Fact(
        "strategy.paused_this_week", BOOL,
        "No session of a later week has opened since the strategy was paused.",
        _JUDGED, "subject.paused_this_week",
    ),
    _record("losses_in_a_row", TRADES, "Its newest trades in a row that made no money."),
    _record("week_pnl", USD, "What its trades of this week of sessions made, net of costs."),
    _record("sessions", SESSIONS, "Sessions that closed, as far as the window of this watch goes."),
    _record("trades", TRADES, "Its trades in the sessions of the window."),
    _record(
        "win_rate", RATIO, "The share of the window's trades that made money; unknown without any.",
        known=True,
    ),
    _record(
        "profit_factor", NUMBER,
        "What the window's winning trades made over what its losing ones lost; unknown where none "
        "lost.",
        known=True,
    ),
    _record(
        "sharpe", NUMBER,
        "The mean of the window's daily P&L over its sample deviation, times the root of 252; a "
        "session without a trade counts as 0; unknown with fewer than two sessions, or where no "
        "day differs from another.",
        known=True,
    ),
    _record(
        UNDER_WATER.partition(".")[2], TRADES,
        "Its newest trades in a row after each of which the mean of its last trades, as many as "
        "its watch says, was not above 0; none as long as there are not so many.",
        known=True,
    ),
    _vix("close", "The newest value of the VIX; unknown where it is missing or stale."),
    _vix(
        "lowest",
        "The lowest of the newest values that its document counts; unknown with fewer of them, "
        "where one between them is missing, or where the newest is stale.",
    ),
    _evidence("trades", TRADES, "All trades that were made on the thesis."),
    _evidence(
        "win_rate", RATIO, "The share of them that made money; unknown without any.", known=True
    ),
    _evidence("pnl", USD, "What they made together, net of costs."),
)  # fmt: skip
