from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)

TUESDAY = "2024-10-08T13:30:00Z"
HALF_DAY = "2024-11-29T14:30:00Z"


def refused(send, *words, **named):
    with pytest.raises(APIError) as caught:
        send(*words, **named)
    return caught.value


def test_the_sdks_own_models_read_every_answer(day):
    keys, url = day.server.keys, day.server.addresses.trading_url
    client: Any = TradingClient(keys.key_id, keys.secret, url_override=url)
    sent = client.submit_order(
        MarketOrderRequest(
            symbol="SPY", qty=0.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY,
            client_order_id="mine",
        )
    )  # fmt: skip
    assert sent.status is OrderStatus.PENDING_NEW
    assert client.get_order_by_client_id("mine").status is OrderStatus.FILLED
    assert client.get_order_by_id(sent.id).filled_avg_price == "100"
    assert client.get_all_positions()[0].qty == "0.5"
    assert client.get_open_position("SPY").symbol == "SPY"
    assert client.get_account().cash == "99950"
    assert client.get_clock().is_open
    assert client.get_asset("SPY").fractionable
    assert [asset.symbol for asset in client.get_all_assets()] == ["SPY"]
    assert client.get_account_configurations().no_shorting
    resting = client.submit_order(
        LimitOrderRequest(
            symbol="SPY", qty=1, limit_price=90, side=OrderSide.BUY, time_in_force=TimeInForce.GTC
        )
    )
    moved = client.replace_order_by_id(resting.id, ReplaceOrderRequest(limit_price=91))
    assert moved.replaces == resting.id
    assert client.get_orders(GetOrdersRequest(symbols=["SPY"]))[0].limit_price == "91"
    assert client.cancel_orders()[0].status == 200
    assert client.close_position("SPY").side is OrderSide.SELL
    assert client.get_all_positions() == []
    client._session.close()


def test_a_market_order_trades_at_the_last_close_at_once(practice):
    exchange = practice([practice.bar(0, 100, 101, 99, 100.37), practice.bar(1, 120)])
    exchange.step()
    assert exchange.send(qty="0.123456789")["status"] == "pending_new"
    books = exchange.server.books()
    [execution] = books["executions"]
    assert execution["price"] == "100.37"
    assert execution["at"] == "2024-10-07T13:31:00Z"
    assert Decimal(books["cash"]) == 100_000 - Decimal("0.123456789") * Decimal("100.37")
    assert books["positions"] == {"SPY": "0.123456789"}


def test_an_order_for_dollars_buys_what_they_buy(practice):
    exchange = practice([practice.bar(0, 300)])
    exchange.step()
    order = exchange.send(notional="100")
    assert order["qty"] is None
    told = exchange.orders.get(f"/orders/{order['id']}")
    assert (told["status"], told["filled_qty"]) == ("filled", "0.333333333")


def test_an_order_before_the_open_waits_for_the_first_bar(practice):
    exchange = practice([practice.bar(0, 101, 102, 99, 100)])
    order = exchange.send()
    assert order["status"] == "accepted"
    exchange.step()
    assert exchange.orders.get(f"/orders/{order['id']}")["filled_avg_price"] == "101"


RESTING: dict[str, Any] = {
    "a limit buy in the range": ({"type": "limit", "limit_price": 99}, (100, 100, 98, 98.5), "99"),
    "a limit buy below the open": ({"type": "limit", "limit_price": 99}, (97, 98, 96, 97), "97"),
    "a limit buy out of reach": ({"type": "limit", "limit_price": 95}, (97, 98, 96, 97), None),
    "a limit buy at the market": ({"type": "limit", "limit_price": 101}, None, "100"),
    "a stop buy": ({"type": "stop", "stop_price": 103}, (100, 104, 100, 101), "103"),
    "a stop buy over a gap": ({"type": "stop", "stop_price": 103}, (105, 106, 104, 105), "105"),
    "a stop buy out of reach": ({"type": "stop", "stop_price": 109}, (105, 106, 104, 105), None),
    "a stop limit": (
        {"type": "stop_limit", "stop_price": 103, "limit_price": 104},
        (105, 106, 103.5, 105),
        "104",
    ),
    "a stop limit that is jumped over": (
        {"type": "stop_limit", "stop_price": 103, "limit_price": 104},
        (105, 106, 104.5, 105),
        None,
    ),
}


@pytest.mark.parametrize("name", RESTING)
def test_what_rests_trades_against_the_range_of_the_next_bar(practice, name):
    words, next_bar, price = RESTING[name]
    bars = [practice.bar(0, 100)] + ([practice.bar(1, *next_bar)] if next_bar else [])
    exchange = practice(bars)
    exchange.step()
    order = exchange.send(**words)
    exchange.step()
    assert exchange.orders.get(f"/orders/{order['id']}")["filled_avg_price"] == price


@pytest.mark.parametrize(
    ("words", "prices", "price"),
    [
        ({"type": "limit", "limit_price": 101}, (100, 102, 100, 100), "101"),
        ({"type": "stop", "stop_price": 98}, (99, 99, 97, 97), "98"),
        ({"type": "stop", "stop_price": 98}, (96, 97, 95, 96), "96"),
    ],
)
def test_a_sell_that_rests_protects_a_position(practice, words, prices, price):
    exchange = practice([practice.bar(0, 100), practice.bar(1, *prices)])
    exchange.step()
    exchange.send()
    order = exchange.send(side="sell", **words)
    exchange.step()
    assert exchange.orders.get(f"/orders/{order['id']}")["filled_avg_price"] == price
    assert exchange.orders.get("/positions") == []


def test_what_cannot_trade_at_once_is_canceled_if_it_must(day):
    order = day.send(type="limit", limit_price=90, time_in_force="ioc")
    assert day.status(order) == "canceled"


def test_a_day_order_expires_at_the_close_and_a_lasting_one_does_not(practice):
    bars = [
        practice.bar(209, 100, opens=HALF_DAY),
        practice.bar(0, 100, opens="2024-12-02T14:30:00Z"),
    ]
    exchange = practice(bars)
    news = exchange.trade_updates()
    exchange.step()
    today = exchange.send(type="limit", limit_price=90)
    lasting = exchange.send(type="limit", limit_price=90, time_in_force="gtc")
    assert today["expires_at"] == "2024-11-29T18:00:00Z"
    exchange.step()
    assert (exchange.status(today), exchange.status(lasting)) == ("expired", "new")
    assert news.events(3) == ["new", "new", "expired"]


def test_an_order_on_the_last_bar_still_trades_at_its_close(practice):
    exchange = practice([practice.bar(389, 100), practice.bar(0, 200, opens=TUESDAY)])
    exchange.step()
    order = exchange.send()
    assert exchange.orders.get(f"/orders/{order['id']}")["filled_avg_price"] == "100"


def test_more_than_500_orders_are_found_page_by_page(practice):
    exchange = practice(most_requests_per_minute=10_000)
    exchange.step()
    sent = [exchange.send(type="limit", limit_price=90, qty="0.1")["id"] for _ in range(520)]
    assert len(exchange.orders.get("/orders")) == 50
    assert refused(exchange.orders.get, "/orders", {"limit": 501}).status_code == 422
    newest = exchange.orders.get("/orders", {"limit": 500})
    assert [order["id"] for order in newest] == sent[:-501:-1]
    found: list[str] = []
    query = {"limit": 500, "direction": "asc", "status": "all"}
    while page := exchange.orders.get("/orders", query):
        found += [order["id"] for order in page]
        query["after"] = page[-1]["submitted_at"]
    assert found == sent


def test_the_list_of_orders_keeps_to_what_is_asked(practice):
    bars = [practice.bar(0, 100, symbol=symbol) for symbol in ("QQQ", "SPY")]
    exchange = practice(bars)
    exchange.step(2)
    filled = exchange.send()["id"]
    other = exchange.send(symbol="QQQ", type="limit", limit_price=90)
    open_ = exchange.send(type="limit", limit_price=90)

    def ids(**query):
        return {order["id"] for order in exchange.orders.get("/orders", query)}

    assert ids() == {other["id"], open_["id"]}
    assert ids(status="closed") == {filled}
    assert ids(status="all", symbols="QQQ") == {other["id"]}
    assert ids(status="all", until=other["submitted_at"]) == {filled}
    assert ids(status="all", after=other["submitted_at"]) == {open_["id"]}
    assert ids(status="all", side="sell") == set()


def test_a_cancel_is_a_request_and_its_result_is_news(day):
    news = day.trade_updates()
    order = day.send(type="limit", limit_price=90)
    assert day.orders.delete(f"/orders/{order['id']}") is None
    assert news.events(3) == ["new", "pending_cancel", "canceled"]
    assert day.orders.delete(f"/orders/{order['id']}") is None, "canceled already: fine"


def test_a_cancel_of_what_has_traded_is_refused(day):
    error = refused(day.orders.delete, f"/orders/{day.send()['id']}")
    assert (error.status_code, error.code) == (422, 42210000)
    assert error.message == 'order is already in "filled" state'


def test_cancelling_everything_tells_the_status_of_each(day):
    first = day.send(type="limit", limit_price=90)
    second = day.send(type="limit", limit_price=91)
    told = day.orders.delete("/orders")
    assert {row["id"]: row["status"] for row in told} == {first["id"]: 200, second["id"]: 200}
    assert day.orders.get("/orders") == []


def test_replacing_makes_a_new_order_and_tells_of_the_old_one(day):
    news = day.trade_updates()
    old = day.send(type="limit", limit_price=90, qty="2")
    new = day.orders.patch(f"/orders/{old['id']}", {"limit_price": "91", "qty": "3"})
    assert (new["replaces"], new["qty"], new["limit_price"]) == (old["id"], "3", "91")
    assert news.events(3) == ["new", "replaced", "new"]
    assert news.frames[1]["data"]["order"]["replaced_by"] == new["id"]
    fractional = day.send(type="limit", limit_price=90, qty="0.5")
    assert refused(day.orders.patch, f"/orders/{fractional['id']}", {"qty": "1"}).status_code == 422


def test_a_client_order_id_is_unique_for_ever(day):
    order = day.send(client_order_id="once", type="limit", limit_price=90)
    day.orders.delete(f"/orders/{order['id']}")
    error = refused(day.send, client_order_id="once")
    assert (error.status_code, error.code) == (422, 40010001)
    assert error.message == "client_order_id must be unique"
    assert len(day.orders.get("/orders", {"status": "all"})) == 1


@pytest.mark.parametrize(
    "path", ["/orders/00000000-0000-0000-0000-000000000000", "/orders:by_client_order_id?x=1"]
)
def test_an_order_that_is_not_there_is_not_found(day, path):
    error = refused(day.orders.get, path)
    assert (error.status_code, error.code) == (404, 40410000)


def test_closing_a_position_makes_an_order_with_an_id_of_the_exchange(day):
    mine = day.send(qty="4", client_order_id="mine")
    part = day.orders.delete("/positions/SPY", {"percentage": "25"})
    assert (part["qty"], part["side"]) == ("1", "sell")
    assert part["client_order_id"] != mine["client_order_id"]
    [row] = day.orders.delete("/positions")
    assert (row["symbol"], row["status"], row["body"]["qty"]) == ("SPY", 200, "3")
    assert refused(day.orders.delete, "/positions/SPY").code == 40410000


REFUSALS: dict[str, Any] = {
    "no qty": ({"qty": None}, 422, 40010001, "qty or notional is required"),
    "both": ({"qty": 1, "notional": 5}, 422, 40010001, "only one of qty or notional"),
    "zero": ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
    "no number": ({"qty": "many"}, 422, 40010001, "not a number"),
    "ten decimals": ({"qty": "0.1234567891"}, 422, 42210000, "9 decimal places"),
    "no such side": ({"side": "hold"}, 422, 40010001, "invalid side"),
    "no such type": ({"type": "trailing_stop"}, 422, 40010001, "invalid type"),
    "no limit": ({"type": "limit"}, 422, 40010001, "limit orders requires limit price"),
    "sub-penny": ({"type": "limit", "limit_price": 99.123}, 422, 42210000, "sub-penny increment"),
    "float noise": (
        {"type": "limit", "limit_price": 0.1 + 0.2}, 422, 42210000, "9 decimal places",
    ),
    "fractional gtc": (
        {"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY",
    ),
    "fractional bracket": (
        {
            "qty": "0.5", "order_class": "bracket",
            "take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90},
        },
        422, 42210000, "fractional orders must be simple",
    ),
    "no such asset": ({"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
    "too dear": ({"qty": "5000"}, 403, 40310000, "insufficient buying power"),
    "short": ({"side": "sell"}, 403, 40310000, "account is not allowed to short"),
    "fractional short": (
        {"side": "sell", "qty": "0.5"}, 422, 42210000, "fractional orders cannot be sold short",
    ),
    "long id": ({"client_order_id": "x" * 129}, 422, 40010001, "128 characters"),
    "stop on the wrong side": (
        {"type": "stop", "stop_price": 99}, 422, 42210000, "stop price must be greater",
    ),
    "extended market": ({"extended_hours": True}, 422, 42210000, "must be DAY limit orders"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_carry_alpacas_codes_and_words(day, name):
    words, status, code, says = REFUSALS[name]
    error = refused(day.send, **words)
    assert (error.status_code, error.code) == (status, code)
    assert says in error.message
    assert day.server.books()["orders"] == []


def test_shares_that_another_order_holds_cannot_be_sold(day):
    day.send(qty="3")
    stop = day.send(side="sell", qty="2", type="stop", stop_price=95)
    error = refused(day.send, side="sell", qty="2")
    assert (error.status_code, error.code) == (403, 40310000)
    assert "insufficient qty available for order (requested: 2, available: 1)" in error.message
    assert day.orders.get("/positions/SPY")["qty_available"] == "1"
    day.orders.delete(f"/orders/{stop['id']}")
    assert day.send(side="sell", qty="2")["status"] == "pending_new"


def test_a_buy_beside_a_protective_stop_is_a_wash_trade(day):
    day.send(qty="1")
    stop = day.send(side="sell", type="stop", stop_price=95)
    error = refused(day.send)
    assert error.status_code == 403
    assert "potential wash trade" in error.message
    assert stop["id"] in str(error)


def test_limits_that_do_not_cross_are_no_wash_trade(day):
    day.send(qty="1")
    day.send(side="sell", type="limit", limit_price=110)
    assert day.send(type="limit", limit_price=90)["status"] == "pending_new"
    assert refused(day.send).status_code == 403


def test_an_exit_before_its_entry_has_traded_is_a_short(day):
    day.send(type="limit", limit_price=90)
    error = refused(day.send, side="sell")
    assert "cannot open a short sell while a long buy order is open" in error.message


BRACKET: dict[str, Any] = {
    "order_class": "bracket",
    "take_profit": {"limit_price": 110},
    "stop_loss": {"stop_price": 95},
}


@pytest.mark.parametrize(
    ("prices", "filled", "canceled"),
    [((100, 111, 100, 111), "limit", "stop"), ((100, 100, 94, 94), "stop", "limit")],
)
def test_of_a_brackets_legs_one_trades_and_the_other_is_canceled(
    practice, prices, filled, canceled
):
    exchange = practice([practice.bar(0, 100), practice.bar(1, *prices)])
    exchange.step()
    order = exchange.send(**BRACKET)
    assert [leg["status"] for leg in order["legs"]] == ["held", "held"]
    exchange.step()
    told = exchange.orders.get(f"/orders/{order['id']}", {"nested": True})
    assert {leg["type"]: leg["status"] for leg in told["legs"]} == {
        filled: "filled",
        canceled: "canceled",
    }
    assert exchange.orders.get("/positions") == []


def test_a_bracket_that_is_canceled_takes_its_legs_along(day):
    order = day.send(type="limit", limit_price=90, **BRACKET)
    day.orders.delete(f"/orders/{order['id']}")
    assert {row["status"] for row in day.orders.get("/orders", {"status": "all"})} == {"canceled"}


def test_a_pair_of_exits_shares_its_shares(practice):
    exchange = practice([practice.bar(0, 100), practice.bar(1, 100, 100, 94, 94)])
    exchange.step()
    exchange.send()
    pair = exchange.send(side="sell", type="limit", **{**BRACKET, "order_class": "oco"})
    exchange.step()
    assert exchange.status(pair) == "canceled"
    assert exchange.status(pair["legs"][0]) == "filled"


def test_the_legs_of_a_family_hold_its_shares_once(day):
    day.send()
    day.send(qty="2", **BRACKET)
    told = day.orders.get("/positions/SPY")
    assert (told["qty"], told["qty_available"]) == ("3", "1")


def test_a_pair_whose_limit_trades_at_once_leaves_nothing_behind(day):
    day.send()
    pair = day.send(
        side="sell", type="limit", order_class="oco",
        take_profit={"limit_price": 99}, stop_loss={"stop_price": 95},
    )  # fmt: skip
    assert (day.status(pair), day.status(pair["legs"][0])) == ("filled", "canceled")
    assert day.orders.get("/orders") == []


def test_orders_of_one_instant_have_times_of_their_own(day):
    sent = [day.send(type="limit", limit_price=90)["submitted_at"] for _ in range(3)]
    assert sent == [
        "2024-10-07T13:33:00Z",
        "2024-10-07T13:33:00.000001Z",
        "2024-10-07T13:33:00.000002Z",
    ]


def test_no_order_trades_before_it_was_sent(day):
    day.send(type="limit", limit_price=90)
    told = day.orders.get(f"/orders/{day.send(type='limit', limit_price=110)['id']}")
    assert told["filled_at"] == told["submitted_at"] == "2024-10-07T13:33:00.000001Z"


def test_a_fresh_exchange_of_one_name_gives_the_same_ids(practice):
    first, second = (practice(name="again") for _ in range(2))
    for exchange in (first, second):
        exchange.step()
        exchange.send()
    assert first.server.books()["executions"] == second.server.books()["executions"]
    other = practice(name="another")
    other.step()
    assert other.send()["id"] != first.server.books()["orders"][0]["id"]
