"""`mqd reconcile`: the desk against its broker, and what is, or would be, done about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mqd.cli.buttons import command_text, press_button, signed
from mqd.cli.options import FormatOption, JournalOption, TableFormat
from mqd.ground.errors import JournalInUseError

if TYPE_CHECKING:
    from mqd.app.reconcile import Compared
    from mqd.cli.sections import Section

_FINE = frozenset({"clean", "mended"})


def reconcile(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done; changes nothing.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take the broker's side; needs --by and --reason.")
    ] = False,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Your name, with --adopt.")] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why you adopt it, with --adopt.")
    ] = "",
    database: JournalOption = None,
    config: Annotated[
        str, typer.Option("--config", metavar="NAME|FILE", help="Where the desk runs.")
    ] = "default",
    form: FormatOption = TableFormat.text,
) -> None:
    """Compare orders, fills, positions and cash with the broker, and settle what differs."""
    from mqd.app.operate import ADOPT, Button
    from mqd.app.reconcile import reconcile as compared
    from mqd.app.run import latest_journal_url
    from mqd.app.settings import read_settings
    from mqd.runtime.clock import SystemClock

    button = None
    if adopt:
        button = Button(ADOPT, "", signed("--by", by), signed("--reason", reason))
    settings, place = read_settings(config), database or latest_journal_url()
    try:
        found = compared(place, settings, SystemClock(), dry_run=dry_run, adopt=button)
    except JournalInUseError:
        if button is None:
            raise
        press_button(ADOPT, "", by, reason, database)
        return
    if form is TableFormat.json:
        typer.echo(json.dumps(_json(found, dry_run=dry_run), indent=1))
    else:
        _print(found, dry_run=dry_run)
    is_fine = found.verdict is not None and found.verdict.verdict in _FINE
    if not is_fine or (dry_run and found.drifts):
        raise typer.Exit(1)


def _print(found: Compared, *, dry_run: bool) -> None:
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.sections import print_sections

    console = stdout_console()
    would = "would be" if dry_run else "is"
    title = f"The broker could not be asked: {found.unanswered or 'no answer'}"
    if found.verdict is not None:
        title = f"The comparison with the broker {would} {found.verdict.verdict}"
    print_trimmed(
        console, lambda: print_sections(console, title, _sections(found, dry_run=dry_run))
    )


def _sections(found: Compared, *, dry_run: bool) -> list[Section]:
    from mqd.cli.sections import Section
    from mqd.ground.canonical import decimal_text

    done = "Would be done" if dry_run else "Done"
    columns = ("Difference", "Of", "Desk", "Broker", "Share", done)
    rows = tuple(
        (drift.kind, drift.subject, decimal_text(drift.local), decimal_text(drift.broker),
         "-" if drift.share is None else decimal_text(drift.share), drift.done)
        for drift in found.drifts
    )  # fmt: skip
    numbers = frozenset(columns[2:5])
    agreed = () if rows else ("none: orders, fills, positions and cash agree",)
    sections = [Section("Differences", agreed, (), columns, rows, numbers)]
    if found.verdict is not None and found.verdict.refusals:
        refused = f"refused by {', '.join(found.verdict.refusals)}"
        sections.append(Section("Too much to go on from", (refused,)))
    if found.incidents:
        said = tuple(f"{item.error}: {item.message}" for item in found.incidents)
        sections.append(Section("Incidents", said))
    if found.sent:
        said = tuple(command_text(command) for command in found.sent)
        sections.append(Section("Would be sent" if dry_run else "Sent", said))
    sections.append(Section("The desk", (f"{'would be' if dry_run else 'is'} {found.desk_state}",)))
    return sections


def _json(found: Compared, *, dry_run: bool) -> dict[str, Any]:
    from mqd.ground.canonical import decimal_text

    verdict = found.verdict
    return {
        "dry_run": dry_run,
        "verdict": None if verdict is None else verdict.verdict,
        "refusals": [] if verdict is None else list(verdict.refusals),
        "differences": [
            {
                "kind": drift.kind,
                "subject": drift.subject,
                "local": decimal_text(drift.local),
                "broker": decimal_text(drift.broker),
                "share": None if drift.share is None else decimal_text(drift.share),
                "done": drift.done,
            }
            for drift in found.drifts
        ],
        "incidents": [{"error": item.error, "message": item.message} for item in found.incidents],
        "commands": [command_text(command) for command in found.sent],
        "unanswered": found.unanswered or None,
        "desk_state": found.desk_state,
    }
