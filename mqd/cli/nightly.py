"""`mqd nightly`: every strategy and every thesis against the journal, and what follows from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mqd.cli.buttons import signed
from mqd.cli.options import FormatOption, JournalOption, TableFormat

if TYPE_CHECKING:
    from mqd.app.nightly import Night
    from mqd.cli.sections import Section
    from mqd.model.decision import Figure

_WAIT_S = 10.0


def nightly(
    database: JournalOption = None,
    config: Annotated[
        str,
        typer.Option("--config", metavar="NAME|FILE", help="Whose folder of daily values is read."),
    ] = "default",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who looks; it is journaled.")
    ] = "nightly",
    form: FormatOption = TableFormat.text,
) -> None:
    """Judge every strategy and thesis by the journal; exit 1 where a person has to look."""
    from mqd.app.nightly import look
    from mqd.app.run import latest_journal_url
    from mqd.app.settings import read_settings
    from mqd.runtime.clock import SystemClock

    folder = read_settings(config).series
    place = database or latest_journal_url()
    found = look(place, signed("--by", by), "the nightly look", folder, SystemClock(), _WAIT_S)
    if form is TableFormat.json:
        typer.echo(json.dumps(_json(found), indent=1))
    elif not found.is_taken:
        typer.echo("written; the desk takes it with its next event")
    else:
        _print(found)
    for line in found.wrong_files:
        typer.echo(f"mqd: {line}", err=True)
    if not found.is_quiet:
        raise typer.Exit(1)


def _print(found: Night) -> None:
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.sections import print_sections

    console = stdout_console()
    title = "Nothing calls for a person" if found.is_quiet else "A person has to look"
    print_trimmed(console, lambda: print_sections(console, title, _sections(found)))


def _sections(found: Night) -> list[Section]:
    from mqd.cli.journal_lines import judged_text
    from mqd.cli.sections import Section
    from mqd.publish.figures import record_text

    strategies = Section(
        "Strategies", (), (), ("Strategy", "State", "True tonight", "Record"),
        tuple(
            (each.strategy, each.state, ", ".join(each.rows) or "-",
             f"not judged: {each.skipped}" if each.skipped
             else record_text(each.names, each.values))
            for each in found.strategies
        ),
    )  # fmt: skip
    theses = Section(
        "Theses", (), (), ("Thesis", "Status", "Against it", "Trades"),
        tuple(
            (each.thesis, each.status,
             each.skipped or ", ".join(each.met) or ("-" if each.enough else "too few trades"),
             record_text(each.names, each.values))
            for each in found.theses
        ),
    )  # fmt: skip
    lines = [each.text for each in found.moves]
    lines += [judged_text(each) for each in found.proposals]
    lines += [
        f"the desk went from {each.from_state} to {each.to_state} ({each.rule}): no strategy is "
        "left that may open positions"
        for each in found.halts
    ]
    lines += [
        f"{each.thesis}: invalidated by evidence: change the status in a reviewed PR"
        for each in found.theses
        if each.met
    ]
    lines += [
        f"{each.strategy} stays {each.state} until somebody has looked: `mqd enable "
        f"{each.strategy}` puts it back"
        for each in found.left_to_people
    ]
    moved = Section("What follows", tuple(lines) or ("Nothing changes.",))
    return [strategies, theses, moved]


def _json(found: Night) -> dict[str, Any]:
    from mqd.ground.canonical import decimal_text

    return {
        "taken": found.is_taken,
        "quiet": found.is_quiet,
        "strategies": [
            {"strategy": each.strategy, "state": each.state, "rows": list(each.rows),
             "record": _figures(each.names, each.values), "skipped": each.skipped or None}
            for each in found.strategies
        ],
        "theses": [
            {"thesis": each.thesis, "status": each.status, "met": list(each.met),
             "enough": each.enough, "evidence": _figures(each.names, each.values),
             "skipped": each.skipped or None}
            for each in found.theses
        ],
        "moves": [
            {"strategy": each.strategy, "from": each.from_state, "to": each.to_state,
             "rule": each.rule, "row": each.row or None}
            for each in found.moves
        ],
        "proposals": [
            {"strategy": each.strategy, "row": each.row, "share": decimal_text(each.share),
             "waits": each.waits}
            for each in found.proposals
        ],
        "halted": bool(found.halts),
        "wrong_files": list(found.wrong_files),
    }  # fmt: skip


def _figures(names: tuple[str, ...], values: tuple[Figure, ...]) -> dict[str, Figure]:
    return dict(zip(names, values, strict=True))
