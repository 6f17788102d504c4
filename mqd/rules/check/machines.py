"""Machines: states, events, and for every (state, event) pair exactly one declared meaning."""

from __future__ import annotations

from mqd.rules.book import MachineRules, Row, State
from mqd.rules.check.conditions import fact_scope, logical
from mqd.rules.check.document import Document
from mqd.rules.expressions import ir
from mqd.rules.problems import Place, did_you_mean
from mqd.rules.tree import Scalar
from mqd.rules.words.events import MACHINE_EVENTS, REQUIREMENTS, TERMINAL
from mqd.rules.words.facts import ORDER_GUARD

CODES = {
    "MACHINE_UNKNOWN": "There is no machine of this kind.",
    "STATE_UNKNOWN": "Nobody declares this state.",
    "EVENT_UNKNOWN": "This kind of machine hears no such event.",
    "REQUIREMENT_UNKNOWN": "A transition requires something that no event carries.",
    "ROW_UNKNOWN": "`else` names a row that is not there.",
    "ROW_ID_TAKEN": "Two rows have the same id.",
    "ROW_ELSE_MISSING": "A guarded transition does not name its other outcome.",
    "ROW_ELSE_WITHOUT_WHEN": "A row has an `else` but no guard.",
    "ROW_ELSE_DOES_NOT_COVER": "The other outcome does not cover the guarded row's pairs.",
    "PAIR_COVERED_TWICE": "Two rows claim the same state and event.",
    "PAIR_UNCOVERED": "No row says what an event means in a state.",
    "STATE_UNREACHABLE": "Nothing leads to this state.",
    "STATE_TRAPPED": "No way leads from this state to a terminal one.",
    "TERMINAL_LEFT": "A transition leaves a terminal state.",
}

_ROW_KINDS = ("transitions", "otherwise")


def read_machine(document: Document) -> MachineRules | None:
    """The machine with its total table, or None when something in it is wrong."""
    events = MACHINE_EVENTS.get(document.id)
    if events is None:
        document.note(
            document.place, (), "MACHINE_UNKNOWN", f"There is no machine `{document.id}`.",
            did_you_mean(document.id, MACHINE_EVENTS),
        )  # fmt: skip
        return None
    before = len(document.notes.problems)
    states = tuple(
        State(key.text, document.text("states", key.text, "means"),
              document.text("states", key.text, "terminal") == "true", key.place)
        for key, _ in document.pairs("states")
    )  # fmt: skip
    reader = _RowReader(document, states, tuple(events))
    rows = reader.rows()
    initial = document.scalar("initial")
    if initial is not None:
        reader.state_names([initial], ())
    _check_states_named(document, states)
    if len(document.notes.problems) > before:
        return None
    machine = MachineRules(
        header=document.header(),
        initial=document.text("initial"),
        states=states,
        events=tuple(events),
        rows=rows,
        table=_table(document, rows, states, tuple(events)),
    )
    _check_ways(document, machine)
    return machine if len(document.notes.problems) == before else None


class _RowReader:
    """Reads the rows of one machine."""

    def __init__(
        self, document: Document, states: tuple[State, ...], events: tuple[str, ...]
    ) -> None:
        self.document = document
        self.states = {state.name: state for state in states}
        self.events = events

    def rows(self) -> tuple[Row, ...]:
        """Every row, with problems noted for those that are wrong."""
        found: dict[str, Row] = {}
        for kind in _ROW_KINDS:
            for index in range(self.document.count(kind)):
                row = self._row(kind, index)
                if row.id in found:
                    self.document.note(
                        row.place, (row.id,), "ROW_ID_TAKEN", f"`{row.id}` is taken already."
                    )
                found.setdefault(row.id, row)
        for row in found.values():
            self._check_else(row, found)
        return tuple(found.values())

    def _row(self, kind: str, index: int) -> Row:
        path: tuple[str | int, ...] = (kind, index)
        document = self.document
        row_id = document.text(*path, "id")
        target = document.scalar(*path, "to")
        if target is not None:
            self.state_names([target], (row_id,))
        when = None
        if document.scalar(*path, "when") is not None:
            when = logical(document, (*path, "when"), fact_scope(ORDER_GUARD))
        return Row(
            id=row_id,
            events=self._event_names(path, row_id),
            sources=self.state_names(document.items(*path, "from"), (row_id,)),
            target=target.text if target else None,
            disposition=document.text(*path, "do") or "apply",
            requires=self._requirements(path, row_id),
            when=when,
            when_text=ir.to_text(when) if when else "",
            otherwise=document.text(*path, "else") or None,
            raises=document.text(*path, "raises") or None,
            severity=document.text(*path, "severity") or "INFO",
            because=document.text(*path, "because"),
            place=document.place_of(*path, "id"),
        )

    def state_names(
        self, scalars: list[Scalar] | tuple[Scalar, ...], path: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The named states; TERMINAL stands for all terminal ones."""
        found: list[str] = []
        for scalar in scalars:
            if scalar.text == TERMINAL and path:
                found += [state.name for state in self.states.values() if state.is_terminal]
            elif scalar.text in self.states:
                found.append(scalar.text)
            else:
                self.document.note(
                    scalar.place, path, "STATE_UNKNOWN", f"There is no state `{scalar.text}`.",
                    did_you_mean(scalar.text, (*self.states, TERMINAL)),
                )  # fmt: skip
        return tuple(found)

    def _event_names(self, path: tuple[str | int, ...], row_id: str) -> tuple[str, ...]:
        for scalar in self.document.items(*path, "event"):
            if scalar.text not in self.events:
                self.document.note(
                    scalar.place, (row_id,), "EVENT_UNKNOWN",
                    f"This machine hears no event `{scalar.text}`.",
                    did_you_mean(scalar.text, self.events),
                )  # fmt: skip
        return tuple(item.text for item in self.document.items(*path, "event"))

    def _requirements(self, path: tuple[str | int, ...], row_id: str) -> tuple[str, ...]:
        for scalar in self.document.items(*path, "requires"):
            if scalar.text not in REQUIREMENTS:
                self.document.note(
                    scalar.place, (row_id,), "REQUIREMENT_UNKNOWN",
                    f"No event carries a `{scalar.text}`.",
                    did_you_mean(scalar.text, REQUIREMENTS),
                )  # fmt: skip
        return tuple(item.text for item in self.document.items(*path, "requires"))

    def _check_else(self, row: Row, rows: dict[str, Row]) -> None:
        note = self.document.note
        if row.when is not None and row.otherwise is None:
            note(row.place, (row.id,), "ROW_ELSE_MISSING",
                 "A guarded transition names its other outcome.", "add `else:` with a row's id")  # fmt: skip
        if row.otherwise is None:
            return
        other = rows.get(row.otherwise)
        if row.when is None and self.document.text(*self._path(row), "when") == "":
            note(row.place, (row.id,), "ROW_ELSE_WITHOUT_WHEN",
                 "There is an `else` but no `when`.", "add the guard, or remove `else`")  # fmt: skip
        elif other is None:
            note(self.document.place_of(*self._path(row), "else"), (row.id,), "ROW_UNKNOWN",
                 f"There is no row `{row.otherwise}`.", did_you_mean(row.otherwise, rows))  # fmt: skip
        elif not (set(row.sources) <= set(other.sources) and set(row.events) <= set(other.events)):
            note(self.document.place_of(*self._path(row), "else"), (row.id,),
                 "ROW_ELSE_DOES_NOT_COVER",
                 f"`{other.id}` does not cover every state and event of `{row.id}`.")  # fmt: skip

    def _path(self, row: Row) -> tuple[str | int, ...]:
        for kind in _ROW_KINDS:
            for index in range(self.document.count(kind)):
                if self.document.text(kind, index, "id") == row.id:
                    return (kind, index)
        return ()


def _check_states_named(document: Document, states: tuple[State, ...]) -> None:
    """A state that no row names is a slip of the pen, at its declaration."""
    named = {document.text("initial")}
    for kind in _ROW_KINDS:
        for index in range(document.count(kind)):
            named |= {item.text for key in ("from", "to") for item in document.items(kind, index, key)}
    for state in states:
        if state.name not in named:
            document.note(
                state.place, ("states", state.name), "STATE_UNREACHABLE",
                f"No transition names {state.name}.",
            )  # fmt: skip


def _table(
    document: Document, rows: tuple[Row, ...], states: tuple[State, ...], events: tuple[str, ...]
) -> dict[tuple[str, str], Row]:
    """The row that stands first for each pair; a row reached only by `else` stands second."""
    second = {(row.otherwise, pair) for row in rows if row.otherwise for pair in _pairs(row)}
    table: dict[tuple[str, str], Row] = {}
    for row in rows:
        for pair in _pairs(row):
            if (row.id, pair) in second:
                continue
            if pair in table:
                document.note(
                    row.place, (row.id,), "PAIR_COVERED_TWICE",
                    f"`{pair[1]}` in {pair[0]} is covered by {table[pair].id} already.",
                )  # fmt: skip
            table.setdefault(pair, row)
    for state in states:
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


def _check_ways(document: Document, machine: MachineRules) -> None:
    edges = {(source, row.target) for row in machine.rows if row.target for source in row.sources}
    terminal = machine.terminal
    for row in machine.rows:
        left = sorted(set(row.sources) & terminal)
        if row.target and left:
            document.note(
                row.place, (row.id,), "TERMINAL_LEFT",
                f"{left[0]} is terminal and cannot be left.", "use `do:` under `otherwise`",
            )  # fmt: skip
    reached = _closure({machine.initial}, edges)
    ends = _closure(set(terminal), {(target, source) for source, target in edges})
    for state in machine.states:
        if state.name not in reached:  # the same sentence is kept once, so no state is told twice
            _note_state(document, state.place, state.name, "STATE_UNREACHABLE",
                        f"Nothing leads from {machine.initial} to {state.name}.")  # fmt: skip
        if terminal and state.name not in ends:
            _note_state(document, state.place, state.name, "STATE_TRAPPED",
                        f"No way leads from {state.name} to a terminal state.")  # fmt: skip


def _note_state(document: Document, place: Place, name: str, code: str, message: str) -> None:
    document.note(place, ("states", name), code, message)


def _closure(start: set[str], edges: set[tuple[str, str]]) -> set[str]:
    found = set(start)
    frontier = set(start)
    while frontier:
        frontier = {target for source, target in edges if source in frontier} - found
        found |= frontier
    return found
