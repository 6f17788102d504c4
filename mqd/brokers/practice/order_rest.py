"""The trading API, first part: orders and positions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from aiohttp import web

from mqd.brokers.practice import orders as book
from mqd.brokers.practice.answers import answered, count_of, instant_of, json_of
from mqd.brokers.practice.desk_orders import OrderDesk
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.refusals import Refusal, malformed, not_found
from mqd.brokers.practice.wire import Json, asset_id, order_json, position_json

_MOST_ORDERS = 500


class OrderApi:
    """The routes of orders and positions."""

    def __init__(self, exchange: Exchange, desk: OrderDesk) -> None:
        self._exchange = exchange
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Every route; its name up to the point is what a planned fault calls the request."""
        return [
            web.post("/v2/orders", self.submit, name="submit"),
            web.get("/v2/orders", self.orders, name="orders"),
            web.delete("/v2/orders", self.cancel_all, name="cancel_all"),
            web.get("/v2/orders:by_client_order_id", self.by_client_id, name="order.client"),
            web.get("/v2/orders/{id}", self.order, name="order"),
            web.delete("/v2/orders/{id}", self.cancel, name="cancel"),
            web.patch("/v2/orders/{id}", self.replace, name="replace"),
            web.get("/v2/positions", self.positions, name="positions"),
            web.delete("/v2/positions", self.close_all, name="close.all"),
            web.get("/v2/positions/{symbol}", self.position, name="positions.one"),
            web.delete("/v2/positions/{symbol}", self.close, name="close"),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """Take one order."""
        return answered(self._desk.submit(await json_of(request)))

    async def orders(self, request: web.Request) -> web.Response:
        """The orders that fit: open ones, the newest 50, unless more is asked for."""
        query = request.query
        limit = count_of(query.get("limit"), 50, _MOST_ORDERS)
        status = query.get("status", "open")
        if status not in {"open", "closed", "all"}:
            raise malformed(f"invalid status: {status}")
        after_ns, until_ns = instant_of(query, "after"), instant_of(query, "until")
        symbols = set(filter(None, query.get("symbols", "").split(",")))
        found = [
            order
            for order in self._exchange.books.orders.values()
            if (status == "all" or order.is_open == (status == "open"))
            and (not symbols or order.symbol in symbols)
            and query.get("side", order.side) == order.side
            and (after_ns is None or order.submitted_ns > after_ns)
            and (until_ns is None or order.submitted_ns < until_ns)
        ]
        is_nested = query.get("nested", "").lower() == "true"
        if is_nested:
            found = [order for order in found if order.parent is None]
        found.sort(key=lambda order: order.submitted_ns, reverse=query.get("direction") != "asc")
        return answered([order_json(order, nested=is_nested) for order in found[:limit]])

    async def order(self, request: web.Request) -> web.Response:
        """One order by Alpaca's id."""
        return answered(order_json(self._desk.order(request.match_info["id"])))

    async def by_client_id(self, request: web.Request) -> web.Response:
        """One order by the client's id."""
        wanted = request.query.get("client_order_id", "")
        found = self._exchange.books.by_client_id.get(wanted)
        if found is None:
            raise not_found(f"order not found for {wanted}")
        return answered(order_json(found))

    async def cancel(self, request: web.Request) -> web.Response:
        """Ask for one order back."""
        self._desk.cancel(self._desk.order(request.match_info["id"]))
        asyncio.get_running_loop().call_soon(self._desk.settle)  # the result is news, and soon
        return web.Response(status=204)

    async def cancel_all(self, request: web.Request) -> web.Response:
        """Ask for every order back."""
        working = list(self._exchange.books.working.values())
        told = [{"id": each.id, **_tried(partial(self._desk.cancel, each))} for each in working]
        return answered(told, 207)

    async def replace(self, request: web.Request) -> web.Response:
        """Put another order in an order's place."""
        body = await json_of(request)
        return answered(self._desk.replace(self._desk.order(request.match_info["id"]), body))

    def _position(self, symbol: str) -> Json:
        books, market = self._exchange.books, self._exchange.market
        return position_json(
            symbol, books.position(symbol), books.available_qty(symbol), books.cost_usd[symbol],
            market.price(symbol), market.price_before(symbol),
        )  # fmt: skip

    def _held(self, wanted: str) -> str:
        for symbol in self._exchange.books.qty:
            if wanted in {symbol, asset_id(symbol)}:
                return symbol
        raise not_found("position does not exist")

    async def positions(self, request: web.Request) -> web.Response:
        """Every position."""
        return answered([self._position(symbol) for symbol in self._exchange.books.qty])

    async def position(self, request: web.Request) -> web.Response:
        """The position in one symbol or asset."""
        return answered(self._position(self._held(request.match_info["symbol"])))

    async def close(self, request: web.Request) -> web.Response:
        """Sell one position, or a part of it."""
        symbol = self._held(request.match_info["symbol"])
        qty, percentage = request.query.get("qty"), request.query.get("percentage")
        wanted = None if qty is None else Decimal(qty)
        if percentage is not None:
            held = self._exchange.books.position(symbol)
            wanted = (held * Decimal(percentage) / 100).quantize(book.SMALLEST_QTY)
        return answered(self._desk.close(symbol, wanted))

    async def close_all(self, request: web.Request) -> web.Response:
        """Sell every position, after all orders were asked back if that is wanted."""
        if request.query.get("cancel_orders", "").lower() == "true":
            for order in list(self._exchange.books.working.values()):
                _tried(partial(self._desk.cancel, order))
            self._desk.settle()
        told = [
            {"symbol": symbol, **_tried(partial(self._desk.close, symbol))}
            for symbol in list(self._exchange.books.qty)
        ]
        return answered(told, 207)


def _tried(act: Callable[[], Json | None]) -> Json:
    """The status of one act among several, with what it answered."""
    try:
        body = act()
    except Refusal as refusal:
        return {"status": refusal.status, "body": refusal.body}
    return {"status": 200} if body is None else {"status": 200, "body": body}
