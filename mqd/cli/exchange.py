"""`mqd exchange`: a local, Alpaca-compatible practice exchange."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from mqd.cli.options import BarsOption, FormatOption, TableFormat

_USUAL_PORT = 8765
_SLICE_S = 0.05


def exchange(
    bars: BarsOption,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Where it listens. 0: any free port.")
    ] = _USUAL_PORT,
    speed: Annotated[
        str,
        typer.Option(
            "--speed",
            metavar="N|max|step",
            help="N times real time, max, or step: only when asked over HTTP.",
        ),
    ] = "1",
    faults: Annotated[
        Path | None, typer.Option("--faults", help="A YAML file that plans what goes wrong.")
    ] = None,
    first_date: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="The first day to play; bars before it are history."
        ),
    ] = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Play recorded bars as an exchange that any Alpaca client can trade against."""
    from mqd.cli.stopping import StopSwitch

    with StopSwitch() as stop:  # before the slow imports: a Ctrl-C may come at any time
        from mqd.app.exchange import ExchangePlan, environment, multiple_of, practice_exchange

        multiple = multiple_of(speed)
        server = practice_exchange(ExchangePlan(tuple(bars), faults, first_date, port))
        with server:
            server.play(multiple)
            variables = environment(server.addresses, server.keys)
            if form is TableFormat.json:
                typer.echo(json.dumps({**variables, "practice_url": server.control_url}))
            else:
                for name, value in variables.items():
                    typer.echo(f"export {name}={value}")
                how = "when asked" if multiple == 0 else "once somebody is subscribed to bars"
                typer.echo(f"# plays {how}; see {server.control_url}", err=True)
            is_over = False
            while not stop.is_wanted:
                time.sleep(_SLICE_S)
                if not is_over and server.state()["is_over"]:
                    is_over = True
                    typer.echo("# every bar was played; Ctrl-C ends the exchange", err=True)
