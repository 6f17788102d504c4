"""Whose result a trade was: what ended it, at which prices it was decided, how it failed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.command import CancelOrder, SubmitOrder
from mqd.publish.attribution import AttributionReport, TradeAttribution
from mqd.publish.attribution_watch import AttributionWatch
from mqd.runtime.replay import replay

WHOLE = Decimal("5.025")
STOP = Decimal("99.2015")  # 0.3 % below the 99.50 that was decided at
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
TOO_MANY = (
    "  MAX_TRADES_REACHED:\n    when: today.entries >= max_trades_per_day\n"
    "    because: One idea a day is enough.\n"
)


def report(scene) -> AttributionReport:
    """What a replay of the scene's journal says of its trades."""
    watch = AttributionWatch()
    for item in replay(scene.journal):
        watch.saw(item.event, item.outcome, item.state, item.engine.book.rules)
    return watch.report("", scene.state.orders)


def only(scene) -> TradeAttribution:
    (trade,) = report(scene).trades
    return trade


def leave(scene, *, close: float = 99.0, **values: float) -> str:
    """The next bar ends the trade, filled at its close."""
    scene.broker.answers(SubmitOrder, "fill")
    scene.bar(close, **values)
    return scene.newest()


@pytest.mark.case(103)
@pytest.mark.rule("GAP_THROUGH_STOP", "STOP_LOSS")
def test_case_103_a_gap_through_the_stop_is_slippage_beyond_it(scene):
    scene.holding()
    leave(scene, close=97.0, open=99.2)  # it opened below the stop, by 0.0015
    trade = only(scene)
    assert (trade.tag, trade.counts_as) == ("STOP_LOSS", "trading")
    assert "GAP_THROUGH_STOP" in trade.failures
    assert trade.risk.stop_loss == STOP
    assert trade.beyond_stop == STOP - 97
    assert trade.risk.planned_usd == Decimal("1.4999625")
    assert trade.risk.beyond_usd == Decimal("12.5625") - Decimal("1.4999625")
    assert report(scene).risk.over_plan == 1
    assert report(scene).beyond_stop_usd == (STOP - 97) * WHOLE
    # The fill was at the price decided on: the execution cost nothing, the idea all of it.
    assert (trade.slippage_usd, trade.signal_usd) == (Decimal(0), Decimal("-12.5625"))


@pytest.mark.case(103)
@pytest.mark.rule("GAP_THROUGH_STOP")
def test_case_103_a_bar_that_falls_through_the_stop_is_no_gap(scene):
    scene.holding()
    leave(scene, close=99.0, open=99.2015)
    trade = only(scene)
    assert "GAP_THROUGH_STOP" not in trade.failures
    assert trade.beyond_stop == Decimal("0.2015")  # a stop is looked at when a bar closes


@pytest.mark.case(115)
@pytest.mark.rule("STOP_LOSS", "STOPPED_AT_ONCE")
def test_a_stop_that_got_out_at_its_entry_price_is_a_stop_all_the_same(scene):
    """Decided at 99.00, filled at 99.50: nothing was lost, and the code is still what ended it."""
    scene.holding()
    scene.exit()
    scene.fill(scene.newest(), price="99.5")
    trade = only(scene)
    assert trade.risk.trade.pnl_usd == 0
    assert (trade.tag, trade.counts_as) == ("STOP_LOSS", "trading")
    assert "STOPPED_AT_ONCE" in trade.failures
    assert trade.exit_slippage == Decimal("-0.5")  # better than decided
    (group,) = report(scene).by_tag
    assert (group.trades, group.won) == (1, 0)


def test_signal_and_execution_are_told_apart(scene):
    entry_id = scene.entry()
    scene.fill(entry_id, price="99.6")  # 0.10 worse than decided
    scene.exit(close=100.2)  # back at VWAP, decided at 100.20
    scene.fill(scene.newest(), price="100.0")  # 0.20 worse
    trade = only(scene)
    assert (trade.tag, trade.counts_as) == ("MEAN_REVERSION", "trading")
    assert trade.signal_usd == Decimal("0.7") * WHOLE
    assert (trade.entry_slippage, trade.exit_slippage) == (Decimal("0.1"), Decimal("0.2"))
    assert trade.slippage_usd == Decimal("0.3") * WHOLE
    assert trade.risk.trade.pnl_usd == trade.signal_usd - trade.slippage_usd
    assert trade.signal_quality == Decimal("0.007035")  # 0.7 / 99.5
    assert trade.execution_quality == Decimal("-0.003015")  # 0.3 / 99.5
    assert trade.beyond_stop is None


@pytest.mark.rule("WIDE_SPREAD")
@pytest.mark.parametrize(("price", "is_wide"), [("99.699", False), ("99.6991", True)])
def test_an_entry_that_paid_most_of_the_way_to_vwap_is_a_wide_spread(scene, price, is_wide):
    scene.fill(scene.entry(), price=price)
    leave(scene)
    assert ("WIDE_SPREAD" in only(scene).failures) is is_wide


@pytest.mark.rule("STOPPED_AT_ONCE")
@pytest.mark.parametrize(("bars", "at_once"), [(2, True), (3, False)])
def test_stopped_at_once_is_within_two_minutes(scene, bars, at_once):
    scene.holding()
    for _ in range(bars - 1):
        scene.bar(99.5)
    leave(scene)
    assert ("STOPPED_AT_ONCE" in only(scene).failures) is at_once


@pytest.mark.rule("BROKER_REJECT", "EXECUTION_ERROR")
@pytest.mark.parametrize(
    ("ending", "tag"), [("reject", "BROKER_REJECT"), ("expires", "EXECUTION_ERROR")]
)
def test_an_exit_that_went_wrong_is_an_execution_error(scene, ending, tag):
    scene.holding()
    if ending == "reject":
        scene.exit("reject")
    else:
        scene.hear(scene.broker.expires(scene.exit()))
    scene.wait(6)
    scene.fill(scene.newest(), price="98.0")
    trade = only(scene)
    assert trade.risk.trade.exit_reason == "STOP_LOSS"
    assert (trade.tag, trade.counts_as) == (tag, "execution")
    (group,) = report(scene).by_kind
    assert (group.name, group.pnl_usd) == ("execution", Decimal("-1.5") * WHOLE)


@pytest.mark.rule("FLATTEN")
def test_what_a_person_closed_is_that_persons_result(scene):
    scene.holding()
    scene.broker.answers(SubmitOrder, "fill")
    scene.press("flatten")
    trade = only(scene)
    assert (trade.tag, trade.counts_as) == ("FLATTEN", "operator")


@pytest.mark.rule("PROTECTIVE_STOP")
def test_a_stop_at_the_broker_that_trades_is_a_result_of_execution(scene):
    scene.holding()
    stop = scene.stop()
    scene.fill(stop.client_order_id, price="98.0")
    trade = only(scene)
    assert (trade.tag, trade.counts_as) == ("PROTECTIVE_STOP", "execution")
    assert trade.exit_decided == stop.stop_price
    assert trade.exit_slippage == stop.stop_price - 98


@pytest.mark.rule("ENTRY_RAN_OUT_OF_TIME", "ENTRY_TOO_OLD")
def test_an_entry_that_ran_out_of_time_is_told(scene):
    entry_id = scene.entry()
    scene.wait(610, every_s=5)
    assert scene.broker.asked(CancelOrder)
    (entry,) = report(scene).entries
    assert (entry.order.client_order_id, entry.order.state) == (entry_id, "CANCELLED")
    assert entry.failures == ("ENTRY_RAN_OUT_OF_TIME",)


@pytest.mark.rule("ENTRY_RAN_OUT_OF_TIME")
def test_an_entry_that_the_broker_gave_back_early_did_not_run_out_of_time(scene):
    entry_id = scene.entry()
    scene.wait(30)
    scene.hear(scene.broker.takes_back(entry_id))
    (entry,) = report(scene).entries
    assert entry.failures == ()


@pytest.mark.rule("TRADE_COUNT_EXCEEDED")
def test_a_trade_beyond_the_days_number_is_told(edited, make_scene):
    """Its own condition is taken out of the rules; what is looked back with stays."""
    scene = make_scene(edited({STRATEGY_FILE: {TOO_MANY: ""}}))
    for _ in range(2):
        scene.entry("fill")
        leave(scene)
        scene.bar(99.9)
    first, second = report(scene).trades
    assert "TRADE_COUNT_EXCEEDED" not in first.failures
    assert "TRADE_COUNT_EXCEEDED" in second.failures


def sessions(scene, count: int, swing: float) -> None:
    """Finished sessions of two bars each, by so much up and down."""
    for day in range(count):
        scene.open(day)
        for _ in range(2):
            scene.bar(100.0, high=100.0 + swing, low=100.0 - swing)
        scene.close()
    scene.open(count)


@pytest.mark.rule("REGIME_PAUSED", "LOW_VOL", "CHOPPY")
@pytest.mark.parametrize(
    ("count", "swing", "outcome", "regime"),
    [
        (21, 0.5, "REFUSED", "CHOPPY"),
        (21, 0.3, "ENTER", "LOW_VOL"),
        (20, 0.3, "REFUSED", "UNKNOWN"),  # a market that nobody can tell may be the one
    ],
)
def test_a_strategy_pauses_in_the_regimes_that_it_names(
    edited, make_scene, count, swing, outcome, regime
):
    named = {"thesis: TH-001\n": "thesis: TH-001\npauses_in: [CHOPPY]\n"}
    scene = make_scene(edited({STRATEGY_FILE: named}))
    sessions(scene, count, swing)
    scene.until_ten()
    scene.broker.answers(SubmitOrder, "fill")
    scene.bar(99.5)
    assert scene.decision().outcome == outcome
    assert scene.refusals() == (("REGIME_PAUSED",) if outcome == "REFUSED" else ())
    if outcome == "ENTER":
        leave(scene)
        assert only(scene).regime == regime


@pytest.mark.rule("REGIME_PAUSED")
def test_exits_go_on_in_a_regime_that_the_strategy_pauses_in(scene, edited):
    named = {"thesis: TH-001\n": "thesis: TH-001\npauses_in: [HIGH_VOL]\n"}
    scene.holding()
    scene.restart(book=edited({STRATEGY_FILE: named}))
    leave(scene)
    assert not scene.held()


def test_a_strategy_that_pauses_in_none_asks_for_no_regime(scene):
    scene.holding()
    leave(scene)
    assert only(scene).regime == "UNKNOWN"
