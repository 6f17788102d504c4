"""`mqd backup`: a checked copy of a journal, also while a desk writes to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mqd.cli.options import JournalOption


def backup(
    out: Annotated[Path, typer.Option("--out", help="The copy to make; it must not exist yet.")],
    database: JournalOption = None,
) -> None:
    """Copy a journal as it is at one instant, and check the copy; works while the desk runs."""
    from mqd.app.run import latest_journal_url
    from mqd.store.copying import back_up
    from mqd.store.restoring import check_copy

    back_up(database or latest_journal_url(), out)
    found = check_copy(out)
    typer.echo(f"{out}: {'' if found.ok else 'broken: '}{found.what}")
    typer.echo(f"rows {found.rows:,}, head {found.head}")
    if not found.ok:
        typer.echo("the copy is what the journal is: look at it with `mqd journal verify`")
        raise typer.Exit(1)
