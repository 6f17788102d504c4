"""What happens by itself: streams that break, keys that are revoked, halts, somebody's orders."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from mqd.brokers.practice.access import Access
from mqd.brokers.practice.bar_stream import BarStream
from mqd.brokers.practice.desk_orders import OrderDesk
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.faults import Fault
from mqd.brokers.practice.trade_stream import TRADE_UPDATES, TradeStream


class Happenings:
    """Lets planned moments come to pass."""

    def __init__(
        self,
        exchange: Exchange,
        desk: OrderDesk,
        access: Access,
        trades: TradeStream,
        prices: BarStream,
    ) -> None:
        self._exchange = exchange
        self._desk = desk
        self._access = access
        self._trades = trades
        self._prices = prices

    def happen(self, fault: Fault, symbol: str) -> None:
        """One moment; `symbol` is meant where the plan names none."""
        shape = fault.shape
        named = str(shape.get("symbol") or symbol)
        match fault.kind:
            case "stream_dropped" | "stream_mute" | "stream_half_dead":
                self._break_stream(fault.kind, shape)
            case "keys_revoked" | "keys_restored":
                self._access.is_revoked = fault.kind == "keys_revoked"
            case "halt":
                self._exchange.halted[named] = int(shape["bars"])
                self._prices.tell_status(named, is_halted=True)
            case "foreign_order":
                wanted = ("side", "qty", "type", "limit_price", "time_in_force")
                body = {name: shape[name] for name in wanted if shape[name] is not None}
                self._desk.submit({**body, "symbol": named})
            case "position_drift":
                price = self._exchange.market.price(named)
                self._exchange.books.move(named, Decimal(str(shape["qty"])), price)
            case "account_says":
                self._exchange.account_says.update(_fields(shape["fields"]))
            case "asset_says":
                self._exchange.asset_says.setdefault(named, {}).update(_fields(shape["fields"]))

    def _break_stream(self, kind: str, shape: dict[str, Any]) -> None:
        stream: TradeStream | BarStream = self._prices
        if shape["stream"] == TRADE_UPDATES:
            stream = self._trades
        if kind == "stream_mute":
            stream.mute(int(shape["bars"]))
            return
        if float(shape["seconds"]):
            stream.keep_out(float(shape["seconds"]))
        for connection in list(stream.connections):
            if kind == "stream_half_dead":
                connection.is_half_dead = True
            else:
                connection.drop()


def _fields(written: Any) -> dict[str, Any]:
    found = json.loads(written) if isinstance(written, str) else written
    return dict(found or {})
