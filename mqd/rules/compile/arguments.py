"""How a name in a tree becomes arguments of a generated function."""

from __future__ import annotations

from collections.abc import Iterable

from mqd.rules.book import Limit, Param, Window
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, LIMIT, MEASURE, ROW, can_be_unknown
from mqd.rules.words.facts import ENTRY_QTY, FACTS

Known = tuple[str, ...]
"""The flags that must all hold for a value to be known; empty means always known."""


def known_flag(argument: str) -> str:
    """The flag beside a value. No fact, param, measure or limit is called `known_...`."""
    return f"known_{argument}"


def window_ends(argument: str) -> tuple[str, str]:
    """The two arguments that carry a window; marks stand before names, where none can collide."""
    return f"start_{argument}", f"end_{argument}"


def name_text(name: ir.Name) -> tuple[str, Known]:
    """The Python name of a fact, param, measure or limit, and its known-flag where it has one."""
    if name.kind == FACT:
        if name.name == ENTRY_QTY.name:
            return ENTRY_QTY.argument, (known_flag(ENTRY_QTY.argument),)
        fact = FACTS[name.name]
        return fact.argument, (known_flag(fact.argument),) if fact.known else ()
    if name.kind == MEASURE:
        text = measure_text(name.name)
        return text, (known_flag(text),)
    if name.kind == ROW:
        text = f"r_{name.name}"
        return text, (known_flag(text),) if can_be_unknown(name) else ()
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
            found += window_ends(text)
        else:
            found += [text, *known]
    return found


def constants_of(items: Iterable[Param | Limit]) -> dict[str, float | int]:
    """The argument values of params and limits: ints for counts and windows, else floats."""
    found: dict[str, float | int] = {}
    for item in items:
        text = f"{'l_' if isinstance(item, Limit) else 'p_'}{item.name}"
        if isinstance(item.value, Window):
            start, end = window_ends(text)
            found[start], found[end] = item.value.start_s, item.value.end_s
        else:
            found[text] = int(item.value) if item.unit.is_count else float(item.value)
    return found
