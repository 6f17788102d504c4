"""The inbox: what every thread leaves for the loop, bounded, news before bars."""

from __future__ import annotations

from collections import deque
from threading import Condition

from mqd.ground.errors import InboxFullError
from mqd.ports.inbox import Arrival


class BoundedInbox:
    """Two queues under one lock: a bar is decided on when all news before it was taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._news: deque[Arrival] = deque()
        self._bars: deque[Arrival] = deque()
        self._came = Condition()

    def put(self, arrival: Arrival, *, is_news: bool) -> None:
        """Leave one arrival; never waits.

        Raises:
            InboxFullError: the loop does not keep up; what is not taken must count as lost.
        """
        with self._came:
            if len(self) >= self._most:
                raise InboxFullError(f"{self._most} messages wait already")
            (self._news if is_news else self._bars).append(arrival)
            self._came.notify()

    def get(self, timeout_s: float) -> Arrival | None:
        """The next arrival, or None when nothing came in time."""
        with self._came:
            if not (self._news or self._bars):
                self._came.wait(timeout_s)
            for lane in (self._news, self._bars):
                if lane:
                    return lane.popleft()
            return None

    def get_news(self) -> Arrival | None:
        """The next news that waits already, or None."""
        with self._came:
            return self._news.popleft() if self._news else None

    def __len__(self) -> int:
        return len(self._news) + len(self._bars)
