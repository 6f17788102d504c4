"""What is said of an execution before the execution itself is heard of."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.event import ExecutionBusted, ExecutionCorrected, FeeCharged


def filled_unheard(scene, qty="4.025"):
    """An entry that trades, and the news of it stays away."""
    order_id = scene.entry()
    return order_id, scene.broker.fills(order_id, qty)


@pytest.mark.case(32)
@pytest.mark.rule("BOOKED_ONCE", "SNAPSHOT_DUE")
def test_case_032_a_fee_that_overtakes_its_execution_is_charged_when_that_comes(scene):
    _, filled = filled_unheard(scene)
    fee = FeeCharged(scene.broker.now_ns, filled.execution_id, Decimal("0.02"))
    scene.broker.books.move("SPY", Decimal(0), Decimal(0), Decimal("0.02"))
    scene.hear(fee, fee)
    scene.hear(filled)
    scene.hear(fee)
    cost_usd = filled.qty * filled.price
    assert scene.state.ledger.cash_delta_usd == -cost_usd - Decimal("0.02")
    assert scene.state.strategies[scene.strategy].pnl_today == Decimal("-0.02")
    assert scene.incidents() == []
    assert scene.desk_state == "ACTIVE"
    assert scene.agrees()


@pytest.mark.case(33)
@pytest.mark.rule("BOOKED_ONCE", "DL-01")
def test_case_033_an_execution_that_was_taken_back_before_it_came_is_not_held(scene):
    order_id, filled = filled_unheard(scene, "2")
    scene.broker.undoes(order_id, "2")
    scene.hear(ExecutionBusted(scene.broker.now_ns, filled.execution_id))
    scene.hear(filled)
    assert scene.desk_state == "HALTED"
    assert filled.execution_id in scene.state.ledger.executions
    assert scene.order(order_id).filled_qty == 0
    assert not scene.held()


@pytest.mark.case(33)
@pytest.mark.rule("BOOKED_ONCE", "DL-01")
def test_case_033_a_correction_that_overtakes_its_execution_is_made_when_that_comes(scene):
    order_id, filled = filled_unheard(scene)
    corrected = ExecutionCorrected(
        scene.broker.now_ns, filled.execution_id, "x2", filled.price - 1, filled.qty
    )
    scene.hear(corrected)
    scene.hear(filled)
    scene.hear(corrected)
    assert scene.held() == scene.order(order_id).filled_qty == filled.qty
    assert scene.state.ledger.cash_delta_usd == -filled.qty * (filled.price - 1)
    assert scene.desk_state == "HALTED"
