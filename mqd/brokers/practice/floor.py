"""The parts of one practice exchange, as those who drive it need them together."""

from __future__ import annotations

from typing import NamedTuple

from mqd.brokers.practice.bar_stream import BarStream
from mqd.brokers.practice.desk_orders import OrderDesk
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.gate import Gate
from mqd.brokers.practice.happenings import Happenings
from mqd.brokers.practice.trade_stream import TradeStream


class Floor(NamedTuple):
    """Everything that works at the exchange, but for time."""

    exchange: Exchange
    desk: OrderDesk
    gate: Gate
    trades: TradeStream
    prices: BarStream
    happenings: Happenings
