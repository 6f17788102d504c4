"""Days in which everything goes wrong, and the desk's books are right at the end of each."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mqd.app.simulation.day import DayResult, SimulatedDay
from mqd.app.simulation.run import SimulationPlan, Summary, simulate
from mqd.app.simulation.settings import DaySettings
from mqd.app.simulation.verdict import wrong_profit
from mqd.brokers.faults import FaultRates
from mqd.engine.core import Engine
from mqd.engine.state import DeskState, StrategyFacts
from mqd.ground.errors import SettingsError
from mqd.runtime.replay import replay

DAYS = 200


@pytest.fixture(scope="module")
def days(plan: SimulationPlan) -> list[DayResult]:
    return list(simulate(plan, range(DAYS)))


def summed(days: list[DayResult]) -> Summary:
    summary = Summary()
    for day in days:
        summary.add(day)
    return summary


def test_two_hundred_days_hold(days: list[DayResult]) -> None:
    assert [(day.day, day.violation) for day in days if day.violation] == []


@pytest.mark.parametrize("first", range(DAYS, 2_000, DAYS))
def test_two_thousand_days_hold(plan: SimulationPlan, first: int) -> None:
    """With the two hundred above; in parts, so that they run side by side."""
    found = simulate(plan, range(first, first + DAYS))
    assert [f"{_again(plan, day)}: {day.violation}" for day in found if day.violation] == []


def _again(plan: SimulationPlan, day: DayResult) -> str:
    return f"mqd simulate --seed {plan.seed} --day {day.day}"


def test_every_fault_happened_and_every_kind_of_crash(
    days: list[DayResult], settings: DaySettings
) -> None:
    summary = summed(days)
    assert summary.days == DAYS
    assert summary.never_happened(settings) == ()
    assert set(summary.crashes) == {
        "before append", "after append", "before commit", "after commit",
        "before send", "after send",
    }  # fmt: skip
    assert summary.trades > DAYS / 2
    assert summary.sent_again > 0


def test_a_fault_that_never_happened_is_told_only_where_it_was_wanted(
    plan: SimulationPlan, settings: DaySettings
) -> None:
    only = replace(settings, faults=FaultRates(dropped=0.05, busted=1e-12), crash_every=0)
    summary = summed(list(simulate(replace(plan, settings=only), range(DAYS))))
    assert summary.never_happened(only) == ("busted",)
    assert set(summary.faults) == {"dropped"}
    assert not summary.crashes
    assert not summary.violations


def test_a_day_alone_is_the_day_of_the_whole_run(
    days: list[DayResult], engine: Engine, plan: SimulationPlan
) -> None:
    for number in (7, 0, 42):
        alone = SimulatedDay(plan.settings, engine, plan.seed, number).run()
        assert alone == days[number]


def test_processes_change_nothing(days: list[DayResult], plan: SimulationPlan) -> None:
    shared = list(simulate(plan, range(50), jobs=2))
    assert shared == days[:50]
    assert summed(shared).digest == summed(days[:50]).digest


def test_another_seed_is_another_life(days: list[DayResult], plan: SimulationPlan) -> None:
    others = list(simulate(replace(plan, seed=plan.seed + 1), range(5)))
    assert {day.digest for day in others}.isdisjoint(day.digest for day in days)


def test_the_journal_of_a_day_replays_to_its_last_state(
    engine: Engine, plan: SimulationPlan
) -> None:
    crashed = 0
    for number in range(10):
        day = SimulatedDay(plan.settings, engine, plan.seed, number)
        day.run()
        crashed += day.result.crashes.total()
        *_, last = replay(day.journal, lambda _digest: engine)
        assert last.state.hash() == day.state.hash()
    assert crashed


def test_without_faults_every_day_is_quiet(engine: Engine, settings: DaySettings) -> None:
    quiet = replace(settings, faults=FaultRates(), crash_every=0, button_every=0)
    for number in range(20):
        result = SimulatedDay(quiet, engine, 1, number).run()
        assert not result.violation
        assert not result.faults
        assert not result.incidents
        assert result.fills == 2 * result.trades
        assert 0 <= result.orders - result.fills <= result.trades  # the stop that rests


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(41_163, id="by hand more was bought than a bust had left short"),
        pytest.param(44_502, id="a profit of more than 28 digits"),
        pytest.param(49_516, id="a part of an entry filled in the second of an exit"),
    ],
)
def test_a_day_that_was_wrong_once(engine: Engine, settings: DaySettings, day: int) -> None:
    result = SimulatedDay(settings, engine, 1, day).run()
    assert not result.violation
    assert "DuplicateOrderError" not in result.incidents


def test_a_profit_is_compared_digit_by_digit() -> None:
    """Two strategies' profits are added exactly, also beyond the digits that Python rounds to."""
    small, large = Decimal("0.0000000000000000000000000001"), Decimal(100)
    state = DeskState()
    state.strategies["a"] = StrategyFacts(pnl_today=small)
    state.strategies["b"] = StrategyFacts(pnl_today=large)
    earned = Decimal("100.0000000000000000000000000001")
    state.desk.realised_today = earned
    assert not list(wrong_profit(state, earned))
    state.strategies["a"].pnl_today = small * 2
    assert len(list(wrong_profit(state, earned))) == 1


def test_rules_without_a_running_strategy_are_refused(plan: SimulationPlan) -> None:
    strategies = tuple(replace(each, status="draft") for each in plan.book.strategies)
    idle = replace(plan, book=replace(plan.book, strategies=strategies))
    with pytest.raises(SettingsError, match="nothing to simulate"):
        next(simulate(idle, range(1)))
