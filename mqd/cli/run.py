"""`mqd run`: the desk, from its bars to a summary."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    from mqd.app.live import LiveRun
    from mqd.app.run import DeskRun, RunPlan
    from mqd.app.settings import Settings
    from mqd.app.watchers import OutsideWatcher
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
        if not settings.is_simulated:
            _check_live(settings, bars, multiple, changes, protections)
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
    with _outside(plan, clock) as outside:
        desk_run = _opened(plan, clock)
        _warn(desk_run)
        tally = Tally(lambda: desk_run.desk.took_ns)
        desk_run.desk.stopwatch = time.perf_counter_ns
        if form is TableFormat.json:
            desk_run.run((tally, *outside), stop.wanted, stop.halt_wanted)
            document = _summary(desk_run, tally, stop).to_json()
            if desk_run.calls is not None:
                document["broker_calls"] = desk_run.calls.to_json()
            typer.echo(json.dumps(document, indent=1))
        else:
            _run_in_sight(desk_run, tally, stop, clock, outside)
    _tell_unfinished(desk_run)


@contextmanager
def _outside(plan: RunPlan, clock: StoppableClock) -> Iterator[tuple[OutsideWatcher, ...]]:
    """Who watches from outside; told at the end, also of the error that ended the desk."""
    from mqd.app.watchers import close_watchers, outside_watchers

    watchers = outside_watchers(plan.settings, os.environ, clock, plan.book)
    ended: BaseException | None = None
    try:
        yield watchers
    except BaseException as error:
        ended = error
        raise
    finally:
        for line in close_watchers(watchers, ended):
            typer.echo(f"mqd: {line}", err=True)


def _check_live(
    settings: Settings,
    bars: list[Path] | None,
    multiple: float | None,
    changes: list[str] | None,
    protections: str,
) -> None:
    """A desk with an account takes bars and time from the exchange, and its rules as they are."""
    given: dict[str, object] = {"--bars": bars, "--speed": multiple}
    if settings.profile == "live":
        given |= {"--set": changes, "--protections": protections != "all"}
    for option, value in given.items():
        if value:
            raise SettingsError(f"{option}: not with the profile {settings.profile}")


def _made(plan: RunPlan, clock: StoppableClock) -> DeskRun | LiveRun:
    if plan.settings.is_simulated:
        from mqd.app.run import DeskRun

        return DeskRun(plan, clock)
    from mqd.app.account import account_of
    from mqd.app.live import LiveRun

    return LiveRun(plan, account_of(plan.settings, os.environ), clock)


def _opened(plan: RunPlan, clock: StoppableClock) -> DeskRun | LiveRun:
    """The desk with its journal; a folder that was made for nothing is taken away again."""
    from dataclasses import replace

    from mqd.app.run import new_journal_url

    if not plan.journal_url and plan.settings.journal.endswith(".db"):
        plan = replace(plan, journal_url=plan.settings.journal)
    if plan.journal_url:
        return _made(plan, clock)
    made = replace(plan, journal_url=new_journal_url(Path(plan.settings.journal)))
    try:
        return _made(made, clock)
    except BaseException:
        folder = Path(made.journal_url.removeprefix(_SQLITE)).parent
        if not any(folder.iterdir()):
            folder.rmdir()
        raise


def _run_in_sight(
    desk_run: DeskRun | LiveRun,
    tally: Tally,
    stop: StopSwitch,
    clock: StoppableClock,
    outside: tuple[OutsideWatcher, ...],
) -> None:
    """Show the run while it goes on, then its summary."""
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.plain_lines import PlainLines
    from mqd.cli.screen import Screen
    from mqd.cli.summary_text import print_summary

    console = stdout_console()
    _print_opening(desk_run)
    if console.is_terminal and not console.is_dumb_terminal:
        with Screen(
            console, desk_run.plan.book, tally, _title(desk_run), desk_run.bars_to_come
        ) as screen:
            clock.while_waiting = screen.tick
            desk_run.run((tally, screen, *outside), stop.wanted, stop.halt_wanted)
    else:
        lines = PlainLines(desk_run.plan.book)
        desk_run.run((tally, lines, *outside), stop.wanted, stop.halt_wanted)
        lines.finish()
    summary = _summary(desk_run, tally, stop)
    print_trimmed(console, lambda: print_summary(console, summary, desk_run.calls))


def _warn(desk_run: DeskRun | LiveRun) -> None:
    """Say loudly why this desk is started to get out, and for nothing else."""
    for check in desk_run.warnings:
        typer.echo(f"mqd: WARNING: {check.name}: {check.said}", err=True)
    if desk_run.warnings:
        typer.echo(
            "mqd: WARNING: checks failed, and the journal holds a position or an order that works:"
            " the desk starts halted. Exits go on, nothing is opened until `mqd resume`",
            err=True,
        )


def _tell_unfinished(desk_run: DeskRun | LiveRun) -> None:
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


def _print_opening(desk_run: DeskRun | LiveRun) -> None:
    from mqd import __version__
    from mqd.app.series import series_warnings
    from mqd.cli.console import print_sentence
    from mqd.cli.happenings import both_times
    from mqd.cli.summary_text import SYNTHETIC
    from mqd.publish.before_a_run import warnings_before

    plan, recovered = desk_run.plan, desk_run.recovered
    typer.echo(f"MiniQuantDesk {__version__}, profile {plan.settings.profile}, {_broker(desk_run)}")
    typer.echo(f"rules: {plan.book.digest}")
    typer.echo(f"bars: {', '.join(_sources(plan)) or SYNTHETIC}")
    typer.echo(f"journal: {_journal_name(desk_run)}")
    settings = plan.settings
    for line in (
        *warnings_before(plan.book, settings.profile),
        *series_warnings(plan.book, settings.profile, settings.series),
    ):
        print_sentence(f"warning: {line}")
    if desk_run.journal.migrated is not None:
        typer.echo(desk_run.journal.migrated)
    if desk_run.is_restart:
        after = (
            both_times(recovered.last_bar_ns) if recovered.last_bar_ns is not None else "the start"
        )
        typer.echo(f"going on after {after}, {recovered.events:,} events replayed")
        _print_stopped(desk_run)
        if recovered.last_bar_ns is not None and desk_run.bars_to_come == 0:
            last_ns = min(recovered.last_bar_ns, desk_run.feed.rows.last_ns)
            typer.echo(f"nothing new: these bars end at {both_times(last_ns)}")


def _sources(plan: RunPlan) -> tuple[str, ...]:
    """Where the bars come from: files, an account, or nowhere for the samples."""
    if not plan.settings.is_simulated:
        return (f"{plan.settings.broker}, {plan.settings.bars}, live",)
    return tuple(str(path) for path in plan.bars)


def _print_stopped(desk_run: DeskRun | LiveRun) -> None:
    """A stopped desk stays stopped; whoever starts it has to know."""
    machine, name = desk_run.plan.book.desk_machine, desk_run.desk.state.state_name
    means = next((state.means for state in machine.states if state.name == name), "")
    if name not in {"", machine.initial}:
        typer.echo(f"the desk is {name}: {means} `mqd status` says since when, by whom and why")


def _journal_name(desk_run: DeskRun | LiveRun) -> str:
    """What --db takes: a path as it was given, or an address without its password."""
    url = desk_run.plan.journal_url
    if url.startswith(_SQLITE):
        return url.removeprefix(_SQLITE)
    return desk_run.journal.name if "://" in url else url


def _broker(desk_run: DeskRun | LiveRun) -> str:
    settings = desk_run.plan.settings
    if not settings.is_simulated:
        return f"broker {settings.broker}"
    at = "the close" if settings.fill == "close" else "the next open"
    slippage = f", slippage {settings.slippage_bps} bps" if settings.slippage_bps != "0" else ""
    return f"{settings.broker} broker, fills at {at}{slippage}"


def _title(desk_run: DeskRun | LiveRun) -> str:
    plan = desk_run.plan
    if not plan.settings.is_simulated:
        return f"live bars · {plan.settings.profile} · rules {plan.book.digest[:12]}"
    source = "recorded bars" if plan.bars else "synthetic bars"
    speed = f" x{plan.speed:g}" if plan.speed is not None else ""
    return f"{source}{speed} · {plan.settings.profile} · rules {plan.book.digest[:12]}"


def _summary(desk_run: DeskRun | LiveRun, tally: Tally, stop: StopSwitch) -> RunSummary:
    from mqd.publish.summary import RunLabel, summarise

    plan, recovered = desk_run.plan, desk_run.recovered
    ended = "the bars came to their end"
    if stop.is_wanted:
        ended = STOPPED
    elif tally.sessions_closed >= plan.most_sessions:
        ended = f"{plan.most_sessions} sessions closed, as asked"
    label = RunLabel(
        profile=plan.settings.profile,
        journal=_journal_name(desk_run),
        bars=_sources(plan),
        ended=ended,
        going_on_after_ns=recovered.last_bar_ns,
        events_replayed=recovered.events,
    )
    return summarise(tally, desk_run.desk.state, plan.book, label)
