"""Every case of the list is carried out by a test, or a reason says why it is not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from mqd.ground.errors import SettingsError
from mqd.publish.cases import MARK, Section, read_cases
from mqd.publish.exercised import exercised_rules, marked_tests
from mqd.rules.validate import load_rules

TESTS = Path(__file__).resolve().parents[1]
CASES = "cases.yaml"
LEFT_OUT = "left_out.yaml"


@pytest.fixture(scope="module")
def sections() -> tuple[Section, ...]:
    return read_cases(TESTS, exercised_rules(TESTS, load_rules(TESTS.parent / "rules")))


def test_every_case_is_tested_or_left_out_with_a_reason(sections):
    cases = [case for section in sections for case in section.cases]
    assert [case.number for case in cases] == [
        *range(1, 157), *range(201, 229),
    ]  # fmt: skip
    assert not [case.number for case in cases if not case.tests and not case.left_out]
    assert sum(bool(case.tests) for case in cases) > 125


def test_the_sections_hold_their_numbers(sections):
    first = {section.letter: section.cases[0].number for section in sections}
    assert first == {
        "A": 1,
        "B": 21,
        "C": 39,
        "D": 55,
        "E": 63,
        "F": 76,
        "G": 98,
        "H": 108,
        "I": 126,
        "J": 140,
        "K": 149,
        "L": 201,
    }


def test_a_test_that_names_its_case_is_marked_with_it():
    """`test_case_064_...` carries 64: the page and the names cannot drift apart."""
    marks: dict[str, set[object]] = {}
    for test, number in marked_tests(TESTS, MARK):
        marks.setdefault(test, set()).add(number)
    named = [
        (f"tests/cases/{path.name}::{name}", int(number))
        for path in sorted(TESTS.glob("cases/test_*.py"))
        for name, number in re.findall(
            r"^def (test_case_(\d{3})_\w+)", path.read_text("utf-8"), re.MULTILINE
        )
    ]
    assert len(named) > 100
    assert not [test for test, number in named if number not in marks.get(test, set())]


@pytest.fixture
def copied(tmp_path) -> Path:
    """A folder of tests with one case and one test."""
    folder = tmp_path / "tests"
    (folder / "cases").mkdir(parents=True)
    (folder / "cases" / CASES).write_text(
        "A:\n  title: Orders\n  cases:\n    1:\n      given: This.\n      outcome: That.\n", "utf-8"
    )
    (folder / "test_one.py").write_text(
        "import pytest\n\n\n@pytest.mark.rule('R')\n@pytest.mark.case(1)\ndef test_it(): ...\n",
        "utf-8",
    )
    return folder


def test_a_case_is_read_with_its_tests_and_their_rules(copied):
    ((letter, title, (case,)),) = read_cases(copied, {"R": ("tests/test_one.py::test_it",)})
    assert (letter, title) == ("A", "Orders")
    assert (case.number, case.given, case.outcome, case.line) == (1, "This.", "That.", 4)
    assert case.rules == ("R",)
    assert case.tests == ("tests/test_one.py::test_it",)
    assert case.left_out is None


def test_a_reason_is_read_with_its_line(copied):
    (copied / "cases" / LEFT_OUT).write_text("# why\n1: It is not here.\n", "utf-8")
    (((_, _, (case,))),) = read_cases(copied, {})
    assert case.left_out == ("It is not here.", 2)


def test_without_a_list_there_are_no_cases(copied):
    shutil.rmtree(copied / "cases")
    assert read_cases(copied, {}) == ()


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("test_one.py", "import pytest\n@pytest.mark.case(2)\ndef test_it(): ...\n",
         r"^tests/test_one.py::test_it names the case 2, which is not in cases.yaml$"),
        ("test_one.py", "import pytest\n@pytest.mark.case('x')\ndef test_it(): ...\n",
         r"^tests/test_one.py::test_it is marked with the case 'x', expected a number$"),
        (f"cases/{LEFT_OUT}", "7: Why.\n",
         r"^left_out.yaml names the case 7, which is not in cases.yaml$"),
        (f"cases/{LEFT_OUT}", "x: Why.\n", r"^left_out.yaml:1: x is not the number of a case$"),
        (f"cases/{LEFT_OUT}", "1: ['a']\n", r"^left_out.yaml:1: 1 needs a sentence$"),
        (f"cases/{CASES}", "A:\n  title: T\n", r"^cases.yaml:1: A needs title, cases$"),
        (f"cases/{CASES}", "A:\n  title: T\n  cases:\n    1: Words.\n",
         r"^cases.yaml:4: expected keys with values$"),
        (f"cases/{CASES}", "A: [\n", r"cases.yaml"),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_one_line(copied, file, text, told):
    (copied / file).write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=told):
        read_cases(copied, {})
