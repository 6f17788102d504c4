"""Reads an author's expression into our typed tree.

Python's parser gives the shape, a whitelist of its nodes gives the language: comparison, and,
or, not, + - * /, `in` a window or a list, `is known`/`is unknown`, and five functions. The text is
parsed, never compiled; what is not on the list is a problem at its exact place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from mqd.ground.units import BOOL, EXCHANGE_TIME, TIME_OF_DAY, Unit
from mqd.rules.expressions import ir
from mqd.rules.expressions.arithmetic import NumberReader, RefusedPart, dotted_name
from mqd.rules.expressions.parse import NotAnExpression, parse
from mqd.rules.expressions.scope import OTHERS, can_be_unknown
from mqd.rules.problems import Problems, did_you_mean

if TYPE_CHECKING:
    from mqd.rules.expressions.scope import Scope
    from mqd.rules.tree import Scalar

CODES = {
    "EXPR_NOT_ALLOWED": "The language has no such construct.",
    "EXPR_UNKNOWN_NAME": "Nobody declares this name.",
    "EXPR_UNIT": "Two units do not go together.",
    "EXPR_TYPE": "A yes-or-no value stands where a number is wanted, or the other way round.",
    "EXPR_NOT_A_MEMBER": "The enumerated fact has no such value.",
    "EXPR_REPEATS_LIMIT": "A literal repeats a declared limit; refer to the limit.",
    "EXPR_ALWAYS_KNOWN": "The question whether it is known has only one answer.",
}

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_COMPARE_IT = "compare it with a value of its unit, as in `position.qty > 0`"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
Part = TypeVar("Part")


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


def read_value(scalar: Scalar, scope: Scope, problems: Problems, rule: str) -> ir.Numeric | None:
    """The tree of an expression whose value may have any unit, or None when problems were noted."""
    reader = _Reader(scalar, scope, problems, rule)
    return reader.whole(reader.settled)


class _Reader(NumberReader):
    """Reads one expression, conditions and numbers."""

    def whole(self, read: Callable[[ast.expr], Part]) -> Part | None:
        """The tree that `read` makes of the text, or None when anything in it is wrong."""
        before = len(self.problems)
        body = parse(self.scalar.text)
        if isinstance(body, NotAnExpression):
            self.note(*body)
            for word in _WORD.findall(self.scalar.text):
                self.scope.read(word)  # what it names is not unused because of a slip beside it
            return None
        try:
            tree = read(body)
        except RefusedPart:
            return None
        return tree if len(self.problems) == before else None

    def logical(self, node: ast.expr) -> ir.Logical:
        """The yes-or-no tree of one node."""
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self.all(self.logical, values))
                return ir.Both(parts) if isinstance(op, ast.And) else ir.Either(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ir.Not(self.logical(operand))
            case ast.Compare():
                return self._comparison(node)
            case ast.Name() | ast.Attribute():
                name = self.name(node)
                if name.unit != BOOL:
                    message = f"`{name.name}` is in {name.unit.name}, not yes or no."
                    raise self.refused(node, "EXPR_TYPE", message, _COMPARE_IT)
                return ir.Truth(name)
            case _:
                self.number(node)
                message = "This is a number where yes or no is wanted."
                raise self.refused(node, "EXPR_TYPE", message, _COMPARE_IT)

    def _comparison(self, node: ast.Compare) -> ir.Logical:
        lefts = [node.left, *node.comparators[:-1]]
        pairs = zip(node.ops, lefts, node.comparators, strict=True)
        parts = self.all(lambda pair: self._pair(*pair), pairs)
        return parts[0] if len(parts) == 1 else ir.Both(tuple(parts))

    def _pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> ir.Logical:
        if isinstance(op, (ast.Is, ast.IsNot)):
            return self._known(op, left, right)
        if isinstance(op, (ast.In, ast.NotIn)):
            if isinstance(right, (ast.List, ast.Tuple)):
                return self._listed(op, left, right.elts, right)
            return self._inside(op, left, right)
        if self._is_enumerated(left):
            if not isinstance(op, (ast.Eq, ast.NotEq)):
                message = "A name can be compared with == or != only."
                hint = f"or write `{dotted_name(left)} in [...]` with the values that are meant"
                raise self.refused(left, "EXPR_TYPE", message, hint)
            subject = self.name(left)
            members = (self._member(subject, right),)
            return ir.InList(subject, members, isinstance(op, ast.NotEq))
        if isinstance(op, (ast.Eq, ast.NotEq)) and (word := _true_or_false(right)):
            found = self.scope.read(dotted_name(left) or "")
            if found is not None and found.unit == BOOL:
                meant = "" if (word == "true") == isinstance(op, ast.Eq) else "not "
                message = f"`{found.name}` is yes or no by itself."
                raise self.refused(right, "EXPR_TYPE", message, f"write `{meant}{found.name}`")
        one, two = self.together(left, right, "compared")
        return ir.Compare(_COMPARISONS[type(op)], one, two, one.unit)

    def _known(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> ir.Logical:
        word = right.id if isinstance(right, ast.Name) else ""
        if word not in {"known", "unknown"}:
            message = "`is` goes with `known` or `unknown` only."
            near = did_you_mean(word, ("known", "unknown"))
            hint = near if near.startswith("did you mean") else "write `is unknown` or `is known`"
            self.note_at(right, "EXPR_NOT_ALLOWED", message, hint)
        subject = self.name(left)
        if not can_be_unknown(subject):
            message = f"`{subject.name}` always has a value, so this says nothing."
            raise self.refused(left, "EXPR_ALWAYS_KNOWN", message, "remove the question")
        return ir.IsKnown(subject, (word == "unknown") != isinstance(op, ast.IsNot))

    def _listed(
        self, op: ast.cmpop, left: ast.expr, items: Sequence[ast.expr], whole: ast.expr
    ) -> ir.Logical:
        subject = self.name(left)
        if not subject.members:
            message = f"`{subject.name}` has no list of values."
            hint = "compare it with <, <=, ==, !=, >= or >"
            raise self.refused(left, "EXPR_TYPE", message, hint)
        members = self.all(lambda item: self._member(subject, item), items)
        if not members:
            hint = f"of {', '.join(subject.members)}, write those that are meant"
            raise self.refused(whole, "EXPR_NOT_ALLOWED", "Nothing stands in this list.", hint)
        for index, member in enumerate(members):
            if member in members[:index]:
                message = f"`{member}` stands in this list twice."
                raise self.refused(items[index], "EXPR_NOT_ALLOWED", message, "delete one")
        return ir.InList(subject, tuple(members), isinstance(op, ast.NotIn))

    def _inside(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> ir.Logical:
        subject, window = self.all(self.name, (left, right))
        if subject.unit != TIME_OF_DAY:
            message = f"`{subject.name}` is in {subject.unit.name}"
            message += "; only a time of day lies in a window."
            self.note_at(left, "EXPR_UNIT", message, "such as: clock.time in limits.entry_window")
        if window.unit != EXCHANGE_TIME:
            message = f"`{window.name}` is in {window.unit.name}, not a time window."
            hint = "name a param or a limit whose unit is exchange_time"
            self.note_at(right, "EXPR_UNIT", message, hint)
        return ir.InWindow(subject, window, isinstance(op, ast.NotIn))

    def _is_enumerated(self, node: ast.expr) -> bool:
        name = self.scope.names.get(dotted_name(node) or "")
        return name is not None and bool(name.members)

    def _member(self, subject: ir.Name, node: ast.expr) -> str:
        word = node.id if isinstance(node, ast.Name) else ""
        if word not in subject.members and OTHERS not in subject.members:
            message = f"`{subject.name}` is never `{ast.unparse(node)}`."
            hint = did_you_mean(word, subject.members)
            raise self.refused(node, "EXPR_NOT_A_MEMBER", message, hint)
        return word


def _true_or_false(node: ast.expr) -> str:
    """`true` or `false`, however an author writes it; empty for anything else."""
    word = ast.unparse(node).lower()
    return word if word in {"true", "false"} else ""
