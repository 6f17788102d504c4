"""Which orders an account may send: its shares, its cash, its other orders."""

from __future__ import annotations

from decimal import Decimal

from mqd.brokers.practice import orders as book
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.orders import PracticeOrder
from mqd.brokers.practice.refusals import Refusal, forbidden, not_found, unprocessable
from mqd.brokers.practice.tickets import LEGS, Ticket
from mqd.brokers.practice.wire import Json, asset_id, asset_json


class OrderChecks:
    """Refuses what Alpaca would refuse, with its words."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def asset(self, symbol: str) -> Json:
        """The asset of this symbol or asset id.

        Raises:
            Refusal: there is none.
        """
        for known in self._exchange.market.bars:
            if symbol in {known, asset_id(known)}:
                return {**asset_json(known), **self._exchange.asset_says.get(known, {})}
        raise not_found(f"asset not found for {symbol}")

    def refuse(self, ticket: Ticket) -> None:
        """Let an order pass, or say no.

        Raises:
            Refusal: the asset, the account, the shares or the cash do not allow it.
        """
        try:
            asset = self.asset(ticket.symbol)
        except Refusal:
            raise unprocessable(f'asset "{ticket.symbol}" not found') from None
        said = self._exchange.account_says
        if said.get("trading_blocked") or said.get("account_blocked"):
            raise forbidden("account is not authorized to trade")
        if not asset["tradable"] or asset["status"] != "active":
            raise unprocessable(f'asset "{ticket.symbol}" is not tradable')
        if ticket.is_fractional and not asset["fractionable"]:
            raise forbidden(f'asset "{ticket.symbol}" is not fractionable')
        if not LEGS[ticket.order_class]:
            self._refuse_wash_trade(ticket)
        last = self._exchange.market.price(ticket.symbol)
        if ticket.side == "sell":
            self._check_sell(ticket, last)
        else:
            self._check_buy(ticket, last)

    def _check_sell(self, ticket: Ticket, last: Decimal) -> None:
        books = self._exchange.books
        if ticket.type == "stop" and ticket.stop_price and ticket.stop_price >= last:
            raise unprocessable("stop price must be less than current price")
        qty = ticket.qty
        if qty is None:
            qty = (ticket.notional or last) / last if last else book.ZERO
        held, claimed = books.position(ticket.symbol), books.held_for_orders(ticket.symbol)
        available = held - claimed
        if qty <= available:
            return
        if held <= 0:
            if ticket.is_fractional:
                raise unprocessable("fractional orders cannot be sold short")
            raise forbidden("account is not allowed to short")
        raise forbidden(
            f"insufficient qty available for order (requested: {qty}, available: {available})",
            available=str(available), existing_qty=str(held), held_for_orders=str(claimed),
            symbol=ticket.symbol,
            related_orders=[
                order.id for order in books.working.values()
                if order.symbol == ticket.symbol and order.side == "sell"
            ],
        )  # fmt: skip

    def _check_buy(self, ticket: Ticket, last: Decimal) -> None:
        if ticket.type == "stop" and ticket.stop_price and ticket.stop_price <= last:
            raise unprocessable("stop price must be greater than current price")
        buying_power = self.buying_power_usd()
        at = ticket.limit_price or ticket.stop_price or last
        cost_usd = ticket.notional if ticket.qty is None else ticket.qty * at
        if cost_usd is not None and cost_usd > buying_power:
            raise forbidden(
                "insufficient buying power",
                buying_power=str(buying_power), cost_basis=str(cost_usd),
            )  # fmt: skip

    def buying_power_usd(self) -> Decimal:
        """Cash that no working buy has claimed."""
        exchange = self._exchange
        prices = {symbol: exchange.market.price(symbol) for symbol in exchange.market.bars}
        return exchange.books.cash_usd - exchange.books.reserved_usd(prices)

    def _refuse_wash_trade(self, ticket: Ticket) -> None:
        for other in self._exchange.books.working.values():
            if other.symbol != ticket.symbol or other.side == ticket.side:
                continue
            if other.status == book.HELD:
                continue
            if ticket.side == "sell" and not self._exchange.books.position(ticket.symbol):
                raise forbidden("cannot open a short sell while a long buy order is open")
            kind = "limit" if other.type == "limit" else "market/stop"
            if kind == "limit" and not _crosses(ticket, other):
                continue
            raise forbidden(
                "potential wash trade detected. use complex orders",
                existing_order_id=other.id, reject_reason=f"opposite side {kind} order exists",
            )  # fmt: skip


def _crosses(ticket: Ticket, other: PracticeOrder) -> bool:
    if ticket.type != "limit" or ticket.limit_price is None or other.limit_price is None:
        return True
    if ticket.side == "buy":
        return ticket.limit_price >= other.limit_price
    return ticket.limit_price <= other.limit_price
