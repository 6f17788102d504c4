"""Where advice goes: a stream of its own, which a person reads and the desk does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mqd.model.advice import Advice


class Advisory(Protocol):
    """Takes what models say. Nothing comes back from it, and it knows no order."""

    def put(self, advice: Advice) -> None:
        """Leave one note; never waits. What cannot be kept is dropped and counted."""
        ...


class AdviceLog(Protocol):
    """The notes, append-only, in a place of their own: never the journal of decisions."""

    def append(self, advice: Advice) -> None:
        """Keep one note.

        Raises:
            Unavailable, OSError: it cannot be kept now.
        """
        ...

    def entries(self) -> Iterator[Advice]:
        """Every note, in the order in which they came."""
        ...
