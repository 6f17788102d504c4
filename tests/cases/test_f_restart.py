"""Restart, and the comparison with the broker: at the exact limits, and with everything late."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import DriftFound, Reconciled
from mqd.model.event import DeskStarted, SnapshotTaken
from mqd.model.order import EXTERNAL, PROTECTIVE

WHOLE = Decimal("5.025")
HUNDRED = Decimal(100)
ZERO = Decimal(0)


class ProcessDied(Exception):
    """The desk's process ends here."""


def drifts(scene):
    """Kind and subject of every difference in orders and positions that was found."""
    found = [(note.kind, note.subject) for note in scene.notes(DriftFound)]
    return [each for each in found if each[0] != "cash"]


def moves(scene, symbol, qty, price=HUNDRED):
    """Shares come to the account (or leave it) without any order of ours."""
    scene.broker.books.move(symbol, Decimal(qty), price, ZERO)


def next_comparison(scene):
    """Let the timer come round; a position sees a bar a minute at the price that is."""
    before = len(scene.verdicts())
    while len(scene.verdicts()) == before:
        if scene.state.holdings:
            scene.bar(scene.state.symbol("SPY").last_close)
        else:
            scene.wait(5)


SETTLED_S = 10  # after a fill a difference may be news on its way, for so long
LACKING = {  # what else refuses an exit, where the broker holds so much of what we do
    "0.949": ("SHARES_NOT_THERE",), "0.9499999": ("SHARES_NOT_THERE",), "1.06": (), "1.0526317": (),
}  # fmt: skip


def takes(scene, command, order_id, qty=WHOLE, symbol="SPY", side="buy"):
    """An order of other hands, as the broker has it."""
    return scene.broker.books.take(
        command._replace(client_order_id=order_id, qty=qty, symbol=symbol, side=side),
        f"b-{order_id}", scene.broker.now_ns,
    )  # fmt: skip


def a_round_trip(scene, dies_after):
    """A part fill, the rest, the stop; the process ends after this record, and another goes on."""
    see = scene.saw

    def saw(event, outcome, state):
        see(event, outcome, state)
        if len(scene.journal.pairs) == dies_after:
            raise ProcessDied

    scene.saw = saw
    scene.loop._watchers = (scene,)

    def lives_on(act, *arguments):
        try:
            act(*arguments)
        except ProcessDied:
            scene.restart()

    lives_on(scene.until_ten)
    lives_on(scene.until_ten)
    lives_on(scene.bar, 99.5)
    entry_id = scene.newest()
    lives_on(scene.fill, entry_id, "2")
    lives_on(scene.fill, entry_id)
    lives_on(scene.bar, 99.0)
    lives_on(scene.fill, scene.newest())
    lives_on(scene.bar, 99.0)
    return [trade[3:5] + trade[6:9] for trade in scene.trades()]


@pytest.mark.case(76)
@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_case_076_a_kill_after_any_record_loses_no_share_and_no_order(shipped, make_scene):
    """What was on its way to the process is lost with it, and the broker lives on."""
    whole = make_scene(shipped)
    trades = a_round_trip(whole, dies_after=0)
    assert len(trades) == 1
    pairs = whole.journal.pairs
    sends = [any(isinstance(each, SubmitOrder) for each in o.commands) for _, o in pairs]
    first = sends.index(True)
    for count in range(first, len(pairs) + 1):
        scene = make_scene(shipped)
        assert a_round_trip(scene, dies_after=count) == trades, count
        traded = [o for o in scene.state.orders.values() if o.role != PROTECTIVE]
        assert [o.state for o in traded] == ["FILLED", "FILLED"]
        assert not scene.state.working
        assert scene.agrees()
        assert not scene.held()
        assert not scene.incidents()
        assert scene.replayed().hash() == scene.state.hash()
        starts = [event for event, _ in scene.journal.pairs if isinstance(event, DeskStarted)]
        assert len(starts) == 2


@pytest.mark.case(77)
@pytest.mark.rule("RESTART_CHANGES_NOTHING", "SNAPSHOT_DUE")
def test_case_077_a_second_start_changes_nothing(scene):
    scene.holding()
    scene.restart()
    books, orders = scene.state.ledger.canonical(), dict(scene.state.orders)
    scene.restart()
    assert scene.state.ledger.canonical() == books
    assert scene.state.orders == orders
    assert scene.verdicts()[-2:] == ["clean", "clean"]
    assert len(scene.broker.asked(SubmitOrder)) == 1


@pytest.mark.case(78)
@pytest.mark.rule("missing_local", "DL-01", "POSITION_OPEN")
def test_case_078_shares_that_nobody_here_bought_are_taken_up_and_not_sold(eager_scene):
    scene = eager_scene
    scene.until_ten()
    moves(scene, "SPY", 3)
    scene.restart()
    assert drifts(scene) == [("missing_local", "SPY")]
    assert scene.held() == 3
    assert scene.state.ledger.positions.get(EXTERNAL, "SPY").qty == 3
    assert scene.incidents() == ["PositionDriftError"]
    assert scene.desk_state == "HALTED"
    scene.press("resume")
    for close in (99.5, 90.0):
        scene.bar(close)
        assert "POSITION_OPEN" in scene.refusals()
    scene.press("flatten")
    scene.wait(60)
    assert not scene.broker.asked(SubmitOrder)
    next_comparison(scene)
    assert scene.verdicts()[-1] == "clean"  # what was taken up is no difference any more


@pytest.mark.case(78)
@pytest.mark.rule("missing_local", "IMPOSSIBLE_IS_NOT_BOOKED")
@pytest.mark.parametrize(("price", "errors"), [
    ("0", ["PositionDriftError"]), ("-1", ["MalformedExecutionError", "PositionDriftError"]),
])  # fmt: skip
def test_case_078_shares_that_cost_nothing_are_shares(scene, price, errors):
    """A gift of the broker has no price; a price that cannot be ends in an incident."""
    scene.until_ten()
    moves(scene, "XYZ", 2, Decimal(price))
    scene.restart()
    assert scene.incidents() == errors
    assert scene.held("XYZ") == (2 if price == "0" else 0)
    assert scene.desk_state == "HALTED"
    assert not scene.broker.asked(SubmitOrder)


@pytest.mark.case(79)
@pytest.mark.rule("missing_broker", "DL-01")
def test_case_079_shares_that_are_gone_are_not_sold(bare_scene):
    scene = bare_scene
    scene.holding()
    moves(scene, "SPY", -WHOLE)
    next_comparison(scene)
    assert drifts(scene) == [("missing_broker", "SPY")]
    assert scene.incidents() == ["PositionDriftError"]
    assert scene.desk_state == "HALTED"
    assert not scene.held()
    for close in (99.0, 95.0):
        assert not [c for c in scene.bar(close).commands if isinstance(c, SubmitOrder)]
    assert len(scene.broker.asked(SubmitOrder)) == 1


@pytest.mark.case(80)
@pytest.mark.rule("quantity_mismatch", "DRIFT_TOO_LARGE", "max_position_drift")
@pytest.mark.parametrize("at_start", [False, True], ids=["on the timer", "at the start"])
@pytest.mark.parametrize(
    ("factor", "state"),
    [
        ("0.951", "HALTED"), ("0.95", "HALTED"), ("0.949", "FROZEN"), ("1.05", "HALTED"),
        ("1.051", "HALTED"), ("1.06", "FROZEN"), ("0.9499999", "FROZEN"), ("1.0526317", "FROZEN"),
    ],
    ids=[
        "4.9 %", "5.0 %", "5.1 %", "more: 4.8 %", "more: 4.9 %", "more: 5.7 %",
        "the last digit beyond 5 %", "more: the last digit beyond 5 %",
    ],
)  # fmt: skip
def test_case_080_a_position_off_by_five_per_cent_and_a_little_more(
    bare_scene, factor, state, at_start
):
    """The share is of the larger of the two; at the limit the desk goes on, beyond it freezes."""
    scene = bare_scene
    scene.holding()
    moves(scene, "SPY", WHOLE * (Decimal(factor) - 1))
    if at_start:
        scene.restart(after_s=SETTLED_S)
    else:
        next_comparison(scene)
    assert drifts(scene) == [("quantity_mismatch", "SPY")]
    assert scene.desk_state == state
    if state == "FROZEN":
        assert scene.incidents() == ["ReconciliationError"]
        assert scene.state.refused_start == ("DRIFT_TOO_LARGE",)
        assert scene.held() == WHOLE
        scene.bar(99.0)
        assert scene.refusals() == ("DESK_FROZEN", *LACKING[factor])
        assert len(scene.broker.asked(SubmitOrder)) == 1
    else:
        assert scene.incidents() == ["PositionDriftError"]
        assert scene.agrees()
        ours = min(WHOLE, WHOLE * Decimal(factor))
        assert scene.state.ledger.positions.get(scene.strategy, "SPY").qty == ours
        scene.bar(99.0)
        assert scene.order(scene.newest()).qty == ours  # no more than is there, and is ours


@pytest.mark.case(80)
@pytest.mark.rule("SMALL", "share_tolerance", "value_tolerance_usd")
@pytest.mark.parametrize(
    ("price", "qty", "counts"),
    [
        (100, "0.001", False), (100, "0.0011", True), (100, "-0.0011", True),
        (1_005, "0.001", False), (1_005.1, "0.001", True), (1_005.1, "-0.001", True),
    ],
)  # fmt: skip
def test_case_080_the_last_digit_of_a_fraction_does_not_count(bare_scene, price, qty, counts):
    """Little in shares and in share and in money, or it counts: one dollar is the limit."""
    scene = bare_scene
    scene.until_ten(close=price)
    scene.broker.answers(SubmitOrder, "fill")
    scene.bar(round(0.995 * price, 2))  # bought; the last close is what a difference is worth
    held = scene.held()
    moves(scene, "SPY", qty)
    next_comparison(scene)
    assert (drifts(scene) == [("quantity_mismatch", "SPY")]) is counts
    assert (scene.desk_state == "HALTED") is counts
    assert scene.agrees() is counts
    assert (scene.held() == held) is not counts  # what does not count is not touched


@pytest.mark.case(80)
@pytest.mark.rule("SMALL", "share_tolerance")
@pytest.mark.parametrize("qty", ["-0.0005", "-0.001"])
def test_a_last_digit_that_the_broker_does_not_have_locks_no_exit_in(bare_scene, qty):
    """Alpaca refuses a sale of more than is there whole, however little is missing."""
    scene = bare_scene
    scene.holding()
    moves(scene, "SPY", qty)
    next_comparison(scene)
    assert scene.agrees()
    assert scene.held() == WHOLE + Decimal(qty)
    assert (scene.desk_state, scene.incidents()) == ("ACTIVE", [])
    scene.bar(99.0)
    assert scene.order(scene.newest()).qty == WHOLE + Decimal(qty)
    next_comparison(scene)
    assert drifts(scene) == [("quantity_mismatch", "SPY")]  # said once


@pytest.mark.case(81)
@pytest.mark.rule("POSITIONS_MISSING", "missing_local", "max_missing_positions", "DL-02")
@pytest.mark.parametrize("at_start", [False, True], ids=["on the timer", "at the start"])
@pytest.mark.parametrize("missing", [3, 4])
def test_case_081_three_positions_missing_and_four(bare_scene, missing, at_start):
    scene = bare_scene
    scene.holding()
    moves(scene, "SPY", -WHOLE)  # one of them is missing there, the others here
    for number in range(missing - 1):
        moves(scene, f"X{number}", 1)
    if at_start:
        scene.restart(after_s=SETTLED_S)
    else:
        next_comparison(scene)
    assert len(drifts(scene)) == missing
    (verdict,) = [note for note in scene.notes(Reconciled) if note.verdict != "clean"]
    if missing == 3:
        assert verdict.verdict == "mended"
        assert scene.desk_state == "HALTED"
        assert scene.held("X1") == 1
    else:
        assert verdict.refusals == ("POSITIONS_MISSING",)
        assert scene.incidents() == ["ReconciliationError"]
        assert scene.desk_state == "FROZEN"
        assert (scene.held(), scene.held("X1")) == (WHOLE, 0)  # nothing was touched
        scene.wait(120)
        assert not scene.state.desk.is_in_step


@pytest.mark.case(82)
@pytest.mark.rule("NOT_IN_STEP", "OUT_OF_STEP")
def test_case_082_no_answer_is_not_no_positions(eager_scene):
    scene = eager_scene
    scene.holding()
    scene.broker.answers(TakeSnapshot, *["fail"] * 3)
    scene.restart()
    assert scene.held() == WHOLE
    assert not drifts(scene)
    assert not scene.state.desk.is_in_step
    exit_id = scene.exit()
    scene.fill(exit_id)  # exits go on
    assert not scene.held()
    scene.broker.answers(TakeSnapshot, *["fail"] * 99)
    scene.restart()
    scene.bar(98.9)
    assert scene.refusals() == ("NOT_IN_STEP",)
    asked = len(scene.broker.asked(TakeSnapshot))
    scene.wait(20)
    assert len(scene.broker.asked(TakeSnapshot)) - asked == 4  # it is asked again, and again


@pytest.mark.case(83)
@pytest.mark.rule("OL-02")
def test_case_083_a_fill_after_the_restart_adds_its_own_shares(scene):
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    scene.restart()
    assert scene.order(entry_id).state == "PARTIALLY_FILLED"
    scene.fill(entry_id, "1")
    assert scene.held() == 3
    scene.fill(entry_id)
    assert scene.held() == WHOLE
    assert scene.order(entry_id).state == "FILLED"
    assert scene.order(entry_id).filled_qty == WHOLE
    assert not scene.incidents()


@pytest.mark.case(83, 84)
@pytest.mark.rule("EXECUTIONS_FIRST", "OL-03")
@pytest.mark.parametrize("told", ["by executions", "by the order alone"])
def test_case_084_an_order_and_a_position_of_one_symbol_are_counted_once(scene, told):
    """The part fill happened while no process listened."""
    entry_id = scene.entry()
    part = scene.broker.fills(entry_id, "2")
    if told == "by the order alone":

        def without_executions(broker, command):
            whole = broker.books.snapshot(broker.now_ns, command.at_ns, Decimal(1_000))
            broker.says(whole._replace(executions=()))

        scene.broker.answers(TakeSnapshot, without_executions)
    scene.restart()
    assert scene.held() == 2
    assert not drifts(scene)
    assert scene.order(entry_id).state == "PARTIALLY_FILLED"
    scene.hear(part)  # and now the stream tells it, too
    assert scene.held() == 2
    scene.fill(entry_id)
    assert scene.held() == WHOLE
    assert scene.agrees()
    assert not scene.incidents()


@pytest.mark.case(85)
@pytest.mark.rule("unknown_order", "OL-03")
@pytest.mark.parametrize("count", [51, 501, 1_000])
def test_case_085_every_open_order_is_compared(scene, count):
    entry_id = scene.entry("silent")
    command = scene.broker.asked(SubmitOrder)[0]
    scene.broker.books.working.clear()
    for number in range(count - 1):
        takes(scene, command, f"by-hand-{number}", symbol=f"S{number}")
    takes(scene, command, entry_id)  # ours is the very last of them
    scene.broker.fills(entry_id, "1")
    scene.restart()
    assert drifts(scene) == [("unknown_order", f"by-hand-{n}") for n in range(count - 1)]
    assert scene.order(entry_id).state == "PARTIALLY_FILLED"
    assert scene.held() == 1
    by_hand = [scene.state.symbols[f"S{number}"] for number in range(count - 1)]
    assert {each.external_orders for each in by_hand} == {1}
    assert (scene.desk_state, scene.incidents()) == ("ACTIVE", [])


@pytest.mark.case(86)
@pytest.mark.rule("STILL_UNKNOWN", "OL-08", "OL-01")
def test_case_086_an_order_sent_a_moment_ago_is_not_taken_for_gone(scene):
    entry_id = scene.entry("vanish")  # nobody knows yet: it is on its way
    scene.restart()
    assert scene.order(entry_id).state == "UNKNOWN"
    scene.wait(9)
    assert not scene.broker.asked(LookUpOrder)
    assert scene.order(entry_id).state == "UNKNOWN"
    takes(scene, scene.broker.asked(SubmitOrder)[0], entry_id)  # it arrives
    scene.wait(1)
    assert len(scene.broker.asked(LookUpOrder)) == 1
    assert scene.order(entry_id).state == "SUBMITTED"
    assert scene.sends(entry_id) == 1


@pytest.mark.case(87)
@pytest.mark.rule("STOP_LOSS")
def test_case_087_a_position_of_yesterday_has_its_exits_from_the_first_bar_on(scene):
    scene.holding()
    scene.close()
    scene.restart()
    scene.open(day=1)
    scene.bar(99.0)
    assert scene.decision().outcome == "EXIT"
    scene.fill(scene.newest())
    assert not scene.held()
    assert scene.agrees()


@pytest.mark.case(88)
@pytest.mark.rule("unknown_order", "EXTERNAL_ORDER")
@pytest.mark.parametrize("button", ["", "halt", "flatten"])
def test_case_088_an_order_made_by_hand_is_left_alone(eager_scene, button):
    scene = eager_scene
    entry_id = scene.holding()
    exit_id = scene.exit("fill")
    takes(scene, scene.broker.asked(SubmitOrder)[0], "by-hand")
    next_comparison(scene)
    assert drifts(scene) == [("unknown_order", "by-hand")]
    if button:
        scene.press(button)
        scene.wait(30)
        scene.press("resume")
    scene.bar(98.9)
    assert scene.refusals() == ("EXTERNAL_ORDER",)
    assert not scene.broker.asked(CancelOrder)
    assert "by-hand" in scene.broker.books.working
    assert set(scene.state.orders) == {entry_id, exit_id, scene.stop().client_order_id}
    assert not scene.incidents()


@pytest.mark.case(89)
@pytest.mark.rule("DRIFT_TOO_LARGE", "DESK_FROZEN")
def test_case_089_a_split_overnight_stops_everything_until_a_person_looked(bare_scene):
    scene = bare_scene
    scene.holding()
    scene.close()
    moves(scene, "SPY", 9 * WHOLE)  # ten for one
    scene.restart(after_s=3_600 * 16)
    assert scene.desk_state == "FROZEN"
    assert scene.state.refused_start == ("DRIFT_TOO_LARGE",)
    scene.open(day=1)
    scene.bar(9.95)  # a tenth of the price, and no stop of the old one may act
    assert len(scene.broker.asked(SubmitOrder)) == 1
    assert scene.held() == WHOLE
    scene.press("adopt")
    assert scene.held() == 10 * WHOLE
    assert scene.agrees()


@pytest.mark.case(90)
@pytest.mark.rule("EXIT_ENDED_SHORT", "EXIT_ATTEMPTS_SPENT", "DL-01")
def test_case_090_a_symbol_that_cannot_be_sold_any_more_is_told_to_a_person(eager_scene):
    scene = eager_scene
    scene.holding()
    scene.broker.answers(SubmitOrder, *["reject"] * 20)
    scene.bar(99.0)
    scene.wait(55)
    tries = [each.client_order_id for each in scene.broker.asked(SubmitOrder)][1:]
    assert len(tries) == len(set(tries)) == 3
    assert scene.watched().count("EXIT_ATTEMPTS_SPENT") == 1
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.desk_state == "HALTED"
    assert scene.held() == WHOLE


@pytest.mark.case(91)
@pytest.mark.rule("BOOKED_ONCE", "EXECUTIONS_FIRST")
def test_case_091_a_fill_of_the_first_trade_is_never_one_of_the_second(eager_scene):
    scene = eager_scene
    first = scene.entry()
    scene.fill(first, "5")
    late = scene.broker.fills(first)  # a fraction of which nobody is told yet
    first_exit = scene.exit("fill")
    assert scene.order(first_exit).qty == 5
    scene.wait(10)
    scene.hear(scene.broker.report(first))
    leftover = scene.exit("fill", close=98.9)
    assert scene.order(leftover).qty == Decimal("0.025")
    second = scene.exit("fill", close=98.5)
    assert scene.order(second).role == "entry"
    scene.hear(late)
    scene.restart()
    scene.hear(late)
    by_order: dict[str, list[Decimal]] = {}
    for each in scene.state.ledger.executions.values():
        if each.kind == "reported":
            by_order.setdefault(each.client_order_id, []).append(each.qty)
    assert by_order[first] == [5, Decimal("0.025")]
    assert by_order[second] == [scene.order(second).qty]
    assert scene.held() == scene.order(second).qty
    assert scene.agrees()


@pytest.mark.case(92)
@pytest.mark.rule("SNAPSHOT_DUE", "EXECUTIONS_FIRST")
def test_case_092_news_that_crosses_a_comparison_is_left_to_the_next_one(scene):
    entry_id = scene.entry()
    held_back = []

    def overtaken(broker, command):
        """The answer is made, and a fill is told before it arrives."""
        held_back.append(broker.books.snapshot(broker.now_ns, command.at_ns, Decimal(1_000)))
        broker.says(broker.fills(entry_id), held_back[0])

    scene.broker.answers(TakeSnapshot, overtaken)
    while not held_back:
        scene.wait(5)
    assert scene.held() == WHOLE  # the old answer knows of no position, and takes none away
    assert not drifts(scene)
    assert scene.order(entry_id).state == "FILLED"
    scene.wait(10)
    assert scene.verdicts()[-2:] == ["waits", "clean"]
    assert not scene.incidents()


@pytest.mark.case(93)
@pytest.mark.rule("STILL_UNKNOWN", "UNPROVED", "most_look_ups", "ORDER_WORKING")
def test_case_093_a_question_that_stays_open_becomes_a_standing_alarm(eager_scene):
    scene = eager_scene
    entry_id = scene.entry("submit_lost")
    scene.broker.answers(LookUpOrder, *["silent"] * 99)
    scene.wait(300)
    assert scene.order(entry_id).state == "PENDING_CANCEL"  # a desk that halts wants no entry
    assert scene.watched().count("STILL_UNKNOWN") == 5
    assert scene.desk_state == "HALTED"
    told = scene.incidents()  # one for the order, one for the cancel that nobody answers either
    assert told == ["UnresolvedError"] * 2
    watched = scene.watched()
    scene.wait(300)
    assert scene.incidents() == told
    assert scene.watched() == watched  # only the comparisons with the broker still ask
    scene.press("resume")  # somebody who answers for it is told again that it is still so
    scene.wait(5)
    assert scene.incidents() == [*told, "UnresolvedError"]
    scene.bar(99.4)
    assert "ORDER_WORKING" in scene.refusals()


@pytest.mark.case(93)
@pytest.mark.rule("stuck_order", "UNPROVED", "OUT_OF_STEP")
def test_case_093_an_order_that_the_broker_no_longer_lists_is_told_to_a_person(scene):
    entry_id = scene.entry()
    scene.broker.takes_back(entry_id)  # and nobody tells
    scene.broker.answers(LookUpOrder, *["silent"] * 99)
    scene.wait(600)
    assert scene.order(entry_id).state in {"SUBMITTED", "PENDING_CANCEL"}
    assert not scene.state.desk.is_in_step
    assert scene.desk_state == "HALTED"
    told = scene.incidents()
    assert set(told) == {"UnresolvedError"}
    scene.wait(600)
    assert scene.incidents() == told


def test_a_snapshot_from_before_the_restart_says_nothing_about_after_it(scene):
    """A stale answer of another age: its question is not the one that is open."""
    scene.holding()
    old = SnapshotTaken(scene.broker.now_ns, 0, None, (), (), ())
    scene.restart(after_s=1)
    scene.hear(old)
    assert scene.held() == WHOLE
    assert not drifts(scene)


@pytest.mark.case(88)
@pytest.mark.rule("lost_order", "EXTERNAL_ORDER", "DL-01")
def test_case_088_an_order_of_ours_that_this_journal_has_not_stops_entries(eager_scene):
    """A journal that was replaced, or a second desk: its rule says that a person has to look."""
    scene = eager_scene
    scene.holding()
    scene.exit("fill")
    made = scene.broker.asked(SubmitOrder)[0]
    takes(scene, made, f"{made.client_order_id}-2")
    next_comparison(scene)
    assert drifts(scene) == [("lost_order", f"{made.client_order_id}-2")]
    assert scene.incidents() == ["UnknownOrderError"]
    assert scene.desk_state == "HALTED"
    next_comparison(scene)
    assert scene.incidents() == ["UnknownOrderError"]  # told once, while it stands
    scene.press("resume")
    scene.bar(98.9)
    assert "EXTERNAL_ORDER" in scene.refusals()


@pytest.mark.rule("cash")
@pytest.mark.parametrize("moved_usd", ["500", "-0.01"])
def test_cash_that_no_execution_moved_is_told_once(scene, moved_usd):
    """A deposit, or a fee of a cent; from then on it is counted anew."""
    scene.until_ten()
    scene.broker.books.cash_delta_usd += Decimal(moved_usd)
    next_comparison(scene)
    (found,) = scene.notes(DriftFound)
    assert (found.kind, found.done) == ("cash", "warn")
    assert found.broker - found.local == Decimal(moved_usd)
    next_comparison(scene)
    assert scene.verdicts()[-2:] == ["mended", "clean"]
    assert len(scene.notes(DriftFound)) == 1
    assert (scene.desk_state, scene.incidents()) == ("ACTIVE", [])
    scene.holding()  # entries go on


@pytest.mark.case(93)
@pytest.mark.rule("POSITIONS_MISSING", "DL-05", "CLOSE_ORDERED", "OUT_OF_STEP")
def test_case_093_too_large_a_difference_is_told_once_and_stops_no_flatten(scene):
    """The alarm stands; a person who closes everything is not stopped by the same difference."""
    scene.holding()
    for number in range(4):
        moves(scene, f"X{number}", 1)
    scene.restart()
    scene.wait(60)
    assert scene.desk_state == "FROZEN"
    assert scene.incidents() == ["ReconciliationError"]
    scene.broker.answers(SubmitOrder, "reject", "reject", "fill")
    scene.press("flatten")
    scene.wait(20)
    assert scene.desk_state == "FLATTENING"
    assert not scene.held()
    assert scene.incidents() == ["ReconciliationError"]
    scene.press("resume")  # nobody resumes over it
    assert scene.desk_state == "FROZEN"
    assert scene.incidents() == ["ReconciliationError"] * 2


@pytest.mark.case(101)
@pytest.mark.rule("MAY_BE_A_FILL", "drift_looks", "OUT_OF_STEP", "NOT_IN_STEP")
@pytest.mark.parametrize("is_newer", [True, False], ids=["positions newer", "positions older"])
def test_case_101_lists_read_at_two_instants_are_no_drift(scene, is_newer):
    """A fill between two of the broker's lists: one has it and the other has not."""
    entry_id = scene.entry()
    if is_newer:
        moves(scene, "SPY", WHOLE)  # the positions have the fill, nothing else tells of it yet
    else:
        scene.fill(entry_id)
        moves(scene, "SPY", -WHOLE)  # told, and not yet among the positions
    scene.state.desk.snapshot_is_due = True
    scene.wait(1)
    assert scene.verdicts()[-1] == "waits"
    assert not scene.state.desk.is_in_step
    done = {note.done for note in scene.notes(DriftFound) if note.subject == "SPY"}
    assert done == {"looks_again"}
    moves(scene, "SPY", -WHOLE if is_newer else WHOLE)
    if is_newer:
        scene.fill(entry_id)
    scene.wait(6)
    assert scene.state.desk.is_in_step
    assert scene.held() == WHOLE
    assert scene.agrees()
    assert not scene.incidents()
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(80)
@pytest.mark.rule("MAY_BE_A_FILL", "drift_looks", "quantity_mismatch", "DRIFT_TOO_LARGE")
@pytest.mark.parametrize(("factor", "state"), [("0.951", "HALTED"), ("0.949", "FROZEN")])
def test_case_080_what_three_looks_show_alike_is_a_drift(scene, factor, state):
    scene.holding()
    moves(scene, "SPY", WHOLE * (Decimal(factor) - 1))
    before = len(scene.verdicts())
    scene.state.desk.snapshot_is_due = True
    scene.wait(12)
    assert scene.verdicts()[before:][:2] == ["waits", "waits"]
    assert scene.verdicts()[before + 2] == ("mended" if state == "HALTED" else "refused")
    assert scene.desk_state == state


@pytest.mark.case(80)
@pytest.mark.rule("SHARES_NOT_THERE", "DL-05")
@pytest.mark.parametrize("is_less", [True, False])
def test_case_080_a_flatten_sells_nothing_that_the_broker_does_not_hold(bare_scene, is_less):
    scene = bare_scene
    scene.holding()
    scene.wait(SETTLED_S)
    moves(scene, "SPY", -1 if is_less else 1)
    next_comparison(scene)
    assert scene.desk_state == "FROZEN"
    scene.press("flatten")
    scene.wait(10)
    sold = [order for order in scene.broker.asked(SubmitOrder) if order.side == "sell"]
    assert bool(sold) is not is_less
    if is_less:
        scene.press("adopt")
        scene.wait(10)
        scene.press("flatten")
        scene.wait(10)
        sold = [order for order in scene.broker.asked(SubmitOrder) if order.side == "sell"]
        assert {order.qty for order in sold} == {WHOLE - 1}
