from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession
from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest, StockLatestBarRequest
from alpaca.data.timeframe import TimeFrame


def starts(rows):
    return [row["t"] for row in rows]


def test_the_sdks_own_models_read_bars(practice):
    exchange = practice([practice.bar(0, 100, 101, 99.5, 100.25), practice.bar(1, 100)])
    exchange.step()
    keys, url = exchange.server.keys, exchange.server.addresses.data_url
    client = StockHistoricalDataClient(keys.key_id, keys.secret, url_override=url)
    request = StockBarsRequest(
        symbol_or_symbols=["SPY", "QQQ"], timeframe=TimeFrame.Minute,
        start=datetime(2024, 10, 7, 13, 0), end=datetime(2024, 10, 7, 20, 0),  # noqa: DTZ001  # the SDK takes it as UTC
    )  # fmt: skip
    found = client.get_stock_bars(request)
    [bar] = found.data["SPY"]
    assert (bar.open, bar.high, bar.low, bar.close) == (100, 101, 99.5, 100.25)
    assert bar.timestamp == datetime(2024, 10, 7, 13, 30, tzinfo=UTC)
    assert "QQQ" not in found.data
    latest = client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="SPY"))
    assert latest["SPY"].close == 100.25
    client._session.close()


def test_pages_of_bars_hold_symbol_after_symbol(practice):
    bars = [practice.bar(m, 100 + m, symbol=name) for m in range(3) for name in ("QQQ", "SPY")]
    exchange = practice(bars)
    exchange.step(6)
    query = {"symbols": "SPY,QQQ", "timeframe": "1Min", "limit": 2}
    pages, token = [], "first"
    while token:
        page = exchange.data.get("/stocks/bars", query)
        pages.append({name: len(rows) for name, rows in page["bars"].items()})
        token = query["page_token"] = page["next_page_token"]
    assert pages == [{"QQQ": 2}, {"QQQ": 1, "SPY": 1}, {"SPY": 2}]


def test_bars_between_two_times_both_included(practice):
    exchange = practice(practice.flat_day(10))
    exchange.step(10)
    query = {
        "symbols": "SPY", "timeframe": "1Min", "sort": "desc",
        "start": "2024-10-07T13:32:00Z", "end": "2024-10-07T09:34:00-04:00",
    }  # fmt: skip
    told = exchange.data.get("/stocks/bars", query)["bars"]["SPY"]
    assert starts(told) == [f"2024-10-07T13:{minute}:00Z" for minute in (34, 33, 32)]
    assert exchange.data.get("/stocks/bars", {**query, "symbols": "QQQ"})["bars"] == {}


def test_history_is_there_before_the_day_begins(practice):
    history = practice.flat_day(5, opens="2024-10-04T13:30:00Z", price=90.0)
    exchange = practice(practice.flat_day(3), history=history)
    query = {"symbols": "SPY", "timeframe": "1Min", "start": "2024-10-01"}
    assert len(exchange.data.get("/stocks/bars", query)["bars"]["SPY"]) == 5
    exchange.step()
    assert len(exchange.data.get("/stocks/bars", query)["bars"]["SPY"]) == 6


@pytest.mark.parametrize(
    ("words", "status"),
    [({"feed": "sip"}, 403), ({"timeframe": "1Day"}, 400), ({"limit": 10_001}, 400)],
)
def test_what_the_data_of_this_account_does_not_hold_is_refused(day, words, status):
    with pytest.raises(APIError) as caught:
        day.data.get("/stocks/bars", {"symbols": "SPY", "timeframe": "1Min", **words})
    assert caught.value.status_code == status


def test_bars_come_in_msgpack_as_they_close(practice):
    exchange = practice([practice.bar(0, 100, 101, 99.5, 100.25), practice.bar(1, 100)])
    heard = exchange.bars()
    exchange.step()
    [bar] = heard.wait(1)
    assert (bar["T"], bar["S"], bar["c"], bar["v"]) == ("b", "SPY", 100.25, 1000)
    assert bar["t"].to_unix_nano() == 1_728_307_800_000_000_000
    exchange.step()
    assert [each["c"] for each in heard.wait(2)] == [100.25, 100]


def test_the_sdk_casts_a_streamed_bar(practice):
    exchange = practice()
    keys, url = exchange.server.keys, exchange.server.addresses.data_stream_url
    stream = StockDataStream(keys.key_id, keys.secret, url_override=url)
    heard = practice.listen(stream)
    stream.subscribe_bars(heard.take, "*")
    heard.start(lambda: exchange.server.state()["bars_heard"])
    exchange.step()
    assert heard.wait(1)[0].timestamp == datetime(2024, 10, 7, 13, 30, tzinfo=UTC)


async def _talk(url, *messages, headers=None):
    """What a plain JSON client hears."""
    async with ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        heard = [await socket.receive_json(timeout=5)]
        for message in messages:
            await socket.send_json(message)
            heard.append(await socket.receive_json(timeout=5))
        return heard


def test_a_client_may_talk_json_and_is_told_what_it_does_wrong(practice):
    exchange = practice()
    url, keys = exchange.server.addresses.data_stream_url, exchange.server.keys
    auth = {"action": "auth", "key": keys.key_id, "secret": keys.secret}
    told = asyncio.run(
        _talk(url, {"action": "dance"}, auth, auth, {"action": "subscribe", "bars": ["SPY"]})
    )
    assert [each[0].get("code", each[0].get("msg")) for each in told[:4]] == [
        "connected", 400, "authenticated", 403,
    ]  # fmt: skip
    assert told[4][0]["bars"] == ["SPY"]
    wrong = asyncio.run(_talk(url, {**auth, "secret": "wrong"}))
    assert wrong[1][0] == {"T": "error", "code": 402, "msg": "auth failed"}
    early = asyncio.run(_talk(url, {"action": "subscribe", "bars": ["SPY"]}))
    assert early[1][0]["code"] == 401


def test_an_account_has_one_data_connection(practice):
    exchange = practice()
    exchange.bars()
    url, keys = exchange.server.addresses.data_stream_url, exchange.server.keys
    auth = {"action": "auth", "key": keys.key_id, "secret": keys.secret}
    assert asyncio.run(_talk(url, auth))[1][0]["code"] == 406

    async def then() -> str:
        async with ClientSession() as session, session.ws_connect(url) as socket:
            await socket.receive_json(timeout=5)
            await socket.send_json(auth)
            await socket.receive_json(timeout=5)
            return (await socket.receive(timeout=5)).type.name

    assert asyncio.run(then()) == "CLOSE", "who is told so has to go"


async def _trade_talk(url, *messages):
    async with ClientSession() as session, session.ws_connect(url) as socket:
        heard = []
        for message in messages:
            await socket.send_json(message)
            frame = await socket.receive(timeout=5)
            heard.append((frame.type.name, frame.json()))
        return heard


def test_trade_updates_talk_json_in_binary_frames(practice):
    exchange = practice()
    url, keys = exchange.server.addresses.trade_stream_url, exchange.server.keys
    listen = {"action": "listen", "data": {"streams": ["trade_updates"]}}
    auth = {"action": "authenticate", "data": {"key_id": keys.key_id, "secret_key": keys.secret}}
    wrong = {"action": "authenticate", "data": {"key_id": keys.key_id, "secret_key": "wrong"}}
    told = asyncio.run(_trade_talk(url, listen, wrong, auth, listen))
    assert {kind for kind, _ in told} == {"BINARY"}
    assert [message["data"].get("status") for _, message in told[:3]] == [
        "unauthorized", "unauthorized", "authorized",
    ]  # fmt: skip
    assert told[3][1] == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    assert not exchange.server.state()["trade_updates_heard"], "it has left"


def test_who_listens_to_something_else_hears_nothing(practice):
    exchange = practice()
    url, keys = exchange.server.addresses.trade_stream_url, exchange.server.keys

    async def listen() -> tuple[object, bool]:
        data = {"key_id": keys.key_id, "secret_key": keys.secret}
        async with ClientSession() as session, session.ws_connect(url) as socket:
            await socket.send_json({"action": "authenticate", "data": data})
            await socket.receive()
            await socket.send_json({"action": "listen", "data": {"streams": ["news"]}})
            told = (await socket.receive()).json()
            return told["data"]["streams"], exchange.server.state()["trade_updates_heard"]

    assert asyncio.run(listen()) == ([], False)
