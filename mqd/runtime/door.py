"""The one way to the broker: whoever holds the desk can ask the broker, and only the loop can send.

The right to send is handed out once, to the loop. Everybody else finds a broker that refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mqd.ground.errors import UnauthorizedAIActionError
from mqd.model.command import Command, SubmitOrder
from mqd.model.event import BrokerEvent, Event
from mqd.ports.broker import Broker

MOST_TOLD = 100
"""So many attempts are journaled; the next ones are refused and counted, and say nothing new."""


class Door:
    """A broker for everybody but the loop: it shows and tells, and sends nothing.

    `tell` is called with what was reached for, so that the attempt reaches the journal.
    """

    def __init__(self, broker: Broker, tell: Callable[[str], None]) -> None:
        self._broker = broker
        self._tell = tell
        self._is_given = False
        self.refused = 0

    def right(self) -> Broker:
        """The broker itself, with the right to send; there is one.

        Raises:
            UnauthorizedAIActionError: it was handed out already.
        """
        if self._is_given:
            raise self._refusal("the right to send")
        self._is_given = True
        return self._broker

    def send(self, command: Command) -> None:
        """Refuse; what the desk decided leaves through the loop.

        Raises:
            UnauthorizedAIActionError: always.
        """
        raise self._refusal(_in_words(command))

    def observe(self, event: Event, *, accepted: bool) -> None:
        """Show the broker what the market did."""
        self._broker.observe(event, accepted=accepted)

    def replies(self) -> Iterator[BrokerEvent]:
        """What the broker has to say."""
        return self._broker.replies()

    def _refusal(self, what: str) -> UnauthorizedAIActionError:
        self.refused += 1
        if self.refused <= MOST_TOLD:
            self._tell(what)
        return UnauthorizedAIActionError(f"{what}: only the loop sends; nothing was sent")


def _in_words(command: Command) -> str:
    name = type(command).__name__
    if isinstance(command, SubmitOrder):
        return f"{name} {command.side} {command.qty} {command.symbol}"
    return name
