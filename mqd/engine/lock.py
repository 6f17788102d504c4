"""What the desk remembers of one protection: the state of its machine, and its block."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Lock:
    """One protection, for the desk or for one strategy or symbol: its machine's state, and its
    block.

    `is_true` is what it answered last, `is_unknown` that it could not. The block began at
    `tripped_ns`, in the week that began at `week_ns`, under the rules of this digest; it lasts as
    these said (`lasts`), until `until_ns` where a clock ends it, else 0. With `is_block` entries
    are kept out, not made smaller.
    """

    state_name: str
    is_true: bool = False
    is_unknown: bool = False
    tripped_ns: int = 0
    until_ns: int = 0
    week_ns: int = 0
    lasts: str | int = ""
    rules_digest: str = ""
    is_block: bool = True
