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
    from rich.padding import Padding
    from rich.text import Text

    from mqd.cli.tables import print_facts, print_table

    console.print(Text(title, "bold"))
    for section in sections:
        console.print(Text(f"\n{section.title}", "bold"))
        for sentence in section.sentences:
            console.print(Padding.indent(Text(sentence), 2))
        if section.facts:
            print_facts(console, section.facts)
        if section.rows:
            print_table(console, section.columns, section.rows, section.numbers)


def _row(cells: Cells) -> str:
    return f"| {' | '.join(_inside(cell) for cell in cells)} |"


def _inside(value: str) -> str:
    """Text that does not start a line: a number or a sign in front needs no disguise there."""
    return inert(f"x{value}").removeprefix("x")
