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
from mqd.ground.units import DURATION, NUMBER, PRICE, RATIO, SHARES, TIME_OF_DAY, USD, Unit
from mqd.rules.book import Limit, Param, Value, Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.expressions import ir
from mqd.rules.words.phrases import ANSWERS, NUMBERS, OF_ROWS, SINGULAR

_RELATIONS = {
    "<": "{be} below {}",
    "<=": "{be} at or below {}",
    ">": "{be} above {}",
    ">=": "{be} at or above {}",
    "==": "{be} {}",
    "!=": "{be} not {}",
}
_OF_TIMES = {
    "<": "{be} before {}",
    "<=": "{be} at or before {}",
    ">": "{be} after {}",
    ">=": "{be} at or after {}",
}
_OF_DURATIONS = {
    "<": "{be} less than {}",
    "<=": "{be} {} or less",
    ">": "{be} more than {}",
    ">=": "{be} {} or more",
}
_OF_COUNTS = {
    "<": "{be} fewer than {}",
    "<=": "{be} {} or fewer",
    ">": "{be} more than {}",
    ">=": "{be} {} or more",
}
_OF_COUNTS_BY_OTHERS = {
    "<": "{be} fewer than {}",
    "<=": "{be} at most {}",
    ">": "{be} more than {}",
    ">=": "{be} at least {}",
}
_INITIALS = 4  # a measure with so short a name is read as initials: VWAP, ATR
_SPELT = {"pnl": "P&L"}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
_WORDS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_FUNCTIONS = {
    "abs": "the size of",
    "floor": "the whole part of",
    "round": "the nearest whole number to",
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
                return f"minus {self._within(operand, 2)}"
            case ir.Arithmetic():
                return self._arithmetic(tree)
            case ir.Call(function="min" | "max" as function, arguments=arguments):
                return self._extreme(function, arguments)
            case ir.Call(function=function, arguments=(argument,)):
                return f"{_FUNCTIONS[function]} {self._within(argument, 2)}"
        raise TypeError(f"not a number: {tree!r}")

    # -- clauses -----------------------------------------------------------------------------

    def _clause(self, tree: ir.Logical, *, negated: bool) -> str:
        match tree:
            case ir.Not(operand=operand):
                return self._clause(operand, negated=not negated)
            case ir.Both(parts=parts) | ir.Either(parts=parts):
                return self._joined(tree, parts, negated=negated)
            case ir.Compare():
                return self._comparison(tree, negated=negated)
            case ir.Truth(subject=subject):
                return ANSWERS[subject.name][1 if negated else 0]
            case ir.IsKnown(subject=subject):
                known = tree.negated == negated
                return f"{self._name(subject)} {_be(subject)} {'known' if known else 'not known'}"
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

    def _joined(
        self, tree: ir.Both | ir.Either, parts: tuple[ir.Logical, ...], *, negated: bool
    ) -> str:
        word = "and" if isinstance(tree, ir.Both) != negated else "or"
        if all(isinstance(part, ir.IsKnown) for part in parts):
            known = [part for part in parts if isinstance(part, ir.IsKnown)]
            if len({part.negated for part in known}) == 1:
                is_known = known[0].negated == negated
                names = _listed([self._name(part.subject) for part in known], word)
                be = "are" if word == "and" or _be(known[-1].subject) == "are" else "is"
                return f"{names} {be} {'known' if is_known else 'not known'}"
        said: list[str] = []
        before = ""
        for part in parts:
            clause = self._clause(part, negated=negated)
            subject = self._subject(part)
            if isinstance(part, ir.Both | ir.Either):
                clause = f"({clause})"
            elif subject and subject == before:
                clause = clause.removeprefix(f"{subject} ")  # the subject has just been said
            said.append(clause)
            before = subject
        return f", {word} ".join(said)

    def _subject(self, tree: ir.Logical) -> str:
        """What a plain clause is about; empty where it has no one name for it."""
        match tree:
            case ir.Not(operand=operand):
                return self._subject(operand)
            case ir.Compare(left=ir.Name() as name) | ir.IsKnown(subject=name):
                return self._name(name)
            case ir.InList(subject=name) | ir.InWindow(time=name):
                return self._name(name)
        return ""

    def _comparison(self, tree: ir.Compare, *, negated: bool) -> str:
        op = _OPPOSITE[tree.op] if negated else tree.op
        left, right = self.number(tree.left), self.number(tree.right)
        words = _RELATIONS
        if tree.unit == TIME_OF_DAY:
            words = _OF_TIMES
        elif tree.unit == DURATION:
            words = _OF_DURATIONS
        elif _be(tree.left) == "are":
            # "today's entries are 1 or more": the noun has been said, so the unit goes.
            right = self._bare(tree.right)
            words = _OF_COUNTS if self._is_declared(tree.right) else _OF_COUNTS_BY_OTHERS
        return f"{left} {words.get(op, _RELATIONS[op]).format(right, be=_be(tree.left))}"

    # -- numbers -----------------------------------------------------------------------------

    def _arithmetic(self, tree: ir.Arithmetic) -> str:
        changed = _changed_by_share(tree)
        if changed is not None:
            whole, word, share = changed
            return f"{self._within(whole, 2)} {word} {self._within(share, 2)}"
        part = self._part_of(tree)
        if part is not None:
            share, whole = part
            return f"{self.number(share)} of {self._within(whole, 3)}"
        own = _PRECEDENCE[tree.op]
        left = self._within(tree.left, own)
        right = self._within(tree.right, own + 1)
        return f"{left} {_WORDS[tree.op]} {right}"

    def _part_of(self, tree: ir.Arithmetic) -> tuple[ir.Numeric, ir.Numeric] | None:
        """`x * 0.3 %` is "0.3 % of x"; a factor of 1 or more is said as "times"."""
        if tree.op != "*":
            return None
        for share, whole in ((tree.right, tree.left), (tree.left, tree.right)):
            match share:
                case ir.Name(name=name, unit=unit) if unit == RATIO and name in self._values:
                    return share, whole
                case ir.Number(text=text, unit=unit) if unit == RATIO and Decimal(text) < 1:
                    return share, whole
        return None

    def _within(self, tree: ir.Numeric, outer: int) -> str:
        """A part of a larger phrase, in parentheses where it would be read otherwise."""
        match tree:
            case ir.Number(text=text, unit=unit) if unit == RATIO and Decimal(text) >= 1:
                return decimal_text(Decimal(text))  # a factor, not a share
            case ir.Arithmetic(op=op):
                if self._part_of(tree) is not None:
                    return self.number(tree)  # "0.3 % of the close" is read as one thing
                own = 1 if _changed_by_share(tree) else _PRECEDENCE[op]
                said = self.number(tree)
                return f"({said})" if own < outer else said
        return self.number(tree)

    def _extreme(self, function: str, arguments: tuple[ir.Numeric, ...]) -> str:
        smallest, largest = (
            ("smaller", "larger") if len(arguments) == 2 else ("smallest", "largest")
        )
        said = [self.number(argument) for argument in arguments]
        simple = all(isinstance(argument, ir.Name | ir.Number) for argument in arguments)
        listed = _listed(said, "and") if simple else f"{', '.join(said[:-1])}, and {said[-1]}"
        return f"the {smallest if function == 'min' else largest} of {listed}"

    def _is_declared(self, tree: ir.Numeric) -> bool:
        return isinstance(tree, ir.Number) or (
            isinstance(tree, ir.Name) and tree.name in self._values
        )

    def _bare(self, tree: ir.Numeric) -> str:
        """A declared count without its noun: "20 (`vwap_min_bars`)"."""
        match tree:
            case ir.Number(text=text):
                return digits_text(Decimal(text))
            case ir.Name(name=name) if name in self._values:
                value, _ = self._values[name]
                if isinstance(value, Decimal):
                    return f"{digits_text(value)} (`{name}`)"
        return self.number(tree)

    def _name(self, name: ir.Name) -> str:
        if name.name in self._values:
            value, unit = self._values[name.name]
            return f"{value_text(value, unit)} (`{name.name}`)"
        if name.name in NUMBERS:
            return NUMBERS[name.name]
        if name.name in ANSWERS:
            return f"whether {ANSWERS[name.name][0]}"
        if name.name in OF_ROWS:
            return OF_ROWS[name.name]
        if len(name.name) <= _INITIALS and name.name.isalpha():
            return f"the {name.name.upper()}"
        return f"the {' '.join(_SPELT.get(word, word) for word in name.name.split('_'))}"


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
    if unit in {USD, PRICE}:
        return f"{money_text(value)} USD"
    if unit == NUMBER:
        return digits_text(value)
    noun = unit.name.removesuffix("s") if value == 1 else unit.name
    return f"{digits_text(value)} {noun}"


def digits_text(value: Decimal) -> str:
    """Exact digits with the thousands set apart: 1,000 or 0.001."""
    whole, point, digits = decimal_text(value).partition(".")
    return f"{int(whole):,}{point}{digits}" if abs(value) >= 1_000 else f"{whole}{point}{digits}"


def money_text(value: Decimal) -> str:
    """USD with cents where there are any: 10, 1.50, 0.0001."""
    whole, point, digits = digits_text(value).partition(".")
    return f"{whole}.{digits:0<2}" if point else whole


def _duration_text(seconds: int) -> str:
    for size, word in ((3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if count != 1 else ''}"
    return "no time"


def _changed_by_share(tree: ir.Arithmetic) -> tuple[ir.Numeric, str, ir.Numeric] | None:
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


def _be(tree: ir.Numeric) -> str:
    """The verb for what is counted (bars, trades, shares), or for a single quantity."""
    if not isinstance(tree, ir.Name) or tree.name in SINGULAR:
        return "is"
    counted = (tree.unit.is_count and tree.unit != TIME_OF_DAY) or tree.unit == SHARES
    return "are" if counted else "is"


def _listed(words: Iterable[str], last: str) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}"
