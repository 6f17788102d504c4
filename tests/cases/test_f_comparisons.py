"""When the broker is asked for everything it has, and what its answer may and may not decide."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.command import CancelOrder, LookUpOrder, TakeSnapshot
from mqd.model.decision import DriftFound
from mqd.model.event import BarClosed, SessionClosed, SessionOpened, StreamRestored
from mqd.runtime.recovery import rebuilt

WHOLE = Decimal("5.025")
CASH_USD = Decimal(1_000)
STREAM = "trade_updates"


def questions(scene):
    """How often the desk asked for everything."""
    return len(scene.broker.asked(TakeSnapshot))


def compares(scene):
    """Something makes the desk ask at once."""
    scene.hear(StreamRestored(scene.broker.now_ns, STREAM))


def without_news_of_orders(broker, command):
    """The positions are those of now; the lists of orders and executions lag behind."""
    whole = broker.books.snapshot(broker.now_ns, command.at_ns, CASH_USD)
    broker.says(whole._replace(orders=(), executions=()))


@pytest.mark.case(84)
@pytest.mark.rule("EXECUTIONS_FIRST", "missing_local")
@pytest.mark.parametrize("how", ["reply_lost", "ack"], ids=["unknown", "not listed"])
def test_case_084_shares_that_an_open_order_may_explain_wait_for_it(scene, how):
    """Taken up as somebody else's they would be counted twice once the order is answered for."""
    order_id = scene.entry(how)
    scene.broker.fills(order_id)  # nobody tells
    scene.broker.answers(TakeSnapshot, without_news_of_orders)
    scene.broker.answers(LookUpOrder, "silent")
    compares(scene)
    assert scene.verdicts()[-1] == "waits"
    assert not [note for note in scene.notes(DriftFound) if note.subject == "SPY"]
    assert not scene.held()
    scene.wait(60)
    assert scene.held() == WHOLE
    assert scene.agrees()
    assert scene.order(order_id).state == "FILLED"
    assert not scene.incidents()


@pytest.mark.case(81)
@pytest.mark.rule("EXECUTIONS_FIRST", "missing_local")
def test_case_081_other_symbols_do_not_wait_for_that_order(scene):
    order_id = scene.entry("reply_lost")
    scene.broker.fills(order_id)
    scene.broker.books.move("XYZ", Decimal(1), Decimal(100), Decimal(0))
    scene.broker.answers(TakeSnapshot, without_news_of_orders)
    compares(scene)
    drifts = [note.subject for note in scene.notes(DriftFound) if note.kind == "missing_local"]
    assert drifts == ["XYZ"]


@pytest.mark.rule("SNAPSHOT_DUE", "DL-06")
@pytest.mark.parametrize("button", ["reduce", "halt"])
def test_who_resumes_resumes_from_what_the_broker_has_now(scene, button):
    scene.until_ten()
    scene.press(button)
    before = questions(scene)
    scene.broker.books.move("SPY", Decimal(3), Decimal(100), Decimal(0))
    scene.press("resume")
    assert questions(scene) == before + 1
    assert scene.held() == 3
    assert scene.desk_state == "HALTED"  # by what was found, before anything could be opened
    scene.bar(99.5)
    assert scene.decision().outcome == "REFUSED"


@pytest.mark.case(41)
@pytest.mark.rule("CANCEL_NOT_TAKEN")
@pytest.mark.parametrize(("filled", "again"), [("2", False), ("3", True)], ids=["older", "newer"])
def test_a_report_of_less_than_is_booked_says_nothing_of_what_came_after(scene, filled, again):
    """It was made before the fill that we know, so also before our wish to have the order back."""
    order_id = scene.entry()
    scene.fill(order_id, "3")
    scene.broker.answers(CancelOrder, "accept")
    scene.press("halt")
    before = scene.order(order_id)
    assert before.state == "PENDING_CANCEL"
    scene.wait(1)
    scene.hear(scene.broker.report(order_id, filled_qty=Decimal(filled), status="partially_filled"))
    assert (scene.order(order_id) == before) is not again
    assert scene.held() == 3
    scene.wait(9)
    assert ("CANCEL_NOT_TAKEN" in scene.watched()) is again
    assert len(scene.broker.asked(CancelOrder)) == 1 + again
    assert scene.held() == 3


@pytest.mark.rule("SNAPSHOT_DUE", "OL-01")
def test_what_a_snapshot_says_of_an_order_is_news_of_it(scene):
    order_id = scene.entry("silent")
    assert scene.order(order_id).state == "PENDING"
    compares(scene)
    assert scene.order(order_id).state == "SUBMITTED"
    assert scene.order(order_id).broker_order_id
    assert not scene.broker.asked(LookUpOrder)
    scene.wait(30)
    assert not scene.broker.asked(LookUpOrder)  # it is confirmed, and nobody has to ask


@pytest.mark.rule("stuck_order")
def test_an_order_that_is_no_longer_listed_is_looked_up_at_once(scene):
    order_id = scene.entry()
    scene.broker.takes_back(order_id)  # nobody tells
    scene.wait(1)
    compares(scene)
    assert [each.client_order_id for each in scene.broker.asked(LookUpOrder)] == [order_id]
    assert scene.order(order_id).state == "CANCELLED"
    assert not scene.state.working


@pytest.mark.case(82)
@pytest.mark.rule("SNAPSHOT_DUE", "NOT_IN_STEP")
def test_case_082_a_start_asks_anew_and_does_not_wait_for_the_answer_of_another_process(scene):
    scene.holding()
    scene.broker.answers(TakeSnapshot, "silent")
    compares(scene)
    assert scene.state.desk.is_waiting_for_snapshot
    old = scene.broker.asked(TakeSnapshot)[-1]
    late = scene.broker.books.snapshot(scene.broker.now_ns, old.at_ns, CASH_USD)
    scene.broker.answers(TakeSnapshot, "silent")
    before = questions(scene)
    scene.restart(after_s=1)
    assert questions(scene) == before + 1
    scene.broker.answers(TakeSnapshot, "silent")
    scene.hear(late._replace(positions=()))  # that question is not open any more
    assert scene.held() == WHOLE
    assert not scene.state.desk.is_in_step
    assert not scene.incidents()


@pytest.mark.rule("SNAPSHOT_TIMER", "reconcile_every")
def test_a_quiet_desk_is_compared_every_five_minutes(scene):
    """No order, no news: only the timer finds what somebody did to the account."""
    scene.until_ten()
    compares(scene)
    before = questions(scene)
    scene.broker.books.move("SPY", Decimal(3), Decimal(100), Decimal(0))
    scene.wait(299)
    assert questions(scene) == before
    scene.wait(2)
    assert questions(scene) == before + 1
    assert scene.held() == 3
    scene.close()
    closed = questions(scene)
    scene.wait(900, every_s=60)
    assert questions(scene) == closed  # at night nobody trades


@pytest.mark.rule("SNAPSHOT_DUE")
def test_the_close_of_a_session_asks_what_the_day_left(scene):
    scene.until_ten()
    while scene.state.now_ns < scene.state.session.close_ns - 60 * 10**9:
        scene.bar(100.0)
    scene.broker.books.move("SPY", Decimal(3), Decimal(100), Decimal(0))
    before = questions(scene)
    scene.close()
    assert questions(scene) == before + 1
    assert scene.held() == 3


@pytest.mark.case(76)
@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_case_076_a_replay_counts_every_market_event_that_the_feed_does_not_tell_again(scene):
    scene.holding()
    scene.bar(99.6)
    scene.bar(99.6, symbol="XYZ")  # set aside, and told all the same
    scene.close()
    scene.open(day=1)
    scene.bar(99.7)
    events = [event for event, _ in scene.journal.pairs]
    market = [
        each for each in events if isinstance(each, BarClosed | SessionOpened | SessionClosed)
    ]
    found = rebuilt(scene.journal)
    assert found.market_events == len(market) == 30 + 1 + 2 + 3 + 1
    assert found.events == len(events)
    assert found.state.hash() == scene.state.hash()
    assert found.last_bar_ns == market[-1].at_ns
