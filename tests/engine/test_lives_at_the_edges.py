"""The life of a strategy where something else goes on: rules change, figures fail."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from mqd.engine.operate import JUDGE
from mqd.model.decision import PromotionProposed, StrategyJudged
from mqd.model.event import SeriesValueTold
from tests.engine.test_lives import LOST, WON, bench, life, moves, notes, press, told, traded

__all__ = ["bench"]
WATCH, LIFECYCLE = "strategies/watch.yaml", "strategies/lifecycle.yaml"


def promoted(bench):
    for day in range(20):
        traded(bench, day, LOST if day % 4 == 3 else WON)


@pytest.mark.rule("GOOD_RECORD", "DL-06")
def test_a_halt_and_a_resume_promote_nobody_again(bench):
    promoted(bench)
    assert len(notes(bench, PromotionProposed)) == 1
    press(bench, "halt")
    press(bench, "resume")
    traded(bench, 20, WON)
    assert len(notes(bench, PromotionProposed)) == 1


@pytest.mark.rule("GOOD_RECORD", "returns", "promotion_step")
def test_a_promotion_is_not_given_back_with_the_next_quiet_days(bench):
    promoted(bench)
    bench.open(20)
    share = bench.state.allocations[bench.strategy].share
    bench.close()
    for day in range(21, 25):
        bench.open(day)
        bench.close()
    assert bench.state.allocations[bench.strategy].share >= Decimal("0.55")
    assert share >= bench.state.allocations[bench.strategy].share


@pytest.mark.rule("GOOD_RECORD")
def test_what_is_proposed_is_withdrawn_when_it_is_true_no_more(edited, make_bench):
    """Real money waits for a person; what he agrees to is what the record says now."""
    rules = edited({
        "strategies/vwap_micro_mean_reversion.yaml": {"status: paper": "status: live"},
        "theses/TH-001.yaml": {"status: ": "status: "},
    })  # fmt: skip
    bench = make_bench(rules, "samples")
    bench.state.profile = "live"
    promoted(bench)
    assert life(bench).proposed == Decimal("0.1")
    assert len(notes(bench, PromotionProposed)) == 1
    press(bench, JUDGE)
    again = notes(bench, PromotionProposed)
    assert len(again) == 2  # who missed it by day hears of it at night
    assert (again[-1].share, again[-1].waits) == (Decimal("0.1"), True)
    for day in range(20, 25):
        traded(bench, day, LOST)
    assert press(bench, "approve", bench.strategy).startswith("refused")
    assert life(bench).proposed is None


@pytest.mark.rule("SL-03")
def test_a_state_that_other_rules_do_not_know_opens_nothing(bench, edited):
    for day in range(10):
        traded(bench, day, LOST)
    assert life(bench).state_name == "RETIRED"
    other = edited({
        LIFECYCLE: {"RETIRED": "ENDED"},
    })  # fmt: skip
    bench.restart(other, "samples")
    assert not bench.state.strategies[bench.strategy].enabled
    press(bench, "enable", bench.strategy)
    assert bench.state.strategies[bench.strategy].enabled  # a person may put it back


@pytest.mark.rule("RECORD_IS_FIGURED")
def test_a_promotion_that_cannot_be_computed_promotes_nobody_and_stops_nothing(edited, make_bench):
    nothing = "record.week_pnl / (record.week_pnl - record.week_pnl)"
    words = {"by: limits.promotion_step": f"by: limits.promotion_step * {nothing}"}
    bench = make_bench(edited({WATCH: words}), "samples")
    promoted(bench)
    assert not notes(bench, PromotionProposed)
    assert any(each.skipped for each in notes(bench, StrategyJudged))
    press(bench, "judge")
    assert life(bench).state_name == "ACTIVE"


@pytest.mark.rule("MARKET_TOO_WILD", "MARKET_UNKNOWN")
def test_five_values_with_a_hole_between_them_are_not_five_sessions(shipped, make_bench):
    """Four calm days of spring say nothing about five days of October."""
    bench = make_bench(shipped, "live")
    for day in range(1, 5):
        told_on(bench, f"2024-04-0{day}", "15", f"2024-04-0{day + 1}")
    told_on(bench, "2024-10-04", "40", "2024-10-07")
    bench.open()
    assert moves(bench)[-1] == ("SL-02", "MARKET_UNKNOWN")
    assert life(bench).state_name == "PAUSED"


@pytest.mark.rule("MARKET_TOO_WILD")
def test_five_sessions_over_a_weekend_are_five_sessions(shipped, make_bench):
    bench = make_bench(shipped, "samples")
    days = ["2024-09-30", "2024-10-01", "2024-10-02", "2024-10-03", "2024-10-04", "2024-10-07"]
    for day, following in pairwise(days):
        told_on(bench, day, "31", following)
    bench.open()
    assert moves(bench)[-1] == ("SL-02", "MARKET_TOO_WILD")


def told_on(bench, date, value, good_through):
    bench.take(SeriesValueTold(bench.state.now_ns, "vix", date, Decimal(value), good_through))


@pytest.mark.rule("GOOD_RECORD", "MARKET_TOO_WILD")
def test_what_a_pause_withdrew_is_proposed_again_once_it_is_over(edited, make_bench):
    """The market says nothing against the record; nobody has agreed to it yet either."""
    rules = edited({"strategies/vwap_micro_mean_reversion.yaml": {"status: paper": "status: live"}})
    bench = make_bench(rules, "samples")
    bench.state.profile = "live"
    promoted(bench)
    told(bench, "31", "31", "31", "31", "31")
    assert (life(bench).state_name, life(bench).proposed) == ("PAUSED", None)
    told(bench, "20", month=10)
    assert (life(bench).state_name, life(bench).proposed) == ("ACTIVE", Decimal("0.1"))
    assert len(notes(bench, PromotionProposed)) == 2
    press(bench, "approve", bench.strategy)
    bench.open(20)  # it has it
    told(bench, "31", "31", "31", "31", "31", month=11)
    told(bench, "20", month=12)
    assert life(bench).state_name == "ACTIVE"
    assert len(notes(bench, PromotionProposed)) == 2  # what was agreed to is not proposed twice


@pytest.mark.rule("MARKET_TOO_WILD")
@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_vix_that_cannot_be_ends_no_pause(bench, value):
    told(bench, "31", "31", "31", "31", "31")
    told(bench, value, month=10)
    assert life(bench).state_name == "PAUSED"
    told(bench, "20", month=11)
    assert life(bench).state_name == "ACTIVE"
