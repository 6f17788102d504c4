"""Each invariant, broken: the desk finds it in that step, freezes, and lets no order out of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine import gate
from mqd.engine.ledger import Ledger
from mqd.engine.state import Holding
from mqd.model.command import SubmitOrder
from mqd.model.decision import IncidentRaised
from mqd.model.event import ExecutionBusted, FeeCharged

CHECKS = "orders/checks.yaml"
NEVER = "order.qty > limits.max_order_shares"  # no order of these tests is so large


@pytest.fixture
def without(edited, make_scene):
    """A scene whose checks of these conditions never say no."""

    def made(*conditions: str):
        dead = {f"when: {each}\n": f"when: {each} and {NEVER}\n" for each in conditions}
        return make_scene(edited({CHECKS: dead}, values={"max_trades_per_day": "5"}))

    return made


def broken(scene):
    """The invariants that were found broken."""
    raised = scene.notes(IncidentRaised)
    return {note.subject for note in raised if note.error == "InvariantViolatedError"}


def touched(scene, order_id):
    """News that changes nothing, and lets the desk look at itself."""
    scene.hear(scene.broker.ack(order_id))
    assert scene.desk_state == "FROZEN"


@pytest.mark.rule("STOPPED_IS_STOPPED", "DL-02")
@pytest.mark.parametrize("button", ["reduce", "halt", "flatten"])
def test_an_entry_that_slips_past_a_stop_does_not_leave(without, button):
    scene = without("desk.state != ACTIVE")
    scene.until_ten()
    scene.press(button)
    scene.bar(99.5)
    assert scene.decision().outcome == "ENTER"  # the check that forbids it is out of the rules
    assert broken(scene) == {"STOPPED_IS_STOPPED"}
    assert scene.desk_state == "FROZEN"
    scene.wait(60)
    assert not scene.broker.asked(SubmitOrder)
    (order,) = scene.state.orders.values()
    assert order.state == "CANCELLED"  # asked back, looked up, and not there
    assert not scene.state.working


@pytest.mark.rule("ONE_ENTRY_A_SYMBOL", "DL-02")
def test_a_second_entry_beside_the_first_does_not_leave(without):
    scene = without("symbol.working_orders > 0", "desk.open_positions >= limits.max_open_positions")
    entry_id = scene.entry()
    scene.bar(99.4)
    assert broken(scene) == {"ONE_ENTRY_A_SYMBOL"}
    assert scene.desk_state == "FROZEN"
    assert scene.newest() == entry_id


@pytest.mark.rule("EXITS_WITHIN_POSITION", "DL-02", "DESK_FROZEN")
def test_a_second_exit_beside_the_first_does_not_leave(without):
    scene = without("symbol.working_exits > 0")
    scene.holding()
    exit_id = scene.exit()
    scene.bar(98.0)
    assert broken(scene) == {"EXITS_WITHIN_POSITION"}
    assert scene.desk_state == "FROZEN"
    assert scene.newest() == exit_id
    scene.fill(exit_id)
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.rule("ORDER_SENT_IS_KNOWN")
def test_an_order_that_nobody_recorded_does_not_leave(scene, monkeypatch):
    send = gate._send

    def forgets(engine, state, signal, step):
        was_sent = send(engine, state, signal, step)
        state.working.clear()
        state.orders.clear()
        return was_sent

    monkeypatch.setattr(gate, "_send", forgets)
    scene.until_ten()
    scene.bar(99.5)
    assert "ORDER_SENT_IS_KNOWN" in broken(scene)
    assert scene.desk_state == "FROZEN"
    assert not scene.broker.asked(SubmitOrder)


@pytest.mark.rule("FILLS_ARE_EXECUTIONS")
def test_an_order_that_claims_other_shares_than_its_executions(scene):
    order_id = scene.entry()
    scene.fill(order_id, "2")
    scene.state.orders[order_id] = scene.order(order_id)._replace(filled_qty=Decimal(3))
    touched(scene, order_id)
    assert broken(scene) == {"FILLS_ARE_EXECUTIONS"}


@pytest.mark.rule("WORKING_IS_NOT_ENDED")
@pytest.mark.parametrize("how", [None, "fill"], ids=["works", "ended"])
def test_an_order_that_counts_on_the_wrong_side(scene, how):
    order_id = scene.entry(how or "ack")
    scene.state.working.symmetric_difference_update({order_id})
    touched(scene, order_id)
    assert broken(scene) == {"WORKING_IS_NOT_ENDED"}


@pytest.mark.rule("POSITION_IS_ITS_EXECUTIONS")
def test_a_position_that_no_execution_explains(scene):
    order_id = scene.holding()
    positions = scene.state.ledger.positions
    held = positions.get(scene.strategy, "SPY")
    positions.upsert(held._replace(qty=held.qty + Decimal("0.000000001")))
    touched(scene, order_id)
    assert broken(scene) == {"POSITION_IS_ITS_EXECUTIONS"}


@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS")
def test_cash_that_no_execution_moved_here(scene, monkeypatch):
    book = Ledger.book

    def a_cent_more(ledger, *arguments):
        booked = book(ledger, *arguments)
        ledger.cash_delta_usd += Decimal("0.01")
        return booked

    monkeypatch.setattr(Ledger, "book", a_cent_more)
    scene.holding()
    assert broken(scene) == {"PNL_IS_ITS_EXECUTIONS"}
    assert scene.desk_state == "FROZEN"


@pytest.mark.rule("POSITION_LOOKED_AFTER")
def test_a_position_of_a_strategy_that_these_rules_do_not_have(scene):
    order_id = scene.holding()
    now_ns = scene.state.now_ns
    scene.state.holdings["gone", "SPY"] = Holding(now_ns, now_ns)
    touched(scene, order_id)
    assert broken(scene) == {"POSITION_LOOKED_AFTER"}


def test_what_is_broken_is_told_once_and_a_flatten_gets_out(without):
    """The person who flattens is not stopped by what stopped the desk."""
    scene = without("desk.state != ACTIVE")
    scene.holding()
    held = scene.state.ledger.positions.get(scene.strategy, "SPY")
    scene.state.ledger.positions.upsert(held._replace(qty=held.qty + 1))
    touched(scene, scene.newest())
    scene.broker.answers(SubmitOrder, "fill")
    scene.press("flatten")
    assert scene.desk_state == "FLATTENING"
    assert scene.broker.asked(SubmitOrder)[-1].side == "sell"
    assert len(scene.notes(IncidentRaised)) == 1


def told(scene, code):
    """The words of the incident that tells of this invariant."""
    (note,) = [note for note in scene.notes(IncidentRaised) if note.subject == code]
    return note.error, note.message


@pytest.mark.rule("EXITS_WITHIN_POSITION")
def test_a_broken_invariant_says_what_where_and_what_next(without):
    """Its own sentence, whose it is, the two numbers that disagree, and the way out."""
    scene = without("symbol.working_exits > 0")
    scene.holding()
    scene.exit()
    scene.bar(98.0)
    error, words = told(scene, "EXITS_WITHIN_POSITION")
    assert error == "InvariantViolatedError"
    assert "\n" not in words
    for said in (
        "EXITS_WITHIN_POSITION", "Exits and stops for more than is held",
        scene.strategy, "SPY", "10.05", "5.025", "`mqd status`", "`mqd flatten`", "`mqd resume`",
    ):  # fmt: skip
        assert said in words


def one_too_many(scene, order_id):
    """The order counts a share that no execution of it has."""
    scene.state.orders[order_id] = scene.order(order_id)._replace(filled_qty=Decimal("6.025"))


def a_share_too_many(scene, order_id):
    positions = scene.state.ledger.positions
    held = positions.get(scene.strategy, "SPY")
    positions.upsert(held._replace(qty=Decimal("6.025")))


def works_after_its_end(scene, order_id):
    scene.state.working.add(order_id)


def held_by_nobody(scene, order_id):
    now_ns = scene.state.now_ns
    scene.state.holdings["gone", "XYZ"] = Holding(now_ns, now_ns)


@pytest.mark.parametrize(
    ("breaks", "code", "numbers"),
    [
        (one_too_many, "FILLS_ARE_EXECUTIONS", ("6.025", "5.025")),
        (a_share_too_many, "POSITION_IS_ITS_EXECUTIONS", ("SPY", "6.025", "5.025")),
        (works_after_its_end, "WORKING_IS_NOT_ENDED", ("FILLED", "working")),
        (held_by_nobody, "POSITION_LOOKED_AFTER", ("gone", "XYZ")),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_it_names_the_order_or_the_position_that_breaks_it(scene, breaks, code, numbers):
    order_id = scene.holding()
    breaks(scene, order_id)
    touched(scene, order_id)
    _, words = told(scene, code)
    subject = order_id if code in {"FILLS_ARE_EXECUTIONS", "WORKING_IS_NOT_ENDED"} else numbers[0]
    for said in (subject, *numbers):
        assert said in words


def test_of_many_places_it_names_three_and_says_how_many_more(scene):
    order_id = scene.holding()
    for number in range(5):
        now_ns = scene.state.now_ns
        scene.state.holdings["gone", f"X{number}"] = Holding(now_ns, now_ns)
    touched(scene, order_id)
    _, words = told(scene, "POSITION_LOOKED_AFTER")
    assert [f"X{n}" in words for n in range(5)] == [True, True, True, False, False]
    assert "2 more" in words


# -- the profit that the loss limits read --------------------------------------------------------


def a_round_trip(scene):
    """Five shares and a bit at 99.50, sold at 99.00: a loss of 2.5125 USD."""
    scene.holding()
    return scene.exit("fill")


@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS", "DL-02")
@pytest.mark.parametrize("whose", ["desk", "strategy"])
def test_a_profit_that_no_execution_earned(scene, whose):
    order_id = a_round_trip(scene)
    if whose == "desk":
        scene.state.desk.realised_today += Decimal("0.01")
    else:
        scene.state.strategies[scene.strategy].pnl_today += Decimal("0.01")
    touched(scene, order_id)
    assert broken(scene) == {"PNL_IS_ITS_EXECUTIONS"}
    _, words = told(scene, "PNL_IS_ITS_EXECUTIONS")
    assert "-2.5025" in words
    assert "-2.5125" in words
    assert (scene.strategy in words) is (whose == "strategy")


@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS")
@pytest.mark.parametrize("restarts", [False, True])
def test_a_profit_of_yesterday_that_counts_today(eager_scene, restarts):
    scene = eager_scene
    order_id = a_round_trip(scene)
    scene.close()
    if restarts:
        scene.restart()
    scene.open(day=1)
    assert scene.state.desk.realised_today == 0
    scene.hear(scene.broker.ack(order_id))
    assert not scene.incidents()  # a new day, from nothing
    scene.state.desk.realised_today = Decimal("-2.5125")
    touched(scene, order_id)
    assert broken(scene) == {"PNL_IS_ITS_EXECUTIONS"}


@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS")
def test_a_trade_over_two_sessions_a_fee_and_a_bust_are_counted_as_the_executions_have_them(
    eager_scene,
):
    scene = eager_scene
    entry_id = scene.holding()
    scene.close()
    scene.restart()
    scene.open(day=1)
    exit_id = scene.exit("fill")
    (sold,) = [e for e in scene.state.ledger.executions.values() if e.client_order_id == exit_id]
    scene.hear(FeeCharged(scene.state.now_ns, sold.execution_id, Decimal("0.02")))
    assert scene.state.desk.realised_today == Decimal("-2.5325")
    scene.hear(scene.broker.ack(entry_id))
    bought = next(iter(scene.state.ledger.executions))
    scene.hear(ExecutionBusted(scene.state.now_ns, bought))
    assert "ExecutionBustedError" in scene.incidents()
    assert not broken(scene)


@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS")
def test_shares_of_other_hands_earn_the_desk_nothing(scene):
    scene.until_ten()
    scene.broker.books.move("XYZ", Decimal(2), Decimal(10), Decimal(0))
    scene.restart()
    assert scene.held("XYZ") == 2
    assert scene.incidents() == ["PositionDriftError"]


@pytest.mark.rule("PNL_IS_ITS_EXECUTIONS")
def test_a_strategy_that_was_away_at_the_opening_breaks_nothing_when_it_comes_back(
    shipped, make_scene, edited
):
    away = edited({"strategies/vwap_micro_mean_reversion.yaml": {"status: paper": "status: draft"}})
    scene = make_scene(shipped)
    order_id = a_round_trip(scene)
    scene.close()
    scene.restart(book=away)
    scene.open(day=1)
    scene.hear(scene.broker.ack(order_id))
    scene.restart(book=shipped)
    scene.hear(scene.broker.ack(order_id))
    assert not broken(scene)
    assert scene.desk_state == "ACTIVE"
