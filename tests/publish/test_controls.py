"""The page of controls: what enforces each, how it is tried, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.pages import controls
from mqd.ground.errors import SettingsError
from mqd.publish.beside import Beside
from mqd.publish.controls import Controls, Fired, read_controls
from mqd.publish.pages import render_pages
from mqd.publish.rulefiles import read_sources
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
TEXT = """\
A:
  title: Before an order leaves
  1:
    does: Nothing is too large.
    where: [orders/checks.yaml#QTY_ABOVE_LIMIT, mqd.engine.gate#submit_entry]
  2:
    does: Nothing is too far away.
    missing: Nobody looks.
"""


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "controls.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_row_leads_to_its_rule_its_tests_and_when_it_fired(book, file) -> None:
    found = Controls(read_controls(file, book), {"QTY_ABOVE_LIMIT": Fired(2, "on a day")})
    tests = {"QTY_ABOVE_LIMIT": ("tests/a.py::b", "tests/a.py::c")}
    beside = Beside(controls=found, tests=tests)
    page = render_pages(book, read_sources(book), beside)["controls.md"]
    first, second = (line for line in page.splitlines() if line.startswith("- "))
    line = next(c.place.line for c in book.entry_checks.conditions if c.code == "QTY_ABOVE_LIMIT")
    assert f"(rules/orders/checks.yaml.md#line-{line})" in first
    assert "mqd/engine/gate.py:" in first
    assert "`QTY_ABOVE_LIMIT` on a day (2)" in first
    assert "](tests.md#rule-qty-above-limit) 2" in first
    assert "In part" not in first
    assert "Not built: Nobody looks." in second


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#QTY_ABOVE_LIMIT", "#QTY_ABOVE", r"controls\.yaml:5: there is no rule"),
        ("#submit_entry", "#submits", r"controls\.yaml:5: mqd\.engine\.gate declares no submits"),
        ("  1:", "  one:", r"controls\.yaml:3: one is not the number"),
        ("    missing: Nobody looks.\n", "", r"controls\.yaml:6: 2 needs does, and"),
        ("  title: Before an order leaves\n", "", r"controls\.yaml:1: A needs a title"),
        ("where: [", "where: here #", r"controls\.yaml:3: 1 needs a list"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(book, file, old, new, message) -> None:
    assert old in TEXT
    file.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_controls(file, book)


def test_the_samples_say_what_came_true(book) -> None:
    found = controls(book, ROOT / "docs")
    assert {"OL-02", "PRICE_ABOVE_THRESHOLD", "time_window"} <= found.fired.keys()
    assert "OL-90" not in found.fired  # nothing is late in the samples
    assert all(fired.times > 0 for fired in found.fired.values())
    numbers = [control.number for section in found.sections for control in section.controls]
    assert numbers == sorted(set(numbers))


def test_a_desk_without_the_file_has_no_such_page(book, tmp_path: Path) -> None:
    assert controls(book, tmp_path) == Controls((), {})
    assert "controls.md" not in render_pages(book, read_sources(book), Beside())
