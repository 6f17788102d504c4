"""The account that strategies share, as it stands now: who may use how much, and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.engine.portfolio import (
    Sums,
    capital,
    capital_used,
    free_share,
    share_of,
    sums_of,
)
from mqd.engine.positions import EXACT
from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.publish.figures import exact
from mqd.publish.plans import plan_of
from mqd.rules.book import Portfolio, RuleBook


class ShareStatus(NamedTuple):
    """A running strategy's share of the account, and what it comes to in USD.

    `entry_usd` is what an entry of its declared size costs at most; None where the market decides.
    `left_usd` is below 0 where more is in use than it may use by now.
    """

    strategy: str
    share: Decimal
    declared_share: Decimal
    capital_usd: Decimal
    used_usd: Decimal
    left_usd: Decimal
    entry_usd: Decimal | None


class AccountStatus(NamedTuple):
    """The sums that the checks of an entry read, what they leave, and each strategy's share.

    `exposure_left_usd` and `reserve_left_usd` are what an entry has to stay below, and what it may
    not exceed; `is_told` says that the broker told what the account is worth.
    """

    is_told: bool
    sums: Sums
    max_exposure: Decimal
    reserve: Decimal
    free_share: Decimal
    exposure_left_usd: Decimal
    reserve_left_usd: Decimal
    shares: tuple[ShareStatus, ...]

    def to_json(self) -> dict[str, Any]:
        """The account for a program: money and shares as exact text."""
        sums = {f"{name}": decimal_text(each) for name, each in self.sums._asdict().items()}
        shares = {
            each.strategy: {
                name: None if value is None else decimal_text(value)
                for name, value in each._asdict().items()
                if name != "strategy"
            }
            for each in self.shares
        }
        return {
            "is_told": self.is_told,
            **sums,
            "max_exposure": decimal_text(self.max_exposure),
            "reserve": decimal_text(self.reserve),
            "free_share": decimal_text(self.free_share),
            "exposure_left_usd": decimal_text(self.exposure_left_usd),
            "reserve_left_usd": decimal_text(self.reserve_left_usd),
            "shares": shares,
        }


def account_status(state: DeskState, book: RuleBook) -> AccountStatus | None:
    """How the account stands; None where the rules declare none."""
    portfolio = book.portfolio
    if portfolio is None:
        return None
    sums = sums_of(state, portfolio)
    open_usd = EXACT.subtract(sums.equity_usd, sums.invested_usd)
    return AccountStatus(
        state.account is not None and state.account.equity_usd is not None,
        sums,
        portfolio.max_exposure,
        portfolio.reserve,
        free_share(state, portfolio),
        EXACT.subtract(sums.largest_usd, sums.exposure_usd),
        EXACT.subtract(open_usd, sums.reserve_usd),
        tuple(_shares(state, book, portfolio, sums)),
    )


def _shares(
    state: DeskState, book: RuleBook, portfolio: Portfolio, sums: Sums
) -> Iterator[ShareStatus]:
    declared = {each.strategy: each.share for each in portfolio.allotments}
    for strategy in book.strategies:
        if strategy.runs:
            capital_usd = capital(state, strategy.id, sums.equity_usd)
            used_usd = capital_used(state, strategy.id)
            entry_usd = plan_of(book, strategy).notional_usd()
            yield ShareStatus(
                strategy.id,
                share_of(state, strategy.id),
                declared.get(strategy.id, Decimal(0)),
                capital_usd,
                used_usd,
                EXACT.subtract(capital_usd, used_usd),
                None if entry_usd is None else exact(entry_usd),
            )
