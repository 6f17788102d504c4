"""The practice exchange takes no order that the rules say Alpaca refuses, and takes the others."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError

from mqd.brokers.practice.tickets import TIMES_IN_FORCE as KNOWN_TIMES
from mqd.brokers.practice.tickets import TYPES as KNOWN_TYPES
from mqd.rules.validate import load_rules
from mqd.rules.words.orders import ORDER_TYPES, PART, SHARES, TIMES_IN_FORCE

WORDS = load_rules(Path(__file__).resolve().parents[2] / "rules").broker_words
PRICES = {
    "market": {}, "limit": {"limit_price": "90"}, "stop": {"stop_price": "110"},
    "stop_limit": {"stop_price": "110", "limit_price": "111"}, "trailing_stop": {},
}  # fmt: skip


def is_taken(day, kind: str, time_in_force: str, shares: str) -> bool:
    body = {
        "symbol": "SPY", "qty": "1.5" if shares == PART else "1", "side": "buy", "type": kind,
        "time_in_force": time_in_force, **PRICES[kind],
    }  # fmt: skip
    try:
        day.orders.post("/orders", body)
    except APIError:
        return False
    return True


@pytest.mark.case(14)
@pytest.mark.rule("EVERY_FORM_IS_ANSWERED")
def test_the_exchange_and_the_table_of_forms_agree(day):
    for kind, time_in_force, shares in product(ORDER_TYPES, TIMES_IN_FORCE, SHARES):
        says = WORDS.takes(kind, time_in_force, is_part=shares == PART)
        is_known = kind in KNOWN_TYPES and time_in_force in KNOWN_TIMES
        taken = is_taken(day, kind, time_in_force, shares)
        assert taken is (says and is_known), (kind, time_in_force, shares)


@pytest.mark.case(15)
@pytest.mark.parametrize(("price", "taken"), [("90.01", True), ("90.001", False)])
def test_a_price_between_two_ticks_is_refused_there(day, price, taken):
    body = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day",
            "limit_price": price}  # fmt: skip
    if taken:
        assert day.orders.post("/orders", body)["limit_price"] == price
    else:
        with pytest.raises(APIError, match="sub-penny"):
            day.orders.post("/orders", body)
