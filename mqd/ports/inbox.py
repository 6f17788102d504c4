"""Where what comes from outside waits for the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from mqd.model.event import Event, FrameReceived


class Arrival(NamedTuple):
    """Something came in: the raw frame, if it was one, and how to read it into events.

    `read` is called on the loop's thread when the frame is in the journal. It does not raise for
    what the world wrote: an `UnreadableReceived` tells of it.
    """

    frame: FrameReceived | None
    read: Callable[[], Iterable[Event]]


class Inbox(Protocol):
    """Takes arrivals from every thread; the loop takes them one by one, news before bars."""

    def put(self, arrival: Arrival, *, is_news: bool) -> None:
        """Leave one arrival; never waits.

        Raises:
            InboxFullError: the loop does not keep up; what is not taken must count as lost.
        """
        ...
