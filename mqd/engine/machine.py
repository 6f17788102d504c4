"""Machines on `transitions`, wrapped, because its defaults are unsafe for money.

What could go wrong there and does not here: automatic `to_X` triggers are off; every state and
event reaches the library under a name of ours (`s0`, `e0`), so no text from a rule file can name a
callable; the totality table was checked at load, so an unlisted pair cannot arise; state lives in
frozen records and is only lent to the library for one step; nothing happens in its callbacks but
pure guards; and what it did is compared with what the table says, a difference being an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from transitions import Machine

from mqd.ground.errors import InvalidTransitionError
from mqd.rules.book import MachineRules, Row
from mqd.rules.compile.ruleset import CompiledSet

APPLY = "apply"


class Fired(NamedTuple):
    """What an event did: the row that stood, and the state afterwards."""

    row: Row
    state: str


class _Borrowed:
    """The object whose state `transitions` changes; it belongs to one step only."""

    state: str
    subject: Any = None


class WrappedMachine:
    """One kind of machine; `fire` is a pure function of (state, event, subject)."""

    def __init__(self, rules: MachineRules, guards: dict[str, CompiledSet]) -> None:
        self.rules = rules
        self._guards = guards
        self._state_ids = {state.name: f"s{n}" for n, state in enumerate(rules.states)}
        self._names = {short: name for name, short in self._state_ids.items()}
        self._event_ids = {event: f"e{n}" for n, event in enumerate(rules.events)}
        self._borrowed = _Borrowed()
        self._machine = Machine(
            model=self._borrowed,
            states=list(self._names),
            initial=self._state_ids[rules.initial],
            auto_transitions=False,
            send_event=False,
        )
        for (source, event), row in rules.table.items():
            self._add(source, event, row)

    def fire(self, state: str, event: str, subject: object = None) -> Fired:
        """What `event` does in `state`; guards read `subject`.

        Raises:
            InvalidTransitionError: the machine has no such state or event, or the library did
                something else than the table says.
        """
        row = self.rules.table.get((state, event))
        if row is None:
            raise InvalidTransitionError(
                f"the {self.rules.id} machine has no answer to `{event}` in {state}"
            )
        row = self._standing(row, subject)
        expected = row.target if row.disposition == APPLY and row.target else state
        if row.disposition == APPLY:
            self._trigger(state, event, subject, expected)
        return Fired(row, expected)

    def _standing(self, row: Row, subject: object) -> Row:
        """The row whose guard holds, along the `else` of those whose guard does not."""
        while row.when is not None and not self._holds(row, subject):
            row = self.rules.row(str(row.otherwise))
        return row

    def _trigger(self, state: str, event: str, subject: object, expected: str) -> None:
        self._borrowed.subject = subject
        self._machine.set_state(self._state_ids[state], self._borrowed)
        moved = self._borrowed.trigger(self._event_ids[event])  # type: ignore[attr-defined]  # added by the library
        self._borrowed.subject = None
        if not moved or self._names[self._borrowed.state] != expected:
            raise InvalidTransitionError(
                f"`{event}` in {state} led to {self._names[self._borrowed.state]}, "
                f"the table says {expected}"
            )

    def _add(self, source: str, event: str, row: Row) -> None:
        """Give the library a pair's transitions in the order in which their guards are asked."""
        asked: list[str] = []
        while row.id not in asked:
            asked.append(row.id)
            if row.disposition == APPLY and row.target is not None:
                guard = None if row.when is None else self._guard(row)
                self._machine.add_transition(
                    self._event_ids[event], self._state_ids[source], self._state_ids[row.target],
                    conditions=guard,
                )  # fmt: skip
            if row.when is None or row.otherwise is None:
                return
            row = self.rules.row(row.otherwise)
        raise InvalidTransitionError(
            f"`{event}` in {source} has no answer: {' -> '.join(asked)} end in a circle"
        )

    def _guard(self, row: Row) -> Callable[[], bool]:
        return lambda: self._holds(row, self._borrowed.subject)

    def _holds(self, row: Row, subject: object) -> bool:
        return bool(self._guards[row.id].evaluate(None, None, None, None, None, subject, subject))
