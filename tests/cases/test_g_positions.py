"""Positions and risk: what may be opened, what looks after it, and what a loss leaves behind."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.ground.errors import RuleError
from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import ProtectionTripped, TradeWatched
from mqd.model.event import ExecutionBusted, OrderFilled
from mqd.model.order import EXIT
from mqd.rules.problems import Problem

WHOLE = Decimal("5.025")
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
STOP = "stop_loss: bar.close * (1 - stop_loss_pct)"


@pytest.mark.case(98)
@pytest.mark.rule("MAX_OPEN_POSITIONS", "POSITION_OPEN")
def test_case_098_a_second_entry_in_the_symbol_is_refused(edited, make_scene):
    """Another strategy's, too: the check before the order knows the symbol, not the strategy."""
    words = {"strategy: vwap_micro_mean_reversion": "strategy: twin"}
    scene = make_scene(edited(copies={"strategies/twin.yaml": (STRATEGY_FILE, words)}))
    scene.until_ten()
    scene.broker.answers(SubmitOrder, "fill")
    for close in (99.5, 99.4):
        scene.bar(close)
        assert len(scene.broker.asked(SubmitOrder)) == 1
    assert scene.decision().outcome == "REFUSED"
    assert scene.refusals() == (
        "ORDER_WORKING", "POSITION_OPEN", "MAX_OPEN_POSITIONS", "WASH_TRADE_RISK",
    )  # fmt: skip


@pytest.mark.case(100)
@pytest.mark.rule("EXITS_WITHIN_POSITION", "EXIT_WORKING")
def test_case_100_an_exit_is_for_what_is_held_and_there_is_one(scene):
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    exit_id = scene.exit()
    assert scene.order(exit_id).qty == 2
    scene.bar(98.0)
    working = [o for o in map(scene.order, scene.state.working) if o.role == EXIT]
    assert [order.client_order_id for order in working] == [exit_id]
    scene.fill(exit_id)
    assert not scene.held()
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(100)
@pytest.mark.rule("EXIT_TOO_LARGE")
def test_case_100_an_exit_that_became_too_large_is_asked_back(scene):
    entry_id = scene.entry()
    part = scene.fill(entry_id, "2")
    scene.fill(entry_id)
    exit_id = scene.exit()
    scene.hear(busted(scene, part))
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [exit_id]
    assert scene.order(exit_id).state == "CANCELLED"
    scene.wait(10)
    assert scene.order(scene.newest()).qty == Decimal("3.025")
    scene.fill(scene.newest())
    assert not scene.held()


def busted(scene, filled: OrderFilled):
    """The broker takes an execution back, in its books and in its news."""
    books = scene.broker.books
    books.executions[:] = [e for e in books.executions if e.execution_id != filled.execution_id]
    books.move(filled.symbol, -filled.qty, filled.price, Decimal(0))
    return ExecutionBusted(scene.broker.now_ns, filled.execution_id)


@pytest.mark.case(101)
@pytest.mark.rule("POSITION_LOOKED_AFTER", "NOT_WATCHED")
@pytest.mark.parametrize("minutes", [0, 1, 2, 6])
def test_case_101_the_time_that_nothing_looked_is_told_of_each_trade(scene, minutes):
    """A bar a minute is a look; what is longer than that was unprotected."""
    scene.holding()
    scene.wait(60 * minutes)
    scene.minute = (scene.state.now_ns - scene.open_ns) // (60 * NS_PER_S)
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).role == EXIT
    (watched,) = scene.notes(TradeWatched)
    assert (watched.held_s, watched.unprotected_s) == (60 * minutes + 60, 60 * minutes)
    assert ("NOT_WATCHED" in scene.watched()) is (minutes >= 4)


@pytest.mark.case(101)
@pytest.mark.rule("POSITION_LOOKED_AFTER")
def test_case_101_after_every_event_something_looks_after_what_is_held(eager_scene):
    scene = eager_scene
    seen = []

    class Witness:
        def saw(self, event, outcome, state):
            for key in state.holdings:
                managed = key[0] == scene.strategy and key[1] in scene.engine.by_symbol
                seen.append(managed)
                assert managed, event

    scene.loop._watchers = (scene, Witness())
    for _ in range(2):
        entry_id = scene.entry()
        scene.fill(entry_id, "1")
        scene.hear(scene.broker.takes_back(entry_id))
        scene.exit("reject")
        scene.wait(6)
        scene.fill(scene.newest())
        assert not scene.held()
        scene.bar(99.9)
    assert len(seen) > 10


@pytest.mark.case(102)
@pytest.mark.rule("EXIT_ENDED_SHORT", "STOP_LOSS")
def test_case_102_a_refused_exit_is_tried_again_within_seconds(scene):
    scene.holding()
    refused = scene.exit("reject")
    scene.wait(4)
    assert scene.newest() == refused
    scene.wait(1)
    assert scene.order(scene.newest()).attempt == 2
    assert scene.order(scene.newest()).qty == WHOLE
    scene.fill(scene.newest())
    assert not scene.held()
    assert scene.trades()[0].exit_reason == "STOP_LOSS"


@pytest.mark.case(103)
@pytest.mark.rule("STOP_LOSS", "daily_loss_limit")
def test_case_103_a_gap_through_the_stop_stays_in_the_trade(scene):
    entry_id = scene.holding()
    scene.exit("fill", close=97.0)  # the stop was at 99.2015
    (trade,) = scene.trades()
    planned = (trade.entry_price - scene.order(entry_id).stop_loss) * WHOLE
    assert planned == Decimal("1.4999625")
    assert trade.pnl_usd == Decimal("-12.5625")  # 11.06 beyond the plan
    assert [note.protection for note in scene.notes(ProtectionTripped)] == ["daily_loss_limit"]
    scene.bar(96.0)
    assert scene.decision().outcome == "NO_TRADE"


@pytest.mark.case(104)
@pytest.mark.rule("EXIT_ENDED_SHORT", "OL-05", "OL-07")
@pytest.mark.parametrize("ending", ["takes_back", "expires"])
def test_case_104_an_exit_that_somebody_ended_is_made_anew(scene, ending):
    scene.holding()
    exit_id = scene.exit()
    scene.hear(getattr(scene.broker, ending)(exit_id))
    assert scene.held() == WHOLE
    scene.wait(5)
    assert scene.newest() != exit_id
    assert scene.order(scene.newest()).reason == "STOP_LOSS"
    scene.fill(scene.newest())
    assert not scene.held()


@pytest.mark.case(105)
@pytest.mark.rule("OL-04", "ORDER_WORKING")
def test_case_105_what_still_works_when_a_position_closes_is_asked_back_first(eager_scene):
    """Beside a position can work the rest of its entry; for its stop see the tests of stops."""
    scene = eager_scene
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    scene.broker.answers(CancelOrder, "accept")
    scene.broker.answers(SubmitOrder, "fill")
    scene.bar(99.0)
    assert not scene.held()
    assert scene.order(entry_id).state == "PENDING_CANCEL"
    scene.bar(98.9)
    assert scene.decision().outcome == "REFUSED"
    assert "ORDER_WORKING" in scene.refusals()
    scene.hear(scene.broker.takes_back(entry_id))
    scene.bar(98.8)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.case(107)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "0.002 to 0.005"), ("0.3", "0.002 to 0.005"), ("30", "0.002 to 0.005"),
        ("-0.003", "0.002 to 0.005"), ("0.0051", "0.002 to 0.005"),
        ("0.3%", "a number such as 0.003"), ("3m", "a number such as 0.003"),
    ],
)  # fmt: skip
def test_case_107_a_stop_out_of_its_range_or_unit_is_refused(edited, value, expected):
    words = "stop_loss_pct:          {value: "
    with pytest.raises(RuleError) as caught:
        edited({STRATEGY_FILE: {f"{words}0.003": f"{words}{value}"}})
    (problem,) = [each for each in caught.value.problems if isinstance(each, Problem)]
    assert problem.place.file.endswith(STRATEGY_FILE)
    assert expected in problem.to_text()


@pytest.mark.case(107)
@pytest.mark.parametrize(
    "stop",
    [
        "bar.close * (1 + stop_loss_pct)", "bar.close * (1 - stop_loss_pct * 0)", "bar.close",
        "max(bar.close * (1 - stop_loss_pct), bar.close)",
    ],
)  # fmt: skip
def test_case_107_a_stop_that_can_only_be_above_the_entry_is_refused(edited, stop):
    with pytest.raises(RuleError) as caught:
        edited({STRATEGY_FILE: {STOP: f"stop_loss: {stop}"}})
    (problem,) = [each for each in caught.value.problems if isinstance(each, Problem)]
    assert problem.code == "STOP_NOT_BELOW"
    assert problem.place.file.endswith(STRATEGY_FILE)
    assert "for a buy it must be below the price" in problem.to_text()


@pytest.mark.case(107)
def test_case_107_a_floor_under_the_stop_is_right_where_the_price_is_above_it(edited):
    """At a price of 1 USD it would be above; such an entry is refused when it is to be sent."""
    words = {STOP: "stop_loss: max(bar.close * (1 - stop_loss_pct), bar.close - bar.close + 90)"}
    assert edited({STRATEGY_FILE: words}).digest


@pytest.mark.case(107)
def test_case_107_a_stop_is_below_at_every_value_that_its_params_may_take(edited):
    """Also where a run sets another value than the file's."""
    words = "stop_loss_pct:          {value: 0.003, min: "
    with pytest.raises(RuleError) as caught:
        edited({STRATEGY_FILE: {f"{words}0.002": f"{words}0"}})
    (problem,) = [each for each in caught.value.problems if isinstance(each, Problem)]
    assert problem.code == "STOP_NOT_BELOW"
    assert "`stop_loss_pct` at 0 " in problem.message
    assert edited({STRATEGY_FILE: {f"{words}0.002": f"{words}0.0001"}}).digest


@pytest.mark.case(107)
@pytest.mark.rule("STOP_LOSS_NOT_BELOW_PRICE")
def test_case_107_a_stop_above_the_entry_lets_no_entry_out(edited, make_scene):
    """One that reads the market can be told only then."""
    scene = make_scene(edited({STRATEGY_FILE: {STOP: "stop_loss: max(bar.close, vwap)"}}))
    scene.until_ten()
    scene.bar(99.5)
    assert scene.refusals() == ("STOP_LOSS_NOT_BELOW_PRICE",)
    assert not scene.broker.asked(SubmitOrder)
