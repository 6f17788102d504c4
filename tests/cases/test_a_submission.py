"""Sending an order: what is durable, what is sent once, what is refused before it leaves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.core import Step
from mqd.engine.gate import checked
from mqd.ground.errors import MalformedSignalError, RuleError
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import IncidentRaised, SignalsConflict
from mqd.model.event import (
    BarClosed,
    OrderOutcomeLost,
    OrderRejected,
    StreamLost,
    StreamRestored,
)
from mqd.model.order import ENTRY, EXIT
from mqd.model.signal import StrategySignal

STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
CHECKS = "orders/checks.yaml"
NAME = "strategy: vwap_micro_mean_reversion"
STREAM = "trade_updates"


@pytest.mark.case(1)
@pytest.mark.rule("OL-08", "OL-09", "STILL_UNKNOWN")
def test_case_001_an_order_that_never_left_is_proved_not_sent_and_stays_so(eager_scene):
    scene = eager_scene
    order_id = scene.entry("die_before")
    scene.restart()
    assert scene.order(order_id).state == "UNKNOWN"
    scene.wait(9)
    assert scene.order(order_id).state == "UNKNOWN"  # before it has settled, 404 proves nothing
    assert not scene.broker.asked(LookUpOrder)
    scene.wait(2)
    assert scene.order(order_id).state == "NOT_SENT"
    scene.wait(30)
    assert scene.sends(order_id) == 1  # the one that died with its process
    assert not scene.broker.books.orders
    assert scene.desk_state == "ACTIVE"
    scene.bar(99.4)  # another decision, another order
    assert scene.newest() != order_id


@pytest.mark.case(1)
@pytest.mark.rule("OL-09")
def test_case_001_a_cancel_that_died_with_its_process_sends_nothing_again_either(scene):
    """The dead process wanted an entry, and by the restart nobody wants it any more."""
    order_id = scene.entry("die_before")
    scene.restart(after_s=3_600)
    scene.wait(12)
    assert scene.order(order_id).state == "NOT_SENT"
    assert scene.sends(order_id) == 1
    assert not scene.state.working


@pytest.mark.case(2)
@pytest.mark.rule("OL-01", "OL-08")
def test_case_002_an_order_whose_answer_died_is_taken_up_and_not_sent_twice(scene):
    order_id = scene.entry("die_after")
    scene.restart()
    assert scene.order(order_id).state == "SUBMITTED"
    moves = [line.rule for _, outcome in scene.seen for line in outcome.transitions]
    assert moves[-2:] == ["OL-08", "OL-01"]  # not proved at the start, and found there
    scene.wait(30)
    assert scene.sends(order_id) == 1
    scene.fill(order_id)
    assert scene.order(order_id).state == "FILLED"
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(3)
@pytest.mark.rule("OL-08", "OUTCOME_UNKNOWN", "STILL_UNKNOWN")
def test_case_003_a_time_out_makes_the_order_unknown_and_it_is_looked_up(eager_scene):
    scene = eager_scene
    order_id = scene.entry("submit_lost")
    assert scene.order(order_id).state == "UNKNOWN"
    scene.bar(99.4)
    assert scene.decision().outcome == "REFUSED"
    assert "OUTCOME_UNKNOWN" in scene.refusals()
    assert [each.client_order_id for each in scene.broker.asked(LookUpOrder)] == [order_id]
    assert scene.order(order_id).state == "NOT_SENT"
    scene.bar(99.3)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.case(3)
@pytest.mark.rule("STILL_UNKNOWN", "UNPROVED")
def test_case_003_a_broker_that_never_answers_is_asked_some_times_and_then_a_person_is(scene):
    order_id = scene.entry("submit_lost")
    scene.broker.answers(LookUpOrder, *["silent"] * 50)
    scene.wait(300)
    assert scene.watched().count("STILL_UNKNOWN") == 5
    assert (
        scene.watched().count("CANCEL_UNANSWERED") == 5
    )  # a comparison asks as well, from then on
    assert scene.order(order_id).state == "PENDING_CANCEL"  # the first page halts the desk
    assert scene.incidents() == ["UnresolvedError"] * 2
    assert {note.subject for note in scene.notes(IncidentRaised)} == {order_id}
    assert scene.sends(order_id) == 1


@pytest.mark.case(4)
@pytest.mark.rule("OL-08", "STILL_UNKNOWN")
@pytest.mark.parametrize("became", ["reply_lost", "submit_lost"])
def test_case_004_an_error_that_proves_nothing_sends_nothing_a_second_time(scene, became):
    """Whether the order is there or not: it is asked about, and an entry is never sent again."""
    order_id = scene.entry(became)
    assert scene.order(order_id).state == "UNKNOWN"
    scene.wait(300)
    assert scene.sends(order_id) == len(scene.broker.asked(SubmitOrder)) == 1
    expected = "SUBMITTED" if became == "reply_lost" else "NOT_SENT"
    assert scene.order(order_id).state == expected
    assert not scene.incidents()


@pytest.mark.case(5)
@pytest.mark.rule("OL-02", "STILL_UNKNOWN")
def test_case_005_an_order_that_lives_after_a_time_out_is_counted_once(scene):
    order_id = scene.entry("reply_lost")
    filled = scene.broker.fills(order_id)  # and the stream does not tell it yet
    scene.wait(11)
    assert scene.order(order_id).state == "FILLED"
    assert scene.held() == Decimal("5.025")
    scene.hear(filled)
    assert scene.held() == Decimal("5.025")
    assert scene.order(order_id).filled_qty == Decimal("5.025")
    assert scene.agrees()
    assert scene.sends(order_id) == 1
    assert not scene.incidents()


@pytest.mark.case(6)
@pytest.mark.rule("OL-06")
def test_case_006_a_refusal_keeps_the_brokers_words_and_is_not_tried_again(scene):
    order_id = scene.entry("reject")
    assert scene.order(order_id).state == "REJECTED"
    scene.wait(50)
    assert scene.sends(order_id) == 1
    (said,) = [e.event for e in scene.journal.entries() if isinstance(e.event, OrderRejected)]
    assert (said.code, said.reason) == ("40310000", "insufficient buying power")
    assert scene.state.strategies[scene.strategy].entries_today == 0
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(7)
@pytest.mark.rule("OL-86", "ENTRY_NOT_TAKEN")
def test_case_007_what_was_not_taken_is_sent_again_under_its_id_after_a_moment(scene):
    order_id = scene.entry("not_taken", "not_taken")
    assert scene.order(order_id).state == "PENDING"
    scene.wait(1)
    assert scene.sends(order_id) == 1
    scene.wait(1)
    assert scene.sends(order_id) == 2
    scene.wait(2)
    assert scene.sends(order_id) == 3
    assert scene.order(order_id).state == "SUBMITTED"
    scene.wait(10)
    assert scene.sends(order_id) == 3
    assert set(scene.broker.books.orders) == {order_id}
    assert scene.watched() == ["ENTRY_NOT_TAKEN"] * 2


@pytest.mark.case(7)
@pytest.mark.rule("ENTRY_NOT_TAKEN", "UNCONFIRMED", "OL-09")
def test_case_007_so_many_sends_are_enough(scene):
    order_id = scene.entry(*["not_taken"] * 50)
    scene.wait(60)
    assert scene.sends(order_id) == 5
    assert scene.order(order_id).state == "NOT_SENT"
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(7)
@pytest.mark.rule("EXIT_NOT_TAKEN")
def test_case_007_an_exit_is_sent_again_even_when_nothing_is_opened_any_more(scene):
    scene.holding()
    scene.press("halt")
    exit_id = scene.exit("not_taken", "fill")
    scene.wait(3)
    assert scene.sends(exit_id) == 2
    assert scene.order(exit_id).state == "FILLED"
    assert not scene.held()


@pytest.mark.case(7)
@pytest.mark.rule("ENTRY_NOT_TAKEN", "ENTRY_ASKED_BACK")
def test_case_007_a_halted_desk_sends_no_entry_again(scene):
    order_id = scene.entry("not_taken")
    scene.press("halt")
    scene.wait(60)
    assert scene.sends(order_id) == 1
    assert scene.order(order_id).state == "CANCELLED"
    assert not scene.broker.books.orders


@pytest.mark.case(7)
@pytest.mark.rule("ENTRY_NOT_TAKEN", "STOPPED_IS_STOPPED", "DL-03", "DL-06")
def test_case_007_an_entry_that_waits_leaves_when_a_person_resumes(scene):
    order_id = scene.entry("not_taken")
    scene.press("reduce")
    scene.wait(5)
    assert scene.sends(order_id) == 1
    scene.press("resume")
    assert scene.sends(order_id) == 2
    assert scene.order(order_id).state == "SUBMITTED"
    assert scene.desk_state == "ACTIVE"
    assert not scene.incidents()


def again(scene):
    """The bar that the entry was decided on, let through a second time."""
    bar = next(e for e, _ in reversed(scene.seen) if isinstance(e, BarClosed) and e.close == 99.5)
    outcome = scene.desk.take(bar, 0)  # as if the data rules had nothing against it
    return outcome, scene.decision()


@pytest.mark.case(8)
@pytest.mark.rule("SAME_ORDER_AGAIN")
def test_case_008_one_decision_twice_is_refused_by_a_check_already(eager_scene):
    scene = eager_scene
    scene.entry("reject")
    outcome, _ = again(scene)
    (decision,) = outcome.decisions
    assert decision.outcome == "REFUSED"
    checks = scene.engine.book.entry_checks
    assert checks.true_codes(decision.checks) == ("SAME_ORDER_AGAIN",)
    assert not outcome.commands


@pytest.fixture
def unchecked(edited):
    """Rules whose check of the same order never says no: only the id is left."""
    check = "order.since_same < limits.same_order_window"
    dead = f"{check} and order.qty > limits.max_order_shares"
    return edited({CHECKS: {check: dead}}, values={"max_trades_per_day": "5"})


@pytest.mark.case(8)
@pytest.mark.rule("ONE_ID_PER_DECISION", "SENT_ONCE")
def test_case_008_one_decision_has_one_id_and_it_leaves_once(make_scene, unchecked):
    scene = make_scene(unchecked)
    order_id = scene.entry("reject")
    outcome, _ = again(scene)
    assert [note.error for note in outcome.notes] == ["DuplicateOrderError"]
    assert not outcome.commands
    assert scene.sends(order_id) == 1
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(9)
@pytest.mark.rule("ONE_ID_PER_DECISION", "SENT_ONCE")
def test_case_009_the_ids_outlive_the_process(make_scene, unchecked):
    scene = make_scene(unchecked)
    order_id = scene.entry("reject")
    scene.restart()
    outcome, _ = again(scene)
    assert [note.error for note in outcome.notes] == ["DuplicateOrderError"]
    assert not outcome.commands
    assert scene.sends(order_id) == 1


@pytest.mark.case(8)
@pytest.mark.rule("ONE_ID_PER_DECISION", "SENT_ONCE", "CLOSE_ORDERED")
def test_case_008_what_is_bought_in_the_second_of_an_exit_has_an_exit_of_its_own(scene):
    """Each part of a fill is closed as it comes, and the clock stands still between them."""
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    scene.broker.answers(CancelOrder, "accept")
    scene.broker.answers(SubmitOrder, "fill", "fill", "ack")
    scene.press("flatten")
    first_id = scene.newest()
    assert not scene.held()
    scene.fill(entry_id, "1")
    second_id = scene.newest()
    scene.fill(entry_id, "0.5")
    third_id = scene.newest()
    assert len({entry_id, first_id, second_id, third_id}) == 4
    assert [scene.order(each).qty for each in (first_id, second_id)] == [2, 1]
    assert {scene.sends(each) for each in (first_id, second_id, third_id)} == {1}
    assert scene.held() == Decimal("0.5")  # the third works, and a fourth does not come beside it
    scene.fill(third_id)
    assert not scene.held()
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(10)
@pytest.mark.rule("ENTRY_NOT_TAKEN", "OL-01")
def test_case_010_an_acknowledgement_ends_the_wish_to_send_again(scene):
    def taken_all_the_same(broker, command):
        broker.books.take(command, "b-1", broker.now_ns)
        broker._submit(command._replace(client_order_id=command.client_order_id), "not_taken")

    order_id = scene.entry(taken_all_the_same)
    scene.wait(1)
    scene.hear(scene.broker.ack(order_id))
    scene.wait(30)
    assert scene.sends(order_id) == 1
    assert scene.order(order_id).state == "SUBMITTED"


@pytest.mark.case(11)
@pytest.mark.rule("EXIT_UNPROVED", "OL-01")
def test_case_011_an_id_that_is_in_use_means_that_the_order_is_there(scene):
    """An exit is sent until it is answered; the broker has it, and it is one order."""
    scene.holding()
    exit_id = scene.exit("reply_lost")
    assert scene.order(exit_id).state == "UNKNOWN"
    scene.wait(3)
    assert scene.sends(exit_id) == 2
    assert scene.order(exit_id).state == "SUBMITTED"
    scene.fill(exit_id)
    assert not scene.held()
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(12)
@pytest.mark.parametrize("qty", ["0", "-1", "NaN", "Infinity", "1.0000000001"])
def test_case_012_an_impossible_size_is_refused_and_changes_nothing(scene, qty):
    scene.until_ten()
    before = scene.state.canonical()
    wish = StrategySignal(
        scene.strategy, "SPY", ENTRY, "buy", "market", Decimal(qty), Decimal(100), Decimal(99),
        "ENTRY", scene.state.now_ns,
    )  # fmt: skip
    step = Step(scene.state.now_ns, scene.state)
    assert checked(scene.engine, scene.state, wish, step) is None
    assert [note.error for note in step.outcome().notes] == ["MalformedSignalError"]
    assert not step.commands
    assert scene.state.canonical() == before
    possible = wish._replace(qty=Decimal("1.000000001"))
    assert checked(scene.engine, scene.state, possible, step) is possible


@pytest.mark.case(12)
def test_case_012_no_size_keeps_a_position_from_being_left(scene):
    """What the broker gave can be given back, however fine it is."""
    wish = StrategySignal(
        scene.strategy, "SPY", EXIT, "sell", "market", Decimal("1.0000000001"), Decimal(100),
        None, "STOP_LOSS", 1,
    )  # fmt: skip
    assert wish.checked() is wish


@pytest.mark.case(12)
@pytest.mark.rule("SIZE_IS_ZERO")
def test_case_012_a_size_of_nothing_is_no_trade(make_scene, edited):
    tiny = {STRATEGY_FILE: {"step: 0.001": "step: 100"}}
    scene = make_scene(edited(tiny))
    scene.until_ten()
    scene.bar(99.5)
    assert scene.decision().outcome == "NO_TRADE"
    assert not scene.broker.asked(SubmitOrder)


@pytest.mark.case(13)
@pytest.mark.rule("DL-02", "ENTRY_ASKED_BACK")
@pytest.mark.parametrize(
    "echo",
    [{"side": "sell"}, {"qty": Decimal(6)}, {"symbol": "QQQ"}],
    ids=lambda each: next(iter(each)),
)
def test_case_013_another_order_under_our_id_freezes_the_desk(scene, echo):
    order_id = scene.entry("reply_lost")
    scene.broker.answers(
        LookUpOrder, lambda broker, _: broker.says(broker.report(order_id, **echo))
    )
    scene.wait(11)
    assert scene.incidents() == ["BrokerEchoError"]
    assert scene.desk_state == "FROZEN"
    assert not scene.held()
    assert scene.order(order_id).broker_order_id is None
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [order_id]


@pytest.mark.case(13)
@pytest.mark.rule("DL-02")
@pytest.mark.parametrize("echo", [{"side": "sell"}, {"symbol": "QQQ"}], ids=["side", "symbol"])
def test_case_013_a_fill_of_something_else_under_our_id_is_not_booked(scene, echo):
    order_id = scene.entry()
    scene.hear(scene.broker.fills(order_id, "2")._replace(**echo))
    assert scene.incidents()[0] == "BrokerEchoError"
    assert scene.desk_state == "FROZEN"
    assert f"b-{order_id}-1" not in scene.state.ledger.executions
    assert not scene.held("QQQ")


@pytest.mark.case(14)
@pytest.mark.case(54)
def test_case_014_every_order_is_a_market_day_order(make_scene, eager):
    """The one form in which the broker takes fractions is the one form that exists here."""
    scene = make_scene(eager)
    scene.holding()
    scene.exit("fill")
    scene.bar(98.0)
    sent = scene.broker.asked(SubmitOrder)
    assert len(sent) == 3
    assert {(each.type, each.time_in_force) for each in sent} == {("market", "day")}
    assert any(each.qty % 1 for each in sent)


@pytest.mark.case(14)
@pytest.mark.case(15)
@pytest.mark.parametrize("kind", ["limit", "stop", "bracket"])
def test_case_015_no_rule_and_no_signal_asks_for_a_price_that_could_lie_between_ticks(edited, kind):
    with pytest.raises(RuleError):
        edited({STRATEGY_FILE: {"type: market": f"type: {kind}"}})
    wish = StrategySignal(
        "s", "SPY", ENTRY, "buy", kind, Decimal(1), Decimal("99.999"), Decimal(99), "ENTRY", 1
    )
    with pytest.raises(MalformedSignalError, match="expected market"):
        wish.checked()


def two_strategies(edited, name):
    """The shipped strategy, and another one like it under a name before or after its own."""
    words = {NAME: f"strategy: {name}"}
    limits = "value: 1\n    min: 1\n    max: 10\n"
    return edited(
        {"limits/desk.yaml": {limits: limits.replace("1\n", "5\n", 1)}},
        copies={f"strategies/{name}.yaml": (STRATEGY_FILE, words)},
        values={"max_trades_per_day": "5"},
    )


def holds_alone(make_scene, edited, name):
    """A scene with two strategies on SPY, of which only the shipped one could buy."""
    scene = make_scene(two_strategies(edited, name))
    scene.until_ten()
    scene.press("disable", name)
    scene.holding()
    assert scene.state.strategies[scene.strategy].position_open
    scene.press("enable", name)
    return scene


@pytest.mark.case(16)
@pytest.mark.rule("ORDER_WORKING", "POSITION_OPEN")
def test_case_016_nothing_is_bought_while_a_sale_of_the_symbol_works(make_scene, edited):
    scene = holds_alone(make_scene, edited, "zz_other")
    exit_id = scene.exit()
    outcome = scene.bar(98.0)
    assert not [each for each in outcome.commands if isinstance(each, SubmitOrder)]
    (other,) = [each for each in outcome.decisions if each.strategy == "zz_other"]
    assert other.outcome == "REFUSED"
    codes = scene.engine.book.entry_checks.true_codes(other.checks)
    assert {"ORDER_WORKING", "POSITION_OPEN"} <= set(codes)
    assert scene.newest() == exit_id


@pytest.mark.case(16)
@pytest.mark.rule("EXIT_ENDED_SHORT", "OL-05", "OL-06")
def test_case_016_an_exit_asks_the_rest_of_the_entry_back_and_goes_after_it(scene):
    """A broker may refuse the sale while the purchase works; it takes it afterwards."""
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    scene.broker.answers(CancelOrder, "accept")
    refused = scene.exit("reject")
    assert scene.order(entry_id).state == "PENDING_CANCEL"
    assert scene.order(refused).state == "REJECTED"
    scene.hear(scene.broker.takes_back(entry_id))
    assert scene.order(entry_id).state == "CANCELLED"
    scene.broker.answers(SubmitOrder, "fill")
    scene.wait(6)
    assert scene.newest() != refused
    assert not scene.held()
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(17)
@pytest.mark.rule("NOT_IN_STEP")
def test_case_017_nothing_is_opened_while_the_stream_is_down(scene):
    scene.until_ten()
    scene.hear(StreamLost(scene.state.now_ns, STREAM))
    scene.bar(99.5)
    assert scene.decision().outcome == "REFUSED"
    assert scene.refusals() == ("NOT_IN_STEP",)
    scene.wait(40)
    scene.bar(99.4)  # the comparisons meanwhile were clean, and still the stream is down
    assert scene.refusals() == ("NOT_IN_STEP",)
    scene.hear(StreamRestored(scene.state.now_ns, STREAM))
    assert scene.broker.asked(TakeSnapshot)
    scene.bar(99.3)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.case(17)
@pytest.mark.rule("OL-02")
def test_case_017_an_exit_leaves_and_is_confirmed_by_asking(scene):
    scene.holding()
    scene.hear(StreamLost(scene.state.now_ns, STREAM))
    exit_id = scene.exit("silent")
    scene.broker.fills(exit_id)  # untold
    scene.wait(12)
    assert scene.order(exit_id).state == "FILLED"
    assert not scene.held()
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(18)
@pytest.mark.rule("NOT_IN_STEP", "ORDER_COUNT_REACHED")
def test_case_018_refused_orders_use_nothing_up(make_scene, edited):
    scene = make_scene(edited({"limits/desk.yaml": {"value: 40": "value: 2"}}))
    scene.until_ten()
    scene.hear(StreamLost(scene.state.now_ns, STREAM))
    for number in range(20):
        scene.bar(99.5 - number / 100)
        assert scene.decision().outcome == "REFUSED"
    assert scene.state.desk.orders_today == 0
    assert scene.state.strategies[scene.strategy].entries_today == 0
    scene.hear(StreamRestored(scene.state.now_ns, STREAM))
    scene.bar(99.0)
    assert scene.decision().outcome == "ENTER"
    assert scene.state.desk.orders_today == 1


@pytest.mark.case(20)
@pytest.mark.rule("ORDER_WORKING", "POSITION_OPEN", "OPPOSITE_SIGNALS")
@pytest.mark.parametrize("name", ["aa_other", "zz_other"])
def test_case_020_two_strategies_never_trade_against_each_other(make_scene, edited, name):
    """One leaves and the other wants in on the same bar; whoever is asked first, one order goes."""
    scene = holds_alone(make_scene, edited, name)
    outcome = scene.bar(99.0)
    assert [each.strategy for each in outcome.decisions] == [scene.strategy, name]
    by_name = {each.strategy: each.outcome for each in outcome.decisions}
    assert by_name == {scene.strategy: "EXIT", name: "REFUSED"}
    (refused,) = [each for each in outcome.decisions if each.strategy == name]
    codes = scene.engine.book.entry_checks.true_codes(refused.checks)
    assert {"POSITION_OPEN", "ORDER_WORKING", "OPPOSITE_SIGNALS"} <= set(codes)
    (conflict,) = [each for each in outcome.notes if isinstance(each, SignalsConflict)]
    assert (conflict.buying, conflict.selling) == ((name,), (scene.strategy,))
    (command,) = outcome.commands
    assert command.client_order_id == scene.stop().client_order_id  # it is asked back
    (entry, sent) = scene.broker.asked(SubmitOrder)
    assert (entry.side, sent.side) == ("buy", "sell")


@pytest.mark.case(3)
@pytest.mark.rule("OL-83")
def test_case_003_a_lost_answer_to_what_is_proved_changes_nothing(scene):
    order_id = scene.entry()
    scene.hear(OrderOutcomeLost(scene.state.now_ns, order_id))
    assert scene.order(order_id).state == "SUBMITTED"
