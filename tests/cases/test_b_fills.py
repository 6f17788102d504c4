"""Fills: booked once, whatever order they come in; changed by entries of their own."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    OrderFilled,
    OrderReported,
)
from mqd.model.order import EXTERNAL

QTY = Decimal("5.025")
DAY_S = 86_400


@pytest.mark.case(21)
@pytest.mark.rule("BOOKED_ONCE")
def test_case_021_a_repeat_is_counted_and_changes_nothing(scene):
    order_id = scene.entry()
    filled = scene.fill(order_id, "2")
    before = scene.state.ledger.canonical()
    scene.hear(filled)
    assert scene.state.ledger.canonical() == before
    assert scene.count("duplicate_fills") == 1
    assert scene.order(order_id).filled_qty == 2
    assert not scene.incidents()
    assert scene.agrees()


@pytest.mark.case(22)
@pytest.mark.rule("FIRST_TELLING_STANDS", "DL-01")
@pytest.mark.parametrize("change", [{"price": Decimal("99.6")}, {"qty": Decimal(3)}])
def test_case_022_another_telling_is_an_incident_and_the_desk_compares(scene, change):
    order_id = scene.entry()
    filled = scene.fill(order_id, "2")
    asked = len(scene.broker.asked(TakeSnapshot))
    scene.hear(filled._replace(**change))
    assert scene.held() == 2
    assert scene.incidents() == ["ExecutionConflictError"]
    assert scene.desk_state == "HALTED"
    assert len(scene.broker.asked(TakeSnapshot)) > asked
    assert scene.verdicts()[-1] == "clean"


@pytest.mark.case(23)
@pytest.mark.rule("OL-91", "BOOKED_ONCE")
def test_case_023_the_stream_tells_the_whole_story_again(scene):
    order_id = scene.entry()
    told = [scene.broker.ack(order_id), scene.fill(order_id, "2"), scene.fill(order_id)]
    assert scene.order(order_id).state == "FILLED"
    scene.hear(*told, *told)
    assert scene.order(order_id).state == "FILLED"
    assert scene.held() == QTY
    assert len(scene.state.ledger.executions) == 2
    assert not scene.incidents()


@pytest.mark.case(24)
@pytest.mark.rule("OL-03")
def test_case_024_what_is_filled_never_becomes_less(scene):
    order_id = scene.entry()
    older = scene.broker.report(order_id, filled_qty=Decimal(2), average_price=Decimal("99.5"))
    first = scene.broker.fills(order_id, "2")
    second = scene.broker.fills(order_id, "2")
    scene.hear(second)
    assert scene.order(order_id).filled_qty == 2
    scene.hear(first)
    assert scene.order(order_id).filled_qty == 4
    scene.hear(older)  # a look-up that was answered before the second fill
    assert scene.order(order_id).filled_qty == 4
    assert scene.order(order_id).state == "PARTIALLY_FILLED"
    assert scene.held() == 4
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(25)
@pytest.mark.rule("OL-02", "OL-91")
def test_case_025_a_fill_confirms_the_order_before_its_acknowledgement(scene):
    order_id = scene.entry("silent")
    acknowledged = scene.broker.ack(order_id)
    scene.fill(order_id)
    order = scene.order(order_id)
    assert (order.state, order.broker_order_id) == ("FILLED", f"b-{order_id}")
    scene.hear(acknowledged)
    assert scene.order(order_id)._replace(updated_ns=0) == order._replace(updated_ns=0)
    assert scene.held() == QTY
    assert not scene.incidents()


@pytest.mark.case(26)
@pytest.mark.rule("OL-02")
def test_case_026_the_rest_of_what_the_broker_says_is_inferred_under_a_fixed_id(scene):
    order_id = scene.entry()
    scene.fill(order_id, "2")
    scene.broker.fills(order_id, "3.025", "99.4")  # never told
    scene.hear(scene.broker.report(order_id))
    assert scene.order(order_id).state == "FILLED"
    assert scene.held() == QTY
    inferred = scene.state.ledger.executions[f"inferred-{order_id}-5.025"]
    assert (inferred.qty, inferred.kind) == (Decimal("3.025"), "inferred")
    assert inferred.price == Decimal("99.4")
    scene.restart()
    assert scene.state.ledger.executions[f"inferred-{order_id}-5.025"] == inferred
    assert scene.agrees()


@pytest.mark.case(26)
@pytest.mark.rule("OL-05")
def test_case_026_no_word_makes_an_order_more_filled_than_its_executions(scene):
    """`filled`, and the broker's own total says otherwise: it has ended, with what there is."""
    order_id = scene.entry()
    scene.fill(order_id, "2")
    scene.hear(scene.broker.report(order_id, status="filled"))
    assert scene.order(order_id).state == "CANCELLED"
    assert scene.order(order_id).filled_qty == scene.held() == 2
    assert scene.order(scene.exit()).qty == 2


@pytest.mark.case(27)
@pytest.mark.rule("BOOKED_ONCE")
def test_case_027_the_real_execution_takes_the_place_of_the_inferred_one(scene):
    order_id = scene.entry()
    real = [scene.broker.fills(order_id, "2", "99.5"), scene.broker.fills(order_id, None, "99.4")]
    scene.hear(scene.broker.report(order_id))
    assert scene.held() == QTY
    scene.hear(*real, *real)
    assert scene.held() == QTY
    assert scene.order(order_id).filled_qty == QTY
    assert scene.order(order_id).state == "FILLED"
    cost = 2 * Decimal("99.5") + Decimal("3.025") * Decimal("99.4")
    assert scene.state.ledger.cash_delta_usd == -cost
    assert scene.broker.books.cash_delta_usd == -cost
    assert not scene.incidents()


@pytest.mark.case(28)
@pytest.mark.rule("OVERFILL_IS_BOOKED", "DL-01")
def test_case_028_an_overfill_is_booked_and_stops_entries(scene):
    order_id = scene.entry()
    scene.fill(order_id, "6")
    assert scene.held() == 6
    assert scene.agrees()
    assert scene.incidents() == ["OverfillError"]
    assert scene.desk_state == "HALTED"
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).qty == 6
    assert not scene.held()


@pytest.mark.case(29)
@pytest.mark.rule("OL-05", "STOP_LOSS")
def test_case_029_the_shares_of_a_cancelled_entry_have_a_way_out(scene):
    order_id = scene.entry()
    scene.fill(order_id, "2.01")
    scene.hear(scene.broker.takes_back(order_id))
    assert scene.order(order_id).state == "CANCELLED"
    assert scene.held() == Decimal("2.01")
    assert (scene.strategy, "SPY") in scene.state.holdings  # it is looked after from now on
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).qty == Decimal("2.01")
    assert not scene.held()
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(30)
@pytest.mark.rule("STOP_LOSS")
def test_case_030_what_is_too_small_to_trade_in_parts_is_sold_in_one_order(scene):
    """0.005 shares are worth half a dollar."""
    order_id = scene.entry()
    scene.fill(order_id, "0.005")
    scene.hear(scene.broker.takes_back(order_id))
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).qty == Decimal("0.005")
    assert not scene.held()
    assert not scene.incidents()


@pytest.mark.case(30)
@pytest.mark.rule("EXIT_ENDED_SHORT")
def test_case_030_dust_that_an_exit_left_is_sold_too(scene):
    scene.holding()
    exit_id = scene.exit()
    scene.fill(exit_id, "5.02")
    scene.hear(scene.broker.takes_back(exit_id))
    scene.broker.answers(SubmitOrder, "fill")
    scene.wait(6)
    assert scene.order(scene.newest()).qty == Decimal("0.005")
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.case(31)
@pytest.mark.rule("EXIT_ENDED_SHORT", "EXIT_WORKING")
def test_case_031_the_next_exit_is_for_what_is_left(scene):
    scene.holding()
    first = scene.exit()
    scene.fill(first, "2")
    scene.bar(98.9)
    assert scene.refusals() == ("EXIT_WORKING",)
    scene.hear(scene.broker.takes_back(first))
    scene.wait(6)
    second = scene.newest()
    assert second != first
    assert scene.order(second).qty == Decimal("3.025")
    assert scene.order(second).reason == "STOP_LOSS"
    scene.fill(second)
    assert scene.held() == scene.broker.books.position("SPY") == 0
    sold = sum(each.qty for each in scene.broker.books.executions if each.side == "sell")
    assert sold == QTY


@pytest.mark.case(32)
@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS")
def test_case_032_a_fee_that_comes_days_later_moves_the_profit_alone(scene):
    order_id = scene.holding()
    exit_id = scene.exit("fill")
    scene.close()
    scene.open(day=1)
    orders = [scene.order(order_id), scene.order(exit_id)]
    cash_usd = scene.state.ledger.cash_delta_usd
    fee = FeeCharged(scene.state.now_ns, f"b-{exit_id}-1", Decimal("0.03"))
    scene.hear(fee)
    assert scene.state.ledger.cash_delta_usd == cash_usd - Decimal("0.03")
    assert scene.state.desk.realised_today == Decimal("-0.03")
    assert [scene.order(order_id), scene.order(exit_id)] == orders
    scene.hear(fee)
    assert scene.state.desk.realised_today == Decimal("-0.03")
    assert not scene.incidents()
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(33)
@pytest.mark.rule("POSITION_IS_ITS_EXECUTIONS", "DL-01")
def test_case_033_an_execution_that_is_taken_back_leaves_its_first_entry_as_it_was(scene):
    order_id = scene.holding()
    first = scene.state.ledger.executions[f"b-{order_id}-1"]
    scene.broker.books.move("SPY", -QTY, first.price, Decimal(0))
    scene.hear(ExecutionBusted(scene.state.now_ns, first.execution_id))
    assert scene.state.ledger.executions[first.execution_id] == first
    assert scene.state.ledger.executions[f"bust-{first.execution_id}"].side == "sell"
    assert scene.held() == 0
    assert scene.agrees()
    assert scene.incidents() == ["ExecutionBustedError"]
    assert scene.desk_state == "HALTED"
    assert not scene.state.strategies[scene.strategy].position_open


@pytest.mark.case(33)
@pytest.mark.rule("POSITION_IS_ITS_EXECUTIONS", "DL-01")
def test_case_033_a_correction_books_what_it_was_instead(scene):
    order_id = scene.holding()
    first = scene.state.ledger.executions[f"b-{order_id}-1"]
    scene.broker.books.move("SPY", Decimal(-1), Decimal("99.5"), Decimal(0))
    scene.hear(
        ExecutionCorrected(
            scene.state.now_ns, first.execution_id, "x2", Decimal("99.5"), Decimal("4.025")
        )
    )
    assert scene.state.ledger.executions[first.execution_id] == first
    assert scene.held() == Decimal("4.025")
    assert scene.order(order_id).filled_qty == Decimal("4.025")
    assert scene.incidents()[0] == "ExecutionBustedError"
    assert scene.desk_state == "HALTED"


@pytest.mark.case(36)
@pytest.mark.rule("IMPOSSIBLE_IS_NOT_BOOKED", "BOOKED_ONCE")
def test_case_036_a_fill_without_an_id_is_fetched_under_the_id_it_has(scene):
    """Under no id a repeat is no repeat: the broker's own list is asked for instead."""
    order_id = scene.entry()
    filled = scene.broker.fills(order_id, "2")
    scene.hear(*[filled._replace(execution_id="")] * 3)
    assert list(scene.state.ledger.executions) == [filled.execution_id]
    assert scene.held() == scene.order(order_id).filled_qty == 2
    assert set(scene.incidents()) == {"MalformedExecutionError"}
    assert scene.desk_state == "HALTED"
    scene.hear(filled)
    assert scene.held() == 2
    assert scene.agrees()


@pytest.mark.case(36)
@pytest.mark.rule("IMPOSSIBLE_IS_NOT_BOOKED", "BOOKED_ONCE")
def test_case_036_where_no_list_has_its_id_one_is_made_of_the_order_and_its_total(scene):
    order_id = scene.entry()
    filled = scene.broker.fills(order_id, "2")

    def without_executions(broker, command):
        whole = broker.books.snapshot(broker.now_ns, command.at_ns, Decimal(1_000))
        broker.says(whole._replace(executions=()))

    scene.broker.answers(TakeSnapshot, *[without_executions] * 9)
    scene.hear(filled._replace(execution_id=""))
    assert list(scene.state.ledger.executions) == [f"inferred-{order_id}-2"]
    scene.restart()
    scene.hear(filled._replace(execution_id=""))
    assert list(scene.state.ledger.executions) == [f"inferred-{order_id}-2"]
    assert scene.held() == 2
    assert scene.agrees()


def foreign(scene, symbol, side, qty):
    """A fill of an order that the desk never made."""
    filled = OrderFilled(
        scene.state.now_ns, "by-hand", "b-9", "x9", Decimal(50), Decimal(qty), Decimal(0),
        symbol, side,
    )  # fmt: skip
    signed = Decimal(qty) if side == "buy" else -Decimal(qty)
    scene.broker.books.move(symbol, signed, Decimal(50), Decimal(0))
    return filled


@pytest.mark.case(34)
@pytest.mark.rule("DL-01")
def test_case_034_a_fill_of_a_symbol_without_rules_is_somebody_elses(scene):
    scene.until_ten()
    scene.hear(foreign(scene, "GME", "buy", "3"))
    assert scene.state.ledger.positions.get(EXTERNAL, "GME").qty == 3
    assert scene.agrees("GME")
    assert scene.incidents() == ["UnknownOrderError"]
    assert scene.desk_state == "HALTED"
    scene.bar(99.5)
    assert "DESK_NOT_ACTIVE" in scene.refusals()
    scene.press("flatten")
    scene.wait(10)
    assert not scene.broker.asked(SubmitOrder)  # what the desk never bought it never sells


@pytest.mark.case(34)
@pytest.mark.rule("DL-01")
def test_case_034_a_fill_that_does_not_say_of_what_is_asked_about(scene):
    scene.until_ten()
    asked = len(scene.broker.asked(TakeSnapshot))
    scene.hear(foreign(scene, "GME", "buy", "3")._replace(symbol="", side=""))
    assert scene.incidents()[0] == "UnknownOrderError"
    assert len(scene.broker.asked(TakeSnapshot)) > asked
    scene.wait(10)
    assert scene.agrees("GME")  # the comparison took the broker's side
    assert scene.desk_state == "HALTED"


@pytest.mark.case(35)
@pytest.mark.parametrize("after_s", [-3 * DAY_S, DAY_S])
def test_case_035_a_fill_with_an_odd_time_is_booked_and_the_desk_keeps_its_own(scene, after_s):
    order_id = scene.entry()
    now_ns = scene.state.now_ns
    filled = scene.broker.fills(order_id)._replace(at_ns=now_ns + after_s * NS_PER_S)
    scene.hear(filled)
    assert scene.order(order_id).state == "FILLED"
    assert scene.state.ledger.executions[filled.execution_id].at_ns == filled.at_ns
    assert scene.state.now_ns == now_ns
    assert scene.agrees()
    scene.wait(300)
    assert "NOT_WATCHED" in scene.watched()  # the clock still tells that bars have stopped
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).state == "FILLED"
    assert scene.desk_state == "HALTED"  # by the page, and by nothing worse


@pytest.mark.case(37)
@pytest.mark.rule("DL-01")
def test_case_037_the_broker_sells_by_itself_and_the_position_follows(scene):
    scene.holding()
    scene.hear(foreign(scene, "SPY", "sell", "5.025"))
    assert scene.held() == 0
    assert scene.agrees()
    assert scene.desk_state == "HALTED"
    assert scene.incidents() == ["UnknownOrderError"]
    sent = len(scene.broker.asked(SubmitOrder))
    scene.bar(98.0)  # far through the stop
    scene.wait(30)
    assert len(scene.broker.asked(SubmitOrder)) == sent  # there is nothing left to sell
    assert not scene.state.strategies[scene.strategy].position_open


@pytest.mark.case(37)
@pytest.mark.rule("DL-01", "STOP_LOSS")
def test_case_037_what_the_broker_left_is_what_is_sold(scene):
    scene.holding()
    scene.hear(foreign(scene, "SPY", "sell", "2"))
    assert scene.held() == Decimal("3.025")
    assert scene.desk_state == "HALTED"
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).qty == Decimal("3.025")
    assert scene.held() == scene.broker.books.position("SPY") == 0


@pytest.mark.case(37)
@pytest.mark.rule("DL-01", "STOP_LOSS")
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_case_037_what_closes_ours_is_ours_and_what_is_more_is_not(scene, side):
    """A hand that trades more than we hold (or, after a bust, lack) leaves us flat, not turned."""
    scene.holding()
    if side == "buy":
        bought = next(iter(scene.state.ledger.executions))
        scene.exit("fill")
        scene.broker.books.move("SPY", Decimal("-5.025"), Decimal("99.5"), Decimal(0))
        scene.broker.answers(SubmitOrder, *["reject"] * 9)
        scene.hear(ExecutionBusted(scene.state.now_ns, bought))
        assert scene.held() == Decimal("-5.025")
    filled = foreign(scene, "SPY", side, "7")
    scene.hear(filled)
    positions = scene.state.ledger.positions
    rest = Decimal("1.975") if side == "buy" else Decimal("-1.975")
    assert not positions.get(scene.strategy, "SPY").is_open
    assert positions.get(EXTERNAL, "SPY").qty == rest
    assert scene.agrees()
    sent = len(scene.broker.asked(SubmitOrder))
    told = len(scene.incidents())
    scene.hear(filled)  # told once more
    scene.hear(filled._replace(qty=Decimal(8)))  # and, told otherwise, refused
    assert scene.incidents()[told:] == ["ExecutionConflictError"]
    scene.press("flatten")
    scene.wait(60)
    assert len(scene.broker.asked(SubmitOrder)) == sent  # nobody's shares are traded but ours
    assert scene.agrees()
    assert positions.get(EXTERNAL, "SPY").qty == rest


@pytest.mark.case(38)
def test_case_038_nine_decimals_stay_nine_decimals(scene):
    order_id = scene.entry()
    scene.fill(order_id, "0.123456789", "99.123456789")
    scene.fill(order_id, "0.000000001", "99.123456789")
    assert scene.held() == Decimal("0.12345679")
    exact = Decimal("0.12345679") * Decimal("99.123456789")
    assert scene.state.ledger.cash_delta_usd == -exact
    assert scene.broker.books.cash_delta_usd == -exact
    for each in scene.state.ledger.executions.values():
        assert {type(each.qty), type(each.price), type(each.fee_usd)} == {Decimal}
    scene.restart()
    assert scene.held() == Decimal("0.12345679")
    exit_order = scene.order(scene.exit("fill", close=98.0))
    assert exit_order.qty == Decimal("0.12345679")
    cancelled = [each.client_order_id for each in scene.broker.asked(CancelOrder)]
    assert cancelled == [order_id]
    assert not scene.held()


@pytest.mark.case(26)
@pytest.mark.rule("OL-07")
def test_case_026_an_expired_order_tells_of_fills_that_nobody_heard_of(scene):
    order_id = scene.entry()
    scene.broker.fills(order_id, "2")  # never told
    scene.hear(scene.broker.expires(order_id))
    assert [each.client_order_id for each in scene.broker.asked(LookUpOrder)] == [order_id]
    assert scene.order(order_id).state == "EXPIRED"
    assert scene.held() == 2
    assert scene.agrees()
    assert isinstance(scene.broker.report(order_id), OrderReported)
