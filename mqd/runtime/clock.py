"""The machine's own clocks, and one that cannot be set back."""

from __future__ import annotations

import time
from threading import Lock

from mqd.ports.clock import Clock


class SystemClock:
    """Wall and monotonic time of this machine."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step back."""
        return time.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        """Wait."""
        time.sleep(duration_s)


class SteadyClock:
    """Another clock whose wall time never runs slower than the time that passes.

    A machine whose time is set back keeps its orders' timeouts running, and its bars do not come
    from the future; one that was asleep wakes up in the present.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._last = clock.now_ns(), clock.monotonic_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        with self._lock:
            told_ns, at_ns = self._last
            wall_ns = self._clock.now_ns()  # first: what passes in between must not count twice
            now_ns = self._clock.monotonic_ns()
            self._last = max(wall_ns, told_ns + now_ns - at_ns), now_ns
            return self._last[0]

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step back."""
        return self._clock.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        """Wait."""
        self._clock.sleep(duration_s)
