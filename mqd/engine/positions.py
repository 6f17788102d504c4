"""Positions, and how shares that are bought or sold change one: exact, and the same everywhere."""

from __future__ import annotations

from decimal import ROUND_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from mqd.model.position import ZERO, Position

# The caller's own decimal context (its precision, its rounding) changes nothing here. Even `-x`
# and `abs(x)` round to it, which is why this floor says `copy_negate` and `copy_abs`.
EXACT = Context(prec=2_000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
_ROUNDED = Context(prec=2_000, traps=[InvalidOperation, Overflow, DivisionByZero])
_COST_STEP = Decimal("1e-12")  # USD; below what any price times any quantity can mean
BUY = "buy"
SELL = "sell"


class PositionStore:
    """One position per strategy and symbol; changed by the ledger only, together with the fill."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str], Position] = {}

    def get(self, strategy: str, symbol: str) -> Position:
        """The position, flat when nothing was ever bought."""
        found = self._positions.get((strategy, symbol))
        return Position(strategy, symbol) if found is None else found

    def upsert(self, position: Position) -> None:
        """Replace the position of this strategy and symbol."""
        key = (position.strategy, position.symbol)
        if position.is_open:
            self._positions[key] = position
        else:
            self._positions.pop(key, None)

    def open_positions(self) -> list[Position]:
        """Every position that holds shares, by strategy and symbol."""
        return [self._positions[key] for key in sorted(self._positions)]

    def held(self, symbol: str) -> Decimal:
        """Shares of a symbol over all strategies."""
        total = ZERO
        for position in self._positions.values():
            if position.symbol == symbol:
                total = EXACT.add(total, position.qty)
        return total

    def open_qty(self, symbol: str) -> Decimal:
        """Shares open in a symbol; what one holds and another sold short is not nothing."""
        total = ZERO
        for position in self._positions.values():
            if position.symbol == symbol:
                total = EXACT.add(total, position.qty.copy_abs())
        return total

    def fork(self) -> PositionStore:
        """An independent copy."""
        other = PositionStore()
        other._positions = dict(self._positions)
        return other


def quotient(amount: Decimal, divisor: Decimal, step: Decimal) -> Decimal:
    """The amount divided, to the nearest `step`."""
    return _ROUNDED.divide(amount, divisor).quantize(step, context=_ROUNDED)


def share_of(part: Decimal, whole: Decimal, step: Decimal) -> Decimal:
    """The part as a share of the whole, to the next `step` up: beyond a limit stays beyond it."""
    return _ROUNDED.divide(part, whole).quantize(step, rounding=ROUND_UP, context=_ROUNDED)


def closing_qty(position: Position, side: str, qty: Decimal) -> Decimal:
    """How many of `qty` shares on this side close what is open; the rest opens."""
    against = position.is_open and (position.qty < 0) == (side == BUY)
    return min(qty, position.qty.copy_abs()) if against else ZERO


def reduced(position: Position, closing: Decimal) -> Position:
    """The position with `closing` shares less; they take their share of its cost with them."""
    signed = closing if position.qty > 0 else closing.copy_negate()
    qty = EXACT.subtract(position.qty, signed)
    gone_usd = position.cost_usd
    if qty:
        gone_usd = quotient(EXACT.multiply(position.cost_usd, signed), position.qty, _COST_STEP)
    return position._replace(qty=qty, cost_usd=EXACT.subtract(position.cost_usd, gone_usd))


def increased(
    position: Position, side: str, opening: Decimal, price: Decimal, at_ns: int
) -> Position:
    """The position with `opening` shares more on its side, bought or sold short at `price`."""
    signed = opening if side == BUY else opening.copy_negate()
    return position._replace(
        qty=EXACT.add(position.qty, signed),
        cost_usd=EXACT.add(position.cost_usd, EXACT.multiply(signed, price)),
        opened_ns=position.opened_ns if position.is_open else at_ns,
    )
