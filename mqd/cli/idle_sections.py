"""The idle report in words: one table a session and strategy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mqd.cli.closed_sentences import closed_sentences
from mqd.cli.sections import Section
from mqd.publish.figures import share_text

if TYPE_CHECKING:
    from mqd.publish.idle import IdleReport, IdleSession, Outside

TITLE = "Why nothing was traded"
_COLUMNS = ("Condition", "Bars", "Share", "In its hours", "Share of them", "Expected", "Remark")


def sections_of(found: IdleReport) -> list[Section]:
    """The whole report."""
    record = Section("The record", facts=(("journal", found.journal),))
    return [*(_session(item) for item in found.sessions), record]


def _session(item: IdleSession) -> Section:
    inside, expected = dict(item.inside.times), dict(item.expected)
    told = dict(_remarks(item))
    rows = tuple(
        (code, f"{times:,}", share_text(times, item.bars), f"{inside[code]:,}",
         share_text(inside[code], item.inside.bars), expected.get(code, "-"), told.get(code, "-"))
        for code, times in sorted(item.times, key=lambda pair: -pair[1])
        if times or code in told
    )  # fmt: skip
    hours = f"{item.bars:,} bars decided, {item.inside.bars:,} of them in the strategy's own hours."
    closed = tuple(closed_sentences(item.strategy, item.closed))
    notes = tuple(f"Out of the ordinary: {note.text}." for note in item.out_of_band)
    return Section(
        f"{item.date}, {item.strategy}", (hours, *closed, *notes), (), _COLUMNS, rows,
        frozenset(_COLUMNS[1:5]),
    )  # fmt: skip


def _remarks(item: IdleSession) -> Iterator[tuple[str, str]]:
    """What is to be said of a condition: how far from a message it is, and what it is true for."""
    outside = {each.code: each for each in item.outside}
    why = "; ".join(closed.short for closed, _ in item.closed)
    times = dict(item.times)
    for code, count in times.items():
        said = [_outside(outside[code])] if code in outside else []
        said += [why] if why and count and code in item.by_closed else []
        if said:
            yield code, "; ".join(said)


def _outside(found: Outside) -> str:
    if not found.in_a_row:
        return "outside its band; not judged, as the session was not seen from its open on"
    sessions = "1 session" if found.in_a_row == 1 else f"{found.in_a_row} sessions"
    said = f"outside its band, {sessions} in a row"
    if found.in_a_row >= found.told_after:
        return said
    return f"{said}; told after {found.told_after}"
