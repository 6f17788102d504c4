"""Replacing an order: the desk never does it. It cancels, and makes a new order under a new id."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.command import COMMANDS, CancelOrder, LookUpOrder, SubmitOrder
from mqd.model.decision import DriftFound
from mqd.model.event import OrderReported

WHOLE = Decimal("5.025")


def asked_back(scene, *how):
    """The id of an exit that did not fill within its time and is asked back, answered so."""
    scene.holding()
    exit_id = scene.exit()
    scene.broker.answers(CancelOrder, *how)
    scene.wait(120)
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [exit_id]
    return exit_id


@pytest.mark.case(55)
@pytest.mark.rule("OL-05", "OL-91", "replaced", "unknown_order", "EXTERNAL_ORDER")
def test_case_055_what_somebody_replaced_has_ended_and_the_other_order_is_not_ours(eager_scene):
    scene = eager_scene
    assert set(COMMANDS) == {"SubmitOrder", "CancelOrder", "LookUpOrder", "TakeSnapshot"}
    entry_id = scene.entry()
    old = scene.broker.ack(entry_id)
    booked = scene.broker.books.orders[entry_id]
    scene.broker.takes_back(entry_id)
    other = booked.order._replace(client_order_id="by-hand", qty=Decimal(7))
    scene.broker.books.take(other, "b-by-hand", scene.broker.now_ns)
    told = booked.report()._replace(status="replaced")
    scene.hear(OrderReported(scene.broker.now_ns, told))
    assert scene.order(entry_id).state == "CANCELLED"
    scene.hear(old)  # an event under the old id comes late
    assert scene.order(entry_id).state == "CANCELLED"
    scene.wait(310)
    drifts = {(note.kind, note.subject) for note in scene.notes(DriftFound)}
    assert ("unknown_order", "by-hand") in drifts
    assert "by-hand" not in scene.state.orders
    assert not scene.broker.asked(CancelOrder)
    scene.bar(99.4)
    assert scene.refusals() == ("EXTERNAL_ORDER",)


@pytest.mark.case(56)
@pytest.mark.rule("EXIT_TOO_OLD", "EXIT_ENDED_SHORT", "OL-05")
def test_case_056_a_new_order_is_for_what_is_left(scene):
    scene.holding()
    exit_id = scene.exit()
    scene.fill(exit_id, "2")
    scene.wait(120)
    assert scene.order(exit_id).state == "CANCELLED"
    scene.wait(5)
    assert scene.newest() != exit_id
    assert scene.order(scene.newest()).qty == Decimal("3.025")
    assert scene.agrees()


@pytest.mark.case(57)
@pytest.mark.rule("EXIT_TOO_OLD", "EXIT_ENDED_SHORT")
def test_case_057_a_fraction_of_a_share_is_cancelled_and_made_anew(scene):
    exit_id = asked_back(scene)
    scene.wait(4)
    assert scene.newest() == exit_id
    scene.wait(1)
    new = scene.order(scene.newest())
    assert (new.qty, new.attempt, new.reason) == (WHOLE, 2, "STOP_LOSS")
    assert new.client_order_id != exit_id


@pytest.mark.case(58)
@pytest.mark.rule("OL-89", "CANCEL_UNANSWERED", "CANCEL_NOT_TAKEN", "OL-81")
def test_case_058_a_refused_cancel_leaves_the_order_as_it_was(scene):
    exit_id = asked_back(scene, *["refuse"] * 20)
    before = scene.order(exit_id)
    scene.wait(30)
    assert {each.client_order_id for each in scene.broker.asked(LookUpOrder)} == {exit_id}
    asked = [each.client_order_id for each in scene.broker.asked(CancelOrder)]
    assert set(asked) == {exit_id}
    assert len(asked) > 1  # it works there, so it is asked for again
    assert not scene.incidents()
    after = scene.order(exit_id)
    assert (after.qty, after.type, after.filled_qty) == (before.qty, before.type, 0)
    assert exit_id in scene.broker.books.working
    assert scene.newest() == exit_id
    scene.fill(exit_id)
    assert scene.order(exit_id).state == "FILLED"
    assert not scene.held()


@pytest.mark.case(59)
@pytest.mark.rule("OL-10", "EXIT_TOO_OLD")
def test_case_059_a_fill_before_the_cancel_leaves_nothing_to_replace(scene):
    exit_id = asked_back(scene, "accept")
    assert scene.order(exit_id).state == "PENDING_CANCEL"
    scene.fill(exit_id)
    assert scene.order(exit_id).state == "FILLED"
    scene.wait(120)
    assert len(scene.broker.asked(SubmitOrder)) == 2
    assert not scene.held()


@pytest.mark.case(60)
@pytest.mark.rule("EXIT_ENDED_SHORT", "EXIT_ATTEMPTS_SPENT", "OL-06")
def test_case_060_a_gap_between_two_exits_is_known_and_told(scene):
    exit_id = asked_back(scene)
    scene.broker.answers(SubmitOrder, *["reject"] * 9)
    scene.wait(5)
    assert scene.order(scene.newest()).state == "REJECTED"
    scene.restart()  # the gap is not forgotten with the process
    assert scene.state.holdings[scene.strategy, "SPY"].exit_attempts == 2
    scene.wait(30)
    tries = [each.client_order_id for each in scene.broker.asked(SubmitOrder)][1:]
    assert len(tries) == len(set(tries)) == 3
    assert tries[0] == exit_id
    assert "EXIT_ATTEMPTS_SPENT" in scene.watched()
    assert scene.incidents().count("UnresolvedError") == 1
    assert scene.held() == WHOLE
    scene.bar(99.0)  # the strategy's own wish goes on with every bar
    assert len(scene.broker.asked(SubmitOrder)) == 5


@pytest.mark.case(61)
@pytest.mark.rule("accepted", "CANCEL_UNANSWERED", "CANCEL_NOT_TAKEN", "OL-81", "OL-89")
def test_case_061_an_order_that_cannot_be_changed_yet_is_waited_for(scene):
    exit_id = asked_back(scene, "refuse")
    scene.broker.answers(
        LookUpOrder,
        lambda broker, _: broker.says(broker.report(exit_id, status="accepted")),
    )
    scene.wait(11)
    assert scene.order(exit_id).state == "PENDING_CANCEL"
    assert not scene.incidents()
    assert scene.desk_state == "ACTIVE"
    scene.wait(10)  # it still works there, so it is asked for once more
    assert len(scene.broker.asked(CancelOrder)) == 2
    assert scene.order(exit_id).state == "CANCELLED"
    scene.wait(6)
    assert scene.order(scene.newest()).attempt == 2


@pytest.mark.case(62)
@pytest.mark.rule("EXIT_WORKING")
def test_case_062_two_wishes_to_leave_are_one_live_order(scene):
    exit_id = asked_back(scene, "accept")
    for close in (98.9, 98.5):
        scene.bar(close)
        assert scene.decision().outcome == "EXIT_WAITS"
        assert scene.refusals() == ("EXIT_WORKING",)
    assert list(scene.broker.books.working) == [exit_id]
    assert len(scene.broker.asked(CancelOrder)) == 1
