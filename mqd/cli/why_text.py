"""An explained decision as text: the answer first, then every condition with what it read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group as Lines
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mqd.cli.happenings import both_times, clock_of
from mqd.ground.units import PRICE, SHARES
from mqd.publish.answer import answer_of
from mqd.publish.figures import fact_text
from mqd.publish.judged import FALSE, TRUE, UNKNOWN, Group, Judged
from mqd.publish.meaning import says_the_same
from mqd.publish.recorded_values import NOT_KEPT, finite
from mqd.publish.why import Explanation, stands_for_closed

if TYPE_CHECKING:
    from rich.console import Console

_MARK_WIDTH = 7
_PRICES = ("open", "high", "low", "close")


def print_explanation(console: Console, item: Explanation, *, brief: bool = False) -> None:
    """Print one bar and strategy; `brief` leaves it at the answer."""
    _print_answer(console, item)
    if brief:
        return
    console.print()
    console.print(Padding(_facts(item), (0, 2)))
    for group in item.groups:
        title = Text(f"\n  {group.title}", "bold")
        if group.not_reached:
            title.append(f"\n  ({group.not_reached})", "dim")
        console.print(title)
        if group.conditions:
            console.print(Padding(_conditions(group, item.closed_text), (0, 0, 0, 4)))
        else:
            console.print(Text("    none in these rules", "dim"))
    if item.flips and (item.flips.changes or item.flips.together):
        _print_flips(console, item)


def _print_answer(console: Console, item: Explanation) -> None:
    who = f"  {item.strategy}" if item.strategy else ""
    console.print(Text(f"{both_times(item.bar.at_ns)}  {item.bar.symbol}{who}", "bold"))
    console.print(Padding(Text(item.headline), (0, 2)))
    lines = [
        Text.assemble((f"{line.codes}: ", "bold yellow"), line.text) if line.codes
        else Text(line.text)
        for line in answer_of(item)
    ]  # fmt: skip
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for text in lines:
        table.add_row("-", text)
    if lines:
        console.print(Padding(table, (0, 2)))
    for incident in item.incidents:
        console.print(Padding(Text(f"incident: {incident}", "red"), (0, 2)))


def _facts(item: Explanation) -> Table:
    bar = item.bar
    prices = [f"{name} {fact_text(finite(getattr(bar, name)), PRICE)}" for name in _PRICES]
    volume = fact_text(finite(bar.volume), SHARES).removesuffix(" shares")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("bar", f"{clock_of(bar.start_ns)}-{clock_of(bar.at_ns)} ET  volume {volume}")
    table.add_row("", "  ".join(prices))
    for order in item.order_ids:
        table.add_row("order", order)
    table.add_row("rules", f"{item.rules_digest[:12]}, event {item.seq:,} of the journal")
    return table


def _conditions(group: Group, closed: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=_MARK_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for judged in group.conditions:
        if group.not_reached and not judged.would_be:
            said = Text(judged.code, "dim")
            table.add_row(Text("-", "dim"), Lines(said, Text(judged.when, "dim")))
        else:
            _add_judged(table, judged, closed if stands_for_closed(judged) else "")
    return table


def _add_judged(table: Table, judged: Judged, closed: str) -> None:
    """Code and sentence, how far it was from turning, formula and values; why it is a rule.

    What closed the strategy says more than why there is a rule for it.
    """
    style = "bold yellow" if judged.counts else "dim" if judged.truth == FALSE else "yellow"
    is_asked = not judged.would_be
    said = [Text(judged.code, "bold" if judged.counts else "")]
    if not (judged.counts and says_the_same(judged.sentence, judged.because)):
        said.append(Text(judged.sentence.replace("`", "")))
    said += [Text(distance.text) for distance in judged.distances]
    said.append(Text(judged.when, "cyan"))
    values = ", ".join(f"{shown.name} {shown.text}" for shown in judged.values)
    if any(shown.text != NOT_KEPT for shown in judged.values):
        said.append(Text(values, "dim"))
    if judged.truth == UNKNOWN and is_asked:
        counts = "true" if judged.counts else "false"
        said.append(Text(f"unknown: {judged.on_unknown}, so it counts as {counts}", "dim"))
    if judged.holds:
        said.append(Text(judged.holds))
    if judged.would_be == TRUE:
        said.append(Text("it would have refused the order", "yellow"))
    if judged.counts:
        said.append(Text(f"It is {closed}." if closed else judged.because, "italic"))
    table.add_row(Text(judged.truth if is_asked else "-", style), Lines(*said))


def _print_flips(console: Console, item: Explanation) -> None:
    """Every change that was found to flip the decision, alone or with others."""
    assert item.flips is not None
    flips = item.flips
    how, lead = ("Each alone", "leads") if flips.changes else ("All together", "lead")
    console.print(Text(f"\n  {how}, all else as recorded, {lead} to {flips.towards}", "bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for change in flips.changes or flips.together:
        after = f"{change.after_text} instead of {change.before_text}"
        by = f", {change.by}" if change.by else ""
        table.add_row(Text(change.name), Text(f"{after}{by}"))
    console.print(Padding(table, (0, 2, 0, 4)))
    if flips.unchecked:
        taken = ", ".join(flips.unchecked)
        said = f"Nobody looked at these checks; they are taken to let it pass: {taken}"
        console.print(Padding(Text(said, "dim"), (0, 2, 0, 4)))
