"""A finished session of one symbol as one bar."""

from __future__ import annotations

from typing import NamedTuple


class SessionBar(NamedTuple):
    """From the open to the close, of the bars that counted; prices in USD as in their bars."""

    date: str
    open_ns: int
    close_ns: int
    high: float
    low: float
    close: float
