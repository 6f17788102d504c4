"""What a journal is made of: rows, each chained by its hash to the row before it.

Every event makes one row of kind `event`. What came of it follows as one row of kind `outcome`;
an event that led to nothing has no second row. Rows are written when an event's outcome is
known, so an `event` row alone says "stepped, nothing came of it". The one exception is an event
that had to be made durable before its outcome was known (the journal was flushed or closed in
the middle of a step): it is a row of kind `open`, its outcome always gets a row of its own, even
an empty one, and an `open` row alone says "the process stopped before the outcome was committed".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mqd.ground import canonical
from mqd.ground.errors import JournalError
from mqd.model.decision import Outcome, outcome_record
from mqd.model.event import Event
from mqd.model.journaled import RECORD_VERSION, from_record, to_record
from mqd.ports.journal import JournalEntry

EVENT = "event"
OPEN = "open"
OUTCOME = "outcome"
ROW_VERSION = RECORD_VERSION
READ_VERSIONS = range(1, ROW_VERSION + 1)
EMPTY_OUTCOME = canonical.encode([])


class Row(NamedTuple):
    """One line of the journal; `position` counts rows from 1, `seq` counts events from 1.

    `at_ns` is the event's own instant (an outcome has its event's), `version` the form of `body`.
    """

    position: int
    seq: int
    kind: str
    at_ns: int
    version: int
    body: str
    hash: str


def row_hash(previous_hash: str, row: Row) -> str:
    """The hash that `row` must carry after a row with `previous_hash`; covers all it holds."""
    position, seq, kind, at_ns, version, body, _ = row
    return _linked(previous_hash, position, seq, kind, at_ns, version, body)


def broken_link(position: int, head: str, row: Row) -> tuple[int, str] | None:
    """Where and how `row` breaks the chain whose last row has `position` and hash `head`.

    Returns None when the row is what was written there; otherwise the first bad position and
    one sentence.
    """
    first_missing, last_missing = position + 1, row.position - 1
    if last_missing == first_missing:
        return first_missing, f"row {first_missing} is missing"
    if last_missing > first_missing:
        return first_missing, f"rows {first_missing} to {last_missing} are missing"
    if row.hash != row_hash(head, row):
        return row.position, f"row {row.position} was changed after it was written"
    return None


def event_of(row: Row) -> Event:
    """The event of an `event` or `open` row.

    Raises:
        JournalError: this version of the desk cannot read it.
    """
    if row.version not in READ_VERSIONS:
        raise JournalError(
            f"row {row.position} has form {row.version}, this mqd reads forms"
            f" {READ_VERSIONS.start} to {ROW_VERSION}"
        )
    try:
        return from_record(canonical.decode(row.body), row.version)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise JournalError(f"row {row.position} cannot be read: {error}") from error


def entries_of(rows: Iterable[Row]) -> Iterator[JournalEntry]:
    """The events of `rows` with their outcomes, in order; holds one row at a time.

    Raises:
        JournalError: an outcome without its event, or a row that cannot be read.
    """
    waiting: Row | None = None
    for row in rows:
        if row.kind != OUTCOME:
            if waiting is not None:
                yield _without_outcome_row(waiting)
            waiting = row
        elif waiting is None or waiting.seq != row.seq:
            raise JournalError(f"row {row.position} is the outcome of an event that is not there")
        else:
            yield JournalEntry(row.seq, event_of(waiting), row.body, row.version)
            waiting = None
    if waiting is not None:
        yield _without_outcome_row(waiting)


class ChainWriter:
    """Turns events and outcomes into chained rows; writes nothing itself.

    `position` and `head` are those of the last row made, `seq` is the number of events taken.
    """

    __slots__ = ("_at_ns", "_body", "_is_open", "head", "in_hand", "position", "seq")

    def __init__(self, position: int = 0, head: str = canonical.GENESIS_HASH, seq: int = 0) -> None:
        self.position = position
        self.head = head
        self.seq = seq
        self.in_hand: Event | None = None
        self._at_ns = 0
        self._body = ""
        self._is_open = False

    def take(self, event: Event) -> int:
        """Hold `event` until its outcome is known; returns its number.

        Raises:
            JournalError: the event before it has no outcome yet, or this one has no byte form.
        """
        if self.in_hand is not None:
            raise JournalError(f"event {self.seq} has no outcome yet, so no other can be taken")
        self._body = _encoded(to_record(event))
        self._at_ns = event.at_ns
        self.in_hand = event
        self.seq += 1
        return self.seq

    def decide(self, seq: int, outcome: Outcome) -> list[Row]:
        """The rows that the event in hand and its outcome make.

        Raises:
            JournalError: `seq` is not the event in hand, or the outcome has no byte form.
        """
        if self.in_hand is None or seq != self.seq:
            raise JournalError(f"event {seq} is not the one in hand, so it cannot be committed")
        record = outcome_record(outcome)
        body = _encoded(record) if record else EMPTY_OUTCOME
        rows = [] if self._is_open else [self._link(EVENT, self._body)]
        if record or self._is_open:
            rows.append(self._link(OUTCOME, body))
        self.in_hand = None
        self._is_open = False
        return rows

    def open_rows(self) -> list[Row]:
        """The row of an event in hand that cannot wait for its outcome; none if there is none."""
        if self.in_hand is None or self._is_open:
            return []
        self._is_open = True
        return [self._link(OPEN, self._body)]

    def _link(self, kind: str, body: str) -> Row:
        position, seq, at_ns = self.position + 1, self.seq, self._at_ns
        try:
            head = _linked(self.head, position, seq, kind, at_ns, ROW_VERSION, body)
        except UnicodeEncodeError as error:  # half a character, as JSON from outside may hold it
            raise JournalError(f"this cannot be journaled: {error}") from error
        self.position, self.head = position, head
        return Row(position, seq, kind, at_ns, ROW_VERSION, body, head)


def _linked(
    previous_hash: str, position: int, seq: int, kind: str, at_ns: int, version: int, body: str
) -> str:
    # No number and no kind holds a line break, so no two rows have the same text.
    text = f"{position}\n{seq}\n{kind}\n{at_ns}\n{version}\n{body}"
    return canonical.chain(previous_hash, text)


def _encoded(record: object) -> str:
    try:
        return canonical.encode(record)
    except (TypeError, RecursionError) as error:
        raise JournalError(f"this cannot be journaled: {error}") from error


def _without_outcome_row(row: Row) -> JournalEntry:
    outcome = None if row.kind == OPEN else EMPTY_OUTCOME
    return JournalEntry(row.seq, event_of(row), outcome, row.version)
