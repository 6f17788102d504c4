"""`mqd reconcile`: the desk against its broker, and what is, or would be, done about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mqd.cli.buttons import command_text, press_button, signed
from mqd.cli.options import FormatOption, JournalOption, TableFormat
from mqd.cli.progress import waiting
from mqd.ground.errors import JournalInUseError

if TYPE_CHECKING:
    from mqd.app.operate import Button
    from mqd.app.reconcile import Compared
    from mqd.cli.sections import Section

_FINE = frozenset({"clean", "mended"})
_LOST_ORDER = ("lost_order", "halt")
_WAY_OUT = (
    "works at the broker and not here: cancel it on the broker's page, then resume; until it is "
    "gone a desk that is resumed halts again"
)


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
        str | None,
        typer.Option(
            "--config", metavar="NAME|FILE", help="Where the desk runs. Default: where it ran last."
        ),
    ] = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Compare orders, fills, positions and cash with the broker, and settle what differs."""
    from mqd.app.operate import ADOPT, Button
    from mqd.app.run import latest_journal_url

    button = None
    if adopt:
        button = Button(ADOPT, "", signed("--by", by), signed("--reason", reason))
    place = database or latest_journal_url()
    try:
        found = _compared(place, config, button, dry_run=dry_run)
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
    if not is_fine or (dry_run and (found.drifts or found.news)):
        raise typer.Exit(1)


def _compared(place: str, config: str | None, button: Button | None, *, dry_run: bool) -> Compared:
    from mqd.app.reconcile import reconcile as compared
    from mqd.app.reconcile import settings_for
    from mqd.runtime.clock import SystemClock

    clock = SystemClock()
    settings = settings_for(place, config, clock)
    if not settings.is_simulated:
        from mqd.app.reconcile_account import reconcile_account

        with waiting() as say:
            return reconcile_account(place, settings, clock, dry_run=dry_run, adopt=button, say=say)
    return compared(place, settings, clock, dry_run=dry_run, adopt=button)


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
    if found.news and not rows:
        agreed = ("none besides what the broker tells of orders",)
    sections = [Section("Differences", agreed, (), columns, rows, numbers)]
    if found.news:
        told = tuple(
            f"{item.client_order_id}: {item.event}, {item.from_state} -> {item.to_state}"
            for item in found.news
        )
        sections.append(Section("Would be booked" if dry_run else "Booked", told))
    if found.verdict is not None and found.verdict.refusals:
        refused = f"refused by {', '.join(found.verdict.refusals)}"
        sections.append(Section("Too much to go on from", (refused,)))
    lost = {item.subject for item in found.drifts if (item.kind, item.done) == _LOST_ORDER}
    if lost:
        said = tuple(f"{order} {_WAY_OUT}" for order in sorted(lost))
        sections.append(Section("Only you can settle", said))
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
        "orders": [
            {"order": item.client_order_id, "event": item.event,
             "from": item.from_state, "to": item.to_state}
            for item in found.news
        ],
        "incidents": [{"error": item.error, "message": item.message} for item in found.incidents],
        "commands": [command_text(command) for command in found.sent],
        "unanswered": found.unanswered or None,
        "desk_state": found.desk_state,
    }  # fmt: skip
