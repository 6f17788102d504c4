"""The facts of the account that strategies share, and of the day that moves its shares."""

from __future__ import annotations

from mqd.ground.units import ORDERS, USD
from mqd.rules.words.fact import ALLOCATION, CHECK, Fact, finite

_CHECK = frozenset({CHECK})
_ALLOCATION = frozenset({ALLOCATION})


def _shared(name: str, field: str, means: str) -> Fact:
    """A sum in USD that is counted when an entry is asked for, never on every bar."""
    source = f"order.{field}"
    return Fact(name, USD, means, _CHECK, source, finite(source))


SHARING = (
    Fact(
        "order.opposite_signals", ORDERS,
        "Signals of other strategies for the other side of the symbol on the same bar.",
        _CHECK, "order.opposite_signals", is_integer=True,
    ),
    _shared(
        "portfolio.equity", "portfolio_equity_usd",
        "What the account is worth: its own word; where it says none, the assumed size, and what "
        "was made or lost since.",
    ),
    _shared(
        "portfolio.exposure", "portfolio_exposure_usd",
        "What the strategies have in the market: positions at the last close, and what their "
        "entries on the way may still buy.",
    ),
    _shared(
        "portfolio.largest_exposure", "portfolio_largest_usd",
        "The largest exposure: the portfolio's share of the equity.",
    ),
    _shared(
        "portfolio.invested", "portfolio_invested_usd",
        "The exposure, and what somebody else holds in the same account.",
    ),
    _shared(
        "portfolio.reserve", "portfolio_reserve_usd",
        "What is kept out of the market: the portfolio's share of the equity.",
    ),
    _shared(
        "strategy.capital", "capital_usd",
        "What the strategy may use: its share of the equity, nothing where it has none.",
    ),
    _shared(
        "strategy.capital_used", "capital_used_usd",
        "What the strategy's positions cost, and what its entries on the way may cost.",
    ),
    Fact(
        "day.pnl", USD, "This strategy's realised profit or loss of the session that ended.",
        _ALLOCATION, "subject.pnl_usd",
    ),
    Fact(
        "day.desk_pnl", USD,
        "The desk's realised profit or loss of the session that ended, all strategies together.",
        _ALLOCATION, "subject.desk_pnl_usd",
    ),
)  # fmt: skip
"""What is read of the portfolio; unknown where the rules declare none."""
