"""What the desk looks at so that the broker need not say no: account, symbol, form, price, pace.

Every check is tried on both sides of its edge, and none of them ever holds an exit back.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.brokers.books import NEW
from mqd.ground.errors import RuleError
from mqd.ground.times import NS_PER_S
from mqd.model.command import SubmitOrder, TakeSnapshot
from mqd.model.event import SnapshotTaken
from mqd.model.journaled import from_record
from mqd.model.snapshot import AccountReport

STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
CHECKS = "orders/checks.yaml"
LIMITS = "limits/desk.yaml"
NAME = "strategy: vwap_micro_mean_reversion"
DAY_ENTRY = "entry:\n    time_in_force: day"
DAY_EXIT = "type: market\n    time_in_force: day"
WHOLE = Decimal("5.025")  # shares of an entry at 99.50
COST_USD = WHOLE * Decimal("99.50")  # 499.9875
MINUTE_NS = 60 * NS_PER_S


def dipped(scene, close=99.5):
    """A dip at 10:01; how the decision came out, and the checks it names."""
    scene.until_ten()
    scene.bar(close)
    return scene.decision().outcome, scene.refusals()


def says(scene, **changes):
    """From the next question on the account says this."""
    scene.broker.account = scene.broker.account._replace(**changes)


def told(scene, symbol="SPY", **changes):
    """From the next question on the broker says this of the symbol."""
    scene.broker.symbols[symbol] = scene.broker.symbols[symbol]._replace(**changes)


def two_symbols(make_scene, edited, positions):
    """A scene in which a strategy like the shipped one trades QQQ beside it."""
    limits = "value: 1\n    min: 1\n    max: 10\n"
    words = {NAME: "strategy: zz_other", "symbol: SPY": "symbol: QQQ"}
    share = "  zz_other:\n    share: 0.1\n"  # of 3,000 it is too little for an order of 499.99
    book = edited(
        {
            LIMITS: {limits: limits.replace("1\n", f"{positions}\n", 1)},
            "desk/portfolio.yaml": {share: share.replace("0.1", "0.2")},
        },
        copies={"strategies/zz_other.yaml": (STRATEGY_FILE, words)},
    )
    scene = make_scene(book)
    scene.open()
    for minute in range(30):
        scene.minute = minute
        scene.bar(100.0)
        scene.minute = minute
        scene.bar(100.0, "QQQ")
    return scene


def other(scene, close=99.5):
    """A dip of QQQ in the minute of the last bar; how it came out, and the checks it names."""
    scene.minute -= 1
    scene.bar(close, "QQQ")
    assert scene.decision().symbol == "QQQ"
    return scene.decision().outcome, scene.refusals()


# -- the account -----------------------------------------------------------------------------------


@pytest.mark.rule("NO_BUYING_POWER", "buying_power_reserve")
@pytest.mark.parametrize(
    ("equity", "power", "expected"),
    [
        ("1000", "549.99", "ENTER"),  # 499.9875 and a twentieth of 1,000
        ("1000", "549.98", "REFUSED"),
        ("2000", "599.9875", "ENTER"),
        ("2000", "599.9874", "REFUSED"),
        ("10000", "999.99", "ENTER"),
        ("10000", "999.98", "REFUSED"),
    ],
)
def test_the_account_pays_for_the_entry_and_keeps_its_reserve(scene, equity, power, expected):
    says(scene, buying_power_usd=Decimal(power), equity_usd=Decimal(equity))
    refusals = () if expected == "ENTER" else ("NO_BUYING_POWER",)
    assert dipped(scene) == (expected, refusals)


@pytest.mark.rule("NO_BUYING_POWER")
@pytest.mark.parametrize(("power", "expected"), [("1150", "ENTER"), ("1149", "REFUSED")])
def test_what_is_promised_to_an_entry_on_its_way_is_not_spent_twice(
    make_scene, edited, power, expected
):
    """The account said it before the first entry left: 2 x 499.9875, and a twentieth of 3,000."""
    scene = two_symbols(make_scene, edited, positions=5)
    says(scene, buying_power_usd=Decimal(power), equity_usd=Decimal(3_000))
    scene.wait(1)
    scene.press("adopt")  # asks now, and the broker has nothing that the desk has not
    scene.broker.answers(TakeSnapshot, *["silent"] * 9)
    scene.bar(99.5)
    assert scene.decision().outcome == "ENTER"
    assert other(scene) == (expected, () if expected == "ENTER" else ("NO_BUYING_POWER",))


@pytest.mark.rule("NO_BUYING_POWER")
def test_an_order_that_the_broker_lists_is_counted_there_and_not_again(make_scene, edited):
    scene = two_symbols(make_scene, edited, positions=5)
    scene.bar(99.5)
    left_usd = COST_USD + 150  # beside it, and a twentieth of 3,000
    says(scene, buying_power_usd=left_usd, equity_usd=Decimal(3_000))
    scene.press("adopt")
    assert scene.broker.books.orders[scene.newest()].status == NEW
    assert other(scene) == ("ENTER", ())


@pytest.mark.case(111)
@pytest.mark.rule("ACCOUNT_UNKNOWN", "ACCOUNT_RESTRICTED", "NO_BUYING_POWER")
@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (None, ("ACCOUNT_UNKNOWN", "ACCOUNT_RESTRICTED", "NO_BUYING_POWER")),
        (AccountReport(None, Decimal(1_000), False), ("NO_BUYING_POWER",)),
        (AccountReport(Decimal(1_000), None, False), ("NO_BUYING_POWER",)),
        (AccountReport(Decimal(1_000), Decimal(1_000), None), ("ACCOUNT_RESTRICTED",)),
        (AccountReport(Decimal(1_000), Decimal(1_000), False), ()),
    ],
)
def test_what_the_account_does_not_say_opens_nothing(make_scene, shipped, account, expected):
    scene = make_scene(shipped)
    scene.broker.account = account
    assert dipped(scene) == ("REFUSED" if expected else "ENTER", expected)


@pytest.mark.parametrize("profile", ["backtest", "samples"])
def test_where_there_is_no_account_nothing_is_asked_of_one(make_scene, shipped, profile):
    scene = make_scene(shipped, profile)
    scene.broker.account, scene.broker.symbols = None, {}
    scene.restart()
    assert dipped(scene) == ("ENTER", ())


@pytest.mark.rule("ACCOUNT_UNKNOWN", "longest_account_age")
@pytest.mark.parametrize(("older_ns", "expected"), [(0, "ENTER"), (NS_PER_S, "REFUSED")])
def test_the_word_of_an_account_grows_old(scene, older_ns, expected):
    scene.open()
    while scene.minute < 20:
        scene.bar(100.0)
    asked_ns = scene.open_ns + 21 * MINUTE_NS - older_ns  # ten minutes before the decision
    scene.broker.answers(TakeSnapshot, *["silent"] * 99)
    scene.wait(59)
    snapshot = scene.broker.books.snapshot(
        asked_ns, asked_ns, Decimal(1_000), scene.broker.account,
        tuple(scene.broker.symbols.values()),
    )  # fmt: skip
    scene.hear(snapshot)
    codes = () if expected == "ENTER" else ("ACCOUNT_UNKNOWN",)
    assert dipped(scene) == (expected, codes)


@pytest.mark.case(19)
@pytest.mark.rule("ACCOUNT_RESTRICTED", "ACCOUNT_MAY_NOT_TRADE", "DL-01")
def test_case_019_an_account_that_may_not_trade_opens_nothing_and_a_person_is_told_once(
    eager_scene,
):
    scene = eager_scene
    scene.holding()
    says(scene, is_restricted=True)
    for _ in range(6):  # within five minutes the desk asks again
        scene.bar(99.5)
    assert scene.watched() == ["ACCOUNT_MAY_NOT_TRADE"]
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.desk_state == "HALTED"
    scene.exit("fill")  # it goes, and this broker takes it
    assert not scene.held()
    scene.bar(98.5)
    assert scene.decision().outcome == "REFUSED"
    assert "ACCOUNT_RESTRICTED" in scene.refusals()
    scene.wait(600)
    assert scene.watched().count("ACCOUNT_MAY_NOT_TRADE") == 1
    says(scene, is_restricted=False)
    scene.press("resume")
    scene.bar(98.0)
    assert (scene.desk_state, scene.decision().outcome) == ("ACTIVE", "ENTER")


@pytest.mark.rule("ORDER_REFUSED")
def test_what_was_refused_is_asked_after_before_the_next_entry(eager_scene):
    scene = eager_scene
    scene.until_ten()
    told(scene, is_tradable=False)
    asked = len(scene.broker.asked(TakeSnapshot))
    scene.entry("reject")
    assert len(scene.broker.asked(TakeSnapshot)) == asked + 1
    assert dipped(scene, 99.4) == ("REFUSED", ("SYMBOL_NOT_TRADABLE",))
    assert len(scene.broker.asked(SubmitOrder)) == 1


# -- the symbol ------------------------------------------------------------------------------------


@pytest.mark.case(90)
@pytest.mark.rule("SYMBOL_NOT_TRADABLE", "EXIT_ENDED_SHORT", "EXIT_ATTEMPTS_SPENT")
def test_case_090_a_symbol_that_trades_no_more_is_left_if_it_can_be_and_never_opened(eager_scene):
    scene = eager_scene
    scene.holding()
    told(scene, is_tradable=False)
    scene.wait(301)
    scene.broker.answers(SubmitOrder, *["reject"] * 20)
    scene.bar(99.0)
    scene.wait(55)
    tries = [each for each in scene.broker.asked(SubmitOrder) if each.side == "sell"]
    assert len(tries) == 3
    assert scene.watched().count("EXIT_ATTEMPTS_SPENT") == 1
    assert scene.held() == WHOLE


@pytest.mark.case(90)
@pytest.mark.rule("SYMBOL_NOT_TRADABLE")
def test_case_090_it_is_told_in_the_midst_of_a_session_and_taken_back_there(eager_scene):
    scene = eager_scene
    told(scene, is_tradable=False)
    assert dipped(scene) == ("REFUSED", ("SYMBOL_NOT_TRADABLE",))
    told(scene, is_tradable=True)
    scene.wait(301)
    assert dipped(scene, 99.4) == ("ENTER", ())


@pytest.mark.rule("SYMBOL_NOT_TRADABLE", "NOT_FRACTIONABLE", "QTY_NOT_IN_LOTS")
def test_a_symbol_that_nobody_tells_of_is_not_opened(scene):
    del scene.broker.symbols["SPY"]
    expected = ("SYMBOL_NOT_TRADABLE", "NOT_FRACTIONABLE", "QTY_NOT_IN_LOTS")
    assert dipped(scene) == ("REFUSED", expected)


@pytest.mark.parametrize(
    ("lot", "qty"),
    [("1", "5"), ("0.01", "5.02"), ("0.005", "5.025"), ("0.000000001", "5.025"), ("5.025", "5.025"),
     ("5.024", "5.024")],
)  # fmt: skip
def test_a_size_is_rounded_down_to_the_symbols_lot(scene, lot, qty):
    told(scene, is_fractionable=lot != "1", lot_qty=Decimal(lot))
    assert dipped(scene) == ("ENTER", ())
    assert scene.broker.asked(SubmitOrder)[-1].qty == Decimal(qty)


@pytest.mark.rule("NOT_FRACTIONABLE", "QTY_NOT_IN_LOTS")
@pytest.mark.parametrize(
    ("is_fractionable", "lot", "expected"),
    [
        (False, "1", ("NOT_FRACTIONABLE", "QTY_NOT_IN_LOTS")),
        (True, "1", ("QTY_NOT_IN_LOTS",)),
        (False, "0.001", ("NOT_FRACTIONABLE",)),
        (True, "0.502", ()),
        (True, "0.503", ("QTY_NOT_IN_LOTS",)),
    ],
)
def test_what_is_less_than_one_lot_is_refused_and_never_rounded_up(
    scene, is_fractionable, lot, expected
):
    told(scene, is_fractionable=is_fractionable, lot_qty=Decimal(lot))
    scene.until_ten(1_000.0)
    assert dipped(scene, 995.0) == ("REFUSED" if expected else "ENTER", expected)  # 0.502 shares


# -- the form --------------------------------------------------------------------------------------


@pytest.mark.case(14)
@pytest.mark.rule("FORM_NOT_TAKEN", "PART_FOR_LONGER", "PART_FOR_THE_DAY", "WHOLE_UNTIL_CANCELLED")
@pytest.mark.parametrize("profile", ["backtest", "paper"])
@pytest.mark.parametrize(
    ("time_in_force", "step", "expected"),
    [
        ("day", "0.001", ()),
        ("gtc", "0.001", ("FORM_NOT_TAKEN",)),
        ("ioc", "0.001", ("FORM_NOT_TAKEN",)),
        ("opg", "0.001", ("FORM_NOT_TAKEN",)),
        ("gtc", "1", ()),
        ("fok", "1", ()),
    ],
)
def test_case_014_a_form_that_is_taken_for_whole_shares_only_is_refused_for_a_part(
    make_scene, edited, profile, time_in_force, step, expected
):
    book = edited(
        {
            CHECKS: {DAY_ENTRY: DAY_ENTRY.replace("day", time_in_force)},
            STRATEGY_FILE: {"step: 0.001": f"step: {step}"},
        }
    )
    scene = make_scene(book, profile)
    assert dipped(scene) == ("REFUSED" if expected else "ENTER", expected)
    sent = [each.time_in_force for each in scene.broker.asked(SubmitOrder)]
    assert sent == ([] if expected else [time_in_force])


@pytest.mark.case(14)
@pytest.mark.rule("EVERY_FORM_IS_ANSWERED")
@pytest.mark.parametrize("time_in_force", ["gtc", "opg", "cls", "ioc", "fok"])
def test_case_014_rules_whose_exits_the_broker_would_not_take_are_refused(edited, time_in_force):
    with pytest.raises(RuleError) as caught:
        edited({CHECKS: {DAY_EXIT: DAY_EXIT.replace("day", time_in_force)}})
    assert [getattr(each, "code", "") for each in caught.value.problems] == ["EXIT_FORM_NOT_TAKEN"]


def test_an_order_that_is_sent_again_is_sent_in_the_form_it_had(make_scene, edited):
    book = edited(
        {
            CHECKS: {DAY_ENTRY: DAY_ENTRY.replace("day", "gtc")},
            STRATEGY_FILE: {"step: 0.001": "step: 1"},
        }
    )
    scene = make_scene(book)
    order_id = scene.entry("not_taken")
    scene.wait(3)
    assert scene.sends(order_id) == 2
    assert {each.time_in_force for each in scene.broker.asked(SubmitOrder)} == {"gtc"}


# -- price, other orders, pace ---------------------------------------------------------------------


@pytest.mark.rule("PRICE_TOO_FAR", "price_collar")
@pytest.mark.parametrize("profile", ["backtest", "paper"])
@pytest.mark.parametrize(("close", "expected"), [(95.0, "ENTER"), (94.99, "REFUSED")])
def test_a_price_far_from_the_last_one_opens_nothing(make_scene, shipped, profile, close, expected):
    scene = make_scene(shipped, profile)
    assert dipped(scene, close) == (expected, () if expected == "ENTER" else ("PRICE_TOO_FAR",))


@pytest.mark.rule("PRICE_TOO_FAR")
def test_a_price_far_from_the_last_one_holds_no_exit_back(scene):
    scene.holding()
    scene.exit("fill", close=60.0)
    assert not scene.held()


@pytest.mark.case(16)
@pytest.mark.rule("WASH_TRADE_RISK", "EXTERNAL_ORDER")
@pytest.mark.parametrize(
    ("side", "expected"),
    [("sell", ("EXTERNAL_ORDER", "WASH_TRADE_RISK")), ("buy", ("EXTERNAL_ORDER",))],
)
def test_case_016_nothing_is_bought_while_somebody_elses_sale_works(scene, side, expected):
    scene.until_ten()
    by_hand = SubmitOrder(scene.state.now_ns, "by-hand", "SPY", side, Decimal(1), "limit", "gtc")
    scene.broker.books.take(by_hand, "b-by-hand", scene.state.now_ns)
    scene.wait(301)
    assert dipped(scene) == ("REFUSED", expected)


@pytest.mark.case(20)
@pytest.mark.rule("WASH_TRADE_RISK")
def test_case_020_the_exit_goes_and_the_entry_beside_it_is_refused(make_scene, edited):
    """The other strategy is asked after the exit has left on the same bar."""
    limits = "value: 1\n    min: 1\n    max: 10\n"
    scene = make_scene(
        edited(
            {LIMITS: {limits: limits.replace("1\n", "5\n", 1)}},
            copies={"strategies/zz_other.yaml": (STRATEGY_FILE, {NAME: "strategy: zz_other"})},
        )
    )
    scene.until_ten()
    scene.press("disable", "zz_other")
    scene.holding()
    scene.press("enable", "zz_other")
    outcome = scene.bar(99.0)
    assert [each.outcome for each in outcome.decisions] == ["EXIT", "REFUSED"]
    assert "WASH_TRADE_RISK" in scene.refusals()
    assert "buy" not in [getattr(each, "side", "") for each in outcome.commands]


@pytest.mark.rule("MESSAGE_RATE", "max_messages")
@pytest.mark.parametrize(("most", "expected"), [(5, "ENTER"), (4, "REFUSED")])
def test_too_many_orders_and_cancels_in_a_minute_stop_the_next_entry(
    make_scene, edited, most, expected
):
    """The first order leaves at 10:01:00 and four times more up to :08; one minute later four of
    these five are less than a minute old."""
    eager = {"max_trades_per_day": "5"}
    book = edited(
        {LIMITS: {"max_messages:\n    value: 20": f"max_messages:\n    value: {most}"}},
        values=eager,
    )
    scene = make_scene(book)
    order_id = scene.entry(*["not_taken"] * 4, "ack")
    scene.wait(9)
    assert scene.sends(order_id) == 5
    scene.hear(scene.broker.takes_back(order_id))
    scene.bar(99.4)
    codes = () if expected == "ENTER" else ("MESSAGE_RATE",)
    assert (scene.decision().outcome, scene.refusals()) == (expected, codes)


@pytest.mark.rule("MESSAGE_RATE")
def test_however_many_left_in_a_minute_an_exit_goes(make_scene, edited):
    book = edited({LIMITS: {"max_messages:\n    value: 20": "max_messages:\n    value: 2"}})
    scene = make_scene(book)
    order_id = scene.entry(*["not_taken"] * 3, "fill")
    scene.wait(7)
    assert scene.sends(order_id) == 4
    scene.exit("fill")
    assert not scene.held()


@pytest.mark.case(99)
@pytest.mark.rule("MAX_OPEN_POSITIONS")
@pytest.mark.parametrize("how", ["ack", "silent", "submit_lost", "not_taken", "fill"])
@pytest.mark.parametrize(("positions", "expected"), [(1, "REFUSED"), (2, "ENTER")])
def test_case_099_an_entry_on_its_way_counts_as_the_position_it_may_open(
    make_scene, edited, how, positions, expected
):
    scene = two_symbols(make_scene, edited, positions)
    scene.broker.answers(SubmitOrder, how)
    scene.bar(99.5)
    codes = () if expected == "ENTER" else ("MAX_OPEN_POSITIONS",)
    assert other(scene) == (expected, codes)


def test_a_snapshot_of_before_said_nothing_of_an_account():
    kept = ["SnapshotTaken", 2, 1, "10", [], [], []]
    assert from_record(kept) == SnapshotTaken(2, 1, Decimal(10), (), (), ())
    with pytest.raises(ValueError, match="not an event of this version"):
        from_record(kept[:-1])
