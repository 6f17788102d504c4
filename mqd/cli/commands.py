"""All commands under one roof. Their modules are light: what they need they import when called."""

from __future__ import annotations

import typer

from mqd import __version__
from mqd.cli.advise import advise
from mqd.cli.backtest import backtest
from mqd.cli.backup import backup
from mqd.cli.bars import bars
from mqd.cli.buttons import approve, disable, enable, flatten, halt, rearm, reduce, resume
from mqd.cli.docs import docs
from mqd.cli.doctor import doctor
from mqd.cli.evidence import evidence
from mqd.cli.exchange import exchange
from mqd.cli.explain import explain
from mqd.cli.explore import explore
from mqd.cli.init import init
from mqd.cli.journal import journal
from mqd.cli.new import new
from mqd.cli.nightly import nightly
from mqd.cli.reconcile import reconcile
from mqd.cli.report import report
from mqd.cli.restore import restore
from mqd.cli.run import run
from mqd.cli.simulate import simulate
from mqd.cli.status import status
from mqd.cli.validate_rules import validate_rules
from mqd.cli.why import why

application = typer.Typer(
    name="mqd",
    help="MiniQuantDesk: a trading desk whose behaviour is declared in reviewed YAML.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:  # typer hands a flag over by position
    if wanted:
        typer.echo(f"mqd {__version__}")
        raise typer.Exit


@application.callback()
def _whole(
    context: typer.Context,
    _version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """MiniQuantDesk: a trading desk whose behaviour is declared in reviewed YAML."""
    context.obj = application  # a command that describes them all finds them here


application.command("init")(init)
application.command("run")(run)
application.command("backtest")(backtest)
application.command("simulate")(simulate)
application.command("explore")(explore)
application.command("why")(why)
application.command("validate-rules")(validate_rules)
application.command("docs")(docs)
application.command("evidence")(evidence)
application.command("explain")(explain)
application.command("doctor")(doctor)
application.command("status")(status)
application.command("advise")(advise)
application.command("backup")(backup)
application.command("restore")(restore)
application.command("halt")(halt)
application.command("reduce")(reduce)
application.command("flatten")(flatten)
application.command("resume")(resume)
application.command("disable")(disable)
application.command("enable")(enable)
application.command("rearm")(rearm)
application.command("approve")(approve)
application.command("nightly")(nightly)
application.command("reconcile")(reconcile)
application.command("exchange")(exchange)
application.add_typer(bars, name="bars")
application.add_typer(new, name="new")
application.add_typer(report, name="report")
application.add_typer(journal, name="journal")
