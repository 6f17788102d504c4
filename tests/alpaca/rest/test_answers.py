from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.brokers.alpaca.answers import allowance_of, answer_of, meaning_of
from mqd.brokers.alpaca.session import Reply

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "alpaca_wire"
REQUESTS = ("submit", "cancel", "look_up", "read")


def means(words, request, status, text="", headers=None):
    return meaning_of(words, answer_of(request, Reply(status, text, headers or {}))).means


def body(code, message, **more):
    return json.dumps({"code": code, "message": message, **more})


@pytest.mark.rule("ANSWERS_ARE_EXPLAINED")
@pytest.mark.parametrize(
    ("request_", "status", "text", "expected"),
    [
        ("submit", "422", body(40010001, "client_order_id must be unique"), "exists"),
        ("submit", "422", body(40010001, "qty or notional is required"), "refused"),
        ("submit", "403", body(40310000, "insufficient buying power", cost="1"), "refused"),
        ("submit", "403", body(40310100, "trade denied due to pattern day trading"), "refused"),
        ("submit", "403", body(40310000, "potential wash trade detected"), "refused"),
        ("submit", "422", body(42210000, "potential wash trade detected"), "refused"),
        ("submit", "418", body(1, "a no that nobody has seen"), "refused"),
        ("submit", "429", body(42910000, "rate limit exceeded"), "not_taken"),
        ("submit", "unreachable", "", "not_taken"),
        ("submit", "timeout", "", "unproved"),
        ("submit", "connection", "", "unproved"),
        ("submit", "504", "<html><h1>504</h1></html>", "unproved"),
        ("submit", "500", body(1234567, "custom error message"), "unproved"),
        ("submit", "302", "", "unproved"),
        ("submit", "401", '{"message":"unauthorized."}', "keys_in_doubt"),
        ("submit", "403", '{"message":"forbidden."}', "keys_in_doubt"),
        ("submit", "403", "<html><h1>403 Forbidden</h1>forbidden.</html>", "refused"),
        ("read", "403", "<html>forbidden.</html>", "unproved"),
        ("look_up", "403", "forbidden.", "unproved"),
        ("cancel", "403", '["forbidden."]', "refused"),
        ("read", "401", "", "keys_in_doubt"),
        ("read", "502", "<html>", "unproved"),
        ("cancel", "422", body(42210000, 'order is already in "filled" state'), "ended"),
        ("cancel", "404", body(40410000, "order not found"), "not_found"),
        ("cancel", "504", "", "unproved"),
        ("look_up", "404", body(40410000, "order not found"), "not_found"),
        ("look_up", "500", "", "unproved"),
    ],
)
def test_status_code_and_message_decide_together(words, request_, status, text, expected):
    assert means(words, request_, status, text) == expected


@given(
    st.sampled_from(REQUESTS),
    st.integers(100, 599).map(str)
    | st.sampled_from(["timeout", "connection", "unreachable", "unreadable"]),
    st.text(max_size=60)
    | st.builds(
        lambda code, message: json.dumps({"code": code, "message": message}),
        st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
        st.none() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
    ),
)
def test_every_answer_means_something_and_can_be_told(shipped_words, request_, status, text):
    answer = answer_of(request_, Reply(status, text, {}))
    assert meaning_of(shipped_words, answer).means
    assert answer.code
    assert len(answer.words) < 400
    answer.words.encode()


def test_the_collected_errors_are_read(words):
    path = SAMPLES / "rest" / "errors.jsonl"
    if not path.is_file():
        pytest.skip("no samples beside the project")
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answer = answer_of("submit", Reply(str(row["http"]), json.dumps(row["body"]), {}))
        assert answer.error_code == str(row["body"]["code"])
        assert answer.message == row["body"]["message"]
        assert meaning_of(words, answer).means in {
            "refused", "unproved", "locked_out", "keys_in_doubt",
        }  # fmt: skip


def test_half_a_letter_in_an_answer_can_be_journaled():
    text = r'{"code": "\ud800", "message": "no \udfff"}'
    answer = answer_of("submit", Reply("422", text, {}))
    assert (answer.code, answer.message) == ("?", "no ?")


def test_the_words_of_an_answer_are_one_line(words):
    answer = answer_of("submit", Reply("502", "<html>\n<h1>Bad\n  Gateway</h1>", {}))
    assert answer.words == "502: <html> <h1>Bad Gateway</h1>"
    assert answer.code == "502"


@pytest.mark.case(7)
@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Mon, 07 Oct 2024 14:00:30 GMT"}, 30.0),
        ({"Retry-After": "Mon, 07 Oct 2024 13:59:30 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"X-Ratelimit-Reset": "1728309620"}, 20.0),
        ({"X-Ratelimit-Reset": "1728309620", "Retry-After": "3"}, 3.0),
        ({"X-Ratelimit-Reset": "5"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_the_headers(headers, pause_s):
    at_ns = 1_728_309_600_000_000_000  # 2024-10-07 14:00:00 UTC
    assert allowance_of(headers, at_ns).pause_s == pause_s


def test_what_is_left_is_read_from_the_headers():
    at_ns = 1_728_309_600_000_000_000
    headers = {"X-Ratelimit-Remaining": "12", "X-Ratelimit-Reset": "1728309605"}
    assert allowance_of(headers, at_ns)[:2] == (12, 5.0)
    assert allowance_of({"X-Ratelimit-Remaining": "many"}, at_ns).left is None
