"""A stop order on its way to Alpaca and back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.brokers.alpaca.fields import MisfitError
from mqd.brokers.alpaca.lanes import Lane, lane_of
from mqd.brokers.alpaca.orders import no_check, order_body
from mqd.brokers.alpaca.wire import read_order
from mqd.ground.errors import LimitExceededError


def stop(make, price="98.6", **changes):
    whole = {"type": "stop", "stop_price": Decimal(price)} | changes
    return make.submit("protective", **whole)


def test_it_says_its_price_as_exact_text(make):
    body = order_body(stop(make, "98.60"), no_check)
    assert body == {
        "symbol": "SPY", "qty": "0.862", "side": "sell", "type": "stop", "time_in_force": "day",
        "stop_price": "98.6", "client_order_id": make.order_id("protective"),
    }  # fmt: skip
    assert "stop_price" not in order_body(make.submit(), no_check)


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_price": None}, {"type": "market"}, {"stop_price": Decimal(0)},
        {"stop_price": Decimal("NaN")}, {"stop_price": Decimal("98.60001")},
    ],
)  # fmt: skip
def test_one_whose_price_is_none_never_leaves(make, changes):
    with pytest.raises(LimitExceededError, match="stop price"):
        order_body(stop(make)._replace(**changes), no_check)


def test_it_goes_as_soon_as_an_exit(make):
    assert lane_of(stop(make)) == Lane.URGENT == lane_of(make.submit("exit"))
    assert lane_of(make.submit()) == Lane.ENTRY


def test_what_is_read_has_its_price(make):
    assert read_order(make.order_row(type="stop", stop_price="98.60")).stop_price == Decimal("98.6")
    assert read_order(make.order_row(stop_price=None)).stop_price is None
    with pytest.raises(MisfitError, match="stop_price"):
        read_order(make.order_row(stop_price="-1"))
