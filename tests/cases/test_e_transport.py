"""What the connection does: news that is lost, late, twice or in a word that nobody knows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import BarSetAside, IncidentRaised
from mqd.model.event import ClockTicked, OrderReported, StreamLost, StreamRestored

WHOLE = Decimal("5.025")
STREAM = "trade_updates"


def snapshots(scene):
    return len(scene.broker.asked(TakeSnapshot))


@pytest.mark.case(63)
@pytest.mark.rule("NOT_IN_STEP", "SNAPSHOT_DUE", "OL-02")
def test_case_063_what_a_stream_missed_is_fetched_before_anything_is_opened(scene):
    entry_id = scene.entry()
    scene.hear(StreamLost(scene.broker.now_ns, STREAM))
    filled = scene.broker.fills(entry_id)  # and nobody tells
    assert not scene.state.desk.is_in_step
    assert not scene.held()
    before = snapshots(scene)
    scene.hear(StreamRestored(scene.broker.now_ns, STREAM))
    assert snapshots(scene) == before + 1
    assert scene.held() == WHOLE
    assert list(scene.state.ledger.executions) == [filled.execution_id]
    assert scene.order(entry_id).state == "FILLED"
    assert scene.state.desk.is_in_step
    assert not scene.incidents()


@pytest.mark.case(63)
@pytest.mark.rule("NOT_IN_STEP")
def test_case_063_nothing_is_opened_while_the_stream_is_down(scene):
    scene.until_ten()
    scene.hear(StreamLost(scene.broker.now_ns, STREAM))
    scene.bar(99.5)
    assert scene.decision().outcome == "REFUSED"
    assert scene.refusals() == ("NOT_IN_STEP",)
    scene.wait(60)  # comparisons go on, and not even a clean one opens while it is down
    assert not scene.state.desk.is_in_step
    scene.hear(StreamRestored(scene.broker.now_ns, STREAM))
    scene.bar(99.5)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.case(63, 64)
@pytest.mark.rule("NOT_IN_STEP")
def test_case_063_exits_go_on_while_the_stream_is_down(scene):
    scene.holding()
    scene.hear(StreamLost(scene.broker.now_ns, STREAM))
    exit_id = scene.exit("silent")
    scene.broker.fills(exit_id)
    scene.wait(10)
    assert scene.order(exit_id).state == "FILLED"
    assert not scene.held()


@pytest.mark.case(64)
@pytest.mark.rule("SNAPSHOT_TIMER", "OL-02")
def test_case_064_a_lost_fill_is_found_by_the_next_comparison(scene):
    entry_id = scene.entry()
    filled = scene.broker.fills(entry_id)
    scene.wait(239)
    assert not scene.held()
    scene.wait(61)  # the session opened half an hour ago; the timer runs since the last question
    assert scene.held() == WHOLE
    assert list(scene.state.ledger.executions) == [filled.execution_id]
    assert scene.order(entry_id).state == "FILLED"
    assert (scene.desk_state, scene.incidents()) == ("ACTIVE", [])
    scene.hear(filled)  # the frame comes after all
    assert scene.held() == WHOLE


@pytest.mark.case(64)
@pytest.mark.rule("UNCONFIRMED", "OL-02")
def test_case_064_an_order_nobody_confirmed_is_asked_about_within_the_settle_window(scene):
    entry_id = scene.entry("silent")
    scene.broker.fills(entry_id)
    scene.wait(9)
    assert not scene.broker.asked(LookUpOrder)
    scene.wait(1)
    assert scene.order(entry_id).state == "FILLED"
    assert scene.held() == WHOLE


@pytest.mark.case(130)
@pytest.mark.case(65)
@pytest.mark.rule("NOT_WATCHED")
def test_case_065_a_position_without_bars_is_told_to_a_person(scene):
    scene.holding()
    scene.wait(239)
    assert "NOT_WATCHED" not in scene.watched()
    scene.wait(1)
    assert scene.watched() == ["NOT_WATCHED"]
    scene.wait(300)
    assert scene.incidents() == ["UnresolvedError"]  # told once, and it stands
    assert len(scene.broker.asked(SubmitOrder)) == 1
    scene.bar(99.0)  # bars are back: the stop acts
    assert scene.decision().outcome == "EXIT"


@pytest.mark.case(65)
def test_case_065_without_bars_nothing_is_decided(scene):
    scene.until_ten()
    decided = len([1 for _, outcome in scene.seen if outcome.decisions])
    scene.wait(600, 5)
    assert len([1 for _, outcome in scene.seen if outcome.decisions]) == decided
    assert not scene.broker.asked(SubmitOrder)


@pytest.mark.case(66)
@pytest.mark.rule("SNAPSHOT_DUE", "NOT_IN_STEP")
def test_case_066_a_storm_of_reconnects_asks_one_question_at_a_time(scene):
    scene.until_ten()
    before = snapshots(scene)
    scene.broker.answers(TakeSnapshot, "silent")
    for _ in range(50):
        scene.hear(
            StreamLost(scene.broker.now_ns, STREAM), StreamRestored(scene.broker.now_ns, STREAM)
        )
    assert snapshots(scene) == before + 1
    scene.bar(99.5)
    assert scene.refusals() == ("NOT_IN_STEP",)
    scene.wait(40)
    assert scene.state.desk.is_in_step
    assert not scene.incidents()


@pytest.mark.case(68)
@pytest.mark.rule("RESTART_CHANGES_NOTHING", "EXECUTIONS_FIRST")
def test_case_068_a_fill_on_which_the_process_failed_is_booked_by_the_next_one(scene, monkeypatch):
    """Nobody tells it again: the next process asks, and books it once."""
    entry_id = scene.entry()
    filled = scene.broker.fills(entry_id)

    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("mqd.engine.afterthoughts.on_fill", fails)
    with pytest.raises(ZeroDivisionError):
        scene.hear(filled)
    monkeypatch.undo()
    assert not any(event == filled for event, _ in scene.journal.pairs)
    scene.restart()
    assert list(scene.state.ledger.executions) == [filled.execution_id]
    assert scene.order(entry_id).state == "FILLED"
    assert scene.agrees()
    assert scene.replayed().hash() == scene.state.hash()
    assert not scene.incidents()


@pytest.mark.case(69)
@pytest.mark.rule("WORDS_ARE_EXPLAINED", "DL-01")
def test_case_069_a_word_that_nobody_declared_changes_nothing_and_stops_entries(scene):
    scene.holding()
    exit_id = scene.exit()
    told = scene.broker.report(exit_id, status="half_baked")
    scene.hear(told)
    assert scene.order(exit_id).state == "SUBMITTED"
    assert scene.incidents() == ["UnknownBrokerWordError"]
    assert scene.desk_state == "HALTED"
    assert "half_baked" in scene.notes(IncidentRaised)[0].message
    assert any(event == told for event, _ in scene.journal.pairs)
    scene.fill(exit_id)  # exits go on
    assert not scene.held()


@pytest.mark.case(71)
@pytest.mark.rule("OL-91")
def test_case_071_an_answer_older_than_the_stream_changes_nothing(scene):
    entry_id = scene.entry()
    old = scene.broker.report(entry_id)
    half = scene.fill(entry_id, "2")
    scene.hear(old)
    assert scene.order(entry_id).state == "PARTIALLY_FILLED"
    assert scene.order(entry_id).filled_qty == half.qty
    scene.fill(entry_id)
    before = scene.state.ledger.canonical()
    scene.hear(old, OrderReported(old.at_ns, old.report._replace(status="accepted")))
    assert scene.order(entry_id).state == "FILLED"
    all_of_it = scene.broker.report(entry_id, status="accepted")
    scene.hear(all_of_it)  # with the newest total, and with a word that is older
    assert scene.order(entry_id).state == "FILLED"
    assert scene.state.ledger.canonical() == before
    assert not scene.incidents()


@pytest.mark.case(72)
@pytest.mark.parametrize("skew_s", [-5, 0, 5])
def test_case_072_news_counts_in_the_order_of_its_arrival(scene, skew_s):
    entry_id = scene.entry("silent")
    skew_ns = skew_s * NS_PER_S
    told = [scene.broker.ack(entry_id), scene.broker.fills(entry_id, "2"),
            scene.broker.fills(entry_id)]  # fmt: skip
    shifted = [each._replace(at_ns=each.at_ns + skew_ns) for each in told]
    shifted[1] = shifted[1]._replace(at_ns=shifted[1].at_ns + NS_PER_S)  # older than the next
    before_ns = scene.state.now_ns
    scene.hear(*shifted)
    changes = [change for _, outcome in scene.seen for change in outcome.transitions]
    states = [change.to_state for change in changes if change.client_order_id == entry_id]
    assert states == ["PENDING", "SUBMITTED", "PARTIALLY_FILLED", "FILLED"]
    assert scene.held() == WHOLE
    assert scene.state.now_ns >= before_ns
    assert not scene.incidents()
    scene.bar(99.0)
    assert scene.decision().outcome == "EXIT"


@pytest.mark.case(72)
@pytest.mark.rule("ENTRY_TOO_OLD")
def test_case_072_a_clock_that_steps_back_takes_no_time_back(scene):
    entry_id = scene.entry()
    now_ns = scene.state.now_ns
    scene.loop.run([ClockTicked(now_ns - 3_600 * NS_PER_S)])
    assert scene.state.now_ns == now_ns
    assert scene.order(entry_id).state == "SUBMITTED"
    scene.wait(599)
    assert not scene.broker.asked(CancelOrder)
    scene.wait(1)
    assert scene.broker.asked(CancelOrder)  # its ten minutes are those of the desk


@pytest.mark.case(73)
@pytest.mark.rule("NOT_IN_STEP", "OUT_OF_STEP")
def test_case_073_a_broker_that_answers_with_errors_stops_entries_and_no_exit(eager_scene):
    scene = eager_scene
    scene.holding()
    scene.broker.answers(TakeSnapshot, *["fail"] * 30)
    scene.hear(StreamRestored(scene.broker.now_ns, STREAM))
    exit_id = scene.exit("ack")
    scene.fill(exit_id)
    assert not scene.held()
    asked = snapshots(scene)
    scene.wait(20)
    assert snapshots(scene) - asked == 4  # one question every five seconds
    scene.bar(98.0)
    assert scene.decision().outcome == "REFUSED"
    assert scene.refusals() == ("NOT_IN_STEP",)
    while not scene.state.desk.is_in_step:
        scene.wait(5)
    assert snapshots(scene) > asked + 4
    scene.bar(97.0)
    assert scene.decision().outcome == "ENTER"
    assert not scene.incidents()


@pytest.mark.case(74)
@pytest.mark.rule("SNAPSHOT_UNANSWERED", "UNCONFIRMED")
def test_case_074_nothing_waits_for_an_answer(eager_scene):
    scene = eager_scene
    scene.until_ten()
    scene.broker.answers(TakeSnapshot, "silent")
    scene.hear(StreamRestored(scene.broker.now_ns, STREAM))
    asked = snapshots(scene)
    scene.bar(99.9)  # the loop goes on
    assert scene.decision().outcome == "NO_TRADE"
    assert snapshots(scene) == asked + 1  # the half minute of patience was over
    assert scene.state.desk.is_in_step
    scene.broker.answers(SubmitOrder, "silent")
    scene.bar(99.5)
    scene.bar(99.4)
    assert scene.refusals() == ("ORDER_WORKING", "MAX_OPEN_POSITIONS")
    assert scene.broker.asked(LookUpOrder)


@pytest.mark.case(75)
def test_case_075_news_in_a_heap_is_taken_in_order_and_before_the_next_decision(scene):
    entry_id = scene.entry()
    parts = [scene.broker.fills(entry_id, "0.025") for _ in range(200)]
    rest = scene.broker.fills(entry_id)
    scene.broker.says(*parts, rest)
    scene.bar(99.0)  # the heap first, then the bar: it is a position that the stop closes
    booked = list(scene.state.ledger.executions.values())
    assert [each.execution_id for each in booked[:201]] == [
        each.execution_id for each in (*parts, rest)
    ]
    assert scene.decision().outcome == "EXIT"
    assert scene.order(scene.newest()).qty == WHOLE
    assert not scene.notes(BarSetAside)
