"""Where bars come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mqd.model.event import BarClosed, FeedDefectFound, SessionClosed, SessionOpened

FeedEvent = SessionOpened | SessionClosed | BarClosed | FeedDefectFound


class Feed(Protocol):
    """Bars in time order with the session events of the exchange's calendar between them.

    Before the first regular bar of a session comes its `SessionOpened`, after its last one (or
    when the next session's first event or a bar at or after the close shows up) its
    `SessionClosed`. Bars outside the session are delivered too: the rules set them aside.
    """

    def events(self, after_ns: int | None = None) -> Iterator[FeedEvent]:
        """The stream; with `after_ns`, what follows the bar that ended there (for a restart)."""
        ...
