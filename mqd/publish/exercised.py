"""Which tests exercise which rule: read from the marks that the tests carry, never typed.

A test carries `@pytest.mark.rule("OL-90")`, with as many ids as it exercises, of rules or of
what the program itself promises; a class or a whole
module (`pytestmark`) may carry it for all its tests. The files are parsed, not run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mqd.ground.errors import SettingsError
from mqd.publish.promises import every_promise
from mqd.publish.uses import rule_places
from mqd.rules.book import RuleBook

MARK = "rule"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PREFIX = "pytest.mark."


class _Mark(NamedTuple):
    """One argument of a mark: `@pytest.mark.rule("OL-90")`."""

    mark: str
    argument: object


def exercised_rules(folder: Path, book: RuleBook) -> dict[str, tuple[str, ...]]:
    """The tests under `folder` that name each rule, by the rule's id, both sorted.

    Raises:
        SettingsError: a test names a rule that is not there, or cannot be read.
    """
    known = {rule for rule, _ in rule_places(book)}
    known |= {protection.id for protection in book.protections}
    known |= {promise.code for promise in every_promise()}
    found: dict[str, list[str]] = {}
    for test, rule in marked_tests(folder, MARK):
        if rule not in known:
            name, _, short = test.partition("::")
            raise SettingsError(f"{name}: {short} names the rule {rule}, which is not there")
        found.setdefault(str(rule), []).append(test)
    return {rule: tuple(sorted(set(tests))) for rule, tests in sorted(found.items())}


def marked_tests(folder: Path, mark: str) -> Iterator[tuple[str, object]]:
    """Every test under `folder` with each argument of its marks of this name, file by file.

    Raises:
        SettingsError: a test cannot be read.
    """
    for path in sorted(folder.rglob("test_*.py")):
        name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        try:
            marked = _marked_in(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError) as error:
            raise SettingsError(f"cannot read the test {name}: {error}") from error
        for test, found in marked:
            if found.mark == mark:
                yield f"{name}::{test}", found.argument


@cache
def _marked_in(text: str) -> tuple[tuple[str, _Mark], ...]:
    """The tests of a file, once for each mark; kept, as they stay while the rules are edited."""
    tree = ast.parse(text)
    return tuple(_marked(tree.body, "", _of_module(tree)))


def _marked(
    body: list[ast.stmt], prefix: str, outer: tuple[_Mark, ...]
) -> Iterator[tuple[str, _Mark]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            marks = (*outer, *_marks(node.decorator_list))
            yield from _marked(node.body, f"{prefix}{node.name}::", marks)
        elif isinstance(node, _FUNCTIONS) and node.name.startswith("test"):
            for mark in (*outer, *_marks(node.decorator_list)):
                yield f"{prefix}{node.name}", mark


def _of_module(tree: ast.Module) -> tuple[_Mark, ...]:
    marks: list[ast.expr] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            marks += node.value.elts if isinstance(node.value, ast.List) else [node.value]
    return _marks(marks)


def _marks(marks: list[ast.expr]) -> tuple[_Mark, ...]:
    return tuple(
        _Mark(name.removeprefix(_PREFIX), argument.value)
        for mark in marks
        if isinstance(mark, ast.Call)
        for name in (ast.unparse(mark.func),)
        if name.startswith(_PREFIX)
        for argument in mark.args
        if isinstance(argument, ast.Constant)
    )
