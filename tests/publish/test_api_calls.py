"""The calls of a session, counted beside those of a desk that hears nothing by itself."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.state import DeskState
from mqd.model.command import SubmitOrder
from mqd.model.decision import NOTHING, Outcome
from mqd.model.event import BarClosed, ClockTicked, Event
from mqd.publish.api_calls import ApiCalls, CycleWatch

BAR = BarClosed(60, "SPY", 0, 1.0, 1.0, 1.0, 1.0, 1.0)
TICK = ClockTicked(61)
Seen = tuple[Event, set[str], str]


def sent(order_id: str) -> Outcome:
    return Outcome(commands=(SubmitOrder(60, order_id, "SPY", "buy", Decimal(1), "market", "day"),))


def questions(*seen: Seen) -> tuple[int, int]:
    """Cycles and questions after events, the orders that work after each, and what was sent."""
    watch = CycleWatch()
    for event, working, order_id in seen:
        outcome = sent(order_id) if order_id else NOTHING
        watch.saw(event, outcome, DeskState(working=working))
    return watch.cycles, watch.order_questions


def test_an_order_is_asked_after_once_in_each_cycle_it_works_in() -> None:
    rests: list[Seen] = [(BAR, {"a"}, ""), (TICK, {"a"}, ""), (TICK, {"a"}, "")]
    assert questions((BAR, set(), ""), *rests, *rests, (BAR, set(), "")) == (4, 2)


def test_an_order_that_came_and_went_within_a_cycle_is_asked_after_once() -> None:
    assert questions((BAR, set(), "a"), (TICK, set(), ""), (BAR, set(), "")) == (2, 1)


def test_the_cycle_under_way_counts() -> None:
    assert questions((BAR, {"a", "b"}, "b")) == (1, 2)


@pytest.mark.parametrize(
    ("by_kind", "asked", "by_polling", "reduction_pct"),
    [
        ({"submit": 4, "account": 6}, 6, 4 + 2 * 5 + 6, 50.0),
        ({"submit": 4, "orders": 6, "positions": 6, "fills": 4}, 6, 20, 0.0),
        ({"bars": 2, "look_up": 26}, 2, 14, -100.0),
        ({}, 3, 13, 100.0),
    ],
)
def test_what_is_asked_without_streams_stands_against_what_was_asked(
    by_kind: dict[str, int], asked: int, by_polling: int, reduction_pct: float
) -> None:
    found = ApiCalls(by_kind, 3, 5, asked)
    assert (found.total_by_polling, found.reduction_pct) == (by_polling, reduction_pct)


def test_nothing_against_nothing_is_no_share() -> None:
    assert ApiCalls({}, 0, 0, 0).reduction_pct is None


def test_the_calls_in_words_and_for_a_program() -> None:
    found = ApiCalls({"submit": 2, "look_up": 26}, 7, 4, 4)
    told = dict(found.facts())
    assert told["by kind"] == "look_up 26, submit 2"
    assert told["per cycle"] == "7.00 in 4 cycles"
    assert told["against polling"] == "100.0 % more than 14"
    assert found.to_json()["busiest_minute"] == 7
    assert "per cycle" not in dict(ApiCalls({}, 0, 0, 0).facts())
