"""Options that several commands share, and the small checks that belong to them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.brokers.simulated import SimulationSettings


class TableFormat(StrEnum):
    """How a command prints what it found."""

    text = "text"
    json = "json"


class FillAt(StrEnum):
    """Where the simulated broker fills: at the signal bar's close or the next bar's open."""

    close = "close"
    next_open = "next-open"


FormatOption = Annotated[
    TableFormat, typer.Option("--format", help="text for people, json for programs.")
]
RecordOption = Annotated[
    bool, typer.Option("--record", help="Keep the figures in docs/evidence, for the pages.")
]
RulesOption = Annotated[
    Path | None,
    typer.Option("--rules", help="The rules folder. Default: ./rules, else the shipped rules."),
]
JournalOption = Annotated[
    str | None,
    typer.Option("--db", help="The journal: a path or a database URL. Default: the newest."),
]
BarsOption = Annotated[
    list[Path], typer.Option("--bars", help="Parquet or CSV files of one-minute bars.")
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", help="Trade this symbol instead of the declared one.")
]
ChangesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PARAM=VALUE", help="Another value for a param, this run."),
]
ProtectionsOption = Annotated[
    str, typer.Option("--protections", help="all, none, or names joined by commas.")
]
FillOption = Annotated[FillAt, typer.Option("--fill", help="Where orders fill.")]
SlippageOption = Annotated[
    str, typer.Option("--slippage-bps", help="Basis points lost on every fill.")
]


def parse_changes(values: list[str] | None) -> dict[str, str]:
    """`PARAM=VALUE` pairs as a dictionary.

    Raises:
        SettingsError: a pair without `=`, or a param named twice.
    """
    found: dict[str, str] = {}
    for pair in values or ():
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise SettingsError(f"--set {pair}: expected PARAM=VALUE, such as stop_loss_pct=0.004")
        if name in found:
            raise SettingsError(f"--set {name}: given twice")
        found[name.strip()] = value.strip()
    return found


def parse_protections(text: str) -> tuple[str, ...] | None:
    """`all` as None, `none` as nothing, else the named ones.

    Raises:
        SettingsError: nothing is named.
    """
    if text == "all":
        return None
    if text == "none":
        return ()
    if not text.strip():
        raise SettingsError("--protections is empty: write all, none, or names joined by commas")
    return tuple(part.strip() for part in text.split(",") if part.strip())


def simulation_of(fill: FillAt, slippage_bps: str) -> SimulationSettings:
    """The simulated broker of a back-test.

    Raises:
        SettingsError: the slippage is no number, or one that the broker cannot use.
    """
    from mqd.app.settings import exact
    from mqd.brokers.simulated import SimulationSettings

    slippage = exact("--slippage-bps", slippage_bps)
    try:
        return SimulationSettings(fill=fill.value, slippage_bps=slippage)
    except SettingsError as error:  # the choice of `fill` has no wrong words
        expected = str(error).partition(", ")[2]
        raise SettingsError(f"--slippage-bps {slippage_bps}: {expected}") from None
