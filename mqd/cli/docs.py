"""`mqd docs`: the pages that are generated from the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mqd.cli.options import RulesOption


def docs(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a page is stale.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="The documents folder.")] = Path("docs"),
    rules: RulesOption = None,
) -> None:
    """Write the generated pages, or check that they still follow the rules."""
    from mqd.app.pages import beside_the_rules
    from mqd.app.settings import rules_folder
    from mqd.cli.describe import described
    from mqd.publish.pages import stale_pages, write_pages
    from mqd.rules.validate import load_rules

    book = load_rules(rules_folder(rules))
    beside = beside_the_rules(book, out, described(context.find_root().obj))
    if not check:
        for page in write_pages(book, out, beside):
            typer.echo(str(page))
        return
    stale = stale_pages(book, out, beside)
    for line in stale:
        typer.echo(line)
    if stale:
        typer.echo("run `mqd docs` and commit what it writes")
        raise typer.Exit(1)
    typer.echo("the pages follow the rules")
