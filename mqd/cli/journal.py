"""`mqd journal`: is it whole, what does it hold, does it replay?"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeVar

import typer

from mqd.cli.options import FormatOption, JournalOption, TableFormat
from mqd.ground.errors import JournalError, SettingsError

if TYPE_CHECKING:
    from mqd.publish.tables import DecisionTable
    from mqd.store.journal import SqlJournal

Item = TypeVar("Item")

journal = typer.Typer(
    name="journal",
    help="The desk's memory: check it, read it, export it, replay it.",
    no_args_is_help=True,
)


@journal.command("verify")
def verify_chain(
    database: JournalOption = None,
    head: Annotated[
        str | None, typer.Option("--head", help="A head noted before; it must still be there.")
    ] = None,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", help="A file of `export --heads`; all of it must still be there."),
    ] = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Check every row and the rules kept; only heads noted before tell if newest rows were cut."""
    from dataclasses import asdict

    from mqd.store.verify import verify

    noted = [] if head is None else [_head(head, f"--head {head}")]
    noted += _read_heads(heads) if heads else []
    with _opened(database) as opened:
        name, found = opened.name, verify(opened, *noted)
    if form is TableFormat.json:
        typer.echo(json.dumps({"journal": name, **asdict(found)}, indent=1))
    else:
        typer.echo(f"{name}: {'' if found.ok else 'broken: '}{found.what}")
        if found.first_bad_position is not None:
            typer.echo(f"first bad row {found.first_bad_position:,}; the rows before it are whole")
        typer.echo(f"rows {found.rows:,}, head {found.head}")
    if not found.ok:
        raise typer.Exit(1)


@journal.command("tail")
def tail(
    count: Annotated[int, typer.Option("-n", min=1, help="So many entries.")] = 20,
    database: JournalOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Show the last entries, one line each: what happened and what came of it."""
    from mqd.cli.journal_lines import entry_line, entry_row

    with _opened(database) as opened:
        tables = _Tables(opened)
        entries = opened.tail(count)
        if form is TableFormat.json:
            rows = [entry_row(entry, tables.of) for entry in entries]
            typer.echo(json.dumps({"journal": opened.name, "entries": rows}, indent=1))
        else:
            for entry in entries:
                typer.echo(entry_line(entry, tables.of))


@journal.command("export")
def export(
    database: JournalOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write to this file. Default: stdout.")
    ] = None,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Every decision as CSV, instead of every row.")
    ] = False,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", help="Only note the head of now, as one more line of this file."),
    ] = None,
) -> None:
    """Write every row as one JSON document a line, in order, with the hash that chains it."""
    if heads is not None:
        with _opened(database) as opened:
            _note_head(opened, heads)
        return
    with _opened(database) as opened, _target(out) as file:
        count = _write_decisions(opened, file) if decisions else _write_rows(opened, file)
    if out is not None:
        typer.echo(f"{out}: {count:,} {'decisions' if decisions else 'rows'}")


@journal.command("replay")
def replay_all(database: JournalOption = None, form: FormatOption = TableFormat.text) -> None:
    """Rebuild the state and every decision from the events, and compare them byte for byte."""
    from mqd.engine.state import DeskState
    from mqd.runtime.replay import replay
    from mqd.store.verify import verify

    events = decisions = 0
    state, difference, is_whole = DeskState(), None, True
    with _opened(database) as opened:
        try:
            for item in _in_progress(replay(opened), opened.count(), "replayed"):
                events, state = events + 1, item.state
                decisions += len(item.outcome.decisions)
        except JournalError as error:
            difference = str(error)
        if difference is None:  # what replays may still be another history than was written
            found = verify(opened)
            is_whole = found.ok
            difference = None if is_whole else found.what
    if form is TableFormat.json:
        told = {
            "journal": opened.name,
            "ok": difference is None,
            "events": events,
            "decisions": decisions,
            "state_hash": state.hash(),
            "difference": difference,
        }
        typer.echo(json.dumps(told, indent=1))
    elif difference is None:
        typer.echo(f"{opened.name}: the same, byte for byte")
        typer.echo(f"{events:,} events, {decisions:,} decisions, state {state.hash()}")
    else:
        typer.echo(f"{opened.name}: {difference}")
        if is_whole:
            typer.echo(f"the {events:,} events before it replay byte for byte")
        else:
            typer.echo(f"its {events:,} events replay, but it is not what a desk wrote")
    if difference is not None:
        raise typer.Exit(1)


@journal.command("downgrade")
def downgrade(
    database: Annotated[str, typer.Option("--db", help="The journal: a path or a database URL.")],
) -> None:
    """Lead a journal back to the schema before this one, for the mqd that knew only that."""
    from mqd.store.opening import downgrade

    typer.echo(downgrade(database))


class _Tables:
    """The decision tables of a journal's rule books, each made when it is first asked for."""

    def __init__(self, opened: SqlJournal) -> None:
        self._journal = opened
        self._made: dict[str, DecisionTable] = {}

    def of(self, rules_digest: str) -> DecisionTable:
        """The table for decisions under these rules."""
        from mqd.publish.tables import DecisionTable
        from mqd.rules.compile.book import compile_book
        from mqd.rules.validate import rules_from_text

        if rules_digest not in self._made:
            book = rules_from_text(self._journal.rules(rules_digest))
            self._made[rules_digest] = DecisionTable(compile_book(book))
        return self._made[rules_digest]


@contextmanager
def _opened(database: str | None) -> Iterator[SqlJournal]:
    from mqd.app.run import latest_journal_url
    from mqd.runtime.clock import SystemClock
    from mqd.store.journal import open_journal

    with open_journal(database or latest_journal_url(), SystemClock(), write=False) as opened:
        yield opened


def _note_head(opened: SqlJournal, file: Path) -> None:
    """One more line in `file`: when, how many rows, their head."""
    from mqd.ground.times import iso_utc
    from mqd.runtime.clock import SystemClock

    rows, head = opened.head()
    line = json.dumps({"at": iso_utc(SystemClock().now_ns()), "rows": rows, "head": head})
    try:
        with file.open("a", encoding="utf-8") as notes:
            notes.write(line + "\n")
    except OSError as error:
        raise SettingsError(f"--heads {file}: cannot be written: {error.strerror}") from error
    typer.echo(f"{file}: rows {rows:,}, head {head}; keep it on another machine")


def _read_heads(file: Path) -> list[str]:
    """The heads that were noted in `file`.

    Raises:
        SettingsError: it cannot be read, or a line of it is no note.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--heads {file}: cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_head(str(json.loads(line)["head"]), f"{file}:{number}"))
        except (ValueError, TypeError, KeyError) as error:
            what = f"{file}:{number}: no head; expected a line of `mqd journal export --heads`"
            raise SettingsError(what) from error
    if not found:
        raise SettingsError(f"--heads {file}: no head was noted in it, so it proves nothing")
    return found


def _head(typed: str, where: str) -> str:
    """A head as journals write it; a mistyped one would be called cut off.

    Raises:
        SettingsError: it is none.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", typed.strip().lower()):
        raise SettingsError(f"{where}: not a head; expected its 64 digits, of 0 to 9 and a to f")
    return typed


@contextmanager
def _target(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise SettingsError(f"--out {out}: cannot be written: {error.strerror}") from error
    with file:
        yield file


def _write_rows(opened: SqlJournal, file: TextIO) -> int:
    from mqd.ground.times import iso_utc

    count = 0
    for row in _in_progress(opened.rows(), opened.head()[0], "written"):
        # The body is JSON already; its very bytes are what the hash was taken of.
        file.write(
            f'{{"position":{row.position},"seq":{row.seq},"kind":"{row.kind}",'
            f'"at":"{iso_utc(row.at_ns)}","at_ns":{row.at_ns},"version":{row.version},'
            f'"body":{row.body},"hash":"{row.hash}"}}\n'
        )
        count += 1
    return count


def _write_decisions(opened: SqlJournal, file: TextIO) -> int:
    """One row a decision; the columns are those of all rule books that the journal kept."""
    import csv

    from mqd.model.decision import Decision
    from mqd.publish.records import records_of

    tables = _Tables(opened)
    columns = dict.fromkeys(
        name for digest, _ in opened.rule_books() for name in tables.of(digest).columns
    )
    columns["rules_digest"] = columns.pop("rules_digest", None)  # last, as where there is one book
    writer = csv.DictWriter(file, list(columns), lineterminator="\n")
    writer.writeheader()
    count = 0
    for entry in _in_progress(opened.entries(), opened.count(), "read"):
        for record in records_of(entry.outcome):
            if isinstance(record, Decision):
                writer.writerow(tables.of(record.rules_digest).row(record))
                count += 1
    return count


def _in_progress(items: Iterable[Item], total: int, word: str) -> Iterable[Item]:
    """The items, with a moving line on a terminal."""
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, word, total=total, console=Console(stderr=True), transient=True)
