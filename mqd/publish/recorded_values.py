"""The values that a rule read on one bar, from what the journal kept; nothing is computed anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mqd.ground.canonical import decimal_text
from mqd.ground.times import clock_text
from mqd.ground.units import DURATION, RATIO, Unit
from mqd.model.event import BarClosed
from mqd.publish.figures import (
    FactValue,
    Shown,
    duration_text,
    exact,
    fact_text,
    number_text,
    ratio_text,
)
from mqd.rules.book import Condition, Limit, Param, Value, Window
from mqd.rules.compile.question import Given
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, LIMIT, PARAM
from mqd.rules.words.facts import ENTRY_QTY

NOT_KEPT = "not in the record"
BAR_VALUES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class RecordedValues:
    """Where the value of a name comes from.

    `sizing` names what the entry's size is computed from; `entry_qty` is that size where an order
    tells it.
    """

    facts: Mapping[str, FactValue]
    params: Mapping[str, Param]
    limits: Mapping[str, Limit]
    sizing: tuple[ir.Name, ...] = ()
    entry_qty: Decimal | None = None

    def of(self, tree: ir.Logical) -> tuple[Shown, ...]:
        """Every value that a condition reads; for a size that was not kept, what it is made of."""
        names: list[ir.Name] = []
        for name in ir.names(tree):
            names.append(name)
            if name.name == ENTRY_QTY.name and self.entry_qty is None:
                names += self.sizing
        return tuple(self._one(name) for name in dict.fromkeys(names))

    def reads_unknown(self, tree: ir.Logical) -> bool:
        """Whether the answer itself was unknown, as far as the record shows it.

        Inside `and` and `or` an unknown part need not matter: there the mask alone is believed.
        """
        if isinstance(tree, ir.IsKnown | ir.Both | ir.Either):
            return False
        if isinstance(tree, ir.Not):
            return self.reads_unknown(tree.operand)
        return any(self.facts.get(name.name, 0) is None for name in ir.names(tree))

    def _one(self, name: ir.Name) -> Shown:
        unit = name.unit.name
        if name.kind == PARAM:
            return _declared(name.name, self.params[name.name])
        if name.kind == LIMIT:
            return _declared(name.name, self.limits[name.name.removeprefix("limits.")])
        if name.name == ENTRY_QTY.name and self.entry_qty is not None:
            text = decimal_text(self.entry_qty)
            return Shown(name.name, unit, text, f"{text} shares")
        if name.name not in self.facts:
            return Shown(name.name, unit, None, NOT_KEPT)
        value = self.facts[name.name]
        members = name.members if name.kind == FACT else ()
        return Shown(name.name, unit, value, fact_text(value, name.unit, members))


def bar_facts(bar: BarClosed) -> dict[str, FactValue]:
    """The bar's own numbers as facts; one that is no number is unknown."""
    return {f"bar.{name}": finite(getattr(bar, name)) for name in BAR_VALUES}


def told_by_answers(rules: Iterable[Condition], true: Collection[str]) -> dict[str, FactValue]:
    """The yes-or-no facts that the answers tell: of the conditions that are such a fact alone."""
    found: dict[str, FactValue] = {}
    for rule in rules:
        match rule.when:
            case ir.Truth(subject=subject):
                found[subject.name] = rule.code in true
            case ir.Not(operand=ir.Truth(subject=subject)):
                found[subject.name] = rule.code not in true
    return found


def finite(value: float) -> float | None:
    """The value, or None for one that is not a number."""
    return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124  # not a number


def given_text(value: Given, name: ir.Name) -> str:
    """A value of this name as people read it, whether it was recorded or is imagined."""
    if name.kind in {PARAM, LIMIT} and value is not None:
        if isinstance(value, Window):
            return declared_text(value, name.unit)
        return declared_text(exact(value), name.unit)
    assert not isinstance(value, Window)
    members = name.members if name.kind == FACT else ()
    return fact_text(value, name.unit, members)


def declared_text(value: Value, unit: Unit) -> str:
    """A value of a param or limit: 0.003 (0.3 %), 10 USD, 5m, 10:00-11:30."""
    if isinstance(value, Window):
        return f"{clock_text(value.start_s)}-{clock_text(value.end_s)}"
    if unit == DURATION:
        return duration_text(int(value))
    if unit == RATIO:
        return ratio_text(value)
    word = {"usd": "USD", "price": ""}.get(unit.name, unit.name)
    return f"{number_text(value)} {word.removesuffix('s') if value == 1 else word}".rstrip()


def _declared(name: str, item: Param | Limit) -> Shown:
    """A number that the rules declare."""
    text = declared_text(item.value, item.unit)
    plain = text if isinstance(item.value, Window) else decimal_text(item.value)
    return Shown(name, item.unit.name, plain, text)
