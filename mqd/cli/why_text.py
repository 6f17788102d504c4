"""An explained decision as text: the answer first, then every condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mqd.cli.happenings import both_times, clock_of
from mqd.ground.units import PRICE, SHARES
from mqd.publish.figures import fact_text
from mqd.publish.recorded_values import NOT_KEPT, finite
from mqd.publish.why import FALSE, UNKNOWN, Explanation, Group, Judged

if TYPE_CHECKING:
    from rich.console import Console

_MARK_WIDTH = 7
_PRICES = ("open", "high", "low", "close")


def print_explanation(console: Console, item: Explanation) -> None:
    """Print one bar and strategy."""
    who = f"  {item.strategy}" if item.strategy else ""
    console.print(Text(f"{both_times(item.bar.at_ns)}  {item.bar.symbol}{who}", "bold"))
    console.print(Padding(Text(item.headline), (0, 2)))
    console.print(Padding(_facts(item), (0, 2)))
    for group in item.groups:
        title = Text(f"\n  {group.title}", "bold")
        if group.not_reached:
            title.append(f" (not looked at: {group.not_reached})", "dim")
        console.print(title)
        if group.conditions:
            console.print(Padding(_conditions(group), (0, 4)))
        else:
            console.print(Text("    none in these rules", "dim"))


def _facts(item: Explanation) -> Table:
    bar = item.bar
    prices = [f"{name} {fact_text(finite(getattr(bar, name)), PRICE)}" for name in _PRICES]
    volume = fact_text(finite(bar.volume), SHARES).removesuffix(" shares")
    span = f"{clock_of(bar.start_ns)}-{clock_of(bar.at_ns)} ET"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("bar", f"{span}  {'  '.join(prices)}  volume {volume}")
    for order in item.orders:
        table.add_row("order", order)
    for incident in item.incidents:
        table.add_row("incident", Text(incident, "red"))
    table.add_row("rules", f"{item.rules_digest[:12]}, event {item.seq:,} of the journal")
    return table


def _conditions(group: Group) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=_MARK_WIDTH, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for judged in group.conditions:
        if group.not_reached:
            table.add_row(Text("-", "dim"), Text(judged.code, "dim"), Text(judged.when, "dim"))
        else:
            _add_judged(table, judged)
    return table


def _add_judged(table: Table, judged: Judged) -> None:
    style = "bold yellow" if judged.counts else "dim" if judged.truth == FALSE else "yellow"
    code = Text(judged.code, "bold" if judged.counts else "")
    table.add_row(Text(judged.truth, style), code, Text(judged.because))
    table.add_row("", "", Text(judged.when, "cyan"))
    values = ", ".join(f"{shown.name} {shown.text}" for shown in judged.values)
    if any(shown.text != NOT_KEPT for shown in judged.values):
        table.add_row("", "", Text(values, "dim"))
    if judged.truth == UNKNOWN:
        counts = "true" if judged.counts else "false"
        table.add_row(
            "", "", Text(f"unknown: {judged.on_unknown}, so it counts as {counts}", "dim")
        )
