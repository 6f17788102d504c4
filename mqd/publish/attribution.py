"""Whose result each trade was: the idea's or the execution's, in which market, and how it failed.

Everything follows from the journal: what was decided at which price, what it was filled at, and
what the rules call that. Prices that were decided on make the signal's quality; how far the fills
were from them makes the execution's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.order import Order
from mqd.model.position import AVERAGE, ZERO
from mqd.publish.figures import PERCENTS, nearest_rank
from mqd.publish.risk import TradeRisk, mean
from mqd.publish.tables import trade_row

UNDECLARED = "undeclared"
"""Of a trade whose rules do not say whose result it is: those of an older journal."""
_SIX = Decimal("0.000001")


class TradeAttribution(NamedTuple):
    """One finished trade; slippage is USD a share, positive where it cost something.

    `tag` is the code of what ended it, `counts_as` whose result that is, `regime` the market's at
    its entry, `failures` the failure regimes that it is a case of. A price that was decided on is
    None where no order of the desk was behind it.
    """

    risk: TradeRisk
    tag: str
    counts_as: str
    regime: str
    entry_decided: Decimal | None
    exit_decided: Decimal | None
    sign: int
    failures: tuple[str, ...]

    @property
    def entry_slippage(self) -> Decimal | None:
        """How much worse than decided the entry was filled."""
        price = self.risk.trade.entry_price
        return None if self.entry_decided is None else (price - self.entry_decided) * self.sign

    @property
    def exit_slippage(self) -> Decimal | None:
        """How much worse than decided the exit was filled."""
        price = self.risk.trade.exit_price
        return None if self.exit_decided is None else (self.exit_decided - price) * self.sign

    @property
    def slippage_usd(self) -> Decimal | None:
        """What both together cost."""
        if self.entry_slippage is None or self.exit_slippage is None:
            return None
        return (self.entry_slippage + self.exit_slippage) * self.risk.trade.qty

    @property
    def signal_usd(self) -> Decimal | None:
        """What the trade would have made at the prices that it was decided at, without costs."""
        if self.entry_decided is None or self.exit_decided is None:
            return None
        return (self.exit_decided - self.entry_decided) * self.sign * self.risk.trade.qty

    @property
    def signal_quality(self) -> Decimal | None:
        """(exit - entry) / entry, at the prices that were decided on."""
        if self.entry_decided is None or self.exit_decided is None:
            return None
        gained = (self.exit_decided - self.entry_decided) * self.sign
        return AVERAGE.divide(gained, self.entry_decided).quantize(_SIX)

    @property
    def execution_quality(self) -> Decimal | None:
        """The slippage of entry and exit as a share of the price decided on; below 0 is a cost."""
        if self.entry_decided is None or self.entry_slippage is None or self.exit_slippage is None:
            return None
        lost = self.entry_slippage + self.exit_slippage
        return AVERAGE.divide(ZERO - lost, self.entry_decided).quantize(_SIX) + ZERO

    @property
    def beyond_stop(self) -> Decimal | None:
        """How many USD a share a stopped trade was sold beyond its planned stop."""
        stop = self.risk.stop_loss
        if stop is None or not self.risk.is_stopped:
            return None
        return max(ZERO, (stop - self.risk.trade.exit_price) * self.sign)

    def tags_json(self) -> dict[str, Any]:
        """What the trade is filed under, for a program."""
        return {
            "tag": self.tag, "counts_as": self.counts_as, "regime": self.regime,
            "failure_regimes": list(self.failures),
        }  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The trade for a program: exact numbers as text."""
        names = (
            "entry_decided", "exit_decided", "entry_slippage", "exit_slippage", "slippage_usd",
            "signal_usd", "signal_quality", "execution_quality", "beyond_stop",
        )  # fmt: skip
        risk = self.risk
        return trade_row(risk.trade) | self.tags_json() | {
            **{name: _text(getattr(self, name)) for name in names},
            "planned_stop": _text(risk.stop_loss), "planned_risk": _text(risk.planned_usd),
            "lost": _text(risk.lost_usd), "beyond_plan": _text(risk.beyond_usd),
        }  # fmt: skip


class EndedEntry(NamedTuple):
    """An entry order that ended without all of its shares, and how it is known to fail."""

    order: Order
    failures: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The order for a program."""
        order = self.order
        return {
            "order_id": order.client_order_id, "strategy": order.strategy, "symbol": order.symbol,
            "created": iso_utc(order.created_ns), "ended": iso_utc(order.updated_ns),
            "state": order.state, "qty": _text(order.qty), "filled_qty": _text(order.filled_qty),
            "decided": _text(order.reference_price), "failure_regimes": list(self.failures),
        }  # fmt: skip


class Group(NamedTuple):
    """Trades that share something; money is exact, what is not known of a trade counts as none."""

    name: str
    trades: int
    won: int
    pnl_usd: Decimal
    signal_usd: Decimal
    slippage_usd: Decimal

    def to_json(self) -> dict[str, Any]:
        """The group for a program."""
        return {key: _text(value) for key, value in self._asdict().items()}


class Spread(NamedTuple):
    """What losing trades lost as a multiple of what they planned to; None where there are none."""

    losing: int
    over_plan: int
    mean: Decimal | None
    percentiles: tuple[tuple[int, Decimal], ...]
    worst: Decimal | None

    def to_json(self) -> dict[str, Any]:
        """The spread for a program."""
        return {
            "losing": self.losing, "over_plan": self.over_plan, "mean": _text(self.mean),
            **{f"p{percent}": _text(value) for percent, value in self.percentiles},
            "worst": _text(self.worst),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttributionReport:
    """All finished trades of a journal, and the entries that ended short of their shares."""

    journal: str
    trades: tuple[TradeAttribution, ...]
    entries: tuple[EndedEntry, ...]

    @property
    def by_kind(self) -> tuple[Group, ...]:
        """Trading results apart from those of execution, and of people."""
        return _grouped((item.counts_as, item) for item in self.trades)

    @property
    def by_tag(self) -> tuple[Group, ...]:
        """By what ended them."""
        return _grouped((item.tag, item) for item in self.trades)

    @property
    def by_regime(self) -> tuple[Group, ...]:
        """By the regime of the market at the entry."""
        return _grouped((item.regime, item) for item in self.trades)

    @property
    def by_strategy(self) -> tuple[Group, ...]:
        """By strategy."""
        return _grouped((item.risk.trade.strategy, item) for item in self.trades)

    @property
    def by_failure(self) -> tuple[Group, ...]:
        """By failure regime; a trade may be a case of several."""
        return _grouped((code, item) for item in self.trades for code in item.failures)

    @property
    def risk(self) -> Spread:
        """Planned risk against realised loss."""
        losing = [item.risk for item in self.trades if item.risk.lost_usd]
        shares = sorted(share for item in losing if (share := item.of_plan) is not None)
        places = range(len(shares))
        return Spread(
            losing=len(losing),
            over_plan=sum(bool(item.beyond_usd) for item in losing),
            mean=_rounded(mean(shares)),
            percentiles=tuple(
                (percent, shares[nearest_rank(places, percent)].quantize(_SIX))
                for percent in PERCENTS if shares
            ),
            worst=_rounded(max(shares, default=None)),
        )  # fmt: skip

    @property
    def beyond_stop_usd(self) -> Decimal:
        """What stopped trades lost beyond their planned stops, all together."""
        return sum(((item.beyond_stop or ZERO) * item.risk.trade.qty for item in self.trades), ZERO)

    def to_json(self) -> dict[str, Any]:
        """The report for a program."""
        groups = ("by_kind", "by_tag", "by_regime", "by_strategy", "by_failure")
        return {
            "journal": self.journal,
            **{name: [group.to_json() for group in getattr(self, name)] for name in groups},
            "realised_of_planned_risk": self.risk.to_json(),
            "beyond_stop": _text(self.beyond_stop_usd),
            "trades": [item.to_json() for item in self.trades],
            "entries_ended_short": [item.to_json() for item in self.entries],
        }


def _grouped(items: Iterable[tuple[str, TradeAttribution]]) -> tuple[Group, ...]:
    found: dict[str, list[TradeAttribution]] = {}
    for name, item in items:
        found.setdefault(name, []).append(item)
    return tuple(_group(name, found[name]) for name in sorted(found))


def _group(name: str, items: list[TradeAttribution]) -> Group:
    pnl = [item.risk.trade.pnl_usd for item in items]
    return Group(
        name, len(items), sum(value > 0 for value in pnl), sum(pnl, ZERO),
        sum((item.signal_usd or ZERO for item in items), ZERO),
        sum((item.slippage_usd or ZERO for item in items), ZERO),
    )  # fmt: skip


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_SIX)


def _text(value: Any) -> Any:
    return decimal_text(value) if isinstance(value, Decimal) else value
