"""What each trade planned to lose, and what it lost: a plan is a promise only where it is measured.

A stop is looked at on bar closes, so a stopped trade may lose more than it planned. That is not
hidden: the planned risk stands beside the realised loss, trade by trade and in the mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from mqd.model.order import ENTRY, Order
from mqd.model.position import AVERAGE, ZERO, Trade
from mqd.rules.book import RuleBook
from mqd.rules.expressions.ir import names

ENTRY_PRICE = "position.entry_price"
STOP_PRICE = "held.stop_price"


class TradeRisk(NamedTuple):
    """One trade; `planned_usd` is None where no entry with a planned stop is known."""

    trade: Trade
    stop_loss: Decimal | None
    planned_usd: Decimal | None
    is_stopped: bool

    @property
    def lost_usd(self) -> Decimal:
        """What it lost; nothing for a trade that won."""
        return max(ZERO, -self.trade.pnl_usd)

    @property
    def beyond_usd(self) -> Decimal | None:
        """What it lost beyond its plan: 0 where it kept to it, None where no plan is known."""
        return None if self.planned_usd is None else max(ZERO, self.lost_usd - self.planned_usd)

    @property
    def of_plan(self) -> Decimal | None:
        """The loss as a multiple of the planned risk."""
        if self.planned_usd is None or self.planned_usd <= 0:
            return None
        return AVERAGE.divide(self.lost_usd, self.planned_usd)


class StoppedTrades(NamedTuple):
    """The losing trades that a stop ended, against their plans; None where there are none."""

    trades: int
    over_plan: int
    mean_loss_usd: Decimal | None
    worst_loss_usd: Decimal | None
    mean_of_plan: Decimal | None
    worst_of_plan: Decimal | None


def stop_codes(book: RuleBook) -> frozenset[str]:
    """The exits that look back at the entry price, and what a stop at the broker leads to."""
    of_broker = frozenset(
        row.condition.code
        for row in book.position_watch.rows
        if row.at is not None or any(name.name == STOP_PRICE for name in names(row.condition.when))
    )
    return of_broker | frozenset(
        rule.code
        for strategy in book.strategies
        for rule in strategy.exits
        if any(name.name == ENTRY_PRICE for name in names(rule.when))
    )


def risks(
    trades: Iterable[Trade], orders: Mapping[str, Order], stops: frozenset[str]
) -> tuple[TradeRisk, ...]:
    """Every trade with the plan of the entry order that opened it."""
    entries: dict[tuple[str, str], list[Order]] = defaultdict(list)
    for order in sorted(orders.values(), key=attrgetter("created_ns")):
        if order.role == ENTRY and order.filled_qty:
            entries[order.strategy, order.symbol].append(order)
    return tuple(_risk(trade, entries[trade.strategy, trade.symbol], stops) for trade in trades)


def stopped_trades(found: Iterable[TradeRisk]) -> StoppedTrades:
    """What the stopped trades lost together."""
    stopped = [item for item in found if item.is_stopped]
    losses = [item.lost_usd for item in stopped]
    shares = [share for item in stopped if (share := item.of_plan) is not None]
    return StoppedTrades(
        trades=len(stopped),
        over_plan=sum(bool(item.beyond_usd) for item in stopped),
        mean_loss_usd=mean(losses),
        worst_loss_usd=max(losses, default=None),
        mean_of_plan=mean(shares),
        worst_of_plan=max(shares, default=None),
    )


def mean(values: Sequence[Decimal]) -> Decimal | None:
    """The average, or None of nothing."""
    return AVERAGE.divide(sum(values, ZERO), Decimal(len(values))) if values else None


def _risk(trade: Trade, entries: list[Order], stops: frozenset[str]) -> TradeRisk:
    place = bisect_right(entries, trade.entry_ns, key=attrgetter("created_ns"))
    stop = entries[place - 1].stop_loss if place else None
    planned = None if stop is None else trade.qty * (trade.entry_price - stop)
    is_stopped = trade.exit_reason in stops and trade.pnl_usd < 0
    return TradeRisk(trade, stop, planned, is_stopped)
