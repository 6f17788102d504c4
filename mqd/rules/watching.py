"""What is looked after: orders, positions, the desk, its broker, and what must always hold."""

from __future__ import annotations

from dataclasses import dataclass

from mqd.rules.problems import Place
from mqd.rules.said import Condition, Header


@dataclass(frozen=True, slots=True)
class WatchRow:
    """What a watch does while a condition is true."""

    condition: Condition
    do: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked at after every event: each working order, each position, or the desk.

    The first row that is true acts, and no other one; an unknown answer counts as no.
    """

    header: Header
    rows: tuple[WatchRow, ...]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of the rows, in their order."""
        return tuple(row.condition for row in self.rows)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is done about one kind of difference between the desk and the broker."""

    kind: str
    do: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How the desk is compared with the broker.

    A position's difference that any of `tolerates` is true for does not count. A whole comparison
    that any of `refuses` is true for refuses the start and freezes a running desk; there an
    unknown answer counts as yes.
    """

    header: Header
    differences: tuple[Difference, ...]
    tolerates: tuple[Condition, ...]
    refuses: tuple[Condition, ...]

    def difference(self, kind: str) -> Difference:
        """What is done about this kind of difference."""
        return next(each for each in self.differences if each.kind == kind)


@dataclass(frozen=True, slots=True)
class Invariants:
    """What must hold after every step; the `when` of each condition is what holds."""

    header: Header
    always: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class BrokerWord:
    """What one of a broker's words for the state of an order means to the desk."""

    word: str
    means: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class BrokerWords:
    """Every word of one broker; a word that is not among them is an incident."""

    header: Header
    statuses: tuple[BrokerWord, ...]

    def meaning(self, word: str) -> str | None:
        """What the word means, or None where nobody ever explained it."""
        return next((each.means for each in self.statuses if each.word == word), None)
