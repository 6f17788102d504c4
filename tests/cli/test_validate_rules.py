"""`mqd validate-rules`: its four forms, and what it exits with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "rules" / "example_desk"
FORMS = ("text", "json", "github", "sarif")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "rules")
    return tmp_path / "rules"


def _break(rules: Path, old: str, new: str) -> None:
    path = rules / "protections" / "time_window.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("form", FORMS)
def test_rules_without_problems(mqd, rules: Path, form: str) -> None:
    done = mqd("validate-rules", "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    if form == "json":
        said = json.loads(done.stdout)
        assert said["problems"] == []
        assert len(said["digest"]) == 64
    elif form == "sarif":
        assert json.loads(done.stdout)["runs"][0]["results"] == []
    else:
        assert done.stdout.startswith("rules: no problems; digest ")


@pytest.mark.parametrize("form", FORMS)
def test_a_problem_is_told_in_every_form_and_exits_1(mqd, rules: Path, form: str) -> None:
    _break(rules, "for: while_true", "for: 0m")
    done = mqd("validate-rules", "rules", "--format", form)
    assert (done.returncode, done.stderr) == (1, "")
    code, place = "PROTECTION_LASTS_NOTHING", "rules/protections/time_window.yaml"
    if form == "json":
        said = json.loads(done.stdout)
        [problem] = said["problems"]
        assert said["digest"] == ""
        assert (problem["code"], problem["file"], problem["line"]) == (code, place, 10)
    elif form == "sarif":
        [result] = json.loads(done.stdout)["runs"][0]["results"]
        location = result["locations"][0]["physicalLocation"]
        assert (result["ruleId"], result["level"]) == (code, "error")
        assert location["artifactLocation"]["uri"] == place
    elif form == "github":
        line, summary = done.stdout.splitlines()
        assert line.startswith(f"::error file={place},line=10,col=6,title={code}::[time_window] ")
        assert summary == "rules: 1 problem"
    else:
        assert done.stdout.startswith(f"{place}:10:6: error {code} [time_window]: ")
        assert done.stdout.endswith("\nrules: 1 problem\n")


def test_a_warning_is_told_and_exits_0(mqd, rules: Path) -> None:
    _break(rules, "on_unknown: block", "on_unknown: allow")
    done = mqd("validate-rules", "--format", "github")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning file=rules/protections/time_window.yaml,line=11")


def test_what_could_not_be_checked_exits_2(mqd) -> None:
    done = mqd("validate-rules", "nowhere", "--format", "sarif")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere" in done.stderr
