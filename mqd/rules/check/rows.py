"""The rows of a machine: the lines under `transitions` and `otherwise`, each by itself."""

from __future__ import annotations

from mqd.rules.book import Row, State
from mqd.rules.check.conditions import logical
from mqd.rules.check.document import Document
from mqd.rules.check.sets import Surroundings
from mqd.rules.expressions import ir
from mqd.rules.problems import did_you_mean
from mqd.rules.tree import Scalar
from mqd.rules.words.events import TERMINAL, WITH_ORDERS
from mqd.rules.words.facts import BREAKER_GUARD, ORDER_GUARD, PROTECTION_GUARD

CODES = {
    "STATE_UNKNOWN": "Nobody declares this state.",
    "STATE_RESERVED": "A state has the name that stands for all terminal ones.",
    "EVENT_UNKNOWN": "This kind of machine hears no such event.",
    "ROW_UNKNOWN": "`else` names a row that is not there.",
    "ROW_ID_TAKEN": "Two rows have the same id.",
    "ROW_ELSE_DOES_NOT_COVER": "The other outcome does not cover the guarded row's pairs.",
    "ROW_ELSE_IS_GUARDED": "The other outcome has a guard of its own; one question a pair.",
    "ROW_ONLY_FOR_ORDERS": "A row of another machine asks or does what only orders know.",
    "ROW_DOES_NOT_STOP": "A row that stops the desk or its entries raises nothing that does.",
    "ROW_HIDES_A_FILL": "A row says that a fill changes nothing, or that other news is booked.",
}

FILL = "filled"
ROW_KINDS = ("transitions", "otherwise")

_STOPS = {"halt": "InvalidTransitionError", "quarantine": "TerminalStateError"}
"""What a disposition must raise to be carried out: the error is what the desk's machine hears."""


_GUARDS = {
    WITH_ORDERS: ORDER_GUARD, "breaker": BREAKER_GUARD, "protection": PROTECTION_GUARD,
}  # fmt: skip
"""What the guards of a machine may read; the rows of other machines have none."""
_OF_ORDERS = ("requires", "raises")

Path = tuple[str | int, ...]


class RowReader:
    """Reads the rows of one machine.

    `names_are_right` tells whether all that they name is there; `doubtful` are the ids of guarded
    rows whose other outcome is not clear.
    """

    def __init__(
        self,
        document: Document,
        states: tuple[State, ...],
        events: tuple[str, ...],
        around: Surroundings,
    ) -> None:
        self.document = document
        self.around = around
        self.states = {state.name: state for state in states}
        self.events = events
        self.names_are_right = True
        self.doubtful: set[str] = set()

    def rows(self) -> tuple[Row, ...]:
        """Every row, with problems noted for those that are wrong."""
        rows: list[tuple[Row, Path]] = []
        known: dict[str, Row] = {}
        for kind in ROW_KINDS:
            for index in range(self.document.count(kind)):
                path: Path = (kind, index)
                row = self._row(path)
                if row.id and row.id in known:
                    message = f"`{row.id}` is taken already."
                    hint = "give this row an id of its own"
                    self.document.note(row.place, (row.id,), "ROW_ID_TAKEN", message, hint)
                known.setdefault(row.id, row)
                rows.append((row, path))
        for row, path in rows:
            self._check_else(row, path, known)
        return tuple(row for row, _ in rows)

    def state_name(self, scalar: Scalar, path: tuple[str, ...]) -> str | None:
        """The one state that a scalar names, or None when there is none."""
        if scalar.text in self.states and scalar.text != TERMINAL:
            return scalar.text
        self.names_are_right = False
        self.document.note(
            scalar.place, path, "STATE_UNKNOWN", f"There is no state `{scalar.text}`.",
            did_you_mean(scalar.text, self.states),
        )  # fmt: skip
        return None

    def _row(self, path: Path) -> Row:
        document = self.document
        row_id = document.text(*path, "id")
        target = document.scalar(*path, "to")
        when = self._guard(path)
        row = Row(
            id=row_id,
            events=self._events(path, row_id),
            sources=self._sources(path, row_id),
            target=self.state_name(target, (row_id,)) if target else None,
            disposition=document.text(*path, "do") or "apply",
            requires=tuple(item.text for item in document.items(*path, "requires")),
            when=when,
            when_text=ir.to_text(when) if when else "",
            otherwise=document.text(*path, "else") or None,
            raises=document.text(*path, "raises") or None,
            severity=document.text(*path, "severity") or "INFO",
            because=document.text(*path, "because"),
            place=document.place_of(*path, "id"),
        )
        self._check_carried_out(row, path)
        return row

    def _guard(self, path: Path) -> ir.Logical | None:
        kind = _GUARDS.get(self.document.id)
        if self.document.scalar(*path, "when") is None or kind is None:
            return None
        return logical(self.document, (*path, "when"), self.around.scope(kind))

    def _sources(self, path: Path, row_id: str) -> tuple[str, ...]:
        """The states a row starts from; TERMINAL stands for all terminal ones."""
        found: list[str] = []
        # A state that stands there twice was told by the shape, and counts once.
        for scalar in {item.text: item for item in self.document.items(*path, "from")}.values():
            terminal = [state.name for state in self.states.values() if state.is_terminal]
            if scalar.text == TERMINAL and terminal:
                found += terminal
            elif scalar.text == TERMINAL:
                message = "No state of this machine is terminal, so this row says nothing."
                hint = "name states, or write `terminal: true` under one"
                self.document.note(scalar.place, (row_id,), "STATE_UNKNOWN", message, hint)
            else:
                name = self.state_name(scalar, (row_id,))
                found += [name] if name else []
        return tuple(found)

    def _events(self, path: Path, row_id: str) -> tuple[str, ...]:
        scalars = self.document.items(*path, "event")
        for scalar in scalars:
            if scalar.text not in self.events:
                self.names_are_right = False
                self.document.note(
                    scalar.place, (row_id,), "EVENT_UNKNOWN",
                    f"This machine hears no event `{scalar.text}`.",
                    did_you_mean(scalar.text, self.events),
                )  # fmt: skip
        return tuple(scalar.text for scalar in scalars if scalar.text in self.events)

    def _check_carried_out(self, row: Row, path: Path) -> None:
        """What a row says must be what the desk does with it."""
        document = self.document
        if document.id != WITH_ORDERS:
            for key in _OF_ORDERS if document.id in _GUARDS else (*_OF_ORDERS, "when"):
                if document.count(*path, key) or document.scalar(*path, key) is not None:
                    document.note(
                        document.place_of(*path, key), (row.id,), "ROW_ONLY_FOR_ORDERS",
                        f"`{key}` has a meaning for orders only.", "remove it",
                    )  # fmt: skip
            if row.disposition in {*_STOPS, "book_only"}:
                document.note(
                    document.place_of(*path, "do"), (row.id,), "ROW_ONLY_FOR_ORDERS",
                    f"`do: {row.disposition}` has a meaning for orders only.",
                    "move to another state, or write ignore_stale",
                )  # fmt: skip
        elif row.raises != _STOPS.get(row.disposition, row.raises):
            wanted = _STOPS[row.disposition]
            document.note(
                document.place_of(*path, "do"), (row.id,), "ROW_DOES_NOT_STOP",
                f"`do: {row.disposition}` is carried out by raising {wanted}.",
                f"add `raises: {wanted}` and a severity",
            )  # fmt: skip
        elif row.disposition == "ignore_stale" and FILL in row.events:
            document.note(
                document.place_of(*path, "do"), (row.id,), "ROW_HIDES_A_FILL",
                "A fill is real money and always booked; it cannot be ignored.",
                "write `do: book_only` for `filled`",
            )  # fmt: skip
        elif row.disposition == "book_only" and set(row.events) != {FILL}:
            document.note(
                document.place_of(*path, "do"), (row.id,), "ROW_HIDES_A_FILL",
                "Only a fill can be booked, and this row hears other news too.",
                "give `filled` a row of its own, and the rest `do: ignore_stale`",
            )  # fmt: skip

    def _check_else(self, row: Row, path: Path, rows: dict[str, Row]) -> None:
        has_guard = self.document.scalar(*path, "when") is not None
        if self.document.id not in _GUARDS or not has_guard:
            return
        problem = _problem_of_else(row, rows)
        if problem is None:
            return
        self.doubtful.add(row.id)
        if row.otherwise is not None:  # one that is missing was told by the shape
            place = self.document.place_of(*path, "else")
            self.document.note(place, (row.id,), *problem)


def _problem_of_else(row: Row, rows: dict[str, Row]) -> tuple[str, str, str] | None:
    """The code, the sentence and the hint of what is wrong with a row's other outcome."""
    other = rows.get(row.otherwise or "")
    if other is None:
        message = f"There is no row `{row.otherwise}`."
        return "ROW_UNKNOWN", message, did_you_mean(row.otherwise or "", rows)
    if other.when is not None:
        message = f"`{other.id}` has a guard of its own, and nobody would ask it."
        return "ROW_ELSE_IS_GUARDED", message, "name a row without `when`"
    if not (set(row.sources) <= set(other.sources) and set(row.events) <= set(other.events)):
        message = f"`{other.id}` does not cover every state and event of `{row.id}`."
        hint = "name a row with the same `event` and `from`, or widen it"
        return "ROW_ELSE_DOES_NOT_COVER", message, hint
    return None
