"""`mqd new`: start a rule file that passes the checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mqd.ground.errors import SettingsError

new = typer.Typer(help="Start a rule file that passes the checks.", no_args_is_help=True)


@new.callback()
def _whole() -> None:
    """Start a rule file that passes the checks."""


@new.command("strategy")
def strategy(
    name: Annotated[str, typer.Argument(help="Its name, such as opening_dip.")],
    symbol: Annotated[str, typer.Option("--symbol", help="The ticker it trades.")] = "SPY",
    rules: Annotated[Path, typer.Option("--rules", help="The rules folder.")] = Path("rules"),
) -> None:
    """Write a draft strategy and its thesis, ready to edit."""
    from datetime import UTC, datetime

    from mqd.app.new_desk.strategy import write_strategy

    if not rules.is_dir():
        raise SettingsError(f"there is no folder {rules}; `mqd init` makes a desk with one")
    since = datetime.now(UTC).astimezone().date().isoformat()
    made = write_strategy(rules, name, symbol, since)
    typer.echo(f"{made.strategy_file}   the rules, status draft: checked, never run by `mqd run`")
    typer.echo(f"{made.thesis_file}   the claim it trades on, {made.thesis}, PENDING")
    share = "" if not made.portfolio_file else (
        f"  add to `strategies:` in {made.portfolio_file}, or it opens nothing:\n"
        f"    {name}: {{share: 0.25, min: 0, max: 0.25, because: It has nothing to show yet.}}\n"
    )  # fmt: skip
    typer.echo(
        "Next:\n"
        "  edit both files; their comments say how\n"
        f"{share}"
        "  mqd validate-rules\n"
        f"  mqd backtest --strategy {name} --bars FILE\n"
        "  mqd docs                then commit the rules and the pages together"
    )
