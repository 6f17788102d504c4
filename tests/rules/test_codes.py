"""Every problem code is declared once, with one meaning, and somebody tells it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqd.rules.codes import all_codes, collected

RULES = Path(__file__).resolve().parents[2] / "mqd" / "rules"
CODE = re.compile(r"[A-Z]+(_[A-Z0-9]+)+")
TELLING = {
    "NotAnExpression", "_add", "_note_state", "_refuse", "_too_large", "add", "note", "note_at",
    "refuse", "refused",
}  # fmt: skip


def _told(tree: ast.AST) -> Iterator[str]:
    """The codes handed to a call that notes a problem, or paired with the sentence to note."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            yield from _texts(node.args if name in TELLING else [])
        elif isinstance(node, ast.Return | ast.Assign) and isinstance(node.value, ast.Tuple):
            yield from _texts(node.value.elts)


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and CODE.fullmatch(str(node.value)):
            yield str(node.value)


def _all_told() -> set[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in RULES.rglob("*.py")]
    return {code for tree in trees for code in _told(tree)}


def test_every_code_that_is_told_has_a_meaning() -> None:
    told = _all_told()
    assert len(told) > 50
    assert told <= set(all_codes())


def test_every_code_that_has_a_meaning_is_told() -> None:
    assert set(all_codes()) <= _all_told()


def test_a_code_is_seen_however_it_is_told() -> None:
    source = """
problems.add(place, rule, "A_CALL", "x")
raise self.refused(node, "A_REFUSAL", "x")
code, message = "A_PAIR", "x"
def f(): return "A_RETURN", "x"
other("NOT_TOLD")
"""
    assert set(_told(ast.parse(source))) == {"A_CALL", "A_REFUSAL", "A_PAIR", "A_RETURN"}


def test_every_meaning_is_one_sentence() -> None:
    for code, means in all_codes().items():
        assert CODE.fullmatch(code)
        assert re.fullmatch(r"[A-Z`].*\.", means), code


def test_a_code_with_two_meanings_is_refused() -> None:
    assert collected([{"A_B": "One."}, {"A_B": "One.", "A_C": "Two."}]) == {
        "A_B": "One.",
        "A_C": "Two.",
    }
    with pytest.raises(ValueError, match=r"A_B has two meanings: 'One\.' and 'Two\.'"):
        collected([{"A_B": "One."}, {"A_B": "Two."}])
