"""How often the broker says no to an entry for what the desk could have looked at before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mqd.app.simulation.run import SimulationPlan, Summary, simulate
from mqd.brokers.circumstances import KINDS
from mqd.brokers.faults import FaultRates
from mqd.rules.book import RuleBook

DAYS = 500
MOST = 0.01
OFTEN = FaultRates(
    account_restricted=0.003, power_short=0.003, not_tradable=0.003, whole_only=0.003
)
ASKED = "desk.profile in [practice, paper, live] and"


def lived(plan: SimulationPlan) -> Summary:
    summary = Summary()
    for day in simulate(plan, range(DAYS)):
        summary.add(day)
    assert not summary.violations
    return summary


@pytest.mark.rule("ORDER_REFUSED")
def test_the_broker_refuses_less_than_one_order_in_a_hundred(plan: SimulationPlan) -> None:
    summary = lived(plan)
    assert all(summary.faults[kind] for kind in KINDS)
    assert summary.orders > DAYS
    assert summary.refused_exits > 0  # the broker does refuse, and an exit is sent all the same
    assert summary.refused_share < MOST


@pytest.mark.rule("SYMBOL_NOT_TRADABLE", "NOT_FRACTIONABLE", "QTY_NOT_IN_LOTS")
@pytest.mark.rule("ACCOUNT_RESTRICTED")
@pytest.mark.rule("NO_BUYING_POWER")
def test_without_the_checks_it_refuses_many_more(
    plan: SimulationPlan, edited: Callable[..., RuleBook]
) -> None:
    """Where nothing else goes wrong, and the account and the symbols are bad all the time."""
    settings = replace(plan.settings, faults=OFTEN, crash_every=0, button_every=0)
    asks = replace(plan, settings=settings)
    never = edited({"orders/checks.yaml": {ASKED: "desk.profile == live and"}})
    with_checks, without = lived(asks), lived(replace(asks, book=never))
    assert without.refused_entries > 4 * with_checks.refused_entries
    assert without.refused_share > MOST
