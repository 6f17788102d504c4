"""The life of a strategy: what its record calls for, on both sides of every number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.decision import (
    AllocationChanged,
    DeskStateChanged,
    OperatorHeard,
    PromotionProposed,
    StrategyJudged,
    StrategyMoved,
    ThesisJudged,
)
from mqd.model.event import OperatorActed, SeriesValueTold

FLAT, WON, LOST = "99.5", "99.7", "99.4"


def life(bench):
    return bench.state.lives[bench.strategy]


def moves(bench):
    return [
        (note.rule, note.row)
        for outcome in bench.outcomes
        for note in outcome.notes
        if isinstance(note, StrategyMoved)
    ]


def notes(bench, kind):
    return [note for outcome in bench.outcomes for note in outcome.notes if isinstance(note, kind)]


def thesis_of(bench, thesis="TH-001"):
    """What was last said of a thesis; the bench's strategy trades on this one."""
    return [each for each in notes(bench, ThesisJudged) if each.thesis == thesis][-1]


def traded(bench, day, price, fee="0"):
    """A session with one trade of 5.025 shares, bought at 99.50 and sold at this price."""
    bench.open(day)
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.fill(exit_id, price=price, fee=fee)
    bench.close()


def press(bench, action, strategy=""):
    event = OperatorActed(bench.state.now_ns, action, strategy, "A. Person", "because of a test")
    outcome = bench.take(event)
    return next(note.result for note in outcome.notes if isinstance(note, OperatorHeard))


def told(bench, *values, good_through="2024-12-31", month=9):
    for day, value in enumerate(values, 1):
        bench.take(
            SeriesValueTold(
                bench.state.now_ns, "vix", f"2024-{month:02}-{day:02}", Decimal(value),
                good_through,
            )
        )  # fmt: skip


@pytest.fixture
def bench(shipped, make_bench):
    return make_bench(shipped, "samples")


@pytest.mark.rule("LOSING_STREAK", "SL-03", "losses_to_retire", "STRATEGY_TABLE")
def test_nine_losses_in_a_row_are_borne_and_the_tenth_retires(bench):
    for day in range(9):
        traded(bench, day, LOST)
    assert life(bench).state_name == "ACTIVE"
    traded(bench, 9, LOST)
    assert life(bench).state_name == "RETIRED"
    (moved,) = notes(bench, StrategyMoved)
    assert (moved.rule, moved.row, moved.to_state) == ("SL-03", "LOSING_STREAK", "RETIRED")
    assert dict(zip(moved.names, moved.values, strict=True))["losses_in_a_row"] == 10
    assert not bench.state.strategies[bench.strategy].enabled


def slowly(bench, count, first=0):
    """Trades that together lose, with a session without any between two: one in five wins."""
    for number in range(first, first + count):
        traded(bench, 2 * number, WON if number % 5 == 4 else LOST)
        bench.open(2 * number + 1)
        bench.close()


@pytest.mark.rule("CURVE_UNDER_WATER", "SL-03", "trades_under_water")
def test_twenty_trades_in_a_row_under_water_end_it_and_nineteen_do_not(bench):
    """The first mean of twenty is that after the twentieth trade; the twentieth, after the 39th."""
    slowly(bench, 38)
    assert life(bench).state_name == "FLAGGED"
    assert bench.state.strategies[bench.strategy].enabled
    traded(bench, 76, LOST)
    assert moves(bench)[-1] == ("SL-03", "CURVE_UNDER_WATER")
    moved = notes(bench, StrategyMoved)[-1]
    assert dict(zip(moved.names, moved.values, strict=True))["trades_under_water"] == 20
    assert not bench.state.strategies[bench.strategy].enabled


@pytest.mark.rule("CURVE_UNDER_WATER", "SL-05")
def test_one_mean_above_nothing_begins_the_count_anew_and_so_does_a_person(bench):
    slowly(bench, 37)
    bench.open(74)
    bench.holding()
    bench.fill(bench.sent(bench.bar(bench.ten + 1, 99.0)), price="101.5")  # the mean is above 0
    bench.close()
    traded(bench, 76, LOST)
    assert ("SL-03", "CURVE_UNDER_WATER") not in moves(bench)
    press(bench, "enable", bench.strategy)
    slowly(bench, 38, first=40)
    assert ("SL-03", "CURVE_UNDER_WATER") not in moves(bench)
    traded(bench, 2 * 78, LOST)
    assert moves(bench)[-1] == ("SL-03", "CURVE_UNDER_WATER")


@pytest.mark.rule("CURVE_UNDER_WATER")
def test_a_back_test_is_not_ended_by_its_curve(shipped, make_bench):
    bench = make_bench(shipped, "backtest")
    slowly(bench, 40)
    assert moves(bench) == []


@pytest.mark.rule("LOSING_STREAK")
def test_a_win_between_begins_the_streak_anew(bench):
    for day in range(12):
        traded(bench, day, WON if day == 5 else LOST)
    assert life(bench).state_name != "RETIRED"


@pytest.mark.rule("SL-03", "RESTART_CHANGES_NOTHING")
def test_a_restart_and_other_rules_retire_it_no_less(bench, shipped, edited):
    for day in range(10):
        traded(bench, day, LOST)
    bench.restart(shipped, "samples")
    assert life(bench).state_name == "RETIRED"
    kinder = edited(
        {"strategies/watch.yaml": {">= limits.losses_to_retire": "> limits.losses_to_retire"}}
    )
    bench.restart(kinder, "samples")
    assert life(bench).state_name == "RETIRED"
    assert not bench.state.strategies[bench.strategy].enabled


@pytest.mark.rule("SL-05", "LOSING_STREAK", "SL-94")
def test_who_is_put_back_by_name_is_judged_by_what_comes_then(bench):
    for day in range(10):
        traded(bench, day, LOST)
    press(bench, "enable", bench.strategy)
    assert life(bench).state_name == "ACTIVE"
    press(bench, "resume")
    for day in range(10, 19):
        traded(bench, day, LOST)
    assert life(bench).state_name == "ACTIVE"
    traded(bench, 19, LOST)
    assert life(bench).state_name == "RETIRED"


@pytest.mark.rule("SL-05", "BUTTONS_NEED_A_NAME")
def test_nobody_without_a_name_puts_it_back(bench):
    for day in range(10):
        traded(bench, day, LOST)
    event = OperatorActed(bench.state.now_ns, "enable", bench.strategy, "", "why not")
    bench.take(event)
    assert life(bench).state_name == "RETIRED"


@pytest.mark.rule("WEEKLY_LOSS", "SL-02", "SL-04", "strategy_weekly_loss_usd")
@pytest.mark.parametrize(("fee", "state"), [("24.99", "ACTIVE"), ("25.00", "PAUSED")])
def test_a_week_that_lost_its_limit_is_over_for_the_strategy_to_the_cent(bench, fee, state):
    traded(bench, 0, FLAT, fee)
    assert life(bench).state_name == state
    bench.open(4)
    assert life(bench).state_name == state
    bench.close()
    bench.open(7)  # the next Monday
    assert life(bench).state_name == "ACTIVE"
    assert bench.state.strategies[bench.strategy].enabled


@pytest.mark.rule("WEEKLY_LOSS")
def test_the_sign_of_a_week_matters(bench):
    bench.open(0)
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.fill(exit_id, price="104.6")  # 25.6 USD won
    assert life(bench).state_name == "ACTIVE"


@pytest.mark.rule("WEEKLY_LOSS")
def test_a_week_begins_with_its_first_session_whatever_day_that_is(bench):
    traded(bench, 4, FLAT, "25.00")  # a Friday
    assert life(bench).state_name == "PAUSED"
    bench.open(8)  # Tuesday: the Monday had no session
    assert life(bench).state_name == "ACTIVE"
    tuesday_ns = bench.state.desk.week_open_ns
    assert tuesday_ns == bench.open_ns
    bench.close()
    bench.open(11)  # Friday
    assert bench.state.desk.week_open_ns == tuesday_ns


@pytest.mark.rule("MARKET_TOO_WILD", "vix_wild", "vix_calm")
@pytest.mark.parametrize(
    ("values", "state"),
    [
        (["30.01"] * 5, "PAUSED"),
        (["30.01"] * 4, "ACTIVE"),
        (["29", *["30.01"] * 4], "ACTIVE"),
        (["30.01", "30.01", "30", "30.01", "30.01"], "ACTIVE"),
        (["12", *["31"] * 5], "PAUSED"),
    ],
)
def test_five_sessions_above_thirty_pause_and_four_do_not(bench, values, state):
    bench.open()
    told(bench, *values)
    assert life(bench).state_name == state


@pytest.mark.rule("MARKET_TOO_WILD", "SL-04", "SL-93", "SL-91")
@pytest.mark.parametrize(("value", "state"), [("25", "PAUSED"), ("24.99", "ACTIVE")])
def test_the_pause_lasts_until_the_vix_is_below_twenty_five(bench, value, state):
    bench.open()
    told(bench, *["31"] * 5, "29", "26")
    assert life(bench).state_name == "PAUSED"
    told(bench, value, month=10)
    assert life(bench).state_name == state
    assert bench.state.strategies[bench.strategy].enabled is (state == "ACTIVE")


@pytest.mark.rule("SL-05", "MARKET_TOO_WILD")
def test_a_person_cannot_talk_the_market_calm(bench):
    bench.open()
    told(bench, *["31"] * 5)
    assert "PAUSED again at once" in press(bench, "enable", bench.strategy)
    assert life(bench).state_name == "PAUSED"


@pytest.mark.rule("MARKET_UNKNOWN")
@pytest.mark.parametrize(("profile", "state"), [("live", "PAUSED"), ("paper", "ACTIVE")])
def test_a_stale_vix_is_no_vix(shipped, make_bench, profile, state):
    bench = make_bench(shipped, profile)
    bench.open()
    told(bench, *["15"] * 5, good_through="2024-10-07")
    assert life(bench).state_name == "ACTIVE"
    bench.close()
    bench.open(1)
    assert life(bench).state_name == state
    told(bench, "15", good_through="2024-10-08", month=10)
    assert life(bench).state_name == "ACTIVE"


def test_a_value_that_comes_twice_counts_once_and_one_that_is_older_in_its_place(bench):
    bench.open()
    told(bench, "31", "31")
    bench.take(SeriesValueTold(bench.state.now_ns, "vix", "2024-09-02", Decimal(32), "2024-12-31"))
    bench.take(SeriesValueTold(bench.state.now_ns, "vix", "2024-08-02", Decimal(9), "2024-12-31"))
    assert [str(each.value) for each in bench.state.series["vix"]] == ["9", "31", "32"]


@pytest.mark.rule("POOR_SHARPE", "SL-01", "SL-90", "evaluation_sessions", "lowest_sharpe")
def test_a_poor_month_is_flagged_with_the_tenth_session_and_not_before(bench):
    for day in range(9):
        traded(bench, day, WON if day == 4 else LOST)
    assert life(bench).state_name == "ACTIVE"
    traded(bench, 9, LOST)
    assert moves(bench) == [("SL-01", "POOR_SHARPE")]
    assert life(bench).state_name == "FLAGGED"
    assert bench.state.strategies[bench.strategy].enabled
    press(bench, "enable", bench.strategy)
    assert life(bench).state_name == "ACTIVE"


@pytest.mark.rule("POOR_SHARPE", "MARKET_TOO_WILD", "SL-06", "SL-07", "SL-91")
def test_a_pause_is_no_review(bench):
    """What was flagged comes back flagged, and only a person ends that."""
    for day in range(10):
        traded(bench, day, WON if day == 4 else LOST)
    told(bench, *["31"] * 5)
    assert life(bench).state_name == "FLAGGED_PAUSED"
    assert not bench.state.strategies[bench.strategy].enabled
    told(bench, "24.99", month=10)
    assert life(bench).state_name == "FLAGGED"
    assert bench.state.strategies[bench.strategy].enabled
    assert [row for row, _ in moves(bench)] == ["SL-01", "SL-06", "SL-07"]
    press(bench, "enable", bench.strategy)
    assert life(bench).state_name == "ACTIVE"


@pytest.mark.rule("EDGE_IS_GONE", "evaluation_trades", "lowest_win_rate")
def test_enough_sessions_with_enough_trades_retire_what_was_only_flagged(bench):
    for day in range(19):
        traded(bench, day, WON if day % 4 == 3 else LOST)
    assert life(bench).state_name == "FLAGGED"
    traded(bench, 19, WON)
    assert moves(bench)[-1] == ("SL-03", "EDGE_IS_GONE")


@pytest.mark.rule("GOOD_RECORD", "promotion_step", "promotion_sharpe", "promotion_win_rate")
@pytest.mark.rule("promotion_profit_factor")
def test_a_good_record_is_proposed_for_more_once(bench):
    for day in range(19):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    assert not notes(bench, PromotionProposed)
    traded(bench, 19, WON)
    (proposed,) = notes(bench, PromotionProposed)
    assert (proposed.row, proposed.share, proposed.waits) == ("GOOD_RECORD", Decimal("0.1"), False)
    traded(bench, 20, WON)
    assert len(notes(bench, PromotionProposed)) == 1
    assert life(bench).state_name == "ACTIVE"


@pytest.mark.rule("GOOD_RECORD", "promotion_step")
@pytest.mark.parametrize("share", ["0.3", "0.56", "0.6"])
def test_a_promotion_moves_a_share_within_its_range(bench, share):
    """By a tenth of what it is, or as much of that as the range leaves."""
    largest = Decimal("0.6")
    for day in range(19):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    was = bench.state.allocations[bench.strategy]
    bench.state.allocations[bench.strategy] = was._replace(share=Decimal(share))
    traded(bench, 19, WON)
    bench.open(20)
    changes = [note for note in notes(bench, AllocationChanged) if note.why == "PROMOTED"]
    assert len(changes) == (Decimal(share) < largest)
    for change in changes:
        assert change.from_share < change.to_share <= largest
        assert change.to_share == min(change.from_share * Decimal("1.1"), largest)


@pytest.mark.rule("RECORD_IS_FIGURED")
def test_figures_that_fail_leave_it_as_it_is_and_promote_nobody(bench):
    for day in range(19):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    damaged = bench.state.history.trades[-1]._replace(pnl_usd=Decimal("NaN"))
    bench.state.history.trades.append(damaged)
    traded(bench, 19, WON)
    assert not notes(bench, PromotionProposed)
    assert life(bench).state_name == "ACTIVE"
    press(bench, "judge")
    judged = notes(bench, StrategyJudged)[-1]
    assert judged.skipped
    assert not judged.rows
    assert thesis_of(bench).skipped


@pytest.mark.rule("DL-07", "DL-97")
def test_when_the_last_strategy_is_retired_the_desk_halts_and_says_why(bench):
    for day in range(10):
        traded(bench, day, LOST)
    assert bench.state.state_name == "HALTED"
    (changed,) = notes(bench, DeskStateChanged)
    assert (changed.event, changed.rule) == ("none_left", "DL-07")
    assert "at once" in press(bench, "resume")
    assert bench.state.state_name == "HALTED"
    press(bench, "enable", bench.strategy)
    press(bench, "resume")
    assert bench.state.state_name == "ACTIVE"


@pytest.mark.rule("LOSING_STREAK")
def test_a_back_test_is_judged_by_its_report(shipped, make_bench):
    bench = make_bench(shipped, "backtest")
    for day in range(12):
        traded(bench, day, LOST)
    assert life(bench).state_name == "ACTIVE"


def test_the_night_says_what_it_found_although_nothing_follows(bench):
    traded(bench, 0, WON)
    press(bench, "judge")
    (judged,) = notes(bench, StrategyJudged)
    assert (judged.state, judged.rows, judged.skipped) == ("ACTIVE", (), "")
    figures = dict(zip(judged.names, judged.values, strict=True))
    assert (figures["sessions"], figures["trades"], figures["win_rate"]) == (1, 1, 1.0)
    assert figures["sharpe"] is None
    thesis = thesis_of(bench)
    assert (thesis.met, thesis.enough) == ((), False)


@pytest.mark.rule("WON_TOO_RARELY")
def test_a_thesis_that_its_own_trades_contradict_is_told_at_night(edited, make_bench):
    rules = edited({"theses/TH-001.yaml": {"over_trades: 100": "over_trades: 9"}})
    bench = make_bench(rules, "samples")
    for day in range(8):
        traded(bench, day, LOST if day % 2 else WON)
    press(bench, "judge")
    assert thesis_of(bench).met == ()
    traded(bench, 8, LOST)  # four of nine won
    press(bench, "judge")
    judged = thesis_of(bench)
    assert judged.met == ("WON_TOO_RARELY",)
    assert dict(zip(judged.names, judged.values, strict=True))["trades"] == 9


@pytest.mark.rule("RISES_BROKE_OFF")
def test_the_second_thesis_is_asked_of_whoever_trades_on_it(edited, make_bench):
    rules = edited({
        "strategies/vwap_micro_mean_reversion.yaml": {"thesis: TH-001": "thesis: TH-002"},
        "strategies/momentum_following.yaml": {"thesis: TH-002": "thesis: TH-001"},
        "theses/TH-002.yaml": {"over_trades: 100": "over_trades: 10"},
    })  # fmt: skip
    bench = make_bench(rules, "samples")
    for day in range(9):
        traded(bench, day, WON if day % 3 == 0 else LOST)
    press(bench, "judge")
    assert thesis_of(bench, "TH-002").met == ()  # too few trades to say anything
    traded(bench, 9, WON)  # four of ten won: not below
    press(bench, "judge")
    assert thesis_of(bench, "TH-002").met == ()
    traded(bench, 10, LOST)  # four of eleven
    press(bench, "judge")
    assert thesis_of(bench, "TH-002").met == ("RISES_BROKE_OFF",)
