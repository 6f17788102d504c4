"""A worked example: one real decision of a strategy, made by the engine and explained."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.model.position import Trade
from mqd.publish.why import Explanation, Judged


class Moment(NamedTuple):
    """One decision in words, with the exchange time at which its bar ended."""

    at: str
    explained: Explanation

    def judged(self, *groups: str) -> tuple[Judged, ...]:
        """The conditions of these groups, in their order."""
        return tuple(
            item
            for group in self.explained.groups
            if group.name in groups
            for item in group.conditions
        )


class Example(NamedTuple):
    """What a strategy did on recorded bars: a decision, and what came of it where it entered.

    `bars` says which bars they are; `qty` and `stop_loss` are those of the entry's order.
    """

    strategy: str
    bars: str
    decision: Moment
    qty: Decimal | None = None
    stop_loss: Decimal | None = None
    trade: Trade | None = None
    exit: Moment | None = None
