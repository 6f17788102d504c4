"""Every problem code with its one-sentence meaning, collected from the modules that find them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mqd.rules import find, load, shape
from mqd.rules.check import (
    broker,
    forms,
    limits,
    lives,
    looking_back,
    machines,
    sets,
    sharing,
    stops,
    strategies,
    together,
    watching,
)
from mqd.rules.expressions import parse, read

STAGES: Final[tuple[tuple[str, Mapping[str, str]], ...]] = (
    ("Finding the files", find.CODES),
    ("Reading YAML", load.CODES),
    ("The form of a document", shape.CODES),
    ("Expressions", parse.CODES | read.CODES),
    ("Limits and ranges", limits.CODES),
    ("Strategies", strategies.CODES | stops.CODES),
    ("Looking back", looking_back.CODES),
    ("Protections", sets.CODES),
    ("The portfolio", sharing.CODES),
    ("Machines", machines.CODES | lives.CODES),
    ("Watches", watching.CODES),
    ("Brokers", broker.CODES),
    ("Forms of orders", forms.CODES),
    ("The documents together", together.CODES),
)
"""The stages of a check, in the order in which a rule file meets them, with what each can tell."""


def all_codes() -> dict[str, str]:
    """Every code that `validate-rules` may tell, in the order in which a rule file meets them."""
    return collected(codes for _, codes in STAGES)


def collected(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The dictionaries as one.

    Raises:
        ValueError: two of them give one code two meanings.
    """
    found: dict[str, str] = {}
    for part in parts:
        for code, means in part.items():
            if found.setdefault(code, means) != means:
                raise ValueError(f"{code} has two meanings: {found[code]!r} and {means!r}")
    return found
