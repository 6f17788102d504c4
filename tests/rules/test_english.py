"""Expressions as sentences: every node, both polarities, every fact, every shipped condition."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mqd.ground.units import (
    BARS,
    BOOL,
    DURATION,
    EXCHANGE_TIME,
    ORDERS,
    PRICE,
    RATIO,
    SHARES,
    TEXT,
    TIME_OF_DAY,
    USD,
)
from mqd.rules.book import Param, Window
from mqd.rules.english import English, digits_text, money_text, value_text
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, MEASURE, PARAM
from mqd.rules.problems import Place
from mqd.rules.validate import load_rules
from mqd.rules.words.facts import ENTRY_QTY, FACTS
from mqd.rules.words.phrases import ANSWERS, NUMBERS, OF_ROWS, SINGULAR
from mqd.rules.words.streams import ROW_WORDS

ROOT = Path(__file__).resolve().parents[2]
HERE = Place("x.yaml", 1, 1)


def param(name, value, unit):
    return Param(name, value, Decimal(0), Decimal(9), unit, None, HERE)


ENGLISH = English(
    [
        param("stop", Decimal("0.003"), RATIO),
        param("risk", Decimal("1.50"), USD),
        param("least", Decimal(20), BARS),
        param("before", Decimal(300), DURATION),
        param("window", Window(36_000, 41_400), EXCHANGE_TIME),
        param("factor", Decimal(2), RATIO),
    ]
)
CLOSE = ir.Name("bar.close", FACT, PRICE)
OPEN = ir.Name("bar.open", FACT, PRICE)
VOLUME = ir.Name("bar.volume", FACT, SHARES)
QTY = ir.Name("order.qty", FACT, SHARES)
FILLED = ir.Name("order.filled_qty", FACT, SHARES)
BARS_SO_FAR = ir.Name("session.bars", FACT, BARS)
TO_CLOSE = ir.Name("session.time_to_close", FACT, DURATION)
CLOCK = ir.Name("clock.time", FACT, TIME_OF_DAY)
VWAP = ir.Name("vwap", MEASURE, PRICE)
LOSSES = ir.Name("losing_streak", MEASURE, PRICE)
STATE = ir.Name("desk.state", FACT, TEXT, ("ACTIVE", "HALTED"))
STOP = ir.Name("stop", PARAM, RATIO)
RISK = ir.Name("risk", PARAM, USD)
LEAST = ir.Name("least", PARAM, BARS)
BEFORE = ir.Name("before", PARAM, DURATION)
WINDOW = ir.Name("window", PARAM, EXCHANGE_TIME)
ENABLED = ir.Truth(ir.Name("strategy.enabled", FACT, BOOL))
ONE = ir.Number("1", RATIO)


def less(share):
    return ir.Arithmetic("-", ONE, share, RATIO)


def times(left, right, unit=PRICE):
    return ir.Arithmetic("*", left, right, unit)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (ir.Number("0.5", USD), "0.50 USD"),
        (ir.Number("0.45", RATIO), "45 %"),
        (CLOSE, "the close"),
        (VWAP, "the VWAP"),
        (LOSSES, "the losing streak"),
        (ir.Name("recent_pnl", MEASURE, USD), "the recent P&L"),
        (STOP, "0.3 % (`stop`)"),
        (WINDOW, "10:00-11:30 (`window`)"),
        (ir.Negative(RISK, USD), "minus 1.50 USD (`risk`)"),
        (
            ir.Negative(ir.Arithmetic("+", RISK, RISK, USD), USD),
            "minus (1.50 USD (`risk`) plus 1.50 USD (`risk`))",
        ),
        (times(CLOSE, less(STOP)), "the close less 0.3 % (`stop`)"),
        (
            times(CLOSE, ir.Arithmetic("+", ONE, STOP, RATIO)),
            "the close plus 0.3 % (`stop`)",
        ),
        (
            times(ir.Arithmetic("+", CLOSE, OPEN, PRICE), less(STOP)),
            "(the close plus the open) less 0.3 % (`stop`)",
        ),
        (times(CLOSE, STOP), "0.3 % (`stop`) of the close"),
        (times(STOP, CLOSE), "0.3 % (`stop`) of the close"),
        (times(CLOSE, ir.Number("0.5", RATIO)), "50 % of the close"),
        (times(CLOSE, ir.Number("2", RATIO)), "the close times 2"),
        (
            times(ir.Arithmetic("-", CLOSE, OPEN, PRICE), STOP),
            "0.3 % (`stop`) of (the close minus the open)",
        ),
        (
            ir.Arithmetic("-", CLOSE, ir.Arithmetic("-", OPEN, VWAP, PRICE), PRICE),
            "the close minus (the open minus the VWAP)",
        ),
        (
            ir.Arithmetic("-", ir.Arithmetic("-", CLOSE, OPEN, PRICE), VWAP, PRICE),
            "the close minus the open minus the VWAP",
        ),
        (
            ir.Arithmetic("/", RISK, times(CLOSE, STOP), SHARES),
            "1.50 USD (`risk`) divided by 0.3 % (`stop`) of the close",
        ),
        (
            ir.Arithmetic("*", VOLUME, ir.Arithmetic("+", CLOSE, OPEN, PRICE), USD),
            "the volume times (the close plus the open)",
        ),
        (ir.Call("min", (CLOSE, OPEN), PRICE), "the smaller of the close and the open"),
        (ir.Call("max", (CLOSE, OPEN, VWAP), PRICE),
         "the largest of the close, the open and the VWAP"),
        (
            ir.Call("max", (times(CLOSE, STOP), OPEN), PRICE),
            "the larger of 0.3 % (`stop`) of the close, and the open",
        ),
        (ir.Call("abs", (CLOSE,), PRICE), "the size of the close"),
        (
            ir.Call("abs", (ir.Arithmetic("-", CLOSE, OPEN, PRICE),), PRICE),
            "the size of (the close minus the open)",
        ),
        (ir.Call("floor", (CLOSE,), PRICE), "the whole part of the close"),
        (ir.Call("round", (CLOSE,), PRICE), "the nearest whole number to the close"),
    ],
)  # fmt: skip
def test_numbers(tree, said) -> None:
    assert ENGLISH.number(tree) == said


KNOWN = ir.IsKnown(VWAP, negated=False)
UNKNOWN = ir.IsKnown(VWAP, negated=True)


@pytest.mark.parametrize(
    ("tree", "said", "opposite"),
    [
        (ENABLED, "the strategy is enabled", "the strategy is not enabled"),
        (KNOWN, "the VWAP is known", "the VWAP is not known"),
        (UNKNOWN, "the VWAP is not known", "the VWAP is known"),
        (
            ir.InWindow(CLOCK, WINDOW, negated=False),
            "the exchange time is inside 10:00-11:30 (`window`)",
            "the exchange time is outside 10:00-11:30 (`window`)",
        ),
        (
            ir.InList(STATE, ("ACTIVE", "REDUCING", "HALTED"), negated=True),
            "the desk is not ACTIVE, REDUCING or HALTED",
            "the desk is ACTIVE, REDUCING or HALTED",
        ),
        (ir.Compare("<", CLOSE, VWAP, PRICE), "the close is below the VWAP",
         "the close is at or above the VWAP"),
        (ir.Compare("<=", CLOSE, VWAP, PRICE), "the close is at or below the VWAP",
         "the close is above the VWAP"),
        (ir.Compare("==", CLOSE, VWAP, PRICE),
         "the close is the VWAP", "the close is not the VWAP"),
        (ir.Compare("<", BARS_SO_FAR, LEAST, BARS),
         "the session's bars so far are fewer than 20 (`least`)",
         "the session's bars so far are 20 (`least`) or more"),
        (ir.Compare("<=", BARS_SO_FAR, LEAST, BARS),
         "the session's bars so far are 20 (`least`) or fewer",
         "the session's bars so far are more than 20 (`least`)"),
        (ir.Compare("!=", QTY, ir.Number("0", SHARES), SHARES),
         "the order's shares are not 0", "the order's shares are 0"),
        (ir.Compare(">=", FILLED, QTY, SHARES), "the shares filled are at least the order's shares",
         "the shares filled are fewer than the order's shares"),
        (ir.Compare("<", VOLUME, ir.Number("0", SHARES), SHARES), "the volume is below 0 shares",
         "the volume is at or above 0 shares"),
        (ir.Compare("<=", TO_CLOSE, BEFORE, DURATION),
         "the time to the close is 5 minutes (`before`) or less",
         "the time to the close is more than 5 minutes (`before`)"),
        (ir.Compare("<", CLOCK, ir.Number("36000", TIME_OF_DAY), TIME_OF_DAY),
         "the exchange time is before 10:00", "the exchange time is at or after 10:00"),
        (ir.Both((ENABLED, KNOWN)), "the strategy is enabled, and the VWAP is known",
         "the strategy is not enabled, or the VWAP is not known"),
        (ir.Either((ENABLED, UNKNOWN)), "the strategy is enabled, or the VWAP is not known",
         "the strategy is not enabled, and the VWAP is known"),
        (ir.Both((ENABLED, ir.Either((KNOWN, ENABLED)))),
         "the strategy is enabled, and (the VWAP is known, or the strategy is enabled)",
         ("the strategy is not enabled, or (the VWAP is not known, "
          "and the strategy is not enabled)")),
        (ir.Both((KNOWN, ir.Compare(">", VWAP, CLOSE, PRICE))),
         "the VWAP is known, and is above the close",
         "the VWAP is not known, or is at or below the close"),
        (ir.Either((ir.IsKnown(CLOSE, negated=True), ir.IsKnown(VOLUME, negated=True))),
         "the close or the volume is not known", "the close and the volume are known"),
        (ir.Both((ir.IsKnown(CLOSE, negated=False), UNKNOWN)),
         "the close is known, and the VWAP is not known",
         "the close is not known, or the VWAP is known"),
    ],
)  # fmt: skip
def test_clauses_and_their_opposites(tree, said, opposite) -> None:
    assert ENGLISH.condition(tree) == said
    assert ENGLISH.condition(ir.Not(tree)) == opposite
    assert ENGLISH.condition(ir.Not(ir.Not(tree))) == said


def test_a_sentence_has_a_capital_and_a_full_stop() -> None:
    assert ENGLISH.sentence(ENABLED) == "The strategy is enabled."


def test_a_yes_or_no_can_be_asked_for() -> None:
    tree = ir.IsKnown(ENABLED.subject, negated=True)
    assert ENGLISH.condition(tree) == "whether the strategy is enabled is not known"


@pytest.mark.parametrize("tree", [None, "bar.close", CLOSE])
def test_what_is_no_condition_is_an_error(tree) -> None:
    with pytest.raises(TypeError, match="not a condition"):
        ENGLISH.condition(tree)


@pytest.mark.parametrize("tree", [None, ENABLED, ir.Call("sin", (), PRICE)])
def test_what_is_no_number_is_an_error(tree) -> None:
    with pytest.raises(TypeError, match="not a number"):
        ENGLISH.number(tree)


def test_every_fact_has_one_phrase() -> None:
    wanted = {fact.name: fact.unit for fact in (*FACTS.values(), ENTRY_QTY)}
    assert {name for name, unit in wanted.items() if unit == BOOL} == set(ANSWERS)
    assert {name for name, unit in wanted.items() if unit != BOOL} == set(NUMBERS)
    assert set(NUMBERS) >= SINGULAR
    phrases = [*NUMBERS.values(), *(phrase for both in ANSWERS.values() for phrase in both)]
    assert len(phrases) == len(set(phrases))


def test_every_word_of_a_row_has_a_phrase() -> None:
    assert set(OF_ROWS) == {name for words in ROW_WORDS.values() for name in words}
    assert not set(OF_ROWS) & set(NUMBERS)
    assert ENGLISH.number(ir.Name("qty", FACT, SHARES)) == "the shares bought"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (Decimal("0.0030"), RATIO, "0.3 %"),
        (Decimal(10), USD, "10 USD"),
        (Decimal("1.5"), USD, "1.50 USD"),
        (Decimal(1000), USD, "1,000 USD"),
        (Decimal("0.0001"), PRICE, "0.0001 USD"),
        (Decimal(1), ORDERS, "1 order"),
        (Decimal(40), ORDERS, "40 orders"),
        (Decimal("0.5"), SHARES, "0.5 shares"),
        (Decimal(1), SHARES, "1 share"),
        (Decimal(300), DURATION, "5 minutes"),
        (Decimal(3_600), DURATION, "1 hour"),
        (Decimal(90), DURATION, "90 seconds"),
        (Decimal(0), DURATION, "no time"),
        (Decimal(36_000), TIME_OF_DAY, "10:00"),
        (Window(36_000, 41_400), EXCHANGE_TIME, "10:00-11:30"),
    ],
)
def test_values_with_their_units(value, unit, said) -> None:
    assert value_text(value, unit) == said


def test_digits() -> None:
    assert digits_text(Decimal("-12345.678")) == "-12,345.678"
    assert digits_text(Decimal("0.001")) == "0.001"
    assert money_text(Decimal("1234.5")) == "1,234.50"


# What the shipped rules say, as a person reads it. A changed number changes its sentence here.
GOLDEN = {
    "STRATEGY_DISABLED": "The strategy is not enabled.",
    "DAILY_LOSS_LIMIT_HIT":
        "Today's realised P&L is at or below minus 10 USD (`daily_loss_limit_usd`).",
    "VWAP_WARMING_UP": "The session's bars so far are fewer than 20 (`vwap_min_bars`).",
    "VWAP_UNAVAILABLE": "The VWAP is not known.",
    "OUTSIDE_WINDOW": "The exchange time is outside 10:00-11:30 (`trade_window`).",
    "MAX_TRADES_REACHED": "Today's entries are 1 (`max_trades_per_day`) or more.",
    "ALREADY_IN_POSITION": "The strategy holds a position.",
    "PRICE_ABOVE_THRESHOLD":
        "The close is at or above the VWAP less 0.3 % (`entry_deviation_pct`).",
    "SIZE_IS_ZERO": "The shares to buy are 0 or fewer.",
    "STOP_LOSS": "The close is at or below the entry price less 0.3 % (`stop_loss_pct`).",
    "MEAN_REVERSION": "The close is at or above the VWAP.",
    "FORCE_FLAT": "The time to the close is 5 minutes (`flat_before_close`) or less.",
    "SYMBOL_NOT_TRADED": "No running strategy trades the symbol.",
    "VALUE_MISSING": "The open, the high, the low, the close or the volume is not known.",
    "PRICE_NOT_POSITIVE":
        "The smallest of the open, the high, the low and the close is at or below 0 USD.",
    "HIGH_BELOW_LOW": "The high is below the low.",
    "VOLUME_NEGATIVE": "The volume is below 0 shares.",
    "OFF_THE_MINUTE": "The bar does not start on a full minute.",
    "OUT_OF_ORDER": "The bar is not newer than all before it.",
    "EXTENDED_HOURS": "The bar lies outside the regular session.",
    "SESSION_INCOMPLETE":
        "The session's first bar is missing, and the profile is practice, paper or live.",
    "BAR_TOO_OLD":
        "The bar's age is more than 20 seconds (`limits.longest_bar_age`), and the profile is "
        "practice, paper or live.",
    "DESK_NOT_ACTIVE": "The desk is not ACTIVE.",
    "NOT_IN_STEP": "The desk is not in step with the broker.",
    "BREAKER_NOT_CLOSED": "The breaker is not CLOSED.",
    "TOO_MANY_QUEUED":
        "The orders without an answer are more than 10 (`limits.most_queued_orders`).",
    "STRATEGY_NOT_ENABLED": "The strategy is not enabled.",
    "THESIS_NOT_ACTIVE": "The profile is live, and the strategy's thesis is not ACTIVE.",
    "ORDER_WORKING": "The symbol's working orders are more than 0.",
    "OUTCOME_UNKNOWN": "The symbol's orders of unknown outcome are more than 0.",
    "EXTERNAL_ORDER": "The symbol's external orders are more than 0.",
    "REGIME_PAUSED": "The strategy pauses in this regime of the market.",
    "SAME_ORDER_AGAIN":
        "The time since the same order was made is known, and is less than 30 seconds "
        "(`limits.same_order_window`).",
    "OPPOSITE_SIGNALS": "The other strategies' signals for the other side are more than 0.",
    "POSITION_OPEN": "The shares held of the symbol are not 0.",
    "MAX_OPEN_POSITIONS":
        "The desk's open positions are 1 (`limits.max_open_positions`) or more.",
    "QTY_NOT_POSITIVE": "The order's shares are 0 or fewer.",
    "QTY_ABOVE_LIMIT": "The order's shares are more than 1,000 (`limits.max_order_shares`).",
    "NOTIONAL_ABOVE_LIMIT":
        "The order's shares times the order's price is above 1,000 USD "
        "(`limits.max_order_notional_usd`).",
    "EXCEEDS_STRATEGY_ALLOCATION":
        "What the strategy uses of it plus the order's shares times the order's price is above "
        "the strategy's share of the account.",
    "PORTFOLIO_EXPOSURE":
        "What the strategies have in the market plus the order's shares times the order's price "
        "is at or above the largest exposure.",
    "RESERVE":
        "What the account is worth minus what is invested in the account minus the order's "
        "shares times the order's price is below the reserve.",
    "raises":
        "The desk's P&L of the day is above 0 USD, and the strategy's P&L of the day is above "
        "0 USD.",
    "returns": "The strategy's P&L of the day is at or below 0 USD.",
    "TREND_WARMING_UP": "The trend slope or the average range is not known.",
    "RISE_TOO_SLOW": "The trend slope is below 0.005 % (`min_rise_pct`) of the close.",
    "BELOW_THE_TOP": "The close is below the highest close.",
    "BELOW_THE_OPEN": "The close is at or below the session open.",
    "TOO_NOISY": "The average range is above 0.12 % (`most_noise_pct`) of the close.",
    "TAKE_PROFIT": "The close is at or above the entry price plus 0.4 % (`take_profit_pct`).",
    "TREND_OVER":
        "The trend slope is at or below 0 USD, and the close is below the recent average.",
    "FORM_NOT_TAKEN": "The broker takes no orders of this form.",
    "PRICE_TOO_FAR":
        "The size of (the order's price minus the close before) is above 5 % "
        "(`limits.price_collar`) of the close before.",
    "SYMBOL_NOT_TRADABLE":
        "The profile is practice, paper or live, and the broker does not trade the symbol.",
    "NOT_FRACTIONABLE":
        "The profile is practice, paper or live, and the order is for parts of a share, and the "
        "broker trades whole shares only.",
    "QTY_NOT_IN_LOTS":
        "The profile is practice, paper or live, and the order is not for whole lots.",
    "ACCOUNT_UNKNOWN":
        "The profile is practice, paper or live, and the age of the account's word is more than "
        "10 minutes (`limits.longest_account_age`).",
    "ACCOUNT_RESTRICTED":
        "The profile is practice, paper or live, and the account may not trade.",
    "NO_BUYING_POWER":
        "The profile is practice, paper or live, and the order's shares times the order's price "
        "is above the buying power minus 5 % (`limits.buying_power_reserve`) of the account's "
        "equity.",
    "WASH_TRADE_RISK": "The working orders of the other side are more than 0.",
    "MESSAGE_RATE":
        "The desk's orders and cancels of the last minute are 20 (`limits.max_messages`) or more.",
    "ORDER_REFUSED":
        "The orders refused since the last snapshot are more than 0, and the profile is "
        "practice, paper or live, and the breaker is CLOSED, and the desk does not wait for a "
        "snapshot, and the time since the last snapshot was asked for is 5 seconds "
        "(`limits.compare_again_after`) or more.",
    "ACCOUNT_MAY_NOT_TRADE": "The account may not trade.",
    "STOP_LOSS_MISSING": "The planned stop is not known.",
    "STOP_LOSS_NOT_BELOW_PRICE":
        "The planned stop is known, and is at or above the order's price.",
    "ORDER_COUNT_REACHED":
        "The desk's orders today are 40 (`limits.max_orders_per_session`) or more.",
    "DESK_FROZEN": "The desk is FROZEN.",
    "SHARES_NOT_THERE": "The broker holds fewer shares than the desk.",
    "EXIT_WORKING": "The working exits are more than 0.",
    "ENTRY_ASKED_BACK":
        "The order's role is entry, and the order is not PENDING_CANCEL, and (the desk is "
        "HALTED, FLATTENING or FROZEN, or the order's strategy is switched off).",
    "EXIT_TOO_LARGE":
        "The order's role is exit or protective, and the order is not PENDING_CANCEL, and the"
        " shares of the exit or stop beyond what is held are more than 0.",
    "CANCEL_NOT_TAKEN":
        "The order is PENDING_CANCEL, and the broker provably did not take the request, and the"
        " silence about the order is 2 seconds (`limits.send_again_after`) or more, and the "
        "times it was asked back are fewer than 5 (`limits.most_sends`).",
    "CANCEL_REFUSED":
        "The order is PENDING_CANCEL, and the broker provably did not take the request, and the"
        " times it was asked back are 5 (`limits.most_sends`) or more.",
    "STOP_STILL_THERE":
        "The order's role is protective, and the order is PENDING_CANCEL, and the broker provably "
        "did not take the request, and the silence about the order is 10 seconds "
        "(`limits.cancel_patience`) or more.",
    "ENTRY_NOT_TAKEN":
        "The order's role is entry, and the order is PENDING, and the broker provably did not "
        "take the request, and the desk is ACTIVE, and the desk is in step with the broker, and"
        " the breaker is CLOSED, and the order's strategy is switched on, and no protection "
        "stops entries, and the silence about the order is 2 seconds "
        "(`limits.send_again_after`) or more, and the times the order was sent are fewer than 5"
        " (`limits.most_sends`).",
    "STOP_TOO_SMALL":
        "The order's role is protective, and the order is not PENDING_CANCEL, and the shares "
        "held beyond those of the stop are more than 0, and the desk is not FROZEN.",
    "EXIT_WAITED_FOR_STOP":
        "The order's role is exit, and the order is PENDING, and the times the order was sent "
        "are 0, and the stops that it waits for are 0, and the session is open, and the broker "
        "holds no fewer shares than the desk, and the desk is not FROZEN.",
    "BELOW_ITS_STOP":
        "The position's stop attempts are more than 0, and the position's working stops are "
        "0, and the position's working exits are 0, and the position's exit attempts are 0, "
        "and the session is open, and the position was opened by this desk, and the desk is "
        "not FROZEN, and the last price is at or below the price of its last stop.",
    "PROTECTIVE_STOP":
        "The profile is practice, paper or live, and the broker takes a stop order of so many "
        "shares, and the session is open, and the desk has been compared with the broker since "
        "its start, and the broker holds no fewer shares than the desk, and the desk is not "
        "FLATTENING or FROZEN, and the position was opened by this desk, and the position's "
        "shares are more than 0, and the distance to the planned stop is known, and the "
        "position's working stops are 0, and the position's working entries are 0, and the "
        "position's working exits are 0, and (the position's exit attempts are 0, or are 3 "
        "(`limits.most_exit_attempts`) or more), and the position's stop attempts are fewer "
        "than 3 (`limits.most_stop_attempts`), and (the position's stop attempts are 0, or the "
        "time since its last stop ended is 5 seconds (`limits.stop_again_after`) or more).",
    "STOP_ATTEMPTS_SPENT":
        "The position's stop attempts are 3 (`limits.most_stop_attempts`) or more, and the "
        "position's working stops are 0, and the position's working exits are 0.",
    "EXIT_OR_STOP":
        "The exits that were sent while a stop of the position works are 0.",
    "EXIT_NOT_TAKEN":
        "The order's role is exit or protective, and the order is PENDING, and the broker "
        "provably did not take the request, and the desk is not FROZEN, and the silence about"
        " the order is 2 seconds (`limits.send_again_after`) or more, and the times the order"
        " was sent are fewer than 5 (`limits.most_sends`).",
    "EXIT_UNPROVED":
        "The order's role is exit or protective, and the order is UNKNOWN, and the desk is "
        "not FROZEN, and the silence about the order is 2 seconds (`limits.send_again_after`)"
        " or more, and the times the order was sent are fewer than 5 (`limits.most_sends`).",
    "STILL_UNKNOWN":
        "The order is UNKNOWN, and the silence about the order is 10 seconds "
        "(`limits.settle_window`) or more, and the order's look-ups are fewer than 5 "
        "(`limits.most_look_ups`).",
    "UNCONFIRMED":
        "The order is PENDING, and the times the order was sent are more than 0, and the "
        "silence about the order is 10 seconds (`limits.settle_window`) or more, and the "
        "order's look-ups are fewer than 5 (`limits.most_look_ups`).",
    "CANCEL_UNANSWERED":
        "The order is PENDING_CANCEL, and the silence about the order is 10 seconds "
        "(`limits.cancel_patience`) or more, and the order's look-ups are fewer than 5 "
        "(`limits.most_look_ups`).",
    "UNPROVED": "The order's look-ups are 5 (`limits.most_look_ups`) or more.",
    "ENTRY_TOO_OLD":
        "The order's role is entry, and the order is SUBMITTED or PARTIALLY_FILLED, and the "
        "order's age is 10 minutes (`limits.entry_ttl`) or more.",
    "EXIT_TOO_OLD":
        "The order's role is exit, and the order is SUBMITTED or PARTIALLY_FILLED, and the time"
        " since it was sent is 2 minutes (`limits.exit_ttl`) or more, and the desk is not "
        "FROZEN.",
    "CLOSE_ORDERED":
        "The desk is FLATTENING, and the session is open, and the position was opened by this "
        "desk, and the position's working exits are 0, and (the position's exit attempts are "
        "0, or the time since the last exit attempt is 5 seconds (`limits.exit_again_after`) "
        "or more).",
    "EXIT_ENDED_SHORT":
        "The position's exit attempts are more than 0, and are fewer than 3 "
        "(`limits.most_exit_attempts`), and the position's working exits are 0, and the time "
        "since the last exit attempt is 5 seconds (`limits.exit_again_after`) or more, and the"
        " session is open, and the desk is not FROZEN.",
    "EXIT_ATTEMPTS_SPENT":
        "The position's exit attempts are 3 (`limits.most_exit_attempts`) or more, and the "
        "position's working exits are 0.",
    "NOT_WATCHED":
        "The session is open, and the position was opened by this desk, and the time since its"
        " exits were looked at is 4 minutes (`limits.longest_unwatched`) or more.",
    "SNAPSHOT_DUE":
        "A comparison with the broker is due, and the desk does not wait for a snapshot.",
    "SNAPSHOT_UNANSWERED":
        "The desk waits for a snapshot, and the time since the last snapshot was asked for is "
        "30 seconds (`limits.snapshot_patience`) or more.",
    "BREAKER_PROBE":
        "The breaker is HALF_OPEN, and the desk does not wait for a snapshot, and the time since "
        "the last snapshot was asked for is 5 seconds (`limits.compare_again_after`) or more.",
    "BR-01":
        "The time that the request took is more than 5 seconds (`limits.breaker_latency`).",
    "BR-02":
        "The time that the request took is more than 5 seconds (`limits.breaker_latency`), or "
        "the failures of its kind in a row are 5 (`limits.breaker_errors`) or more.",
    "BR-03":
        "The time since the breaker moved is 1 minute (`limits.breaker_rest`) or more.",
    "BR-04":
        "The time that the request took is more than 5 seconds (`limits.breaker_latency`).",
    "LOSING_STREAK":
        "The profile is not backtest, and its losses in a row are 10 (`limits.losses_to_retire`) "
        "or more.",
    "EDGE_IS_GONE":
        "The profile is not backtest, and the sessions it is judged by are 10 "
        "(`limits.evaluation_sessions`) or more, and its trades in these sessions are 20 "
        "(`limits.evaluation_trades`) or more, and (its win rate is below 40 % "
        "(`limits.lowest_win_rate`), or its Sharpe ratio is below 0.5 (`limits.lowest_sharpe`)).",
    "CURVE_UNDER_WATER":
        "The profile is not backtest, and its trades under water in a row are 20 "
        "(`limits.trades_under_water`) or more.",
    "WEEKLY_LOSS":
        "The profile is not backtest, and its P&L of the week is at or below minus 25 USD "
        "(`limits.strategy_weekly_loss_usd`).",
    "MARKET_TOO_WILD":
        "The profile is not backtest, and the lowest VIX of the sessions that count is above 30 "
        "(`limits.vix_wild`).",
    "MARKET_UNKNOWN":
        "The profile is live, and the lowest VIX of the sessions that count is not known.",
    "POOR_SHARPE":
        "The profile is not backtest, and the sessions it is judged by are 10 "
        "(`limits.evaluation_sessions`) or more, and its Sharpe ratio is below 0.5 "
        "(`limits.lowest_sharpe`).",
    "GOOD_RECORD":
        "The profile is not backtest, and the sessions it is judged by are 10 "
        "(`limits.evaluation_sessions`) or more, and its trades in these sessions are 20 "
        "(`limits.evaluation_trades`) or more, and its Sharpe ratio is above 1.5 "
        "(`limits.promotion_sharpe`), and its win rate is above 60 % "
        "(`limits.promotion_win_rate`), and its profit factor is above 1.8 "
        "(`limits.promotion_profit_factor`).",
    "OUT_OF_STEP":
        "The desk is not in step with the broker, and the breaker is CLOSED, and the desk does "
        "not wait for a snapshot, and the time since the last snapshot was asked for is 5 seconds "
        "(`limits.compare_again_after`) or more.",
    "SNAPSHOT_TIMER":
        "The session is open, and the profile is not backtest, and the desk does not wait for "
        "a snapshot, and the time since the last snapshot was asked for is 5 minutes "
        "(`limits.reconcile_every`) or more.",
    "MAY_HAVE_ENDED":
        "The order has ended here and works at the broker, and the looks that showed the "
        "same are fewer than 3 (`limits.drift_looks`).",
    "MAY_BE_A_FILL":
        "The looks that showed the same are fewer than 3 (`limits.drift_looks`), and (the working "
        "orders on the symbol are more than 0, or (the time since the last fill on the symbol is "
        "known, and is less than 10 seconds (`limits.settle_window`))).",
    "SMALL":
        "The difference in shares is at or below 0.001 shares (`limits.share_tolerance`), and "
        "the difference as a share of the larger side is at or below 5 % "
        "(`limits.max_position_drift`), and (the difference in money is not known, or is at or"
        " below 1 USD (`limits.value_tolerance_usd`)).",
    "POSITIONS_MISSING":
        "The positions that one side lacks are more than 3 (`limits.max_missing_positions`).",
    "DRIFT_TOO_LARGE":
        "The largest difference as a share of the larger side is above 5 % "
        "(`limits.max_position_drift`).",
    "STOPPED_IS_STOPPED": "The entries sent while the desk opens nothing are 0.",
    "ORDER_SENT_IS_KNOWN": "The orders sent that the desk does not know are 0.",
    "FILLS_ARE_EXECUTIONS":
        "The largest gap between an order's fills and its executions is 0 shares.",
    "WORKING_IS_NOT_ENDED": "The orders that wrongly count as working or as ended are 0.",
    "ONE_ENTRY_A_SYMBOL": "The entries that work on one symbol at once are 1 or fewer.",
    "POSITION_IS_ITS_EXECUTIONS":
        "The largest gap between a position and its executions is 0 shares.",
    "PNL_IS_ITS_EXECUTIONS": "The gap between the booked P&L and the executions is 0 USD.",
    "EXITS_WITHIN_POSITION":
        "The shares that working exits and stops may sell beyond what is held are 0.",
    "POSITION_LOOKED_AFTER": "The positions that nothing looks after are 0.",
    "daily_loss_limit":
        "The desk's P&L of the session is at or below minus 10 USD (`limits.daily_loss_usd`).",
    "PROTECTION_ERROR": "A protection could not be asked.",
    "OLDER_BLOCK": "A block by rules before these ones still holds.",
    "consecutive_losses": "The stops in a row are 3 or more.",
    "cooldown_period": "The trades just closed are 1 or more.",
    "equity_curve":
        "The trades on the curve are 20 (`limits.trades_to_judge`) or more, and the mean profit is "
        "at or below 0 USD.",
    "half_size":
        "The desk's P&L of the session is at or below 50 % (`limits.half_size_after`) of minus "
        "10 USD (`limits.daily_loss_usd`).",
    "low_profit":
        "The recent trades are 20 (`limits.trades_to_judge`) or more, and the recent P&L is at "
        "or below minus 20 USD (`limits.low_profit_usd`).",
    "max_drawdown": "The drawdown is at or above 15 % (`limits.max_drawdown`).",
    "quarter_size":
        "The desk's P&L of the week is at or below 60 % (`limits.quarter_size_after`) of minus "
        "25 USD (`limits.weekly_loss_usd`), and the desk's P&L of the session is below 0 USD.",
    "repeated_execution":
        "The entries of the hour are 5 (`limits.most_repeated_entries`) or more.",
    "stoploss_guard": "The stops are 3 or more.",
    "trade_frequency":
        "The recent range is known, and the usual range is known, and the recent range is above "
        "150 % (`limits.wild_range`) of the usual range, and the entries of the day are 0 "
        "(`limits.entries_when_wild`) or more.",
    "volatility_halt": "The deviation is above 0.25 % (`limits.most_deviation`).",
    "weekly_loss_limit":
        "The desk's P&L of the week is at or below minus 25 USD (`limits.weekly_loss_usd`).",
    "PL-03": "The time of its block is not over.",
    "PL-06": "Its block ends by a person's word only.",
    "time_window": "The exchange time is outside 10:00-11:30 (`limits.entry_window`).",
    "OL-02": "The shares filled are at least the order's shares.",
    "OL-11": "The time since it was sent is 10 seconds (`limits.settle_window`) or more.",
    "OL-09": "The time since it was sent is 10 seconds (`limits.settle_window`) or more.",
    "OL-10": "The shares filled are at least the order's shares.",
    "qty": "the smaller of 1.50 USD (`risk_dollars_per_trade`) divided by 0.3 % (`stop_loss_pct`) "
        "of the close, and 500 USD (`max_notional_usd`) divided by the close",
    "stop_loss": "the close less 0.3 % (`stop_loss_pct`)",
}  # fmt: skip


def test_every_shipped_condition_reads_well() -> None:
    book = load_rules(ROOT / "rules")
    strategy, other = book.strategies
    own, desk = English(strategy.params, book.limits), English((), book.limits)
    said = {rule.code: own.sentence(rule.when) for rule in (*strategy.no_trade, *strategy.exits)}
    for rules in (book.sets_aside, book.blocks_entries, book.entry_checks, book.exit_checks):
        said |= {rule.code: desk.sentence(rule.when) for rule in rules.conditions}
    for watch in book.watches:
        said |= {rule.code: desk.sentence(rule.when) for rule in watch.conditions}
    policy = book.reconciliation
    compared = (*policy.looks_again, *policy.tolerates, *policy.refuses)
    always = (rule for rules in book.invariants for rule in rules.always)
    said |= {rule.code: desk.sentence(rule.when) for rule in (*compared, *always)}
    said |= {item.id: desk.sentence(item.trips_when.when) for item in book.protections}
    guarded = [
        row for row in (row for machine in book.machines for row in machine.rows) if row.when
    ]
    said |= {row.id: desk.sentence(row.when) for row in guarded if row.when}
    sharing = book.portfolio
    assert sharing
    assert sharing.reallocation
    moves = (sharing.reallocation.raises, sharing.reallocation.returns)
    said |= {rule.code: desk.sentence(rule.when) for rule in moves}
    its = English(other.params, book.limits)
    known = {rule.code for rule in (*strategy.no_trade, *strategy.exits)}
    said |= {
        rule.code: its.sentence(rule.when)
        for rule in (*other.no_trade, *other.exits)
        if rule.code not in known
    }
    said["qty"] = own.number(strategy.entry.qty.value)
    said["stop_loss"] = own.number(strategy.entry.stop_loss)
    assert said == GOLDEN
