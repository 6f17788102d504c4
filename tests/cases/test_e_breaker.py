"""A broker that fails or answers late: nothing is opened there, and everything gets out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqd.engine.moves import count_queued
from mqd.engine.state import DeskFacts, DeskState, OrderFacts
from mqd.model.command import CancelOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import BreakerMoved
from mqd.model.event import RequestAnswered, StreamRestored
from mqd.model.order import Order
from mqd.rules.compile.book import compile_book

LATE_MS, QUICK_MS = 5_001, 40


def came(scene, outcome="answered", took_ms=QUICK_MS, of="submit"):
    return RequestAnswered(scene.broker.now_ns, of, outcome, took_ms)


def probed(outcome, took_ms=QUICK_MS):
    """A comparison that came to this, told as the adapter tells it: first what it came to."""

    def answer(broker, command):
        broker.says(RequestAnswered(broker.now_ns, "read", outcome, took_ms))
        broker._snapshot(command, "report" if outcome == "answered" else "fail")

    return answer


def moves(scene):
    return [note.rule for note in scene.notes(BreakerMoved)]


@pytest.mark.case(73)
@pytest.mark.rule("BREAKER_NOT_CLOSED", "BR-01", "BR-03", "BR-05", "BREAKER_PROBE")
def test_case_073_a_late_answer_stops_entries_for_a_minute_and_a_quick_one_lets_them_go(
    eager_scene,
):
    scene = eager_scene
    scene.until_ten()
    scene.hear(came(scene, took_ms=LATE_MS))
    scene.bar(99.5)
    assert scene.decision().outcome == "REFUSED"
    assert scene.refusals() == ("BREAKER_NOT_CLOSED",)
    assert not scene.broker.asked(SubmitOrder)
    scene.broker.answers(TakeSnapshot, probed("answered"))
    scene.wait(60)
    assert moves(scene) == ["BR-01", "BR-03", "BR-05"]
    scene.bar(99.4)
    assert scene.decision().outcome == "ENTER"
    assert not scene.incidents()


@pytest.mark.case(73)
@pytest.mark.rule("BREAKER_NOT_CLOSED", "BR-06", "BR-04")
@pytest.mark.parametrize(("outcome", "took_ms"), [("unproved", QUICK_MS), ("answered", LATE_MS)])
def test_case_073_a_broker_that_is_tried_in_vain_rests_again(eager_scene, outcome, took_ms):
    scene = eager_scene
    scene.until_ten()
    scene.hear(came(scene, took_ms=LATE_MS))
    scene.broker.answers(TakeSnapshot, probed(outcome, took_ms))
    scene.wait(61)
    assert scene.state.breaker.state_name == "OPEN"
    scene.bar(99.5)
    assert "BREAKER_NOT_CLOSED" in scene.refusals()
    assert not scene.broker.asked(SubmitOrder)


@pytest.mark.case(73)
@pytest.mark.rule("BREAKER_NOT_CLOSED", "BREAKER_TABLE")
def test_case_073_exits_and_cancels_go_while_it_is_open(scene):
    entry_id = scene.entry("ack")
    scene.fill(entry_id, "2")
    scene.hear(came(scene, took_ms=LATE_MS))
    exit_id = scene.exit("fill")
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [entry_id]
    assert scene.order(exit_id).state == "FILLED"
    assert scene.state.breaker.state_name != "CLOSED"
    assert not scene.held()


@pytest.mark.case(73)
@pytest.mark.rule("RESTART_CHANGES_NOTHING", "BREAKER_NOT_CLOSED")
def test_case_073_a_restart_neither_closes_it_nor_begins_its_rest_anew(eager_scene):
    scene = eager_scene
    scene.until_ten()
    scene.hear(came(scene, took_ms=LATE_MS))
    moved_ns = scene.state.breaker.moved_ns
    scene.restart(after_s=30)
    assert scene.state.breaker.state_name == "OPEN"
    assert scene.state.breaker.moved_ns == moved_ns
    scene.bar(99.5)
    assert scene.refusals() == ("BREAKER_NOT_CLOSED",)


@pytest.mark.case(7)
@pytest.mark.rule("BR-02", "BR-91", "ENTRY_NOT_TAKEN")
def test_case_007_each_request_that_is_turned_away_counts_against_the_breaker(scene):
    def turned_away(broker, command):
        broker.says(RequestAnswered(broker.now_ns, "submit", "not_taken", QUICK_MS))
        broker._submit(command, "not_taken")

    order_id = scene.entry(*[turned_away] * 50)
    scene.wait(6)
    assert (scene.sends(order_id), scene.state.breaker.state_name) == (4, "CLOSED")
    scene.wait(2)
    assert (scene.sends(order_id), scene.state.breaker.state_name) == (5, "OPEN")


@pytest.mark.case(7)
@pytest.mark.rule("ENTRY_NOT_TAKEN", "BREAKER_NOT_CLOSED")
def test_case_007_an_entry_that_was_not_taken_is_not_sent_again_to_a_broker_that_rests(scene):
    order_id = scene.entry("not_taken")
    scene.hear(came(scene, "not_taken", LATE_MS))
    scene.wait(40)
    assert scene.sends(order_id) == 1
    assert scene.order(order_id).state == "NOT_SENT"


@pytest.mark.case(7)
@pytest.mark.rule("EXIT_NOT_TAKEN", "BREAKER_TABLE")
def test_case_007_an_exit_that_was_not_taken_is(scene):
    scene.holding()
    exit_id = scene.exit("not_taken", "fill")
    scene.hear(came(scene, "not_taken", LATE_MS))
    scene.wait(3)
    assert scene.sends(exit_id) == 2
    assert not scene.held()


@pytest.mark.rule("BREAKER_TABLE")
@settings(max_examples=25, deadline=None)
@given(
    told=st.lists(
        st.tuples(
            st.sampled_from(["submit", "cancel", "look_up", "read"]),
            st.sampled_from(["answered", "not_taken", "unproved"]),
            st.sampled_from([QUICK_MS, 5_000, LATE_MS]),
            st.sampled_from([0, 1, 20, 60]),
        ),
        max_size=12,
    )
)
def test_whatever_the_requests_came_to_every_exit_and_every_cancel_is_sent(
    shipped, make_scene, told
):
    scene = make_scene(shipped)
    entry_id = scene.entry("ack")
    scene.fill(entry_id, "2")
    for of, outcome, took_ms, wait_s in told:
        scene.hear(came(scene, outcome, took_ms, of))
        scene.wait(wait_s, every_s=20)
    scene.exit("fill")
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [entry_id]
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.case(73)
@pytest.mark.rule("OUT_OF_STEP", "BREAKER_PROBE", "BR-02", "BR-06")
def test_case_073_a_broker_that_goes_on_failing_is_asked_once_a_rest(scene):
    scene.until_ten()
    scene.broker.answers(TakeSnapshot, *[probed("unproved")] * 50)
    before = len(scene.broker.asked(TakeSnapshot))
    scene.hear(StreamRestored(scene.broker.now_ns, "trade_updates"))
    scene.wait(25)
    assert len(scene.broker.asked(TakeSnapshot)) == before + 5  # every five seconds
    assert scene.state.breaker.state_name == "OPEN"
    scene.wait(180)
    assert len(scene.broker.asked(TakeSnapshot)) == before + 5 + 3
    assert not scene.state.desk.is_in_step


# -- back-pressure --------------------------------------------------------------------------------


@pytest.mark.case(75)
@pytest.mark.rule("TOO_MANY_QUEUED")
@pytest.mark.parametrize(("queued", "holds"), [(10, False), (11, True)])
def test_case_075_more_than_ten_orders_without_an_answer_stop_entries(shipped, queued, holds):
    checks = compile_book(shipped).entry_checks
    state = DeskState()
    state.desk = DeskFacts(is_in_step=True, queued_orders=queued)
    state.symbol("SPY").previous_close = 100.0
    facts = OrderFacts(1.0, 100.0, 99.0)
    facts.portfolio_equity_usd = facts.portfolio_largest_usd = facts.capital_usd = 1_000.0
    facts.portfolio_exposure_usd = facts.portfolio_invested_usd = 0.0
    facts.portfolio_reserve_usd = facts.capital_used_usd = 0.0
    facts.pauses_in_regime = False
    mask = checks.evaluate(None, state.symbol("SPY"), state.session, state.desk, _Strategy(), facts)
    assert checks.true_codes(mask) == (("TOO_MANY_QUEUED",) if holds else ())


class _Strategy:
    enabled = True
    working_exits = 0
    thesis_code = 0


@pytest.mark.case(75)
@pytest.mark.rule("TOO_MANY_QUEUED")
def test_case_075_an_order_waits_until_the_broker_has_confirmed_it(eager_scene):
    scene = eager_scene
    entry_id = scene.entry("silent")
    assert count_queued(scene.state) == 1
    scene.hear(scene.broker.ack(entry_id))
    assert count_queued(scene.state) == 0
    assert scene.state.desk.working_orders == 1  # it works there, and nothing was dropped


@pytest.mark.case(75)
@pytest.mark.rule("TOO_MANY_QUEUED")
@pytest.mark.parametrize(("queued", "holds"), [(10, False), (11, True)])
def test_case_075_orders_in_a_heap_stop_the_next_entry(scene, queued, holds):
    scene.until_ten()
    state = scene.state
    for number in range(queued):
        order_id = f"mqd-other-QQQ-{number}-exit"
        state.orders[order_id] = Order(
            order_id, "other", "QQQ", "sell", "market", "exit", Decimal(1), Decimal(50), None,
            "STOP_LOSS", "digest", state.now_ns, "PENDING", asked_ns=state.now_ns, times_sent=1,
        )  # fmt: skip
        state.working.add(order_id)
    scene.bar(99.5)
    assert scene.refusals() == (("TOO_MANY_QUEUED",) if holds else ())
    assert scene.decision().outcome == ("REFUSED" if holds else "ENTER")
    assert sum(order.symbol == "QQQ" for order in scene.state.orders.values()) == queued
