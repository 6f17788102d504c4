"""The one place time comes from."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for people and stamps, monotonic time for intervals."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step back; for measuring intervals only."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Wait."""
        ...
