"""How often the broker may be asked: a token for each request, and some kept for exits."""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from threading import Lock

from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.rules.book import BrokerRequests


class Pace:
    """A bucket of `most_per_minute` tokens; each comes back a minute after it was spent.

    So no minute, wherever it begins, holds more requests than that. Requests that are not urgent
    leave a share of the tokens alone. A broker that says "too many" empties the bucket for as
    long as it says, or for a pause that doubles each time. `time_ns` never steps back.
    """

    def __init__(self, limits: BrokerRequests, time_ns: Callable[[], int]) -> None:
        self._most = limits.most_per_minute
        self._kept = min(self._most - 1, math.ceil(self._most * limits.kept_for_exits))
        self._first_pause_s = limits.first_pause_s
        self._longest_pause_s = limits.longest_pause_s
        self._time_ns = time_ns
        self._lock = Lock()
        self._back_ns: list[int] = []  # when each spent token comes back, the earliest first
        self._empty_until_ns = 0
        self._refusals = 0

    def take(self, *, is_urgent: bool) -> int:
        """Take a token; 0 where there is one, else the nanoseconds to wait before asking again."""
        with self._lock:
            now_ns = self._time_ns()
            while self._back_ns and self._back_ns[0] <= now_ns:
                heappop(self._back_ns)
            if now_ns < self._empty_until_ns:
                return self._empty_until_ns - now_ns
            over = len(self._back_ns) - (self._most - (0 if is_urgent else self._kept))
            if over >= 0:
                return max(1, sorted(self._back_ns)[over] - now_ns)
            heappush(self._back_ns, now_ns + NS_PER_MINUTE)
            return 0

    def was_refused(self, pause_s: float | None) -> None:
        """The broker said "too many", and how long to wait, in seconds, if it did."""
        with self._lock:
            if pause_s is None:
                pause_s = self._first_pause_s * 2 ** min(self._refusals, 30)
            self._refusals += 1
            pause_ns = round(min(max(pause_s, 0.0), self._longest_pause_s) * NS_PER_S)
            self._empty_until_ns = max(self._empty_until_ns, self._time_ns() + pause_ns)

    def was_taken(self, left: int | None, back_s: float | None) -> None:
        """The broker answered; `left` requests are left there for the next `back_s` seconds.

        Others may use the same account: where the broker counts fewer than we do, it is right.
        """
        with self._lock:
            self._refusals = 0
            if left is None or back_s is None or back_s <= 0:
                return
            now_ns = self._time_ns()
            back_ns = now_ns + min(round(back_s * NS_PER_S), NS_PER_MINUTE)
            for _ in range(self._most - len(self._back_ns) - max(left, 0)):
                heappush(self._back_ns, back_ns)
