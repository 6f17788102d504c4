"""The idle report in words: one table a session and strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqd.cli.sections import Section
from mqd.publish.figures import share_text

if TYPE_CHECKING:
    from mqd.publish.idle import IdleReport, IdleSession

TITLE = "Why nothing was traded"
_COLUMNS = ("Condition", "Bars", "Share", "In its hours", "Share of them", "Expected", "Remark")


def sections_of(found: IdleReport) -> list[Section]:
    """The whole report."""
    record = Section("The record", facts=(("journal", found.journal),))
    return [*(_session(item) for item in found.sessions), record]


def _session(item: IdleSession) -> Section:
    inside, expected = dict(item.inside.times), dict(item.expected)
    told = {note.code: _remark(note.in_a_row) for note in item.out_of_band}
    rows = tuple(
        (code, f"{times:,}", share_text(times, item.bars), f"{inside[code]:,}",
         share_text(inside[code], item.inside.bars), expected.get(code, "-"), told.get(code, "-"))
        for code, times in sorted(item.times, key=lambda pair: -pair[1])
        if times or code in told
    )  # fmt: skip
    hours = f"{item.bars:,} bars decided, {item.inside.bars:,} of them in the strategy's own hours."
    notes = tuple(f"Out of the ordinary: {note.text}." for note in item.out_of_band)
    return Section(
        f"{item.date}, {item.strategy}", (hours, *notes), (), _COLUMNS, rows,
        frozenset(_COLUMNS[1:5]),
    )  # fmt: skip


def _remark(in_a_row: int) -> str:
    return "outside" if in_a_row == 1 else f"outside, {in_a_row} sessions in a row"
