"""The numeric half of reading an expression: names, literals and arithmetic with their units.

Every part beside a wrong one is still read, so that one look shows all that is wrong.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from mqd.ground.units import DURATION, PRICE, RATIO, SHARES, TIME_OF_DAY, Unit, product, quotient
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import UNDECIDED
from mqd.rules.problems import Problems, did_you_mean
from mqd.rules.words.facts import FACTS

if TYPE_CHECKING:
    from mqd.rules.expressions.scope import Scope
    from mqd.rules.tree import Scalar

FUNCTIONS = {"min": (2, 8), "max": (2, 8), "abs": (1, 1), "floor": (1, 1), "round": (1, 1)}

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
}  # fmt: skip
_FREE = Unit("number")
_JOIN_IT = "join yes-or-no parts with `and`, `or` and `not`"
_WHERE_NAMES_ARE = "the glossary has the facts; declare a param or a measure in this file"
_ZERO = "divide by the number that is meant"
_MAKES = {
    SHARES: "usd / price gives shares, such as risk_dollars / bar.close",
    PRICE: "price * ratio gives a price, such as bar.close * (1 - stop_loss_pct)",
}
_DIGITS = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
_WORDS: dict[type[ast.AST], str] = {
    ast.Attribute: "attribute of an attribute",
    ast.BinOp: "such operator",
    ast.Constant: "such literal",
    ast.IfExp: "if-else",
    ast.JoinedStr: "text",
    ast.Lambda: "function of its own",
    ast.NamedExpr: "assignment",
    ast.UnaryOp: "such sign",
}
Item = TypeVar("Item")
Part = TypeVar("Part")


class RefusedPart(Exception):
    """This part is wrong and the problem is noted; the parts beside it are still read."""


class NumberReader:
    """Reads the numbers of one expression; every problem is at its place inside the text."""

    def __init__(self, scalar: Scalar, scope: Scope, problems: Problems, rule: str) -> None:
        self.scalar = scalar
        self.scope = scope
        self.problems = problems
        self.rule = rule

    def number_in(self, wanted: Unit, body: ast.expr) -> ir.Numeric:
        """The numeric tree of the whole text, in the unit wanted."""
        tree = self._settle(self.number(body), wanted, body)
        if tree.unit != wanted:
            message = f"This is in {tree.unit.name}, expected {wanted.name}."
            hint = _MAKES.get(wanted, "multiply or divide until the units come out")
            raise self.refused(body, "EXPR_UNIT", message, hint)
        return tree

    def settled(self, body: ast.expr) -> ir.Numeric:
        """The numeric tree of the whole text, in whatever unit it comes out."""
        tree = self.number(body)
        return self._settle(tree, RATIO if tree.unit == _FREE else tree.unit, body)

    def number(self, node: ast.expr) -> ir.Numeric:
        """The numeric tree of one node; its literals may still lack a unit."""
        match node:
            case ast.Constant(value=bool() | str() | bytes() | complex() | None):
                raise self.not_allowed(node)
            case ast.Constant(value=int() | float()):
                return self._literal(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._calculable(self.number(operand), operand)
                return ir.Negative(inner, inner.unit)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Call():
                return self._call(node)
            case ast.Name() | ast.Attribute():
                name = self.name(node)
                if not name.unit.is_number or name.members:
                    message = f"`{name.name}` is {name.unit.name}, not a number."
                    raise self.refused(node, "EXPR_TYPE", message, _JOIN_IT)
                return name
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                message = "This is yes or no where a number is wanted."
                raise self.refused(node, "EXPR_TYPE", message, _JOIN_IT)
            case _:
                raise self.not_allowed(node)

    def together(self, left: ast.expr, right: ast.expr, verb: str) -> tuple[ir.Numeric, ir.Numeric]:
        """Two numbers of one unit; a bare literal takes the unit of the other."""
        one, two = self.all(self.number, (left, right))
        unit = one.unit if one.unit != _FREE else two.unit
        unit = RATIO if unit == _FREE else unit
        parts = ((one, left), (two, right))
        one, two = self.all(lambda part: self._settle(part[0], unit, part[1]), parts)
        if one.unit != two.unit:
            message = f"{one.unit.name} and {two.unit.name} cannot be {verb}."
            hint = f"{_described(one)}, {_described(two)}{_share_of(one, two, verb)}"
            raise self.refused(right, "EXPR_UNIT", message, hint)
        return one, two

    def _literal(self, node: ast.Constant) -> ir.Number:
        text = self.scalar.text[node.col_offset : node.end_col_offset]
        if not _DIGITS.fullmatch(text):
            hint = "at most 15 digits before the point and 12 after it"
            message = "Write a number in plain digits, such as 12 or 0.003."
            raise self.refused(node, "EXPR_SYNTAX", message, hint)
        return ir.Number(normal_digits(text), _FREE)

    def _arithmetic(self, node: ast.BinOp) -> ir.Numeric:
        op = _ARITHMETIC.get(type(node.op))
        if op is None:
            refused = self.not_allowed(node)
            self.all(self.number, (node.left, node.right))
            raise refused
        if op in "+-":
            one, two = self.together(node.left, node.right, "added" if op == "+" else "subtracted")
            self._calculable(one, node.left)
            return ir.Arithmetic(op, one, two, one.unit)
        return self._scaled(node, op)

    def _scaled(self, node: ast.BinOp, op: str) -> ir.Numeric:
        one, two = self.all(self.number, (node.left, node.right))
        one_unit, two_unit = (RATIO if part.unit == _FREE else part.unit for part in (one, two))
        unit = (product if op == "*" else quotient)(one_unit, two_unit)
        if unit is None:
            verb = "multiplied" if op == "*" else "divided"
            message = f"{one_unit.name} and {two_unit.name} cannot be {verb}."
            hint = "the result would have no unit that the language knows"
            raise self.refused(node, "EXPR_UNIT", message, hint)
        if op == "/" and isinstance(two, ir.Number) and not Decimal(two.text):
            raise self.refused(
                node.right, "EXPR_NOT_ALLOWED", "Nothing can be divided by 0.", _ZERO
            )
        parts = ((one, one_unit, node.left), (two, two_unit, node.right))
        one, two = self.all(lambda part: self._settle(*part), parts)
        return ir.Arithmetic(op, one, two, unit)

    def _call(self, node: ast.Call) -> ir.Numeric:
        function = node.func.id if isinstance(node.func, ast.Name) else ""
        fewest, most = FUNCTIONS.get(function, (0, 99))
        if function not in FUNCTIONS:
            message = f"There is no function `{ast.unparse(node.func)}`."
            self.note_at(node, "EXPR_NOT_ALLOWED", message, did_you_mean(function, FUNCTIONS))
        elif node.keywords or not fewest <= len(node.args) <= most:
            wanted = "one value" if fewest == most else f"{fewest} to {most} values"
            self.note_at(
                node,
                "EXPR_NOT_ALLOWED",
                f"`{function}` takes {wanted}.",
                "such as: min(bar.open, bar.close), abs(position.qty)",
            )
        arguments = self.all(self.number, node.args)
        if function not in FUNCTIONS or node.keywords or not fewest <= len(arguments) <= most:
            raise RefusedPart
        unit = next((item.unit for item in arguments if item.unit != _FREE), RATIO)
        settled = self.all(
            lambda part: self._alike(function, part[0], unit, part[1]),
            zip(arguments, node.args, strict=True),
        )
        return ir.Call(function, tuple(settled), unit)

    def _alike(self, function: str, tree: ir.Numeric, unit: Unit, node: ast.expr) -> ir.Numeric:
        """One argument of a call, in the unit of all of them."""
        tree = self._calculable(self._settle(tree, unit, node), node)
        if tree.unit != unit:
            message = f"{unit.name} and {tree.unit.name} cannot stand in one `{function}`."
            hint = f"bring all of them to {unit.name}"
            raise self.refused(node, "EXPR_UNIT", message, hint)
        return tree

    def _calculable(self, tree: ir.Numeric, node: ast.expr) -> ir.Numeric:
        if tree.unit == TIME_OF_DAY:
            message = "A time of day lies in a window or not; nothing can be calculated with it."
            raise self.refused(
                node, "EXPR_UNIT", message, "use a duration, such as session.time_to_close"
            )
        return tree

    def _settle(self, tree: ir.Numeric, unit: Unit, node: ast.expr) -> ir.Numeric:
        """The tree with its neighbour's unit, if it is a bare literal that has none of its own."""
        if tree.unit != _FREE:
            return tree
        if isinstance(tree, ir.Negative):
            inner = node.operand if isinstance(node, ast.UnaryOp) else node
            return ir.Negative(self._settle(tree.operand, unit, inner), unit)
        assert isinstance(tree, ir.Number), "only a literal comes without a unit"
        if unit in {TIME_OF_DAY, DURATION}:
            message = f"A bare number has no unit; {unit.name} is wanted here."
            raise self.refused(
                node, "EXPR_UNIT", message, "declare a param with its unit and name it"
            )
        if unit.is_count and "." in tree.text:
            message = f"{tree.text} is not whole, and {unit.name} are."
            raise self.refused(node, "EXPR_UNIT", message, "write a whole number")
        self._check_limit(node, tree.text, unit)
        return ir.Number(tree.text, unit)

    def _check_limit(self, node: ast.expr, text: str, unit: Unit) -> None:
        limit = self.scope.limit_values.get((unit.name, text))
        if limit is not None:
            name = f"limits.{limit}"
            known = self.scope.read(name) is not None
            hint = f"write `{name}`" if known else f"declare a param with `value: {name}`"
            message = f"{text} {unit.name} is a declared limit, said twice."
            self.note_at(node, "EXPR_REPEATS_LIMIT", message, hint)

    # -- names and notes ---------------------------------------------------------------------

    def name(self, node: ast.expr) -> ir.Name:
        """The declared name that a node writes."""
        dotted = dotted_name(node)
        if dotted is None:
            raise self.not_allowed(node)
        found = self.scope.read(dotted)
        if found is None:
            message = f"There is no `{dotted}` here."
            # The slip may as well stand at the declaration, so that one is told as unused too.
            hint = did_you_mean(dotted, self.scope.names) or _WHERE_NAMES_ARE
            if dotted in FACTS:
                hint = "a fact, but not of these rules; the glossary says which may read it"
            raise self.refused(node, "EXPR_UNKNOWN_NAME", message, hint)
        if found.unit == UNDECIDED:
            raise RefusedPart  # the declaration itself has a problem; one is enough
        return found

    def all(self, read: Callable[[Item], Part], items: Iterable[Item]) -> list[Part]:
        """Every part, read even when one before it is wrong, so that all problems show at once."""
        found: list[Part] = []
        failed = False
        for item in items:
            try:
                found.append(read(item))
            except RefusedPart:
                failed = True
        if failed:
            raise RefusedPart
        return found

    def not_allowed(self, node: ast.expr) -> RefusedPart:
        """Note a construct that the language does not have; to be raised."""
        word = _WORDS.get(type(node), type(node).__name__.lower())
        self.note_at(
            node, "EXPR_NOT_ALLOWED", f"The language has no {word}.",
            "comparisons, and, or, not, + - * /, in, is known, is unknown, "
            "min, max, abs, floor, round",
        )  # fmt: skip
        return RefusedPart()

    def refused(self, node: ast.expr, code: str, message: str, hint: str = "") -> RefusedPart:
        """Note a problem at a node; to be raised, which gives this part up."""
        self.note_at(node, code, message, hint)
        return RefusedPart()

    def note_at(self, node: ast.expr, code: str, message: str, hint: str = "") -> None:
        """Note a problem at the first character of a node."""
        self.note(node.col_offset, code, message, hint)

    def note(self, offset: int, code: str, message: str, hint: str = "") -> None:
        """Note a problem at a character of the text."""
        self.problems.add(self.scalar.place_at(offset), self.rule, code, message, hint)


def dotted_name(node: ast.expr) -> str | None:
    """`name` or `owner.name` as text, or None for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return f"{owner}.{attribute}"
        case _:
            return None


def normal_digits(text: str) -> str:
    """Plain digits without needless zeros: 0.0030 -> 0.003, 1.50 -> 1.5, 007 -> 7."""
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = text.lstrip("0")
    return "0" + text if not text or text.startswith(".") else text


def _share_of(one: ir.Numeric, two: ir.Numeric, verb: str) -> str:
    """What adding or taking away a share of something is written as."""
    sign = {"added": "+", "subtracted": "-"}.get(verb)
    if sign is None or two.unit != RATIO or not isinstance(two, ir.Name):
        return ""
    return f"; a share of it is `{ir.to_text(one)} * (1 {sign} {two.name})`"


def _described(tree: ir.Numeric) -> str:
    return f"`{ir.to_text(tree)}` is in {tree.unit.name}"
