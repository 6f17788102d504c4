"""What is looked for in what is over: known ways to fail, whose result a trade is, idle bands."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mqd.rules.problems import Place
from mqd.rules.said import Condition, Header

OF_TRADE = "trade"
OF_ENTRY = "entry"
TRADING = "trading"
UNKNOWN_REGIME = "UNKNOWN"
"""The regime of a session where none can be told; no rule may take the name."""


@dataclass(frozen=True, slots=True)
class FailureRegime:
    """A way in which a strategy is known to fail; `of` is `trade` or `entry`."""

    of: str
    condition: Condition

    @property
    def code(self) -> str:
        """The code that trades and entries carry."""
        return self.condition.code


@dataclass(frozen=True, slots=True)
class Band:
    """On which share of a session's bars a NO-TRADE condition is expected to be true.

    Both ends are inside. `sessions` of them in a row have to be outside before it is told.
    """

    code: str
    low: Decimal
    high: Decimal
    sessions: int
    because: str
    place: Place

    @property
    def text(self) -> str:
        """The band as the rule file writes it."""
        low, high = (f"{(share * 100).normalize():f}%" for share in (self.low, self.high))
        return f"{low} to {high}"

    def holds(self, times: int, bars: int) -> bool:
        """Whether a condition that was true on `times` of `bars` bars is inside; exact."""
        return self.low * bars <= times <= self.high * bars


@dataclass(frozen=True, slots=True)
class Tag:
    """A way in which the handling of orders ended a trade; `counts_as` says whose result it is."""

    condition: Condition
    counts_as: str


@dataclass(frozen=True, slots=True)
class End:
    """A code for which the desk itself ends a trade."""

    code: str
    counts_as: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a finished trade carries; the first tag that is true stands for its exit's code."""

    header: Header
    tags: tuple[Tag, ...]
    exits: tuple[End, ...]
