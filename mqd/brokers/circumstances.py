"""What an account and a symbol may not do for a while, in a world whose market is chance.

It has chance of its own: whether an account is restricted moves nothing else of a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mqd.brokers.books import EXACT, ZERO
from mqd.brokers.faults import Dice
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.command import SubmitOrder
from mqd.model.snapshot import AccountReport, SymbolProperties

RESTRICTED = "account_restricted"
SHORT_OF_POWER = "power_short"
NOT_TRADABLE = "not_tradable"
WHOLE_ONLY = "whole_only"
KINDS = (RESTRICTED, SHORT_OF_POWER, NOT_TRADABLE, WHOLE_ONLY)

_LEAST_MINUTES, _MOST_MINUTES = 2, 15
_LITTLE_USD = Decimal(100)
_PART, _WHOLE, _CENT = Decimal("1e-9"), Decimal(1), Decimal("0.01")

Refusal = tuple[str, str]


class Circumstances:
    """Which of `KINDS` is so now; each begins by chance and passes by itself."""

    def __init__(self, dice: Dice, symbols: Iterable[str] = ()) -> None:
        self.dice = dice
        self._symbols = tuple(symbols)
        self._until_ns: dict[str, int] = {}

    def pass_time(self, now_ns: int) -> None:
        """Something may begin; once all is calm nothing is so any more."""
        if self.dice.is_calm:
            self._until_ns.clear()
        for kind in KINDS:
            if not self._is(kind, now_ns) and self.dice.happens(kind):
                minutes = self.dice.roll(_LEAST_MINUTES, _MOST_MINUTES)
                self._until_ns[kind] = now_ns + minutes * NS_PER_MINUTE

    def refusal(
        self, order: SubmitOrder, now_ns: int, power_usd: Decimal, price: Decimal
    ) -> Refusal | None:
        """Why the broker would not take the order now, or None."""
        if self._is(RESTRICTED, now_ns):
            return "403", "account is not authorized to trade"
        if self._is(NOT_TRADABLE, now_ns):
            return "422", f'asset "{order.symbol}" is not tradable'
        if order.side == "sell":
            return None
        if self._is(WHOLE_ONLY, now_ns) and order.qty % _WHOLE:
            return "403", f'asset "{order.symbol}" is not fractionable'
        if EXACT.multiply(order.qty, price) > self._power_usd(now_ns, power_usd):
            return "403", "insufficient buying power"
        return None

    def account(self, now_ns: int, power_usd: Decimal, equity_usd: Decimal) -> AccountReport:
        """What the account says of itself."""
        power_usd = self._power_usd(now_ns, power_usd)
        return AccountReport(power_usd, equity_usd, self._is(RESTRICTED, now_ns))

    def symbols(self, now_ns: int) -> tuple[SymbolProperties, ...]:
        """What the broker says of the symbols."""
        is_whole, is_tradable = self._is(WHOLE_ONLY, now_ns), not self._is(NOT_TRADABLE, now_ns)
        lot_qty = _WHOLE if is_whole else _PART
        return tuple(
            SymbolProperties(symbol, now_ns, is_tradable, not is_whole, lot_qty, _CENT)
            for symbol in self._symbols
        )

    def _power_usd(self, now_ns: int, power_usd: Decimal) -> Decimal:
        at_most_usd = min(power_usd, _LITTLE_USD) if self._is(SHORT_OF_POWER, now_ns) else power_usd
        return max(at_most_usd, ZERO)

    def _is(self, kind: str, now_ns: int) -> bool:
        return now_ns < self._until_ns.get(kind, 0)
