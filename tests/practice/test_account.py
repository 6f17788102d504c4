from __future__ import annotations

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

HALF_DAY = "2024-11-29T14:30:00Z"


def test_the_account_is_worth_its_cash_and_its_shares(practice):
    exchange = practice([practice.bar(0, 100), practice.bar(1, 110)], cash_usd=1_000)
    exchange.step()
    exchange.send(qty="2")
    exchange.send(type="limit", limit_price=90, qty="1")
    exchange.step()
    told = exchange.orders.get("/account")
    assert (told["cash"], told["equity"], told["buying_power"]) == ("800", "1020", "710")
    assert told["account_number"].startswith("PA")
    assert (told["status"], told["trading_blocked"]) == ("ACTIVE", False)
    assert not {"daytrade_count", "pattern_day_trader"} & set(told), "gone since 2026-07"


def test_a_position_tells_its_gain(practice):
    exchange = practice([practice.bar(0, 100), practice.bar(1, 110), practice.bar(2, 120)])
    exchange.step()
    exchange.send(qty="2")
    exchange.step()
    exchange.send(qty="2")
    exchange.step()
    told = exchange.orders.get("/positions/SPY")
    assert (told["qty"], told["avg_entry_price"], told["cost_basis"]) == ("4", "105", "420")
    assert (told["market_value"], told["unrealized_pl"]) == ("480", "60")
    assert exchange.orders.get(f"/positions/{told['asset_id']}") == told
    exchange.send(side="sell", qty="1")
    assert exchange.orders.get("/positions/SPY")["cost_basis"] == "315"


def test_wrong_keys_open_nothing(day):
    keys = day.server.keys
    stranger = TradingClient(
        keys.key_id, "wrong", raw_data=True, url_override=day.server.addresses.trading_url
    )
    with pytest.raises(APIError) as caught:
        stranger.get("/account")
    stranger._session.close()
    assert caught.value.status_code == 401
    assert str(caught.value) == '{"message":"unauthorized."}'


def test_the_clock_is_the_exchanges_own(practice):
    exchange = practice([practice.bar(0, 100), practice.bar(209, 100, opens=HALF_DAY)])
    before = exchange.orders.get("/clock")
    assert before["timestamp"] == "2024-10-07T09:29:00-04:00"
    assert (before["is_open"], before["next_open"]) == (False, "2024-10-07T09:30:00-04:00")
    exchange.step()
    during = exchange.orders.get("/clock")
    assert (during["is_open"], during["next_close"]) == (True, "2024-10-07T16:00:00-04:00")
    assert during["next_open"] == "2024-10-08T09:30:00-04:00"
    exchange.step(2)
    after = exchange.orders.get("/clock")
    assert after["timestamp"] == "2024-11-29T13:00:00-05:00", "a half day"
    assert (after["is_open"], after["next_open"]) == (False, "2024-12-02T09:30:00-05:00")


def test_the_calendar_knows_holidays_and_half_days(day):
    told = day.orders.get("/calendar", {"start": "2024-11-27", "end": "2024-12-02"})
    assert [(row["date"], row["open"], row["close"]) for row in told] == [
        ("2024-11-27", "09:30", "16:00"),
        ("2024-11-29", "09:30", "13:00"),
        ("2024-12-02", "09:30", "16:00"),
    ]
    assert told[1]["settlement_date"] == "2024-12-02"


def test_assets_are_known_before_their_first_bar(practice):
    exchange = practice()
    told = exchange.orders.get("/assets/SPY")
    assert told["tradable"]
    assert exchange.orders.get(f"/assets/{told['id']}") == told
    with pytest.raises(APIError) as caught:
        exchange.orders.get("/assets/NOPE")
    assert caught.value.code == 40410000


def test_fill_activities_come_in_pages(practice):
    exchange = practice(practice.flat_day(130))
    for _ in range(120):
        exchange.step()
        exchange.send(qty="0.1")
    first = exchange.orders.get("/account/activities", {"activity_types": "FILL"})
    assert len(first) == 100
    rest = exchange.orders.get("/account/activities/FILL", {"page_token": first[-1]["id"]})
    assert len(rest) == 20
    newest_first = [row["transaction_time"] for row in first + rest]
    assert newest_first == sorted(newest_first, reverse=True)
    since = {"after": newest_first[10], "direction": "asc"}
    assert len(exchange.orders.get("/account/activities/FILL", since)) == 10
    assert exchange.orders.get("/account/activities", {"activity_types": "DIV"}) == []


def test_more_than_200_requests_a_minute_are_too_many(practice):
    exchange = practice()
    exchange.step()
    for _ in range(200):
        exchange.orders.get("/account")
    with pytest.raises(APIError) as caught:
        exchange.orders.get("/account")
    assert (caught.value.status_code, caught.value.code) == (429, 42910000)
    response = caught.value._http_error.response
    assert response.headers["X-Ratelimit-Remaining"] == "0"
    assert int(response.headers["X-Ratelimit-Reset"]) == 1_728_307_920
    assert int(response.headers["Retry-After"]) == 60
    assert exchange.orders.get("/clock")["is_open"], "time may always be asked for"
    exchange.step()
    assert exchange.orders.get("/account"), "another minute"
