"""The desk's memory: append-only, hash-chained, durable before anything leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.model.journaled import RECORD_VERSION


class JournalEntry(NamedTuple):
    """One event and what it led to, as journaled: `outcome` is its canonical text, or None
    where the process stopped before the outcome was committed. `version` is the form it was
    written in: an older one could say less.
    """

    seq: int
    event: Event
    outcome: str | None
    version: int = RECORD_VERSION


class Journal(Protocol):
    """What the loop writes. A failed append or commit ends the process's state."""

    def append(self, event: Event) -> int:
        """Take the event into the journal before the desk reacts; returns its number, from 1.

        Raises:
            JournalError: the journal cannot be written.
        """
        ...

    def commit(self, seq: int, outcome: Outcome) -> None:
        """Take the outcome; durable when this returns if the outcome has commands.

        Raises:
            JournalError: the journal cannot be written, or `seq` is not the event in hand.
        """
        ...

    def remember_rules(self, digest: str, canonical: str) -> None:
        """Keep the canonical text of the rules that the next events run under."""
        ...

    def rules(self, digest: str) -> str:
        """The canonical text of the rules with this digest.

        Raises:
            JournalError: this journal never saw them.
        """
        ...

    def entries(self) -> Iterator[JournalEntry]:
        """Every event with its outcome, in order."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the journal."""
        ...
