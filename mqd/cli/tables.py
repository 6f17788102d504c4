"""Tables that stay readable where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_GAPS = (2, 1)
_INDENT = 2
_FACT_WIDTH = 16  # so that the values of most sections stand under each other


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: frozenset[str] = frozenset(),
    style: str = "dim",
) -> None:
    """The rows under their heads; `numbers` are right-aligned columns, `style` is the heads'.

    No word and no number is ever cut: where the table is too wide, each row becomes a list.
    """
    wanted, cells, least = _widths(columns, rows, numbers)
    for gap in _GAPS:
        room = console.width - _INDENT - gap * (len(columns) - 1)
        if sum(least) <= room:
            widths = _shared(wanted, _shared(cells, least, room), room)
            _print_grid(console, (columns, widths), rows, numbers, style, gap)
            return
    for place, row in enumerate(rows):
        if place:
            console.print()
        print_facts(console, zip(columns, row, strict=True), 0)


def print_facts(
    console: Console, facts: Iterable[tuple[str, str]], least_width: int = _FACT_WIDTH
) -> None:
    """Names with their values; a long value goes on under itself."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=least_width, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, Text(value))
    console.print(Padding.indent(grid, _INDENT))


def _print_grid(
    console: Console,
    heads: tuple[Sequence[str], Sequence[int]],
    rows: Sequence[Sequence[str]],
    numbers: frozenset[str],
    style: str,
    gap: int,
) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style=style, pad_edge=False, padding=(0, gap, 0, 0))
    for name, width in zip(*heads, strict=True):
        table.add_column(name, justify="right" if name in numbers else "left", width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(Padding.indent(table, _INDENT))


def _widths(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[str]
) -> tuple[list[int], list[int], list[int]]:
    """How wide each column would like to be, its cells alone would, and must be.

    It must hold its longest word, or whole number.
    """
    from rich.cells import cell_len

    wanted, inside, least = [], [], []
    for name, *cells in zip(columns, *rows, strict=True):
        pieces = [*name.split(), *(cells if name in numbers else " ".join(cells).split())]
        lines = [line for cell in cells for line in cell.split("\n")]
        wanted.append(max(map(cell_len, (name, *lines))))
        inside.append(max(map(cell_len, lines), default=0))
        least.append(max(map(cell_len, pieces), default=0))
    return wanted, inside, least


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The room shared out evenly: what lacks little is whole before what lacks much."""
    widths = list(least)
    for _ in range(room - sum(least)):
        lacking = [place for place, width in enumerate(widths) if width < wanted[place]]
        if not lacking:
            break
        widths[min(lacking, key=lambda place: widths[place] - least[place])] += 1
    return widths
