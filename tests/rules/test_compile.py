"""The generated decision: CPython and numba mean the same by it, and both mean what the rule says.

The same source runs on both sides, on a million inputs in all: random ones, ties to the cent, both
sides of every tolerance, session edges, empty volume, huge and tiny values, and values that are no
numbers wherever their flag says that they are unknown.
"""

from __future__ import annotations

import io
import keyword
import math
import re
import tokenize
from collections import namedtuple
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from mqd.model.event import BarClosed
from mqd.rules.compile.book import compile_book
from mqd.rules.compile.emit import comment
from mqd.rules.compile.ruleset import CompiledSet
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.shape import schema_for
from mqd.rules.words.facts import FACTS

np = pytest.importorskip("numpy", reason="numpy comes with numba, the research extra")

STRATEGY = "strategies/vwap_micro_mean_reversion.yaml"
STOP = "bar.close <= position.entry_price * (1 - stop_loss_pct)"
ABOVE = "bar.close >= vwap * (1 - entry_deviation_pct)"
QTY = "min(risk_dollars_per_trade / (bar.close * stop_loss_pct), max_notional_usd / bar.close)"

VARIANTS: dict[str, dict[str, str]] = {
    "shipped": {},
    "logic": {
        ABOVE: "not (vwap is known and (bar.close < vwap * (1 - entry_deviation_pct) "
        "or not position.is_open)) or (session.is_complete "
        "and not (bar.volume < 1 or position.entry_price > bar.low))",
        STOP: "not (bar.close > position.entry_price or vwap is unknown) and "
        "(position.is_open or bar.high is unknown)",
    },
    "chained": {
        ABOVE: "bar.low <= vwap * (1 - entry_deviation_pct) < bar.close <= bar.high "
        "or bar.open == bar.close != vwap",
        STOP: "vwap > bar.close == bar.low or clock.time in trade_window",
        "session.bars < vwap_min_bars": "3 < session.bars + 1 < vwap_min_bars - -2",
    },
    "functions": {
        ABOVE: "max(bar.close, vwap, bar.open) - min(bar.low, vwap) > abs(bar.high - vwap) * "
        "(1 + entry_deviation_pct)",
        STOP: "floor(bar.close / 2) == round(bar.open / 2) or abs(floor(-vwap)) > round(vwap)",
        "today.entries >= max_trades_per_day": "today.entries > min(max_trades_per_day, 3)",
        QTY: f"round({QTY}) + abs(floor(position.qty) - 1)",
    },
    "division": {
        ABOVE: "(bar.close - vwap) / (bar.high - bar.low) < entry_deviation_pct / "
        "(bar.close / vwap - 1)",
        STOP: "bar.close / position.entry_price < 1 - stop_loss_pct",
        QTY: "risk_dollars_per_trade / (bar.close - vwap) - max_notional_usd / bar.close",
        "bar.close * (1 - stop_loss_pct)\n\nexits": "bar.close - today.pnl / entry.qty\n\nexits",
        "entry.qty <= 0": "entry.qty <= 0 or entry.qty * bar.close / today.pnl > 3",
    },
    "no_measure": {
        "measures:\n  vwap: {vwap: bars, over: session}": "",
        ABOVE: "bar.close > bar.open * (1 - entry_deviation_pct)",
        "vwap is unknown": "bar.volume is unknown",
        "bar.close >= vwap\n": "bar.close >= bar.high\n",
    },
}
SHARE = {"shipped": 500_000}
ROWS = 100_000
RUNS = [(name, SHARE.get(name, ROWS)) for name in VARIANTS]
assert sum(rows for _, rows in RUNS) == 1_000_000


def strategy_of(folder: Any, name: str) -> CompiledStrategy:
    text = re.sub(r"(?m) +# .*$", "", folder.text(STRATEGY))
    folder.write(STRATEGY, text)
    for old, new in VARIANTS[name].items():
        folder.replace(STRATEGY, old, new)
    report = folder.report()
    assert report.book is not None, [one.to_text() for one in report.problems]
    return compile_book(report.book).strategies[0]


# -- inputs -------------------------------------------------------------------------------------

FLAGS = {"strategy_enabled", "position_is_open", "session_is_complete", "inputs_known"}
PRICED = ("bar_open", "bar_high", "bar_low", "bar_close", "m_vwap", "position_entry_price")
KNOWABLE = (*PRICED, "bar_volume")
STRANGE = (0.0, -0.0, 1e-300, 5e-324, -450.0, 1e16, 9.9e299, -9.9e299, 4.5e15)


def columns_for(compiled: CompiledStrategy, rows: int, seed: int) -> dict[str, Any]:
    """One column of `rows` values for every argument that any piece may take."""
    chance = np.random.default_rng(seed)
    constants = compiled.constants.items()
    found: dict[str, Any] = {name: np.full(rows, each) for name, each in constants}
    vwap = chance.integers(100, 90_000, rows) / chance.choice([100.0, 10_000.0], rows)
    found["m_vwap"] = vwap
    found["position_entry_price"] = _near(chance, vwap)
    thresholds = np.stack([
        vwap, vwap * (1 - 0.003), found["position_entry_price"] * (1 - 0.003),
        np.round(vwap * (1 - 0.003), 2), chance.uniform(1, 900, rows),
    ])  # fmt: skip
    for name in ("bar_close", "bar_open", "bar_high", "bar_low"):
        at = chance.integers(0, len(thresholds), rows)
        found[name] = _near(chance, thresholds[at, np.arange(rows)])
    found["bar_volume"] = chance.choice([0.0, 1.0, 0.5, 1e5, 123_456.0], rows)
    found["position_qty"] = chance.choice([0.0, 0.5, 1.111, 1e-10], rows)
    limit = compiled.constants["p_daily_loss_limit_usd"]
    found["today_pnl"] = _near(chance, chance.choice([0.0, -limit, -limit, 25.0], rows))
    _strange(chance, found, rows)
    _counts(chance, found, compiled, rows)
    for name in FLAGS:
        found[name] = chance.random(rows) < 0.7
    for name in ("pv_m_vwap", "volume_m_vwap"):
        found[name] = chance.choice([0.0, 1.0, 45_000.0, 1e12, 1e299], rows)
    for name in compiled.fact_names:  # what data rules, protections and checks read beside it
        argument = FACTS[name].argument if name in FACTS else "m_vwap"
        found.setdefault(argument, chance.integers(0, 3, rows))
    found["desk_pnl"] = chance.choice([0.0, -limit, math.nan, math.inf], rows)
    _unknowns(chance, found, rows)
    return found


def _near(chance: Any, exact: Any) -> Any:
    """The values themselves, and both sides of every tolerance and of a cent."""
    steps = chance.choice(
        [0.0, 0.0, 4e-7, -4e-7, 6e-7, -6e-7, 2e-6, -2e-6, 0.01, -0.01, 4e-10, -6e-10, 1.0, -1.0],
        len(exact),
    )
    return exact + steps


def _strange(chance: Any, found: dict[str, Any], rows: int) -> None:
    """A few values far outside any market."""
    for name in KNOWABLE:
        at = chance.random(rows) < 0.03
        found[name] = np.where(at, chance.choice(STRANGE, rows), found[name])


def _counts(chance: Any, found: dict[str, Any], compiled: CompiledStrategy, rows: int) -> None:
    constants = compiled.constants
    start, end = constants["start_p_trade_window"], constants["end_p_trade_window"]
    edges = [0, start - 1, start, start + 1, end - 1, end, end + 1, 86_399]
    found["clock_time"] = chance.choice(edges, rows).astype("int64")
    flat_s = int(constants["p_flat_before_close"])
    left = [0, 1, flat_s - 1, flat_s, flat_s + 1, 23_400]
    found["session_time_to_close"] = chance.choice(left, rows).astype("int64")
    bars = constants["p_vwap_min_bars"]
    found["session_bars"] = chance.choice([0, 1, bars - 1, bars, bars + 1, 390], rows).astype(
        "int64"
    )
    found["today_entries"] = chance.integers(0, 6, rows)


def _unknowns(chance: Any, found: dict[str, Any], rows: int) -> None:
    """A flag beside every value that may be unknown; only then may the value be no number."""
    nonsense = chance.choice([float("nan"), float("inf"), float("-inf"), 0.0, 450.0], rows)
    for name in KNOWABLE:
        known = chance.random(rows) < 0.85
        found[f"known_{name}"] = known
        found[name] = np.where(known, found[name], nonsense)


# -- both sides ---------------------------------------------------------------------------------


class Piece(NamedTuple):
    """One generated function with what goes in and what comes out."""

    function: Callable[..., Any]
    arguments: tuple[str, ...]
    results: tuple[type, ...]


def pieces_of(compiled: CompiledStrategy) -> dict[str, Piece]:
    slots = len(compiled.initial)
    measured: tuple[type, ...] = (float,) * slots
    for _ in compiled.rules.measures:
        measured += (float, bool)
    arguments = compiled.arguments
    return {
        "measures": Piece(compiled.measures, arguments["measures"], measured),
        "fixed": Piece(compiled.fixed, arguments["fixed"], (int,)),
        "rest": Piece(compiled.rest, arguments["rest"], (int, int, int, float, bool)),
    }


def by_numba(piece: Piece, columns: list[Any]) -> list[Any]:
    """What numba makes of the very same function, one row after the other."""
    numba = pytest.importorskip("numba", reason="numba is the research extra")
    rows = len(columns[0])
    taken = ", ".join(f"c{n}[i]" for n in range(len(columns)))
    names = ", ".join(f"c{n}" for n in range(len(columns)))
    outs = ", ".join(f"o{n}" for n in range(len(piece.results)))
    many = len(piece.results) > 1 or piece.results == (float,)
    stored = [f"        o{n}[i] = r[{n}]" for n in range(len(piece.results))] if many else [
        "        o0[i] = r"
    ]  # fmt: skip
    lines = [f"def drive({names}, {outs}):", "    for i in range(len(c0)):",
             f"        r = piece({taken})", *stored]  # fmt: skip
    namespace: dict[str, Any] = {"piece": numba.njit(piece.function)}
    exec("\n".join(lines), namespace)
    kinds = {int: np.int64, float: np.float64, bool: np.bool_}
    found = [np.empty(rows, kinds[kind]) for kind in piece.results]
    numba.njit(namespace["drive"])(*columns, *found)
    return found


def by_python(piece: Piece, columns: list[Any]) -> list[Any]:
    answers = list(map(piece.function, *(column.tolist() for column in columns)))
    many = isinstance(answers[0], tuple)
    by_column: Any = zip(*answers, strict=True) if many else [answers]
    found = [list(column) for column in by_column]
    for column, kind in zip(found, piece.results, strict=True):
        assert {type(value) for value in column} == {kind}  # one type a name, on every row
    kinds = {int: np.int64, float: np.float64, bool: np.bool_}
    return [np.array(c, kinds[kind]) for c, kind in zip(found, piece.results, strict=True)]


def assert_same(one: list[Any], two: list[Any], piece: Piece, columns: list[Any]) -> None:
    for first, second in zip(one, two, strict=True):
        is_float = first.dtype == np.float64
        if not np.array_equal(first, second, equal_nan=is_float):
            differ = (first != second) & ~(np.isnan(first) & np.isnan(second))
            at = int(np.flatnonzero(differ)[0])
            row = {name: c[at] for name, c in zip(piece.arguments, columns, strict=True)}
            pytest.fail(f"{first[at]!r} is not {second[at]!r} for {row}")


@pytest.mark.parametrize(("name", "rows"), RUNS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numba_and_python_mean_the_same(folder, name: str, rows: int) -> None:
    pytest.importorskip("numba", reason="numba is the research extra")
    compiled = strategy_of(folder, name)
    pieces = pieces_of(compiled)
    carried = columns_for(compiled, rows, seed=sum(name.encode()))
    masks = np.zeros(rows, np.int64)
    seen: dict[str, list[Any]] = {}
    for key, piece in pieces.items():
        columns = [
            masks if argument == "mask" else carried[argument] for argument in piece.arguments
        ]
        if not columns or not piece.results:
            continue
        plain = by_python(piece, columns)
        assert_same(plain, by_numba(piece, columns), piece, columns)
        seen[key] = plain
        masks = plain[0] if key == "fixed" else masks
    every_answer_is_tried(compiled, *seen["rest"][:3])


def every_answer_is_tried(compiled: CompiledStrategy, mask: Any, exits: Any, lots: Any) -> None:
    """Each condition was true on some rows and false on others: the comparison meant something."""
    for bit, rule in enumerate(compiled.rules.no_trade):
        share = (mask >> bit & 1).mean()
        assert 0.0005 < share < 0.9995, (rule.code, share)
    for bit, rule in enumerate(compiled.rules.exits):
        share = (exits >> bit & 1).mean()
        assert 0.0005 < share < 0.9995, (rule.code, share)
    assert 0.0005 < (lots > 0).mean() < 0.9995


# -- checks with enumerations -------------------------------------------------------------------

Facts: dict[str, Any] = {
    "symbol": namedtuple(  # noqa: PYI024  # numba knows these
        "symbol",
        "working_orders position_qty unknown_orders external_orders lacks_shares previous_close",
    ),
    "desk": namedtuple(  # noqa: PYI024  # as above
        "desk",
        "state_code profile_code open_positions orders_today breaker_code queued_orders is_in_step "
        "is_restricted",
    ),
    "strategy": namedtuple(  # noqa: PYI024  # as above
        "strategy", "enabled working_exits thesis_code"
    ),
    "order": namedtuple(  # noqa: PYI024  # as above
        "order",
        "qty price stop_loss since_same_s is_form_taken is_fractional is_in_lots symbol_is_told "
        "symbol_is_tradable symbol_is_fractionable opposite_orders messages buying_power_usd "
        "equity_usd account_age_s opposite_signals portfolio_equity_usd portfolio_exposure_usd "
        "portfolio_largest_usd portfolio_invested_usd portfolio_reserve_usd capital_usd "
        "capital_used_usd has_protection_error has_older_lock pauses_in_regime",
    ),
}


@pytest.mark.parametrize("name", ["entry_checks", "exit_checks"])
def test_a_set_of_checks_means_the_same_to_numba(folder, name: str) -> None:
    numba = pytest.importorskip("numba", reason="numba is the research extra")
    enumerated = "desk.state in [HALTED, REDUCING] and desk.profile not in [backtest, samples]"
    folder.replace("orders/checks.yaml", "desk.state == FROZEN", enumerated)
    book = compile_book(folder.report().book)
    checks: CompiledSet = getattr(book, name)
    fast = numba.njit(checks.evaluate)
    chance = np.random.default_rng(3)
    seen = 0
    for _ in range(20_000):
        working, unknown, external = (int(chance.integers(2)) for _ in range(3))
        held = float(chance.choice([0.0, 1e-10, 0.5]))
        symbol = Facts["symbol"](working, held, unknown, external, bool(chance.integers(2)),
                                 float(chance.choice([0.0, 450.0, 475.0])))  # fmt: skip
        counts = (int(chance.integers(n)) for n in (5, 5, 3, 42, 3, 12))
        desk = Facts["desk"](*counts, bool(chance.integers(2)), bool(chance.integers(2)))
        price = float(chance.choice([1.0, 450.0, 500.0, 1e299]))
        stop = float(chance.choice([math.nan, math.inf, price, price - 1e-6, price - 1.0]))
        qty = float(chance.choice([0.0, -1.0, 1e-10, 2.0, 1000.0, 1000.001, 1e200]))
        since_same = float(chance.choice([0.0, 29.9, 30.0, 1e6, math.inf]))
        yes_or_no = (bool(chance.integers(2)) for _ in range(6))
        opposite, messages = int(chance.integers(2)), int(chance.choice([0, 19, 20]))
        money = (float(chance.choice([math.nan, 0.0, 1_000.0, 1e300])) for _ in range(2))
        age = float(chance.choice([0.0, 600.0, 601.0, math.inf]))
        shared = (float(chance.choice([math.nan, 0.0, 500.0, 1_000.0])) for _ in range(7))
        signals = int(chance.integers(2))
        told = (*yes_or_no, opposite, messages, *money, age, signals, *shared)
        protected = (bool(chance.integers(2)) for _ in range(2))
        pauses = (None, False, True)[chance.integers(3)]
        order = Facts["order"](qty, price, stop, since_same, *told, *protected, pauses)
        counts = (int(chance.integers(n)) for n in (2, 3))
        strategy = Facts["strategy"](bool(chance.integers(2)), *counts)
        mask = checks.evaluate(None, symbol, None, desk, strategy, order)
        assert fast(None, symbol, None, desk, strategy, order) == mask, (symbol, desk, order)
        seen |= mask
    assert seen == (1 << len(checks.codes)) - 1
    assert checks.true_codes(seen) == checks.codes


# -- an independent reference -------------------------------------------------------------------

CENT = Fraction(1, 100)
HALF = Fraction(5, 10**7)  # the tolerance of a price


@pytest.fixture
def shipped(folder) -> CompiledStrategy:
    return strategy_of(folder, "shipped")


def rest(compiled: CompiledStrategy, **facts: Any) -> tuple[set[str], set[str], int, Any]:
    """The codes that `rest` says are true, on an ordinary bar changed by `facts`."""
    usual: dict[str, Any] = {
        "mask": 0, "strategy_enabled": True, "today_pnl": 0.0, "session_bars": 30,
        "today_entries": 0, "position_is_open": False, "bar_close": 448.0,
        "m_vwap": 450.0, "position_entry_price": 0.0, "known_position_entry_price": False,
        "known_bar_close": True, "known_m_vwap": True, "session_time_to_close": 10_000,
        **compiled.constants,
    }  # fmt: skip
    values = {**usual, **facts}
    mask, exits, lots, stop, known = compiled.rest(
        *(values[argument] for argument in compiled.arguments["rest"])
    )
    rules = compiled.rules
    return (
        {rule.code for bit, rule in enumerate(rules.no_trade) if mask >> bit & 1},
        {rule.code for bit, rule in enumerate(rules.exits) if exits >> bit & 1},
        lots,
        stop if known else None,
    )


def edges(exact: Fraction) -> list[Fraction]:
    """Values at and around a threshold: the tie, both sides of the tolerance, a cent away."""
    steps: list[Any] = [
        0,
        HALF * Fraction(9, 10),
        HALF * Fraction(11, 10),
        HALF * 4,
        CENT / 100,
        CENT,
        1,
    ]
    return [exact + sign * step for step in steps for sign in (1, -1)]


PRICES = [Fraction(cents, 100) for cents in (100, 333, 9_999, 45_000, 57_123, 123_456, 999_999)]


def test_thresholds_of_price_stand_where_the_rule_says(shipped) -> None:
    part = 1 - Fraction(3, 1000)
    for price in PRICES:
        for close in edges(price * part):
            gap = close - price * part
            no_trade, exits, _, _ = rest(
                shipped, bar_close=float(close), m_vwap=float(price),
                position_entry_price=float(price), known_position_entry_price=True,
            )  # fmt: skip
            assert ("STOP_LOSS" in exits) == (gap <= HALF), (price, close)
            assert ("PRICE_ABOVE_THRESHOLD" in no_trade) == (gap >= -HALF), (price, close)
        for close in edges(price):
            _, exits, _, _ = rest(shipped, bar_close=float(close), m_vwap=float(price))
            assert ("MEAN_REVERSION" in exits) == (close - price >= -HALF), (price, close)


def test_the_loss_limit_stands_where_the_rule_says(shipped) -> None:
    for pnl in edges(Fraction(-10)):
        no_trade, *_ = rest(shipped, today_pnl=float(pnl))
        assert ("DAILY_LOSS_LIMIT_HIT" in no_trade) == (pnl + 10 <= HALF), pnl


def test_the_size_is_the_exact_quotient_rounded_down(shipped) -> None:
    risk, part, most = Fraction(3, 2), Fraction(3, 1000), Fraction(500)
    closes = [*PRICES, *(Fraction(n, 100) for n in range(101, 60_000, 97))]
    closes += [most / (Fraction(n, 1000)) for n in (1, 3, 28_750, 125_000) if n]
    for close in closes:
        exact = min(risk / (close * part), most / close)
        no_trade, _, lots, _ = rest(shipped, bar_close=float(close))
        assert lots == exact // Fraction(1, 1000), close
        assert ("SIZE_IS_ZERO" in no_trade) == (lots == 0)
    # 500 USD buy 0.0004999... shares, less than one step, however near that is to half a step
    assert rest(shipped, bar_close=1_000_000.0)[2] == 0
    assert rest(shipped, bar_close=500_000.0)[2] == 1
    assert rest(shipped, bar_close=500_000.01)[2] == 0


def test_counts_and_times_compare_exactly(shipped) -> None:
    for bars, is_warming in ((19, True), (20, False), (21, False)):
        assert ("VWAP_WARMING_UP" in rest(shipped, session_bars=bars)[0]) == is_warming
    for entries, is_reached in ((0, False), (1, True), (2, True)):
        assert ("MAX_TRADES_REACHED" in rest(shipped, today_entries=entries)[0]) == is_reached
    for left_s, is_over in ((301, False), (300, True), (299, True), (0, True)):
        assert ("FORCE_FLAT" in rest(shipped, session_time_to_close=left_s)[1]) == is_over
    for at_s, is_outside in ((35_999, True), (36_000, False), (41_399, False), (41_400, True)):
        values = {"clock_time": at_s, "m_vwap": 1.0, "known_m_vwap": True, **shipped.constants}
        mask = shipped.fixed(*(values[name] for name in shipped.arguments["fixed"]))
        assert bool(mask) == is_outside


def test_what_is_unknown_holds_entries_and_skips_exits(shipped) -> None:
    for wrong in (math.nan, math.inf, -math.inf, 1e308):
        no_trade, exits, lots, stop = rest(shipped, bar_close=wrong, known_bar_close=False)
        assert no_trade == {"PRICE_ABOVE_THRESHOLD", "SIZE_IS_ZERO"}
        assert (exits, lots, stop) == (set(), 0, None)
        no_trade, exits, lots, _ = rest(shipped, m_vwap=wrong, known_m_vwap=False)
        assert no_trade == {"PRICE_ABOVE_THRESHOLD"}
        assert exits == set()
        assert lots > 0
    for close in (0.0, -0.0, -450.0):
        no_trade, _, lots, _ = rest(shipped, bar_close=close)
        assert "SIZE_IS_ZERO" in no_trade
        assert lots == 0
    # Far outside any market the numbers still hold: a stop of 1e299 is a number.
    assert rest(shipped, bar_close=9e299)[2] == 0


def test_vwap_is_the_exact_average_and_unknown_while_nothing_traded(shipped) -> None:
    bars = [(450.25, 449.5, 450.0, 1200.0), (451.0, 449.0, 450.5, 0.0), (452.5, 450.0, 451.25, 7.0)]
    slots = shipped.initial
    paid = volume = Fraction(0)
    for high, low, close, shares in [(1.0, 1.0, 1.0, 0.0), *bars]:
        *slots_, value, known = shipped.measures(high, low, close, shares, True, *slots)
        slots = tuple(slots_)
        paid += (Fraction(high) + Fraction(low) + Fraction(close)) / 3 * Fraction(shares)
        volume += Fraction(shares)
        assert known == (volume > 0)
        if volume:
            assert math.isclose(value, paid / volume, rel_tol=1e-14)
    unread = shipped.measures(math.nan, 1.0, 1.0, 1.0, False, *slots)
    assert unread[:2] == slots


def test_a_measure_that_is_no_number_is_unknown(shipped) -> None:
    """Values that are finite one by one may overflow together; infinity is no average price."""
    *_, value, known = shipped.measures(9e299, 9e299, 9e299, 9e299, True, 0.0, 0.0)
    assert not math.isfinite(value)
    assert known is False
    *_, known = shipped.measures(math.inf, 1.0, 1.0, 1.0, True, math.inf, math.inf)
    assert known is False


# -- the live path ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_decide_gathers_the_facts_and_calls_the_three(folder, name: str) -> None:
    compiled = strategy_of(folder, name)
    rows = 400
    carried = {key: column.tolist() for key, column in columns_for(compiled, rows, seed=5).items()}
    pieces = pieces_of(compiled)
    for at in range(rows):
        values = {key: column[at] for key, column in carried.items()} | compiled.constants
        slots = tuple(values[slot] for slot in pieces["measures"].arguments if "_m_" in slot)
        objects = objects_of(values, slots)
        values |= flags_of(values, objects)
        results = compiled.measures(*(values[name] for name in compiled.arguments["measures"]))
        new = results[: len(slots)]
        values |= dict(zip(("m_vwap", "known_m_vwap"), results[len(slots) :], strict=False))
        mask = compiled.fixed(*(values[name] for name in compiled.arguments["fixed"]))
        values["mask"] = mask
        expected = compiled.rest(*(values[name] for name in compiled.arguments["rest"]))
        *decided, facts = compiled.decide(**objects)
        assert repr(tuple(decided)) == repr(expected)
        assert repr(objects["strategy"].accumulators) == repr(new)
        assert len(facts) == len(compiled.fact_names)
        for fact, fact_name in zip(facts, compiled.fact_names, strict=True):
            argument = "m_vwap" if fact_name == "vwap" else FACTS[fact_name].argument
            known = values.get(f"known_{argument}", True)
            assert repr(fact) == repr(values[argument] if known else None)


def objects_of(values: dict[str, Any], slots: tuple[float, ...]) -> dict[str, Any]:
    """The engine's objects, holding these values where the vocabulary says that they are."""
    objects = {key: SimpleNamespace() for key in ("symbol", "session", "desk", "strategy")}
    objects["strategy"].accumulators = slots
    prices = {f.name: 0.0 for f in FACTS.values() if f.source.startswith("bar.")}
    for fact in FACTS.values():
        owner, _, attribute = fact.source.partition(".")
        if owner == "bar":
            prices[fact.name] = values.get(fact.argument, 1.0)
        elif owner in objects:
            setattr(objects[owner], attribute, values.get(fact.argument, 0.0))
    order = ("bar.open", "bar.high", "bar.low", "bar.close", "bar.volume")
    return {"bar": BarClosed(1, "SPY", 0, *(prices[name] for name in order)), **objects}


def flags_of(values: dict[str, Any], objects: dict[str, Any]) -> dict[str, bool]:
    """The known-flags as the vocabulary defines them, by its own text."""
    found = {
        f"known_{fact.argument}": bool(eval(fact.known, dict(objects)))
        for fact in FACTS.values()
        if fact.known and fact.argument in values
        and fact.source.partition(".")[0] in objects
    }  # fmt: skip
    inputs = ("bar_high", "bar_low", "bar_close", "bar_volume")
    found["inputs_known"] = all(found.get(f"known_{name}", True) for name in inputs)
    return found


# -- no author's text becomes code ---------------------------------------------------------------

HOSTILE = "x'''; raise SystemExit  #\\n"
OURS = re.compile(
    r"(p|m|l|start_p|end_p|start_l|end_l|known_m|pv_m|volume_m)_[a-z][a-z0-9_]*|t[0-9]+|"
    r"mask|exits|lots|facts|floor|abs|float|NAN|inputs_known|entry_qty|known_entry_qty|"
    r"stop_loss(_known)?|no_trade|measures|fixed|rest|decide|evaluate|accumulators|"
    r"bar|symbol|session|desk|strategy|order"
)


def test_the_source_holds_names_and_numbers_of_ours_only(folder) -> None:
    for file in (STRATEGY, "orders/checks.yaml", "data/bars.yaml", "orders/lifecycle.yaml"):
        spoilt = re.sub(r"(?m)(because|title|owner|means): .*$",
                        lambda found: f"{found[1]}: {HOSTILE!r}", folder.text(file))  # fmt: skip
        folder.write(file, spoilt)
    book = compile_book(folder.report().book)
    sets: tuple[CompiledSet, ...] = (
        book.sets_aside,
        book.blocks_entries,
        book.entry_checks,
        book.exit_checks,
    )
    sources = [one.source for one in (*sets, book.protections.possible)]
    sources += [one.source for one in book.strategies]
    sources += [guard.source for guard in book.guards.values()]
    words = {fact.argument for fact in FACTS.values()}
    words |= {f"known_{word}" for word in words}
    words |= {part for fact in FACTS.values() for part in fact.source.split(".")}
    words |= {part for fact in FACTS.values() for part in re.findall(r"\w+", fact.known or "")}
    for source in sources:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            assert token.type != tokenize.STRING
            if token.type == tokenize.COMMENT:
                assert re.fullmatch(r"# [A-Z0-9_-]+", token.string)
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                assert token.string in words or OURS.fullmatch(token.string), token


@pytest.mark.parametrize("code", ["A\nB", "A\rB", "A\u2028", "A\x0cB", "A B", "a", "", "A" * 65])
def test_a_code_that_could_leave_its_comment_is_left_out(code: str) -> None:
    assert comment(code) == ""


@pytest.mark.parametrize("code", ["STOP_LOSS", "OL-02", "A"])
def test_a_code_stands_in_its_comment(code: str) -> None:
    assert comment(code) == f"  # {code}"


def test_the_schemas_let_no_code_hold_anything_but_capitals() -> None:
    for kind in ("strategy", "checks", "data"):
        schema = schema_for(kind)
        assert schema["$defs"]["code"]["pattern"] == "^[A-Z][A-Z0-9_]{1,63}$"
    assert schema_for("machine")["$defs"]["rule_id"]["pattern"] == "^[A-Z]{2}-[0-9]{2,3}$"


@pytest.mark.parametrize("code", ['"A\\nB"', "'A B'", "a", "'A#'", "A-B", "\u00c4B", "'A\"'"])
def test_a_code_that_is_none_is_refused(folder, code: str) -> None:
    folder.replace(STRATEGY, "  SIZE_IS_ZERO:", f"  {code}:")
    report = folder.report()
    assert report.book is None


# -- names of one file do not meet ---------------------------------------------------------------


def test_authors_names_do_not_collide_in_the_source(folder) -> None:
    """A param named like another's mark, a measure named like another's accumulator."""
    spare = "{value: 7, min: 1, max: 9, unit: bars}\n"
    params = "".join(f"  {name}: {spare}" for name in ("trade_window_start", "x", "start_p_x"))
    folder.replace(STRATEGY, "  trade_window: ", f"{params}  trade_window: ")
    extra = "".join(f"  {name}: {{vwap: bars, over: session}}\n" for name in (
        "vwap_pv", "vwap_v", "vwap_known", "pv_m_vwap", "known_m_vwap", "volume_m_vwap",
    ))  # fmt: skip
    folder.replace(STRATEGY, "  vwap: {", f"{extra}  vwap: {{")
    others = " or ".join(f"{name} < vwap" for name in re.findall(r"  (\w+): {vwap", extra))
    counts = "session.bars < trade_window_start or session.bars < x + start_p_x"
    folder.replace(STRATEGY, "vwap is unknown", f"vwap is unknown or {others} or {counts}")
    report = folder.report()
    assert not report.problems
    compiled = compile_book(report.book).strategies[0]
    for arguments in compiled.arguments.values():
        assert len(set(arguments)) == len(arguments)
    slots = compiled.initial
    results = compiled.measures(3.0, 1.0, 2.0, 10.0, True, *slots)
    assert results[len(slots) :] == (2.0, True) * 7
