"""`mqd docs`: the pages that are generated from the rules."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqd.cli.options import RulesOption
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.publish.beside import Command

_LOOK_EVERY_S = 0.05


def docs(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a page is stale.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write again whenever a rule changes, until Ctrl-C.")
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

    if check and watch:
        raise SettingsError("--check and --watch: one or the other")
    if out.exists() and not out.is_dir():
        raise SettingsError(f"--out {out}: that is a file, expected a folder")
    folder = rules_folder(rules)
    commands = described(context.find_root().obj)
    if watch:
        _watch(folder, out, commands)
        return
    book = load_rules(folder)
    beside = beside_the_rules(book, _home(folder, out), commands)
    if not check:
        changed = write_pages(book, out, beside)
        for page in changed:
            typer.echo(str(page))
        if not changed:
            typer.echo("nothing to write: the pages follow the rules")
        return
    stale = stale_pages(book, out, beside)
    for line in stale:
        typer.echo(line)
    if stale:
        typer.echo("run `mqd docs` and commit what it writes")
        raise typer.Exit(1)
    typer.echo("the pages follow the rules")


def _home(folder: Path, out: Path) -> Path:
    """Where records and notes stand: with the pages, or else in the docs beside the rules."""
    docs = folder.absolute().parent / "docs"
    return docs if docs.is_dir() and not (out / "evidence").is_dir() else out


def _watch(folder: Path, out: Path, commands: tuple[Command, ...]) -> None:
    """Write the pages now and after every change of a rule file; problems are shown, not fatal."""
    from mqd.app.pages import beside_the_rules
    from mqd.cli.problems import problems_text
    from mqd.ground.errors import RuleError
    from mqd.publish.pages import write_pages
    from mqd.rules.validate import load_rules

    typer.echo(f"watching {folder}; Ctrl-C ends it")
    seen: dict[Path, tuple[int, int]] = {}
    try:
        while True:
            now = _stamps(folder)
            if now != seen:
                seen = now
                try:
                    book = load_rules(folder)
                    beside = beside_the_rules(book, _home(folder, out), commands)
                    for page in write_pages(book, out, beside):
                        typer.echo(str(page))
                    typer.echo(f"pages written for rules {book.digest[:12]}")
                except RuleError as error:
                    typer.echo(problems_text(error.problems, error.folder))
                except SettingsError as error:
                    typer.echo(f"mqd: {error}")
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        typer.echo("no longer watching")


def _stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each rule file was last written, and its size; a file that just went is left out."""
    found: dict[Path, tuple[int, int]] = {}
    for path in folder.rglob("*.yaml"):
        with suppress(OSError):
            stat = path.stat()
            found[path] = (stat.st_mtime_ns, stat.st_size)
    return found
