"""The life of a strategy at its broker: retired while it holds, paused on the unknown, the last."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import DeskStateChanged, StrategyJudged, StrategyMoved
from mqd.model.event import SeriesValueTold

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
