"""What the rule check finds in whole documents: each problem both ways, at its exact place."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mqd.rules.check import (
    broker,
    limits,
    lives,
    looking_back,
    machines,
    sets,
    sharing,
    stops,
    strategies,
    together,
    watching,
)
from mqd.rules.load import load_text
from mqd.rules.problems import WARNING, Problem, Problems
from mqd.rules.shape import schema_for
from mqd.rules.tree import Mapping, Node, Scalar, Sequence
from mqd.rules.validate import validate
from mqd.rules.words.events import MACHINE_EVENTS, REQUIREMENTS

SHIPPED = Path(__file__).resolve().parents[2] / "rules"
FILES = sorted(path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*.yaml"))
EVERY_WORD = os.environ.get("MQD_EVERY_WORD") == "1"

STRATEGY = "strategies/vwap_micro_mean_reversion.yaml"
LIMITS = "limits/desk.yaml"
ORDERS = "orders/lifecycle.yaml"
DESK = "desk/lifecycle.yaml"
CHECKS = "orders/checks.yaml"
DATA = "data/bars.yaml"
EXITS = "orders/exits.yaml"
ORDER_WATCH = "orders/watch.yaml"
COMPARED = "desk/reconciliation.yaml"
POSITIONS = "invariants/positions.yaml"
ALPACA = "brokers/alpaca.yaml"
LOSS = "protections/daily_loss_limit.yaml"
STOPS = "protections/stoploss_guard.yaml"
WILD = "protections/volatility_halt.yaml"
LIVES = "strategies/watch.yaml"
LIFE = "strategies/lifecycle.yaml"
ENDS = "desk/attribution.yaml"
REGIMES = "data/regimes.yaml"
WINDOW = "protections/time_window.yaml"
PORTFOLIO = "desk/portfolio.yaml"
THESIS = "theses/TH-001.yaml"


def test_what_is_retired_does_not_come_back_by_itself(folder) -> None:
    folder.replace(LIFE, "from: [ACTIVE, FLAGGED, RETIRED]", "from: [ACTIVE, FLAGGED]")
    folder.replace(LIFE, "    from: PAUSED\n", "    from: [PAUSED, RETIRED]\n")
    (told,) = folder.told()
    assert told == (*folder.place(LIFE, "SL-03\n"), "LIFE_CONTRADICTED")


@pytest.mark.parametrize(
    ("row", "before", "otherwise", "kept"),
    [
        ("SL-01", "    from: ACTIVE\n    to: FLAGGED\n",
         "[FLAGGED, PAUSED, FLAGGED_PAUSED, RETIRED]", "[FLAGGED, PAUSED, FLAGGED_PAUSED]"),
        ("SL-02", "    from: ACTIVE\n    to: PAUSED\n", "[PAUSED, FLAGGED_PAUSED, RETIRED]",
         "[PAUSED, FLAGGED_PAUSED]"),
    ],
)  # fmt: skip
def test_what_waits_for_a_person_is_put_back_by_no_row(
    folder, row, before, otherwise, kept
) -> None:
    folder.replace(LIFE, before, before.replace("ACTIVE", "[ACTIVE, RETIRED]"))
    event = {"SL-01": "review", "SL-02": "pause"}[row]
    said = f"event: {event}_called_for\n    from: "
    folder.replace(LIFE, said + otherwise, said + kept)
    (told,) = folder.told()
    assert told == (*folder.place(LIFE, f"{row}\n"), "LIFE_CONTRADICTED")


def test_what_opens_is_no_pause(folder) -> None:
    folder.replace(LIFE, "from: [ACTIVE, FLAGGED, RETIRED]", "from: [ACTIVE, RETIRED]")
    folder.replace(LIFE, "    from: PAUSED\n", "    from: [PAUSED, FLAGGED]\n")
    (told,) = folder.told()
    assert told == (*folder.place(LIFE, "SL-04\n"), "LIFE_CONTRADICTED")


def test_the_shipped_rules_have_no_problems(folder) -> None:
    report = folder.report()
    assert not report.problems
    assert report.book is not None
    assert len(report.digest) == 64


class Fault(NamedTuple):
    """One edit, and all that it must lead to: (code, a text that starts at the place, its file)."""

    file: str
    old: str
    new: str
    expected: tuple[tuple[str, str, str], ...]


def fault(code: str, file: str, old: str, new: str, where: str, *more: tuple[str, str, str]) -> Any:
    expected = ((code, where, file), *more)
    return pytest.param(Fault(file, old, new, expected), id=f"{code}-{where.strip()[:30]}")


FIRST_PARAM = "  entry_deviation_pct:"
FIRST_LIMIT = "  daily_loss_usd:"
SPARE_LIMIT = "    value: 2\n    min: 1\n    max: 3\n    unit: orders\n    because: No.\n"
SPARE_PARAM = "{value: 2, min: 1, max: 3, unit: bars}\n"
STOP = "bar.close <= position.entry_price * (1 - stop_loss_pct)"
ENTRY_STOP = "bar.close * (1 - stop_loss_pct)\n"
GUARD = "    when: order.filled_qty >= order.qty\n"

FAULTS = [
    # limits
    fault("VALUE_NOT_IN_UNIT", LIMITS, "10:00-11:30", "11:30-10:00", "11:30-10:00"),
    fault("VALUE_OUT_OF_RANGE", LIMITS, f"{FIRST_LIMIT}\n    value: 10",
          f"{FIRST_LIMIT}\n    value: 51", "51"),
    fault("VALUE_OUT_OF_RANGE", LIMITS, "max: 16:00", "max: 11:00", "10:00-11:30"),
    fault("RANGE_UPSIDE_DOWN", LIMITS, "min: 1\n    max: 50", "min: 60\n    max: 50", "60"),
    fault("NAME_RESERVED", LIMITS, FIRST_LIMIT, f"  if:\n{SPARE_LIMIT}{FIRST_LIMIT}", "if:",
          ("LIMIT_UNUSED", "if:", LIMITS)),
    fault("LIMIT_UNUSED", LIMITS, FIRST_LIMIT, f"  more:\n{SPARE_LIMIT}{FIRST_LIMIT}", "more:"),
    # strategies
    fault("LIMIT_UNKNOWN", STRATEGY, "limits.daily_loss_usd", "limits.daily_los_usd",
          "daily_los_usd"),
    fault("LIMIT_REPEATED", STRATEGY, "{value: limits.daily_loss_usd}",
          "{value: 10, min: 1, max: 50, unit: usd}", "10, min: 1"),
    fault("LIMIT_REPEATED", STRATEGY, "{value: limits.entry_window}",
          "{value: 10:00-11:30, min: 09:30, max: 16:00, unit: exchange_time}", "10:00-11:30"),
    fault("LIMIT_HAS_ITS_OWN", STRATEGY, "{value: limits.daily_loss_usd}",
          "{value: limits.daily_loss_usd, max: 5}", "max: 5}"),
    fault("NAME_TAKEN", STRATEGY, "  vwap: {",
          "  stop_loss_pct: {vwap: bars, over: session}\n  vwap: {", "stop_loss_pct: {vwap"),
    fault("NAME_RESERVED", STRATEGY, "  vwap: {",
          "  min: {vwap: bars, over: session}\n  vwap: {", "min: {vwap",
          ("NAME_UNUSED", "min: {vwap", STRATEGY)),
    fault("NAME_RESERVED", STRATEGY, FIRST_PARAM, f"  known: {SPARE_PARAM}{FIRST_PARAM}",
          "known: {", ("NAME_UNUSED", "known: {", STRATEGY)),
    fault("NAME_UNUSED", STRATEGY, "  vwap: {", "  vwp: {vwap: bars, over: session}\n  vwap: {",
          "vwp: {"),
    fault("NAME_UNUSED", STRATEGY, FIRST_PARAM, f"  spare: {SPARE_PARAM}{FIRST_PARAM}", "spare: {"),
    fault("VALUE_OUT_OF_RANGE", STRATEGY, "{value: 0.003, min: 0.002, max: 0.006",
          "{value: 0.007, min: 0.002, max: 0.006", "0.007"),
    fault("FORCE_FLAT_MISSING", STRATEGY, "  FORCE_FLAT:", "  OVERNIGHT:", "exits:"),
    fault("FORCE_FLAT_MISSING", STRATEGY, "  FORCE_FLAT:", "  FORCE_FLT:", "FORCE_FLT:"),
    fault("FORCE_FLAT_READS_DATA", STRATEGY, "time_to_close <= flat_before_close",
          "time_to_close <= flat_before_close or bar.close < vwap", "session.time_to_close <=",
          ("FORCE_FLAT_READS_DATA", "session.time_to_close <=", STRATEGY)),
    fault("TRADE_LIMIT_MOVES", STRATEGY, "today.entries >= max_trades_per_day",
          "today.entries >= max_trades_per_day + today.entries", "today.entries >= max"),
    fault("TRADE_LIMIT_MOVES", STRATEGY, "today.entries >= max_trades_per_day",
          "today.entries >= max_trades_per_day and bar.close > vwap", "today.entries >= max"),
    fault("TRADE_LIMIT_MOVES", STRATEGY, "today.entries >= max_trades_per_day",
          "today.entries >= max(max_trades_per_day, today.entries)", "today.entries >= max"),
    fault("STOP_NOT_BELOW", STRATEGY, ENTRY_STOP, "bar.close * (1 + stop_loss_pct)\n",
          "bar.close * (1 +"),
    fault("STOP_NOT_BELOW", STRATEGY, ENTRY_STOP, "bar.close\n", "bar.close\n"),
    fault("STOP_NOT_BELOW", STRATEGY, ENTRY_STOP,
          "max(bar.close * (1 - stop_loss_pct), bar.close)\n", "max(bar.close * (1"),
    fault("STOP_NOT_BELOW", STRATEGY, "stop_loss_pct:          {value: 0.003, min: 0.002",
          "stop_loss_pct:          {value: 0.003, min: 0", "bar.close * (1 - stop_loss_pct)\n"),
    fault("SIZE_UNCHECKED", STRATEGY, "when: entry.qty <= 0", "when: position.qty > 2000",
          "no_trade:"),
    fault("SIZE_OUT_OF_PLACE", STRATEGY, STOP, "entry.qty > 2000", "entry.qty > 2000"),
    fault("SIZE_OUT_OF_PLACE", STRATEGY, "value: min(risk_dollars",
          "value: min(entry.qty, risk_dollars", "min(entry.qty"),
    fault("THESIS_UNKNOWN", STRATEGY, "TH-001", "TH-003", "TH-003"),
    fault("EXPR_REPEATS_LIMIT", STRATEGY, "entry.qty <= 0", "entry.qty <= 0 or entry.qty > 1000",
          "1000\n"),
    fault("EXPR_UNIT", STRATEGY, "stop_loss: bar.close * (1 - stop_loss_pct)",
          "stop_loss: bar.close * position.qty", "bar.close * position.qty"),
    fault("EXPR_UNIT", STRATEGY, "today.pnl <= -daily", "session.bars <= -daily",
          "-daily_loss_limit_usd"),
    fault("MEASURE_NOT_ONE_FUNCTION", STRATEGY, "{vwap: bars, over: session}",
          "{over: session}", "vwap: {over"),
    fault("MEASURE_NOT_ONE_FUNCTION", STRATEGY, "{vwap: bars, over: session}",
          "{vwap: bars, mean: bars, over: session}", "mean: bars"),
    fault("MEASURE_OF_WHAT", STRATEGY, "{vwap: bars, over: session}",
          "{mean: bars, over: session}", "vwap: {mean"),
    fault("MEASURE_OF_WHAT", STRATEGY, "{vwap: bars, over: session}",
          "{vwap: bars, of: bar.close, over: session}", "of: bar.close"),
    fault("SHAPE_UNKNOWN_VALUE", STRATEGY, "{vwap: bars, over: session}",
          "{mean: bars, of: bar.clse, over: session}", "bar.clse"),
    fault("SHAPE_WRONG_FORM", STRATEGY, "{vwap: bars, over: session}",
          "{vwap: bars, over: 121 bars}", "121 bars"),
    fault("SHAPE_WRONG_FORM", STRATEGY, "{vwap: bars, over: session}",
          "{vwap: bars, over: 1 bars}", "1 bars"),
    # the portfolio
    fault("ALLOCATION_ABOVE_WHOLE", PORTFOLIO, "share: 0.25\n    min: 0.1\n    max: 0.3",
          "share: 0.5001\n    min: 0.1\n    max: 0.6", "strategies:"),
    fault("ALLOCATION_OUT_OF_RANGE", PORTFOLIO, "share: 0.5\n", "share: 0.61\n", "0.61"),
    fault("SHAPE_OUT_OF_RANGE", PORTFOLIO, "share: 0.5\n", "share: 50\n", "50\n"),
    fault("ALLOCATION_OF_NOBODY", PORTFOLIO, "  momentum_following:\n", "  momentum:\n",
          "momentum:"),
    fault("ALLOCATION_OF_NOBODY", PORTFOLIO, "  vwap_micro_mean_reversion:\n",
          "  vwap:\n", "vwap:", ("ALLOCATION_MISSING", "vwap_micro_mean_reversion\n", STRATEGY)),
    fault("NO_ENTRY_POSSIBLE", PORTFOLIO, "share: 0.5\n    min: 0.3\n",
          "share: 0.001\n    min: 0.001\n", "vwap_micro_mean_reversion:"),
    fault("NOT_AN_AMOUNT", PORTFOLIO, "limits.assumed_equity_usd", "limits.max_drawdown",
          "limits.max_drawdown"),
    fault("LIMIT_UNKNOWN", PORTFOLIO, "limits.assumed_equity_usd", "limits.assumed_usd",
          "assumed_usd"),
    fault("VALUE_OUT_OF_RANGE", PORTFOLIO, "value: 0.1\n", "value: 0.6\n", "0.6"),
    fault("EXPR_UNKNOWN_NAME", PORTFOLIO, "day.pnl <= 0", "today.pnl <= 0", "today.pnl"),
    # protections
    fault("PROTECTION_LASTS_NOTHING", LOSS, "rest_of_session", "0m", "0m"),
    fault("PROTECTION_ALLOWS_UNKNOWN", LOSS, "on_unknown: block", "on_unknown: allow", "allow"),
    fault("EXPR_UNKNOWN_NAME", LOSS, "desk.pnl", "today.pnl", "today.pnl"),
    # rows of machines
    fault("MACHINE_UNKNOWN", DESK, "machine: desk", "machine: dusk", "dusk",
          ("DOCUMENT_UNKNOWN", "dusk", DESK), ("DOCUMENT_MISSING", "", "")),
    fault("STATE_UNKNOWN", ORDERS, "initial: PENDING", "initial: PENDNG", "PENDNG"),
    fault("STATE_UNKNOWN", ORDERS, "    from: [PENDING, UNKNOWN]\n    to: NOT_SENT",
          "    from: [PENDING, UNKNWN]\n    to: NOT_SENT", "UNKNWN"),
    fault("STATE_UNKNOWN", ORDERS, "    to: NOT_SENT", "    to: TERMINAL", "TERMINAL\n"),
    fault("STATE_UNKNOWN", DESK, "    from: FLATTENING", "    from: [FLATTENING, TERMINAL]",
          "TERMINAL]"),
    fault("STATE_RESERVED", ORDERS, "  EXPIRED:\n", "  TERMINAL:\n    means: No.\n"
          "    terminal: true\n  EXPIRED:\n", "TERMINAL:",
          ("STATE_UNREACHABLE", "TERMINAL:", ORDERS)),
    fault("EVENT_UNKNOWN", ORDERS, "event: expired\n", "event: expird\n", "expird"),
    fault("ROW_UNKNOWN", ORDERS, "    else: OL-03", "    else: OL-99", "OL-99"),
    fault("ROW_ID_TAKEN", ORDERS, "  - id: OL-09", "  - id: OL-08", "OL-08\n    event: not_found"),
    fault("SHAPE_MISSING_KEY", ORDERS, "    else: OL-80\n", "", "id: OL-10"),
    fault("SHAPE_MISSING_KEY", ORDERS, f"{GUARD}    else: OL-80", "    else: OL-80", "id: OL-10"),
    fault("ROW_ELSE_DOES_NOT_COVER", ORDERS, "    else: OL-80", "    else: OL-81", "OL-81\n"),
    fault("ROW_ELSE_IS_GUARDED", ORDERS, "    else: OL-03", "    else: OL-10", "OL-10\n    bec"),
    fault("ROW_ONLY_FOR_ORDERS", DESK, "do: ignore_stale\n    because: It closes every",
          "do: book_only\n    because: It closes every", "book_only"),
    fault("ROW_ONLY_FOR_ORDERS", DESK, "    to: REDUCING\n",
          "    to: REDUCING\n    requires: [broker_order_id]\n", "[broker_order_id]"),
    fault("ROW_ONLY_FOR_ORDERS", DESK, "    to: REDUCING\n",
          f"    to: REDUCING\n{GUARD}    else: DL-90\n", "order.filled_qty"),
    fault("ROW_DOES_NOT_STOP", ORDERS, "do: halt\n    raises: InvalidTransitionError\n"
          "    severity: CRITICAL\n    because: What", "do: halt\n    because: What",
          "halt\n    because: What"),
    fault("ROW_HIDES_A_FILL", ORDERS, "PENDING_CANCEL\n    do: book_only",
          "PENDING_CANCEL\n    do: ignore_stale", "ignore_stale\n    because: A part"),
    # the tables of machines
    fault("PAIR_COVERED_TWICE", ORDERS, "acknowledged\n    from: [SUBMITTED, PARTIALLY_FILLED,",
          "acknowledged\n    from: [PENDING, SUBMITTED, PARTIALLY_FILLED,", "OL-81"),
    fault("PAIR_UNCOVERED", DESK, "incident\n    from: [HALTED, FLATTENING, FROZEN]\n",
          "incident\n    from: [HALTED, FROZEN]\n", "FLATTENING:"),
    fault("PAIR_UNCOVERED", ORDERS, "rejected, expired, outcome_lost, not_found,",
          "rejected, outcome_lost, not_found,", "NOT_SENT:",
          *(("PAIR_UNCOVERED", where, ORDERS)
            for where in ("FILLED:\n    means: All", "CANCELLED:", "REJECTED:", "EXPIRED:"))),
    fault("STATE_UNREACHABLE", DESK, "    to: FROZEN", "    to: REDUCING", "FROZEN:"),
    fault("STATE_TRAPPED", DESK, "  HALTED:\n", "  OVER:\n    means: No.\n    terminal: true\n"
          "  HALTED:\n", "HALTED:",
          *(("STATE_TRAPPED", f"{state}:", DESK)
            for state in ("ACTIVE", "REDUCING", "FLATTENING", "FROZEN")),
          ("STATE_UNREACHABLE", "OVER:", DESK), ("PAIR_UNCOVERED", "OVER:", DESK)),
    fault("TERMINAL_LEFT", ORDERS, "    event: outcome_lost\n    from: PENDING\n",
          "    event: outcome_lost\n    from: [PENDING, FILLED]\n", "OL-08",
          ("PAIR_COVERED_TWICE", "OL-91", ORDERS)),
    # the life of a strategy
    fault("OPENS_MISPLACED", DESK, "    means: Entries and exits.\n",
          "    means: Entries and exits.\n    opens: true\n", "true"),
    fault("LIFE_CONTRADICTED", LIFE, "initial: ACTIVE", "initial: PAUSED", "PAUSED\n"),
    fault("LIFE_CONTRADICTED", LIFE, "by its own exits.\n",
          "by its own exits.\n    opens: true\n", "SL-03\n"),
    fault("LIFE_CONTRADICTED", LIFE, "over; entries that work are asked back, exits go on.\n",
          "over.\n    opens: true\n", "SL-02\n"),
    fault("LIFE_CONTRADICTED", LIFE, "    from: PAUSED\n    to: ACTIVE",
          "    from: PAUSED\n    to: FLAGGED_PAUSED", "SL-04\n"),
    fault("LIFE_CONTRADICTED", LIFE, "from: PAUSED\n    to: ACTIVE",
          "from: PAUSED\n    to: PAUSED", "SL-02\n"),
    # watches, the comparison with the broker, its words
    fault("WATCH_ACT_UNKNOWN", EXITS, "do: exit_again", "do: ask_back", "ask_back"),
    fault("SHAPE_UNKNOWN_VALUE", EXITS, "do: exit_again", "do: clse", "clse"),
    fault("WATCH_PRICE_MISSING", EXITS, "do: exit_again", "do: protect", "protect\n",
          ("END_MISSING", "exits:", ENDS)),
    fault("PAUSE_ENDS_AT_ONCE", LIVES, "vix.close < limits.vix_calm",
          "vix.close < limits.vix_calm + 6", "vix.close < limits.vix_calm"),
    fault("WATCH_WORD_MISSING", LIVES, "do: flag", "do: pause",
          "pause\n    because: Its results"),
    fault("WATCH_WORD_MISSING", LIVES, "\ncurve: 20 ", "\n# curve: 20 ", "strategy\ntitle"),
    fault("WATCH_WORD_UNUSED", LIVES, "record.trades_under_water >=", "record.losses_in_a_row >=",
          "20      "),
    fault("WATCH_WORD_UNUSED", LIVES, "do: flag", "do: flag\n    until: record.trades >= 1",
          "record.trades >= 1\n"),
    fault("WATCH_PRICE_UNUSED", EXITS, "do: exit_again",
          "do: exit_again\n    at: held.entry_price", "held.entry_price\n"),
    fault("EXPR_UNKNOWN_NAME", EXITS, "held.unwatched >=", "order.silence >=", "order.silence"),
    fault("EXPR_UNIT", ORDER_WATCH,
          "order.silence >= limits.cancel_patience and order.look_ups",
          "order.look_ups >= limits.cancel_patience and order.look_ups",
          "limits.cancel_patience and order.look_ups"),
    fault("EXPR_NOT_A_MEMBER", ORDER_WATCH, "order.state == UNKNOWN and desk",
          "order.state == UNKNWN and desk", "UNKNWN"),
    fault("SHAPE_UNKNOWN_VALUE", COMPARED, "look_up", "adopt", "adopt\n    because: The news"),
    fault("SHAPE_MISSING_KEY", COMPARED, "  cash:\n    do: warn\n    because: Deposits, dividends "
          "and fees move cash without any order; a person should know.\n", "", "differences:"),
    fault("EXPR_UNKNOWN_NAME", COMPARED, "drift.largest_share >", "drift.share >", "drift.share >"),
    fault("SHAPE_MISSING_KEY", ALPACA, "  held:\n    means: acknowledged\n    because: Alpaca has "
          "the order and holds it until another one has traded.\n", "", "statuses:"),
    fault("SHAPE_UNKNOWN_KEY", ALPACA, "  held:", "  hold:", "hold:"),
    # what a broker says besides, and how it is asked
    fault("SHAPE_MISSING_KEY", ALPACA, "  restated:\n    means: look_up\n    because: Alpaca "
          "changed the order by itself; its record says what it is now.\n", "", "news:"),
    fault("SHAPE_UNKNOWN_VALUE", ALPACA, "means: cancel_refused", "means: not_taken",
          "not_taken\n    because: The cancel came"),
    fault("ANSWER_NOT_OF_REQUEST", ALPACA, "    request: look_up\n    status: 404\n    error_code: "
          "40410000\n    means: not_found", "    request: submit\n    status: 404\n    error_code: "
          "40410001\n    means: not_found", "not_found\n    because: Alpaca knows no order under "
          "this id; whether"),
    fault("ANSWER_NOT_OF_REQUEST", ALPACA, "status: timeout\n    means: unproved",
          "status: timeout\n    means: not_taken", "not_taken\n    because: The request went out"),
    fault("ANSWER_NEVER_REACHED", ALPACA, "    request: submit\n    status: 403\n    error_code: "
          "40310100\n", "    request: submit\n    status: 403\n    error_code: 40310000\n    says: "
          "day trad\n", "DAY_TRADES:"),
    fault("ANSWER_NEVER_REACHED", ALPACA, "    request: any\n    status: 408\n", "    request: "
          "any\n    status: timeout\n    says: proxy\n", "GAVE_UP_WAITING:"),
    fault("ANSWER_MISSING", ALPACA, "    status: any\n", "    status: any\n    says: bad\n",
          "answers:"),
    fault("ANSWER_MISSING", ALPACA, "    request: any\n    status: any\n",
          "    request: read\n    status: any\n", "answers:"),
    fault("SHAPE_WRONG_FORM", ALPACA, "status: 5xx", "status: 2xx", "2xx"),
    fault("SHAPE_WRONG_FORM", ALPACA, "says: sub-penny", "says: Sub-penny", "Sub-penny"),
    fault("SHAPE_WRONG_FORM", ALPACA, "value: 3s", "value: 0s", "0s"),
    fault("SHAPE_UNKNOWN_VALUE", ALPACA, "unit: ratio", "unit: usd", "usd\n    because: Q"),
    fault("SHAPE_OUT_OF_RANGE", ALPACA, "max: 0.9", "max: 1.5", "1.5"),
    fault("VALUE_OUT_OF_RANGE", ALPACA, "value: 180", "value: 201", "201"),
    fault("RANGE_UPSIDE_DOWN", ALPACA, "min: 1\n    max: 10\n", "min: 20\n    max: 10\n",
          "20\n    max: 10\n"),
    fault("SHAPE_MISSING_KEY", ALPACA, "  stale_after_bars:\n    value: 2\n    min: 1\n    "
          "max: 10\n    unit: bars\n    because: A minute without a trade has no bar; two in a "
          "row of a symbol like ours are a silent stream.\n", "", "requests:  "),
    # what protections measure
    fault("PROTECTION_DOES_NOTHING", STOPS, "blocks: entries", "blocks: entries\nsizes: 0.5",
          "stoploss_guard\n"),
    fault("MEASURE_INCOMPLETE", STOPS, "count: trades", "sum: trades", "stops:\n"),
    fault("MEASURE_STREAM", WILD, "scope: symbol", "scope: strategy", "strategy\n"),
    fault("SHAPE_UNKNOWN_VALUE", WILD, "stdev: bars", "stdev: entries",
          "entries\n    of: change"),
    fault("MEASURE_WINDOW", STOPS, "over: 60m", "over: 20 bars", "20 bars\n"),
    fault("SHAPE_WRONG_FORM", WILD, "warmup: 10", "warmup: 1O", "1O\n"),
    # what is looked for in what is over
    fault("BAND_UPSIDE_DOWN", STRATEGY, "3% to 99.9%", "99.9% to 3%", "99.9% to 3%"),
    fault("BAND_TELLS_NOTHING", STRATEGY, "3% to 99.9%", "0% to 100%", "0% to 100%"),
    fault("BAND_OF_NOTHING", STRATEGY, "  VWAP_UNAVAILABLE:\n    share",
          "  VWAP_UNAVAILABL:\n    share", "VWAP_UNAVAILABL:"),
    fault("REGIME_UNKNOWN", STRATEGY, "status: paper\n", "status: paper\npauses_in: [HIGH_VOLL]\n",
          "HIGH_VOLL]"),
    fault("REGIME_RESERVED", REGIMES, "  CHOPPY:", "  UNKNOWN:", "UNKNOWN:"),
    fault("REGIME_PARAM_IS_LIMIT", REGIMES, "{value: 0.2,    min: 0.05,  max: 1,    unit: ratio}",
          "{value: limits.max_drawdown}", "limits.max_drawdown"),
    fault("END_UNKNOWN", ENDS, "  END_OF_DATA:", "  END_OF_DAYS:", "END_OF_DAYS:",
          ("END_MISSING", "exits:", ENDS)),
    # together
    fault("INVARIANT_TAKEN", POSITIONS, "  POSITION_LOOKED_AFTER:", "  ORDER_SENT_IS_KNOWN:",
          "ORDER_SENT_IS_KNOWN:"),
    fault("DOCUMENT_UNKNOWN", EXITS, "watch: position", "watch: positon", "positon",
          ("DOCUMENT_MISSING", "", "")),
    fault("ID_NOT_FILE_NAME", POSITIONS, "invariants: positions", "invariants: shares", "shares"),
    fault("ID_NOT_FILE_NAME", WINDOW, "protection: time_window", "protection: tme_window",
          "tme_window"),
    fault("DOCUMENT_UNKNOWN", CHECKS, "checks: orders", "checks: ordrs", "ordrs",
          ("DOCUMENT_MISSING", "", "")),
]  # fmt: skip


@pytest.mark.parametrize("made", FAULTS)
def test_a_fault_is_told_at_its_place_and_nothing_else_is(folder, made: Fault) -> None:
    folder.replace(made.file, made.old, made.new)
    expected = [
        (*(folder.place(file, where) if file else (folder.root.as_posix(), 1, 1)), code)
        for code, where, file in made.expected
    ]
    assert sorted(folder.told()) == sorted(expected)


def test_without_a_portfolio_what_reads_it_is_told(folder) -> None:
    folder.remove(PORTFOLIO)
    told = [(one[0], one[3]) for one in folder.told()]
    assert told == [(CHECKS, "PORTFOLIO_MISSING")] * 3


@pytest.mark.parametrize(("share", "is_told"), [("0.5", False), ("0.5001", True)])
def test_the_whole_account_may_be_given_away_and_no_more(folder, share, is_told) -> None:
    given = f"share: {share}\n    min: 0.1\n    max: 0.6"
    folder.replace(PORTFOLIO, "share: 0.25\n    min: 0.1\n    max: 0.3", given)
    assert [one[3] for one in folder.told()] == (["ALLOCATION_ABOVE_WHOLE"] if is_told else [])


def test_a_second_document_of_one_id(folder) -> None:
    folder.write("limits/more.yaml", folder.text(LIMITS))
    codes = [(one[0], one[3]) for one in folder.told()]
    assert ("limits/more.yaml", "ID_TAKEN") in codes
    assert {file for file, _ in codes} == {"limits/more.yaml"}


@pytest.mark.parametrize(
    ("file", "folder_name", "is_told"),
    [(WINDOW, "strategies", True), (THESIS, "limits", True), (LIMITS, "desk", True),
     (DATA, "orders", True), (WINDOW, "hours", False), (DESK, "orders", False)],
)  # fmt: skip
def test_a_file_in_the_folder_of_another_kind(folder, file, folder_name, is_told) -> None:
    moved = f"{folder_name}/{Path(file).name}"
    if (folder.root / moved).exists():
        moved = f"{folder_name}/more.yaml"
    folder.write(moved, folder.text(file))
    folder.remove(file)
    told = [(one[0], one[3]) for one in folder.told()]
    assert told == ([(moved, "FOLDER_OF_ANOTHER_KIND")] if is_told else [])


def test_every_code_is_declared_and_has_a_case_here() -> None:
    told = {code for case in FAULTS for code, *_ in case.values[0].expected}
    told |= {"ID_TAKEN", "FOLDER_OF_ANOTHER_KIND", "THESIS_UNUSED", "PORTFOLIO_MISSING"}
    declared: set[str] = set()
    for module in (
        broker, limits, lives, looking_back, machines, sets, sharing, stops, strategies, together,
        watching,
    ):  # fmt: skip
        declared |= set(module.CODES)
    assert told >= declared
    undeclared = {code for code in told - declared if not code.startswith(("EXPR_", "SHAPE_"))}
    assert not undeclared


def test_the_schema_knows_the_requirements_of_the_vocabulary() -> None:
    known = schema_for("machine")["$defs"]["transition"]["properties"]["requires"]
    assert {each["const"] for each in known["items"]["oneOf"]} == set(REQUIREMENTS)


def test_a_warning_is_listed_and_lets_the_rules_pass(folder) -> None:
    folder.replace(LOSS, "on_unknown: block", "on_unknown: allow")
    report = folder.report()
    assert [one.severity for one in report.problems] == [WARNING]
    assert report.book is not None
    [loss] = [each for each in report.book.protections if each.id == "daily_loss_limit"]
    assert not loss.trips_when.true_if_unknown


def test_a_thesis_that_nothing_rests_on_is_a_warning(folder) -> None:
    folder.write("theses/TH-003.yaml", folder.text(THESIS).replace("TH-001", "TH-003"))
    report = folder.report()
    assert [(one.code, one.severity) for one in report.problems] == [("THESIS_UNUSED", WARNING)]
    assert report.problems[0].place.file.endswith("theses/TH-003.yaml")
    assert report.book is not None


def test_a_thesis_that_is_over_is_kept_and_one_with_a_slip_beside_it_is_not_told(folder) -> None:
    text = folder.text(THESIS).replace("TH-001", "TH-003")
    folder.write("theses/TH-003.yaml", text.replace("PENDING", "INVALIDATED"))
    assert not folder.report().problems
    folder.write("theses/TH-003.yaml", text)
    folder.replace(STRATEGY, "thesis: TH-001", "thesis: TH-020")
    assert [one.code for one in folder.report().problems] == ["THESIS_UNKNOWN"]


# -- one run shows everything --------------------------------------------------------------------

THIRTY = [
    (LIMITS, f"{FIRST_LIMIT}\n    value: 10", f"{FIRST_LIMIT}\n    value: 51", "51",
     "VALUE_OUT_OF_RANGE"),
    (LIMITS, "unit: positions\n    because: One", "unit: position\n    because: One", "position\n",
     "SHAPE_UNKNOWN_VALUE"),
    (LIMITS, "max: 10000\n", "max: 1e4\n", "1e4", "SHAPE_NOT_A_NUMBER"),
    (STRATEGY, "thesis: TH-001", "thesis: TH-003", "TH-003", "THESIS_UNKNOWN"),
    (STRATEGY, "status: paper", "status: papr", "papr", "SHAPE_UNKNOWN_VALUE"),
    (STRATEGY, "timeframe: 1Min", "timeframe: 1min", "1min", "SHAPE_UNKNOWN_VALUE"),
    (STRATEGY, "value: 500, ", "value: 1500, ", "1500", "VALUE_OUT_OF_RANGE"),
    (STRATEGY, FIRST_PARAM, f"  spare: {SPARE_PARAM}{FIRST_PARAM}", "spare: {", "NAME_UNUSED"),
    (STRATEGY, "not strategy.enabled", "not strategy.enbled", "strategy.enbled",
     "EXPR_UNKNOWN_NAME"),
    (STRATEGY, "today.entries >= max", "session.bars >= max", "max_trades_per_day\n", "EXPR_UNIT"),
    (STRATEGY, "session.bars < vwap_min_bars", "session.bars < vwap_min_bars + 1.5", "1.5\n",
     "EXPR_UNIT"),
    (STRATEGY, "vwap is unknown", "vwap is unknwn", "unknwn", "EXPR_NOT_ALLOWED"),
    (STRATEGY, "when: position.is_open", "when: position.qty", "position.qty", "EXPR_TYPE"),
    (STRATEGY, "round: down", "round: up", "up\n", "SHAPE_UNKNOWN_VALUE"),
    (STRATEGY, STOP, STOP.replace("<=", "="), "= position.entry_price", "EXPR_SYNTAX"),
    (LOSS, "desk.pnl", "desk.pn", "desk.pn ", "EXPR_UNKNOWN_NAME"),
    (LOSS, "scope: desk", "scope: dsk", "dsk", "SHAPE_UNKNOWN_VALUE"),
    (WINDOW, "for: while_true", "for: 0s", "0s", "PROTECTION_LASTS_NOTHING"),
    (WINDOW, "owner: desk\n", "", "protection:", "SHAPE_MISSING_KEY"),
    (ORDERS, "event: expired\n", "event: expird\n", "expird", "EVENT_UNKNOWN"),
    (ORDERS, "initial: PENDING", "initial: PENDNG", "PENDNG", "STATE_UNKNOWN"),
    (ORDERS, "else: OL-03", "else: OL-99", "OL-99", "ROW_UNKNOWN"),
    (ORDERS, "    event: outcome_lost\n    from: PENDING\n",
     "    event: outcome_lost\n    from: [PENDING, FILLED]\n", "OL-08", "TERMINAL_LEFT"),
    (DESK, "to: FROZEN", "to: FROZN", "FROZN\n", "STATE_UNKNOWN"),
    (CHECKS, "desk.state != ACTIVE", "desk.state != ACTVE", "ACTVE", "EXPR_NOT_A_MEMBER"),
    (CHECKS, "symbol.working_orders > 0", "symbol.working_orders > order.qty", "order.qty\n",
     "EXPR_UNIT"),
    (CHECKS, "order.stop_loss is unknown", "order.qty is unknown", "order.qty is",
     "EXPR_ALWAYS_KNOWN"),
    (DATA, "not bar.is_newest", "not bar.newest", "bar.newest", "EXPR_UNKNOWN_NAME"),
    (DATA, "complete and desk.profile in [practice, paper, live]",
     "complete and desk.profile in [practice, paper, liv]", "liv]", "EXPR_NOT_A_MEMBER"),
    (DATA, "bar.volume < 0", "bar.volume < '0'", "'0'", "EXPR_NOT_ALLOWED"),
    (THESIS, "status: PENDING", "status: PENDIN", "PENDIN\n", "SHAPE_UNKNOWN_VALUE"),
]  # fmt: skip


def test_thirty_faults_in_several_files_are_all_told_in_one_run(folder) -> None:
    for file, old, new, *_ in THIRTY:
        folder.replace(file, old, new)
    expected = {(*folder.place(file, where), code) for file, _, _, where, code in THIRTY}
    assert len(expected) >= 30
    told = folder.told()
    # `[PENDING, FILLED]` is a second claim on a pair as well.
    assert expected <= set(told)
    assert [one[3] for one in told if one not in expected] == ["PAIR_COVERED_TWICE"]
    assert told == sorted(told)
    assert len(set(told)) == len(told)


def test_a_file_that_cannot_be_read_is_the_only_thing_told(folder) -> None:
    for file in (LIMITS, DESK, THESIS, DATA):
        folder.write(file, folder.text(file) + "\n- not: [yaml")
    told = folder.told()
    assert {one[0] for one in told} == {LIMITS, DESK, THESIS, DATA}
    assert {one[3] for one in told} == {"YAML_SYNTAX"}


# -- every misspelling --------------------------------------------------------------------------

FREE_TEXT = {
    "title": "prose",
    "assumes": "prose",
    "owner": "the name of a person or a team, known nowhere else",
    "because": "prose",
    "means": "prose of a state; a choice of what a broker says",
    "says": "words of the broker's, which nobody else knows",
    "claim": "prose",
    "expected_unreachable": "prose",
    "evidence": "prose",
    "invalidated_by": "prose",
    "symbol": "any ticker is a ticker; the exchange knows which exist",
}
OWN_CODES = {  # a condition's code is its own name, and nobody refers to it
    "no_trade", "exits", "entries", "sets_aside", "blocks_entries", "rows", "looks_again",
    "tolerates", "refuses", "always", "answers", "forms", "failure_regimes", "tags",
}  # fmt: skip
OWN_RULES = ("invalidated_when", "rules")
MEANINGS = {(part, "means") for part in ("statuses", "news", "answers")}
DECLARES = {"params", "measures", "values", "states"}
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*|[0-9.]+")


class Word(NamedTuple):
    """One word of a rule file: where it stands, and what the path to it is."""

    line: int
    column: int
    text: str
    path: tuple[str, ...]
    is_key: bool
    is_expression: bool


def words(node: Node, path: tuple[str, ...] = ()) -> Iterator[Word]:
    """Every word of every key and value that somebody could misspell."""
    if isinstance(node, Mapping):
        for key, value in node.pairs:
            inner = (*path, key.text)
            is_own = path == OWN_RULES or (len(path) == 1 and path[0] in OWN_CODES)
            if not is_own or key.text == "FORCE_FLAT":
                yield Word(*key.place[1:], key.text, inner, True, False)
            yield from words(value, inner)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from words(item, (*path, str(index)))
    elif not FREE_TEXT.keys() & set(path) or (path[0], path[-1]) in MEANINGS:
        yield from _words_of(node, path)


def _words_of(node: Scalar, path: tuple[str, ...]) -> Iterator[Word]:
    is_expression = path[-1] in {"when", "trips_when", "holds", "stop_loss"} or path[-2:] == (
        "qty",
        "value",
    )
    if not is_expression:
        yield Word(*node.place[1:], node.text, path, False, False)
        return
    for found in WORD.finditer(node.text):
        place = node.place_at(found.start())
        yield Word(*place[1:], found.group(), path, False, True)


def misspelt(word: str, chance: random.Random) -> str:
    """The word with one letter changed, or a digit that has become a letter."""
    letters = [n for n, character in enumerate(word) if character.isalpha()]
    at = chance.choice(letters or [n for n, character in enumerate(word) if character.isdigit()])
    other = "OQ" if word[at].isupper() or word[at].isdigit() else "qz"
    return word[:at] + (other[0] if word[at] != other[0] else other[1]) + word[at + 1 :]


def _is_a_name_of_its_own(word: Word, referred: set[str]) -> bool:
    return word.path[-1] == "id" and word.text not in referred


def _declares(word: Word) -> bool:
    in_section = word.is_key and len(word.path) == 2 and word.path[0] in DECLARES
    return in_section or word.path[-1] == "id" or word.path == ("thesis",)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.case(147)
def test_every_misspelling_is_refused_at_its_place(folder, file: str) -> None:
    """A word that many rows of a table say alike is misspelt once; MQD_EVERY_WORD=1 for all."""
    chance = random.Random(file)
    text = folder.text(file)
    tree = load_text(text, file, Problems())
    assert tree is not None
    referred = set(re.findall(r"else: (\S+)", text))
    tried = 0
    seen: set[tuple[str, ...]] = set()
    for word in words(tree):
        where = (word.path[0], word.path[-1], word.text)
        if _is_a_name_of_its_own(word, referred) or (where in seen and not EVERY_WORD):
            continue
        seen.add(where)
        wrong = misspelt(word.text, chance)
        lines = text.split("\n")
        start, line = word.column - 1, lines[word.line - 1]
        assert line[start : start + len(word.text)] == word.text, word
        lines[word.line - 1] = line[:start] + wrong + line[start + len(word.text) :]
        folder.write(file, "\n".join(lines))
        _check_told(folder.problems(), (folder.root / file).as_posix(), word, wrong)
        tried += 1
    assert tried >= len(list(tree.pairs))


def _check_told(told: list[Problem], file: str, word: Word, wrong: str) -> None:
    assert told, f"{word.text} -> {wrong} at line {word.line} passes the check"
    here = [one for one in told if one.place[:2] == (file, word.line)]
    if _declares(word) and not here:
        here = [one for one in told if word.text in one.message]
    assert here, (word, wrong, told)
    is_name = word.is_expression and word.text.replace("_", "").replace(".", "").isalpha()
    if is_name and word.text not in {"and", "or", "not", "in", "is"}:
        assert any(one.place.column == word.column for one in here), (word, wrong, here)


def test_the_exceptions_are_all_needed(folder) -> None:
    """What the test above leaves out does pass; nothing is left out that would be found."""
    folder.replace(STRATEGY, "symbol: SPY", "symbol: SPX")
    folder.replace(STRATEGY, "owner: desk", "owner: dusk")
    folder.replace(STRATEGY, "  OUTSIDE_WINDOW:", "  OUTSIDE_WINDOV:")
    folder.replace(STRATEGY, "  STOP_LOSS:", "  STOP_LOSX:")
    folder.replace(STRATEGY, "  GAP_THROUGH_STOP:", "  GAP_THROUGH_STOQ:")
    folder.replace(REGIMES, "  HIGH_VOL:", "  HIGH_VOQ:")
    folder.replace(ENDS, "  BROKER_REJECT:", "  BROKER_REJECQ:")
    folder.replace(THESIS, "    WON_TOO_RARELY:", "    WON_TOO_RARELQ:")
    folder.replace(ORDERS, "id: OL-91", "id: OQ-91")
    folder.replace(ORDER_WATCH, "  UNPROVED:", "  UNPROVEN:")
    folder.replace(COMPARED, "  SMALL:", "  SMAL:")
    folder.replace(POSITIONS, "  POSITION_LOOKED_AFTER:", "  POSITION_LOOKED_AFTR:")
    assert not folder.problems()


# -- machines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", ["order", "desk"])
def test_the_table_has_one_row_for_every_pair(folder, machine: str) -> None:
    book = folder.report().book
    rules = book.order_machine if machine == "order" else book.desk_machine
    events = MACHINE_EVENTS[machine]
    assert set(rules.table) == {(state.name, event) for state in rules.states for event in events}
    for (state, event), row in rules.table.items():
        assert state in row.sources
        assert event in row.events
        if row.when is not None:
            other = rules.row(row.otherwise)
            assert state in other.sources
            assert event in other.events


def _rows(text: str) -> tuple[str, list[str]]:
    head, *rows = re.split(r"(?m)^(?=  - id: )", text)
    return head, rows


@pytest.mark.parametrize("file", [ORDERS, DESK])
@pytest.mark.case(146)
def test_a_row_left_out_is_always_missed(folder, file: str) -> None:
    head, rows = _rows(folder.text(file))
    for index, row in enumerate(rows):
        if "    when:" in row:
            continue  # its other outcome covers all its pairs, so the table stays total
        rest = rows[:index] + rows[index + 1 :]
        # The heading of the second list hangs on the row before it.
        heading = "\notherwise:\n" if "otherwise:" in row else ""
        folder.write(file, head + "".join(rest[:index]) + heading + "".join(rest[index:]))
        assert folder.problems(), row


@pytest.mark.parametrize("file", [ORDERS, DESK])
@pytest.mark.case(146)
def test_a_row_said_twice_is_always_told(folder, file: str) -> None:
    text = folder.text(file)
    for row in _rows(text)[1]:
        again = re.sub(r"id: ..-[0-9]+", "id: ZZ-99", row.split("\notherwise:")[0].rstrip())
        where = "\notherwise:\n" if "    to: " in row else "\n"
        before, found, after = text.rpartition(where)
        folder.write(file, f"{before}\n{again}{found}{after}")
        assert "PAIR_COVERED_TWICE" in {one.code for one in folder.problems()}, row


# -- nothing makes the check fail ----------------------------------------------------------------


def _spoilt(text: str, chance: random.Random) -> str:
    """The text with lines taken out, doubled, swapped or emptied."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 6)):
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[other])
            case 2:
                lines[at] = lines[at].partition(":")[0] + ": " + lines[other].partition(": ")[2]
            case 3:
                lines[at] = lines[at].partition(":")[0] + ":"
            case 4:
                lines[at] = lines[at].partition(":")[0] + ": [a, {b: c}]"
            case _:
                lines[at] = lines[other]
        if not lines:
            break
    return "\n".join(lines)


@pytest.mark.parametrize("file", FILES)
def test_a_spoilt_file_is_told_and_never_an_exception(folder, file: str) -> None:
    chance = random.Random(file)
    text = folder.text(file)
    for _ in range(30):
        folder.write(file, _spoilt(text, chance))
        report = folder.report()
        errors = [one for one in report.problems if one.severity != WARNING]
        assert (report.book is None) == bool(errors)


def test_a_folder_without_any_document_that_counts(tmp_path) -> None:
    (tmp_path / "thesis.yaml").write_text((SHIPPED / THESIS).read_text(encoding="utf-8"))
    codes = [one.code for one in validate(tmp_path).problems]
    assert codes.count("DOCUMENT_MISSING") == 16
    assert codes.count("ID_NOT_FILE_NAME") == 1


def test_each_document_that_is_missing_is_told_with_the_file_to_add(tmp_path) -> None:
    """A desk of an earlier version lacks what came since; what to add is a file that is shipped."""
    (tmp_path / "TH-001.yaml").write_text((SHIPPED / THESIS).read_text(encoding="utf-8"))
    missing = [one for one in validate(tmp_path).problems if one.code == "DOCUMENT_MISSING"]
    assert len(missing) == 16
    for problem in missing:
        file = problem.hint.split("`")[1]
        tree = load_text((SHIPPED / file).read_text(encoding="utf-8"), file, Problems())
        wanted = problem.message.split("`")[1].removesuffix("...")
        assert f"{problem.rule}: {tree.get(problem.rule).text}".startswith(wanted)
        assert "\n" not in problem.message + problem.hint


@pytest.mark.parametrize(
    "says",
    [
        "max_trades_per_day <= today.entries",
        "today.entries > max_trades_per_day - 1",
        "today.entries >= min(max_trades_per_day, today.entries + 1)",
        "today.entries >= max_trades_per_day or today.entries >= 1 and bar.close > vwap",
    ],
)
def test_the_market_may_lower_how_many_trades_a_day_has(folder, says) -> None:
    folder.replace(STRATEGY, "today.entries >= max_trades_per_day", says)
    assert folder.told() == []
