"""The machine's own clocks."""

from __future__ import annotations

import time


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
