"""Everything the broker has, of one moment, over real sockets."""

from __future__ import annotations

import json
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from mqd.brokers.alpaca.fields import parse_instant
from mqd.ground.times import iso_utc
from mqd.model.event import SnapshotFailed, SnapshotTaken, UnreadableReceived
from mqd.model.snapshot import HeldPosition

ACCOUNT = {"cash": "-12.345678901234567890", "status": "ACTIVE"}
POSITION = {"symbol": "SPY", "qty": "0.862", "side": "long", "avg_entry_price": "580.01"}


def fill(number, at_ns, **changes):
    row = {
        "id": f"20241007100000000::e{number}", "activity_type": "FILL", "price": "580.01",
        "qty": "0.1", "side": "buy", "symbol": "SPY", "order_id": "b1", "type": "partial_fill",
        "transaction_time": iso_utc(at_ns),
    }  # fmt: skip
    return row | changes


def is_after(text, query):
    return "after" not in query or parse_instant(text) > parse_instant(query["after"])


class Books:
    """Lists as Alpaca pages them: orders by an instant that is left out, fills by a row's id."""

    def __init__(self) -> None:
        self.orders: list = []
        self.ended: list = []
        self.fills: list = []
        self.positions: list = []
        self.account: object = ACCOUNT
        self.broken: dict = {}
        self.before = lambda _path: None

    def __call__(self, asked):
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/v2")
        self.before(path)
        if path in self.broken:
            return self.broken[path]
        if path == "/orders":
            assert query["direction"] == "asc"
            assert int(query["limit"]) <= 500
            kept = {"open": self.orders, "closed": self.ended}[query["status"]]
            rows = [row for row in kept if is_after(row["submitted_at"], query)]
            return 200, json.dumps(rows[: int(query["limit"])])
        if path == "/account/activities/FILL":
            assert int(query["page_size"]) <= 100
            ids = [row["id"] for row in self.fills]
            start = ids.index(query["page_token"]) + 1 if "page_token" in query else 0
            rows = [row for row in self.fills[start:] if is_after(row["transaction_time"], query)]
            return 200, json.dumps(rows[: int(query["page_size"])])
        return 200, json.dumps(self.positions if path == "/positions" else self.account)


@pytest.fixture
def books(odd):
    odd.answer = Books()
    return odd.answer


def orders(make, count, step_ns=1_000_000):
    return [
        make.order_row(
            id=f"b{number}",
            client_order_id=f"c{number}",
            submitted_at=iso_utc(make.now_ns + number * step_ns),
        )
        for number in range(count)
    ]


@pytest.mark.case(38)
def test_a_snapshot_has_what_the_broker_has_exactly(desk, odd, books, make):
    books.orders, books.positions = orders(make, 1), [POSITION]
    books.fills = [fill(1, make.now_ns, order_id="b0"), fill(2, make.now_ns + 1, order_id="b9")]
    event = desk(odd.url).one(make.snapshot())
    assert isinstance(event, SnapshotTaken)
    assert event.cash_usd == Decimal("-12.345678901234567890")
    assert event.positions == (HeldPosition("SPY", Decimal("0.862"), Decimal("580.01")),)
    assert [report.client_order_id for report in event.orders] == ["c0"]
    assert [item.execution_id for item in event.executions] == ["e1", "e2"]
    assert [item.client_order_id for item in event.executions] == ["c0", ""]


@pytest.mark.case(86)
def test_a_fill_of_an_order_that_ended_unheard_of_is_named(desk, odd, books, make):
    books.ended = [
        make.order_row(
            id=f"b{number}", client_order_id=name, status="filled", filled_qty="0.1",
            filled_avg_price="580", submitted_at=iso_utc(make.now_ns + number),
        )
        for number, name in enumerate(("mqd-one-SPY-20241007T140500Z-entry-1", "by-hand"))
    ]  # fmt: skip
    books.fills = [fill(number, make.now_ns, order_id=f"b{number}") for number in range(2)]
    event = desk(odd.url).one(make.snapshot())
    assert [item.client_order_id for item in event.executions] == [
        "mqd-one-SPY-20241007T140500Z-entry-1", "",
    ]  # fmt: skip


def test_who_is_not_ours_is_asked_after_once(desk, odd, books, make):
    def asked() -> int:
        return sum("status=closed" in each.path for each in odd.asked)

    books.fills = [fill(1, make.now_ns, order_id="b1")]
    at = desk(odd.url)
    at.one(make.snapshot())
    at.one(make.snapshot())
    assert asked() == 1
    books.fills.append(fill(2, make.now_ns + 1, order_id="b2"))
    at.one(make.snapshot())
    assert asked() == 2


def test_it_answers_the_question_that_was_asked(desk, odd, books, make):
    at = desk(odd.url)
    at.clock.at_ns += 7
    event = at.one(make.snapshot(make.now_ns + 3))
    assert (event.asked_ns, event.at_ns) == (make.now_ns + 3, make.now_ns + 7)


@pytest.mark.case(85, 221)
@pytest.mark.rule("history_page")
@pytest.mark.parametrize("count", [0, 1, 50, 51, 500, 501, 1203])
def test_every_working_order_is_read(desk, odd, books, make, count):
    books.orders = orders(make, count)
    event = desk(odd.url).one(make.snapshot())
    assert [report.client_order_id for report in event.orders] == [f"c{n}" for n in range(count)]


@pytest.mark.case(85, 221)
@pytest.mark.rule("history_page")
@pytest.mark.parametrize("group", [2, 7, 400])
def test_orders_of_one_instant_are_not_lost_between_pages(desk, odd, books, make, group):
    rows = orders(make, 1100)
    for number, row in enumerate(rows):
        row["submitted_at"] = rows[number - number % group]["submitted_at"]
    books.orders = rows
    event = desk(odd.url).one(make.snapshot())
    assert len({report.broker_order_id for report in event.orders}) == len(event.orders) == 1100


@pytest.mark.case(82, 85)
@pytest.mark.rule("history_page")
def test_more_orders_of_one_instant_than_a_page_holds_are_no_snapshot(desk, odd, books, make):
    books.orders = orders(make, 20, step_ns=0)
    event = desk(odd.url, tick_s=1.0, most_clock_offset_s=1.0, history_page=10).one(make.snapshot())
    assert isinstance(event, SnapshotFailed)


@pytest.mark.case(85)
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
def test_every_fill_since_the_open_is_read(desk, odd, books, make, count):
    books.fills = [fill(0, make.open_ns - 10**12)]
    books.fills += [fill(number, make.open_ns + number) for number in range(1, count + 1)]
    event = desk(odd.url).one(make.snapshot())
    assert [item.execution_id for item in event.executions] == [
        f"e{number}" for number in range(1, count + 1)
    ]


def test_outside_of_a_session_a_day_is_read(desk, odd, books, make):
    books.fills = [fill(1, make.open_ns - 60_000_000_000)]
    event = desk(odd.url, at_ns=make.open_ns - 1).one(make.snapshot(make.open_ns - 1))
    assert [item.execution_id for item in event.executions] == ["e1"]


@pytest.mark.case(82)
@pytest.mark.rule("SERVER_FAILED", "NOTHING_KNOWN", "CONNECTION_BROKEN")
@pytest.mark.parametrize("path", ["/orders", "/positions", "/account", "/account/activities/FILL"])
@pytest.mark.parametrize("answer", [(500, ""), (404, "{}"), (429, ""), None, (302, "")])
def test_one_request_that_fails_is_no_snapshot(desk, odd, books, make, path, answer):
    books.positions, books.broken = [POSITION], {path: answer}
    assert isinstance(desk(odd.url).one(make.snapshot()), SnapshotFailed)


@pytest.mark.case(70, 82)
@pytest.mark.rule("ANSWER_UNREADABLE")
@pytest.mark.parametrize("path", ["/orders", "/positions", "/account", "/account/activities/FILL"])
@pytest.mark.parametrize("text", ["null", "{", "<html>", '[{"qty": 1}]', "3", ""])
def test_an_answer_that_nobody_can_read_is_kept_and_is_no_snapshot(
    desk, odd, books, make, path, text
):
    books.broken = {path: (200, text)}
    kept, failed = desk(odd.url).told(make.snapshot(), 2)
    assert isinstance(kept, UnreadableReceived)
    assert kept.text == text
    assert isinstance(failed, SnapshotFailed)


@pytest.mark.case(84, 92)
def test_a_fill_between_two_requests_does_not_tear_the_snapshot(desk, odd, books, make):
    def trade(path):
        if path == "/account" and not books.fills:
            books.fills.append(fill(1, make.now_ns))
            books.positions = [POSITION]

    books.before = trade
    event = desk(odd.url).one(make.snapshot())
    assert len(event.positions) == len(event.executions) == 1


@pytest.mark.case(92)
def test_an_account_that_never_stands_still_is_no_snapshot(desk, odd, books, make):
    def trade(path):
        if path == "/account":
            books.fills.append(fill(len(books.fills), make.now_ns))

    books.before = trade
    assert isinstance(desk(odd.url).one(make.snapshot()), SnapshotFailed)


@pytest.mark.case(85, 221)
def test_a_broker_that_pages_badly_ends_all_the_same(desk, odd, books, make):
    rows = [fill(number, make.now_ns) for number in range(100)]
    books.broken = {"/account/activities/FILL": (200, json.dumps(rows))}
    event = desk(odd.url).one(make.snapshot())
    assert len(event.executions) == 100


@pytest.mark.case(70, 215)
def test_an_account_without_fields_that_went_away_is_noticed(desk, odd, books, make):
    books.account = {"status": "ACTIVE", "cash": None, "something_new": 1}
    at = desk(odd.url)
    assert at.one(make.snapshot()).cash_usd is None
    unsaid = set(at.broker.account.unsaid)
    assert unsaid >= {"cash", "equity"}
    assert "status" not in unsaid


@pytest.mark.case(88, 224)
def test_orders_of_others_are_reported_as_they_are(desk, odd, books, make):
    """What `close_position` and bracket legs make has ids that the broker gave."""
    books.orders = [
        make.order_row(id="b1", client_order_id="7d1f…-by-hand", status="held", side="sell"),
        make.order_row(id="b2", client_order_id="x", qty=None, notional="500"),
    ]
    event = desk(odd.url).one(make.snapshot())
    assert [report.client_order_id for report in event.orders] == ["7d1f…-by-hand", "x"]
