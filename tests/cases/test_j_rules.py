"""Strategies and rules: the same bars make the same decisions, and a slip is refused."""

from __future__ import annotations

import pytest

from mqd.ground.errors import RuleError
from mqd.model.command import SubmitOrder
from mqd.model.decision import Decision
from mqd.model.event import BarClosed
from mqd.rules.problems import Problem

STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"


def prices():
    """A morning that dips and comes back, and the last minutes."""
    return [100.0] * 30 + [99.6, 99.5, 99.4, 99.9, 100.1] * 3 + [99.8] * 10


def decisions(scene) -> list[Decision]:
    return [decision for _, outcome in scene.seen for decision in outcome.decisions]


def lived(scene, closes):
    """The decisions over these bars, every order filled at once."""
    scene.open()
    for close in closes:
        scene.broker.answers(SubmitOrder, "fill")
        scene.bar(close)
    return decisions(scene)


@pytest.mark.case(140)
@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_case_140_a_restart_after_every_bar_makes_the_same_decisions(eager, make_scene):
    whole = lived(make_scene(eager), prices())
    scene = make_scene(eager)
    scene.open()
    for close in prices():
        scene.broker.answers(SubmitOrder, "fill")
        scene.bar(close)
        scene.restart()
    assert decisions(scene) == whole
    assert {decision.outcome for decision in whole} >= {"ENTER", "EXIT", "NO_TRADE"}


@pytest.mark.case(141)
def test_case_141_a_decision_does_not_see_the_bars_after_it(eager, make_scene):
    """Cut off after each bar, or go on with other bars: what was decided stays."""
    whole = lived(make_scene(eager), prices())
    for count in range(25, len(prices()), 3):
        assert lived(make_scene(eager), prices()[:count]) == whole[:count]
        other = [*prices()[:count], 1.0, 5_000.0]
        assert lived(make_scene(eager), other)[:count] == whole[:count]


@pytest.mark.case(142)
@pytest.mark.parametrize("bars", [20, 60, 390])
def test_case_142_bars_of_another_day_warm_nothing_up(eager, make_scene, bars):
    """The measures of a session are of that session, however much came before."""
    scene = make_scene(eager)
    scene.open()
    for _ in range(bars):
        scene.bar(777.0)
    scene.close()
    before = len(decisions(scene))
    scene.open(day=1)
    for close in prices():
        scene.broker.answers(SubmitOrder, "fill")
        scene.bar(close)
    after = decisions(scene)[before:]
    alone = lived(make_scene(eager), prices())
    assert [(d.outcome, d.no_trade, d.exits, d.facts) for d in after] == [
        (d.outcome, d.no_trade, d.exits, d.facts) for d in alone
    ]


@pytest.mark.case(143)
def test_case_143_every_bar_of_a_day_leaves_one_decision(eager, make_scene):
    scene = make_scene(eager)
    scene.open()
    for minute in range(390):
        scene.bar(100.0 - 0.01 * (minute % 7))
    bars = [event for event, _ in scene.seen if isinstance(event, BarClosed)]
    found = decisions(scene)
    assert [each.at_ns for each in found] == [each.at_ns for each in bars]
    assert len(found) == 390
    for decision in found:
        against = (decision.no_trade, decision.data, decision.protections, decision.checks)
        assert any(against) or decision.outcome == "ENTER"


@pytest.mark.case(145)
@pytest.mark.rule("STRATEGY_NOT_ENABLED")
def test_case_145_a_strategy_that_is_switched_off_is_stopped_at_the_gate_too(edited, make_scene):
    """Its own condition is taken out of the rules: the last check before the order remains."""
    own = (
        "  STRATEGY_DISABLED:\n    when: not strategy.enabled\n"
        "    because: The strategy is switched off, or its life lets it open nothing.\n"
    )
    scene = make_scene(edited({STRATEGY_FILE: {own: ""}}))
    scene.until_ten()
    scene.press("disable", scene.strategy)
    scene.bar(99.5)
    assert scene.decision().outcome == "REFUSED"
    assert scene.refusals() == ("STRATEGY_NOT_ENABLED",)
    assert not scene.broker.asked(SubmitOrder)
    scene.restart()  # and it stays off
    scene.bar(99.4)
    assert scene.refusals() == ("STRATEGY_NOT_ENABLED",)
    scene.press("enable", scene.strategy)
    scene.bar(99.3)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.case(145)
@pytest.mark.rule("STRATEGY_DISABLED")
def test_case_145_exits_of_a_strategy_that_is_switched_off_go_on(scene):
    scene.holding()
    scene.press("disable", scene.strategy)
    exit_id = scene.exit("fill")
    assert scene.order(exit_id).state == "FILLED"
    assert not scene.held()


@pytest.mark.case(146)
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"from: [PENDING, UNKNOWN]\n    to: SUBMITTED": "from: [PENDING]\n    to: SUBMITTED"},
         "acknowledged"),
        ({"from: [SUBMITTED, PARTIALLY_FILLED, PENDING_CANCEL]\n    do: ignore_stale\n"
          "    because: The broker's id":
          "from: [PENDING, SUBMITTED, PARTIALLY_FILLED, PENDING_CANCEL]\n    do: ignore_stale\n"
          "    because: The broker's id"}, "PENDING"),
        ({"to: UNKNOWN\n": "to: PENDING_CANCEL\n"}, "UNKNOWN"),
    ],
    ids=["no row", "two rows", "a state that nothing leads to"],
)  # fmt: skip
def test_case_146_a_table_with_a_hole_or_a_double_is_refused(edited, edit, expected):
    with pytest.raises(RuleError) as caught:
        edited({"orders/lifecycle.yaml": edit})
    told = [each.to_text() for each in caught.value.problems if isinstance(each, Problem)]
    assert any(expected in each and "lifecycle.yaml:" in each for each in told)


@pytest.mark.case(147)
@pytest.mark.parametrize(
    ("edit", "hint"),
    [
        ({"bar.close >= vwap\n": "bar.clos >= vwap\n"}, "bar.close"),
        ({"thesis: TH-001": "thesiss: TH-001"}, "thesis"),
        ({"thesis: TH-001": "thesis: TH-003"}, "TH-00"),
        ({"max: 5.00,  unit: usd}": "max: 5.00,  unit: dollars}"}, "usd"),
    ],
    ids=["a name", "a key", "a reference", "a unit"],
)  # fmt: skip
def test_case_147_a_slip_is_told_with_its_line_and_a_suggestion(edited, edit, hint):
    with pytest.raises(RuleError) as caught:
        edited({STRATEGY_FILE: edit})
    problem = next(each for each in caught.value.problems if isinstance(each, Problem))
    assert problem.place.file.endswith(STRATEGY_FILE)
    assert problem.place.line > 1
    assert hint in problem.to_text()
