"""Broken rules as people write them, each with all that `mqd validate-rules` says of them.

A folder in `broken/` is one case: its `rules/` is laid over a copy of `example_desk/`, the files
that `REMOVED` lists are taken away, and `expected.txt` is the whole output, word for word.

`MQD_REWRITE_GOLDENS=1 python -m pytest tests/rules/test_golden.py` writes what is said now; a
test that wrote fails, so nothing is rewritten silently. Read the difference as a tired author
would: does each message name the place, the problem and the mend?
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mqd.cli.commands import application
from mqd.rules.codes import all_codes
from mqd.rules.problems import WARNING
from mqd.rules.validate import Report, validate

HERE = Path(__file__).resolve().parent
DESK = HERE / "example_desk"
CASES = sorted(path for path in (HERE / "broken").iterdir() if path.is_dir())
REWRITE = os.environ.get("MQD_REWRITE_GOLDENS") == "1"
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
HEAD = re.compile(r"(rules/?[^:]*):(\d+):(\d+): (error|warning) ([A-Z0-9_]+)( \[[^\]]+\])?: (.+)")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every path in a message starts with `rules`, wherever the tests run."""
    monkeypatch.chdir(tmp_path)


def lay(case: Path) -> None:
    """The example desk in ./rules, spoilt as the case has it."""
    shutil.copytree(DESK, "rules")
    shutil.copytree(case / "rules", "rules", dirs_exist_ok=True)
    removed = case / "REMOVED"
    for name in removed.read_text(encoding="utf-8").split() if removed.exists() else ():
        Path("rules", name).unlink()


def report_of(case: Path) -> Report:
    lay(case)
    return validate(Path("rules"))


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 30


def test_the_desk_that_they_spoil_has_no_problems() -> None:
    shutil.copytree(DESK, "rules")
    assert not validate(Path("rules")).problems


@EVERY_CASE
def test_the_whole_output_is_the_golden_one(case: Path) -> None:
    lay(case)
    done = CliRunner().invoke(application, ["validate-rules", "rules"])
    golden = case / "expected.txt"
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    if REWRITE and done.output != expected:
        golden.write_text(done.output, encoding="utf-8", newline="\n")
    assert done.output == expected
    only_warnings = all(one.severity == WARNING for one in report_again().problems)
    assert done.exit_code == (0 if only_warnings else 1)


def report_again() -> Report:
    return validate(Path("rules"))


@EVERY_CASE
@pytest.mark.case(147)
def test_every_message_names_the_place_the_problem_and_the_mend(case: Path) -> None:
    for problem in report_of(case).problems:
        text = problem.to_text()
        head = HEAD.match(text)
        assert head, text
        assert head[5] in all_codes()
        assert len(head[7]) > 10, text
        assert problem.hint, text
        assert problem.place.line >= 1
        assert problem.place.column >= 1


@EVERY_CASE
def test_every_problem_is_in_what_the_author_spoilt(case: Path) -> None:
    """Nothing is told of files that are as they were, unless something they need is gone."""
    spoilt = {path.relative_to(case).as_posix() for path in (case / "rules").rglob("*.*")}
    problems = [one for one in report_of(case).problems if one.code != "LIMIT_UNUSED"]
    elsewhere = {one.place.file for one in problems} - spoilt
    # What refers to something that the case renamed, removed or declares wrongly.
    assert elsewhere <= {"rules", "rules/strategies/vwap_micro_mean_reversion.yaml"}
