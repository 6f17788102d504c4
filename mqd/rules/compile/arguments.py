"""How a name in a tree becomes arguments of a generated function."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mqd.rules.book import Limit, Param, Value, Window
from mqd.rules.compile.emit import Known
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, LIMIT, MEASURE
from mqd.rules.words.facts import ENTRY_QTY, FACTS


def name_text(name: ir.Name) -> tuple[str, Known]:
    """The Python name of a fact, param, measure or limit, and its known-flag where it has one."""
    if name.kind == FACT:
        if name.name == ENTRY_QTY.name:
            return ENTRY_QTY.argument, (f"{ENTRY_QTY.argument}_known",)
        fact = FACTS[name.name]
        return fact.argument, (f"{fact.argument}_known",) if fact.known else ()
    if name.kind == MEASURE:
        return measure_text(name.name), (f"{measure_text(name.name)}_known",)
    if name.kind == LIMIT:
        return name.name.replace("limits.", "l_"), ()
    return f"p_{name.name}", ()


def measure_text(name: str) -> str:
    """The Python name of a measure; the prefix keeps authors' names apart from all others."""
    return f"m_{name}"


def arguments_of(names: Iterable[ir.Name]) -> list[str]:
    """The argument list that carries these names: values, then flags, windows as two."""
    found: list[str] = []
    for name in names:
        text, known = name_text(name)
        if name.unit.name == "exchange_time":
            found += [f"{text}_start", f"{text}_end"]
        else:
            found += [text, *known]
    return found


def constants_of(items: Iterable[Param | Limit]) -> dict[str, float | int]:
    """The argument values of params and limits: whole numbers for counts and durations."""
    found: dict[str, float | int] = {}
    for item in items:
        prefix = "l_" if isinstance(item, Limit) else "p_"
        if isinstance(item.value, Window):
            found[f"{prefix}{item.name}_start"] = item.value.start_s
            found[f"{prefix}{item.name}_end"] = item.value.end_s
        else:
            found[f"{prefix}{item.name}"] = number_of(item.value, item.unit.is_count)
    return found


def number_of(value: Value, is_count: bool) -> float | int:
    """A declared number as a generated function takes it."""
    assert isinstance(value, Decimal)
    return int(value) if is_count else float(value)
