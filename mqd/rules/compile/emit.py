"""Python text for typed trees, written so that CPython and numba mean the same by it.

No None, text, Decimal or exception inside; one type per name; a known-flag beside every value
that can be unknown; division only behind a guard. A value that is not finite is unknown. Every
comparison carries its unit's tolerance. Unknowns are resolved here, when the code is written: a
condition is asked either "certainly true?" or "possibly true?", and neither asks a NaN.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mqd.ground.units import Unit
from mqd.rules.compile.arguments import Known, window_ends
from mqd.rules.expressions import ir
from mqd.rules.words.facts import LARGEST

LARGEST_WHOLE = 2**53

_CODE = re.compile(r"[A-Z0-9_-]{1,64}")


class Emitter:
    """Writes statements for trees of one function; equal parts are computed once."""

    def __init__(self, name_of: Callable[[ir.Name], tuple[str, Known]]) -> None:
        self.lines: list[str] = []
        self._name_of = name_of
        self._done: dict[ir.Numeric, tuple[str, Known]] = {}

    def number(self, node: ir.Numeric) -> tuple[str, Known]:
        """The text of a numeric tree, and the flags under which it has a value."""
        match node:
            case ir.Number(text=text, unit=unit):
                return literal(text, unit), ()
            case ir.Name():
                return self._name_of(node)
        if node not in self._done:
            self._done[node] = self._computed(node)
        return self._done[node]

    def truth(self, node: ir.Logical, *, possibly: bool) -> str:
        """The text of a condition: "certainly true?", or with `possibly` "not certainly false?"."""
        match node:
            case ir.Not(operand=operand):
                return f"(not {self.truth(operand, possibly=not possibly)})"
            case ir.Both(parts=parts):
                return _joined(" and ", [self.truth(part, possibly=possibly) for part in parts])
            case ir.Either(parts=parts):
                return _joined(" or ", [self.truth(part, possibly=possibly) for part in parts])
            case ir.IsKnown(subject=subject, negated=negated):
                known = " and ".join(self._name_of(subject)[1]) or "True"
                return f"(not ({known}))" if negated else f"({known})"
        text, known_flags = self._answer(node)
        if not known_flags:
            return text
        known = " and ".join(known_flags)
        return f"(not ({known}) or {text})" if possibly else f"({known} and {text})"

    # -- parts -------------------------------------------------------------------------------

    def _computed(self, node: ir.Numeric) -> tuple[str, Known]:
        match node:
            case ir.Negative(operand=operand):
                text, known = self.number(operand)
                return f"(-{text})", known
            case ir.Arithmetic(op=("+" | "-") as op, left=left, right=right):
                one, two = self.number(left), self.number(right)
                return f"({one[0]} {op} {two[0]})", _both(one[1], two[1])
            case ir.Arithmetic(op="*", left=left, right=right):
                one, two = self.number(left), self.number(right)
                return self._bounded(f"{one[0]} * {two[0]}", _both(one[1], two[1]))
            case ir.Arithmetic(left=left, right=right):
                one, two = self.number(left), self.number(right)
                divisor = self._held(two[0])
                return self._bounded(
                    f"{one[0]} / {divisor} if {divisor} != 0.0 else NAN", _both(one[1], two[1])
                )
            case ir.Call():
                return self._called(node)
        raise TypeError(f"not a number: {node!r}")

    def _called(self, node: ir.Call) -> tuple[str, Known]:
        parts = [self.number(argument) for argument in node.arguments]
        known: Known = ()
        for _, part_known in parts:
            known = _both(known, part_known)
        if node.function in {"min", "max"}:
            sign = "<=" if node.function == "min" else ">="
            held = self._held(parts[0][0])
            for text, _ in parts[1:]:
                other = self._held(text)
                held = self._held(f"{held} if {held} {sign} {other} else {other}")
            return held, known
        if node.function == "abs":
            return f"abs({parts[0][0]})", known
        half = 0.5 if node.function == "round" else 0.0
        inner = self._held(parts[0][0])
        whole = f"float(floor({inner} + {half + node.unit.tolerance!r}))"
        guard = f"-{LARGEST_WHOLE}.0 < {inner} < {LARGEST_WHOLE}.0"
        return self._bounded(f"{whole} if {guard} else NAN", known)

    def _bounded(self, text: str, known: Known) -> tuple[str, Known]:
        """A value that counts as known only while it is finite."""
        held = self._held(text)
        return held, (*known, f"-{LARGEST!r} < {held} < {LARGEST!r}")

    def _held(self, text: str) -> str:
        """A name for the text's value; a plain name stays as it is."""
        if text.isidentifier():
            return text
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def _answer(self, node: ir.Logical) -> tuple[str, Known]:
        match node:
            case ir.Compare(op=op, left=left, right=right, unit=unit):
                one, two = self.number(left), self.number(right)
                return compared(op, one[0], two[0], unit), _both(one[1], two[1])
            case ir.InWindow(time=time, window=window, negated=negated):
                text, known = self._name_of(time)
                start, end = window_ends(self._name_of(window)[0])
                inside = f"({start} <= {text} < {end})"
                return (f"(not {inside})" if negated else inside), known
            case ir.InList(subject=subject, members=members, negated=negated):
                text, known = self._name_of(subject)
                codes = [subject.members.index(member) for member in members]
                sign, word = ("!=", " and ") if negated else ("==", " or ")
                return _joined(word, [f"{text} {sign} {code}" for code in codes]), known
            case ir.Truth(subject=subject):
                return self._name_of(subject)
        raise TypeError(f"not a condition: {node!r}")


def compared(op: str, left: str, right: str, unit: Unit) -> str:
    """`left op right` within the unit's tolerance; counts and times compare exactly."""
    tolerance = unit.tolerance
    if not tolerance:
        return f"({left} {op} {right})"
    match op:
        case "<" | ">=":
            return f"({left} {op} {right} - {tolerance!r})"
        case ">" | "<=":
            return f"({left} {op} {right} + {tolerance!r})"
        case "==":
            return f"(abs({left} - {right}) <= {tolerance!r})"
        case _:
            return f"(abs({left} - {right}) > {tolerance!r})"


def comment(code: str) -> str:
    """A code for whoever reads the generated source; only what cannot end a comment."""
    return f"  # {code}" if _CODE.fullmatch(code) else ""


def literal(text: str, unit: Unit) -> str:
    """A number as Python text of the unit's type: whole for counts, float for all else."""
    if unit.is_count or unit.name == "duration":
        return str(int(text))
    return repr(float(text))


def _both(one: Known, two: Known) -> Known:
    return tuple(dict.fromkeys((*one, *two)))


def _joined(word: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"
