"""Two strategies on one symbol: parity, no look-ahead, one record each, and how they share it."""

from __future__ import annotations

import pytest

from mqd.model.command import SubmitOrder
from mqd.model.decision import Decision
from mqd.model.event import BarClosed

MOMENTUM = "strategies/momentum_following.yaml"
SECOND = "momentum_following"


@pytest.fixture
def both(edited):
    """Both strategies run; each may trade five times a day."""
    return edited({MOMENTUM: {"status: draft": "status: paper"}},
                  values={"max_trades_per_day": "5"})  # fmt: skip


def prices():
    """A steady rise that the second follows to its target, a dip that the first buys."""
    rise = [100.0 + 0.02 * minute for minute in range(34)]
    runs = [rise[-1] + 0.15 * step for step in range(1, 5)]
    return [*rise, *runs, *[101.0] * 6, 99.9, 99.7, 99.6, 99.9, 100.4, 100.9, *[100.9] * 8]


def decisions(scene) -> list[Decision]:
    return [decision for _, outcome in scene.seen for decision in outcome.decisions]


def lived(scene, closes, *, restarts=False):
    scene.open()
    for close in closes:
        scene.broker.answers(SubmitOrder, "fill")
        scene.bar(close)
        if restarts:
            scene.restart()
    return decisions(scene)


@pytest.mark.case(140)
@pytest.mark.rule("TAKE_PROFIT", "MEAN_REVERSION")
def test_case_140_two_strategies_decide_alike_with_a_restart_after_every_bar(both, make_scene):
    scene = make_scene(both)
    whole = lived(scene, prices())
    assert lived(make_scene(both), prices(), restarts=True) == whole
    traded = {(trade.strategy, trade.exit_reason) for trade in scene.trades()}
    assert (SECOND, "TAKE_PROFIT") in traded
    assert (scene.strategy, "MEAN_REVERSION") in traded


@pytest.mark.case(141)
def test_case_141_neither_sees_the_bars_after_a_decision(both, make_scene):
    whole = lived(make_scene(both), prices())
    for count in range(30, len(prices()), 7):
        other = [*prices()[:count], 1.0, 5_000.0]
        assert lived(make_scene(both), other)[: 2 * count] == whole[: 2 * count]


@pytest.mark.case(142)
def test_case_142_bars_of_another_day_warm_neither_up(both, make_scene):
    scene = make_scene(both)
    scene.open()
    for _ in range(60):
        scene.bar(777.0)
    scene.close()
    before = len(decisions(scene))
    scene.open(day=1)
    for close in prices():
        scene.broker.answers(SubmitOrder, "fill")
        scene.bar(close)
    alone = lived(make_scene(both), prices())
    assert [(d.strategy, d.outcome, d.no_trade, d.exits) for d in decisions(scene)[before:]] == [
        (d.strategy, d.outcome, d.no_trade, d.exits) for d in alone
    ]


@pytest.mark.case(143)
@pytest.mark.rule("TREND_WARMING_UP", "RISE_TOO_SLOW", "BELOW_THE_TOP", "BELOW_THE_OPEN")
def test_case_143_each_leaves_one_decision_on_every_bar(both, make_scene):
    scene = make_scene(both)
    scene.open()
    for minute in range(390):
        scene.bar(100.0 - 0.01 * (minute % 7))
    bars = [event for event, _ in scene.seen if isinstance(event, BarClosed)]
    found = decisions(scene)
    for name in (scene.strategy, SECOND):
        own = [each for each in found if each.strategy == name]
        assert [each.at_ns for each in own] == [each.at_ns for each in bars]
        assert len(own) == 390
    rules = scene.engine.book.strategy(SECOND).rules.no_trade
    last = next(each for each in reversed(found) if each.strategy == SECOND)
    codes = {rule.code for bit, rule in enumerate(rules) if last.no_trade >> bit & 1}
    assert {"BELOW_THE_OPEN", "RISE_TOO_SLOW"} <= codes


@pytest.mark.case(98)
@pytest.mark.rule("POSITION_OPEN", "OPPOSITE_SIGNALS")
def test_case_098_while_one_holds_the_symbol_the_other_enters_nothing(both, make_scene):
    scene = make_scene(both)
    lived(scene, prices()[:34])
    scene.broker.answers(SubmitOrder, "fill")
    assert scene.held() > 0
    scene.bar(99.7)  # far below the average: the second leaves, and the first would buy
    outcomes = {each.strategy: each for each in decisions(scene)[-2:]}
    assert outcomes[SECOND].outcome == "EXIT"
    first = outcomes[scene.strategy]
    assert first.outcome == "REFUSED"
    codes = scene.engine.book.entry_checks.true_codes(first.checks)
    assert {"POSITION_OPEN", "OPPOSITE_SIGNALS"} <= set(codes)
