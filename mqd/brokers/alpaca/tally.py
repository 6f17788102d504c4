"""How many requests were made, of which kind, and how long they took."""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock

from mqd.brokers.alpaca.session import Call
from mqd.ground.times import NS_PER_MINUTE

_LATEST = 1_000


class Tally:
    """Counts what a session hears; for every thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._latest: deque[Call] = deque(maxlen=_LATEST)
        self._minute: deque[int] = deque()
        self._busiest_minute = 0

    def add(self, call: Call) -> None:
        """One request was made."""
        with self._lock:
            self._counts[call.kind] += 1
            self._latest.append(call)
            self._minute.append(call.at_ns)
            while self._minute[0] <= call.at_ns - NS_PER_MINUTE:
                self._minute.popleft()
            self._busiest_minute = max(self._busiest_minute, len(self._minute))

    @property
    def counts(self) -> dict[str, int]:
        """Requests by kind, since the start."""
        with self._lock:
            return dict(self._counts)

    @property
    def busiest_minute(self) -> int:
        """The most requests in any 60 seconds since the start."""
        with self._lock:
            return self._busiest_minute

    @property
    def latest(self) -> tuple[Call, ...]:
        """The latest requests, the oldest first."""
        with self._lock:
            return tuple(self._latest)
