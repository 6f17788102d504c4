"""Alpaca's data stream as a wire: alpaca-py's `StockDataStream` connects, shows the keys, asks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from mqd.feeds.alpaca_bars.reading import Message, MisreadError, messages_of
from mqd.ports.account import Keys
from mqd.rules.watching import BrokerRequests
from mqd.streams.alpaca import SdkWire, websocket_params
from mqd.streams.connection import Frame
from mqd.streams.refusals import ConnectionDropped, KeysRefused, NotPermitted, PlaceTaken

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports websockets' legacy client
    from alpaca.data.enums import DataFeed
    from alpaca.data.live.stock import StockDataStream

_REFUSALS: dict[int, type[Exception]] = {
    401: KeysRefused,  # not authenticated
    402: KeysRefused,  # auth failed
    405: NotPermitted,  # symbol limit exceeded
    406: PlaceTaken,  # connection limit exceeded
    409: NotPermitted,  # insufficient subscription
    410: NotPermitted,  # invalid subscribe action for this feed
}


class BarsWire(SdkWire):
    """The bars and the updated bars of some symbols."""

    def __init__(
        self,
        symbols: Sequence[str],
        keys: Keys,
        address: str,
        requests: BrokerRequests,
        feed: str,
    ) -> None:
        self._symbols = frozenset(symbols)
        self._data = StockDataStream(
            keys.key_id,
            keys.secret,
            raw_data=True,
            feed=DataFeed(feed),
            url_override=address,
            websocket_params=websocket_params(requests),
        )
        for channel in ("bars", "updatedBars"):  # the handlers are never called, only counted
            self._data._handlers[channel] = dict.fromkeys(symbols, _nobody)  # noqa: SLF001  # pinned
        super().__init__(self._data, keys, requests)

    async def _ask(self) -> None:
        await self._data._send_subscribe_msg()  # noqa: SLF001  # pinned by a contract test

    def _is_yes(self, frame: Frame) -> bool:
        for message in _messages(frame):
            bars = message.get("bars")
            if message.get("T") == "subscription" and isinstance(bars, list):
                return self._symbols <= {each for each in bars if isinstance(each, str)}
        return False

    def _refusal(self, frame: Frame) -> Exception | None:
        for message in _messages(frame):
            if message.get("T") == "error":
                code = message.get("code")
                kind = _REFUSALS.get(code, ConnectionDropped) if isinstance(code, int) else None
                said = self.without_keys(f"bars: {code} {message.get('msg')}")
                return (kind or ConnectionDropped)(said)
        return None


def _messages(frame: Frame) -> list[Message]:
    try:
        return messages_of(frame)
    except MisreadError:
        return []


async def _nobody(_message: object) -> None:
    """A handler that the SDK wants before it asks for a stream."""
