"""A promotion from the word on until the strategy has it: before the next session, and not before.

Who is good enough is the matter of the watch; here it is when the share moves, and what becomes of
what was agreed to where something comes between.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.model.decision import AllocationChanged, PromotionProposed, StrategyJudged
from tests.engine.test_lives import LOST, WON, bench, life, notes, press, told, traded

__all__ = ["bench"]
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
HALF = Decimal("0.5")


@pytest.fixture
def real(edited, make_bench):
    """Real money: a good record of twenty days waits for a person."""
    rules = edited({STRATEGY_FILE: {"status: paper": "status: live"}})
    made = make_bench(rules, "samples")
    made.state.profile = "live"
    for day in range(20):
        traded(made, day, LOST if day % 4 == 3 else WON)
    assert life(made).proposed == Decimal("0.1")
    as_declared(made)
    return made


def as_declared(bench):
    """Every share as if no day had moved one yet."""
    for strategy, was in bench.state.allocations.items():
        bench.state.allocations[strategy] = was._replace(share=was.declared[0])


def share(bench):
    return bench.state.allocations[bench.strategy].share


def why(bench):
    """What was said of its share, the last word last."""
    return [note.why for note in notes(bench, AllocationChanged)]


def approve(bench):
    return press(bench, "approve", bench.strategy)


@pytest.mark.rule("GOOD_RECORD", "SHARES_MOVE_AT_THE_OPEN")
@pytest.mark.parametrize("is_open", [True, False])
def test_what_a_person_agrees_to_holds_from_the_next_session_on(real, is_open):
    if is_open:
        real.open(20)
    was, before = share(real), len(why(real))
    told_so = f"{real.strategy} may use 5 % more of the account from the next session on"
    assert approve(real) == told_so
    assert (share(real), len(why(real))) == (was, before)
    if is_open:
        real.bar(0, 100.0)
        real.close()
        assert share(real) == was
    real.open(21)
    assert share(real) >= was * Decimal("1.1")
    assert "PROMOTED" in why(real)[before:]


@pytest.mark.rule("GOOD_RECORD")
def test_who_agrees_twice_is_told_that_it_is_so_already(real):
    approve(real)
    assert approve(real).startswith("refused: it is agreed to already")
    real.open(20)
    assert why(real).count("PROMOTED") == 1
    assert approve(real).startswith("refused: nothing is proposed")
    real.close()
    real.open(21)
    assert why(real).count("PROMOTED") == 1


@pytest.mark.rule("GOOD_RECORD", "RESTART_CHANGES_NOTHING")
def test_a_restart_forgets_nothing_that_was_agreed_to(real):
    real.calm()
    real.open(20)
    approve(real)
    was = share(real)
    real.restart(real.engine.book.rules, "live")
    real.open(20)  # told again it is the same day still
    assert (share(real), life(real).agreed) == (was, Decimal("0.1"))
    real.close()
    real.restart(real.engine.book.rules, "live")
    real.open(21)
    assert why(real)[-1] == "PROMOTED"
    assert life(real).agreed is None


@pytest.mark.rule("GOOD_RECORD", "MARKET_TOO_WILD")
def test_a_pause_before_the_next_session_withdraws_it_and_says_so(real):
    real.open(20)
    approve(real)
    told(real, "31", "31", "31", "31", "31")
    (kept,) = [note for note in notes(real, AllocationChanged) if note.why == "PROMOTION_WITHDRAWN"]
    assert kept.from_share == kept.to_share == share(real)
    assert kept.text == f"{real.strategy} keeps 50 % of the account (PROMOTION_WITHDRAWN)"
    told(real, "20", month=10)
    assert life(real).proposed == Decimal("0.1")  # it is asked for anew, and waits again
    real.close()
    real.open(21)
    assert "PROMOTED" not in why(real)


@pytest.mark.rule("GOOD_RECORD")
def test_what_may_open_nothing_is_given_no_more_to_open_with(real):
    real.open(20)
    approve(real)
    press(real, "disable", real.strategy)
    real.close()
    real.open(21)
    assert "PROMOTED" not in why(real)


@pytest.mark.rule("GOOD_RECORD", "LOSING_STREAK")
def test_a_retirement_before_the_next_session_withdraws_it(real):
    real.open(20)
    approve(real)
    history = real.state.history.trades
    history[:] = [each._replace(pnl_usd=Decimal(-1)) for each in history]
    press(real, "judge")
    assert life(real).state_name == "RETIRED"
    assert (life(real).proposed, life(real).agreed) == (None, None)
    assert why(real)[-1] == "PROMOTION_WITHDRAWN"
    real.close()
    real.open(21)
    assert "PROMOTED" not in why(real)


@pytest.mark.rule("GOOD_RECORD", "SHARES_MOVE_AT_THE_OPEN")
def test_on_paper_nobody_is_asked_and_no_share_moves_within_a_day_either(bench):
    for day in range(20):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    (proposed,) = notes(bench, PromotionProposed)
    assert not proposed.waits
    as_declared(bench)
    assert "PROMOTED" not in why(bench)
    bench.open(20)
    assert why(bench).count("PROMOTED") == 1


@pytest.mark.rule("GOOD_RECORD", "SHARES_MOVE_AT_THE_OPEN")
def test_a_record_that_is_good_while_a_session_is_open_waits_for_the_next_one(bench):
    """The market calms down at noon; what the pause had kept back comes with the next session."""
    told(bench, "31", "31", "31", "31", "31")
    told(bench, "20", month=10)
    for day in range(19):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    bench.open(19)
    bench.holding()
    bench.fill(bench.sent(bench.bar(bench.ten + 1, 99.0)), price=WON)
    told(bench, "31", "31", "31", "31", "31", month=11)
    bench.close()
    assert not notes(bench, PromotionProposed)
    bench.open(20)
    told(bench, "20", month=12)
    assert len(notes(bench, PromotionProposed)) == 1
    as_declared(bench)
    was = share(bench)
    bench.bar(0, 100.0)
    bench.close()
    assert (share(bench), "PROMOTED" in why(bench)) == (was, False)
    bench.open(21)
    assert "PROMOTED" in why(bench)


@pytest.mark.rule("GOOD_RECORD")
def test_where_nothing_is_free_a_person_is_told_at_once(real):
    was = real.state.allocations[real.strategy]
    real.state.allocations[real.strategy] = was._replace(share=was.declared[2])
    assert approve(real).endswith("keeps its share: nothing is free within its range")
    real.open(20)
    assert "PROMOTED" not in why(real)


@pytest.mark.rule("GOOD_RECORD", "SHARES_MOVE_AT_THE_OPEN")
def test_the_events_alone_lead_to_the_same_shares(bench):
    for day in range(22):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    assert bench.state.allocations[bench.strategy].earned  # all that days had given is its own now
    again = DeskState()
    for event in bench.events:
        step(bench.engine, again, event)
    assert again.canonical() == bench.state.canonical()
    assert share(bench) > HALF


@pytest.mark.rule("GOOD_RECORD", "promotion_profit_factor")
def test_who_never_lost_is_not_proposed_and_its_factor_is_unknown(bench):
    for day in range(22):
        traded(bench, day, WON if day % 2 else "99.8")
    press(bench, "judge")
    judged = notes(bench, StrategyJudged)[-1]
    figures = dict(zip(judged.names, judged.values, strict=True))
    assert (figures["trades"], figures["win_rate"], figures["profit_factor"]) == (22, 1.0, None)
    assert not notes(bench, PromotionProposed)
