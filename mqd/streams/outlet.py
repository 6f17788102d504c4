"""The way from a stream's own thread into the inbox."""

from __future__ import annotations

import asyncio

from mqd.ground.errors import InboxFullError
from mqd.ports.inbox import Arrival, Inbox

_LOOK_AGAIN_S = 0.02


class Outlet:
    """Leaves arrivals in their order; where the inbox is full it waits for room."""

    def __init__(self, inbox: Inbox, *, is_news: bool) -> None:
        self._inbox = inbox
        self._is_news = is_news

    async def put(self, arrival: Arrival) -> bool:
        """Leave one arrival; False where it had to wait: what comes next may be lost outside."""
        was_free = True
        while True:
            try:
                self._inbox.put(arrival, is_news=self._is_news)
            except InboxFullError:
                was_free = False
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                return was_free
