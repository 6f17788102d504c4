"""What the broker's words and answers mean: as the shipped table says, and in any such table."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mqd.rules.book import BrokerAnswer, BrokerWords
from mqd.rules.problems import Place
from mqd.rules.validate import load_rules
from mqd.rules.words.acts import BROKER_NEWS, BROKER_WORDS, MEANINGS_FOR, NO_ANSWERS, REQUESTS

ROOT = Path(__file__).resolve().parents[2]
WIRE = ROOT.parent / "shared" / "data" / "alpaca_wire"
NO_WIRE = "../shared/data/alpaca_wire is not here"


@pytest.fixture(scope="module")
def words() -> BrokerWords:
    return load_rules(ROOT / "rules").broker_words


# -- what Alpaca is known to answer ---------------------------------------------------------------

HTML = "<html><head><title>504 Gateway Time-out</title></head></html>"
HELD = "insufficient qty available for order (requested: 5, available: 0)"
WASH = "potential wash trade detected. use complex orders"
SHORT = "cannot open a short sell while a long buy order is open"
LONG = "cannot open a long buy while a short sell order is open"
FORMS = "fractional orders must be market, limit, stop, or stop_limit orders"
TICK = "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria"
BELOW = "stop price must be less than current price"
UNSENT = "unable to replace order, order isn't sent to exchange yet"
SIP = "subscription does not permit querying recent SIP data"

ANSWERS = [
    ("submit", "401", None, "unauthorized.", "KEYS_REFUSED"),
    ("cancel", "401", None, "unauthorized.", "KEYS_REFUSED"),
    ("look_up", "401", "40110000", "request is not authorized", "KEYS_REFUSED"),
    ("read", "401", None, "", "KEYS_REFUSED"),
    ("submit", "403", None, "forbidden.", "KEYS_OF_ELSEWHERE"),
    ("read", "403", None, "forbidden.", "KEYS_OF_ELSEWHERE"),
    ("submit", "403", "40310000", "insufficient buying power", "NO_BUYING_POWER"),
    ("submit", "403", "40310000", HELD, "SHARES_HELD"),
    ("submit", "403", "40310000", WASH, "WASH_TRADE"),
    ("submit", "422", "42210000", WASH, "WASH_TRADE"),
    ("submit", "403", "40310000", SHORT, "OPPOSITE_ORDER_OPEN"),
    ("submit", "403", "40310000", LONG, "OPPOSITE_ORDER_OPEN"),
    ("submit", "403", "40310000", 'asset "X" is not fractionable', "NOT_IN_FRACTIONS"),
    ("submit", "403", "40310000", "account is not authorized to trade", "ACCOUNT_MAY_NOT"),
    ("submit", "403", "40310000", "trading is forbidden for this account", "NOT_ALLOWED"),
    ("submit", "403", "40310100", "trade denied due to pattern day trading protection",
     "DAY_TRADES"),
    ("read", "403", "42210000", SIP, "NO_SUBSCRIPTION"),
    ("look_up", "404", "40410000", "order not found for ID", "NO_SUCH_ORDER"),
    ("cancel", "404", "40410000", "order not found", "CANCEL_OF_NOTHING"),
    ("read", "404", "40410000", "position does not exist", "NOTHING_THERE"),
    ("submit", "404", "40410000", "asset not found", "NO_SUCH_ASSET"),
    ("look_up", "404", None, HTML, "NOTHING_KNOWN"),
    ("read", "404", None, HTML, "NOTHING_KNOWN"),
    ("cancel", "404", None, HTML, "CANCEL_TURNED_DOWN"),
    ("submit", "422", "40010001", "client_order_id must be unique", "ORDER_EXISTS"),
    ("submit", "422", "40010001", "Client_Order_ID must be unique", "ORDER_EXISTS"),
    ("submit", "409", None, "", "ID_IN_CONFLICT"),
    ("submit", "422", "40010001", "qty or notional is required", "ORDER_MALFORMED"),
    ("cancel", "422", "42210000", 'order is already in "filled" state', "ENDED_BEFORE"),
    ("cancel", "422", "42210000", "order pending cancel", "CANCEL_UNDER_WAY"),
    ("cancel", "422", "42210000", UNSENT, "NOT_THERE_YET"),
    ("cancel", "422", "42210000", "something new", "CANCEL_TURNED_DOWN"),
    ("submit", "422", "42210000", "fractional orders must be DAY orders", "FRACTION_NOT_SO"),
    ("submit", "422", "42210000", "fractional orders must be simple orders", "FRACTION_NOT_SO"),
    ("submit", "422", "42210000", FORMS, "FRACTION_NOT_SO"),
    ("submit", "422", "42210000", "fractional orders cannot be sold short", "FRACTION_NOT_SO"),
    ("submit", "422", "42210000", 'asset "X" cannot be sold short', "NO_SHORT_SALE"),
    ("submit", "422", "42210000", TICK, "PRICE_TOO_FINE"),
    ("submit", "422", "42210000", 'asset "X" is not tradable', "NOT_TRADABLE"),
    ("submit", "422", "42210000", BELOW, "STOP_ON_WRONG_SIDE"),
    ("submit", "422", "42210000", "error", "ORDER_NOT_SO"),
    ("submit", "429", "42910000", "rate limit exceeded", "SUBMITS_TOO_OFTEN"),
    ("cancel", "429", "42910000", "rate limit exceeded", "CANCELS_TOO_OFTEN"),
    ("look_up", "429", "42910000", "rate limit exceeded", "NOTHING_KNOWN"),
    ("read", "429", "42910000", "rate limit exceeded", "NOTHING_KNOWN"),
    ("submit", "400", None, "", "SUBMIT_REFUSED"),
    ("submit", "418", "1", "no such thing", "SUBMIT_REFUSED"),
    ("submit", "408", None, "", "GAVE_UP_WAITING"),
    ("submit", "500", "1234567", "custom error message", "SERVER_FAILED"),
    ("submit", "504", None, HTML, "SERVER_FAILED"),
    ("cancel", "502", None, HTML, "SERVER_FAILED"),
    ("look_up", "503", None, "", "SERVER_FAILED"),
    ("submit", "302", None, HTML, "NOTHING_KNOWN"),
    ("submit", "timeout", None, "", "NO_ANSWER_IN_TIME"),
    ("submit", "connection", None, "reset by peer", "CONNECTION_BROKEN"),
    ("submit", "unreadable", None, "{", "ANSWER_UNREADABLE"),
    ("submit", "unreachable", None, "connection refused", "SUBMIT_UNREACHABLE"),
    ("cancel", "unreachable", None, "connection refused", "CANCEL_UNREACHABLE"),
    ("look_up", "unreachable", None, "connection refused", "NOTHING_KNOWN"),
]  # fmt: skip


@pytest.mark.rule(
    "KEYS_REFUSED", "ORDER_EXISTS", "ID_IN_CONFLICT", "ORDER_MALFORMED", "NO_BUYING_POWER",
    "SHARES_HELD", "WASH_TRADE", "OPPOSITE_ORDER_OPEN", "NOT_IN_FRACTIONS", "ACCOUNT_MAY_NOT",
    "NOT_ALLOWED", "DAY_TRADES", "NO_SUBSCRIPTION", "KEYS_OF_ELSEWHERE", "NO_SUCH_ASSET",
    "FRACTION_NOT_SO", "NO_SHORT_SALE", "PRICE_TOO_FINE", "NOT_TRADABLE", "STOP_ON_WRONG_SIDE",
    "ORDER_NOT_SO", "ENDED_BEFORE", "CANCEL_UNDER_WAY", "NOT_THERE_YET", "CANCEL_OF_NOTHING",
    "NO_SUCH_ORDER", "NOTHING_THERE", "SUBMITS_TOO_OFTEN", "CANCELS_TOO_OFTEN",
    "SUBMIT_UNREACHABLE", "CANCEL_UNREACHABLE", "NO_ANSWER_IN_TIME", "CONNECTION_BROKEN",
    "ANSWER_UNREADABLE", "GAVE_UP_WAITING", "SERVER_FAILED", "SUBMIT_REFUSED",
    "CANCEL_TURNED_DOWN", "NOTHING_KNOWN",
)  # fmt: skip
@pytest.mark.rule("ANSWERS_ARE_EXPLAINED")
@pytest.mark.parametrize(("request_", "status", "error_code", "message", "code"), ANSWERS)
def test_each_known_answer_has_its_row(
    words, request_: str, status: str, error_code: str | None, message: str, code: str
) -> None:
    assert words.answer(request_, status, error_code, message).code == code


def test_every_row_decides_about_an_answer_that_is_known(words) -> None:
    assert {code for *_, code in ANSWERS} == {answer.code for answer in words.answers}


def test_what_the_desk_makes_of_them(words) -> None:
    """A few rows are money: what they mean is pinned, whatever they are called."""
    assert words.answer("submit", "422", "40010001", "client_order_id must be unique").means == (
        "exists"
    )
    for status in ("500", "502", "504", "timeout", "connection", "unreadable", "302"):
        assert words.answer("submit", status).means == "unproved"
    for status in ("429", "unreachable"):
        assert words.answer("submit", status).means == "not_taken"
        assert words.answer("look_up", status).means == "unproved"
        assert words.answer("read", status).means == "unproved"
    assert words.answer("submit", "499").means == "refused"
    # An answer that does not come from the broker's books is no proof that it has nothing.
    assert words.answer("look_up", "404", None, "<html>").means == "unproved"
    assert words.answer("look_up", "404", "40410000", "order not found").means == "not_found"


@pytest.mark.rule("ANSWERS_ARE_EXPLAINED")
def test_whatever_comes_means_something_that_its_request_can_hear(words) -> None:
    numbers = [str(number) for number in range(100, 600)]
    known = {answer.error_code for answer in words.answers}
    says = {answer.says or "" for answer in words.answers}
    for request, status in product(REQUESTS, [*numbers, *NO_ANSWERS, "999", "", "5xx", "new"]):
        for error_code, message in product({*known, "0"}, {*says, "?"}):
            means = words.answer(request, status, error_code, message).means
            assert means in MEANINGS_FOR[request], (request, status, error_code, message)


def test_no_number_of_a_server_that_failed_proves_anything(words) -> None:
    for number, request in product(range(500, 600), REQUESTS):
        assert words.answer(request, str(number), "40410000", "order not found").means == "unproved"


def samples() -> list[dict[str, Any]]:
    file = WIRE / "rest" / "errors.jsonl"
    return (
        [json.loads(line) for line in file.read_text("utf-8").splitlines()] if WIRE.is_dir() else []
    )


SAMPLE_CODES = {
    "request is not authorized": "KEYS_REFUSED",
    "sub-penny": "PRICE_TOO_FINE",
    "order not found": "NO_SUCH_ASSET",
    "qty or notional": "ORDER_MALFORMED",
    "buying power": "NO_BUYING_POWER",
    "wash trade": "WASH_TRADE",
    "custom error message": "SERVER_FAILED",
    "error": "ORDER_NOT_SO",
}
"""What each body that somebody saw means as an answer to a new order, by a part of it."""


@pytest.mark.skipif(not WIRE.is_dir(), reason=NO_WIRE)
def test_every_error_that_somebody_saw_is_explained(words) -> None:
    seen = samples()
    assert len(seen) >= 10
    for sample in seen:
        body = sample["body"]
        status, code, message = str(sample["http"]), str(body["code"]), body["message"]
        expected = next(
            row for part, row in SAMPLE_CODES.items()
            if part in message.replace("only one of qty", "qty")
        )  # fmt: skip
        assert words.answer("submit", status, code, message).code == expected, sample
        for request in REQUESTS:
            assert words.answer(request, status, code, message).means in MEANINGS_FOR[request]


# -- how an answer fits ---------------------------------------------------------------------------


def answer(**asked: str) -> BrokerAnswer:
    told: dict[str, Any] = {"request": "any", "status": "any", "error_code": None, "says": None}
    return BrokerAnswer(
        code="X", means="unproved", because="So.", place=Place("x.yaml", 1, 1), **{**told, **asked}
    )


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, True),
        ({"request": "submit"}, True),
        ({"request": "cancel"}, False),
        ({"status": "422"}, True),
        ({"status": "4xx"}, True),
        ({"status": "5xx"}, False),
        ({"status": "423"}, False),
        ({"status": "timeout"}, False),
        ({"error_code": "7"}, True),
        ({"error_code": "77"}, False),
        ({"says": "must be unique"}, True),
        ({"says": "must not be"}, False),
        ({"status": "4xx", "error_code": "7", "says": "unique"}, True),
        ({"status": "4xx", "error_code": "8", "says": "unique"}, False),
    ],
)
def test_all_that_a_row_asks_for_must_be_so(asked: dict[str, str], fits: bool) -> None:
    assert answer(**asked).fits("submit", "422", "7", "It MUST be unique") is fits


def test_a_word_for_no_answer_is_in_no_hundred() -> None:
    for word in NO_ANSWERS:
        assert answer(status=word).fits("read", word, None, "")
        assert not answer(status="4xx").fits("read", word, None, "")
        assert not answer(status="5xx").fits("read", word, None, "")


# -- what alpaca-py knows -------------------------------------------------------------------------


def test_the_sdk_knows_no_word_that_the_table_lacks(words) -> None:
    enums = pytest.importorskip("alpaca.trading.enums", reason="alpaca-py is not installed")
    states = {each.value for each in enums.OrderStatus}
    news = {each.value for each in enums.TradeEvent}
    assert len(states) >= 18
    assert len(news) >= 12
    assert not [word for word in states if words.meaning(word) is None]
    assert not [word for word in news if words.news_meaning(word) is None]


@pytest.mark.skipif(not WIRE.is_dir(), reason=NO_WIRE)
def test_the_documents_know_no_word_that_the_table_lacks(words) -> None:
    listed = json.loads((WIRE / "enums.json").read_text("utf-8"))
    news = {*listed["trade_event_documented"], *listed["trade_event_alpaca_py"]}
    assert news <= set(BROKER_NEWS["alpaca"])
    assert set(listed["order_status_alpaca_py"]) <= set(BROKER_WORDS["alpaca"])
    assert {words.news_meaning(word) for word in news} <= {each.means for each in words.news}


@pytest.mark.rule("NEWS_IS_EXPLAINED")
def test_a_word_of_the_news_that_nobody_explained_means_nothing(words) -> None:
    assert words.news_meaning("partial_fill") == words.news_meaning("fill") == "execution"
    assert words.news_meaning("order_cancel_rejected") == "cancel_refused"
    assert words.news_meaning("trade_bust") is None
    assert words.news_meaning("partially_filled") is None


# -- how it is asked ------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_rules(folder) -> None:
    folder.replace("brokers/alpaca.yaml", "value: 5s", "value: 1m")
    folder.replace("brokers/alpaca.yaml", "value: 0.4", "value: 0.25")
    words = load_rules(folder.root).broker_words
    numbers = words.requests
    assert numbers.read_timeout_s == 60
    assert numbers.kept_for_exits == 0.25
    assert isinstance(numbers.most_per_minute, int)
    assert numbers.most_per_minute < 200
    assert 1 <= numbers.history_page <= 500
    assert [limit.name for limit in words.request_limits] == [
        field.removesuffix("_s") for field in numbers.__slots__
    ]
