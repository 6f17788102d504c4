"""What goes wrong between the desk and the broker's REST, each over a real socket."""

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal

import pytest

from mqd.brokers.alpaca.tally import Tally
from mqd.ground.errors import BrokerUnavailableError, LimitExceededError
from mqd.model.event import (
    BrokerLockedOut,
    CancelRefused,
    OrderAcknowledged,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    SnapshotFailed,
    SnapshotTaken,
    UnreadableReceived,
)


def wait_until(is_so):
    for _ in range(500):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come true")


NOT_FOUND = (404, '{"code":40410000,"message":"order not found"}')
NOT_YET = '{"code":42210000,"message":"unable to cancel order, order isn\'t sent to exchange yet"}'
MUST_BE_UNIQUE = (422, '{"code":40010001,"message":"client_order_id must be unique"}')


class Account:
    """A little broker: what it answers to each request can be replaced."""

    def __init__(self, make) -> None:
        self.submit = (200, make.order_text())
        self.cancel: tuple = (204, "")
        self.look_up: tuple = (200, make.order_text())
        self.orders: list = []
        self.positions: list = []
        self.account: dict = {"cash": "100000", "status": "ACTIVE", "account_number": "PA1"}
        self.fills: list = []

    def __call__(self, asked):
        path = asked.path.partition("?")[0].removeprefix("/v2")
        if asked.method == "POST":
            return self.submit
        if asked.method == "DELETE":
            return self.cancel
        if path == "/orders:by_client_order_id":
            return self.look_up
        lists = {"/orders": self.orders, "/positions": self.positions, "/account": self.account,
                 "/account/activities/FILL": self.fills}  # fmt: skip
        return 200, json.dumps(lists[path])


@pytest.fixture
def account(odd, make):
    odd.answer = Account(make)
    return odd.answer


# -- an order, and what is said to it -------------------------------------------------------------


@pytest.mark.case(38)
def test_an_order_goes_out_once_with_exact_numbers_and_its_own_id(desk, odd, account, make):
    event = desk(odd.url).one(make.submit())
    assert isinstance(event, OrderReported)
    assert event.report.client_order_id == make.order_id()
    (asked,) = odd.asked
    assert (asked.method, asked.path) == ("POST", "/v2/orders")
    assert asked.json == {
        "symbol": "SPY", "qty": "0.862", "side": "buy", "type": "market", "time_in_force": "day",
        "client_order_id": make.order_id(),
    }  # fmt: skip


@pytest.mark.case(38, 213)
@pytest.mark.parametrize("qty", ["0.3", "123.456789012", "1E+2", "0.000000001", "1E+25"])
def test_a_quantity_is_written_without_float_noise(desk, odd, account, make, qty):
    account.submit = (200, make.order_text(qty=str(Decimal(qty))))
    desk(odd.url).told(make.submit(qty=qty))
    written = odd.asked[0].json["qty"]
    assert Decimal(written) == Decimal(qty)
    assert "E" not in written


@pytest.mark.case(207)
def test_what_is_filled_already_is_left_to_the_stream(desk, odd, account, make):
    account.submit = (
        200, make.order_text(status="filled", filled_qty="0.862", filled_avg_price="580.01"),
    )  # fmt: skip
    event = desk(odd.url).one(make.submit())
    assert isinstance(event, OrderAcknowledged)
    assert event.broker_order_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"


@pytest.mark.case(13)
def test_an_echo_that_differs_is_handed_on_as_it_is(desk, odd, account, make):
    account.submit = (200, make.order_text(qty="8.62", filled_qty="8.62", filled_avg_price="580"))
    event = desk(odd.url).one(make.submit())
    assert isinstance(event, OrderReported)
    assert event.report.qty == Decimal("8.62")


@pytest.mark.case(12, 14, 15, 212)
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"qty": Decimal(0)}, "qty"), ({"qty": Decimal(-1)}, "qty"),
        ({"qty": Decimal("NaN")}, "qty"), ({"qty": Decimal("1E-10")}, "qty"),
        ({"qty": Decimal("Infinity")}, "qty"), ({"side": "hold"}, "hold"),
        ({"type": "limit"}, "limit"), ({"client_order_id": "by-hand"}, "by-hand"),
        ({"client_order_id": "mqd-" + "x" * 130}, "mqd-"), ({"time_in_force": "gtc"}, "day"),
        ({"symbol": ""}, "''"),
    ],
)  # fmt: skip
def test_what_is_no_order_of_the_desk_never_leaves(desk, odd, account, make, changes, field):
    event = desk(odd.url).one(make.submit()._replace(**changes))
    assert isinstance(event, OrderRejected)
    assert event.code == "LAST_HOP"
    assert field in event.reason
    assert not odd.asked


def test_every_order_passes_the_last_check_and_no_other_request_does(desk, odd, account, make):
    seen = []

    def check(order):
        seen.append(order.client_order_id)
        if order.side == "buy":
            raise LimitExceededError("the stop button was pressed meanwhile")

    at = desk(odd.url, last_check=check)
    assert isinstance(at.one(make.submit()), OrderRejected)
    account.submit = (200, make.order_text(client_order_id=make.order_id("exit"), side="sell"))
    assert isinstance(at.one(make.submit("exit")), OrderReported)
    at.told(make.look_up())
    assert seen == [make.order_id(), make.order_id("exit")]
    assert [asked.method for asked in odd.asked] == ["POST", "GET"]


@pytest.mark.case(6)
@pytest.mark.rule("NO_BUYING_POWER")
def test_a_no_keeps_the_broker_s_code_and_words(desk, odd, account, make):
    account.submit = (403, '{"code":40310000,"message":"insufficient buying power"}')
    event = desk(odd.url).one(make.submit())
    assert isinstance(event, OrderRejected)
    assert event.code == "40310000"
    assert "insufficient buying power" in event.reason


# -- 1, 2, 3: no answer, or none that helps -------------------------------------------------------


@pytest.mark.case(3, 74, 201)
@pytest.mark.rule("NO_ANSWER_IN_TIME", "read_timeout")
def test_a_broker_that_says_nothing_holds_up_nobody(desk, odd, account, make):
    def slow(asked):
        if asked.method == "POST":
            time.sleep(1.2)
        return Account.__call__(account, asked)

    odd.answer = slow
    at = desk(odd.url)
    started = time.monotonic()
    at.broker.send(make.submit())
    assert time.monotonic() - started < 0.1
    (event,) = at.inbox.wait()
    assert isinstance(event, OrderOutcomeLost)
    assert len(odd.of("POST")) == 1


@pytest.mark.case(3, 4, 203)
@pytest.mark.rule("CONNECTION_BROKEN", "SERVER_FAILED", "NOTHING_KNOWN", "GAVE_UP_WAITING")
@pytest.mark.parametrize(
    "answer",
    [
        None,
        (504, "<html><h1>504 Gateway Time-out</h1></html>"),
        (500, '{"code":1,"message":"x"}'),
        (503, ""),
        (302, ""),
        (408, ""),
    ],
)
@pytest.mark.parametrize("role", ["entry", "exit"])
def test_in_doubt_one_request_leaves_and_nothing_is_claimed(desk, odd, account, make, answer, role):
    account.submit = answer
    event = desk(odd.url).one(make.submit(role))
    assert event == OrderOutcomeLost(make.now_ns, make.order_id(role))
    assert len(odd.asked) == 1


@pytest.mark.case(70, 203)
@pytest.mark.rule("ANSWER_UNREADABLE")
@pytest.mark.parametrize(
    "text", ["<html>fine</html>", "", "{}", "null", "[]", '{"id": "x", "status": "new"}']
)
def test_a_yes_that_nobody_can_read_is_kept_and_proves_nothing(desk, odd, account, make, text):
    account.submit = (200, text)
    kept, lost = desk(odd.url).told(make.submit(), 2)
    assert isinstance(kept, UnreadableReceived)
    assert kept.text == text
    assert lost == OrderOutcomeLost(make.now_ns, make.order_id())


@pytest.mark.case(13)
@pytest.mark.rule("ANSWER_UNREADABLE")
def test_an_answer_about_another_order_proves_nothing(desk, odd, account, make):
    account.submit = (200, make.order_text(client_order_id="somebody-else-s"))
    kept, lost = desk(odd.url).told(make.submit(), 2)
    assert isinstance(kept, UnreadableReceived)
    assert isinstance(lost, OrderOutcomeLost)


@pytest.mark.case(69)
@pytest.mark.rule("WORDS_ARE_EXPLAINED")
def test_a_state_that_nobody_knows_is_handed_to_the_rules(desk, odd, account, make):
    account.submit = (200, make.order_text(status="levitating"))
    assert desk(odd.url).one(make.submit()).report.status == "levitating"


@pytest.mark.rule("SUBMIT_UNREACHABLE")
def test_where_nobody_listens_the_order_was_not_taken(desk, make):
    event = desk("http://127.0.0.1:1").one(make.submit())
    assert isinstance(event, OrderNotTaken)


def test_no_connection_for_a_look_up_says_nothing(desk, odd, account, make):
    account.look_up = (502, "<html>")
    at = desk(odd.url)
    at.broker.send(make.look_up())
    account.orders = [make.order_row()]
    (event,) = at.told(make.snapshot())
    assert isinstance(event, SnapshotTaken)


# -- 4: an id is used once for ever ---------------------------------------------------------------


@pytest.mark.case(11, 204)
@pytest.mark.rule("ORDER_EXISTS")
def test_an_order_that_exists_is_looked_up(desk, odd, account, make):
    account.submit = MUST_BE_UNIQUE
    account.look_up = (200, make.order_text(status="canceled", filled_qty="0.1",
                                            filled_avg_price="580"))  # fmt: skip
    event = desk(odd.url).one(make.submit())
    assert isinstance(event, OrderReported)
    assert event.report.filled_qty == Decimal("0.1")
    assert [asked.method for asked in odd.asked] == ["POST", "GET"]


@pytest.mark.case(11)
@pytest.mark.rule("ORDER_EXISTS")
@pytest.mark.parametrize("answer", [NOT_FOUND, (500, ""), None])
def test_an_order_that_exists_and_cannot_be_read_yet_is_never_called_unknown(
    desk, odd, account, make, answer
):
    account.submit, account.look_up = MUST_BE_UNIQUE, answer
    assert isinstance(desk(odd.url).one(make.submit()), OrderOutcomeLost)


@pytest.mark.case(86)
@pytest.mark.rule("NO_SUCH_ORDER")
def test_a_look_up_that_finds_nothing_says_when_it_asked(desk, odd, account, make):
    account.look_up = NOT_FOUND
    at = desk(odd.url)
    at.clock.at_ns += 5
    event = at.one(make.look_up())
    assert event == OrderNotFound(make.now_ns + 5, make.order_id(), make.now_ns + 5)


@pytest.mark.case(86)
def test_an_order_under_way_is_not_called_unknown_by_a_question_that_overtakes_it(
    desk, odd, account, make
):
    may_answer, is_posted = threading.Event(), threading.Event()

    def slow(asked):
        if asked.method == "POST":
            is_posted.set()
            may_answer.wait(5)
            account.look_up = (200, make.order_text())
        return Account.__call__(account, asked)

    account.look_up = NOT_FOUND
    odd.answer = slow
    at = desk(odd.url, read_timeout_s=5.0)
    at.broker.send(make.submit())
    assert is_posted.wait(5)
    at.broker.send(make.look_up())
    time.sleep(0.2)
    assert not at.inbox.events
    may_answer.set()
    assert [type(event) for event in at.inbox.wait(2)] == [OrderReported, OrderReported]


# -- 8: a cancel is a request ---------------------------------------------------------------------


@pytest.mark.case(39, 208)
def test_a_cancel_that_is_taken_says_nothing_yet(desk, odd, account, make):
    at = desk(odd.url)
    at.told(make.submit())
    at.broker.send(make.cancel())
    (event,) = at.told(make.look_up())
    assert isinstance(event, OrderReported)
    assert [asked.method for asked in odd.asked] == ["POST", "DELETE", "GET"]
    assert odd.asked[1].path == "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"


def test_after_a_restart_a_cancel_asks_for_the_order_s_id_first(desk, odd, account, make):
    at = desk(odd.url)
    at.broker.send(make.cancel())
    at.told(make.look_up())
    assert [asked.method for asked in odd.asked] == ["GET", "DELETE", "GET"]


@pytest.mark.parametrize(
    ("look_up", "expected"),
    [(NOT_FOUND, OrderNotFound), ((500, ""), OrderNotTaken), (None, OrderNotTaken)],
)
def test_a_cancel_whose_order_cannot_be_found_goes_nowhere(
    desk, odd, account, make, look_up, expected
):
    account.look_up = look_up
    assert isinstance(desk(odd.url).one(make.cancel()), expected)
    assert not odd.of("DELETE")


@pytest.mark.case(44, 47, 58, 61)
@pytest.mark.rule(
    "CANCEL_UNDER_WAY", "CANCEL_TURNED_DOWN", "NOT_THERE_YET", "CANCEL_OF_NOTHING",
    "CANCELS_TOO_OFTEN", "SERVER_FAILED", "CONNECTION_BROKEN",
)  # fmt: skip
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((422, '{"code":42210000,"message":"order pending cancel"}'), CancelRefused),
        ((422, '{"code":42210000,"message":"something new"}'), CancelRefused),
        ((422, NOT_YET), CancelRefused),
        ((404, '{"code":40410000,"message":"order not found"}'), OrderNotFound),
        ((429, ""), OrderNotTaken),
        ((504, "<html>"), OrderOutcomeLost),
        (None, OrderOutcomeLost),
    ],
)
def test_what_a_cancel_can_come_to(desk, odd, account, make, answer, expected):
    account.cancel = answer
    assert isinstance(desk(odd.url).one(make.cancel()), expected)
    assert len(odd.of("DELETE")) == 1


@pytest.mark.case(40, 41)
@pytest.mark.rule("ENDED_BEFORE")
def test_a_cancel_that_lost_to_a_fill_tells_how_the_order_ended(desk, odd, account, make):
    account.cancel = (422, '{"code":42210000,"message":"order is already in \\"filled\\" state"}')
    account.look_up = (
        200, make.order_text(status="filled", filled_qty="0.862", filled_avg_price="580.01"),
    )  # fmt: skip
    event = desk(odd.url).one(make.cancel())
    assert isinstance(event, OrderReported)
    assert event.report.status == "filled"


# -- 2, 27: too many requests ---------------------------------------------------------------------


@pytest.mark.case(7)
@pytest.mark.rule("SUBMITS_TOO_OFTEN")
def test_too_many_is_not_taken_and_is_not_repeated(desk, odd, account, make):
    account.submit = (
        429,
        '{"code":42910000,"message":"rate limit exceeded"}',
        {"Retry-After": "1"},
    )
    at = desk(odd.url)
    event = at.one(make.submit())
    assert isinstance(event, OrderNotTaken)
    assert event.code == "42910000"
    again = at.one(make.submit(attempt=2))  # an entry does not wait for the broker's pause
    assert (type(again), again.code) == (OrderNotTaken, "PACE")
    assert len(odd.asked) == 1


@pytest.mark.case(7, 202)
@pytest.mark.rule("SUBMITS_TOO_OFTEN")
def test_an_exit_waits_for_as_long_as_the_broker_says_and_goes(desk, odd, account, make):
    account.submit = (429, "", {"Retry-After": "1"})
    at = desk(odd.url)
    at.told(make.submit())
    account.submit = (200, make.order_text(client_order_id=make.order_id("exit"), side="sell"))
    started = time.monotonic()
    assert isinstance(at.one(make.submit("exit")), OrderReported)
    assert 0.8 < time.monotonic() - started < 3


@pytest.mark.case(227)
@pytest.mark.rule("most_per_minute", "kept_for_exits")
def test_entries_never_use_what_is_kept_for_exits(desk, odd, account, make):
    at = desk(odd.url, most_per_minute=10, kept_for_exits=0.4)
    account.submit = (403, '{"code":40310000,"message":"no"}')
    entries = [at.one(make.submit(attempt=number)) for number in range(8)]
    assert [type(event) for event in entries] == [OrderRejected] * 6 + [OrderNotTaken] * 2
    exits = [at.one(make.submit("exit", number)) for number in range(4)]
    assert [type(event) for event in exits] == [OrderRejected] * 4
    assert len(odd.asked) == 10


@pytest.mark.case(74, 227)
def test_questions_never_use_up_what_is_kept_for_exits(desk, odd, account, make):
    at = desk(odd.url, most_per_minute=20, kept_for_exits=0.5, most_queued=30)
    account.submit = (403, '{"code":40310000,"message":"no"}')
    for attempt in range(30):
        at.broker.send(make.look_up(attempt=attempt))
    wait_until(lambda: len(odd.of("GET")) >= 10)
    time.sleep(0.2)  # those that are in no haste wait now
    at.broker.send(make.submit("exit"))
    wait_until(lambda: odd.of("POST"))
    wait_until(lambda: len(odd.of("GET")) > 10)  # but none waits for ever


@pytest.mark.case(74)
def test_a_slow_snapshot_holds_up_neither_exit_nor_entry(desk, odd, account, make):
    may_answer = threading.Event()

    def slow(asked):
        if asked.method == "GET":
            may_answer.wait(5)
        return Account.__call__(account, asked)

    odd.answer = slow
    at = desk(odd.url, read_timeout_s=5.0)
    at.broker.send(make.snapshot())
    account.submit = (403, "{}")
    assert [type(at.one(make.submit(role))) for role in ("exit", "entry")] == [OrderRejected] * 2
    may_answer.set()
    assert isinstance(at.inbox.wait(3)[2], SnapshotTaken)


@pytest.mark.rule("most_queued")
def test_a_full_queue_is_told_to_the_caller_at_once(desk, odd, account, make):
    may_answer = threading.Event()

    def slow(asked):
        may_answer.wait(5)
        return Account.__call__(account, asked)

    odd.answer = slow
    at = desk(odd.url, most_queued=2, read_timeout_s=5.0)
    for attempt in range(2):
        at.broker.send(make.submit(attempt=attempt))
        wait_until(lambda: at.broker.queued == 0)  # both workers for entries are at work
    for attempt in range(2, 4):
        at.broker.send(make.submit(attempt=attempt))
    with pytest.raises(BrokerUnavailableError):
        at.broker.send(make.submit(attempt=4))
    at.broker.send(make.submit("exit"))
    may_answer.set()
    at.inbox.wait(5)


# -- 26: keys that do not work any more -----------------------------------------------------------


@pytest.mark.case(226)
@pytest.mark.rule("KEYS_REFUSED", "KEYS_OF_ELSEWHERE")
@pytest.mark.parametrize(
    ("answer", "requests"),
    [((401, '{"message":"unauthorized."}'), 2), ((403, '{"message":"forbidden."}'), 2)],
)
def test_keys_that_stop_working_are_told_once_and_nothing_more_is_asked(
    desk, odd, account, make, answer, requests
):
    odd.answer = lambda _asked: answer
    at = desk(odd.url, first_pause_s=0.05)
    not_taken, locked_out = at.told(make.submit(), 2)
    assert isinstance(not_taken, OrderNotTaken)
    assert isinstance(locked_out, BrokerLockedOut)
    for command in (make.submit("exit"), make.snapshot(), make.cancel(), make.look_up()):
        with pytest.raises(BrokerUnavailableError):
            at.broker.send(command)
    assert len(odd.asked) == requests


@pytest.mark.rule("KEYS_REFUSED", "KEYS_OF_ELSEWHERE", "first_pause")
@pytest.mark.parametrize(
    "odd_answer",
    [
        (401, '{"message":"unauthorized."}'),
        (401, "<html>401</html>"),
        (401, ""),
        (403, '{"message":"forbidden."}'),
    ],
)
def test_one_odd_answer_locks_nobody_out(desk, odd, account, make, odd_answer):
    """The order is not in the broker's books, and may be sent again."""
    at = desk(odd.url, first_pause_s=0.2)
    account.submit, good = odd_answer, account.submit
    started = time.monotonic()
    not_taken = at.one(make.submit())
    assert isinstance(not_taken, OrderNotTaken)
    assert time.monotonic() - started > 0.2
    account.submit = good
    assert isinstance(at.one(make.submit()), OrderReported)


@pytest.mark.rule("KEYS_OF_ELSEWHERE")
@pytest.mark.parametrize("status", [401, 403])
def test_the_page_of_a_proxy_locks_nobody_out(desk, odd, account, make, status):
    at = desk(odd.url, first_pause_s=0.05)
    good, odd.answer = odd.answer, lambda _asked: (status, "<html><h1>403 forbidden.</h1></html>")
    assert isinstance(at.one(make.snapshot()), SnapshotFailed)
    assert len(odd.asked) <= 2  # no hammering either
    assert isinstance(at.one(make.submit()), OrderNotTaken if status == 401 else OrderRejected)
    odd.answer = good
    assert isinstance(at.one(make.snapshot()), SnapshotTaken)


def test_many_odd_answers_at_once_lead_to_one_question(desk, odd, account, make):
    """The keys were seen to work after all of them were given."""
    together = threading.Barrier(2)

    def strange(asked):
        if asked.method == "POST":
            together.wait(5)
            return 401, '{"message":"unauthorized."}'
        return good(asked)

    good, odd.answer = odd.answer, strange
    at = desk(odd.url, first_pause_s=0.2)
    at.broker.send(make.submit("exit"))
    at.broker.send(make.submit())
    events = at.inbox.wait(2)
    assert [type(event) for event in events] == [OrderNotTaken] * 2
    assert len(odd.of("GET")) == 1


def test_what_waited_when_the_keys_stopped_working_is_not_asked(desk, odd, account, make):
    may_answer = threading.Event()

    def slow(_asked):
        may_answer.wait(5)
        return 401, '{"message":"unauthorized."}'

    odd.answer = slow
    at = desk(odd.url, read_timeout_s=5.0)
    for attempt in range(6):
        at.broker.send(make.submit(attempt=attempt))
    may_answer.set()
    events = at.inbox.wait(7)
    assert sum(isinstance(event, OrderNotTaken) for event in events) == 6
    assert sum(isinstance(event, BrokerLockedOut) for event in events) == 1
    assert len(odd.asked) < 6


@pytest.mark.case(82)
@pytest.mark.rule("KEYS_REFUSED")
def test_a_snapshot_that_is_locked_out_is_no_empty_one(desk, odd, account, make):
    odd.answer = lambda _asked: (401, '{"message":"unauthorized."}')
    locked_out, failed = desk(odd.url, first_pause_s=0.05).told(make.snapshot(), 2)
    assert (type(locked_out), type(failed)) == (BrokerLockedOut, SnapshotFailed)


# -- the end --------------------------------------------------------------------------------------


def test_closing_waits_for_what_is_under_way_and_sends_nothing_more(desk, odd, account, make):
    is_posted = threading.Event()

    def slow(asked):
        is_posted.set()
        time.sleep(0.3)
        return Account.__call__(account, asked)

    odd.answer = slow
    at = desk(odd.url)
    at.broker.send(make.submit())
    assert is_posted.wait(5)
    at.broker.close()
    assert [type(event) for event in at.inbox.events] == [OrderReported]
    with pytest.raises(BrokerUnavailableError):
        at.broker.send(make.snapshot())
    at.broker.close()
    assert len(odd.asked) == 1


@pytest.mark.case(73)
def test_requests_are_counted_by_kind_with_the_time_they_took(desk, odd, account, make):
    at, tally = desk(odd.url), Tally()
    at.told(make.submit())
    at.told(make.snapshot())
    for call in at.calls:
        tally.add(call)
    assert tally.counts == {"submit": 1, "orders": 1, "fills": 2, "positions": 1, "account": 1}
    assert all(call.latency_ns > 0 and call.status == "200" for call in tally.latest)


def test_of_a_page_without_end_the_beginning_is_kept(desk, odd, account, make):
    account.submit = (200, "<html>" + "x" * 1_000_000)
    kept, lost = desk(odd.url).told(make.submit(), 2)
    assert kept.text == account.submit[1][:65536]
    assert isinstance(lost, OrderOutcomeLost)
