"""Which live bars are wanted, and from where."""

from __future__ import annotations

from typing import NamedTuple

from mqd.ports.account import Keys
from mqd.rules.watching import BrokerRequests


class BarsSource(NamedTuple):
    """Which bars, and how they are asked for; `most_ahead_s` is how far the other side's clock
    may be ahead of ours, None where our time is theirs.
    """

    symbols: tuple[str, ...]
    keys: Keys
    data_url: str
    stream_url: str
    requests: BrokerRequests
    feed: str = "iex"
    most_ahead_s: float | None = None
