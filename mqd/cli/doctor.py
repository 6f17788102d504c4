"""`mqd doctor`: everything that can be asked before the first order, and nothing changed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from mqd.cli.options import FormatOption, RulesOption, TableFormat

if TYPE_CHECKING:
    from mqd.app.preflight import Check

_MARKS = {"ok": "ok", "warning": "look", "failed": "NO"}


def doctor(
    config: Annotated[
        str, typer.Option("--config", metavar="NAME|FILE", help="Where the desk would run.")
    ] = "paper",
    database: Annotated[
        str | None, typer.Option("--db", help="The journal it would write.")
    ] = None,
    rules: RulesOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Ask everything that can be asked before the first order, and change nothing."""
    from mqd.app.account import account_of
    from mqd.app.lines import session_of
    from mqd.app.preflight import FAILED, Preflight
    from mqd.app.settings import read_settings, rules_folder
    from mqd.cli import EXIT_FINE, EXIT_NO
    from mqd.ground.errors import SettingsError
    from mqd.rules.validate import load_rules
    from mqd.runtime.clock import SystemClock
    from mqd.store.database import refuse_other_files

    if database is not None:
        refuse_other_files(database)
    settings = read_settings(config)
    if settings.is_simulated:
        raise SettingsError(f"--config {config}: it has no broker to ask; try practice or paper")
    book = load_rules(rules_folder(rules))
    account = account_of(settings, os.environ)
    clock = SystemClock()
    session = session_of(account, book.broker_words, clock)
    preflight = Preflight(settings, account, book, clock, session)
    try:
        found = list(preflight.checks(database or settings.journal))
    finally:
        preflight.close()
    is_fine = all(check.verdict != FAILED for check in found)
    if form is TableFormat.json:
        document = {"fine": is_fine, "checks": [check._asdict() for check in found]}
        typer.echo(json.dumps(document, indent=1))
    else:
        _print(config, found)
    raise typer.Exit(EXIT_FINE if is_fine else EXIT_NO)


def _print(config: str, found: list[Check]) -> None:
    width = max(len(check.name) for check in found)
    for check in found:
        typer.echo(f"{_MARKS[check.verdict]:<4} {check.name:<{width}}  {check.said}")
        if check.hint:
            typer.echo(f"{'':<4} {'':<{width}}  -> {check.hint}")
    failed = [check for check in found if check.verdict == "failed"]
    bad, only_entries = len(failed), sum(check.stops == "entries" for check in failed)
    if only_entries:
        typer.echo(
            f"{only_entries} of the failed would stop entries alone if the desk had a position or a"
            " working order: it would start halted, and get out"
        )
    what = f"{bad} of {len(found)} checks failed" if bad else f"all {len(found)} checks are fine"
    typer.echo(f"{config}: {what}")
