"""Where orders go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mqd.model.command import Command
from mqd.model.event import BrokerEvent, Event


class Broker(Protocol):
    """Takes durable commands; answers come back as events, never as return values."""

    def send(self, command: Command) -> None:
        """Hand over one command that is already in the journal."""
        ...

    def observe(self, event: Event, *, accepted: bool) -> None:
        """What the market did, before the desk reacts; only a simulated broker listens.

        `accepted` is False for a bar that the data rules set aside.
        """
        ...

    def replies(self) -> Iterator[BrokerEvent]:
        """The events that are ready now, in order; empties the broker's outgoing queue.

        Raises:
            Unavailable, UnknownOutcome, OSError: the broker cannot be asked; what it has to say
                waits for the next question, or is found by a snapshot.
        """
        ...
