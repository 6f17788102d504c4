"""The typed tree of an expression: our own intermediate form, the only thing code is made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mqd.ground.units import Unit


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; `unit` is the one it took from its neighbour."""

    text: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Name:
    """A fact, a param, a measure or a limit; `kind` tells which."""

    name: str
    kind: str
    unit: Unit
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Negative:
    """The number with its sign turned."""

    operand: Numeric
    unit: Unit


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, op one of + - * /."""

    op: str
    left: Numeric
    right: Numeric
    unit: Unit


@dataclass(frozen=True, slots=True)
class Call:
    """One of min, max, abs, floor, round."""

    function: str
    arguments: tuple[Numeric, ...]
    unit: Unit


Numeric = Number | Name | Negative | Arithmetic | Call


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, op one of < <= > >= == !=, compared within the unit's tolerance."""

    op: str
    left: Numeric
    right: Numeric
    unit: Unit


@dataclass(frozen=True, slots=True)
class InWindow:
    """A time of day inside a half-open window [start, end)."""

    time: Name
    window: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class InList:
    """An enum-valued fact that is one of the listed members."""

    subject: Name
    members: tuple[str, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class IsKnown:
    """Whether a name has a value now; never itself unknown."""

    subject: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """A yes-or-no fact on its own."""

    subject: Name


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; unknown stays unknown."""

    operand: Logical


@dataclass(frozen=True, slots=True)
class Both:
    """All of the parts; false as soon as one is false, whatever is unknown."""

    parts: tuple[Logical, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Any of the parts; true as soon as one is true, whatever is unknown."""

    parts: tuple[Logical, ...]


Logical = Compare | InWindow | InList | IsKnown | Truth | Not | Both | Either
Tree = Numeric | Logical


def children(node: Tree) -> tuple[Tree, ...]:
    """The parts of a node, left to right."""
    match node:
        case Negative(operand=operand) | Not(operand=operand):
            return (operand,)
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Call(arguments=arguments):
            return arguments
        case InWindow(time=time, window=window):
            return (time, window)
        case InList(subject=subject) | IsKnown(subject=subject) | Truth(subject=subject):
            return (subject,)
        case Both(parts=parts) | Either(parts=parts):
            return parts
        case _:
            return ()


def walk(node: Tree) -> Iterator[Tree]:
    """The node and everything under it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Tree) -> tuple[Name, ...]:
    """Every name the tree reads, in the order of first reading, each once."""
    return tuple(dict.fromkeys(part for part in walk(node) if isinstance(part, Name)))


_PRECEDENCE = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7}


def to_text(node: Tree) -> str:
    """The one way to write this tree, whatever the author's spacing: the digest is taken of it."""
    return _text(node, 0)


def _text(node: Tree, outer: int) -> str:
    match node:
        case Number(text=text):
            return text
        case Name(name=name) | Truth(subject=Name(name=name)):
            return name
        case Negative(operand=operand):
            return _wrap("-" + _text(operand, _PRECEDENCE["neg"]), _PRECEDENCE["neg"], outer)
        case Arithmetic(op=op, left=left, right=right):
            own = _PRECEDENCE[op]
            return _wrap(f"{_text(left, own)} {op} {_text(right, own + 1)}", own, outer)
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(_text(argument, 0) for argument in arguments)})"
        case Compare(op=op, left=left, right=right):
            own = _PRECEDENCE["compare"]
            return _wrap(f"{_text(left, own + 1)} {op} {_text(right, own + 1)}", own, outer)
        case _:
            return _logical_text(node, outer)


def _logical_text(node: Tree, outer: int) -> str:
    own = _PRECEDENCE["compare"]
    match node:
        case InWindow(time=time, window=window, negated=negated):
            return _wrap(f"{time.name} {'not in' if negated else 'in'} {window.name}", own, outer)
        case InList(subject=subject, members=members, negated=negated):
            if len(members) == 1:
                sign = "!=" if negated else "=="
                return _wrap(f"{subject.name} {sign} {members[0]}", own, outer)
            listed = ", ".join(members)
            word = "not in" if negated else "in"
            return _wrap(f"{subject.name} {word} [{listed}]", own, outer)
        case IsKnown(subject=subject, negated=negated):
            return _wrap(f"{subject.name} is {'unknown' if negated else 'known'}", own, outer)
        case Not(operand=operand):
            own = _PRECEDENCE["not"]
            return _wrap(f"not {_text(operand, own)}", own, outer)
        case Both(parts=parts) | Either(parts=parts):
            word = "and" if isinstance(node, Both) else "or"
            own = _PRECEDENCE[word]
            return _wrap(f" {word} ".join(_text(part, own + 1) for part in parts), own, outer)
        case _:
            raise TypeError(f"not a tree of ours: {node!r}")


def _wrap(text: str, own: int, outer: int) -> str:
    return f"({text})" if own < outer else text
