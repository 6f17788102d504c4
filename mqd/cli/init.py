"""`mqd init`: a new desk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_NEXT = """\
Next:{change}
  mqd validate-rules      every problem in the rules, at once
  mqd run                 the desk over the sample sessions
  mqd why                 why it did or did not trade on the last bar
  mqd docs                write the pages again after you changed a rule
README.md in it says what to edit."""


def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where. Default: this folder.")
    ] = Path(),
) -> None:
    """Start a desk of your own: rules, schemas, config, docs, tests and the CI workflow."""
    from mqd.app.new_desk.desk import make_desk
    from mqd.cli.describe import described

    names = make_desk(folder, described(context.find_root().obj))
    typer.echo(f"a new desk of {len(names)} files in {folder.absolute().name}/")
    change = "" if folder.absolute() == Path.cwd() else f"\n  cd {folder}"
    typer.echo(_NEXT.format(change=change))
