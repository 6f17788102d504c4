"""`mqd explain`: what a code or a word of the rules means, wherever it was met."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mqd.cli.options import FormatOption, RulesOption, TableFormat

if TYPE_CHECKING:
    from mqd.publish.meaning import Meaning


def explain(
    code: Annotated[
        str,
        typer.Argument(metavar="WORD", help="As in OUTSIDE_WINDOW, OL-02, book_only, desk.pnl."),
    ],
    rules: RulesOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Say what a code or a word of the rules means, where it is declared, and what to do next."""
    from mqd.app.codes import every_meaning
    from mqd.app.settings import rules_folder
    from mqd.publish.meanings import named
    from mqd.rules.problems import did_you_mean
    from mqd.rules.validate import load_rules

    every = tuple(every_meaning(load_rules(rules_folder(rules))))
    found = named(code, every)
    hint = "" if found else did_you_mean(code, _like(code, [item.code for item in every]))
    if form is TableFormat.json:
        rows = [item.to_json() for item in found]
        typer.echo(json.dumps({"code": code, "meanings": rows, "hint": hint or None}, indent=1))
    else:
        _show(found)
    if not found:
        tail = f"; {hint}" if hint else "; `mqd docs` writes pages with all of them"
        typer.echo(f"mqd: there is no code or word `{code}`{tail}", err=True)
        raise typer.Exit(1)


def _like(code: str, known: list[str]) -> list[str]:
    """The codes to look for a near one in: written in the case that they are written in."""
    upper = code.upper()
    exact = [name for name in known if name.upper() == upper]
    return exact or [name for name in known if name.isupper() == code.isupper()] or known


def _show(found: tuple[Meaning, ...]) -> None:
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.sections import Section, print_sections

    console = stdout_console()
    sections = [
        Section(
            item.kind,
            (item.means,),
            tuple(
                (name, value)
                for name, value in (
                    ("declared", item.declared),
                    ("formula", item.formula),
                    ("in words", item.sentence),
                    ("what next", item.then),
                )
                if value
            ),
        )
        for item in found
    ]
    if found:
        print_trimmed(console, lambda: print_sections(console, found[0].code, sections))
