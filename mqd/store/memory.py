"""A journal without a disk, for back-tests: the same bytes and the same hash chain."""

from __future__ import annotations

from collections.abc import Iterator

from mqd.ground.errors import JournalError
from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.ports.journal import JournalEntry
from mqd.store.rows import ChainWriter, Row, entries_of


class MemoryJournal:
    """Keeps every row, or with `keep=False` only the head and the counts.

    The same events and outcomes give the same head as in a journal on disk.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._writer = ChainWriter()
        self._rows: list[Row] | None = [] if keep else None
        self._rules: dict[str, str] = {}

    def append(self, event: Event) -> int:
        """Take the event; returns its number, from 1.

        Raises:
            JournalError: the event before it has no outcome yet.
        """
        return self._writer.take(event)

    def commit(self, seq: int, outcome: Outcome) -> None:
        """Take the outcome of the event in hand.

        Raises:
            JournalError: `seq` is not the event in hand.
        """
        rows = self._writer.decide(seq, outcome)
        if self._rows is not None:
            self._rows += rows

    def flush(self) -> None:
        """Write the event in hand down without its outcome, as a journal on disk does."""
        rows = self._writer.open_rows()
        if self._rows is not None:
            self._rows += rows

    def remember_rules(self, digest: str, canonical: str) -> None:
        """Keep the canonical text of the rules that the next events run under.

        Raises:
            JournalError: other rules were kept under this digest.
        """
        if self._rules.setdefault(digest, canonical) != canonical:
            raise JournalError(f"the rules {digest} were kept before with another text")

    def rules(self, digest: str) -> str:
        """The canonical text of the rules with this digest.

        Raises:
            JournalError: this journal never saw them.
        """
        try:
            return self._rules[digest]
        except KeyError:
            raise JournalError(f"this journal never saw the rules {digest}") from None

    def rule_books(self) -> Iterator[tuple[str, str]]:
        """Every digest with its canonical text, by digest."""
        return iter(sorted(self._rules.items()))

    def rows(self) -> Iterator[Row]:
        """Every row, in order.

        Raises:
            JournalError: only the head was kept.
        """
        if self._rows is None:
            raise JournalError("this journal keeps only its head and counts, not its rows")
        return iter(self._rows)

    def entries(self) -> Iterator[JournalEntry]:
        """Every event with its outcome, in order.

        Raises:
            JournalError: only the head was kept.
        """
        return entries_of(self.rows())

    def head(self) -> tuple[int, str]:
        """The position and hash of the last row; (0, genesis) when there is none."""
        return self._writer.position, self._writer.head

    def count(self) -> int:
        """How many events were taken."""
        return self._writer.seq

    def close(self) -> None:
        """Write an event in hand down; the rows stay readable."""
        self.flush()
