"""Problems for other programs: GitHub's workflow commands, and SARIF as its schema wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mqd.publish.problem_codes import PAGE
from mqd.publish.problem_reports import github_annotations, sarif
from mqd.rules.codes import all_codes
from mqd.rules.problems import WARNING, Place, Problem

ONE = Problem(
    Place("rules/limits/desk.yaml", 16, 12), "desk.values", "VALUE_NOT_IN_UNIT", "no.", "mend it"
)
ODD = Problem(
    Place("my rules/50%,a:b.yaml", 3, 1), "", "YAML_TAB", "100 %, a: b\r\n::error::", "", WARNING
)
ROOT = Path(__file__).resolve().parents[2]


def test_an_annotation_names_the_place_the_code_and_the_mend() -> None:
    [line] = github_annotations([ONE])
    assert line == (
        "::error file=rules/limits/desk.yaml,line=16,col=12,title=VALUE_NOT_IN_UNIT::"
        "[desk.values] no.%0Ahint: mend it"
    )


def test_nothing_in_a_problem_ends_its_annotation_early() -> None:
    [line] = github_annotations([ODD])
    assert line == (
        "::warning file=my rules/50%25%2Ca%3Ab.yaml,line=3,col=1,title=YAML_TAB"
        "::100 %25, a: b%0D%0A::error::"
    )


def _run(*problems: Problem) -> dict[str, Any]:
    log = sarif(problems)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    [run] = log["runs"]
    assert isinstance(run, dict)
    return run


def test_a_log_without_problems_still_has_its_results() -> None:
    assert _run()["results"] == []


def test_every_result_points_at_its_rule_and_its_place() -> None:
    run = _run(ONE, ODD)
    rules = run["tool"]["driver"]["rules"]
    for problem, result in zip((ONE, ODD), run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == problem.code
        assert result["level"] == problem.severity
        assert problem.message in result["message"]["text"]
        [location] = result["locations"]
        region = location["physicalLocation"]["region"]
        assert (region["startLine"], region["startColumn"]) == problem.place[1:]
    uris = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
    ]
    assert uris == ["rules/limits/desk.yaml", "my%20rules/50%25%2Ca%3Ab.yaml"]
    absolute = _run(ONE._replace(place=Place("/a b/c.yaml", 1, 1)))
    location = absolute["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "file:///a%20b/c.yaml"


def test_every_rule_has_its_meaning_and_a_link_that_leads_somewhere() -> None:
    driver = _run()["tool"]["driver"]
    assert driver["name"]
    assert [rule["id"] for rule in driver["rules"]] == list(all_codes())
    page = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] == all_codes()[rule["id"]]
        assert f"docs/{PAGE}#{rule['id'].lower()}" in rule["help"]["markdown"]
        assert f"\n### {rule['id']}\n" in page
