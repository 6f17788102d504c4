"""Each fault, seen by the real client over real sockets; the books stay the truth."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from mqd.brokers.practice.fault_kinds import EVERYWHERE, KINDS, REQUESTS
from mqd.brokers.practice.faults import FaultPlan
from mqd.brokers.practice.refusals import REASONS
from mqd.ground.errors import SettingsError

BUY = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
LIMIT = {"type": "limit", "limit_price": 90}


def impatient(exchange, timeout_s: float = 0.3):
    """The client's session with the timeout that it lacks."""
    send = exchange.orders._session.request
    exchange.orders._session.request = lambda *words, **named: send(
        *words, **named, timeout=timeout_s
    )
    return exchange.orders


def orders_of(exchange):
    return exchange.server.books()["orders"]


def test_every_kind_of_fault_has_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    assert not [kind for kind in KINDS if f'"{kind}"' not in source]


# ------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("booked", [True, False])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("no_answer", requests.exceptions.ReadTimeout),
        ("reset", requests.exceptions.ConnectionError),
        ("http_500", APIError),
        ("http_504", APIError),
        ("http_504_html", APIError),
        ("html_body", requests.exceptions.JSONDecodeError),
        ("garbage_body", requests.exceptions.JSONDecodeError),
    ],
)
def test_an_answer_goes_wrong_with_or_without_the_order(day, kind, error, booked):
    day.server.plan(kind=kind, request="submit", booked=booked)
    with pytest.raises(error) as caught:
        impatient(day).post("/orders", {**BUY, "client_order_id": "mine"})
    if kind.startswith("http_5"):
        assert caught.value.status_code == int(kind[5:8])
    assert [order["client_order_id"] for order in orders_of(day)] == ["mine"] * booked
    row = day.server.books()["requests"][-1]
    assert (row["fault"], json.loads(row["body"])["client_order_id"]) == (kind, "mine")
    if booked:
        with pytest.raises(APIError) as again:
            day.send(client_order_id="mine")
        assert again.value.code == 40010001
    else:
        assert day.send(client_order_id="mine")


def test_the_sdk_itself_sends_an_order_again_after_a_504(day, monkeypatch):
    """Why the adapter's client must not retry: without a client id there are two orders."""
    monkeypatch.setattr("alpaca.common.rest.time.sleep", lambda _seconds: None)
    day.server.plan(kind="http_504", request="submit")
    day.orders._retry = 1
    day.orders.post("/orders", BUY)
    assert len(orders_of(day)) == 2


def test_too_many_requests_say_how_long_to_wait(day):
    day.server.plan(kind="http_429", request="submit", seconds=2)
    with pytest.raises(APIError) as caught:
        day.send()
    assert caught.value.status_code == 429
    assert caught.value._http_error.response.headers["Retry-After"] == "2"
    assert orders_of(day) == []


def test_an_answer_may_be_slow(day):
    day.server.plan(kind="slow_answer", request="submit", seconds=0.3)
    before_s = time.monotonic()
    assert day.send()["status"] == "pending_new"
    assert time.monotonic() - before_s >= 0.3


def test_a_field_is_missing(day):
    day.server.plan(kind="missing_field", request="submit", field="client_order_id")
    assert "client_order_id" not in day.send()
    day.server.plan(kind="missing_field", request="account", field="cash")
    assert "cash" not in day.orders.get("/account")


def test_an_answer_has_a_status_that_nobody_knows(day):
    day.server.plan(kind="unknown_status", request="orders", word="quantum")
    day.send(**LIMIT)
    keys, url = day.server.keys, day.server.addresses.trading_url
    client: Any = TradingClient(keys.key_id, keys.secret, url_override=url)
    with pytest.raises(ValueError, match="status"):
        client.get_orders()
    assert client.get_orders()[0].status == "new", "once is enough"
    client._session.close()


def test_one_request_is_not_authorized(day):
    day.server.plan(kind="unauthorized", request="positions")
    with pytest.raises(APIError) as caught:
        day.orders.get("/positions")
    assert caught.value.status_code == 401
    assert day.orders.get("/positions") == []


# --------------------------------------------------------------------------------------- orders


def test_an_order_is_refused_for_a_reason(day):
    day.server.plan(kind="refused", reason="day_trading")
    with pytest.raises(APIError) as caught:
        day.send()
    assert (caught.value.status_code, caught.value.code) == (403, 40310100)
    assert orders_of(day) == []


def test_an_order_is_taken_and_rejected_after_that(day):
    news = day.trade_updates()
    day.server.plan(kind="rejected_later")
    order = day.send()
    assert order["status"] == "pending_new"
    assert news.events(2) == ["pending_new", "rejected"]
    assert day.status(order) == "rejected"


def test_an_order_trades_in_parts(day):
    news = day.trade_updates()
    day.server.plan(kind="partial_fill", part="0.4", bars=2)
    order = day.send(qty="10")
    assert day.status(order) == "partially_filled"
    day.step()
    assert day.status(order) == "partially_filled"
    day.step()
    assert news.events(3) == ["new", "partial_fill", "fill"]
    told = [(frame["data"]["qty"], frame["data"]["position_qty"]) for frame in news.frames[1:]]
    assert told == [("4", "4"), ("6", "10")]
    [last, first] = day.orders.get("/account/activities/FILL")
    assert [first["type"], first["leaves_qty"], first["cum_qty"]] == ["partial_fill", "6", "4"]
    assert [last["type"], last["leaves_qty"], last["cum_qty"]] == ["fill", "0", "10"]


def test_a_part_and_then_a_cancel(day):
    news = day.trade_updates()
    day.server.plan(kind="partial_fill", part="0.4", bars=9)
    order = day.send(qty="10")
    day.orders.delete(f"/orders/{order['id']}")
    assert news.events(4) == ["new", "partial_fill", "pending_cancel", "canceled"]
    assert news.frames[3]["data"]["order"]["filled_qty"] == "4"


def test_an_order_trades_bars_later(day):
    day.server.plan(kind="held_back", bars=2)
    order = day.send()
    day.step()
    assert day.status(order) == "new"
    day.step()
    assert day.status(order) == "filled"


def test_a_cancel_loses_to_a_fill(day):
    news = day.trade_updates()
    day.server.plan(kind="cancel_loses")
    order = day.send(**LIMIT)
    day.orders.delete(f"/orders/{order['id']}")
    assert news.events(3) == ["new", "pending_cancel", "fill"]
    assert day.status(order) == "filled"


@pytest.mark.parametrize(("part", "event"), [("1", "fill"), ("0.5", "partial_fill")])
def test_a_fill_comes_after_the_cancel(day, part, event):
    news = day.trade_updates()
    day.server.plan(kind="fill_after_cancel", part=part)
    order = day.send(**LIMIT, qty="2")
    day.orders.delete(f"/orders/{order['id']}")
    assert news.events(4) == ["new", "pending_cancel", "canceled", event]
    told = day.orders.get(f"/orders/{order['id']}")
    assert (told["status"], float(told["filled_qty"])) == ("canceled", 2 * float(part))
    assert float(day.server.books()["positions"]["SPY"]) == 2 * float(part)


def test_a_cancel_hangs_for_bars(day):
    day.server.plan(kind="cancel_hangs", bars=2)
    order = day.send(**LIMIT)
    day.orders.delete(f"/orders/{order['id']}")
    day.step()
    assert day.status(order) == "pending_cancel"
    with pytest.raises(APIError) as caught:
        day.orders.delete(f"/orders/{order['id']}")
    assert caught.value.message == "order pending cancel"
    day.step(2)
    assert day.status(order) == "canceled"


def test_a_part_that_trades_while_a_cancel_hangs_ends_no_cancel(practice):
    exchange = practice([practice.bar(0, 100), practice.bar(1, 89), practice.bar(2, 100)])
    exchange.step()
    exchange.server.plan(kind="cancel_hangs", bars=1)
    exchange.server.plan(kind="partial_fill", part="0.5", bars=9)
    order = exchange.send(**LIMIT, qty="2")
    exchange.orders.delete(f"/orders/{order['id']}")
    exchange.step()
    told = exchange.orders.get(f"/orders/{order['id']}")
    assert told["filled_qty"] == "1"
    exchange.step()
    news = exchange.orders.get(f"/orders/{order['id']}")
    assert (told["status"], news["status"]) == ("pending_cancel", "canceled")


def test_a_cancel_is_rejected(day):
    news = day.trade_updates()
    day.server.plan(kind="cancel_rejected")
    order = day.send(**LIMIT)
    day.orders.delete(f"/orders/{order['id']}")
    assert news.events(3) == ["new", "pending_cancel", "order_cancel_rejected"]
    assert day.status(order) == "new"


# ----------------------------------------------------------------------------------------- news


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("event_dropped", ["new", "new", "fill"]),
        ("event_duplicated", ["new", "fill", "fill", "new", "fill"]),
        ("event_reordered", ["new", "new", "fill", "fill"]),
    ],
)
def test_news_gets_lost_doubled_and_mixed_up(day, kind, told):
    news = day.trade_updates()
    day.server.plan(kind=kind, event="fill")
    first = day.send()
    day.send()
    assert news.events(len(told)) == told
    if kind == "event_reordered":
        assert news.frames[2]["data"]["order"]["id"] == first["id"], "right after the next one"
    assert len(day.server.books()["executions"]) == 2


def test_news_is_told_bars_later(day):
    news = day.trade_updates()
    day.server.plan(kind="event_delayed", event="fill", bars=2)
    day.send()
    day.step()
    assert news.events(1) == ["new"]
    day.step()
    assert news.events(2) == ["new", "fill"]


@pytest.mark.parametrize(
    ("kind", "words", "path", "value"),
    [
        ("event_unknown_word", {"word": "teleported"}, ("event",), "teleported"),
        ("event_unknown_status", {"word": "quantum"}, ("order", "status"), "quantum"),
        ("event_missing_field", {"field": "price"}, ("price",), None),
        ("event_missing_field", {"field": "order.filled_qty"}, ("order", "filled_qty"), None),
    ],
)
def test_news_is_not_as_it_should_be(day, kind, words, path, value):
    news = day.trade_updates()
    day.server.plan(kind=kind, event="fill", **words)
    day.send()
    found = news.wait(2)[1]["data"]
    for name in path[:-1]:
        found = found[name]
    assert found.get(path[-1]) == value


def test_news_is_no_json(day):
    """The SDK logs it and goes on: the frame is lost to whoever uses its handler."""
    news = day.trade_updates()
    day.server.plan(kind="event_not_json", event="new")
    day.send()
    assert news.events(1) == ["fill"]


# ----------------------------------------------------------------------------------------- bars


def closes(heard, count):
    return [(frame["T"], frame["c"]) for frame in heard.wait(count)]


@pytest.mark.parametrize(
    ("kind", "words", "told"),
    [
        ("bar_late", {"bars": 2}, [("b", 102), ("b", 103), ("b", 101), ("b", 104)]),
        ("bar_duplicated", {}, [("b", 101), ("b", 101), ("b", 102), ("b", 103), ("b", 104)]),
        ("bar_missing", {}, [("b", 102), ("b", 103), ("b", 104)]),
        ("bar_never", {}, [("b", 102), ("b", 103), ("b", 104)]),
        ("bar_absurd", {"field": "c", "value": -5}, [("b", -5), ("b", 102), ("b", 103)]),
        ("bar_updated", {}, [("b", 101), ("b", 102), ("u", 101.01), ("b", 103), ("b", 104)]),
    ],
)
def test_bars_go_wrong(practice, kind, words, told):
    exchange = practice([practice.bar(minute, 101.0 + minute) for minute in range(4)])
    heard = exchange.bars()
    exchange.server.plan(kind=kind, **words)
    exchange.step(4)
    assert closes(heard, len(told))[: len(told)] == told
    query = {"symbols": "SPY", "timeframe": "1Min"}
    had = [row["c"] for row in exchange.data.get("/stocks/bars", query)["bars"]["SPY"]]
    first = {"bar_never": [], "bar_updated": [101.01]}.get(kind, [101])
    assert had == [*first, 102, 103, 104], "REST tells the truth"


# -------------------------------------------------------------------------------------- moments


def test_a_stream_breaks_and_the_sdk_comes_back(day):
    news = day.trade_updates()
    day.server.plan(kind="stream_dropped", stream="trade_updates")
    assert not day.server.state()["trade_updates_heard"]
    day.send()
    until_s = time.monotonic() + 5
    while not day.server.state()["trade_updates_heard"] and time.monotonic() < until_s:
        time.sleep(0.02)
    day.send()
    assert news.events(2) == ["new", "fill"], "what happened meanwhile is gone"
    assert len(day.server.books()["executions"]) == 2


@pytest.mark.parametrize("stream", ["trade_updates", "bars"])
def test_a_stream_that_broke_may_stay_shut(day, practice, stream):
    heard = day.trade_updates() if stream == "trade_updates" else day.bars()
    heard.stream._reconnect_min_backoff = 0.05
    day.server.plan(kind="stream_dropped", stream=stream, seconds=0.6)
    before_s = time.monotonic()
    practice.wait_for(lambda: day.server.state()[f"{stream}_heard"])
    assert time.monotonic() - before_s >= 0.6


@pytest.mark.parametrize("stream", ["trade_updates", "bars"])
def test_a_stream_falls_silent_for_bars(day, stream):
    news, bars = day.trade_updates(), day.bars()
    day.server.plan(kind="stream_mute", stream=stream, bars=2)
    for _ in range(3):
        day.send()
        day.step()
    if stream == "bars":
        assert len(bars.wait(1)) == 1
        assert len(news.wait(6)) == 6
    else:
        assert len(bars.wait(3)) == 3
        assert len(news.wait(2)) == 2
    assert day.server.state()["bars_heard"]


def test_a_half_dead_stream_keeps_its_place(day):
    bars = day.bars()
    day.server.plan(kind="stream_half_dead", stream="bars", seconds=0.5)
    day.step(2)
    time.sleep(0.2)
    assert bars.frames == []
    bars.stream._websocket_params = {"ping_interval": None}
    bars.stream._loop.call_soon_threadsafe(bars.stream._ws.transport.abort)
    before_s = time.monotonic()
    until_s = before_s + 10
    while not bars.frames and time.monotonic() < until_s:
        time.sleep(0.05)
        day.server.step() if day.server.state()["bars_heard"] else None
    assert bars.frames, "it comes back when the place is free"


def test_half_dead_streams_answer_no_ping(practice):
    exchange = practice()
    news = exchange.trade_updates()
    assert news.ping(), "a live one does"
    exchange.server.plan(kind="stream_half_dead", stream="trade_updates")
    assert not news.ping()


def test_revoked_keys_open_nothing_until_they_are_restored(day):
    day.server.plan(kind="keys_revoked")
    for path in ("/account", "/orders"):
        with pytest.raises(APIError) as caught:
            day.orders.get(path)
        assert caught.value.status_code == 401
    day.server.plan(kind="keys_restored")
    assert day.orders.get("/account")


def test_a_halted_symbol_neither_trades_nor_has_bars(day):
    heard = day.bars()
    day.server.plan(kind="halt", symbol="SPY", bars=2)
    order = day.send()
    day.step(2)
    assert day.status(order) == "new"
    day.step()
    frames = heard.wait(3)
    assert [frame["T"] for frame in frames] == ["s", "s", "b"]
    assert [frame["sc"] for frame in frames[:2]] == ["H", "T"]
    assert day.status(order) == "filled"


def test_somebody_orders_by_hand(day):
    news = day.trade_updates()
    day.server.plan(kind="foreign_order", symbol="SPY", side="buy", qty="2")
    assert news.events(2) == ["new", "fill"]
    day.server.plan(kind="foreign_order", symbol="SPY", side="sell", type="limit", limit_price=120)
    [order] = day.orders.get("/orders")
    assert order["client_order_id"]
    assert day.orders.get("/positions/SPY")["qty"] == "2"


def test_shares_come_and_go_with_no_order(day):
    day.send(qty="2")
    day.server.plan(kind="position_drift", symbol="SPY", qty="-0.5")
    assert day.orders.get("/positions/SPY")["qty"] == "1.5"
    assert len(day.orders.get("/account/activities/FILL")) == 1


def test_the_account_and_the_assets_say_something_else(day):
    day.server.plan(kind="account_says", fields={"trading_blocked": True, "multiplier": None})
    told = day.orders.get("/account")
    assert told["trading_blocked"]
    assert "multiplier" not in told
    with pytest.raises(APIError) as caught:
        day.send()
    assert "not authorized to trade" in caught.value.message
    day.server.plan(kind="account_says", fields={"trading_blocked": False})
    for field, says in (("fractionable", "not fractionable"), ("tradable", "not tradable")):
        day.server.plan(kind="asset_says", symbol="SPY", fields={field: False})
        with pytest.raises(APIError) as caught:
            day.send(qty="0.5")
        assert says in caught.value.message


# ------------------------------------------------------------------------------------- the plan


def test_a_fault_happens_so_often_and_after_so_many_chances(practice):
    exchange = practice(faults=[{"kind": "http_500", "request": "account", "times": 2, "skip": 1}])

    def status():
        try:
            exchange.orders.get("/account")
        except APIError as error:
            return error.status_code
        return 200

    assert [status() for _ in range(5)] == [200, 500, 500, 200, 200]
    [told] = exchange.server.books()["faults"]
    assert told["happened"] == 2


def test_a_moment_waits_for_its_bar(day):
    day.server.plan(kind="position_drift", symbol="SPY", qty="3", skip=2)
    day.step(2)
    assert day.server.books()["positions"] == {}
    day.step()
    assert day.server.books()["positions"] == {"SPY": "3"}


def test_a_share_of_chances_repeats_with_its_seed():
    def happened(seed):
        plan = FaultPlan([{"kind": "event_dropped", "share": 0.3}], seed)
        return [plan.take("news", 0, event="fill") is not None for _ in range(200)]

    assert happened(1) == happened(1)
    assert happened(1) != happened(2)
    assert 30 < sum(happened(1)) < 90


def test_a_fault_keeps_to_its_time():
    plan = FaultPlan([
        {"kind": "bar_missing", "from": "1970-01-01T00:00:10Z", "until": "1970-01-01T00:00:20Z"}
    ])  # fmt: skip
    taken = [at_s for at_s in (5, 20, 15, 16) if plan.take("bar", at_s * 10**9, symbol="SPY")]
    assert taken == [15]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"kind": "http_503"}, "did you mean `http_50"),
        ({"kind": "http_504", "request": "submits"}, "did you mean `submit`"),
        ({"kind": "http_504", "sekonds": 3}, "no setting `sekonds`"),
        ({"kind": "refused", "reason": "mood"}, "no reason `mood`; known: buying_power"),
        ({"kind": "http_504", "share": 1.5}, "share is 1.5, expected 0 to 1"),
        ({"kind": "http_504", "times": "often"}, "times is 'often', expected a number"),
        ({"kind": "bar_late", "bars": "some"}, "bars is 'some', expected a number"),
        ({"kind": "stream_mute", "stream": "news"}, "no stream `news`"),
        ({"kind": "http_504", "from": "soon"}, "expected a time like"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(practice, words, says):
    with pytest.raises(SettingsError, match=says):
        FaultPlan([words])
    exchange = practice()
    answer = requests.post(f"{exchange.server.control_url}/faults", json=words, timeout=5)
    assert answer.status_code == 422
    assert says in answer.json()["message"]


def test_the_page_names_everything_that_can_be_planned():
    page = (Path(__file__).resolve().parents[2] / "docs/practice.md").read_text(encoding="utf-8")
    settings = {name for kind in KINDS.values() for name in (*kind.narrow, *kind.shape)}
    words = {*KINDS, *REASONS, *REQUESTS, *EVERYWHERE, *settings} - {"time_in_force"}
    assert not sorted(word for word in words if f"`{word}`" not in page)
