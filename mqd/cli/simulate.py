"""`mqd simulate`: days in which everything goes wrong, each of them from one seed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mqd.cli.options import FormatOption, RecordOption, RulesOption, TableFormat
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from collections import Counter

    from mqd.app.simulation.run import SimulationPlan, Summary

_SHOWN = 10


def simulate(
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="How many days. Default: 200.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What all chance comes from.")] = 1,
    day: Annotated[
        int | None, typer.Option("--day", min=0, help="Only this day, as it was in a longer run.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="How many processes.")] = 1,
    db: Annotated[
        str | None,
        typer.Option("--db", help="With --day: keep that day's journal here; a new one."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The days. Default: config/simulation.yaml."),
    ] = None,
    rules: RulesOption = None,
    form: FormatOption = TableFormat.text,
    record: RecordOption = False,
) -> None:
    """Run seeded days against a faulty broker; exit 1 if the desk's books are ever wrong."""
    from mqd.app.settings import rules_folder
    from mqd.app.simulation.run import SimulationPlan
    from mqd.app.simulation.settings import read_simulation
    from mqd.rules.validate import load_rules

    if day is not None and days is not None:
        raise SettingsError("--day runs one day and --days several; give one of them")
    if db is not None and day is None:
        raise SettingsError("--db keeps the journal of one day; add --day")
    plan = SimulationPlan(load_rules(rules_folder(rules)), read_simulation(config), seed)
    began_s = monotonic()
    if db is not None and day is not None:
        summary = _kept(plan, day, db)
    else:
        summary = _lived(plan, range(days or 200) if day is None else (day,), jobs)
    took_s = monotonic() - began_s
    again = _command_again(seed, config, rules)
    if form is TableFormat.json:
        typer.echo(json.dumps(_as_json(plan, summary, took_s, again), indent=1))
    else:
        _show(plan, summary, took_s, again)
    if record:
        from mqd.app.proofs import record_proof

        record_proof("simulation", _as_proof(plan, summary, took_s))
    if summary.violations:
        raise typer.Exit(1)


def _as_proof(plan: SimulationPlan, summary: Summary, took_s: float) -> dict[str, Any]:
    """The figures that the pages show of a long run."""
    return {
        "days": summary.days,
        "seed": plan.seed,
        "violations": len(summary.violations),
        "days_per_s": round(summary.days / max(took_s, 1e-9), 1),
        "events": summary.events,
        "orders": summary.orders,
        "fills": summary.fills,
        "trades": summary.trades,
        "entries_refused_by_validation": summary.refused_entries,
        "exits_refused_by_validation": summary.refused_exits,
        "share_refused_by_validation": round(summary.refused_share, 6),
        "faults": dict(sorted(summary.faults.items())),
        "crashes": dict(sorted(summary.crashes.items())),
        "incidents": dict(sorted(summary.incidents.items())),
        "digest": summary.digest,
        "rules_digest": plan.book.digest,
    }


def _lived(plan: SimulationPlan, days: range | tuple[int, ...], jobs: int) -> Summary:
    from mqd.app.simulation.run import Summary, simulate

    summary = Summary()
    with _day_progress(len(days)) as advance:
        for result in simulate(plan, days, min(jobs, len(days))):
            summary.add(result)
            advance()
    return summary


def _kept(plan: SimulationPlan, day: int, db: str) -> Summary:
    from mqd.app.simulation.run import Summary, keep_journal
    from mqd.runtime.clock import SystemClock
    from mqd.store.journal import open_journal

    summary = Summary()
    with open_journal(db, SystemClock(), write=True) as journal:
        if journal.count():
            raise SettingsError(f"{db} holds a journal already; --db takes a new one")
        summary.add(keep_journal(plan, day, journal))
    return summary


def _command_again(seed: int, config: Path | None, rules: Path | None) -> str:
    """The command that lives one of these days again, but for the day's number."""
    words = ["mqd", "simulate", "--seed", str(seed)]
    for option, path in (("--config", config), ("--rules", rules)):
        words += [option, str(path)] if path is not None else []
    return shlex.join([*words, "--day"])


def _as_json(plan: SimulationPlan, summary: Summary, took_s: float, again: str) -> dict[str, Any]:
    return {
        "seed": plan.seed,
        "rules": plan.book.digest,
        "days": summary.days,
        "digest": summary.digest,
        "violations": [
            {"day": day, "what": what, "again": f"{again} {day}"}
            for day, what in summary.violations
        ],
        "events": summary.events,
        "orders": summary.orders,
        "sent_again": summary.sent_again,
        "fills": summary.fills,
        "trades": summary.trades,
        "entries_refused_by_validation": summary.refused_entries,
        "exits_refused_by_validation": summary.refused_exits,
        "share_refused_by_validation": round(summary.refused_share, 6),
        "faults": dict(sorted(summary.faults.items())),
        "crashes": dict(sorted(summary.crashes.items())),
        "incidents": dict(sorted(summary.incidents.items())),
        "never_happened": list(summary.never_happened(plan.settings)),
        "days_per_s": round(summary.days / took_s, 1) if took_s else None,
    }


def _show(plan: SimulationPlan, summary: Summary, took_s: float, again: str) -> None:
    from mqd.cli.console import stdout_console

    console = stdout_console()
    for day, what in summary.violations[:_SHOWN]:
        console.print(f"day {day}: {what}", style="bold", soft_wrap=True)
        console.print(f"  again: {again} {day}", soft_wrap=True)
    if len(summary.violations) > _SHOWN:
        console.print(f"and {len(summary.violations) - _SHOWN} more days")
    console.print(
        f"{summary.days:,} days: {summary.events:,} events, {summary.orders:,} orders"
        f" ({summary.sent_again:,} sent again), {summary.fills:,} fills, {summary.trades:,} trades"
    )
    console.print(
        f"refused by validation: {summary.refused_entries:,} entries"
        f" ({summary.refused_share:.2%} of the orders); {summary.refused_exits:,} exits, which are"
        " sent all the same"
    )
    for title, counts in (
        ("faults", summary.faults),
        ("crashes", summary.crashes),
        ("incidents", summary.incidents),
    ):
        console.print(f"{title}: {_told(counts)}")
    for fault in summary.never_happened(plan.settings):
        console.print(f"never happened: {fault}; nothing is proved about it")
    held = "all held" if not summary.violations else f"{len(summary.violations)} did not hold"
    console.print(f"{held}; {summary.days / max(took_s, 1e-9):,.0f} days/s")
    console.print(f"digest {summary.digest}")
    console.print(f"rules {plan.book.digest}")


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"


@contextmanager
def _day_progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar that fills on a terminal; nothing when piped."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("days", total=total)
        yield lambda: progress.advance(task)
