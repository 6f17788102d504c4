"""One execution under two names is booked once: the stream's id and the list's may differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.brokers.alpaca.told import Seen, ToldFills
from mqd.model.event import OrderFilled, OrderReported, SnapshotTaken
from mqd.model.snapshot import OrderReport, ReportedExecution

ORDER = "b1"


def told(execution_id: str, qty: str, price: str = "580.01") -> OrderFilled:
    return OrderFilled(
        1, "mine", ORDER, execution_id, Decimal(price), Decimal(qty), Decimal(0), "SPY", "buy"
    )


def row(execution_id: str, qty: str, price: str = "580.01") -> ReportedExecution:
    return ReportedExecution(
        execution_id, "", ORDER, "SPY", "buy", Decimal(qty), Decimal(price), Decimal(0), 1
    )


def record(filled_qty: str) -> OrderReport:
    return OrderReport(
        "mine", ORDER, "SPY", "buy", Decimal(100), Decimal(filled_qty), Decimal(580), "filled"
    )


def nobody_asks(order_id: str) -> None:
    raise AssertionError(f"{order_id} was asked for")


class TestTheSameNames:
    def test_each_is_told_once_by_whichever_comes_first(self) -> None:
        known = ToldFills()
        assert known.by_stream(told("a", "40"), Decimal(40)) == told("a", "40")
        rows = (row("a", "40"), row("b", "60"))
        assert known.by_list(rows, nobody_asks) == rows
        assert known.by_stream(told("b", "60"), Decimal(100)) == told("b", "60")

    def test_two_that_look_alike_are_two(self) -> None:
        known = ToldFills()
        known.by_stream(told("a", "50"), Decimal(50))
        rows = (row("a", "50"), row("b", "50"))
        assert known.by_list(rows, nobody_asks) == rows

    def test_one_that_the_list_does_not_have_yet_stands_in_for_no_other_for_long(self) -> None:
        """`a` was told and is late in the list; `b`, which looks like it, was never told."""
        known = ToldFills()
        known.by_stream(told("a", "50"), Decimal(100))
        known.by_list((row("b", "50"),), nobody_asks)
        rows = (row("b", "50"), row("a", "50"))
        assert known.by_list(rows, nobody_asks) == rows


class TestOtherNames:
    def test_what_the_stream_told_is_found_in_the_list(self) -> None:
        known = ToldFills()
        known.by_stream(told("a", "40"), Decimal(40))
        known.by_stream(told("b", "60"), Decimal(100))
        rows = (row("x", "40"), row("y", "60"))
        assert known.by_list(rows, nobody_asks) == (row("a", "40"), row("b", "60"))

    def test_what_the_stream_lost_is_taken_from_the_list(self) -> None:
        known = ToldFills()
        known.by_stream(told("a", "40"), Decimal(40))
        rows = (row("x", "40"), row("y", "60"))
        for _ in range(2):
            assert known.by_list(rows, nobody_asks) == (row("a", "40"), row("y", "60"))

    def test_what_the_list_had_first_is_not_told_again_by_the_stream(self) -> None:
        known = ToldFills()
        assert known.by_list((row("x", "40"), row("y", "60")), nobody_asks)
        assert known.by_stream(told("b", "60"), Decimal(100)) == told("y", "60")
        assert known.by_stream(told("a", "40"), Decimal(40)) == told("x", "40")

    def test_of_what_cannot_be_told_apart_the_record_is_asked(self) -> None:
        """The list has it at one price, the stream at another, which the desk has booked."""
        known = ToldFills()
        known.by_list((row("x", "40", "580.02"),), nobody_asks)
        assert known.by_stream(told("a", "40"), Decimal(40)) is None

    def test_never_more_than_the_record_of_the_order_has(self) -> None:
        """One execution for the stream, two for the list: only the sum can be compared."""
        known = ToldFills()
        known.by_stream(told("a", "100"), Decimal(100))
        asked: list[str] = []
        assert known.by_list((row("x", "40"), row("y", "60")), asked.append) == ()
        assert asked == [ORDER]

    def test_the_record_may_say_that_there_is_more(self) -> None:
        known = ToldFills()
        known.by_stream(told("a", "40"), Decimal(40))
        rows = (row("x", "25"), row("y", "15"), row("z", "60"))
        found = known.by_list(rows, lambda _id: known.learn(record("100")))
        assert sum(each.qty for each in found) == 60

    def test_a_restart_forgets_nothing(self) -> None:
        known = ToldFills()
        known.remember([Seen(ORDER, "a", Decimal(40), Decimal("580.01"))])
        assert known.by_list((row("x", "40"), row("y", "60")), nobody_asks) == (
            row("a", "40"), row("y", "60"),
        )  # fmt: skip

    def test_another_order_is_another_matter(self) -> None:
        known = ToldFills()
        known.by_stream(told("a", "40"), Decimal(40))
        other = row("x", "40")._replace(broker_order_id="b2")
        assert known.by_list((other,), nobody_asks) == (other,)


QTYS = st.lists(st.sampled_from(["10", "20", "30"]), min_size=1, max_size=4)


@given(QTYS, st.data())
def test_whatever_is_lost_late_or_doubled_the_order_is_booked_once(qtys: list[str], data) -> None:
    """The stream in any order, with losses and doubles, and the list in between and at the end."""
    same_names = data.draw(st.booleans())
    known, booked = ToldFills(), {}
    total = sum(map(Decimal, qtys))
    totals = [sum(map(Decimal, qtys[: n + 1])) for n in range(len(qtys))]
    rows = tuple(row(f"a{n}" if same_names else f"x{n}", qty) for n, qty in enumerate(qtys))
    heard = data.draw(st.lists(st.integers(0, len(qtys) - 1), max_size=6))
    for n in heard:
        fill = known.by_stream(told(f"a{n}", qtys[n]), totals[n])
        if fill is not None:
            booked[fill.execution_id] = fill.qty
        if data.draw(st.booleans()):
            for item in known.by_list(rows[: n + 1], lambda _id: known.learn(record(str(total)))):
                booked[item.execution_id] = item.qty
        assert sum(booked.values()) <= total
    for item in known.by_list(rows, lambda _id: known.learn(record(str(total)))):
        booked[item.execution_id] = item.qty
    assert sum(booked.values()) == total


# -- through the broker, over real sockets --------------------------------------------------------


@pytest.fixture
def exchange(odd, make) -> Callable[..., None]:
    """A broker with one filled order; its list names the execution as it is told to."""

    def answering(**fill: Any) -> None:
        entry = make.order_row(status="filled", filled_qty="0.862", filled_avg_price="580.01")
        activity = {
            "id": "20241007100000000::x", "activity_type": "FILL", "type": "fill", "side": "buy",
            "price": "580.01", "qty": "0.862", "symbol": "SPY", "order_id": entry["id"],
            "transaction_time": "2024-10-07T14:00:00.5Z",
        }  # fmt: skip
        lists = {
            "/account": {"cash": "1"},
            "/account/activities/FILL": [activity | fill],
            "/orders:by_client_order_id": entry,
            f"/orders/{entry['id']}": entry,
        }

        def answer(asked):
            path = asked.path.partition("?")[0].removeprefix("/v2")
            after_last = "page_token" in asked.path
            return 200, json.dumps([] if after_last else lists.get(path, []))

        odd.answer = answer

    return answering


def news(make, execution_id: str, price: str = "580.01") -> str:
    entry = make.order_row(status="filled", filled_qty="0.862", filled_avg_price="580.01")
    data = {
        "event": "fill", "execution_id": execution_id, "price": price, "qty": "0.862",
        "timestamp": "2024-10-07T14:00:00.5Z", "order": entry,
    }  # fmt: skip
    return json.dumps({"stream": "trade_updates", "data": data})


@pytest.mark.case(28, 84)
@pytest.mark.rule("BOOKED_ONCE")
@pytest.mark.parametrize("name", ["e", "x"], ids=["the same id", "another id"])
def test_a_fill_is_named_alike_whoever_tells_it_first(desk, odd, make, exchange, name) -> None:
    exchange(id=f"20241007100000000::{name}")
    streamed = desk(odd.url)
    (fill,) = streamed.broker.read_news(news(make, "e"), make.now_ns)
    (item,) = streamed.one(make.snapshot()).executions
    assert item.execution_id == fill.execution_id == "e"
    listed = desk(odd.url)
    (item,) = listed.one(make.snapshot()).executions
    (fill,) = listed.broker.read_news(news(make, "e"), make.now_ns)
    assert item.execution_id == fill.execution_id == name


@pytest.mark.case(28)
def test_in_doubt_the_record_of_the_order_decides(desk, odd, make, exchange) -> None:
    """Other ids and another price: nothing is booked a second time, and the order is asked for."""
    exchange(price="580.02")
    at = desk(odd.url)
    taken = at.one(make.snapshot())
    assert isinstance(taken, SnapshotTaken)
    assert len(taken.executions) == 1
    assert at.broker.read_news(news(make, "e"), make.now_ns) == ()
    (report,) = at.inbox.wait(2)[1:]
    assert isinstance(report, OrderReported)
    assert report.report.filled_qty == Decimal("0.862")
