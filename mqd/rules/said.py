"""What documents say: a header, conditions, and values in their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mqd.ground.units import Unit
from mqd.rules.expressions.ir import Logical
from mqd.rules.problems import Place

TRUE_IF_UNKNOWN = frozenset({"hold", "block", "set_aside"})


class Assumption(NamedTuple):
    """Something that a document takes for granted, and where it says so."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Header:
    """What every document starts with; `place` is where its id stands."""

    kind: str
    id: str
    title: str
    owner: str
    since: str
    because: str
    place: Place
    assumes: tuple[Assumption, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule: `when` it is true, its code is recorded and its effect happens, `because` of this.

    `on_unknown` is what an unanswerable `when` counts as; `expected_unreachable` names the
    contract under which the condition can never be true.
    """

    code: str
    when: Logical
    text: str
    because: str
    on_unknown: str
    place: Place
    expected_unreachable: str = ""

    @property
    def true_if_unknown(self) -> bool:
        """Whether an unknown answer counts as yes."""
        return self.on_unknown in TRUE_IF_UNKNOWN


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open window of exchange time, in seconds after midnight: [start, end)."""

    start_s: int
    end_s: int


Value = Decimal | Window


@dataclass(frozen=True, slots=True)
class Limit:
    """One of the desk's limits, or of a broker's, said once. Durations are in seconds."""

    name: str
    value: Value
    minimum: Decimal
    maximum: Decimal
    unit: Unit
    because: str
    place: Place
