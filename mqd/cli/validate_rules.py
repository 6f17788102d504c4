"""`mqd validate-rules`: every problem in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mqd.cli.options import FormatOption, TableFormat


def validate_rules(
    rules_dir: Annotated[
        Path | None, typer.Argument(help="The rules folder. Default: ./rules, else the shipped.")
    ] = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Check the rules and show every problem: where it is, what it is, how to mend it."""
    from mqd.app.settings import rules_folder
    from mqd.rules.validate import validate

    folder = rules_folder(rules_dir)
    report = validate(folder)
    if form is TableFormat.json:
        problems = [problem.to_json() for problem in report.problems]
        typer.echo(json.dumps({"digest": report.digest, "problems": problems}, indent=1))
    else:
        for problem in report.problems:
            typer.echo(problem.to_text() + "\n")
        count = len(report.problems)
        typer.echo(
            f"{folder}: no problems; digest {report.digest}"
            if report.book is not None and not count
            else f"{folder}: {count} problem{'s' if count != 1 else ''}"
        )
    if report.book is None:
        raise typer.Exit(1)
