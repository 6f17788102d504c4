"""What an expression may name, and a note of what it did name."""

from __future__ import annotations

from dataclasses import dataclass, field

from mqd.ground.units import Unit
from mqd.rules.expressions.ir import Name
from mqd.rules.words.facts import ENTRY_QTY, FACTS
from mqd.rules.words.streams import ROW_WORDS

FACT = "fact"
PARAM = "param"
MEASURE = "measure"
LIMIT = "limit"
ROW = "row"
"""A word of a row of a stream, such as the P&L of a finished trade."""

OTHERS = "..."
"""Among the members of an enumerated name: there may be more, in a file that cannot be read."""

UNDECIDED = Unit("undecided")
"""The unit of a name whose declaration is wrong: reading it adds no problem of its own."""


def can_be_unknown(name: Name) -> bool:
    """Whether there are moments in which the name has no value."""
    if name.kind == MEASURE or name.name == ENTRY_QTY.name:
        return True
    if name.kind == ROW:
        return any(
            bool(words[name.name].known) for words in ROW_WORDS.values() if name.name in words
        )
    return name.kind == FACT and bool(FACTS[name.name].known)


@dataclass(slots=True)
class Scope:
    """The names one expression may read. `used` collects the ones that expressions did read.

    `limit_values` tells which limit says a value of a unit, so that nobody says it again.
    `undecided_owner` is the part before the dot of names whose declarations could not be read.
    """

    names: dict[str, Name] = field(default_factory=dict)
    limit_values: dict[tuple[str, str], str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    undecided_owner: str = ""

    def add(self, name: str, kind: str, unit: Unit, members: tuple[str, ...] = ()) -> None:
        """Make `name` known."""
        self.names[name] = Name(name, kind, unit, members)

    def read(self, name: str) -> Name | None:
        """The name, noted as used; None when nobody declared it."""
        found = self.names.get(name)
        if found is not None:
            self.used.add(name)
        elif self.undecided_owner and name.startswith(f"{self.undecided_owner}."):
            return Name(name, LIMIT, UNDECIDED)
        return found
