"""`mqd bars`: past bars into a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mqd.cli import EXIT_NO
from mqd.cli.options import RulesOption
from mqd.ground.errors import SettingsError

bars = typer.Typer(help="Past bars into a file.", no_args_is_help=True)


@bars.callback()
def _whole() -> None:
    """Past bars into a file."""


@bars.command("fetch")
def fetch(
    symbol: Annotated[str, typer.Argument(help="The ticker, such as SPY.")],
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="The first exchange date: 2024-10-07.")
    ],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="The last one, included.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .parquet file to write.")],
    config: Annotated[
        str, typer.Option("--config", metavar="NAME|FILE", help="Whose keys, and which bars.")
    ] = "paper",
    rules: RulesOption = None,
) -> None:
    """Write the minute bars that Alpaca has of a symbol to a file for --bars."""
    import os
    import random

    from mqd.app.account import account_of
    from mqd.app.bars_fetch import FetchPlan, fetch_bars
    from mqd.app.settings import read_settings, rules_folder
    from mqd.rules.validate import load_rules
    from mqd.runtime.clock import SystemClock

    name = symbol.strip().upper()
    settings = read_settings(config)
    requests = load_rules(rules_folder(rules)).broker_words.requests
    plan = FetchPlan(name, _date("--from", first), _date("--to", last), out)
    account = account_of(settings, os.environ)
    with _counting(name) as progress:
        found = fetch_bars(
            plan, account, requests, SystemClock(), random.SystemRandom().random, progress
        )
    if not found.bars:
        typer.echo(
            f"mqd: Alpaca has no {account.bars} bars of {name} from {first} to {last}", err=True
        )
        raise typer.Exit(EXIT_NO)
    days = "1 date" if found.dates == 1 else f"{found.dates} dates"
    typer.echo(f"{out}: {found.bars} bars of {name} on {days}, {account.bars}")


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option} {text}: expected a date such as 2024-10-07") from None


@contextmanager
def _counting(name: str) -> Iterator[Callable[[int], None]]:
    """A line that counts bars on a terminal, nothing where the output is piped."""
    if not sys.stderr.isatty():
        yield lambda _bars: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} bars"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(name, total=None)
        yield lambda count: shown.update(task, completed=count)
