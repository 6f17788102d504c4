"""A page of titled sections, written once: as Markdown for a file, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from mqd.publish.markdown import text as inert

if TYPE_CHECKING:
    from rich.console import Console

Cells = tuple[str, ...]


class Section(NamedTuple):
    """A title, sentences, facts (name and value), a table; `numbers` are right-aligned columns."""

    title: str
    sentences: Cells = ()
    facts: tuple[tuple[str, str], ...] = ()
    columns: Cells = ()
    rows: tuple[Cells, ...] = ()
    numbers: frozenset[str] = frozenset()


def as_markdown(title: str, sections: Iterable[Section]) -> str:
    """The page as Markdown."""
    lines = [f"# {inert(title)}", ""]
    for section in sections:
        lines += [f"## {inert(section.title)}", ""]
        for sentence in section.sentences:
            lines += [inert(sentence), ""]
        if section.facts:
            lines += [f"- {inert(name)}: {_inside(value)}" for name, value in section.facts]
            lines.append("")
        if section.rows:
            rules = ["--:" if name in section.numbers else "---" for name in section.columns]
            lines += [_row(section.columns), f"|{'|'.join(rules)}|"]
            lines += [_row(cells) for cells in section.rows]
            lines.append("")
    return "\n".join(lines)


def print_sections(console: Console, title: str, sections: Iterable[Section]) -> None:
    """The page on a terminal."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(title, "bold"))
    for section in sections:
        console.print(Text(f"\n{section.title}", "bold"))
        for sentence in section.sentences:
            console.print(Text(f"  {sentence}"))
        if section.facts:
            facts = Table.grid(padding=(0, 2))
            facts.add_column(style="dim", min_width=18, no_wrap=True)
            facts.add_column(overflow="fold")
            for name, value in section.facts:
                facts.add_row(f"  {name}", Text(value))
            console.print(facts)
        if section.rows:
            table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
            for place, name in enumerate(section.columns):
                justify = "right" if name in section.numbers else "left"
                shown = name if place else f"  {name}"
                table.add_column(shown, justify=justify, overflow="fold")  # type: ignore[arg-type]  # one of two words
            for first, *others in section.rows:
                table.add_row(Text(f"  {first}"), *map(Text, others))
            console.print(table)


def _row(cells: Cells) -> str:
    return f"| {' | '.join(_inside(cell) for cell in cells)} |"


def _inside(value: str) -> str:
    """Text that does not start a line: a number or a sign in front needs no disguise there."""
    return inert(f"x{value}").removeprefix("x")
