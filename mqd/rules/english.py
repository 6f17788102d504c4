"""An expression as a sentence a trader reads without effort, with its values and units.

    bar.close >= vwap * (1 - entry_deviation_pct)
    the close is at or above the VWAP less 0.3 % (`entry_deviation_pct`)

The sentence is made from the typed tree that the desk runs, so it cannot say something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mqd.ground.canonical import decimal_text
from mqd.ground.times import clock_text
from mqd.ground.units import DURATION, PRICE, RATIO, SHARES, TIME_OF_DAY, USD, Unit
from mqd.rules.book import Limit, Param, Value, Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.expressions import ir
from mqd.rules.words.phrases import ANSWERS, NUMBERS

_RELATIONS = {
    "<": "is below",
    "<=": "is at or below",
    ">": "is above",
    ">=": "is at or above",
    "==": "is",
    "!=": "is not",
}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_COUNT_RELATIONS = {
    "<": "are fewer than {}",
    "<=": "are {} or fewer",
    ">": "are more than {}",
    ">=": "are {} or more",
    "==": "are {}",
    "!=": "are not {}",
}


class English:
    """Says trees; knows the values of the params and limits that the trees name."""

    def __init__(self, params: Iterable[Param] = (), limits: Iterable[Limit] = ()) -> None:
        self._values: dict[str, tuple[Value, Unit]] = {
            **{param.name: (param.value, param.unit) for param in params},
            **{PREFIX + limit.name: (limit.value, limit.unit) for limit in limits},
        }

    def sentence(self, tree: ir.Logical) -> str:
        """The condition as a sentence, with a capital and a full stop."""
        said = self.condition(tree)
        return f"{said[:1].upper()}{said[1:]}."

    def condition(self, tree: ir.Logical) -> str:
        """The condition as a clause."""
        return self._clause(tree, negated=False)

    def number(self, tree: ir.Numeric) -> str:
        """The numeric tree as a phrase."""
        match tree:
            case ir.Number(text=text, unit=unit):
                return value_text(Decimal(text), unit)
            case ir.Name():
                return self._name(tree)
            case ir.Negative(operand=operand):
                return f"minus {self.number(operand)}"
            case ir.Arithmetic():
                return self._arithmetic(tree)
            case ir.Call(function="min", arguments=arguments):
                return f"the smallest of {_listed(map(self.number, arguments), 'and')}"
            case ir.Call(function="max", arguments=arguments):
                return f"the largest of {_listed(map(self.number, arguments), 'and')}"
            case ir.Call(function=function, arguments=(argument,)):
                word = {"abs": "the size of", "floor": "the whole part of"}.get(
                    function, "the nearest whole of"
                )
                return f"{word} {self.number(argument)}"
        raise TypeError(f"not a number: {tree!r}")

    # -- clauses -----------------------------------------------------------------------------

    def _clause(self, tree: ir.Logical, *, negated: bool) -> str:
        match tree:
            case ir.Not(operand=operand):
                return self._clause(operand, negated=not negated)
            case ir.Both(parts=parts) | ir.Either(parts=parts):
                word = "and" if isinstance(tree, ir.Both) != negated else "or"
                return f", {word} ".join(self._clause(part, negated=negated) for part in parts)
            case ir.Compare():
                return self._comparison(tree, negated=negated)
            case ir.Truth(subject=subject):
                return ANSWERS[subject.name][1 if negated else 0]
            case ir.IsKnown(subject=subject):
                known = tree.negated == negated
                return f"{self._name(subject)} is {'known' if known else 'not known'}"
            case ir.InWindow(time=time, window=window):
                inside = tree.negated == negated
                return (
                    f"{self._name(time)} is {'inside' if inside else 'outside'} "
                    f"{self._name(window)}"
                )
            case ir.InList(subject=subject, members=members):
                inside = tree.negated == negated
                return (
                    f"{self._name(subject)} is {'' if inside else 'not '}{_listed(members, 'or')}"
                )
        raise TypeError(f"not a condition: {tree!r}")

    def _comparison(self, tree: ir.Compare, *, negated: bool) -> str:
        op = _OPPOSITE[tree.op] if negated else tree.op
        left, right = self.number(tree.left), self.number(tree.right)
        if (tree.unit.is_count and tree.unit != TIME_OF_DAY) or tree.unit == SHARES:
            # "today's entries are 1 or more": the noun has been said, so the unit goes.
            bare = right.replace(f" {tree.unit.name}", "").replace(f" {tree.unit.name[:-1]}", "")
            return f"{left} {_COUNT_RELATIONS[op].format(bare)}"
        return f"{left} {_RELATIONS[op]} {right}"

    # -- numbers -----------------------------------------------------------------------------

    def _arithmetic(self, tree: ir.Arithmetic) -> str:
        share = _share(tree)
        if share is not None:
            whole, word, part = share
            return f"{self.number(whole)} {word} {self.number(part)}"
        word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[tree.op]
        left, right = self.number(tree.left), self.number(tree.right)
        if isinstance(tree.right, ir.Arithmetic):
            right = f"({right})"
        return f"{left} {word} {right}"

    def _name(self, name: ir.Name) -> str:
        if name.name in self._values:
            value, unit = self._values[name.name]
            return f"{value_text(value, unit)} (`{name.name}`)"
        if name.name in NUMBERS:
            return NUMBERS[name.name]
        return f"the {name.name.upper() if len(name.name) <= 4 else name.name.replace('_', ' ')}"


def value_text(value: Value, unit: Unit) -> str:
    """A value with its unit: 0.003 -> 0.3 %, 10 -> 10 USD, 300 s -> 5 minutes."""
    if isinstance(value, Window):
        return f"{clock_text(value.start_s)}-{clock_text(value.end_s)}"
    if unit == RATIO:
        return f"{decimal_text(value * 100)} %"
    if unit == DURATION:
        return _duration_text(int(value))
    if unit == TIME_OF_DAY:
        return clock_text(int(value))
    digits = decimal_text(value)
    if unit in {USD, PRICE}:
        return f"{digits} USD"
    if unit == SHARES:
        return f"{digits} shares"
    return f"{digits} {unit.name[:-1] if value == 1 else unit.name}"


def _duration_text(seconds: int) -> str:
    for size, word in ((3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if count != 1 else ''}"
    return "no time"


def _share(tree: ir.Arithmetic) -> tuple[ir.Numeric, str, ir.Numeric] | None:
    """`x * (1 - share)` is "x less share", `x * (1 + share)` is "x plus share"."""
    match tree:
        case ir.Arithmetic(
            op="*",
            left=whole,
            right=ir.Arithmetic(
                op=("+" | "-") as op, left=ir.Number(text="1"), right=part, unit=unit
            ),
        ) if unit == RATIO:
            return whole, "less" if op == "-" else "plus", part
    return None


def _listed(words: Iterable[str], last: str) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}"
