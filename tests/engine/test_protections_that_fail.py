"""A protection that raises, whichever part of it: entries are blocked, a person hears, exits go."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mqd.engine.core import Engine
from mqd.model.command import SubmitOrder
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.compile.protections import CompiledProtection
from mqd.rules.validate import load_rules
from tests.engine.conftest import Bench

ROOT = Path(__file__).resolve().parents[2]
BOOK_CODES = tuple(sorted(path.stem for path in (ROOT / "rules/protections").glob("*.yaml")))
EVERY = tuple(name for name in BOOK_CODES if name != "lifecycle")
SIZES = ("half_size", "quarter_size")


@cache
def book() -> RuleBook:
    return load_rules(
        ROOT / "rules", Changes(values={"max_trades_per_day": "5"}, protections=EVERY)
    )


def raises(*_: object) -> Any:
    raise ZeroDivisionError("inside")


def with_broken(name: str, part: str) -> CompiledBook:
    """The rules, with one part of one protection that raises whenever it is asked."""
    compiled = compile_book(book())
    protections = compiled.protections
    every = tuple(
        broken(each, part) if each.rules.id == name else each for each in protections.every
    )
    ids = {each.rules.id for each in protections.at_once}
    at_once = tuple(each for each in every if each.rules.id in ids)
    change: dict[str, Any] = {"every": every, "at_once": at_once}
    if name in ids and part in {"possible", "certain"}:  # they are asked with one question
        change[part] = replace(getattr(protections, part), evaluate=raises)
    return replace(compiled, protections=replace(protections, **change))


def broken(each: CompiledProtection, part: str) -> CompiledProtection:
    change: dict[str, Any] = {part: raises}
    if part in {"keeps", "value"}:
        return replace(
            each,
            measures=tuple(replace(measure, **change) for measure in each.measures),
        )
    return replace(each, **change)


def parts_of(name: str) -> list[str]:
    """What of a protection is a function that the desk calls."""
    (each,) = [item for item in compile_book(book()).protections.every if item.rules.id == name]
    found = ["possible", "certain"]
    found += ["keeps"] if any(measure.keeps for measure in each.measures) else []
    found += ["value"] if any(measure.value for measure in each.measures) else []
    return found + (["ends"] if each.ends is not None else [])


CASES = [(name, part) for name in EVERY for part in parts_of(name)]


@pytest.mark.case(118)
@pytest.mark.rule("PROTECTION_ERROR")
@pytest.mark.parametrize(("name", "part"), CASES)
def test_case_118_whatever_raises_inside_a_protection_no_step_fails_and_no_exit_waits(name, part):
    """A trade before, so that there is something to count; then a dip, a position and its stop."""
    bench = Bench(book())
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.fill(exit_id, price="98.2")  # more than half of the daily loss
    bench.engine = Engine.of(with_broken(name, part))
    bench.state.look_again_ns = 0
    for minute in range(2, 6):
        bench.bar(bench.ten + minute, 99.0)
    is_asked = bool(bench.incidents())
    if is_asked:
        assert set(bench.incidents()) == {"ProtectionError"}
        assert bench.decision().outcome == "REFUSED"
        assert "PROTECTION_ERROR" in bench.check_codes()
    bench.close()
    bench.open(1)  # what ends with a day or a week is asked now
    held = Bench(book())
    held.holding()
    held.engine = bench.engine
    held.state.look_again_ns = 0
    outcome = held.bar(held.ten + 1, 98.0)
    assert [each.side for each in outcome.commands if isinstance(each, SubmitOrder)] == ["sell"]
    if part in {"possible", "keeps", "value"}:
        assert is_asked
