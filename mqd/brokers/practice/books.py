"""The truth about one practice account: orders, executions, positions, cash; all exact."""

from __future__ import annotations

from decimal import Decimal

from mqd.brokers.practice.orders import EXACT, HELD, ZERO, Execution, PracticeOrder


class Books:
    """One account; `orders` are all there ever were, by id, in the order of their taking.

    `cost_usd` of a position is what its open shares cost; a sale takes its share of that away.
    """

    def __init__(self, cash_usd: Decimal) -> None:
        self.cash_usd = cash_usd
        self.orders: dict[str, PracticeOrder] = {}
        self.by_client_id: dict[str, PracticeOrder] = {}
        self.working: dict[str, PracticeOrder] = {}
        self.executions: list[Execution] = []
        self.qty: dict[str, Decimal] = {}
        self.cost_usd: dict[str, Decimal] = {}

    def take(self, order: PracticeOrder) -> None:
        """Book an order that works from now on."""
        self.orders[order.id] = self.working[order.id] = order
        self.by_client_id[order.client_order_id] = order

    def end(self, order: PracticeOrder) -> None:
        """An order works no more."""
        self.working.pop(order.id, None)

    def position(self, symbol: str) -> Decimal:
        """Shares held of `symbol`."""
        return self.qty.get(symbol, ZERO)

    def held_for_orders(self, symbol: str) -> Decimal:
        """Shares that working sells have claimed; the orders of one family share theirs."""
        claims: dict[str, Decimal] = {}
        for order in self.working.values():
            if order.symbol == symbol and order.side == "sell" and order.status != HELD:
                family = (order.parent or order).id
                claim = order.remaining_qty(None)
                claims[family] = max(claims.get(family, ZERO), claim)
        return sum(claims.values(), ZERO)

    def available_qty(self, symbol: str) -> Decimal:
        """Shares held that no working sell has claimed."""
        return self.position(symbol) - self.held_for_orders(symbol)

    def reserved_usd(self, prices: dict[str, Decimal]) -> Decimal:
        """What the working buys may still cost."""
        found = ZERO
        for order in self.working.values():
            if order.side == "buy":
                price = order.limit_price or order.stop_price or prices.get(order.symbol, ZERO)
                left_usd = order.notional or order.remaining_qty(None) * price
                found += left_usd
        return found

    def fill(
        self, order: PracticeOrder, qty: Decimal, price: Decimal, at_ns: int, execution_id: str
    ) -> Execution:
        """Trade `qty` shares of an order at `price`: order, position and cash follow."""
        order.filled_qty = EXACT.add(order.filled_qty, qty)
        order.filled_usd = EXACT.add(order.filled_usd, EXACT.multiply(qty, price))
        self.move(order.symbol, EXACT.multiply(qty, order.sign), price)
        self.cash_usd = EXACT.subtract(
            self.cash_usd, EXACT.multiply(EXACT.multiply(qty, order.sign), price)
        )
        execution = Execution(
            execution_id, order.id, order.client_order_id, order.symbol, order.side, qty, price,
            at_ns, order.filled_qty, order.remaining_qty(price), self.position(order.symbol),
            order.status,
        )  # fmt: skip
        self.executions.append(execution)
        return execution

    def move(self, symbol: str, signed_qty: Decimal, price: Decimal) -> None:
        """Let shares come (or go, negative) at `price`; no cash moves."""
        held, cost_usd = self.position(symbol), self.cost_usd.get(symbol, ZERO)
        qty = EXACT.add(held, signed_qty)
        if held and (held > 0) == (signed_qty > 0):
            cost_usd = EXACT.add(cost_usd, EXACT.multiply(signed_qty, price))
        elif held and (held > 0) == (qty > 0):
            cost_usd = (cost_usd * qty / held).normalize()
        else:
            cost_usd = EXACT.multiply(qty, price)
        self.qty[symbol], self.cost_usd[symbol] = qty, cost_usd
        if not qty:
            del self.qty[symbol], self.cost_usd[symbol]
