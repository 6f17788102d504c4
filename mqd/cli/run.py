"""`mqd run`: the desk, from its bars to a summary."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqd.cli.options import (
    ChangesOption,
    FormatOption,
    ProtectionsOption,
    RulesOption,
    SymbolOption,
    TableFormat,
    parse_changes,
    parse_protections,
)
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.app.run import DeskRun, RunPlan
    from mqd.cli.stopping import StoppableClock, StopSwitch
    from mqd.publish.summary import RunSummary
    from mqd.publish.tally import Tally

_INTERRUPTED = 130
_SQLITE = "sqlite:///"
STOPPED = "stopped by the operator"


def run(
    config: Annotated[
        str, typer.Option("--config", metavar="NAME|FILE", help="Where the desk runs.")
    ] = "default",
    bars: Annotated[
        list[Path] | None,
        typer.Option("--bars", help="Parquet or CSV bars. Default: synthetic sample sessions."),
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", metavar="max|N", help="max, or N times real time.")
    ] = "max",
    sessions: Annotated[
        int | None, typer.Option("--sessions", min=1, help="Stop after so many session closes.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--db", help="A journal to make or to go on from. Default: a new one."),
    ] = None,
    rules: RulesOption = None,
    symbol: SymbolOption = None,
    changes: ChangesOption = None,
    protections: ProtectionsOption = "all",
    form: FormatOption = TableFormat.text,
) -> None:
    """Run the desk over recorded bars or the shipped samples, and sum up what it did."""
    from mqd.cli.stopping import StopSwitch

    with StopSwitch() as stop:  # before the slow imports: a Ctrl-C may come at any time
        from mqd.app.run import RunPlan
        from mqd.app.settings import read_settings, rules_folder
        from mqd.rules.changes import Changes
        from mqd.rules.validate import load_rules
        from mqd.runtime.loop import MOST_SESSIONS

        multiple = _multiple(speed)
        settings = read_settings(config)
        wanted = Changes(None, symbol, parse_changes(changes), parse_protections(protections))
        book = load_rules(rules_folder(rules), wanted)
        plan = RunPlan(
            book, tuple(bars or ()), settings, database or "", multiple, sessions or MOST_SESSIONS
        )
        try:
            _run(plan, stop, form)
        except KeyboardInterrupt:
            typer.echo("mqd: stopped at once; the journal holds what was committed", err=True)
            raise typer.Exit(_INTERRUPTED) from None


def _multiple(text: str) -> float | None:
    """How many times real time, or None for as fast as possible."""
    if text == "max":
        return None
    try:
        multiple = float(text)
    except ValueError:
        multiple = 0.0
    if not 0.0 < multiple < float("inf"):
        raise SettingsError(f"--speed {text}: expected max, or how many times real time, as in 60")
    return multiple


def _run(plan: RunPlan, stop: StopSwitch, form: TableFormat) -> None:
    from mqd.cli.stopping import StoppableClock
    from mqd.publish.tally import Tally

    clock = StoppableClock(stop)
    desk_run = _opened(plan, clock)
    tally = Tally(lambda: desk_run.desk.took_ns)
    desk_run.desk.stopwatch = time.perf_counter_ns
    if form is TableFormat.json:
        desk_run.run((tally,), stop.wanted, stop.halt_wanted)
        typer.echo(json.dumps(_summary(desk_run, tally, stop).to_json(), indent=1))
    else:
        _run_in_sight(desk_run, tally, stop, clock)
    _tell_unfinished(desk_run)


def _opened(plan: RunPlan, clock: StoppableClock) -> DeskRun:
    """The desk with its journal; a folder that was made for nothing is taken away again."""
    from dataclasses import replace

    from mqd.app.run import DeskRun, new_journal_url

    if plan.journal_url:
        return DeskRun(plan, clock)
    made = replace(plan, journal_url=new_journal_url(Path(plan.settings.journal)))
    try:
        return DeskRun(made, clock)
    except BaseException:
        folder = Path(made.journal_url.removeprefix(_SQLITE)).parent
        if not any(folder.iterdir()):
            folder.rmdir()
        raise


def _run_in_sight(desk_run: DeskRun, tally: Tally, stop: StopSwitch, clock: StoppableClock) -> None:
    """Show the run while it goes on, then its summary."""
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.plain_lines import PlainLines
    from mqd.cli.screen import Screen
    from mqd.cli.summary_text import print_summary

    console = stdout_console()
    _print_opening(desk_run)
    if console.is_terminal and not console.is_dumb_terminal:
        with Screen(
            console, desk_run.plan.book, tally, _title(desk_run), _bars_to_come(desk_run)
        ) as screen:
            clock.while_waiting = screen.tick
            desk_run.run((tally, screen), stop.wanted, stop.halt_wanted)
    else:
        lines = PlainLines(desk_run.plan.book)
        desk_run.run((tally, lines), stop.wanted, stop.halt_wanted)
        lines.finish()
    summary = _summary(desk_run, tally, stop)
    print_trimmed(console, lambda: print_summary(console, summary))


def _tell_unfinished(desk_run: DeskRun) -> None:
    """Orders that still work, or whose end nobody has confirmed, are not a clean end."""
    from mqd.cli import EXIT_NO
    from mqd.ground.canonical import decimal_text

    left = desk_run.unfinished
    for order in left:
        shares = f"{order.side} {decimal_text(order.remaining_qty)} {order.symbol}"
        typer.echo(f"mqd: {order.client_order_id} is {order.state}: {shares}", err=True)
    if left:
        many = "1 order has" if len(left) == 1 else f"{len(left)} orders have"
        typer.echo(f"mqd: {many} not ended; the next start goes on with them", err=True)
        raise typer.Exit(EXIT_NO)


def _print_opening(desk_run: DeskRun) -> None:
    from mqd import __version__
    from mqd.cli.happenings import both_times
    from mqd.cli.summary_text import SYNTHETIC

    plan, recovered = desk_run.plan, desk_run.recovered
    typer.echo(f"MiniQuantDesk {__version__}, profile {plan.settings.profile}, {_broker(desk_run)}")
    typer.echo(f"rules: {plan.book.digest}")
    files = ", ".join(str(path) for path in plan.bars)
    typer.echo(f"bars: {files or SYNTHETIC}")
    typer.echo(f"journal: {_journal_name(desk_run)}")
    if desk_run.journal.migrated is not None:
        typer.echo(desk_run.journal.migrated)
    if desk_run.is_restart:
        after = (
            both_times(recovered.last_bar_ns) if recovered.last_bar_ns is not None else "the start"
        )
        typer.echo(f"going on after {after}, {recovered.events:,} events replayed")
        _print_stopped(desk_run)
        last_ns = desk_run.feed.rows.last_ns if desk_run.feed.rows.count else 0
        if recovered.last_bar_ns is not None and last_ns <= recovered.last_bar_ns:
            typer.echo(f"nothing new: these bars end at {both_times(last_ns)}")


def _print_stopped(desk_run: DeskRun) -> None:
    """A stopped desk stays stopped; whoever starts it has to know."""
    machine, name = desk_run.plan.book.desk_machine, desk_run.desk.state.state_name
    means = next((state.means for state in machine.states if state.name == name), "")
    if name not in {"", machine.initial}:
        typer.echo(f"the desk is {name}: {means} `mqd status` says since when, by whom and why")


def _journal_name(desk_run: DeskRun) -> str:
    """What --db takes: a path as it was given, or an address without its password."""
    url = desk_run.plan.journal_url
    if url.startswith(_SQLITE):
        return url.removeprefix(_SQLITE)
    return desk_run.journal.name if "://" in url else url


def _broker(desk_run: DeskRun) -> str:
    settings = desk_run.plan.settings
    at = "the close" if settings.fill == "close" else "the next open"
    slippage = f", slippage {settings.slippage_bps} bps" if settings.slippage_bps != "0" else ""
    return f"{settings.broker} broker, fills at {at}{slippage}"


def _title(desk_run: DeskRun) -> str:
    plan = desk_run.plan
    source = "recorded bars" if plan.bars else "synthetic bars"
    speed = f" x{plan.speed:g}" if plan.speed is not None else ""
    return f"{source}{speed} · {plan.settings.profile} · rules {plan.book.digest[:12]}"


def _bars_to_come(desk_run: DeskRun) -> int:
    rows = desk_run.feed.rows
    after_ns = desk_run.recovered.last_bar_ns
    return rows.count if after_ns is None else int((rows.start_ns >= after_ns).sum())


def _summary(desk_run: DeskRun, tally: Tally, stop: StopSwitch) -> RunSummary:
    from mqd.publish.summary import RunLabel, summarise

    plan, recovered = desk_run.plan, desk_run.recovered
    ended = "the bars came to their end"
    if stop.is_wanted:
        ended = STOPPED
    elif tally.sessions_closed >= plan.most_sessions:
        ended = f"{tally.sessions_closed} sessions closed, as asked"
    label = RunLabel(
        profile=plan.settings.profile,
        journal=_journal_name(desk_run),
        bars=tuple(str(path) for path in plan.bars),
        ended=ended,
        going_on_after_ns=recovered.last_bar_ns,
        events_replayed=recovered.events,
    )
    return summarise(tally, desk_run.desk.state, plan.book, label)
