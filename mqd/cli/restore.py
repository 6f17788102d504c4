"""`mqd restore`: from a copy to a journal that a desk can go on with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def restore(
    copy: Annotated[Path, typer.Argument(metavar="FILE", help="What `mqd backup` wrote.")],
    database: Annotated[
        str, typer.Option("--db", help="The journal to make: a path or a database URL.")
    ],
) -> None:
    """Make a new journal of a copy, row by row, and check it; an existing one is never touched."""
    from mqd.store.database import shown
    from mqd.store.restoring import restore

    found, place = restore(copy, database), shown(database)
    typer.echo(f"{place}: {found.what}")
    typer.echo(f"rows {found.rows:,}, head {found.head}")
    typer.echo(f"look further  mqd journal replay --db {place}")
