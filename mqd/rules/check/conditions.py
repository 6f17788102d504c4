"""Lists of conditions keyed by their code."""

from __future__ import annotations

from mqd.ground.units import Unit
from mqd.rules.book import Condition
from mqd.rules.check.document import Document
from mqd.rules.expressions import ir
from mqd.rules.expressions.read import read_condition, read_number
from mqd.rules.expressions.scope import FACT, Scope
from mqd.rules.words.facts import facts_in


def fact_scope(kind: str, members: dict[str, tuple[str, ...]] | None = None) -> Scope:
    """The facts a rule of this kind may read; `members` gives the values of enumerated ones."""
    scope = Scope()
    for name, fact in facts_in(kind).items():
        scope.add(name, FACT, fact.unit, (members or {}).get(name, fact.members))
    return scope


def read_conditions(
    document: Document, path: tuple[str, ...], scope: Scope, on_unknown: str, key: str = "when"
) -> tuple[Condition, ...]:
    """Every condition of the mapping at `path`, in the author's order, the wrong ones left out.

    The expression of each stands under `key`.
    """
    found = [
        read_one(document, (*path, code.text), key, scope, on_unknown, code.text)
        for code, _ in document.pairs(*path)
    ]
    return tuple(condition for condition in found if condition is not None)


def read_one(
    document: Document,
    path: tuple[str | int, ...],
    key: str,
    scope: Scope,
    on_unknown: str,
    code: str,
) -> Condition | None:
    """The condition whose expression stands under `key` of `path`, or None when it is wrong."""
    tree = logical(document, (*path, key), scope)
    if tree is None:
        return None
    names = [str(step) for step in path]
    return Condition(
        code=code,
        when=tree,
        text=ir.to_text(tree),
        because=document.text(*path, "because"),
        on_unknown=document.text(*path, "on_unknown") or on_unknown,
        place=document.key_place(*names) if names else document.place,
        expected_unreachable=document.text(*path, "expected_unreachable"),
    )


def logical(document: Document, path: tuple[str | int, ...], scope: Scope) -> ir.Logical | None:
    """The yes-or-no expression at `path`."""
    scalar = document.scalar(*path)
    if scalar is None:
        return None
    tree = read_condition(scalar, scope, document.notes.problems, document.rule(*path[:-1]))
    if tree is not None:
        document.notes.expression_texts[scalar.place] = ir.to_text(tree)
    return tree


def numeric(
    document: Document, path: tuple[str | int, ...], unit: Unit, scope: Scope
) -> ir.Numeric | None:
    """The expression at `path`, whose value is in `unit`."""
    scalar = document.scalar(*path)
    if scalar is None:
        return None
    tree = read_number(scalar, unit, scope, document.notes.problems, document.rule(*path[:-1]))
    if tree is not None:
        document.notes.expression_texts[scalar.place] = ir.to_text(tree)
    return tree
