from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.brokers.alpaca.fills import TradeNews, read_trade_update
from mqd.model.event import (
    CancelRefused,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    UnreadableReceived,
)
from mqd.model.journaled import as_journaled

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "alpaca_wire" / "trade_updates"
AT_NS = 1_728_307_800_000_000_000
NAMES = [
    "accepted", "calculated", "canceled", "done_for_day", "expired", "fill", "new",
    "order_cancel_rejected", "order_replace_rejected", "partial_fill", "pending_cancel",
    "pending_new", "pending_replace", "rejected", "replaced", "restated", "stopped", "suspended",
]  # fmt: skip


def sample(name: str) -> str:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"no {name} beside the project")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def read(words):
    return lambda text: read_trade_update(text, AT_NS, words)


@pytest.fixture
def one(read):
    def of(text: str) -> Any:
        (event,) = read(text).events
        return event

    return of


@pytest.fixture
def fill(make):
    """A fill as the stream tells it, with changes to the message's data and to its order."""

    def text(in_order: dict[str, Any] | None = None, /, **changes: Any) -> str:
        row = make.order_row(status="filled", filled_qty="0.862", filled_avg_price="580.01")
        data = {
            "event": "fill", "execution_id": "e1", "timestamp": "2024-10-07T14:00:00.5Z",
            "price": "580.01", "qty": "0.862", "order": row | (in_order or {}),
        }  # fmt: skip
        return json.dumps({"stream": "trade_updates", "data": data | changes})

    return text


EXPECTED = {
    "new": OrderAcknowledged, "pending_new": OrderAcknowledged, "accepted": OrderAcknowledged,
    "pending_replace": OrderAcknowledged, "stopped": OrderAcknowledged,
    "suspended": OrderAcknowledged, "fill": OrderFilled, "partial_fill": OrderFilled,
    "canceled": OrderCancelled, "expired": OrderExpired, "rejected": OrderRejected,
    "order_cancel_rejected": CancelRefused,
}  # fmt: skip
ASKED = {"replaced", "restated"}


@pytest.mark.case(49, 50, 55, 214)
@pytest.mark.rule(
    "pending_new", "new", "accepted", "fill", "partial_fill", "canceled", "expired", "rejected",
    "replaced", "pending_cancel", "pending_replace", "restated", "done_for_day", "stopped",
    "suspended", "calculated", "order_cancel_rejected", "order_replace_rejected",
)  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_every_word_of_the_stream_means_what_the_rules_say(read, name):
    news = read(sample(f"constructed/{name}.json"))
    assert [type(event) for event in news.events] == ([EXPECTED[name]] if name in EXPECTED else [])
    assert bool(news.ask_after) == (name in ASKED)


@pytest.mark.case(38)
@pytest.mark.rule("fill")
def test_a_documented_fill_is_read_exactly(one):
    event = one(sample("fill_documented.json"))
    assert event == OrderFilled(
        1_650_390_305_024_916_716, "4642fd68-d59a-47d7-a9ac-e22f536828d1",
        "a5be8f5e-fdfa-41f5-a644-7a74fe947a8f", "2f63ea93-423d-4169-b3f6-3fdafc10c418",
        Decimal("105.8988475"), Decimal("1790.86"), Decimal(0), "SOLUSD", "sell",
    )  # fmt: skip
    assert as_journaled(event) == event


@pytest.mark.parametrize("name", ["new_recorded.json", "fill_equity_recorded_head.json"])
def test_recorded_messages_are_read(read, name):
    (event,) = read(sample(name)).events
    assert not isinstance(event, UnreadableReceived)


@pytest.mark.case(206)
@pytest.mark.rule("fill", "partial_fill")
@pytest.mark.parametrize(
    ("name", "qty"),
    [
        ("sequence_three_partials", "2"), ("sequence_market_buy_then_sell", None),
        ("sequence_limit_partial_then_ttl_cancel", None), ("sequence_day_order_expires", None),
        ("sequence_rejected_after_pending", None), ("sequence_limit_replace_then_fill", None),
    ],
)  # fmt: skip
def test_the_executions_of_a_sequence_add_up_to_the_broker_s_totals(read, name, qty):
    lines = sample(f"constructed/{name}.jsonl").splitlines()
    filled: dict[str, Decimal] = {}
    totals: dict[str, Decimal] = {}
    for line in lines:
        order = json.loads(line)["data"]["order"]
        totals[order["client_order_id"]] = Decimal(order["filled_qty"])
        for event in read(line).events:
            assert not isinstance(event, UnreadableReceived), event
            if isinstance(event, OrderFilled):
                filled[event.client_order_id] = filled.get(event.client_order_id, 0) + event.qty
    assert filled == {name: total for name, total in totals.items() if total}
    assert qty is None or sum(filled.values()) == Decimal(qty)


@pytest.mark.parametrize("line", range(6))
def test_what_the_stream_says_of_itself_is_no_news(read, line):
    text = sample("control.jsonl").splitlines()[line]
    if '"stream"' in text:
        assert read(text) == TradeNews()


@pytest.mark.case(43)
@pytest.mark.rule("canceled", "expired")
def test_an_end_tells_how_much_was_filled(one, fill):
    partly = {"status": "canceled", "filled_qty": "0.4", "filled_avg_price": "580"}
    assert one(fill(partly, event="canceled")).filled_qty == Decimal("0.4")
    assert one(fill(partly, event="expired")).filled_qty == Decimal("0.4")


@pytest.mark.case(36)
def test_an_execution_without_an_id_gets_the_same_one_every_time(one, fill):
    first = one(fill(execution_id=None))
    assert one(fill(execution_id=None)).execution_id == first.execution_id
    assert one(fill({"filled_qty": "0.8620"}, execution_id=None)).execution_id == first.execution_id
    other = one(fill({"filled_qty": "0.9"}, execution_id=None))
    assert other.execution_id != first.execution_id


@pytest.mark.case(21, 206)
def test_what_came_again_is_the_same_event(one, fill):
    assert one(fill()) == one(fill())


def test_an_execution_has_the_broker_s_time_and_other_news_the_time_it_came(one, fill):
    assert one(fill()).at_ns == 1_728_309_600_500_000_000
    assert one(fill(event="new")).at_ns == AT_NS


@pytest.mark.case(69, 70)
@pytest.mark.rule("WORDS_ARE_EXPLAINED")
@pytest.mark.parametrize(
    "change",
    [
        {"event": "teleported"}, {"event": None}, {"event": 7}, {"order": None}, {"order": []},
        {"qty": None}, {"qty": "0"}, {"qty": "-1"}, {"qty": "NaN"}, {"qty": "1e400"},
        {"qty": "0.9"}, {"price": None}, {"price": "0"}, {"price": "-580"}, {"timestamp": None},
        {"timestamp": "now"}, {"execution_id": 5}, {"execution_id": ""},
    ],
)  # fmt: skip
def test_a_fill_that_does_not_fit_is_kept_as_it_came(one, fill, change):
    text = fill(**change)
    event = one(text)
    assert isinstance(event, UnreadableReceived)
    assert (event.at_ns, event.stream, event.text) == (AT_NS, "trade_updates", text)


@pytest.mark.case(70)
@pytest.mark.parametrize("name", ["client_order_id", "id", "symbol", "side", "filled_qty", "qty"])
def test_a_field_that_is_gone_is_named(one, fill, name):
    event = one(fill({name: None}))
    assert isinstance(event, UnreadableReceived)
    assert name in event.reason


@pytest.mark.case(70)
@given(st.text(max_size=200))
def test_no_text_at_all_raises(shipped_words, text):
    news = read_trade_update(text, AT_NS, shipped_words)
    assert all(isinstance(event, UnreadableReceived) for event in news.events)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.case(70)
@given(
    st.sampled_from(["event", "execution_id", "timestamp", "price", "qty", "order"]),
    JSON,
    st.sampled_from(["fill", "new", "canceled", "rejected", "order_cancel_rejected", "restated"]),
)
def test_no_value_in_any_field_raises(shipped_words, name, value, word):
    order = {
        "id": "b", "client_order_id": "c", "symbol": "S", "side": "buy", "qty": "2",
        "filled_qty": "1", "filled_avg_price": "5", "status": "x", "reason": value,
    }  # fmt: skip
    data = {
        "event": word, "execution_id": "e", "timestamp": "2024-10-07T14:00:00Z", "price": "5",
        "qty": "1", "order": order,
    }  # fmt: skip
    text = json.dumps({"stream": "trade_updates", "data": data | {name: value}})
    for event in read_trade_update(text, AT_NS, shipped_words).events:
        assert as_journaled(event)
