"""What every document says: its header, and the conditions that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
