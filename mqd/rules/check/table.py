"""The table of a machine: each pair of state and event once, and a way through all states."""

from __future__ import annotations

from typing import NamedTuple

from mqd.rules.book import MachineRules, Row, State
from mqd.rules.check.document import Document
from mqd.rules.problems import Place

CODES = {
    "PAIR_COVERED_TWICE": "Two rows claim the same state and event.",
    "PAIR_UNCOVERED": "No row says what an event means in a state.",
    "STATE_UNREACHABLE": "Nothing leads to this state.",
    "STATE_TRAPPED": "No way leads from this state to a terminal one.",
    "TERMINAL_LEFT": "A transition leaves a terminal state.",
}


class Doubts(NamedTuple):
    """What was told of the rows already: names that are not there, guards without an outcome."""

    names_are_right: bool
    rows: frozenset[str]


def table_of(
    document: Document,
    rows: tuple[Row, ...],
    states: tuple[State, ...],
    events: tuple[str, ...],
    doubts: Doubts,
) -> dict[tuple[str, str], Row]:
    """The row that stands first for each pair; a row reached only by `else` stands second.

    What only follows from a doubt that was told already is not told as well.
    """
    second = {(row.otherwise, pair) for row in rows if row.otherwise for pair in _pairs(row)}
    table: dict[tuple[str, str], Row] = {}
    for row in rows:
        for pair in _pairs(row):
            if (row.id, pair) in second:
                continue
            if pair in table and not doubts.rows & {row.id, table[pair].id}:
                document.note(
                    row.place, (row.id,), "PAIR_COVERED_TWICE",
                    f"`{pair[1]}` in {pair[0]} is covered by {table[pair].id} already.",
                    "a state and an event belong to one row: take them out of the other",
                )  # fmt: skip
            table.setdefault(pair, row)
    for state in states if doubts.names_are_right else ():
        missing = [event for event in events if (state.name, event) not in table]
        if missing:
            document.note(
                state.place, ("states", state.name), "PAIR_UNCOVERED",
                f"Nothing says what {', '.join(f'`{event}`' for event in missing)} "
                f"means in {state.name}.", "add a transition, or a line under `otherwise`",
            )  # fmt: skip
    return table


def _pairs(row: Row) -> list[tuple[str, str]]:
    return [(source, event) for source in row.sources for event in row.events]


def check_ways(document: Document, machine: MachineRules, doubts: Doubts) -> None:
    """Every state is reached and leads to an end; what has ended is never left."""
    edges = {(source, row.target) for row in machine.rows if row.target for source in row.sources}
    terminal = machine.terminal
    for row in machine.rows:
        left = sorted(set(row.sources) & terminal)
        if row.target and left:
            document.note(
                row.place, (row.id,), "TERMINAL_LEFT",
                f"{left[0]} is terminal and cannot be left.", "use `do:` under `otherwise`",
            )  # fmt: skip
    if not doubts.names_are_right:
        return
    reached = _closure({machine.initial}, edges)
    ends = _closure(set(terminal), {(target, source) for source, target in edges})
    for state in machine.states:
        if state.name not in reached:
            _note_state(document, state.place, state.name, "STATE_UNREACHABLE",
                        f"Nothing leads from {machine.initial} to {state.name}.",
                        "add a transition to it, or remove the state")  # fmt: skip
        if terminal and state.name not in ends:
            _note_state(document, state.place, state.name, "STATE_TRAPPED",
                        f"No way leads from {state.name} to a terminal state.",
                        "add a transition, or write `terminal: true` under it")  # fmt: skip


def _note_state(
    document: Document, place: Place, name: str, code: str, message: str, hint: str
) -> None:
    document.note(place, ("states", name), code, message, hint)


def _closure(start: set[str], edges: set[tuple[str, str]]) -> set[str]:
    found = set(start)
    frontier = set(start)
    while frontier:
        frontier = {target for source, target in edges if source in frontier} - found
        found |= frontier
    return found
