"""Reads an author's expression into our typed tree.

Python's parser gives the shape, a whitelist of its nodes gives the language: comparison, and,
or, not, + - * /, `in` a window or a list, `is known`/`is unknown`, and five functions. The text is
parsed, never compiled; what is not on the list is a problem at its exact place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from mqd.ground.units import (
    BOOL, DURATION, EXCHANGE_TIME, RATIO, TEXT, TIME_OF_DAY, Unit, product, quotient,
)  # fmt: skip
from mqd.rules.expressions import ir
from mqd.rules.expressions.parse import NotAnExpression, parse
from mqd.rules.expressions.scope import UNDECIDED
from mqd.rules.problems import Problems, did_you_mean

if TYPE_CHECKING:
    from mqd.rules.expressions.scope import Scope
    from mqd.rules.tree import Scalar

FUNCTIONS = {"min": (2, 8), "max": (2, 8), "abs": (1, 1), "floor": (1, 1), "round": (1, 1)}

CODES = {
    "EXPR_NOT_ALLOWED": "The language has no such construct.",
    "EXPR_UNKNOWN_NAME": "Nobody declares this name.",
    "EXPR_UNIT": "Two units do not go together.",
    "EXPR_TYPE": "A yes-or-no value stands where a number is wanted, or the other way round.",
    "EXPR_NOT_A_MEMBER": "The enumerated fact has no such value.",
    "EXPR_REPEATS_LIMIT": "A literal repeats a declared limit; refer to the limit.",
}

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_FREE = Unit("number")
Part = TypeVar("Part")


class _Refused(Exception):
    """This part is wrong and the problem is noted; the parts beside it are still read."""


def read_condition(
    scalar: Scalar, scope: Scope, problems: Problems, rule: str
) -> ir.Logical | None:
    """The yes-or-no tree of an expression, or None when problems were noted."""
    reader = _Reader(scalar, scope, problems, rule)
    return reader.whole(reader.logical)


def read_number(
    scalar: Scalar, unit: Unit, scope: Scope, problems: Problems, rule: str
) -> ir.Numeric | None:
    """The tree of an expression whose value has this unit, or None when problems were noted."""
    reader = _Reader(scalar, scope, problems, rule)
    return reader.whole(lambda body: reader.number_in(unit, body))


class _Reader:
    """Reads one expression; every problem it finds is at its place inside the text."""

    def __init__(self, scalar: Scalar, scope: Scope, problems: Problems, rule: str) -> None:
        self.scalar = scalar
        self.scope = scope
        self.problems = problems
        self.rule = rule

    def whole(self, read: Callable[[ast.expr], Part]) -> Part | None:
        """The tree that `read` makes of the text, or None when anything in it is wrong."""
        before = len(self.problems)
        body = parse(self.scalar.text)
        if isinstance(body, NotAnExpression):
            self._note(body.offset, body.code, body.message, body.hint)
            return None
        try:
            tree = read(body)
        except _Refused:
            return None
        return tree if len(self.problems) == before else None

    def number_in(self, wanted: Unit, body: ast.expr) -> ir.Numeric:
        """The numeric tree of the whole text, in the unit wanted."""
        tree = self._settle(self._numeric(body), wanted, body)
        if tree.unit != wanted:
            self._refuse(
                body, "EXPR_UNIT", f"This is in {tree.unit.name}, expected {wanted.name}."
            )
        return tree

    # -- yes or no ---------------------------------------------------------------------------

    def logical(self, node: ast.expr) -> ir.Logical:
        """The yes-or-no tree of one node."""
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self._all(self.logical, values))
                return ir.Both(parts) if isinstance(op, ast.And) else ir.Either(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ir.Not(self.logical(operand))
            case ast.Compare():
                return self._comparison(node)
            case ast.Name() | ast.Attribute():
                name = self._name(node)
                if name.unit != BOOL:
                    self._refuse(
                        node, "EXPR_TYPE", f"`{name.name}` is in {name.unit.name}, not yes or no.",
                        "compare it with something",
                    )  # fmt: skip
                return ir.Truth(name)
            case ast.Constant() | ast.BinOp() | ast.Call() | ast.UnaryOp():
                self._refuse(
                    node, "EXPR_TYPE", "This is a number where yes or no is wanted.",
                    "compare it with something",
                )  # fmt: skip
            case _:
                self._not_allowed(node)

    def _comparison(self, node: ast.Compare) -> ir.Logical:
        parts: list[ir.Logical] = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self._pair(op, left, right))
            left = right
        return parts[0] if len(parts) == 1 else ir.Both(tuple(parts))

    def _pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> ir.Logical:
        if isinstance(op, (ast.Is, ast.IsNot)):
            return self._known(op, left, right)
        if isinstance(op, (ast.In, ast.NotIn)):
            return self._membership(isinstance(op, ast.NotIn), left, right)
        if self._is_enumerated(left):
            members = (self._member(self._name(left), right),)
            if not isinstance(op, (ast.Eq, ast.NotEq)):
                self._refuse(left, "EXPR_TYPE", "A name can be compared with == or != only.")
            return ir.InList(self._name(left), members, isinstance(op, ast.NotEq))
        one, two = self._together(left, right, "compared")
        return ir.Compare(_COMPARISONS[type(op)], one, two, one.unit)

    def _known(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> ir.Logical:
        word = right.id if isinstance(right, ast.Name) else ""
        if word not in {"known", "unknown"}:
            self._refuse(
                right, "EXPR_NOT_ALLOWED", "`is` goes with `known` or `unknown` only.",
                did_you_mean(word, ("known", "unknown")),
            )  # fmt: skip
        return ir.IsKnown(self._name(left), (word == "unknown") != isinstance(op, ast.IsNot))

    def _membership(self, negated: bool, left: ast.expr, right: ast.expr) -> ir.Logical:
        subject = self._name(left)
        if isinstance(right, (ast.List, ast.Tuple)):
            if not subject.members:
                self._refuse(left, "EXPR_TYPE", f"`{subject.name}` has no list of values.")
            return ir.InList(
                subject, tuple(self._member(subject, item) for item in right.elts), negated
            )
        window = self._name(right)
        if subject.unit != TIME_OF_DAY:
            self._refuse(
                left, "EXPR_UNIT",
                f"`{subject.name}` is in {subject.unit.name}; only a time of day lies in a window.",
            )  # fmt: skip
        if window.unit != EXCHANGE_TIME:
            self._refuse(
                right, "EXPR_UNIT", f"`{window.name}` is in {window.unit.name}, not a time window."
            )
        return ir.InWindow(subject, window, negated)

    def _is_enumerated(self, node: ast.expr) -> bool:
        name = self.scope.names.get(_dotted(node) or "")
        return name is not None and bool(name.members)

    def _member(self, subject: ir.Name, node: ast.expr) -> str:
        word = node.id if isinstance(node, ast.Name) else ""
        if word not in subject.members:
            self._refuse(
                node, "EXPR_NOT_A_MEMBER", f"`{subject.name}` is never `{ast.unparse(node)}`.",
                did_you_mean(word, subject.members),
            )  # fmt: skip
        return word

    # -- numbers -----------------------------------------------------------------------------

    def _numeric(self, node: ast.expr) -> ir.Numeric:
        match node:
            case ast.Constant(value=bool() | str() | bytes() | complex() | None):
                self._not_allowed(node)
            case ast.Constant(value=value) if isinstance(value, (int, float)):
                return self._literal(node, value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._numeric(operand)
                return ir.Negative(inner, inner.unit)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return self._arithmetic(node, _ARITHMETIC[type(op)], left, right)
            case ast.Call():
                return self._call(node)
            case ast.Name() | ast.Attribute():
                name = self._name(node)
                if not name.unit.is_number or name.members:
                    self._refuse(
                        node, "EXPR_TYPE", f"`{name.name}` is {name.unit.name}, not a number."
                    )
                return name
            case ast.Compare() | ast.BoolOp():
                self._refuse(node, "EXPR_TYPE", "This is yes or no where a number is wanted.")
            case _:
                self._not_allowed(node)

    def _literal(self, node: ast.expr, value: float) -> ir.Number:
        text = ast.get_source_segment(self.scalar.text, node) or repr(value)
        if not text.replace(".", "", 1).isdigit() or len(text) > 20:
            self._refuse(node, "EXPR_SYNTAX", "Write a number in plain digits, such as 12 or 0.003.")
        return ir.Number(normal_digits(text), _FREE)

    def _arithmetic(
        self, node: ast.expr, op: str, left: ast.expr, right: ast.expr
    ) -> ir.Numeric:
        if op in "+-":
            one, two = self._together(left, right, "added" if op == "+" else "subtracted")
            return ir.Arithmetic(op, one, two, one.unit)
        one, two = self._all(self._numeric, (left, right))
        one_unit, two_unit = (RATIO if part.unit == _FREE else part.unit for part in (one, two))
        unit = (product if op == "*" else quotient)(one_unit, two_unit)
        if unit is None:
            verb = "multiplied" if op == "*" else "divided"
            self._refuse(
                node, "EXPR_UNIT", f"{one_unit.name} and {two_unit.name} cannot be {verb}.",
                "the result would have no unit that the language knows",
            )  # fmt: skip
        one, two = self._settle(one, one_unit, left), self._settle(two, two_unit, right)
        return ir.Arithmetic(op, one, two, unit)

    def _call(self, node: ast.Call) -> ir.Numeric:
        function = node.func.id if isinstance(node.func, ast.Name) else ""
        if function not in FUNCTIONS:
            self._refuse(
                node, "EXPR_NOT_ALLOWED", f"There is no function `{ast.unparse(node.func)}`.",
                did_you_mean(function, FUNCTIONS),
            )  # fmt: skip
        fewest, most = FUNCTIONS[function]
        if node.keywords or not fewest <= len(node.args) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            self._refuse(node, "EXPR_NOT_ALLOWED", f"`{function}` takes {wanted} values.")
        arguments = list(self._all(self._numeric, node.args))
        unit = next((item.unit for item in arguments if item.unit != _FREE), RATIO)
        settled = [
            self._settle(item, unit, source)
            for item, source in zip(arguments, node.args, strict=True)
        ]
        for item, source in zip(settled, node.args, strict=True):
            if item.unit != unit:
                self._refuse(
                    source, "EXPR_UNIT",
                    f"{unit.name} and {item.unit.name} cannot stand in one `{function}`.",
                )  # fmt: skip
        return ir.Call(function, tuple(settled), unit)

    def _together(
        self, left: ast.expr, right: ast.expr, verb: str
    ) -> tuple[ir.Numeric, ir.Numeric]:
        one, two = self._all(self._numeric, (left, right))
        unit = one.unit if one.unit != _FREE else two.unit
        unit = RATIO if unit == _FREE else unit
        one, two = self._settle(one, unit, left), self._settle(two, unit, right)
        if one.unit != two.unit:
            self._refuse(
                right, "EXPR_UNIT", f"{one.unit.name} and {two.unit.name} cannot be {verb}.",
                f"`{ir.to_text(one)}` is in {one.unit.name}, `{ir.to_text(two)}` in {two.unit.name}",
            )  # fmt: skip
        return one, two

    def _settle(self, tree: ir.Numeric, unit: Unit, node: ast.expr) -> ir.Numeric:
        """Give the free literals of `tree` their neighbour's unit."""
        if tree.unit != _FREE:
            return tree
        if unit in {TIME_OF_DAY, DURATION}:
            self._refuse(
                node, "EXPR_UNIT", f"A bare number has no unit; {unit.name} is wanted here.",
                "declare a param with its unit and name it",
            )  # fmt: skip
        match tree:
            case ir.Number(text=text):
                self._check_limit(node, text, unit)
                return ir.Number(text, unit)
            case ir.Negative(operand=operand):
                inner = node.operand if isinstance(node, ast.UnaryOp) else node
                return ir.Negative(self._settle(operand, unit, inner), unit)
            case ir.Arithmetic(op=op, left=left, right=right):
                return ir.Arithmetic(
                    op, self._settle(left, unit, node), self._settle(right, unit, node), unit
                )
            case ir.Call(function=function, arguments=arguments):
                return ir.Call(
                    function, tuple(self._settle(item, unit, node) for item in arguments), unit
                )
        return tree

    def _check_limit(self, node: ast.expr, text: str, unit: Unit) -> None:
        limit = self.scope.limit_values.get((unit.name, normal_digits(text)))
        if limit is not None:
            self._note_at(
                node, "EXPR_REPEATS_LIMIT", f"{text} {unit.name} is a declared limit, said twice.",
                f"write `limits.{limit}`",
            )  # fmt: skip

    # -- names and notes ---------------------------------------------------------------------

    def _name(self, node: ast.expr) -> ir.Name:
        dotted = _dotted(node)
        if dotted is None:
            self._not_allowed(node)
        found = self.scope.read(dotted)
        if found is not None and found.unit == UNDECIDED:
            raise _Refused  # the declaration itself has a problem; one is enough
        if found is None:
            self._refuse(
                node, "EXPR_UNKNOWN_NAME", f"There is no `{dotted}` here.",
                did_you_mean(dotted, self.scope.names),
            )  # fmt: skip
        return found

    def _all(self, read: Callable[[ast.expr], Part], nodes: Iterable[ast.expr]) -> list[Part]:
        """Every part, read even when one before it is wrong, so that all problems show at once."""
        found: list[Part] = []
        failed = False
        for node in nodes:
            try:
                found.append(read(node))
            except _Refused:
                failed = True
        if failed:
            raise _Refused
        return found

    def _not_allowed(self, node: ast.expr) -> NoReturn:
        self._refuse(
            node, "EXPR_NOT_ALLOWED", f"The language has no {_word_for(node)}.",
            "comparisons, and, or, not, + - * /, in, is known, is unknown, "
            "min, max, abs, floor, round",
        )  # fmt: skip

    def _refuse(self, node: ast.expr, code: str, message: str, hint: str = "") -> NoReturn:
        self._note_at(node, code, message, hint)
        raise _Refused

    def _note_at(self, node: ast.expr, code: str, message: str, hint: str = "") -> None:
        self._note(node.col_offset, code, message, hint)

    def _note(self, offset: int, code: str, message: str, hint: str = "") -> None:
        self.problems.add(self.scalar.place_at(offset), self.rule, code, message, hint)


def _dotted(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return f"{owner}.{attribute}"
        case _:
            return None


def _word_for(node: ast.expr) -> str:
    return {
        "Constant": "such literal",
        "Pow": "power",
        "Subscript": "subscript",
        "Lambda": "function of its own",
        "IfExp": "if-else",
        "NamedExpr": "assignment",
        "JoinedStr": "text",
        "Attribute": "attribute of an attribute",
        "Call": "such call",
        "BinOp": "such operator",
        "UnaryOp": "such operator",
    }.get(type(node).__name__, type(node).__name__.lower())


def normal_digits(text: str) -> str:
    """Plain digits without needless zeros: 0.0030 -> 0.003, 1.50 -> 1.5, 007 -> 7."""
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = text.lstrip("0")
    return "0" + text if not text or text.startswith(".") else text
