"""A process that may end between any two things it does: what is durable is all that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self

from mqd.brokers.faults import Dice
from mqd.brokers.faulty import FaultyBroker
from mqd.model.command import CancelOrder, Command, SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.event import (
    BROKER_EVENTS,
    BrokerEvent,
    DeskStarted,
    Event,
    OperatorActed,
    SessionClosed,
    SessionOpened,
)
from mqd.store.memory import MemoryJournal
from mqd.store.rows import ChainWriter, Row

_DURABLE_AT_ONCE = frozenset(
    {DeskStarted, OperatorActed, SessionClosed, SessionOpened, *BROKER_EVENTS}
)
_AT_AN_ORDER = 60


class Crash(BaseException):
    """The process ended here; nothing in it may catch this."""


class Fuse:
    """Burns down at every point where a process can end, and ends it when nothing is left.

    Where an order is on its way a point burns more: such points are few, and most can go wrong
    there. Without `left` it burns for ever.
    """

    def __init__(self, left: int | None) -> None:
        self.left = left
        self.where = ""

    def burn(self, where: str, points: int = 1) -> None:
        """One such point.

        Raises:
            Crash: it was the last.
        """
        if self.left is None:
            return
        self.left -= points
        if self.left <= 0:
            self.left, self.where = None, where
            raise Crash


class MortalJournal(MemoryJournal):
    """A journal in memory that forgets, as a disk does, what was not made durable in time.

    `saw` is told of every event with its outcome, also where the process ends right after.
    """

    def __init__(
        self,
        fuse: Fuse,
        saw: Callable[[Event, Outcome], None],
        rows: Iterable[Row] = (),
        rules: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.fuse = fuse
        self.saw = saw
        self._kept = self._rows = list(rows)
        self._rules = dict(rules or {})
        self._durable_rows = len(self._kept)
        if self._kept:
            last = self._kept[-1]
            self._writer = ChainWriter(last.position, last.hash, last.seq)

    def append(self, event: Event) -> int:
        """Take the event, if the process lives."""
        self.fuse.burn("before append")
        seq = super().append(event)
        self.fuse.burn("after append")
        return seq

    def commit(self, seq: int, outcome: Outcome) -> None:
        """Take the outcome; durable when a journal on disk makes it so."""
        self.fuse.burn("before commit")
        event = self._writer.in_hand
        assert event is not None
        super().commit(seq, outcome)
        if outcome.commands or type(event) in _DURABLE_AT_ONCE:
            self._durable_rows = len(self._kept)
        self.saw(event, outcome)
        self.fuse.burn("after commit", max(map(_points, outcome.commands), default=1))

    def survived(self, fuse: Fuse, dice: Dice) -> Self:
        """What the next process finds: all that was durable, and perhaps what came after."""
        kind = dice.roll(0, 2)
        if kind == 2:
            self.flush()
        rows = self._kept[: self._durable_rows] if kind == 0 else self._kept
        return type(self)(fuse, self.saw, rows, self._rules)


class MortalLine:
    """The desk's side of the line to the broker; it ends with the process."""

    def __init__(self, broker: FaultyBroker, fuse: Fuse) -> None:
        self._broker = broker
        self._fuse = fuse

    def send(self, command: Command) -> None:
        """Hand over a command, if the process lives."""
        self._fuse.burn("before send", _points(command))
        self._broker.send(command)
        self._fuse.burn("after send", _points(command))

    def observe(self, event: Event, *, accepted: bool) -> None:
        """Let the world go on."""
        self._broker.observe(event, accepted=accepted)

    def replies(self) -> Iterator[BrokerEvent]:
        """What has arrived."""
        return self._broker.replies()


def _points(command: Command) -> int:
    return _AT_AN_ORDER if isinstance(command, SubmitOrder | CancelOrder) else 1
