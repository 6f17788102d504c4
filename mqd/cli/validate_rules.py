"""`mqd validate-rules`: every problem in one run."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mqd.rules.validate import Report


class ReportFormat(StrEnum):
    """Who reads the problems."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


def validate_rules(
    rules_dir: Annotated[
        Path | None, typer.Argument(help="The rules folder. Default: ./rules, else the shipped.")
    ] = None,
    form: Annotated[
        ReportFormat,
        typer.Option(
            "--format",
            help="text for people, json for programs, github for notes on a pull request, "
            "sarif for code scanners.",
        ),
    ] = ReportFormat.text,
) -> None:
    """Check the rules and show every problem: where it is, what it is, how to mend it."""
    from mqd.app.settings import rules_folder
    from mqd.rules.validate import validate

    folder = rules_folder(rules_dir)
    report = validate(folder)
    typer.echo("\n".join(_shown(report, form, folder)))
    if report.book is None:
        raise typer.Exit(1)


def _shown(report: Report, form: ReportFormat, folder: Path) -> list[str]:
    """The report in one of its forms, line by line."""
    from mqd.cli.problems import problems_text, summary_line
    from mqd.publish.problem_reports import github_annotations, sarif

    sound = f"{folder}: no problems; digest {report.digest}"
    if form is ReportFormat.json:
        problems = [problem.to_json() for problem in report.problems]
        return [json.dumps({"digest": report.digest, "problems": problems}, indent=1)]
    if form is ReportFormat.sarif:
        return [json.dumps(sarif(report.problems), indent=1)]
    if form is ReportFormat.github:
        summary = summary_line(report.problems, str(folder)) if report.problems else sound
        return [*github_annotations(report.problems), summary]
    return [problems_text(report.problems, str(folder))] if report.problems else [sound]
