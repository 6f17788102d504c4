"""How long a journal waits for the database, and how much room it keeps for a full disk."""

from __future__ import annotations

from typing import NamedTuple


class JournalLimits(NamedTuple):
    """`busy_ms` is the longest wait for another program that holds the database locked.

    A loop that trades cannot wait long for somebody who looks at the file with another program.
    `reserve_bytes` are kept beside a SQLite journal for exits on a full disk; 0 keeps none.
    """

    busy_ms: int = 2_000
    reserve_bytes: int = 1 << 20


DEFAULT = JournalLimits()
