"""What the practice exchange writes has the fields of what Alpaca writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "alpaca_wire"

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the samples of real bodies lie beside the project, not in it"
)

LATER = {"usd", "cancel_requested_at", "commission", "asset_marginable", "qty_available"}
"""Fields that only some accounts or years have."""

GONE = {"daytrade_count", "daytrading_buying_power", "pattern_day_trader"}
"""Fields that Alpaca dropped with the pattern-day-trader rule."""


def sample(name):
    text = (SAMPLES / name).read_text(encoding="utf-8")
    body = json.loads(text) if name.endswith(".json") else json.loads(text.splitlines()[0])
    return body[0] if isinstance(body, list) else body


@pytest.fixture
def traded(day):
    day.send(qty="2")
    day.send(type="limit", limit_price=90)
    return day


BODIES = {
    "rest/account.json": "/account",
    "rest/account_configurations.json": "/account/configurations",
    "rest/position_one.json": "/positions",
    "rest/positions_list.json": "/positions",
    "rest/order_limit_or_market.json": "/orders",
    "rest/order_notional.json": "/orders",
    "rest/activities_fill.json": "/account/activities/FILL",
    "rest/asset_aapl.json": "/assets",
    "rest/clock.json": "/clock",
    "rest/calendar.json": "/calendar",
}


@pytest.mark.parametrize("name", BODIES)
def test_every_field_of_a_real_body_is_there(traded, name):
    told = traded.orders.get(BODIES[name])
    told = told[0] if isinstance(told, list) else told
    real = sample(name)
    assert set(real) - LATER - GONE <= set(told)
    for field in set(real) & set(told) - {"qty"}:  # a number in one sample, by its own note
        if None not in (real[field], told[field]):
            assert type(real[field]) is type(told[field]), field


def test_bars_have_the_fields_of_real_bars(traded):
    page = {"symbols": "SPY", "timeframe": "1Min"}
    told = traded.data.get("/stocks/bars", page)
    real = sample("rest/bars_page_with_token.json")
    assert set(told) == set(real)
    assert set(told["bars"]["SPY"][0]) == set(real["bars"]["AAPL"][0])
    assert set(traded.data.get("/stocks/bars/latest", page)["bars"]["SPY"]) == {*"tohlcvn", "vw"}


def test_a_streamed_bar_has_the_fields_of_a_real_one(traded):
    heard = traded.bars()
    traded.step()
    lines = (SAMPLES / "data_stream/bars.jsonl").read_text(encoding="utf-8").splitlines()
    [newest] = json.loads(lines[-1])
    assert set(heard.wait(1)[0]) == set(newest)


@pytest.mark.parametrize("event", ["new", "fill", "pending_cancel", "canceled"])
def test_news_has_the_fields_of_real_news(traded, event):
    news = traded.trade_updates()
    resting = traded.orders.get("/orders")[0]
    traded.orders.delete(f"/orders/{resting['id']}")
    traded.send()
    frames = {frame["data"]["event"]: frame for frame in news.wait(4)}
    recorded = {"new": "new_recorded", "fill": "fill_equity_recorded_head"}.get(event)
    real = sample(f"trade_updates/{recorded or f'constructed/{event}'}.json")
    assert set(frames[event]) == set(real)
    assert set(frames[event]["data"]) == set(real["data"])
    assert set(real["data"]["order"]) <= set(frames[event]["data"]["order"])


def test_errors_are_worded_as_real_ones(traded):
    lines = (SAMPLES / "rest/errors.jsonl").read_text(encoding="utf-8").splitlines()
    real = {row["body"]["message"]: row for row in map(json.loads, lines)}
    for words in (
        {"qty": None},
        {"qty": 1, "notional": 5},
        {"type": "limit", "limit_price": 290.123},
        {"type": "stop", "stop_price": 290.123},
        {"qty": "100000"},
    ):
        with pytest.raises(APIError) as caught:
            traded.send(**words)
        row = real[caught.value.message]
        assert (caught.value.status_code, caught.value.code) == (row["http"], row["body"]["code"])
        assert set(json.loads(str(caught.value))) == set(row["body"])
