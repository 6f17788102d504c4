"""What an expression may name, and a note of what it did name."""

from __future__ import annotations

from dataclasses import dataclass, field

from mqd.ground.units import Unit
from mqd.rules.expressions.ir import Name

FACT = "fact"
PARAM = "param"
MEASURE = "measure"
LIMIT = "limit"

UNDECIDED = Unit("undecided")
"""The unit of a name whose declaration is wrong: reading it adds no problem of its own."""


@dataclass(slots=True)
class Scope:
    """The names one expression may read. `used` collects the ones that expressions did read."""

    names: dict[str, Name] = field(default_factory=dict)
    limit_values: dict[tuple[str, str], str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def add(self, name: str, kind: str, unit: Unit, members: tuple[str, ...] = ()) -> None:
        """Make `name` known."""
        self.names[name] = Name(name, kind, unit, members)

    def read(self, name: str) -> Name | None:
        """The name, noted as used; None when nobody declared it."""
        found = self.names.get(name)
        if found is not None:
            self.used.add(name)
        return found
