"""A strategy's wish, refused at its own boundary with the field named that is wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mqd.ground.errors import MalformedSignalError
from mqd.model.order import ENTRY, EXIT
from mqd.model.signal import StrategySignal

WHOLE: dict[str, Any] = {
    "strategy": "vwap", "symbol": "SPY", "role": ENTRY, "side": "buy", "order_type": "market",
    "qty": Decimal("5.025"), "price": Decimal("99.5"), "stop_loss": Decimal("99.2"),
    "reason": "ENTRY", "at_ns": 1_728_309_660_000_000_000,
}  # fmt: skip
NOT_A_NUMBER = (Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 5.025, 5, "5")
IMPOSSIBLE: dict[str, tuple[Any, ...]] = {
    "strategy": (None, "", " ", 7),
    "symbol": (None, "", " ", 7),
    "role": (None, "", "both", 7),
    "side": (None, "", "hold", 7),
    "order_type": (None, "", "limit", 7),
    "qty": (None, Decimal("0.0000000001"), *NOT_A_NUMBER),
    "price": (None, *NOT_A_NUMBER),
    "stop_loss": NOT_A_NUMBER,
    "reason": (None, "", " ", 7),
    "at_ns": (None, 0, -1, 1.5, True, "now"),
}


def test_a_whole_signal_is_itself_with_and_without_a_stop() -> None:
    for changes in ({}, {"stop_loss": None}, {"role": EXIT, "side": "sell"}):
        signal = StrategySignal(**(WHOLE | changes))
        assert signal.checked() is signal


def test_every_field_is_tried() -> None:
    assert set(IMPOSSIBLE) == set(StrategySignal._fields) == set(WHOLE)


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in IMPOSSIBLE for value in IMPOSSIBLE[field]]
)
def test_what_is_missing_or_impossible_is_refused_and_named(field: str, value: Any) -> None:
    with pytest.raises(MalformedSignalError, match=rf"\b{field}\b"):
        StrategySignal(**(WHOLE | {field: value})).checked()
