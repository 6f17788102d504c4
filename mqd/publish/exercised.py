"""Which tests exercise which rule: read from the marks that the tests carry, never typed.

A test carries `@pytest.mark.rule("OL-90")`, with as many ids as it exercises, of rules or of
what the program itself promises; a class or a whole
module (`pytestmark`) may carry it for all its tests. The files are parsed, not run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mqd.ground.errors import SettingsError
from mqd.publish.promises import every_promise
from mqd.publish.uses import rule_places
from mqd.rules.book import RuleBook

MARK = "rule"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def exercised_rules(folder: Path, book: RuleBook) -> dict[str, tuple[str, ...]]:
    """The tests under `folder` that name each rule, by the rule's id, both sorted.

    Raises:
        SettingsError: a test names a rule that is not there, or cannot be read.
    """
    known = {rule for rule, _ in rule_places(book)}
    known |= {protection.id for protection in book.protections}
    known |= {promise.code for promise in every_promise()}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        for test, rule in _marks(path, name):
            if rule not in known:
                raise SettingsError(f"{name}: {test} names the rule {rule}, which is not there")
            found.setdefault(rule, []).append(f"{name}::{test}")
    return {rule: tuple(sorted(set(tests))) for rule, tests in sorted(found.items())}


def _marks(path: Path, name: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise SettingsError(f"cannot read the test {name}: {error}") from error
    yield from _marked(tree.body, "", _module_rules(tree))


def _marked(body: list[ast.stmt], prefix: str, outer: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            rules = (*outer, *_rules_of(node.decorator_list))
            yield from _marked(node.body, f"{prefix}{node.name}::", rules)
        elif isinstance(node, _FUNCTIONS) and node.name.startswith("test"):
            for rule in (*outer, *_rules_of(node.decorator_list)):
                yield f"{prefix}{node.name}", rule


def _module_rules(tree: ast.Module) -> tuple[str, ...]:
    marks: list[ast.expr] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            marks += node.value.elts if isinstance(node.value, ast.List) else [node.value]
    return _rules_of(marks)


def _rules_of(marks: list[ast.expr]) -> tuple[str, ...]:
    return tuple(
        argument.value
        for mark in marks
        if isinstance(mark, ast.Call) and _is_rule_mark(mark.func)
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    )


def _is_rule_mark(function: ast.expr) -> bool:
    return ast.unparse(function) == f"pytest.mark.{MARK}"
