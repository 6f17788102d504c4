"""Flips are true: every change that is told is made, and the rules decide again without us."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mqd.app.backtest import run_backtest
from mqd.brokers.simulated import SimulationSettings
from mqd.engine.state import OrderFacts
from mqd.ground.times import NS_PER_MINUTE, parse_iso
from mqd.model.decision import (
    ENTER,
    EXIT,
    EXIT_WAITS,
    NO_TRADE,
    REFUSED,
    Decision,
    EntryMadeSmaller,
)
from mqd.model.event import BarClosed
from mqd.publish.answer import answer_of
from mqd.publish.changes import Change
from mqd.publish.flips import Flips, flips_of, in_question, turning
from mqd.publish.situation import UNCERTAIN, Situation
from mqd.publish.why import explain_decision
from mqd.rules.book import RuleBook, Window
from mqd.rules.changes import Changes
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.compile.question import Given, number_of, truth_of
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.expressions import ir
from mqd.rules.validate import load_rules
from mqd.rules.words.facts import FACTS

ROOT = Path(__file__).resolve().parents[2]
REAL_BARS = sorted((ROOT.parent / "shared" / "data" / "bars").glob("spy_2025*.parquet"))
STRATEGY = "vwap_micro_mean_reversion"
FOLLOWER = "momentum_following"
AT = parse_iso("2024-11-25T15:31:00Z")

Made = tuple[BarClosed, Decision]


class Keeper:
    def __init__(self) -> None:
        self.made: list[Made] = []

    def saw(self, event: Any, outcome: Any, state: Any) -> None:
        if isinstance(event, BarClosed):
            self.made += [(event, decision) for decision in outcome.decisions]


def decisions_of(book: RuleBook, paths: list[Path]) -> list[Made]:
    keeper = Keeper()
    run_backtest(book, paths, SimulationSettings(), (keeper,))
    return keeper.made


@pytest.fixture(scope="module")
def compiled(book: RuleBook) -> CompiledBook:
    return compile_book(book)


@pytest.fixture(scope="module")
def samples(book: RuleBook) -> list[Made]:
    return decisions_of(book, [])


def decided_anew(strategy: CompiledStrategy, facts: dict[str, Any]) -> tuple[int, int, int, float]:
    """The masks, lots and stop by the generated pieces, with arguments put together by hand."""
    given: dict[str, Any] = dict(strategy.constants)
    for name, value in facts.items():
        argument = f"m_{name}" if "." not in name else name.replace(".", "_")
        given[argument] = 0.0 if value is None else value
        given[f"known_{argument}"] = value is not None
    given["mask"] = strategy.fixed(*(given[name] for name in strategy.arguments["fixed"]))
    no_trade, exits, lots, stop, known = strategy.rest(
        *(given[name] for name in strategy.arguments["rest"])
    )
    planned = stop if known else float("nan")
    return no_trade, exits if facts["position.is_open"] else 0, lots, planned


def set_text(change: Change) -> str:
    """The change as `--set` takes it."""
    after = change.after
    if isinstance(after, Window):
        clock = [f"{at // 3600:02d}:{at % 3600 // 60:02d}" for at in (after.start_s, after.end_s)]
        return "-".join(clock)
    if change.unit == "duration":
        return f"{after}s"
    assert after is not None
    return f"{after:.12f}".rstrip("0").rstrip(".")


def is_settable(book: RuleBook, change: Change) -> bool:
    """Whether `--set` reaches it: a param, or a limit that a param reads."""
    limits = {PREFIX + str(item.limit) for item in book.strategy(STRATEGY).params}
    return not change.name.startswith(PREFIX) or change.name in limits


def with_rule(book: RuleBook, change: Change) -> CompiledBook:
    """The rule book loaded and compiled anew with a changed param or limit."""
    name = change.name
    if name.startswith(PREFIX):
        params = book.strategy(STRATEGY).params
        name = next(item.name for item in params if item.limit == name.removeprefix(PREFIX))
    changes = Changes(values={name: set_text(change)})
    return compile_book(load_rules(ROOT / "rules", changes))


def is_refused(
    book: CompiledBook, facts: dict[str, Any], bar: BarClosed, order: OrderFacts
) -> bool:
    """What data rules, protections and checks say to the order, by the desk's own functions."""
    objects: dict[str, Any] = {name: SimpleNamespace() for name in
                               ("symbol", "session", "desk", "strategy")}  # fmt: skip
    for name, value in facts.items():
        owner, _, attribute = FACTS[name].source.partition(".") if name in FACTS else ("", "", "")
        if owner in objects:
            setattr(objects[owner], attribute, value)
    sets = (book.blocks_entries, book.protections.possible, book.entry_checks)
    return any(each.evaluate(bar, **objects, order=order) for each in sets)


def assert_true(book: CompiledBook, made: Made, changes: tuple[Change, ...], towards: str) -> None:
    """The changes, made to the record or the rules by hand, give or take what was said."""
    bar, decision = made
    facts = dict(zip(book.strategy(STRATEGY).fact_names, decision.facts, strict=True))
    for change in changes:
        if change.kind not in {"fact", "measure"}:
            book = with_rule(book.rules, change)
            continue
        assert change.name in facts
        assert not isinstance(change.after, Window)
        facts[change.name] = change.after
    no_trade, exits, lots, stop = decided_anew(book.strategy(STRATEGY), facts)
    close = facts["bar.close"]
    assert close is not None
    order = OrderFacts(float(lots) * 0.001, close, round(stop, 6))
    order.portfolio_equity_usd = order.portfolio_largest_usd = order.capital_usd = 2_500.0
    order.portfolio_exposure_usd = order.portfolio_invested_usd = 0.0
    order.portfolio_reserve_usd = order.capital_used_usd = 0.0
    order.pauses_in_regime = False  # the strategy pauses in no market
    if towards == ENTER:
        assert not no_trade
        assert lots > 0
        assert not is_refused(book, facts, bar, order)
    elif towards == EXIT:
        assert exits
    elif decision.outcome == ENTER:
        assert no_trade or is_refused(book, facts, bar, order)
    else:
        assert not exits


def every_kind(made: list[Made], book: CompiledBook, count: int) -> Iterator[tuple[Made, Flips]]:
    """Random decisions, and at least all that sent an order."""
    chosen = random.Random(7).sample(made, min(count, len(made)))
    chosen += [item for item in made if item[1].outcome != NO_TRADE]
    for bar, decision in chosen:
        yield (bar, decision), flips_of(Situation.of(decision, bar, book))


def test_every_flip_on_the_samples_is_true(compiled: CompiledBook, samples: list[Made]) -> None:
    seen = set()
    compiled_anew = 0
    for made, flips in every_kind(samples, compiled, 300):
        assert flips.is_sound
        for change in flips.changes:
            is_rule = change.kind in {"param", "limit"}
            if is_rule and (compiled_anew >= 25 or not is_settable(compiled.rules, change)):
                continue  # loading the rules anew takes its time
            compiled_anew += is_rule
            assert_true(compiled, made, (change,), flips.towards)
            seen.add((made[1].outcome, flips.towards, is_rule))
    assert seen >= {
        (NO_TRADE, ENTER, False), (NO_TRADE, ENTER, True), (NO_TRADE, EXIT, False),
        (ENTER, NO_TRADE, False), (ENTER, NO_TRADE, True), (EXIT, NO_TRADE, False),
    }  # fmt: skip


@pytest.mark.skipif(not REAL_BARS, reason="real bars are not beside this checkout")
def test_every_flip_on_real_bars_is_true(book: RuleBook, compiled: CompiledBook) -> None:
    made = decisions_of(book, REAL_BARS[:1])
    told = 0
    for item, flips in every_kind(made, compiled, 400):
        assert flips.is_sound
        for change in flips.changes:
            if change.kind in {"fact", "measure"}:
                assert_true(compiled, item, (change,), flips.towards)
                told += 1
    assert told > 200


def test_changes_together_are_true_and_none_is_idle(
    compiled: CompiledBook, samples: list[Made]
) -> None:
    tried = 0
    for made, flips in every_kind(samples, compiled, 200):
        changes = flips.together
        if not changes:
            continue
        assert len(changes) > 1
        assert not flips.changes
        assert all(change.kind in {"fact", "measure"} for change in changes)
        assert_true(compiled, made, changes, flips.towards)
        for idle in changes:
            others = [change for change in changes if change is not idle]
            now = Situation.of(made[1], made[0], compiled)
            for change in others:
                now = now.changed(change.name, change.after)
            assert now.outcome() != flips.towards
        tried += 1
    assert tried > 50


def test_no_smaller_step_of_the_close_would_have_done_it(
    compiled: CompiledBook, samples: list[Made]
) -> None:
    tried = 0
    for (bar, decision), flips in every_kind(samples, compiled, 200):
        change = next((item for item in flips.changes if item.name == "bar.close"), None)
        if change is None:
            continue
        situation = Situation.of(decision, bar, compiled)
        assert isinstance(change.after, float)
        nearer = round(change.after + (0.01 if change.after < bar.close else -0.01), 2)
        outcome = situation.changed("bar.close", nearer).outcome()
        # What the account had left is not in the record, so that another price may be refused.
        assert outcome in {decision.outcome, UNCERTAIN}, (change, nearer)
        tried += 1
    assert tried > 20


# -- single decisions -----------------------------------------------------------------------------


def situation(
    book: CompiledBook,
    outcome: str = NO_TRADE,
    tripped: tuple[str, ...] = (),
    strategy: str = STRATEGY,
    **facts: Any,
) -> Situation:
    """A quiet minute in the window, the close far enough under the VWAP, but for `facts`."""
    known = {
        "bar.close": 595.0, "bar.age": 0, "vwap": 600.0, "session.bars": 61,
        "clock.time": 10 * 3600 + 31 * 60,
        "session.time_to_close": 19_740, "strategy.enabled": True, "strategy.thesis": 0,
        "today.entries": 0,
        "today.pnl": 0.0, "position.is_open": False, "position.entry_price": None,
        "session.is_complete": True, "desk.profile": 0, "desk.pnl": 0.0,
        "week.pnl": 0.0, "desk.state": 0,
        "symbol.working_orders": 0, "symbol.position_qty": 0.0, "desk.open_positions": 0,
        "desk.orders_today": 0, "symbol.working_exits": 0, "desk.is_in_step": True,
        "broker.breaker": 0, "desk.queued_orders": 0,
        "symbol.unknown_orders": 0, "symbol.external_orders": 0, "symbol.lacks_shares": False,
        "symbol.previous_close": 600.0, "account.is_restricted": None,
    } | {name.replace("__", "."): value for name, value in facts.items()}  # fmt: skip
    own = book.strategy(strategy)
    values = tuple(known[name] for name in own.fact_names)
    facts = dict(zip(own.fact_names, values, strict=True))
    no_trade, exits, _, _ = decided_anew(own, facts)
    outside = not 36_000 <= known["clock.time"] < 41_400
    names = [item.id for item in book.rules.protections]
    protections = outside << names.index("time_window")
    protections |= (known["desk.pnl"] <= -10) << names.index("daily_loss_limit")
    decision = Decision(
        AT, strategy, "SPY", outcome, no_trade, exits, 0, protections, 0, values, book.digest
    )
    price = known["bar.close"]
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, price, price, price, price, 1000.0)
    return Situation.of(decision, bar, book, frozenset(tripped))


def named(flips: Flips) -> dict[str, Any]:
    return {change.name: change.after for change in flips.changes}


def test_one_count_too_many(compiled: CompiledBook) -> None:
    flips = flips_of(situation(compiled, today__entries=1))
    assert flips.against == ("MAX_TRADES_REACHED",)
    assert named(flips) == {"today.entries": 0, "max_trades_per_day": 2}
    # Neither older blocks, nor other orders, nor their form, nor the account are in the record.
    assert flips.unchecked == (
        "PROTECTION_ERROR", "OLDER_BLOCK", "SAME_ORDER_AGAIN", "OPPOSITE_SIGNALS",
        "EXCEEDS_STRATEGY_ALLOCATION", "PORTFOLIO_EXPOSURE", "RESERVE", "FORM_NOT_TAKEN",
        "WASH_TRADE_RISK", "MESSAGE_RATE",
    )  # fmt: skip


def test_checks_that_an_older_record_cannot_answer_are_told(compiled: CompiledBook) -> None:
    now = situation(compiled, today__entries=1)
    own = now.compiled.fact_names.index("session.is_complete")
    older = now.decision._replace(facts=now.decision.facts[:own])
    price = 595.0
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, price, price, price, price, 1000.0)
    flips = flips_of(Situation.of(older, bar, compiled))
    assert named(flips) == {"today.entries": 0, "max_trades_per_day": 2}
    assert set(flips.unchecked) >= {"DESK_NOT_ACTIVE", "POSITION_OPEN"}


def test_a_window_names_both_ways_into_it(compiled: CompiledBook) -> None:
    flips = flips_of(situation(compiled, clock__time=9 * 3600 + 58 * 60))
    assert flips.against == ("OUTSIDE_WINDOW", "time_window")
    assert named(flips) == {
        "clock.time": 36_000, "limits.entry_window": Window(35_880, 41_400),
    }  # fmt: skip
    assert {change.by for change in flips.changes} == {"2m later", ""}


def test_a_param_outside_its_range_is_no_answer(compiled: CompiledBook) -> None:
    flips = flips_of(situation(compiled, bar__close=600.5))
    assert set(named(flips)) == {"bar.close", "vwap"}
    assert flips.by_rule is None


def test_several_against_it_are_each_told_their_own(compiled: CompiledBook) -> None:
    now = situation(compiled, bar__close=600.5, today__entries=1)
    flips = flips_of(now)
    assert not flips.changes
    assert flips.against == ("MAX_TRADES_REACHED", "PRICE_ABOVE_THRESHOLD")
    for rule in in_question(now):
        for change in turning(now, rule):
            assert rule.code in change.turned
            assert change.leads_to == NO_TRADE


def test_an_unknown_vwap_would_have_had_to_be_known(compiled: CompiledBook) -> None:
    now = situation(compiled, vwap=None)
    flips = flips_of(now)
    assert flips.against == ("VWAP_UNAVAILABLE", "PRICE_ABOVE_THRESHOLD")
    (change,) = flips.changes
    assert change.before_text == "unknown"
    assert now.changed("vwap", change.after).outcome() == ENTER


def test_a_size_of_nothing_follows_what_it_is_made_of(compiled: CompiledBook) -> None:
    flips = flips_of(situation(compiled, bar__close=510_000.0, vwap=600_000.0,
                               symbol__previous_close=505_000.0))  # fmt: skip
    assert "SIZE_IS_ZERO" in flips.against
    assert {"bar.close", "risk_dollars_per_trade"} & set(named(flips))


def test_a_refused_order_is_flipped_by_what_refused_it(compiled: CompiledBook) -> None:
    states = [item.name for item in compiled.rules.desk_machine.states]
    now = situation(compiled, REFUSED, desk__state=states.index("HALTED"))
    refused = Situation(now.decision._replace(checks=1), compiled, now.given)
    flips = flips_of(refused)
    assert flips.against == ("DESK_NOT_ACTIVE",)
    assert named(flips) == {"desk.state": states.index("ACTIVE")}
    assert flips.changes[0].before_text == "HALTED"


def refused_by(compiled: CompiledBook, code: str, **facts: Any) -> Situation:
    """An order that one check refused."""
    bit = [rule.code for rule in compiled.rules.entry_checks.conditions].index(code)
    now = situation(compiled, REFUSED, **facts)
    return Situation(now.decision._replace(checks=1 << bit), compiled, now.given)


@pytest.mark.parametrize(
    ("code", "fact", "refusing", "passing"),
    [
        ("NOT_IN_STEP", "desk.is_in_step", False, True),
        ("OUTCOME_UNKNOWN", "symbol.unknown_orders", 1, 0),
        ("EXTERNAL_ORDER", "symbol.external_orders", 2, 0),
    ],
)
def test_what_the_broker_left_open_is_what_would_have_to_change(
    compiled: CompiledBook, code: str, fact: str, refusing: Any, passing: Any
) -> None:
    flips = flips_of(refused_by(compiled, code, **{fact.replace(".", "__"): refusing}))
    assert flips.against == (code,)
    assert named(flips) == {fact: passing}
    assert not flips.unchecked


def test_what_the_record_does_not_hold_is_not_guessed(compiled: CompiledBook) -> None:
    """When the same order was made before stands in no record: nothing is promised of it."""
    now = refused_by(compiled, "SAME_ORDER_AGAIN")
    flips = flips_of(now)
    assert flips.is_sound
    assert flips.against == ("SAME_ORDER_AGAIN",)
    assert not flips.changes
    assert not flips.together
    assert now.outcome() == REFUSED
    other_size = now.changed("bar.close", 594.0)
    assert other_size.values["order.qty"] != now.values["order.qty"]
    assert other_size.outcome() == UNCERTAIN
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, 595.0, 595.0, 595.0, 595.0, 1000.0)
    told = explain_decision(1, bar, now.decision, (), compiled)
    (checks,) = [group for group in told.groups if group.name == "checks"]
    (same,) = [each for each in checks.conditions if each.code == "SAME_ORDER_AGAIN"]
    shown = {each.name: each.text for each in same.values}
    assert shown["order.since_same"] == "not in the record"


def test_a_protection_that_trips_now_names_how_far_its_fact_is(compiled: CompiledBook) -> None:
    now = situation(compiled, tripped=("daily_loss_limit",), desk__pnl=-10.4)
    flips = flips_of(now)
    assert flips.against == ("daily_loss_limit",)
    assert named(flips)["desk.pnl"] == -9.99
    assert flips.by_market is not None
    assert flips.by_market.by == "0.41 USD higher"
    assert named(flips)["limits.daily_loss_usd"] == 10.41


def test_a_protection_that_tripped_earlier_is_turned_by_nothing(compiled: CompiledBook) -> None:
    flips = flips_of(situation(compiled, desk__pnl=-10.4, today__entries=1))
    assert flips.against == ("MAX_TRADES_REACHED", "daily_loss_limit")
    assert not flips.changes
    assert not flips.together


def test_a_check_that_nobody_asked_counts_too(compiled: CompiledBook) -> None:
    now = situation(compiled, bar__close=600.5, symbol__working_orders=1, today__entries=1)
    flips = flips_of(now)
    assert flips.against == ("MAX_TRADES_REACHED", "PRICE_ABOVE_THRESHOLD", "ORDER_WORKING")
    together = {change.name: change.after for change in flips.together}
    assert together == {"today.entries": 0, "bar.close": 598.19, "symbol.working_orders": 0}


def test_a_frozen_desk_needs_two_changes_to_exit(compiled: CompiledBook) -> None:
    states = [item.name for item in compiled.rules.desk_machine.states]
    held = situation(
        compiled, position__is_open=True, position__entry_price=595.5,
        desk__state=states.index("FROZEN"),
    )  # fmt: skip
    flips = flips_of(held)
    assert not flips.changes
    assert {change.name for change in flips.together} == {"bar.close", "desk.state"}
    waits = Situation(held.decision, compiled, {**held.given, "bar.close": 590.0})
    assert waits.outcome() == EXIT_WAITS


def test_a_record_that_decides_otherwise_today_is_not_judged(compiled: CompiledBook) -> None:
    now = situation(compiled)
    other = Situation(now.decision._replace(no_trade=0b1), compiled, now.given)
    assert not flips_of(other).is_sound
    assert not turning(other, compiled.strategy(STRATEGY).rules.no_trade[0])
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, 595.0, 595.0, 595.0, 595.0, 1000.0)
    found = explain_decision(1, bar, other.decision, (), compiled)
    assert "cannot be told" in answer_of(found)[-1].text


def test_holding_names_the_nearest_way_out(compiled: CompiledBook) -> None:
    held = situation(compiled, position__is_open=True, position__entry_price=595.5)
    flips = flips_of(held)
    assert flips.towards == EXIT
    assert flips.by_market is not None
    assert (flips.by_market.name, flips.by_market.after) == ("bar.close", 593.71)
    assert "STOP_LOSS" in flips.by_market.turned


def test_a_close_is_no_way_to_a_steeper_trend(book: RuleBook) -> None:
    """Its slope is of the closes: half the price at the same slope is a thing no market does."""
    follower = compile_book(load_rules(ROOT / "rules", Changes(strategy=FOLLOWER)))
    now = situation(
        follower, strategy=FOLLOWER, bar__close=600.0, trend_slope=0.02, average_range=0.9,
        highest_close=600.0, recent_average=599.0, session_open=595.0,
    )  # fmt: skip
    rules = {rule.code: rule for rule in now.compiled.rules.no_trade}
    for code, measure in (("RISE_TOO_SLOW", "trend_slope"), ("TOO_NOISY", "average_range")):
        found = {change.name for change in turning(now, rules[code])}
        assert measure in found
        assert "bar.close" not in found
    top = {change.name for change in turning(now, rules["BELOW_THE_TOP"])}
    assert "bar.close" in top


def test_a_question_answers_as_the_desk_does(compiled: CompiledBook) -> None:
    rules = compiled.strategy(STRATEGY).rules
    above = next(rule for rule in rules.no_trade if rule.code == "PRICE_ABOVE_THRESHOLD")
    assert isinstance(above.when, ir.Compare)
    values = {"bar.close": 598.2, "vwap": 600.0, "entry_deviation_pct": 0.003}
    unknown: dict[str, Given] = {**values, "vwap": None}
    assert truth_of(above.when, possibly=True).asked(values)
    assert truth_of(above.when, possibly=True).asked(unknown)
    assert not truth_of(above.when, possibly=False).asked(unknown)
    assert number_of(above.when.right).asked(values) == pytest.approx(598.2)
    assert number_of(above.when.right).asked(unknown) is None


def protections_told(explained: Any) -> dict[str, tuple[str, bool]]:
    (group,) = [each for each in explained.groups if each.name == "protections"]
    return {each.code: (each.truth, each.counts) for each in group.conditions}


@pytest.mark.rule("half_size")
@pytest.mark.parametrize(("pnl", "truth"), [(-4.99, "false"), (-5.0, "true")])
def test_a_protection_that_makes_entries_smaller_is_true_and_stands_in_nobodys_way(
    compiled: CompiledBook, pnl: float, truth: str
) -> None:
    now = situation(compiled, ENTER, desk__pnl=pnl)
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, 595.0, 595.0, 595.0, 595.0, 1000.0)
    told = explain_decision(1, bar, now.decision, (), compiled)
    assert protections_told(told)["half_size"] == (truth, False)
    assert told.headline == "entered: nothing stood against it"
    assert not told.blocked_by


@pytest.mark.rule("half_size")
def test_what_made_an_entry_smaller_on_an_earlier_day_is_told(compiled: CompiledBook) -> None:
    now = situation(compiled, ENTER)
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, 595.0, 595.0, 595.0, 595.0, 1000.0)
    note = EntryMadeSmaller(
        AT, STRATEGY, "SPY", ("half_size",), Decimal("0.5"), Decimal("0.84")
    )  # it tripped yesterday, and nothing has ended it
    told = explain_decision(1, bar, now.decision, (note,), compiled)
    assert protections_told(told)["half_size"] == ("true", False)
    assert protections_told(told)["quarter_size"] == ("false", False)
    assert told.headline == "entered with 50 % of its size (half_size): nothing stood against it"
