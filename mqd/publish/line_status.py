"""What a journal knows of the lines to the broker and to the bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from mqd.ground.times import iso_utc
from mqd.model.decision import BreakerMoved, Outcome, Reconciled
from mqd.model.event import (
    BrokerLockedOut,
    DeskStarted,
    Event,
    SnapshotFailed,
    StreamLost,
    StreamRestored,
)


class StreamDown(NamedTuple):
    """A stream of news or bars that the desk does not hear."""

    stream: str
    since_ns: int


class Trouble(NamedTuple):
    """What the broker said instead of an answer, and since when."""

    since_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class LineStatus:
    """What does not come in; times are nanoseconds.

    `unanswered` is there while the broker has not said what it holds, `locked_out` until it has
    said so with the keys that it refused. `breaker_moved` is the last move of the breaker.
    """

    streams_down: tuple[StreamDown, ...]
    unanswered: Trouble | None
    locked_out: Trouble | None
    breaker_moved: BreakerMoved | None = None

    def to_json(self) -> dict[str, Any]:
        """The lines for a program: times in UTC."""
        return {
            "streams_down": {item.stream: iso_utc(item.since_ns) for item in self.streams_down},
            "unanswered": _row(self.unanswered),
            "locked_out": _row(self.locked_out),
            "breaker_moved": self.breaker_moved
            and {"at": iso_utc(self.breaker_moved.at_ns), "text": self.breaker_moved.text},
        }


class LineWatcher:
    """Follows the lines through a replay."""

    def __init__(self) -> None:
        self._down: dict[str, int] = {}
        self._unanswered: Trouble | None = None
        self._locked_out: Trouble | None = None
        self._breaker_moved: BreakerMoved | None = None

    def saw(self, event: Event, outcome: Outcome) -> None:
        """Take note of one event."""
        match event:
            case DeskStarted():
                self._down.clear()
            case StreamLost():
                self._down.setdefault(event.stream, event.at_ns)
            case StreamRestored():
                self._down.pop(event.stream, None)
            case SnapshotFailed():
                self._unanswered = self._unanswered or Trouble(event.at_ns, event.reason)
            case BrokerLockedOut():
                self._locked_out = self._locked_out or Trouble(event.at_ns, event.reason)
        for note in outcome.notes:
            if isinstance(note, Reconciled):
                self._unanswered = self._locked_out = None
            elif isinstance(note, BreakerMoved):
                self._breaker_moved = note

    def status(self) -> LineStatus:
        """How the lines are now."""
        down = tuple(StreamDown(*item) for item in sorted(self._down.items()))
        return LineStatus(down, self._unanswered, self._locked_out, self._breaker_moved)


def _row(trouble: Trouble | None) -> dict[str, Any] | None:
    return trouble and {"since": iso_utc(trouble.since_ns), "reason": trouble.reason}
