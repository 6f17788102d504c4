"""Machines: states, events, and for every (state, event) pair exactly one declared meaning."""

from __future__ import annotations

from mqd.rules.book import MachineRules, State
from mqd.rules.check.document import Document
from mqd.rules.check.rows import CODES as ROW_CODES
from mqd.rules.check.rows import ROW_KINDS, RowReader
from mqd.rules.check.sets import Surroundings
from mqd.rules.check.table import CODES as TABLE_CODES
from mqd.rules.check.table import Doubts, check_ways, table_of
from mqd.rules.problems import did_you_mean
from mqd.rules.words.events import MACHINE_EVENTS, TERMINAL

CODES = {
    "MACHINE_UNKNOWN": "There is no machine of this kind.",
    **ROW_CODES,
    **TABLE_CODES,
}


_TRUE = frozenset({"true", "yes", "on"})


def read_machine(document: Document, around: Surroundings) -> MachineRules | None:
    """The machine with its total table, or None when something in it is wrong."""
    events = tuple(MACHINE_EVENTS.get(document.id, ()))
    if not events:
        document.note(
            document.place, (), "MACHINE_UNKNOWN", f"There is no machine `{document.id}`.",
            did_you_mean(document.id, MACHINE_EVENTS),
        )  # fmt: skip
        return None
    before = len(document.notes.problems)
    states = _states(document)
    reader = RowReader(document, states, events, around)
    rows = reader.rows()
    initial = document.scalar("initial")
    if initial is not None:
        reader.state_name(initial, ())
    doubts = Doubts(reader.names_are_right, frozenset(reader.doubtful))
    if not doubts.names_are_right:
        _check_states_named(document, states)  # else the ways through the table tell it better
    machine = MachineRules(
        header=document.header(),
        initial=document.text("initial"),
        states=states,
        events=events,
        rows=rows,
        table=table_of(document, rows, states, events, doubts),
    )
    check_ways(document, machine, doubts)
    return machine if len(document.notes.problems) == before else None


def _states(document: Document) -> tuple[State, ...]:
    found: list[State] = []
    for key, _ in document.pairs("states"):
        if key.text == TERMINAL:
            document.note(
                key.place, ("states", key.text), "STATE_RESERVED",
                f"{TERMINAL} stands for every terminal state and is none itself.",
                "choose another name",
            )  # fmt: skip
        means = document.text("states", key.text, "means")
        # `yes` was refused by the shape; here it means what its author meant.
        terminal = document.text("states", key.text, "terminal").lower()
        opens = document.text("states", key.text, "opens").lower()
        found.append(State(key.text, means, terminal in _TRUE, key.place, opens in _TRUE))
    return tuple(found)


def _check_states_named(document: Document, states: tuple[State, ...]) -> None:
    """A state that no row names is a slip of the pen, at its declaration."""
    named = {document.text("initial")}
    for kind in ROW_KINDS:
        for index in range(document.count(kind)):
            for key in ("from", "to"):
                named |= {item.text for item in document.items(kind, index, key)}
    for state in states:
        if state.name not in named and not (state.is_terminal and TERMINAL in named):
            document.note(
                state.place, ("states", state.name), "STATE_UNREACHABLE",
                f"No transition names {state.name}.", "add a transition to it, or remove the state",
            )  # fmt: skip
