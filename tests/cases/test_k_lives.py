"""The life of a strategy at its broker: retired while it holds, paused on the unknown, the last."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.state import DeskState
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import (
    AllocationChanged,
    DeskStateChanged,
    Outcome,
    PromotionProposed,
    StrategyJudged,
    StrategyMoved,
)
from mqd.model.event import ClockTicked, SeriesValueTold
from mqd.notify.telling import summary
from mqd.publish.closed import ClosedWatch
from mqd.publish.strategy_news import news_json
from mqd.publish.tally import Tally

MOMENTUM_FILE = "strategies/momentum_following.yaml"
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"


def life(scene):
    return scene.state.lives[scene.strategy]


def lose(scene, days):
    """A losing trade on each of these days."""
    for day in days:
        scene.open(day)
        scene.holding()
        scene.exit("fill")
        scene.close()


def vix(scene, value, date, good_through):
    scene.feed(SeriesValueTold(scene.state.now_ns, "vix", date, Decimal(value), good_through))


@pytest.mark.case(125)
@pytest.mark.rule("MARKET_UNKNOWN", "SL-02", "SL-04")
def test_case_125_what_nobody_knows_of_the_market_opens_nothing(edited, make_scene):
    live = edited(
        {
            STRATEGY_FILE: {"status: paper": "status: live"},
            "theses/TH-001.yaml": {"status: PENDING": "status: ACTIVE"},
        }
    )
    scene = make_scene(live, "live")
    for day in range(1, 6):
        vix(scene, "15", f"2024-10-0{day}", "2024-10-07")
    assert life(scene).state_name == "ACTIVE"
    scene.open()
    scene.close()
    scene.open(1)  # nobody brought the value of the seventh
    assert life(scene).row == "MARKET_UNKNOWN"
    scene.until_ten()
    scene.bar(99.5)
    assert scene.decision().outcome == "NO_TRADE"
    scene.close()
    vix(scene, "15", "2024-10-08", "2024-10-09")
    scene.open(2)
    assert life(scene).row == "MARKET_UNKNOWN"  # five sessions with one missing are not five
    vix(scene, "15", "2024-10-07", "2024-10-08")
    scene.until_ten()
    scene.bar(99.5)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.case(125)
@pytest.mark.rule("MARKET_TOO_WILD", "SL-02")
def test_case_125_a_market_that_turns_wild_holds_no_exit_back(scene):
    scene.holding()
    for day in range(1, 6):
        vix(scene, "31", f"2024-10-0{day}", "2024-10-07")
    assert life(scene).state_name == "PAUSED"
    scene.exit("fill")
    assert not scene.held()
    assert not scene.incidents()


@pytest.mark.case(155)
@pytest.mark.rule("SL-03", "LOSING_STREAK")
def test_case_155_a_strategy_that_is_retired_with_a_position_manages_it_to_flat(scene, edited):
    lose(scene, range(5))
    scene.open(5)
    scene.holding()
    scene.restart(book=stricter(edited))
    assert life(scene).state_name == "RETIRED"
    assert scene.held()
    scene.exit("fill")
    assert not scene.held()
    assert scene.agrees()
    before = len(scene.broker.asked(SubmitOrder))
    scene.close()
    scene.open(6)
    scene.until_ten()
    scene.bar(99.5)
    assert len(scene.broker.asked(SubmitOrder)) == before
    assert not scene.incidents()


@pytest.mark.case(155)
@pytest.mark.rule("SL-03")
def test_case_155_an_entry_that_works_is_asked_back(scene, edited):
    lose(scene, range(5))
    scene.open(5)
    entry_id = scene.entry("ack")
    scene.restart(book=stricter(edited))
    scene.wait(1)
    assert life(scene).state_name == "RETIRED"
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [entry_id]


@pytest.mark.case(155)
@pytest.mark.rule("ENTRY_ASKED_BACK", "SL-02", "SL-03")
@pytest.mark.parametrize("how", ["retired", "paused", "switched off"])
def test_case_155_so_it_is_while_another_strategy_goes_on(edited, make_scene, how):
    """The desk stays open for the other; the rest of the entry goes, what it bought is kept."""
    both = {MOMENTUM_FILE: {"status: draft": "status: paper"}}
    scene = make_scene(edited(both))
    if how == "retired":
        lose(scene, range(5))
        scene.open(5)
    entry_id = scene.entry("ack")
    scene.fill(entry_id, "2")
    if how == "retired":
        scene.restart(book=stricter(edited, both))
        assert life(scene).state_name == "RETIRED"
    elif how == "paused":
        for day in range(1, 6):
            vix(scene, "31", f"2024-10-0{day}", "2024-10-07")
    else:
        scene.press("disable", scene.strategy)
    scene.wait(1)
    assert scene.desk_state == "ACTIVE"
    assert scene.order(entry_id).state == "CANCELLED"
    assert scene.held() == 2
    scene.exit("fill")
    assert not scene.held()
    assert not scene.incidents()


def stricter(edited, edits=None):
    """The shipped rules with five losses in a row in the place of ten."""
    words = {">= limits.losses_to_retire": ">= limits.losses_to_retire - 5"}
    return edited({"strategies/watch.yaml": words} | (edits or {}))


@pytest.mark.case(155)
@pytest.mark.rule("RECORD_IS_FIGURED")
def test_case_155_figures_that_fail_retire_and_promote_nobody(scene):
    lose(scene, range(9))
    damaged = scene.state.history.trades[0]._replace(pnl_usd=Decimal("NaN"))
    scene.state.history.trades[0] = damaged
    lose(scene, [9])
    assert life(scene).state_name == "ACTIVE"
    assert scene.notes(StrategyJudged)[-1].skipped


@pytest.mark.case(156)
@pytest.mark.rule("DL-07", "DESK_TABLE")
def test_case_156_the_desk_halts_with_the_last_strategy_and_stays_halted(scene):
    lose(scene, range(10))
    assert scene.notes(StrategyMoved)[-1].to_state == "RETIRED"
    assert [(note.event, note.to_state) for note in scene.notes(DeskStateChanged)] == [
        ("none_left", "HALTED")
    ]
    assert not scene.incidents()
    scene.restart()
    assert scene.desk_state == "HALTED"
    scene.press("enable", scene.strategy)
    scene.press("resume")
    assert scene.desk_state == "ACTIVE"


@pytest.mark.case(156)
@pytest.mark.rule("DL-07")
def test_case_156_one_that_is_left_keeps_the_desk_open(scene):
    lose(scene, range(9))
    assert scene.desk_state == "ACTIVE"


# -- what is told of it ---------------------------------------------------------------------------


def closed(scene):
    """Why the strategy may open nothing now, by the notes alone."""
    watch = ClosedWatch()
    for event, outcome in scene.seen:
        watch.saw(event, outcome.notes)
    return watch.closed(scene.book, scene.strategy)


def message(scene):
    """What the summary of the session says."""
    return summary("2024-10-07", scene.state, {}, "ACTIVE").text


@pytest.mark.case(156)
def test_case_156_the_message_of_the_day_says_who_is_retired(scene):
    lose(scene, range(9))
    assert closed(scene) is None
    assert "RETIRED" not in message(scene)
    lose(scene, [9])
    assert closed(scene).short == "RETIRED by LOSING_STREAK"
    assert f"{scene.strategy} is RETIRED by LOSING_STREAK" in message(scene)
    scene.press("enable", scene.strategy)
    assert closed(scene) is None
    assert "RETIRED" not in message(scene)


@pytest.mark.case(125)
@pytest.mark.rule("MARKET_TOO_WILD", "SL-02", "SL-04")
def test_case_125_a_pause_is_told_until_it_is_over(scene):
    scene.open()
    for day in range(1, 6):
        vix(scene, "31", f"2024-10-0{day}", "2024-10-07")
    assert closed(scene).short == "PAUSED by MARKET_TOO_WILD"
    assert "is PAUSED by MARKET_TOO_WILD" in message(scene)
    vix(scene, "24", "2024-10-06", "2024-10-07")
    assert life(scene).state_name == "ACTIVE"
    assert closed(scene) is None
    assert "PAUSED" not in message(scene)


def test_who_switched_a_strategy_off_is_told_until_it_is_on_again(scene):
    scene.open()
    scene.press("disable", "nobody_knows_it")  # refused, and switches nothing off
    assert closed(scene) is None
    scene.press("disable", scene.strategy)
    assert closed(scene).short == "switched off by A. Person"
    assert f"{scene.strategy} is switched off" in message(scene)
    scene.press("enable", scene.strategy)
    assert closed(scene) is None
    assert "switched off" not in message(scene)


def test_a_status_that_opens_nothing_is_told(make_scene, shipped):
    assert closed(make_scene(shipped)) is None
    found = closed(make_scene(shipped, "live"))
    assert (found.status, found.profile) == ("paper", "live")
    assert found.to_json()["status"] == "paper"
    assert found.short.endswith("which opens nothing with the profile live")


def test_each_kind_of_news_is_counted_with_its_figures():
    moved = StrategyMoved(1, "a", "x", "ACTIVE", "FLAGGED", "SL-01", "POOR", ("trades",), (5,))
    proposed = PromotionProposed(2, "a", "GOOD", Decimal("0.1"), True, ("sharpe",), (None,))
    given = AllocationChanged(3, "a", Decimal("0.5"), Decimal("0.55"), "PROMOTED")
    halted = DeskStateChanged(4, "none_left", "ACTIVE", "HALTED", "DL-07")
    tally = Tally()
    tally.saw(ClockTicked(4), Outcome(notes=(moved, proposed, halted, given)), DeskState())
    assert tally.strategy_news == [moved, proposed, given]
    told = news_json(tally.strategy_news)
    assert [told[kind][0]["strategy"] for kind in told] == ["a", "a", "a"]
    assert told["strategy_moves"][0]["record"] == {"trades": 5}
    assert told["promotions_proposed"][0] | {"at": ""} == {
        "at": "", "strategy": "a", "row": "GOOD", "share": "0.1", "waits": True,
        "record": {"sharpe": None},
    }  # fmt: skip
    assert (told["share_changes"][0]["from"], told["share_changes"][0]["to"]) == ("0.5", "0.55")
    assert news_json(()) == {kind: [] for kind in told}
