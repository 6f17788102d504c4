"""Measures of bars: each against its formula in exact numbers, its warm-up, and numba."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import pytest

from mqd.ground.units import PRICE, SHARES
from mqd.rules.compile.book import compile_book
from mqd.rules.compile.measures import FUNCTIONS, VALUES_OF_BARS
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.shape import schema_for

STRATEGY = "strategies/vwap_micro_mean_reversion.yaml"
OWN = "{vwap: bars, over: session}"
WINDOWS = ("session", "2 bars", "5 bars", "20 bars")
BARS = 60

Bar = tuple[float, float, float, float]  # high, low, close, volume


def exact(function: str, bars: list[Bar]) -> Fraction | float | None:
    """The formula, word for word; None where it is unknown."""
    closes = [Fraction(close) for _, _, close, _ in bars]
    count, mean = len(closes), sum(closes) / len(closes)
    if function == "vwap":
        paid = [
            (Fraction(h) + Fraction(lo) + Fraction(c)) / 3 * Fraction(v) for h, lo, c, v in bars
        ]
        volume = sum(Fraction(v) for *_, v in bars)
        return sum(paid) / volume if volume else None
    if function == "mean":
        return mean
    if function in {"min", "max"}:
        return {"min": min, "max": max}[function](closes)
    if function == "first":
        return closes[0]
    if function == "stdev":
        if count < 2:
            return None
        return math.sqrt(sum((each - mean) ** 2 for each in closes) / (count - 1))
    if function == "slope":
        if count < 2:
            return None
        middle = Fraction(count - 1, 2)
        above = sum((i - middle) * each for i, each in enumerate(closes))
        return above / sum((i - middle) ** 2 for i in range(count))
    raise AssertionError(function)


def exact_atr(bars: list[Bar], newest: int) -> Fraction:
    """The true range needs the close before, so it is taken of the session and then cut."""
    ranges: list[Fraction] = []
    for place, (high, low, _, _) in enumerate(bars):
        found = [Fraction(high) - Fraction(low)]
        if place:
            before = Fraction(bars[place - 1][2])
            found += [abs(Fraction(high) - before), abs(Fraction(low) - before)]
        ranges.append(max(found))
    return sum(ranges[-newest:], Fraction(0)) / min(newest, len(ranges))


def market(seed: int) -> list[Bar]:
    """Bars in cents, with gaps between them and some without volume."""
    chance, price, found = random.Random(seed), 450.0, []
    for _ in range(BARS):
        price = round(price + chance.uniform(-1.5, 1.5), 2)
        high, low = round(price + chance.random(), 2), round(price - chance.random(), 2)
        found.append((high, low, price, chance.choice([0.0, 1.0, 120.5, 90_000.0])))
    return found


def compiled_with(folder: Any, function: str, over: str, of: str = "bar.close") -> CompiledStrategy:
    of = f", of: {of}" if FUNCTIONS[function].takes_of else ""
    folder.replace(STRATEGY, OWN, f"{{{function}: bars{of}, over: {over}}}")
    if FUNCTIONS[function].unit_of(of.removeprefix(", of: ") or "bar.close") == SHARES:
        folder.replace(STRATEGY, "bar.close >= vwap\n", "bar.volume >= vwap\n")
        threshold = "bar.close >= vwap * (1 - entry_deviation_pct)"
        folder.replace(STRATEGY, threshold, threshold.replace("close", "volume"))
    report = folder.report()
    assert report.book is not None, [one.to_text() for one in report.problems]
    return compile_book(report.book).strategies[0]


def run(compiled: CompiledStrategy, bars: list[Bar], known: bool = True) -> list[tuple[Any, bool]]:
    """The value and whether it is known, after each bar."""
    names, slots, found = compiled.arguments["measures"], compiled.initial, []
    for high, low, close, volume in bars:
        given = {"bar_open": close, "bar_high": high, "bar_low": low, "bar_close": close,
                 "bar_volume": volume, "inputs_known": known}  # fmt: skip
        facts = [given[name] for name in names if name in given]
        *kept, value, is_known = compiled.measures(*facts, *slots)
        slots = tuple(kept)
        found.append((value, is_known))
    return found


@pytest.mark.parametrize("over", WINDOWS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_measure_is_its_formula(folder, function: str, over: str) -> None:
    compiled = compiled_with(folder, function, over)
    bars = market(seed=sum(function.encode()))
    newest = BARS if over == "session" else int(over.removesuffix(" bars"))
    for count, (value, is_known) in enumerate(run(compiled, bars), 1):
        seen = bars[:count][-newest:]
        wanted = exact_atr(bars[:count], newest) if function == "atr" else exact(function, seen)
        is_warm = over == "session" or count >= newest
        assert is_known is (is_warm and wanted is not None), count
        if is_known:
            assert wanted is not None
            assert math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-9), count


@pytest.mark.case(142)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_case_142_a_window_does_not_depend_on_what_came_before_it(folder, function: str) -> None:
    """Warmed up with 20, 40 or 60 bars, the newest 20 give the same bits.

    The true range of the oldest of them needs the close before it, so one bar more is alike.
    """
    compiled = compiled_with(folder, function, "20 bars")
    tail = market(seed=5)[:21]
    values = []
    for before in (0, 20, 39):
        head = [(9.0, 8.0, 8.5, 1.0)] * before
        values.append(run(compiled, [*head, *tail])[-1])
    assert values[0][1] is True
    assert len(set(values)) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("over", ["session", "5 bars"])
def test_what_cannot_be_read_changes_no_measure(folder, function: str, over: str) -> None:
    compiled = compiled_with(folder, function, over)
    names = compiled.arguments["measures"]
    slots = tuple(float(place) for place in range(len(compiled.initial)))
    given = {"bar_high": math.nan, "bar_low": 1.0, "bar_close": math.nan, "bar_volume": 1.0}
    facts = [given[name] for name in names if name in given]
    assert compiled.measures(*facts, False, *slots)[: len(slots)] == slots


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_overflows_is_unknown(folder, function: str) -> None:
    """A measure of numbers that are finite one by one may not be; infinity is no price."""
    compiled = compiled_with(folder, function, "session")
    huge = [(9e307, -9e307, 9e307, 9e307), (9e307, -9e307, -9e307, 9e307)] * 3
    for value, is_known in run(compiled, huge):
        assert not is_known or math.isfinite(value)


@pytest.mark.parametrize("over", ["session", "20 bars"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_numba_and_python_measure_the_same(folder, function: str, over: str) -> None:
    numba = pytest.importorskip("numba", reason="numba is the research extra")
    compiled = compiled_with(folder, function, over)
    fast = numba.njit(compiled.measures)
    bars = [*market(seed=8), (9e307, -9e307, 9e307, 9e307), (0.0, -0.0, 5e-324, 0.0)]
    names, one, two = compiled.arguments["measures"], compiled.initial, compiled.initial
    for high, low, close, volume in bars:
        given = {"bar_high": high, "bar_low": low, "bar_close": close, "bar_volume": volume}
        facts = [given[name] for name in names if name in given]
        slow_one = compiled.measures(*facts, True, *one)
        fast_two = fast(*facts, True, *two)
        assert repr(slow_one) == repr(tuple(fast_two))
        one, two = slow_one[: len(one)], fast_two[: len(two)]


@pytest.mark.parametrize("of", VALUES_OF_BARS)
def test_a_measure_has_the_unit_of_what_it_is_of(folder, of: str) -> None:
    compiled = compiled_with(folder, "mean", "3 bars", of)
    (measure,) = compiled.rules.measures
    assert measure.unit == (SHARES if of == "bar.volume" else PRICE)
    assert (measure.of, measure.bars, measure.window) == (of, 3, "newest 3 bars")


def test_the_schema_offers_every_function_and_every_value() -> None:
    known = schema_for("strategy")["$defs"]["measure"]["properties"]
    assert set(known) == {*FUNCTIONS, "of", "over"}
    assert {each["const"] for each in known["of"]["oneOf"]} == set(VALUES_OF_BARS)


def test_the_second_strategy_is_written_in_rules_alone(folder) -> None:
    """It compiles from its file, and numba takes it like the first one."""
    numba = pytest.importorskip("numba", reason="numba is the research extra")
    folder.replace("strategies/momentum_following.yaml", "status: draft", "status: paper")
    book = compile_book(folder.report().book)
    compiled = book.strategy("momentum_following")
    assert {measure.function for measure in compiled.rules.measures} == {
        "slope", "max", "mean", "atr", "first",
    }  # fmt: skip
    fast = numba.njit(compiled.measures)
    names, slots = compiled.arguments["measures"], compiled.initial
    for high, low, close, _ in market(seed=3):
        given = {"bar_open": close, "bar_high": high, "bar_low": low, "bar_close": close}
        facts = [given[name] for name in names if name in given]
        slow = compiled.measures(*facts, True, *slots)
        assert repr(tuple(fast(*facts, True, *slots))) == repr(slow)
        slots = slow[: len(slots)]
