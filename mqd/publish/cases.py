"""What has to come of each case that an execution desk meets, and the tests that make it happen.

The cases are data beside the tests: `cases.yaml` says what is given and what comes of it,
`left_out.yaml` why a case, or the part of it that is not here, has no test. A test carries the
numbers of its cases (`@pytest.mark.case(64)`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from mqd.ground.errors import SettingsError
from mqd.publish.beside_files import fields, pairs, text, texts, tree
from mqd.publish.exercised import marked_tests
from mqd.rules.tree import Scalar

FOLDER: Final = "cases"
FILE: Final = "cases.yaml"
LEFT_OUT: Final = "left_out.yaml"
MARK: Final = "case"


class LeftOut(NamedTuple):
    """Why a case has no test, or only one of its part; `line` is that of left_out.yaml."""

    reason: str
    line: int


class Case(NamedTuple):
    """One case; `line` is that of cases.yaml, `rules` are those that its tests exercise."""

    number: int
    given: str
    outcome: str
    line: int
    rules: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: LeftOut | None


class Section(NamedTuple):
    """Cases of one kind."""

    letter: str
    title: str
    cases: tuple[Case, ...]


def read_cases(tests: Path, rules_of: dict[str, tuple[str, ...]]) -> tuple[Section, ...]:
    """The cases of a folder of tests by section; none where it holds no list of them.

    `rules_of` names the tests that exercise each rule.

    Raises:
        SettingsError: a file cannot be read as one, or a test or a reason names no case.
    """
    path = tests / FOLDER / FILE
    if not path.is_file():
        return ()
    reasons = {int(key.text): (text, key) for key, text in _reasons(tests / FOLDER / LEFT_OUT)}
    found: dict[int, list[str]] = {}
    for test, number in marked_tests(tests, MARK):
        if not isinstance(number, int):
            raise SettingsError(f"{test} is marked with the case {number!r}, expected a number")
        found.setdefault(number, []).append(test)
    rules: dict[str, list[str]] = {}
    for rule, names in rules_of.items():
        for name in names:
            rules.setdefault(name, []).append(rule)
    sections = tuple(_sections(path, found, rules, reasons))
    known = {case.number for section in sections for case in section.cases}
    for number in chain(found, reasons):
        if number not in known:
            where = found[number][0] if number in found else LEFT_OUT
            raise SettingsError(f"{where} names the case {number}, which is not in {path.name}")
    return sections


def _sections(
    path: Path,
    found: dict[int, list[str]],
    rules: dict[str, list[str]],
    reasons: dict[int, tuple[str, Scalar]],
) -> Iterator[Section]:
    for letter, section in pairs(tree(path), path):
        title, cases = fields(section, ("title", "cases"), letter, path)
        made = []
        for key, node in pairs(cases, path):
            given, outcome = texts(node, ("given", "outcome"), key, path)
            number = _number(key, path)
            tests = tuple(sorted(set(found.get(number, ()))))
            exercised = sorted({rule for test in tests for rule in rules.get(test, ())})
            why = reasons.get(number)
            left_out = LeftOut(why[0], why[1].place.line) if why else None
            made.append(
                Case(number, given, outcome, key.place.line, tuple(exercised), tests, left_out)
            )
        yield Section(letter.text, text(title, letter, path), tuple(made))


def _reasons(path: Path) -> Iterator[tuple[Scalar, str]]:
    if path.is_file():
        for key, node in pairs(tree(path), path):
            _number(key, path)
            yield key, text(node, key, path)


def _number(key: Scalar, path: Path) -> int:
    if not (key.text.isascii() and key.text.isdigit()):
        raise SettingsError(f"{path.name}:{key.place.line}: {key.text} is not the number of a case")
    return int(key.text)
