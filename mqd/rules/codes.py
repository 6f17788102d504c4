"""Every problem code with its one-sentence meaning, collected from the modules that find them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mqd.rules import find, load, shape
from mqd.rules.check import limits, machines, sets, strategies, together
from mqd.rules.expressions import parse, read

# In the order in which a rule file meets them: found, read, its form, its sense, all together.
_BY_MODULE: Final[tuple[Mapping[str, str], ...]] = (
    find.CODES,
    load.CODES,
    shape.CODES,
    parse.CODES,
    read.CODES,
    limits.CODES,
    strategies.CODES,
    sets.CODES,
    machines.CODES,
    together.CODES,
)


def all_codes() -> dict[str, str]:
    """Every code that `validate-rules` may tell, in the order in which a rule file meets them."""
    return collected(_BY_MODULE)


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
