"""`mqd why`: a decision record in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mqd.cli.options import FormatOption, JournalOption, TableFormat
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.cli.past_bars import PastBars
    from mqd.publish.why import Explanation


def why(
    order_id: Annotated[
        str | None,
        typer.Argument(metavar="ORDER_ID", help="The decision that made this order."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="UTC, or exchange time. Default: the last one."),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Only this strategy's decisions.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="The newest decisions, so many.")
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="The short answer only, no list of conditions.")
    ] = False,
    database: JournalOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Say why the desk did what it did on a bar, and what would have changed it.

    The short answer first; then every condition with its values and how far it was from turning.
    """
    from mqd.app.run import latest_journal_url
    from mqd.cli.past_bars import PastBars
    from mqd.runtime.clock import SystemClock
    from mqd.store.journal import open_journal

    if sum(item is not None for item in (order_id, at, last)) > 1:
        raise SettingsError("ORDER_ID, --at and --last: one or the other")
    with open_journal(database or latest_journal_url(), SystemClock(), write=False) as journal:
        past = PastBars(journal)
        if order_id is not None:
            found = _that_made(past, order_id)
        else:
            found = _at(past, at, strategy) if at is not None else past.last(last or 1, strategy)
    if not found:
        whose = f" of the strategy {strategy}" if strategy else ""
        typer.echo(f"mqd: the journal {journal.name} holds no decision{whose}", err=True)
        raise typer.Exit(1)
    if form is TableFormat.json:
        typer.echo(json.dumps({"decisions": [_row(item) for item in found]}, indent=1))
    else:
        _show(found, brief=brief)


def _row(item: Explanation) -> dict[str, Any]:
    """A decision for a program, with the short answer as people get it."""
    from mqd.publish.answer import answer_of

    lines = [f"{line.codes}: {line.text}" if line.codes else line.text for line in answer_of(item)]
    return item.to_json() | {"answer": [item.headline, *lines]}


def _that_made(past: PastBars, order_id: str) -> list[Explanation]:
    """The decision that made an order, or the end of the program."""
    found = past.that_made(order_id)
    if found is None:
        typer.echo(f"mqd: no decision in this journal made an order {order_id}", err=True)
        raise typer.Exit(1)
    return [found]


def _at(past: PastBars, text: str, strategy: str | None) -> list[Explanation]:
    """What was decided at a time, or the end of the program with the nearest ones."""
    from mqd.cli.happenings import both_times
    from mqd.cli.moments import Moment

    moment = Moment(text)
    instants = past.instants()
    at_ns = moment.among(instants)
    if at_ns is None:
        near = " and ".join(both_times(each) for each in moment.nearest(instants))
        typer.echo(f"mqd: no bar ended at {text}; nearest: {near or 'none at all'}", err=True)
        raise typer.Exit(1)
    found = past.at(at_ns)
    chosen = [item for item in found if not item.strategy or strategy in {None, item.strategy}]
    if not chosen:
        decided = ", ".join(item.strategy for item in found)
        typer.echo(
            f"mqd: {strategy} decided nothing at {both_times(at_ns)}; there is: {decided}", err=True
        )
        raise typer.Exit(1)
    return chosen


def _show(found: list[Explanation], *, brief: bool) -> None:
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.why_text import print_explanation

    console = stdout_console()

    def show() -> None:
        for place, item in enumerate(found):
            if place:
                console.print()
            print_explanation(console, item, brief=brief)

    print_trimmed(console, show)
