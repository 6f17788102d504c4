"""What we lean on in alpaca-py and websockets, private names too; other releases fail here."""

from __future__ import annotations

import asyncio
import inspect
import warnings

import pytest

from mqd.feeds.alpaca_bars.history import BarHistory
from mqd.feeds.alpaca_bars.wire import BarsWire
from mqd.streams.alpaca import websocket_params

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.rest import RESTClient
    from alpaca.data.live.websocket import DataStream
    from alpaca.trading.stream import TradingStream
    from websockets.legacy.client import Connect

STREAMS = pytest.mark.parametrize("stream", [TradingStream, DataStream])


@STREAMS
@pytest.mark.parametrize("name", ["_connect", "_auth", "close"])
def test_a_stream_connects_shows_keys_and_closes_in_steps_of_its_own(stream, name) -> None:
    method = getattr(stream, name)
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters) == ["self"]


@STREAMS
def test_a_stream_keeps_its_connection_where_we_read_it(stream) -> None:
    source = inspect.getsource(stream)
    assert "self._ws = await websockets_legacy.connect(" in source
    assert "self._ws = None" in inspect.getsource(stream.close)
    assert "self._websocket_params = websocket_params" in source  # replaced as a whole


def test_each_stream_asks_where_it_has_a_handler() -> None:
    assert inspect.iscoroutinefunction(TradingStream._subscribe_trade_updates)
    assert "self._trade_updates_handler" in inspect.getsource(
        TradingStream._subscribe_trade_updates
    )
    assert inspect.iscoroutinefunction(DataStream._send_subscribe_msg)
    assert "self._handlers" in inspect.getsource(DataStream._send_subscribe_msg)


def test_the_channels_of_bars_have_these_names(stream_requests, stream_keys) -> None:
    data = BarsWire(("SPY",), stream_keys, "ws://127.0.0.1:1", stream_requests, "iex")._data
    assert {name for name, handlers in data._handlers.items() if handlers} == {
        "bars",
        "updatedBars",
    }
    plain = DataStream("ws://127.0.0.1:1", "key", "secret")
    assert {"bars", "updatedBars"} <= set(plain._handlers)


def test_connecting_takes_each_of_our_parameters(stream_requests) -> None:
    taken = set(inspect.signature(Connect.__init__).parameters)
    assert set(websocket_params(stream_requests)) <= taken


@pytest.mark.case(4, 74)
@pytest.mark.rule("read_timeout")
def test_the_client_of_the_history_asks_once_with_our_session_and_our_patience(
    rest_server, stream_requests, stream_keys, hand_clock
) -> None:
    history = BarHistory(stream_keys, rest_server.url, stream_requests, hand_clock, "iex")
    client = history._client
    assert client._session is history._session
    assert (client._retry, client._retry_codes) == (0, [])
    source = inspect.getsource(RESTClient)
    assert "self._session.request(method, url, **opts)" in source
    assert "while retry >= 0" in source
    rest_server.is_slow_s = 1.0
    with pytest.raises(Exception, match="ReadTimeout"):
        history.page(("SPY",), 0, 60)
    rest_server.is_slow_s = 0.0
    rest_server.failures = [(504, "", {}), (429, "{}", {})]
    before = len(rest_server.asked)
    for _ in range(2):
        with pytest.raises(Exception, match="HTTP"):
            history.page(("SPY",), 0, 60)
    assert len(rest_server.asked) == before + 2
    assert rest_server.headers[0]["APCA-API-KEY-ID"] == stream_keys.key_id


def test_the_loop_of_the_sdk_is_none_of_ours(trade_server, stream_requests, stream_keys) -> None:
    """Why it is not: it tries refused keys again and again and tells nobody."""
    sdk = TradingStream("PKTEST", "wrong", url_override=trade_server.url)
    sdk._reconnect_min_backoff = sdk._reconnect_max_backoff = 0.02

    async def handler(_message: object) -> None: ...

    async def try_it() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await sdk._run_forever()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # how it looks at a handler, from 3.14
        sdk.subscribe_trade_updates(handler)
    asyncio.run(try_it())
    assert trade_server.connected > 3
