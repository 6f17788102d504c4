"""Orders that never end, shares that are counted twice: what keeps a way out from opening."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.brokers.books import CANCELED
from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    ExecutionBusted,
    ExecutionCorrected,
    OrderFilled,
    OrderNotFound,
    OrderRejected,
)

WHOLE = Decimal("5.025")
HOUR_S = 3_600
ZERO = Decimal(0)


def snapshots(scene):
    return len(scene.broker.asked(TakeSnapshot))


def manual(scene, side, qty):
    """Another hand trades at the broker; the news of it is returned, not told."""
    books, now_ns = scene.broker.books, scene.broker.now_ns
    order = SubmitOrder(now_ns, "manual-1", "SPY", side, Decimal(qty), "market", "day")
    booked = books.take(order, "b-manual-1", now_ns)
    return books.fill(booked, order.qty, Decimal(100), ZERO, now_ns)


@pytest.mark.case(3)
@pytest.mark.case(101)
@pytest.mark.rule("EXIT_UNPROVED", "UNPROVED", "stuck_order", "EXIT_ENDED_SHORT")
def test_case_101_an_exit_lost_in_a_longer_outage_opens_the_way_for_another(scene):
    scene.holding()
    scene.broker.answers(LookUpOrder, *["silent"] * 5)
    lost = scene.exit(*["submit_lost"] * 5)
    scene.wait(120)
    assert scene.watched()[-1] == "UNPROVED"
    assert scene.order(lost).state == "UNKNOWN"
    scene.broker.answers(SubmitOrder, "fill")  # it answers again
    scene.wait(600)
    assert scene.order(lost).state == "NOT_SENT"
    assert scene.newest() != lost
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.case(93)
@pytest.mark.rule("stuck_order", "UNPROVED", "NOT_IN_STEP")
def test_case_093_an_entry_lost_in_a_longer_outage_ends_when_the_broker_answers_again(scene):
    entry_id = scene.entry("submit_lost")
    scene.broker.answers(LookUpOrder, *["silent"] * 11)
    scene.wait(600)
    assert scene.order(entry_id).state == "CANCELLED"
    assert not scene.state.working
    assert scene.state.desk.is_in_step


@pytest.mark.case(45)
@pytest.mark.rule("CANCEL_UNANSWERED", "UNPROVED")
def test_case_045_a_cancel_that_the_broker_never_carries_out_is_told_to_a_person(scene):
    def pending(broker, command):
        broker.says(broker.report(command.client_order_id, status="pending_cancel"))

    scene.holding()
    exit_id = scene.exit()
    scene.broker.answers(CancelOrder, "accept")
    scene.broker.answers(LookUpOrder, *[pending] * 99)
    scene.wait(180)
    assert scene.watched().count("CANCEL_UNANSWERED") == 5
    assert scene.watched()[-1] == "UNPROVED"
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.desk_state == "HALTED"
    assert scene.order(exit_id).state == "PENDING_CANCEL"


@pytest.mark.case(26)
@pytest.mark.case(70)
def test_case_026_an_average_that_cannot_be_stops_entries_and_not_the_desk(scene):
    entry_id = scene.entry("silent")
    scene.broker.fills(entry_id)
    asked = snapshots(scene)
    scene.hear(scene.broker.report(entry_id, average_price=ZERO))
    assert scene.incidents() == ["MalformedExecutionError"]
    assert snapshots(scene) > asked
    assert scene.held() == WHOLE  # by the comparison
    assert scene.order(entry_id).filled_qty == WHOLE
    assert scene.agrees()


@pytest.mark.case(43)
def test_case_043_no_order_ends_before_what_it_filled_is_booked(scene):
    entry_id = scene.entry()
    scene.broker.fills(entry_id, "2")
    scene.broker.books.executions.clear()
    scene.broker.answers(TakeSnapshot, *["silent"] * 9)
    scene.hear(scene.broker.report(entry_id, status="canceled", average_price=None))
    assert scene.order(entry_id).state == "SUBMITTED"
    scene.hear(scene.broker.report(entry_id, status="canceled"))
    assert scene.order(entry_id).state == "CANCELLED"
    assert scene.held() == 2


@pytest.mark.case(35)
@pytest.mark.case(72)
@pytest.mark.rule("EXIT_ENDED_SHORT", "exit_again_after")
@pytest.mark.parametrize("skew_s", [-HOUR_S, -30, 30, HOUR_S])
def test_case_072_a_brokers_clock_neither_holds_an_exit_back_nor_spends_its_attempts(scene, skew_s):
    def refuses(broker, command):
        broker.books.refuse(command, f"b-{command.client_order_id}", broker.now_ns)
        at_ns = broker.now_ns + skew_s * NS_PER_S
        broker.says(OrderRejected(at_ns, command.client_order_id, "403", "no"))

    scene.holding()
    first = scene.exit(refuses)
    scene.wait(4)
    assert scene.newest() == first
    scene.broker.answers(SubmitOrder, "fill")
    scene.wait(2)
    assert scene.order(scene.newest()).attempt == 2
    assert not scene.held()


@pytest.mark.case(33)
@pytest.mark.case(27)
@pytest.mark.rule("SNAPSHOT_DUE", "missing_broker")
def test_case_033_a_bust_of_what_was_only_inferred_makes_the_desk_compare_at_once(scene):
    entry_id = scene.entry()
    filled = scene.broker.fills(entry_id)  # and nobody tells
    scene.hear(scene.broker.report(entry_id))
    assert scene.held() == WHOLE
    scene.broker.undoes(entry_id, WHOLE)
    scene.hear(ExecutionBusted(scene.broker.now_ns, filled.execution_id))
    assert scene.incidents()[0] == "ExecutionConflictError"
    assert not scene.state.desk.is_in_step
    scene.wait(15)  # a fill was booked just now: the difference has to show three times
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.case(33)
@pytest.mark.case(37)
@pytest.mark.rule("SNAPSHOT_DUE")
def test_case_037_a_foreign_fill_that_cannot_be_booked_makes_the_desk_compare(scene):
    scene.until_ten()
    asked = snapshots(scene)
    now_ns = scene.broker.now_ns
    scene.hear(OrderFilled(now_ns, "m-1", "b", "x", ZERO, Decimal(1), ZERO, "SPY", "buy"))
    assert scene.incidents() == ["MalformedExecutionError"]
    assert snapshots(scene) > asked


@pytest.mark.case(40)
@pytest.mark.rule("OL-05")
def test_case_040_an_end_ends_the_order_even_when_it_tells_of_less_than_is_booked(scene):
    entry_id = scene.entry()
    filled = scene.broker.fills(entry_id, "3")  # and nobody tells
    scene.hear(scene.broker.report(entry_id))
    scene.broker.undoes(entry_id, 3)
    scene.broker.answers(
        CancelOrder, lambda broker, command: broker.books.end(command.client_order_id, CANCELED)
    )
    scene.hear(ExecutionBusted(scene.broker.now_ns, filled.execution_id))
    scene.wait(60)
    assert scene.order(entry_id).state == "CANCELLED"
    assert scene.agrees()


@pytest.mark.case(26)
@pytest.mark.rule("OL-02", "OL-10")
@pytest.mark.parametrize("how", ["no broker id", "corrected"])
def test_case_026_an_order_whose_shares_are_booked_ends_when_the_broker_says_so(scene, how):
    if how == "no broker id":
        entry_id = scene.entry("silent")
        scene.hear(scene.broker.fills(entry_id)._replace(broker_order_id=""))
    else:
        entry_id = scene.entry()
        filled = scene.fill(entry_id, "2")
        scene.broker.fills(entry_id)
        scene.broker.books.executions.clear()
        now_ns = scene.broker.now_ns
        scene.hear(ExecutionCorrected(now_ns, filled.execution_id, "new", Decimal("99.5"), WHOLE))
    assert scene.order(entry_id).filled_qty == WHOLE
    scene.wait(60)
    assert scene.order(entry_id).state == "FILLED"
    assert scene.state.working == {scene.stop().client_order_id}
    assert scene.agrees()


@pytest.mark.case(44)
@pytest.mark.case(86)
@pytest.mark.rule("OL-91", "EXTERNAL_ORDER", "DESK_NOT_ACTIVE", "lost_order", "MAY_HAVE_ENDED")
@pytest.mark.parametrize("heard", ["stream", "comparison"])
def test_case_044_an_order_given_up_as_never_sent_that_works_after_all_stops_entries(
    eager_scene, heard
):
    scene = eager_scene
    entry_id = scene.entry("vanish")
    scene.wait(15)
    assert scene.order(entry_id).state == "NOT_SENT"
    (sent,) = scene.broker.asked(SubmitOrder)
    scene.broker.books.take(sent, "b-late", scene.broker.now_ns)
    if heard == "stream":
        scene.hear(scene.broker.ack(entry_id), scene.broker.ack(entry_id))
    scene.wait(360)
    assert scene.incidents() == ["UnknownOrderError"]
    assert scene.desk_state == "HALTED"
    scene.bar(99.0)
    assert scene.refusals() == ("DESK_NOT_ACTIVE", "EXTERNAL_ORDER")
    scene.press("resume")  # the order is still there
    scene.bar(99.0)
    assert scene.refusals() == ("DESK_NOT_ACTIVE", "EXTERNAL_ORDER")
    scene.broker.books.end(entry_id, CANCELED)  # by a person, at the broker
    scene.press("resume")
    scene.bar(99.0)
    assert scene.decision().outcome == "ENTER"
    assert scene.newest() != entry_id


@pytest.mark.case(47)
@pytest.mark.rule("OL-11", "OL-92", "CANCEL_UNANSWERED", "lost_order")
def test_case_047_an_order_asked_back_too_soon_to_be_known_is_not_given_up(eager_scene):
    """The broker takes it a moment after it said that it knows no such order."""
    scene = eager_scene
    entry_id = scene.entry("vanish")
    (sent,) = scene.broker.asked(SubmitOrder)
    scene.press("halt")
    scene.hear(OrderNotFound(scene.broker.now_ns, entry_id, scene.broker.now_ns))
    assert scene.order(entry_id).state == "PENDING_CANCEL"
    scene.broker.books.take(sent, "b-late", scene.broker.now_ns)
    scene.wait(60)
    assert scene.order(entry_id).state == "CANCELLED"
    assert not scene.broker.books.working
    assert not scene.incidents()


@pytest.mark.case(37)
@pytest.mark.case(78)
@pytest.mark.rule("missing_local", "BOOKED_ONCE")
def test_case_078_shares_that_were_adopted_are_not_booked_again_by_their_late_fill(scene):
    scene.until_ten()
    late = manual(scene, "buy", 5)
    scene.wait(400, every_s=5)
    assert scene.held() == 5
    scene.restart()
    scene.hear(late, late)
    assert scene.held() == 5
    assert scene.agrees()
    scene.wait(60)
    assert scene.incidents() == ["PositionDriftError"]
    assert scene.desk_state == "HALTED"


@pytest.mark.case(79)
@pytest.mark.rule("missing_broker", "BOOKED_ONCE")
def test_case_079_shares_that_were_given_up_are_not_sold_again_by_their_late_fill(scene):
    scene.holding()
    late = manual(scene, "sell", WHOLE)
    while scene.held():
        scene.bar(99.5)
    scene.hear(late)
    assert not scene.held()
    assert scene.agrees()
    assert scene.incidents() == ["PositionDriftError"]


@pytest.mark.case(48)
@pytest.mark.case(87)
@pytest.mark.rule("EXIT_ENDED_SHORT", "EXTENDED_HOURS")
def test_case_087_a_desk_that_slept_over_the_close_sends_no_exit_at_night(scene):
    scene.holding()
    refused = scene.exit("reject")
    scene.restart(after_s=12 * HOUR_S)
    scene.wait(60)
    assert scene.newest() == refused
    late_bar = scene.bar(98.0)  # of the session that nobody saw the end of
    assert not late_bar.decisions
    scene.open(1)
    scene.wait(5)
    assert scene.order(scene.newest()).attempt == 2
