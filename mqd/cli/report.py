"""`mqd report`: what a day was, from the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mqd.cli.advise import AdviceFileOption
from mqd.cli.options import FormatOption, JournalOption, TableFormat
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.cli.sections import Section
    from mqd.ports.journal import Journal
    from mqd.publish.trade_journal import TradingEvent

_SQLITE = "sqlite:///"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

report = typer.Typer(
    name="report", help="Reports from the journal: what was done, and why.", no_args_is_help=True
)


class ReportFormat(StrEnum):
    """How a report is written."""

    markdown = "markdown"
    text = "text"
    json = "json"


class LinesFormat(StrEnum):
    """How the trade journal is written."""

    text = "text"
    csv = "csv"
    json = "json"


_BY_SUFFIX = {
    ".md": ReportFormat.markdown, ".markdown": ReportFormat.markdown,
    ".txt": ReportFormat.text, ".json": ReportFormat.json,
}  # fmt: skip
_LINES_BY_SUFFIX = {
    ".csv": LinesFormat.csv, ".txt": LinesFormat.text, ".json": LinesFormat.json,
}  # fmt: skip
_Form = TypeVar("_Form", bound=StrEnum)

PageFormatOption = Annotated[
    ReportFormat | None,
    typer.Option("--format", help="text, markdown or json. Default: by the file's name."),
]
PageOption = Annotated[
    Path | None, typer.Option("--out", help="Write to this .md, .txt or .json file.")
]


@report.callback()
def _whole() -> None:
    """Reports from the journal: what was done, and why."""


@report.command("daily")
def daily(
    date: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help="Exchange date. Default: the last.")
    ] = None,
    database: JournalOption = None,
    form: PageFormatOption = None,
    out: PageOption = None,
) -> None:
    """One day: trades, risk planned and realised, why not trading, defects, incidents, buttons."""
    from mqd.app.report import daily_report
    from mqd.cli.report_sections import sections_of, title_of

    _check_date("--date", date)
    chosen = _page_form(form, out)
    with _journal(database) as (journal, name):
        found = daily_report(journal, name, date)
    written = _page(found.to_json(), title_of(found), lambda: sections_of(found), chosen, out)
    _write(written, out, f"the report of {found.date}")


@report.command("journal")
def trade_journal(
    database: JournalOption = None,
    form: Annotated[
        LinesFormat | None,
        typer.Option("--format", help="text, csv or json. Default: csv into a file."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write to this file. Default: stdout.")
    ] = None,
) -> None:
    """The trade journal: signals, orders, answers, fills, cancels and exits, one line each."""
    from mqd.app.report import trading_events
    from mqd.publish.trade_journal import trading_csv

    _check_out(out)
    with _journal(database) as (journal, _):
        lines = trading_events(journal)
    chosen = form or (LinesFormat.text if out is None else LinesFormat.csv)
    if chosen is LinesFormat.csv:
        written = trading_csv(lines)
    elif chosen is LinesFormat.json:
        written = json.dumps({"events": [line.row() for line in lines]}, indent=1) + "\n"
    else:
        written = "".join(f"{_line_text(line)}\n" for line in lines)
    _write(written, out, f"{len(lines):,} trading events")


@report.command("latency")
def latency(
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="DATE", help="Only this one, with its orders."),
    ] = None,
    database: JournalOption = None,
    form: Annotated[
        LinesFormat | None,
        typer.Option("--format", help="text, csv or json. Default: by the file's name."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write to this .txt, .csv or .json file.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Fail where a step took longer than the rules say.")
    ] = False,
) -> None:
    """How long orders took: sent, acknowledged, filled, taken back; percentiles by session."""
    from mqd.app.report import latency_report
    from mqd.cli.latency_sections import TITLE, sections_of

    _check_date("--session", session)
    _check_out(out)
    chosen = form or LinesFormat.text
    if out is not None:
        chosen = _chosen(form, out, _LINES_BY_SUFFIX) or LinesFormat.csv
    with _journal(database) as (journal, name):
        found = latency_report(journal, name, session)
    if chosen is LinesFormat.csv:
        written = found.to_csv()
    elif chosen is LinesFormat.json:
        written = json.dumps(found.to_json(), indent=1) + "\n"
    else:
        sections = sections_of(found, with_orders=session is not None)
        written = _in_words(TITLE, sections, ReportFormat.text, is_file=out is not None)
    _write(written, out, f"{len(found.orders):,} orders of {len(found.sessions):,} sessions")
    if check and found.too_slow:
        for date, slow in found.too_slow:
            typer.echo(f"too slow in {date}: {slow.text}", err=True)
        raise typer.Exit(1)


@report.command("attribution")
def attribution(
    database: JournalOption = None,
    form: PageFormatOption = None,
    out: PageOption = None,
) -> None:
    """Whose result each trade was, the idea's or the execution's; by tag, regime and strategy."""
    from mqd.app.report import attribution_report
    from mqd.cli.attribution_sections import TITLE, sections_of

    chosen = _page_form(form, out)
    with _journal(database) as (journal, name):
        found = attribution_report(journal, name)
    written = _page(found.to_json(), TITLE, lambda: sections_of(found), chosen, out)
    _write(written, out, f"{len(found.trades):,} trades")


@report.command("idle")
def idle(
    session: Annotated[
        str | None, typer.Option("--session", metavar="DATE", help="Only this exchange date.")
    ] = None,
    database: JournalOption = None,
    form: PageFormatOption = None,
    out: PageOption = None,
) -> None:
    """Why nothing was traded: how often each NO-TRADE condition was true, session by session."""
    from mqd.app.report import idle_report
    from mqd.cli.idle_sections import TITLE, sections_of

    _check_date("--session", session)
    chosen = _page_form(form, out)
    with _journal(database) as (journal, name):
        found = idle_report(journal, name, session)
    written = _page(found.to_json(), TITLE, lambda: sections_of(found), chosen, out)
    _write(written, out, f"{len(found.sessions):,} sessions")


@report.command("advice")
def advice(
    database: JournalOption = None,
    file: AdviceFileOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """What models have said: notes for people, of which the desk knows nothing."""
    from mqd.app.advice import advice_file
    from mqd.app.run import latest_journal_url
    from mqd.cli.happenings import both_times
    from mqd.ground.times import NS_PER_S, iso_utc

    log = advice_file("" if file else database or latest_journal_url(), file)
    notes = list(log.entries())
    if form is TableFormat.json:
        rows = [
            {"at": iso_utc(note.at_ns)} | {k: v for k, v in note._asdict().items() if k != "at_ns"}
            for note in notes
        ]
        typer.echo(json.dumps({"advice": rows}, indent=1))
        return
    typer.echo("Notes of models. None of them is an instruction, and the desk reads none.")
    for note in notes:
        if note.dropped_before:
            typer.echo(f"  ({note.dropped_before:,} dropped)")
        about = f" about {note.subject}" if note.subject else ""
        at_ns = note.at_ns - note.at_ns % NS_PER_S
        typer.echo(f"{both_times(at_ns)}  {note.model}{about}: {note.text}")
        typer.echo(f"  prompt {note.prompt_sha256}")
    if not notes:
        typer.echo("  none")


@contextmanager
def _journal(database: str | None) -> Iterator[tuple[Journal, str]]:
    """The journal that was named, or the latest, and its name for a person."""
    from mqd.app.run import latest_journal_url
    from mqd.runtime.clock import SystemClock
    from mqd.store.journal import open_journal

    with open_journal(database or latest_journal_url(), SystemClock(), write=False) as journal:
        yield journal, journal.name.removeprefix(_SQLITE)


def _page_form(form: ReportFormat | None, out: Path | None) -> ReportFormat:
    """The form that is asked for; told before the journal is read, which can take a while.

    Raises:
        SettingsError: the file has no folder, or its name says another form.
    """
    _check_out(out)
    if out is None:
        return form or ReportFormat.text
    return _chosen(form, out, _BY_SUFFIX) or ReportFormat.markdown


def _page(
    as_json: dict[str, Any],
    title: str,
    sections: Callable[[], list[Section]],
    form: ReportFormat,
    out: Path | None,
) -> str:
    if form is ReportFormat.json:
        return json.dumps(as_json, indent=1) + "\n"
    return _in_words(title, sections(), form, is_file=out is not None)


def _line_text(line: TradingEvent) -> str:
    from mqd.cli.happenings import both_times
    from mqd.ground.canonical import decimal_text
    from mqd.publish.figures import price_text

    shares = "" if line.qty is None else f" {decimal_text(line.qty)}"
    price = "" if line.price is None else f" @ {price_text(line.price)}"
    what = f"{line.side.upper()}{shares} {line.symbol}{price}".strip()
    order = f" [{line.order_id}]" if line.order_id else ""
    tags = f" ({_tags_text(line)})" if line.tag else ""
    return f"{both_times(line.at_ns)}  {line.event_type:<16}  {what}: {line.reason}{tags}{order}"


def _tags_text(line: TradingEvent) -> str:
    """What a finished trade is filed under; its tag only where that is not its exit's code."""
    tag = () if line.tag == line.reason else (line.tag,)
    return ", ".join((*tag, f"regime {line.regime}", *line.failure_regimes))


def _check_date(option: str, date: str | None) -> None:
    if date is not None and not _DATE.fullmatch(date):
        raise SettingsError(f"{option} {date}: expected a date such as 2024-11-25")


def _check_out(out: Path | None) -> None:
    if out is not None and not out.parent.is_dir():
        raise SettingsError(f"--out {out}: there is no folder {out.parent}")


def _write(written: str, out: Path | None, what: str) -> None:
    if out is None:
        typer.echo(written, nl=False)
        return
    try:
        out.write_text(written, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingsError(f"--out {out}: cannot be written: {error.strerror}") from error
    typer.echo(f"{out}: {what}")


def _chosen(form: _Form | None, out: Path, by_suffix: dict[str, _Form]) -> _Form | None:
    """The form that was asked for, by name or by the name of the file, or None.

    Raises:
        SettingsError: the two say different things.
    """
    named = by_suffix.get(out.suffix.lower())
    if form is not None and named not in {None, form}:
        raise SettingsError(
            f"--format {form} and --out {out}: a {out.suffix} file is {named}; leave --format out"
        )
    return form or named


def _in_words(title: str, sections: list[Section], form: ReportFormat, *, is_file: bool) -> str:
    """The report as Markdown, or as it looks on a terminal; colour never goes into a file."""
    from mqd.cli.console import stdout_console
    from mqd.cli.sections import as_markdown, print_sections

    if form is ReportFormat.markdown:
        return as_markdown(title, sections)
    console = stdout_console()
    if is_file:
        console.no_color = True
    with console.capture() as captured:
        print_sections(console, title, sections)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
