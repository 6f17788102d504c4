from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.brokers.alpaca.fields import (
    MisfitError,
    Unreadable,
    parse_instant,
    read_json,
    reading,
    rows_of,
)
from mqd.brokers.alpaca.wire import read_account, read_execution, read_order, read_position
from mqd.ground.canonical import decimal_text, encode
from mqd.ground.times import iso_utc
from mqd.model.snapshot import HeldPosition, OrderReport

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "alpaca_wire"

quantities = st.decimals(
    min_value=Decimal("0.000000001"), max_value=Decimal(10**9), places=9, allow_nan=False
)
prices = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(10**7), places=6)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)
instants = st.integers(0, 4_000_000_000 * 10**9)


def sample(name: str) -> str:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the project")
    return path.read_text(encoding="utf-8")


# -- the samples ----------------------------------------------------------------------------------


def test_a_recorded_order_is_read():
    report = reading(read_order, sample("rest/order_limit_or_market.json"))
    assert isinstance(report, OrderReport)
    assert (report.broker_order_id, report.side) == ("61e69015-8549-4bfd-b9c3-01e75843f47d", "buy")
    assert (report.qty, report.filled_qty) == (Decimal(1), Decimal(0))
    assert report.average_price is None
    assert report.status == "accepted"


def test_an_order_by_amount_has_what_is_filled_of_it_as_its_quantity():
    text = sample("rest/order_notional.json")
    assert reading(read_order, text).qty == 0
    row = json.loads(text) | {"filled_qty": "2.5", "filled_avg_price": "200.01"}
    report = read_order(row)
    assert (report.qty, report.filled_qty) == (Decimal("2.5"), Decimal("2.5"))


def test_positions_are_read():
    assert reading(read_position, sample("rest/position_one.json")) == HeldPosition(
        "AAPL", Decimal(2), Decimal("174.78")
    )
    rows = rows_of(read_json(sample("rest/positions_list.json")))
    assert [read_position(row).qty for row in rows] == [Decimal(5)]


def test_the_account_is_read_with_a_debt_in_cash():
    account = reading(read_account, sample("rest/account.json"))
    assert account.cash_usd == Decimal("-23140.2")
    assert (account.number, account.status, account.is_blocked) == ("010203ABCD", "ACTIVE", False)
    assert account.unsaid == ()


def test_fill_activities_are_read_with_the_stream_s_execution_ids():
    rows = rows_of(read_json(sample("rest/activities_fill.json")))
    first = read_execution(rows[0])
    assert first.execution_id == "047e252a-a8a3-4e35-84e2-29814cbf5057"
    assert (first.qty, first.price) == (Decimal("1.792161878"), Decimal("2907.15"))
    assert iso_utc(first.at_ns) == "2022-03-04T18:54:20.903569Z"
    assert {read_execution(row).side for row in rows} == {"buy", "sell"}


# -- fields come and go (the day-trade fields went) -----------------------------------------------


@pytest.mark.case(70, 215)
@pytest.mark.parametrize("is_gone", [True, False])
def test_an_account_without_the_day_trade_fields_and_with_new_ones_is_read(is_gone):
    row = {"account_number": "PA1", "status": "ACTIVE", "cash": "10.50", "multiplier": "4"}
    gone = {"pattern_day_trader": None, "daytrade_count": None, "invented_in_2027": [1, {"a": 2}]}
    account = read_account(row if is_gone else row | gone)
    assert (account.number, account.cash_usd) == ("PA1", Decimal("10.50"))
    assert account.is_blocked is None
    assert "equity" in account.unsaid
    assert "cash" not in account.unsaid


@pytest.mark.case(19)
def test_one_block_is_enough_to_be_blocked():
    assert read_account({"trading_blocked": False, "account_blocked": True}).is_blocked is True


# -- there and back -------------------------------------------------------------------------------


@pytest.mark.case(38)
@given(quantities, quantities, st.none() | prices, names, st.sampled_from(["buy", "sell"]))
def test_every_order_comes_back_exactly(qty, filled, price, name, side):
    row = {
        "id": "b", "client_order_id": name, "symbol": "SPY", "side": side, "status": "new",
        "qty": decimal_text(qty), "filled_qty": decimal_text(filled),
        "filled_avg_price": None if price is None else str(price), "surprise": [1.5, None],
    }  # fmt: skip
    report = reading(read_order, json.dumps(row))
    assert report == OrderReport(name, "b", "SPY", side, qty, filled, price, "new")


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_every_instant_comes_back_to_the_nanosecond_in_any_zone(at_ns, minutes):
    zone = timezone(timedelta(minutes=minutes))
    whole = datetime.fromtimestamp(at_ns // 10**9, zone).isoformat()
    text = f"{whole[:19]}.{at_ns % 10**9:09d}{whole[19:]}"
    assert parse_instant(text) == at_ns
    assert parse_instant(iso_utc(at_ns)) == at_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-05-16T16:32:24.14373588-04:00", "2022-05-16T20:32:24.14373588Z"),
        ("2022-12-16T07:28:51.67621869Z", "2022-12-16T07:28:51.67621869Z"),
        ("2024-10-15T14:31:00Z", "2024-10-15T14:31:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
    ],
)
def test_times_as_alpaca_writes_them(text, expected):
    assert iso_utc(parse_instant(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2024-10-15", "2024-10-15T14:31:00", "2024-10-15T14:31:00.1234567890Z",
        "2024-02-30T00:00:00Z", "2024-10-15T25:00:00Z", "2024-10-15T14:31:00+25:00",
        "2024-10-15T14:31:00+0400", "٢٠٢٤-10-15T14:31:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_told(text):
    with pytest.raises(MisfitError):
        parse_instant(text)


# -- what does not fit ----------------------------------------------------------------------------


@pytest.mark.case(70)
@pytest.mark.parametrize(
    "change",
    [
        {"qty": None}, {"qty": "0"}, {"qty": "-1"}, {"qty": "1e999999"}, {"qty": "NaN"},
        {"qty": "Infinity"}, {"qty": "1_000"}, {"qty": " 1"}, {"qty": ""}, {"qty": True},
        {"qty": "9" * 40}, {"qty": "0." + "0" * 40 + "1"}, {"qty": [1]}, {"filled_qty": None},
        {"filled_qty": "-0.5"}, {"filled_avg_price": "0"}, {"filled_avg_price": "x"},
        {"side": "hold"}, {"side": None}, {"symbol": None}, {"symbol": ""}, {"id": None},
        {"id": 7}, {"client_order_id": ""}, {"client_order_id": "\ud800"}, {"status": None},
        {"status": "x" * 1000},
    ],
)  # fmt: skip
def test_an_order_that_does_not_fit_is_unreadable_and_names_the_field(make, change):
    text = json.dumps(make.order_row(**change))
    found = reading(read_order, text)
    assert isinstance(found, Unreadable)
    assert found.text == text
    assert next(iter(change)) in found.reason
    encode(found.reason).encode()  # it can be journaled


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", "{", '{"qty": NaN}', "[" * 100_000, "<html>502</html>", '{"a": 1e'],
)
def test_text_that_is_no_order_is_unreadable(text):
    assert isinstance(reading(read_order, text), Unreadable)


@pytest.mark.case(69)
def test_a_word_for_a_state_that_nobody_knows_is_kept_for_the_rules(make):
    assert read_order(make.order_row(status="levitating")).status == "levitating"


@pytest.mark.parametrize(
    ("qty", "side", "is_read"),
    [("5", "long", True), ("-5", "short", True), ("5", "short", False), ("-5", "long", False),
     ("0", "long", True), ("5", None, False)],
)  # fmt: skip
def test_a_position_s_sign_and_side_agree(qty, side, is_read):
    row = {"symbol": "SPY", "qty": qty, "side": side, "avg_entry_price": "500.10"}
    found = reading(read_position, json.dumps(row))
    assert isinstance(found, HeldPosition) is is_read


@pytest.mark.parametrize(
    "change",
    [
        {"activity_type": "DIV"}, {"id": "2022::"}, {"id": None}, {"price": "0"}, {"qty": "-1"},
        {"transaction_time": "yesterday"}, {"order_id": None}, {"side": "borrow"},
    ],
)  # fmt: skip
def test_an_activity_that_does_not_fit_is_unreadable(change):
    row = {
        "id": "2022::e1", "activity_type": "FILL", "price": "1", "qty": "2", "side": "sell_short",
        "symbol": "SPY", "order_id": "o", "transaction_time": "2024-10-07T14:00:00Z",
    }  # fmt: skip
    assert read_execution(row).side == "sell"
    assert isinstance(reading(read_execution, json.dumps(row | change)), Unreadable)


@pytest.mark.case(38, 213)
def test_a_number_that_floats_would_change_stays_as_it_is():
    text = '{"symbol": "S", "qty": 0.1234567890123456789, "side": "long", "avg_entry_price": 0.1}'
    position = reading(read_position, text)
    assert position.qty == Decimal("0.1234567890123456789")
    assert position.average_price == Decimal("0.1")
