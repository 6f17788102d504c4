"""Options that several commands share, and the small checks that belong to them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mqd.ground.errors import SettingsError


class TableFormat(StrEnum):
    """How a command prints what it found."""

    text = "text"
    json = "json"


FormatOption = Annotated[
    TableFormat, typer.Option("--format", help="text for people, json for programs.")
]
RulesOption = Annotated[
    Path | None,
    typer.Option("--rules", help="The rules folder. Default: ./rules, else the shipped rules."),
]
JournalOption = Annotated[
    str | None,
    typer.Option("--db", help="The journal: a path or a database URL. Default: the newest."),
]


def parse_changes(values: list[str]) -> dict[str, str]:
    """`PARAM=VALUE` pairs as a dictionary.

    Raises:
        SettingsError: a pair without `=`, or a param named twice.
    """
    found: dict[str, str] = {}
    for pair in values:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise SettingsError(f"--set {pair}: expected PARAM=VALUE, such as stop_loss_pct=0.004")
        if name in found:
            raise SettingsError(f"--set {name}: given twice")
        found[name.strip()] = value.strip()
    return found


def parse_protections(text: str) -> tuple[str, ...] | None:
    """`all` as None, `none` as nothing, else the named ones."""
    if text == "all":
        return None
    if text == "none":
        return ()
    if not text.strip():
        raise SettingsError("--protections is empty: write all, none, or names joined by commas")
    return tuple(part.strip() for part in text.split(",") if part.strip())
