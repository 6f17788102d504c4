"""The expression language: what reads, what is refused and exactly where, and what it means."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mqd.ground.units import (
    BARS,
    DURATION,
    EXCHANGE_TIME,
    PRICE,
    RATIO,
    SHARES,
    TRADES,
    UNITS,
    USD,
    Unit,
)
from mqd.rules.check.conditions import fact_scope
from mqd.rules.compile.arguments import arguments_of, name_text
from mqd.rules.compile.emit import Emitter
from mqd.rules.compile.functions import run_source
from mqd.rules.expressions import ir
from mqd.rules.expressions import parse as parsing
from mqd.rules.expressions import read as reading
from mqd.rules.expressions.arithmetic import normal_digits
from mqd.rules.expressions.parse import DEEPEST, LONGEST_TEXT, MOST_NODES
from mqd.rules.expressions.read import read_condition, read_number
from mqd.rules.expressions.scope import LIMIT, MEASURE, PARAM, UNDECIDED, Scope
from mqd.rules.load import load_text
from mqd.rules.problems import Place, Problem, Problems
from mqd.rules.tree import Scalar, at
from mqd.rules.words.facts import CHECK, FACTS, STRATEGY

PARAMS: dict[str, Unit] = {
    "deviation": RATIO,
    "risk": USD,
    "least_bars": BARS,
    "most_trades": TRADES,
    "flat": DURATION,
    "window": EXCHANGE_TIME,
}
COLUMN = 7  # where the text of `when: ...` starts


def scope(kind: str = STRATEGY) -> Scope:
    found = fact_scope(kind, {"desk.state": ("ACTIVE", "REDUCING", "HALTED")})
    for name, unit in PARAMS.items():
        found.add(name, PARAM, unit)
    found.add("vwap", MEASURE, PRICE)
    found.add("broken", PARAM, UNDECIDED)
    found.add("limits.loss", LIMIT, USD)
    found.limit_values = {("usd", "7.5"): "loss", ("shares", "900"): "size"}
    return found


def plain(text: str) -> Scalar:
    return Scalar(text, Place("a.yaml", 1, COLUMN))


def read(text: str, kind: str = STRATEGY) -> ir.Logical:
    problems = Problems()
    tree = read_condition(plain(text), scope(kind), problems, "r")
    assert tree is not None, [one.to_text() for one in problems.sorted()]
    assert not problems
    return tree


def number(text: str, unit: Unit) -> ir.Numeric:
    problems = Problems()
    tree = read_number(plain(text), unit, scope(), problems, "r")
    assert tree is not None, problems.sorted()
    return tree


def refused(text: str, kind: str = STRATEGY) -> list[Problem]:
    problems = Problems()
    assert read_condition(plain(text), scope(kind), problems, "r") is None
    assert problems.has_errors()
    return problems.sorted()


def told(text: str, kind: str = STRATEGY) -> list[tuple[int, str]]:
    """(offset in the text, code) of everything that is wrong with it."""
    return [(one.place.column - COLUMN, one.code) for one in refused(text, kind)]


# -- what reads ---------------------------------------------------------------------------------

READS = [
    ("strategy.enabled", "strategy.enabled"),
    ("not strategy.enabled", "not strategy.enabled"),
    ("not not strategy.enabled", "not not strategy.enabled"),
    ("bar.close<vwap", "bar.close < vwap"),
    ("  bar.close  <=  vwap  ", "bar.close <= vwap"),
    ("bar.close\n  <= vwap\n", "bar.close <= vwap"),
    ("(bar.close) > ((vwap))", "bar.close > vwap"),
    ("bar.close >= vwap * (1 - deviation)", "bar.close >= vwap * (1 - deviation)"),
    ("bar.close >= (1 - deviation) * vwap", "bar.close >= (1 - deviation) * vwap"),
    ("bar.low < bar.close < bar.high", "bar.low < bar.close and bar.close < bar.high"),
    ("bar.close == vwap != bar.open", "bar.close == vwap and vwap != bar.open"),
    ("today.pnl <= -risk", "today.pnl <= -risk"),
    ("today.pnl <= - - risk", "today.pnl <= --risk"),
    ("-7 < today.pnl", "-7 < today.pnl"),
    ("today.pnl < 0.50", "today.pnl < 0.5"),
    ("today.pnl < limits.loss", "today.pnl < limits.loss"),
    ("session.bars < least_bars + 1", "session.bars < least_bars + 1"),
    ("session.bars < 20", "session.bars < 20"),
    ("today.entries >= most_trades", "today.entries >= most_trades"),
    ("session.time_to_close <= flat * 2", "session.time_to_close <= flat * 2"),
    ("session.time_to_close - flat > -flat", "session.time_to_close - flat > -flat"),
    ("session.time_to_close / flat < 3", "session.time_to_close / flat < 3"),
    ("clock.time in window", "clock.time in window"),
    ("clock.time not in window", "clock.time not in window"),
    ("not clock.time in window", "not clock.time in window"),
    ("vwap is known", "vwap is known"),
    ("vwap is unknown", "vwap is unknown"),
    ("vwap is not known", "vwap is unknown"),
    ("vwap is not unknown", "vwap is known"),
    ("entry.qty is known", "entry.qty is known"),
    ("position.entry_price is unknown", "position.entry_price is unknown"),
    ("position.qty * bar.close > risk", "position.qty * bar.close > risk"),
    ("risk / bar.close > position.qty", "risk / bar.close > position.qty"),
    ("min(bar.open, vwap) < max(vwap, 3, 4.5)", "min(bar.open, vwap) < max(vwap, 3, 4.5)"),
    ("abs(bar.close - vwap) < 0.01", "abs(bar.close - vwap) < 0.01"),
    ("floor(bar.close) == round(bar.close)", "floor(bar.close) == round(bar.close)"),
    ("min(1, 2) < deviation", "min(1, 2) < deviation"),
    ("1 / 3 < deviation", "1 / 3 < deviation"),
    ("bar.close / vwap < 1 - deviation", "bar.close / vwap < 1 - deviation"),
    ("bar.close - (vwap - bar.open) < 1", "bar.close - (vwap - bar.open) < 1"),
    ("bar.close - vwap - bar.open < 1", "bar.close - vwap - bar.open < 1"),
    ("bar.close / (vwap / bar.open) < 1", "bar.close / (vwap / bar.open) < 1"),
    ("-(bar.close + vwap) < 1", "-(bar.close + vwap) < 1"),
    ("999999999999999.123456789012 > deviation", "999999999999999.123456789012 > deviation"),
    (
        "strategy.enabled or position.is_open and session.is_complete",
        "strategy.enabled or position.is_open and session.is_complete",
    ),
    (
        "(strategy.enabled or position.is_open) and not (session.is_complete and vwap is known)",
        "(strategy.enabled or position.is_open) and not (session.is_complete and vwap is known)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "canonical"), READS)
def test_it_reads_and_has_one_way_to_be_written(text: str, canonical: str) -> None:
    tree = read(text)
    assert ir.to_text(tree) == canonical
    assert read(ir.to_text(tree)) == tree


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("desk.state == HALTED", "desk.state == HALTED"),
        ("desk.state != ACTIVE", "desk.state != ACTIVE"),
        ("desk.state in [ACTIVE]", "desk.state == ACTIVE"),
        ("desk.state not in (ACTIVE, HALTED)", "desk.state not in [ACTIVE, HALTED]"),
        ("desk.profile in [paper, live]", "desk.profile in [paper, live]"),
        ("order.stop_loss is known", "order.stop_loss is known"),
        ("not (desk.state in [ACTIVE])", "not desk.state == ACTIVE"),
    ],
)
def test_enumerations_read(text: str, canonical: str) -> None:
    tree = read(text, CHECK)
    assert ir.to_text(tree) == canonical
    assert read(canonical, CHECK) == tree


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("vwap * deviation", PRICE),
        ("deviation * vwap", PRICE),
        ("risk / vwap", SHARES),
        ("risk / position.qty", PRICE),
        ("position.qty * vwap", USD),
        ("vwap / bar.close", RATIO),
        ("vwap / 2", PRICE),
        ("2 * 3", RATIO),
        ("vwap + 1", PRICE),
        ("flat * deviation", DURATION),
        ("5", SHARES),
        ("-5", USD),
        ("min(vwap, 5)", PRICE),
        ("position.qty * deviation / 2 + 1", SHARES),
    ],
)
def test_units_multiply(text: str, unit: Unit) -> None:
    assert number(text, unit).unit == unit


def test_a_literal_takes_its_neighbours_unit() -> None:
    tree = read("-7 < today.pnl")
    assert isinstance(tree, ir.Compare)
    assert tree.left == ir.Negative(ir.Number("7", USD), USD)


# -- what is refused, and where -----------------------------------------------------------------

SYNTAX, LARGE = "EXPR_SYNTAX", "EXPR_TOO_LARGE"
BANNED, NAME, UNIT = "EXPR_NOT_ALLOWED", "EXPR_UNKNOWN_NAME", "EXPR_UNIT"
TYPE, MEMBER, REPEATS = "EXPR_TYPE", "EXPR_NOT_A_MEMBER", "EXPR_REPEATS_LIMIT"
ALWAYS = "EXPR_ALWAYS_KNOWN"

REFUSED: list[tuple[str, list[tuple[int, str]]]] = [
    # not an expression
    ("", [(0, SYNTAX)]),
    ("   ", [(3, SYNTAX)]),
    ("bar.close <", [(11, SYNTAX)]),
    ("  bar.close <", [(13, SYNTAX)]),
    ("bar.close = vwap", [(10, SYNTAX)]),
    ("a; b", [(1, SYNTAX)]),
    ("(vwap is known", [(0, SYNTAX)]),
    ("vwap is known)", [(13, SYNTAX)]),
    (" vwap is known) or (vwap is known", [(14, SYNTAX)]),
    ("import os", [(0, SYNTAX)]),
    ("x := 1", [(2, SYNTAX)]),
    ("vwap is known # or so", [(14, SYNTAX)]),
    ("vwap is known\n# and strategy.enabled", [(14, SYNTAX)]),
    ("bar.close < v\u0432ap", [(13, SYNTAX)]),
    ("bar.close \u2264 vwap", [(10, SYNTAX)]),
    ("vwap is known\x00", [(13, SYNTAX)]),
    ("vwap\tis known", [(4, SYNTAX)]),
    ("vwap is \\\nknown", [(9, SYNTAX)]),
    # numbers
    ("bar.close < 1_000", [(12, SYNTAX)]),
    ("bar.close < 1e3", [(12, SYNTAX)]),
    ("bar.close <\n 1e3", [(13, SYNTAX)]),
    ("bar.close < 0x10", [(12, SYNTAX)]),
    ("bar.close < .5", [(12, SYNTAX)]),
    ("bar.close < 5.", [(12, SYNTAX)]),
    ("bar.close < 1" + "0" * 15, [(12, SYNTAX)]),
    ("bar.close < 1." + "0" * 13, [(12, SYNTAX)]),
    ("bar.close < " + "9" * 1500, [(12, SYNTAX)]),
    ("bar.close < 1j", [(12, BANNED)]),
    ("bar.close < True", [(12, BANNED)]),
    ("bar.close < None", [(12, BANNED)]),
    ("bar.close < ...", [(12, BANNED)]),
    ("bar.close < '1'", [(12, BANNED)]),
    ("bar.close < b'1'", [(12, BANNED)]),
    ("bar.close < f'{vwap}'", [(12, BANNED)]),
    ("bar.close / 0 < vwap", [(12, BANNED)]),
    ("bar.close / 0.0 < vwap", [(12, BANNED)]),
    ("session.bars < 1.5", [(15, UNIT)]),
    ("today.pnl < 7.50", [(12, REPEATS)]),
    ("today.pnl < -7.5", [(13, REPEATS)]),
    ("position.qty > 900", [(15, REPEATS)]),
    # constructs
    ("True", [(0, BANNED)]),
    ("'vwap is known'", [(0, BANNED)]),
    ("lambda: 1", [(0, BANNED)]),
    ("(x := vwap) < 1", [(1, BANNED)]),
    ("(yield) < 1", [(1, BANNED)]),
    ("vwap if strategy.enabled else bar.close", [(0, BANNED)]),
    ("bar.close < (vwap if strategy.enabled else 1)", [(13, BANNED)]),
    ("[x for x in vwap]", [(0, BANNED)]),
    ("{vwap: 1}", [(0, BANNED)]),
    ("bar[0] < vwap", [(0, BANNED)]),
    ("bar.close.real < vwap", [(0, BANNED)]),
    ("bar.close.__class__ < vwap", [(0, BANNED)]),
    ("().__class__ < vwap", [(0, BANNED)]),
    ("bar.__class__ < vwap", [(0, NAME)]),
    ("__import__('os')", [(0, BANNED), (11, BANNED)]),
    ("eval(vwap) < 1", [(0, BANNED)]),
    ("strategy.enabled() < 1", [(0, BANNED)]),
    ("min(bar.close) < 1", [(0, BANNED)]),
    ("abs(bar.close, vwap) < 1", [(0, BANNED)]),
    ("abs() < 1", [(0, BANNED)]),
    ("min(bar.close, vwap, default=1) < 1", [(0, BANNED)]),
    ("min(*vwap) < 1", [(0, BANNED), (4, BANNED)]),
    ("min(1,2,3,4,5,6,7,8,9) < deviation", [(0, BANNED)]),
    ("bar.close ** 2 < vwap", [(0, BANNED)]),
    ("bar.close % 2 < vwap", [(0, BANNED)]),
    ("bar.close // 2 < vwap", [(0, BANNED)]),
    ("bar.close @ vwap < vwap", [(0, BANNED)]),
    ("+bar.close < vwap", [(0, BANNED)]),
    ("~bar.close < vwap", [(0, BANNED)]),
    ("strategy.enabled & position.is_open", [(0, BANNED), (0, TYPE), (19, TYPE)]),
    ("vwap is None", [(8, BANNED)]),
    ("vwap is knwon", [(8, BANNED)]),
    ("(vwap + 1) is known", [(1, BANNED)]),
    # names
    ("bar.clse < vwap", [(0, NAME)]),
    ("bar.close < vwpa", [(12, NAME)]),
    ("limits.lss > today.pnl", [(0, NAME)]),
    ("known is known", [(0, NAME)]),
    # yes or no
    ("bar.close", [(0, TYPE)]),
    ("bar.close + vwap", [(0, TYPE)]),
    ("-bar.close", [(0, TYPE)]),
    ("min(bar.close, vwap)", [(0, TYPE)]),
    ("5", [(0, TYPE)]),
    ("not bar.close", [(4, TYPE)]),
    ("strategy.enabled < vwap", [(0, TYPE)]),
    ("bar.close < strategy.enabled", [(12, TYPE)]),
    ("strategy.enabled == position.is_open", [(0, TYPE), (20, TYPE)]),
    ("bar.close < (vwap < 1)", [(13, TYPE)]),
    ("bar.close < (not vwap)", [(13, TYPE)]),
    ("window < vwap", [(0, TYPE)]),
    # units
    ("bar.close < deviation", [(12, UNIT)]),
    ("bar.close < risk", [(12, UNIT)]),
    ("session.bars < today.entries", [(15, UNIT)]),
    ("session.bars + most_trades < 3", [(15, UNIT)]),
    ("bar.close + deviation < vwap", [(12, UNIT)]),
    ("bar.close - risk < vwap", [(12, UNIT)]),
    ("risk * risk < 1", [(0, UNIT)]),
    ("bar.close / risk < 1", [(0, UNIT)]),
    ("session.bars * 2 < 4", [(0, UNIT)]),
    ("session.bars / least_bars < 4", [(0, UNIT)]),
    ("min(bar.close, deviation) < 1", [(15, UNIT)]),
    ("session.time_to_close < 300", [(24, UNIT)]),
    ("clock.time < 36000", [(13, UNIT)]),
    ("clock.time + clock.time < clock.time", [(0, UNIT)]),
    ("-clock.time < clock.time", [(1, UNIT)]),
    ("abs(clock.time) < clock.time", [(4, UNIT)]),
    ("clock.time < flat", [(13, UNIT)]),
    ("bar.close in window", [(0, UNIT)]),
    ("clock.time in vwap", [(14, UNIT)]),
    ("bar.close in vwap", [(0, UNIT), (13, UNIT)]),
    ("clock.time in 5", [(14, BANNED)]),
    ("bar.close in [1, 2]", [(0, TYPE)]),
    ("5 in window", [(0, BANNED)]),
    # questions with one answer
    ("strategy.enabled is known", [(0, ALWAYS)]),
    ("today.pnl is unknown", [(0, ALWAYS)]),
    ("deviation is unknown", [(0, ALWAYS)]),
    # size
    ("(" * (DEEPEST + 1) + "vwap", [(DEEPEST, LARGE)]),
    ("not " * (DEEPEST + 1) + "strategy.enabled", [(0, LARGE)]),
    ("-" * 500 + "vwap < 1", [(0, LARGE)]),
    ("vwap < 1" + " " * LONGEST_TEXT, [(0, LARGE)]),
    (" or ".join(["vwap < 1"] * (MOST_NODES // 4)), [(0, LARGE)]),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=lambda value: repr(value)[:50])
def test_what_is_refused_is_refused_at_its_place(
    text: str, expected: list[tuple[int, str]]
) -> None:
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("desk.state == ACTVE", [(14, MEMBER)]),
        ("desk.state == paper", [(14, MEMBER)]),
        ("desk.state == desk.profile", [(14, MEMBER)]),
        ("desk.state == 'ACTIVE'", [(14, MEMBER)]),
        ("desk.state in [ACTIVE, HLTED, HALTD]", [(23, MEMBER), (30, MEMBER)]),
        ("desk.state in []", [(14, BANNED)]),
        ("desk.state in [ACTIVE, HALTED, ACTIVE]", [(31, BANNED)]),
        ("desk.state in {ACTIVE}", [(14, BANNED)]),
        ("desk.state < ACTIVE", [(0, TYPE)]),
        ("desk.state", [(0, TYPE)]),
        ("desk.state + 1 < 2", [(0, TYPE)]),
        ("ACTIVE == desk.state", [(0, NAME), (10, TYPE)]),
        ("desk.sate == ACTIVE", [(0, NAME), (13, NAME)]),
        ("desk.state is known", [(0, ALWAYS)]),
    ],
)
def test_enumerations_are_refused_at_their_place(
    text: str, expected: list[tuple[int, str]]
) -> None:
    assert told(text, CHECK) == expected


def test_every_code_is_declared_and_has_a_case_here() -> None:
    codes = {code for _, expected in REFUSED for _, code in expected} | {MEMBER}
    assert codes == {*reading.CODES, *parsing.CODES}


def test_both_units_are_named() -> None:
    [problem] = refused("bar.close < deviation")
    assert "price" in problem.message
    assert "ratio" in problem.message
    assert "`deviation` is in ratio" in problem.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("bar.clse < vwap", "`bar.close`"),
        ("vwap is knwon", "`known`"),
        ("mni(vwap, 1) < 1", "`min`"),
        ("bar.close = vwap", "`==`"),
        ("bar.close < vwap && vwap is known", "`and`"),
        ("strategy.enabled || vwap is known", "`or`"),
    ],
)
def test_a_slip_gets_a_suggestion(text: str, hint: str) -> None:
    assert f"did you mean {hint}?" in [problem.hint for problem in refused(text)]


def test_a_repeated_limit_is_named_in_a_way_that_reads_here() -> None:
    assert refused("today.pnl < 7.5")[0].hint == "write `limits.loss`"
    assert refused("position.qty > 900")[0].hint == "declare a param with `value: limits.size`"


SEVERAL = [
    ("bar.clse < vwpa and today.pn > 3", [(0, NAME), (11, NAME), (20, NAME)]),
    ("bar.clse < vwap < bar.hgh", [(0, NAME), (18, NAME)]),
    ("bar.close < deviation < vwap", [(12, UNIT), (24, UNIT)]),
    ("min(bar.clse, vwpa, 1) < 1", [(4, NAME), (14, NAME)]),
    ("mni(bar.clse) < abs(vwpa, 1)", [(0, BANNED), (4, NAME), (16, BANNED), (20, NAME)]),
    ("bar.clse ** vwpa < 1", [(0, BANNED), (0, NAME), (12, NAME)]),
    ("bar.clse is knwon", [(0, NAME), (12, BANNED)]),
    ("clock.tme in windw", [(0, NAME), (13, NAME)]),
    ("not bar.close or min(vwpa, 1)", [(4, TYPE), (21, NAME)]),
    ("session.bars < 1.5 or today.pnl < 7.5", [(15, UNIT), (34, REPEATS)]),
]


@pytest.mark.parametrize(("text", "expected"), SEVERAL)
def test_several_problems_are_all_told(text: str, expected: list[tuple[int, str]]) -> None:
    assert told(text) == expected


def test_a_name_whose_declaration_is_wrong_adds_no_problem() -> None:
    problems = Problems()
    assert read_condition(plain("broken < 1"), scope(), problems, "r") is None
    assert not problems
    assert told("broken < vwpa") == [(9, NAME)]


def test_limits_that_could_not_be_read_add_no_problem() -> None:
    known = scope()
    known.undecided_owner = "limits"
    problems = Problems()
    assert read_condition(plain("today.pnl < limits.any"), known, problems, "r") is None
    assert not problems


def test_what_is_read_is_noted_as_used() -> None:
    known = scope()
    read_condition(plain("bar.close < vwap and clock.time in window"), known, Problems(), "r")
    assert known.used == {"bar.close", "vwap", "clock.time", "window"}


# -- places in YAML -----------------------------------------------------------------------------

PLACED = [
    ("when: bar.clse < vwap", (1, 7)),
    ("when: bar.close < vwpa", (1, 19)),
    ("when: 'bar.close < vwpa'", (1, 20)),
    ('when: "bar.close < vwpa"', (1, 20)),
    ("when: '  bar.close < vwpa'", (1, 22)),
    ("when: bar.close\n  < vwpa", (2, 5)),
    ("when: >-\n  bar.close\n  < vwpa\n", (3, 5)),
    ("when: |\n  bar.close\n   < vwpa\n", (3, 6)),
    ("when: |\n  bar.close <\n   1e3\n", (3, 4)),
    ("when:\n    bar.close < vwpa\n", (2, 17)),
    ("{when: bar.close < vwpa}", (1, 20)),
    ('when: "bar.close\\\n  < vwpa"', (2, 5)),
]


@pytest.mark.parametrize(("text", "place"), PLACED)
def test_places_hold_in_every_style_of_yaml(text: str, place: tuple[int, int]) -> None:
    problems = Problems()
    tree = load_text(text, "a.yaml", problems)
    assert tree is not None
    scalar = at(tree, "when")
    assert isinstance(scalar, Scalar)
    assert read_condition(scalar, scope(), problems, "r") is None
    assert [one.place[1:] for one in problems.sorted()] == [place]


# -- any text -----------------------------------------------------------------------------------

PIECES = [
    "bar.close", "vwap", "window", "clock.time", "desk.state", "strategy.enabled", "0", "1.5",
    "9" * 30, "(", ")", "[", "]", "{", "}", ",", " and ", " or ", " not ", " in ", " is ", "known",
    "unknown", "<", "<=", "==", "!=", "=", ":=", "+", "-", "*", "/", "**", "//", "%", "~", "@",
    "min(", "max(", "abs(", "floor(", "round(", "eval(", "lambda x: ", " if ", " else ", " for ",
    "'", '"', "f'", "\\", "\n", "\t", "\x00", "é", "#", ".", "...", "__class__", "None", "True",
    "await ", "yield ", "*", "1e9", "0x1", "1_0", "1j", ";", "print", "\ud800",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    st.tuples(st.sampled_from(PIECES), st.integers(1, 700)).map(lambda pair: pair[0] * pair[1]),
)


@settings(max_examples=1500, deadline=None)
@given(text=TEXTS)
@example(text="(" * 5000)
@example(text="-" * 5000)
@example(text="a" * 10**6)
@example(text="1" * 5000)
def test_any_text_is_a_tree_or_problems_and_soon(text: str) -> None:
    problems = Problems()
    quickest = 1.0
    for _ in range(3):  # a busy machine may take its time once
        began = time.process_time()
        tree = read_condition(plain(text), scope(), problems, "r")
        quickest = min(quickest, time.process_time() - began)
        if quickest < 0.05:
            break
    assert quickest < 0.05
    assert (tree is None) == problems.has_errors()
    for problem in problems.sorted():
        assert 0 <= problem.place.column - COLUMN <= len(text)
        assert problem.to_text()
    if tree is not None:
        assert read(ir.to_text(tree)) == tree


def test_nothing_slow_hides_in_pairs_of_pieces() -> None:
    for one, two in itertools.product(PIECES, PIECES):
        for text in ((one + two) * 19, one * 30 + "vwap" + two * 30):
            began = time.process_time()
            read_condition(plain(text), scope(), Problems(), "r")
            assert time.process_time() - began < 0.2, text


@given(st.integers(0, 10**15 - 1), st.integers(0, 10**12 - 1), st.integers(0, 3))
def test_normal_digits_keep_the_value(whole: int, fraction: int, zeros: int) -> None:
    text = f"{whole}.{fraction:012}" + "0" * zeros
    normal = normal_digits(text)
    assert Decimal(normal) == Decimal(text)
    assert normal_digits(normal) == normal
    assert "." not in normal or normal[-1] not in "0."


# -- trees, both ways ---------------------------------------------------------------------------

NAMES: list[ir.Name] = list(scope().names.values())
BY_UNIT = {
    unit.name: [name for name in NAMES if name.unit == unit and not name.members]
    for unit in UNITS.values()
}
FACTORS = {  # how a unit comes out of two others
    "price": [("*", PRICE, RATIO), ("*", RATIO, PRICE), ("/", USD, SHARES), ("/", PRICE, RATIO)],
    "usd": [("*", PRICE, SHARES), ("*", USD, RATIO), ("/", USD, RATIO)],
    "shares": [("/", USD, PRICE), ("*", RATIO, SHARES)],
    "ratio": [("/", PRICE, PRICE), ("*", RATIO, RATIO), ("/", USD, USD)],
    "duration": [("*", DURATION, RATIO)],
}
COMPARED = [PRICE, USD, SHARES, RATIO, DURATION, BARS, TRADES]
KNOWABLE = [name for name in NAMES if name_text(name)[1]]
DIGITS = ["2", "0.5", "3.25", "14"]


def random_number(chance: random.Random, unit: Unit, depth: int) -> ir.Numeric:
    """A tree that starts with a name on the left, so that every literal has a neighbour."""
    kind = chance.random()
    if depth <= 0 or kind < 0.35:
        return chance.choice(BY_UNIT[unit.name])
    if kind < 0.5 and unit.name in FACTORS:
        op, one, two = chance.choice(FACTORS[unit.name])
        left = random_number(chance, one, depth - 1)
        return ir.Arithmetic(op, left, random_number(chance, two, depth - 1), unit)
    if kind < 0.75:
        left = random_number(chance, unit, depth - 1)
        right = random_right(chance, unit, depth - 1)
        return ir.Arithmetic(chance.choice("+-"), left, right, unit)
    if kind < 0.85:
        return ir.Negative(random_number(chance, unit, depth - 1), unit)
    if kind < 0.93:
        function = chance.choice(["min", "max"])
        rest = [random_right(chance, unit, depth - 1) for _ in range(chance.randint(1, 3))]
        return ir.Call(function, (random_number(chance, unit, depth - 1), *rest), unit)
    function = chance.choice(["abs", "floor", "round"])
    return ir.Call(function, (random_number(chance, unit, depth - 1),), unit)


def random_right(chance: random.Random, unit: Unit, depth: int) -> ir.Numeric:
    if unit != DURATION and chance.random() < 0.3:
        whole = [text for text in DIGITS if "." not in text]
        return ir.Number(chance.choice(whole if unit.is_count else DIGITS), unit)
    return random_number(chance, unit, depth)


def random_condition(chance: random.Random, depth: int) -> ir.Logical:
    kind = chance.random()
    if depth > 0 and kind < 0.2:
        return ir.Not(random_condition(chance, depth - 1))
    if depth > 0 and kind < 0.6:
        parts = tuple(random_condition(chance, depth - 1) for _ in range(chance.randint(2, 3)))
        return ir.Both(parts) if kind < 0.4 else ir.Either(parts)
    if kind < 0.7:
        return ir.Truth(chance.choice(BY_UNIT["bool"]))
    if kind < 0.8:
        return ir.IsKnown(chance.choice(KNOWABLE), chance.random() < 0.5)
    if kind < 0.85:
        time_name = chance.choice(BY_UNIT["time_of_day"])
        window = chance.choice(BY_UNIT["exchange_time"])
        return ir.InWindow(time_name, window, chance.random() < 0.5)
    unit = chance.choice(COMPARED)
    op = chance.choice(["<", "<=", ">", ">=", "==", "!="])
    left = random_number(chance, unit, 2)
    return ir.Compare(op, left, random_right(chance, unit, 1), unit)


def trees(count: int, seed: int, depth: int = 3) -> Iterator[ir.Logical]:
    chance = random.Random(seed)
    for _ in range(count):
        yield random_condition(chance, depth)


def test_to_text_and_back_gives_the_same_tree() -> None:
    there_and_back = 0
    for tree in trees(3000, 1):
        text = ir.to_text(tree)
        if len(text) > LONGEST_TEXT or sum(1 for _ in ir.walk(tree)) > MOST_NODES // 4:
            continue
        assert read(text) == tree, text
        there_and_back += 1
    assert there_and_back > 2500


# -- three values -------------------------------------------------------------------------------

Values = dict[str, float | bool | tuple[int, int] | None]


def kleene(tree: ir.Logical, values: Values) -> bool | None:
    """What the tree is, by the truth tables; None is unknown. Written apart from the emitter."""
    match tree:
        case ir.Not(operand=operand):
            inside = kleene(operand, values)
            return None if inside is None else not inside
        case ir.Both(parts=parts):
            answers = [kleene(part, values) for part in parts]
            return False if False in answers else None if None in answers else True
        case ir.Either(parts=parts):
            answers = [kleene(part, values) for part in parts]
            return True if True in answers else None if None in answers else False
        case ir.IsKnown(subject=subject, negated=negated):
            return (values[subject.name] is None) == negated
        case ir.Truth(subject=subject):
            return bool(values[subject.name])
        case ir.InWindow(time=moment, window=window, negated=negated):
            start, end = values[window.name]  # type: ignore[misc]  # a window is two numbers
            return (start <= float(values[moment.name]) < end) != negated  # type: ignore[arg-type]  # always known
        case ir.Compare(op=op, left=left, right=right, unit=unit):
            one, two = value(left, values), value(right, values)
            return None if one is None or two is None else within(op, one - two, unit.tolerance)
    raise TypeError(tree)


def within(op: str, gap: float, tolerance: float) -> bool:
    if abs(gap) <= tolerance:
        return op in {"<=", ">=", "=="}
    return op == "!=" or op.rstrip("=") == ("<" if gap < 0 else ">")


def value(tree: ir.Numeric, values: Values) -> float | None:
    match tree:
        case ir.Number(text=text):
            return float(text)
        case ir.Name(name=name):
            found = values[name]
            return None if found is None else float(found)  # type: ignore[arg-type]  # no window here
        case ir.Negative(operand=operand):
            inside = value(operand, values)
            return None if inside is None else -inside
        case ir.Call(function=function, arguments=arguments, unit=unit):
            inside_all = [value(argument, values) for argument in arguments]
            known = [one for one in inside_all if one is not None]
            return called(function, known, unit) if len(known) == len(inside_all) else None
        case ir.Arithmetic(op=op, left=left, right=right):
            one, two = value(left, values), value(right, values)
            if one is None or two is None or (op == "/" and two == 0):
                return None
            return {"+": one + two, "-": one - two, "*": one * two, "/": two and one / two}[op]
    raise TypeError(tree)


def called(function: str, arguments: list[float], unit: Unit) -> float:
    match function:
        case "min":
            return min(arguments)
        case "max":
            return max(arguments)
        case "abs":
            return abs(arguments[0])
        case "floor":
            return float((arguments[0] + unit.tolerance) // 1)
        case _:
            return float((arguments[0] + 0.5 + unit.tolerance) // 1)


def random_values(chance: random.Random) -> Values:
    found: Values = {"window": (36_000, 41_400)}
    for name in NAMES:
        is_unknown = name in KNOWABLE and chance.random() < 0.5
        if name.unit.name == "bool":
            found[name.name] = chance.random() < 0.5
        elif name.unit != EXCHANGE_TIME:
            found[name.name] = (
                None if is_unknown else float(chance.choice([0, 1, 2, 3, 14, 36_000]))
            )
    return found


def compiled(tree: ir.Logical) -> tuple[list[str], dict[bool, Any]]:
    """The functions "certainly true?" and "possibly true?" of one tree."""
    names = list(ir.names(tree))
    arguments = arguments_of(names)
    asked: dict[bool, Any] = {}
    for possibly in (False, True):
        emitter = Emitter(name_text)
        answer = emitter.truth(tree, possibly=possibly)
        body = [f"    {line}" for line in [*emitter.lines, f"return {answer}"]]
        source = "\n".join([f"def ask({', '.join(arguments)}):", *body])
        asked[possibly] = run_source(source, "a test", {})["ask"]
    return arguments, asked


def test_the_code_says_what_the_truth_tables_say() -> None:
    chance = random.Random(2)
    answers: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for tree in trees(1500, 3, depth=2):
        arguments, asked = compiled(tree)
        for _ in range(25):
            values = random_values(chance)
            carried: dict[str, object] = {}
            for name in ir.names(tree):
                found = values[name.name]
                text, known = name_text(name)
                if name.unit == EXCHANGE_TIME:
                    carried[f"start_{text}"], carried[f"end_{text}"] = found  # type: ignore[misc]  # two numbers
                else:
                    carried[text] = float("nan") if found is None else found
                    carried.update(dict.fromkeys(known, found is not None))
            expected = kleene(tree, values)
            answers[expected] += 1
            given_ = [carried[argument] for argument in arguments]
            text = ir.to_text(tree)
            certain, possible = asked[False](*given_), asked[True](*given_)
            assert bool(certain) == (expected is True), (text, values)
            assert bool(possible) == (expected is not False), (text, values)
    assert min(answers.values()) > 1500


def test_every_fact_has_an_argument_of_its_own() -> None:
    arguments = [fact.argument for fact in FACTS.values()]
    assert len(set(arguments)) == len(arguments)
    marks = ("known_", "start_", "end_", "p_", "m_", "l_", "pv_", "volume_")
    assert not [name for name in arguments if name.startswith(marks)]
