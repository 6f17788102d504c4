"""The shadow ledger: what protections kept out, and what it would have made or cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.ground.canonical import decimal_text
from mqd.model.position import ZERO, Trade
from mqd.publish.tables import trade_row


class ShadowTrade(NamedTuple):
    """A trade that was not made: the entry that `protections` refused, followed to its end.

    `is_postponed` where the strategy entered after all before the end of this one, once nothing
    blocked it any more.
    """

    trade: Trade
    protections: tuple[str, ...]
    is_postponed: bool

    def to_json(self) -> dict[str, Any]:
        """The trade for a program."""
        return trade_row(self.trade) | {
            "protections": list(self.protections), "postponed": self.is_postponed,
        }  # fmt: skip


class Blocked(NamedTuple):
    """What one protection kept out; money in USD, net of costs, exact.

    `bars` are decisions that it stood in the way of, whether or not anybody wanted in; `wishes`
    those on which a strategy wanted in. `trades` are the entries that came of them, each followed
    once: `alone` are those that no other protection blocked as well.
    """

    protection: str
    bars: int
    wishes: int
    trades: int
    won: int
    pnl_usd: Decimal
    alone: int
    alone_usd: Decimal
    postponed: int

    def to_json(self) -> dict[str, Any]:
        """The row for a program."""
        return {
            "protection": self.protection, "bars": self.bars, "wishes": self.wishes,
            "trades": self.trades, "won": self.won, "pnl": decimal_text(self.pnl_usd),
            "alone": self.alone, "alone_pnl": decimal_text(self.alone_usd),
            "postponed": self.postponed,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """Every protection that can block, and the trades that were not made, in order of entry.

    A trade that several blocked counts with each of them, and once in the sum. `stopped` are
    those that could not be followed, because their copy of the desk stopped.
    """

    rows: tuple[Blocked, ...]
    trades: tuple[ShadowTrade, ...]
    stopped: int = 0

    @property
    def pnl_usd(self) -> Decimal:
        """What all blocked trades together would have made."""
        return total_usd(self.trades)

    def to_json(self) -> dict[str, Any]:
        """The ledger for a program."""
        return {
            "blocked": [row.to_json() for row in self.rows],
            "trades": [item.to_json() for item in self.trades],
            "pnl": decimal_text(self.pnl_usd),
            "stopped": self.stopped,
        }


def total_usd(trades: Iterable[ShadowTrade]) -> Decimal:
    """What these trades would have made together, exact."""
    return sum((item.trade.pnl_usd for item in trades), ZERO)


def blocked_by(protection: str, bars: int, wishes: int, trades: Iterable[ShadowTrade]) -> Blocked:
    """The row of one protection, from all trades that were not made."""
    own = [item for item in trades if protection in item.protections]
    alone = [item for item in own if len(item.protections) == 1]
    return Blocked(
        protection, bars, wishes, len(own), sum(item.trade.pnl_usd > 0 for item in own),
        total_usd(own), len(alone), total_usd(alone), sum(item.is_postponed for item in own),
    )  # fmt: skip
