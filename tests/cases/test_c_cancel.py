"""Cancels, time limits, expiry: asking is not having; only the broker's word ends an order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.moves import in_age_order
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import CancelRefused, OrderCancelled, OrderRejected, SnapshotTaken
from mqd.model.snapshot import OrderReport

QTY = Decimal("5.025")
TTL_S = 600

ALPACA_WORDS = (
    "new", "partially_filled", "filled", "done_for_day", "canceled", "expired", "replaced",
    "pending_cancel", "pending_replace", "accepted", "pending_new", "accepted_for_bidding",
    "stopped", "rejected", "suspended", "calculated", "held", "pending_review",
)  # fmt: skip


def asked_back(scene):
    return [each.client_order_id for each in scene.broker.asked(CancelOrder)]


def looked_up(scene):
    return [each.client_order_id for each in scene.broker.asked(LookUpOrder)]


@pytest.mark.case(39)
@pytest.mark.rule("ENTRY_TOO_OLD", "OL-04", "OL-05")
def test_case_039_an_entry_that_is_too_old_is_asked_back_once(scene):
    order_id = scene.entry()
    scene.broker.answers(CancelOrder, "accept")
    scene.wait(TTL_S - 1, every_s=1)
    assert not asked_back(scene)
    scene.wait(1)
    assert asked_back(scene) == [order_id]
    scene.wait(5)
    assert scene.order(order_id).state == "PENDING_CANCEL"
    assert asked_back(scene) == [order_id]
    scene.hear(scene.broker.takes_back(order_id))
    assert scene.order(order_id).state == "CANCELLED"
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(40)
@pytest.mark.rule("OL-89", "CANCEL_UNANSWERED", "OL-10")
@pytest.mark.parametrize("ended", ["filled", "expired"])
def test_case_040_a_refused_cancel_is_looked_up_and_the_answer_counts(scene, ended):
    order_id = scene.entry()
    if ended == "filled":
        scene.broker.fills(order_id)  # untold
    else:
        scene.broker.expires(order_id)
    scene.press("halt")
    assert scene.order(order_id).state == "PENDING_CANCEL"
    scene.wait(11)
    assert looked_up(scene) == [order_id]
    assert scene.order(order_id).state == ended.upper()
    assert scene.agrees()
    assert not scene.incidents()
    assert scene.desk_state == "HALTED"  # by the button, and by nothing worse


@pytest.mark.case(41)
@pytest.mark.rule("OL-10", "OL-80", "OL-91")
def test_case_041_a_fill_that_crosses_the_cancel_wins(scene):
    order_id = scene.entry()
    scene.broker.answers(CancelOrder, "accept")
    scene.press("halt")
    scene.fill(order_id, "2")
    assert scene.order(order_id).state == "PENDING_CANCEL"
    scene.fill(order_id)
    assert scene.order(order_id).state == "FILLED"
    scene.hear(OrderCancelled(scene.state.now_ns, order_id))
    assert scene.order(order_id).state == "FILLED"
    assert scene.held() == QTY
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(42)
@pytest.mark.rule("OL-90", "DL-01", "STOP_LOSS")
def test_case_042_a_late_fill_is_booked_and_has_a_way_out(scene):
    order_id = scene.entry()
    late = scene.broker.fills(order_id, "2")  # before the cancel, and told after it
    scene.hear(scene.broker.takes_back(order_id)._replace(filled_qty=None))
    assert scene.order(order_id).state == "CANCELLED"
    assert not scene.held()
    scene.hear(late)
    assert scene.order(order_id).state == "CANCELLED"
    assert scene.order(order_id).filled_qty == scene.held() == 2
    assert scene.incidents() == ["TerminalStateError"]
    assert scene.desk_state == "HALTED"
    assert (scene.strategy, "SPY") in scene.state.holdings
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).qty == 2
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.case(43)
@pytest.mark.rule("OL-05")
def test_case_043_fills_that_nobody_heard_of_are_booked_before_the_order_ends(scene):
    order_id = scene.entry()
    scene.fill(order_id, "1")
    scene.broker.fills(order_id, "1.5", "99.4")  # untold
    cancelled = scene.broker.takes_back(order_id)
    assert cancelled.filled_qty == Decimal("2.5")
    before = len(scene.seen)
    scene.hear(cancelled)
    states = [
        (line.event, line.to_state)
        for _, outcome in scene.seen[before:]
        for line in outcome.transitions
        if line.client_order_id == order_id
    ]
    assert states == [("filled", "PARTIALLY_FILLED"), ("cancelled", "CANCELLED")]
    assert looked_up(scene) == [order_id]
    assert scene.held() == Decimal("2.5")
    assert scene.state.ledger.cash_delta_usd == scene.broker.books.cash_delta_usd
    assert not scene.incidents()


@pytest.mark.case(43)
@pytest.mark.rule("OL-05")
def test_case_043_even_when_the_first_answer_is_lost(scene):
    order_id = scene.entry()
    scene.broker.fills(order_id, "1.5")  # untold
    scene.broker.answers(LookUpOrder, "silent")
    scene.hear(scene.broker.takes_back(order_id))
    assert not scene.held()
    assert order_id in scene.state.working
    scene.wait(330)  # at the latest the next comparison finds it stuck
    assert scene.order(order_id).state == "CANCELLED"
    assert scene.held() == Decimal("1.5")
    assert scene.agrees()


@pytest.mark.case(44)
@pytest.mark.rule("CANCEL_UNANSWERED", "CANCEL_NOT_TAKEN", "ORDER_WORKING", "OL-05")
def test_case_044_a_lost_cancel_leaves_the_order_where_it_is(eager_scene):
    scene = eager_scene
    order_id = scene.entry()
    scene.broker.answers(CancelOrder, "vanish")
    scene.wait(TTL_S)
    assert scene.order(order_id).state == "PENDING_CANCEL"
    scene.wait(5)
    scene.bar(99.0)
    assert "ORDER_WORKING" in scene.refusals()
    assert scene.newest() == order_id  # nothing took its place
    scene.wait(6)
    assert looked_up(scene) == [order_id]
    assert asked_back(scene) == [order_id]
    assert scene.order(order_id).state == "PENDING_CANCEL"  # it works there, says the broker
    scene.wait(3)
    assert asked_back(scene) == [order_id] * 2  # so it had nothing of the first wish
    assert scene.order(order_id).state == "CANCELLED"
    assert scene.agrees()


@pytest.mark.case(45)
@pytest.mark.rule("CANCEL_UNANSWERED", "UNPROVED", "ORDER_WORKING")
def test_case_045_an_unanswered_cancel_is_asked_about_and_then_told_to_a_person(eager_scene):
    scene = eager_scene
    order_id = scene.entry()
    scene.broker.answers(CancelOrder, "vanish")
    scene.broker.answers(LookUpOrder, *["silent"] * 100)
    scene.wait(TTL_S)
    scene.wait(45)
    assert looked_up(scene) == [order_id] * 4
    assert not scene.incidents()
    scene.bar(99.0)
    assert "ORDER_WORKING" in scene.refusals()
    scene.wait(60)
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.watched()[-1] == "UNPROVED"
    assert scene.desk_state == "HALTED"
    assert scene.order(order_id).state == "PENDING_CANCEL"
    assert asked_back(scene) == [order_id]
    scene.wait(120)
    assert scene.incidents() == ["UnresolvedError"]  # told once


@pytest.mark.case(46)
@pytest.mark.rule("EXIT_ENDED_SHORT", "OL-06")
def test_case_046_a_sale_that_is_refused_for_held_shares_is_tried_again(scene):
    scene.holding()
    first = scene.exit("reject")
    assert scene.order(first).state == "REJECTED"
    scene.wait(4)
    assert scene.newest() == first
    scene.broker.answers(SubmitOrder, "fill")
    scene.wait(2)
    assert scene.newest() != first
    assert scene.order(scene.newest()).attempt == 2
    assert not scene.held()
    assert not scene.incidents()


@pytest.mark.case(46)
@pytest.mark.case(53)
@pytest.mark.rule("EXIT_ENDED_SHORT", "EXIT_ATTEMPTS_SPENT")
def test_case_046_a_limited_number_of_times(scene):
    scene.holding()
    scene.exit(*["reject"] * 50)
    scene.wait(50)
    exits = [each for each in scene.broker.asked(SubmitOrder) if each.side == "sell"]
    assert len(exits) == 3
    assert len({each.client_order_id for each in exits}) == 3
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.desk_state == "HALTED"
    assert scene.held() == QTY


@pytest.mark.case(47)
@pytest.mark.rule("OL-11", "OL-89", "CANCEL_UNANSWERED")
def test_case_047_an_order_that_the_broker_does_not_know_ends(scene):
    """It was asked back before anybody heard of it, and the broker never did."""
    order_id = scene.entry("vanish")
    scene.press("halt")
    assert scene.order(order_id).state == "PENDING_CANCEL"
    assert isinstance(scene.seen[-1][0], CancelRefused)
    scene.wait(11)
    assert scene.order(order_id).state == "CANCELLED"
    assert not scene.state.working
    scene.wait(60)
    assert asked_back(scene) == [order_id]
    assert looked_up(scene) == [order_id]
    assert not scene.incidents()


@pytest.mark.case(48)
@pytest.mark.rule("OL-07")
def test_case_048_a_day_order_expires_and_the_next_day_is_another(scene):
    order_id = scene.entry()
    expired = scene.broker.expires(order_id)
    scene.close()
    scene.hear(expired)
    assert scene.order(order_id).state == "EXPIRED"
    scene.open(day=1)
    scene.until_ten()
    scene.bar(99.5)
    assert scene.decision().outcome == "ENTER"
    assert scene.newest() != order_id
    assert not scene.incidents()


@pytest.mark.case(49)
@pytest.mark.rule("OL-07", "done_for_day", "calculated")
@pytest.mark.parametrize("word", ["done_for_day", "calculated"])
def test_case_049_done_for_the_day_is_not_ended(scene, word):
    order_id = scene.entry()
    scene.fill(order_id, "2")
    scene.hear(scene.broker.report(order_id, status=word))
    assert scene.order(order_id).state == "PARTIALLY_FILLED"
    assert order_id in scene.state.working
    scene.hear(scene.broker.expires(order_id))
    assert scene.order(order_id).state == "EXPIRED"
    assert scene.held() == 2


@pytest.mark.case(50)
@pytest.mark.rule(
    "new", "partially_filled", "filled", "done_for_day", "canceled", "expired", "replaced",
    "pending_cancel", "pending_replace", "accepted", "pending_new", "accepted_for_bidding",
    "stopped", "rejected", "suspended", "calculated", "held", "pending_review",
)  # fmt: skip
@pytest.mark.parametrize("word", ALPACA_WORDS)
def test_case_050_every_word_of_the_broker_means_something(scene, word):
    order_id = scene.entry("silent")
    qty = QTY if word == "filled" else Decimal(0)
    price = Decimal("99.5") if qty else None
    scene.hear(scene.broker.report(order_id, status=word, filled_qty=qty, average_price=price))
    assert not scene.incidents()
    expected = {
        "filled": "FILLED", "canceled": "CANCELLED", "replaced": "CANCELLED",
        "expired": "EXPIRED", "rejected": "REJECTED", "done_for_day": "PENDING",
        "calculated": "PENDING", "pending_cancel": "PENDING",
    }  # fmt: skip
    assert scene.order(order_id).state == expected.get(word, "SUBMITTED")
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(50)
@pytest.mark.rule("DL-01")
def test_case_050_a_word_that_nobody_declared_stops_entries_and_moves_nothing(scene):
    scene.holding()
    exit_id = scene.exit()
    before = scene.order(exit_id)
    scene.hear(scene.broker.report(exit_id, status="pondering"))
    assert scene.incidents() == ["UnknownBrokerWordError"]
    assert scene.desk_state == "HALTED"
    assert scene.order(exit_id) == before
    assert not asked_back(scene)
    scene.fill(exit_id)
    assert not scene.held()


@pytest.mark.case(51)
@pytest.mark.rule("ENTRY_ASKED_BACK")
@pytest.mark.parametrize("button", ["halt", "flatten"])
def test_case_051_only_orders_of_the_desk_are_asked_back(scene, button):
    order_id = scene.entry()
    manual = OrderReport("by-hand", "b-9", "SPY", "buy", Decimal(1), Decimal(0), None, "new")

    def with_another_hand(broker, command):
        honest = broker.books.snapshot(broker.now_ns, command.at_ns, Decimal(1_000))
        broker.says(honest._replace(orders=(*honest.orders, manual)))

    scene.broker.answers(TakeSnapshot, *[with_another_hand] * 20)
    scene.wait(310)
    assert any(isinstance(e, SnapshotTaken) and manual in e.orders for e, _ in scene.seen)
    assert scene.state.symbols["SPY"].external_orders == 1
    scene.press(button)
    scene.wait(20)
    assert asked_back(scene) == [order_id]
    assert scene.order(order_id).state == "CANCELLED"
    assert "by-hand" not in scene.state.orders


@pytest.mark.case(52)
@pytest.mark.rule("stuck_order", "OL-05")
def test_case_052_cancels_that_were_unconfirmed_at_the_end_are_gone_on_with(scene):
    order_id = scene.entry()
    scene.broker.answers(CancelOrder, "accept")
    scene.press("halt")
    assert [each.client_order_id for each in in_age_order(scene.state)] == [order_id]
    found = scene.replayed()
    assert found.orders[order_id].state == "PENDING_CANCEL"
    assert found.working == {order_id}
    scene.broker.takes_back(order_id)  # and nobody is there to hear it
    scene.restart()
    assert scene.order(order_id).state == "CANCELLED"  # found by the comparison at the start
    scene.wait(12)
    assert not scene.state.working
    assert asked_back(scene) == [order_id]


@pytest.mark.case(52)
@pytest.mark.rule("EXECUTIONS_FIRST", "OL-10")
def test_case_052_what_filled_meanwhile_is_found_too(scene):
    order_id = scene.entry()
    scene.broker.answers(CancelOrder, "accept")
    scene.press("halt")
    scene.broker.fills(order_id)
    scene.restart()
    scene.wait(12)
    assert scene.order(order_id).state == "FILLED"
    assert scene.held() == QTY
    assert scene.agrees()


@pytest.mark.case(53)
@pytest.mark.rule("EXIT_TOO_OLD", "EXIT_ENDED_SHORT", "EXIT_ATTEMPTS_SPENT")
def test_case_053_an_exit_that_does_not_fill_is_made_anew_and_then_told_to_a_person(scene):
    scene.holding()
    first = scene.exit()
    scene.wait(119)
    assert not asked_back(scene)
    scene.wait(1)
    assert asked_back(scene) == [first]
    assert scene.order(first).state == "CANCELLED"
    scene.wait(5)
    second = scene.newest()
    assert (scene.order(second).attempt, scene.order(second).qty) == (2, QTY)
    scene.wait(300)
    exits = [each for each in scene.broker.asked(SubmitOrder) if each.side == "sell"]
    assert len(exits) == 3
    assert "EXIT_ATTEMPTS_SPENT" in scene.watched()
    assert "UnresolvedError" in scene.incidents()
    assert scene.held() == QTY
    scene.broker.answers(SubmitOrder, "fill")
    scene.bar(98.0)  # the stop is looked at on every bar all the same
    assert not scene.held()


@pytest.mark.case(54)
@pytest.mark.rule("OL-05")
def test_case_054_a_cancel_that_nobody_asked_for_ends_the_order_at_once(eager_scene):
    scene = eager_scene
    order_id = scene.entry()
    scene.hear(scene.broker.takes_back(order_id))
    assert scene.order(order_id).state == "CANCELLED"
    scene.wait(TTL_S + 30)
    assert not asked_back(scene)
    assert not scene.watched()
    assert scene.state.strategies[scene.strategy].entries_today == 0


@pytest.mark.case(42)
@pytest.mark.rule("OL-90")
def test_case_042_a_late_fill_of_a_rejected_order_is_booked_too(scene):
    order_id = scene.entry("silent")
    scene.hear(OrderRejected(scene.state.now_ns, order_id, "1", "no"))
    assert scene.order(order_id).state == "REJECTED"
    scene.fill(order_id)
    assert scene.order(order_id).state == "REJECTED"
    assert scene.held() == QTY
    assert scene.desk_state == "HALTED"


@pytest.mark.case(45)
@pytest.mark.rule("CANCEL_NOT_TAKEN", "CANCEL_REFUSED")
def test_case_045_a_broker_that_refuses_every_cancel_is_not_asked_for_ever(scene):
    scene.holding()
    scene.exit()
    scene.broker.answers(CancelOrder, *["refuse"] * 500)
    scene.wait(900)
    assert len(scene.broker.asked(CancelOrder)) == 5
    assert "UnresolvedError" in scene.incidents()
    assert scene.desk_state == "HALTED"
