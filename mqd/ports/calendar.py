"""When the exchange trades."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Session(NamedTuple):
    """One regular session: its exchange date, its open and close, the open on the wall there."""

    date: str
    open_ns: int
    close_ns: int
    open_time_s: int


class Calendar(Protocol):
    """The exchange's sessions, with holidays and early closes."""

    def session_on(self, at_ns: int) -> Session | None:
        """The session of the exchange date that `at_ns` falls on, or None on a day without one."""
        ...
