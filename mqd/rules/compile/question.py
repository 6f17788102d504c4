"""One tree of a rule, asked with values given by name: what `mqd why` measures distances with.

The answer comes from the same generated text as the desk's own decisions, tolerances and unknowns
included; there is no second reading of the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mqd.rules.book import Limit, Param, Window
from mqd.rules.compile.arguments import arguments_of, name_text, window_ends
from mqd.rules.compile.emit import Emitter
from mqd.rules.compile.functions import run_source
from mqd.rules.expressions import ir

Given = float | int | bool | Window | None
"""A value under its name in the rules; None is one that is unknown."""

_CACHED = 4_096


@dataclass(frozen=True, slots=True)
class Question:
    """A tree as a function of the names it reads."""

    names: tuple[ir.Name, ...]
    function: Any

    def asked(self, values: Mapping[str, Given]) -> Any:
        """The answer under these values; every name that the tree reads must be among them."""
        return self.function(**arguments_for(self.names, values))


@lru_cache(maxsize=_CACHED)
def truth_of(tree: ir.Logical, *, possibly: bool) -> Question:
    """Whether the condition is certainly true, or with `possibly` not certainly false."""
    emitter = Emitter(name_text)
    return _question(tree, emitter, emitter.truth(tree, possibly=possibly))


@lru_cache(maxsize=_CACHED)
def number_of(tree: ir.Numeric) -> Question:
    """The value of a numeric tree; None where it is unknown."""
    emitter = Emitter(name_text)
    text, known = emitter.number(tree)
    answer = f"({text}) if {' and '.join(known)} else None" if known else text
    return _question(tree, emitter, answer)


def arguments_for(names: Iterable[ir.Name], values: Mapping[str, Given]) -> dict[str, Any]:
    """The arguments of a generated function that carry these values, with their known-flags."""
    found: dict[str, Any] = {}
    for name in names:
        text, known = name_text(name)
        value = values[name.name]
        if isinstance(value, Window):
            start, end = window_ends(text)
            found[start], found[end] = value.start_s, value.end_s
            continue
        found[text] = 0 if value is None else value
        for flag in known:
            found[flag] = value is not None
    return found


def declared(item: Param | Limit) -> Given:
    """A param's or limit's value as generated code takes it."""
    if isinstance(item.value, Window):
        return item.value
    return int(item.value) if item.unit.is_count else float(item.value)


def _question(tree: ir.Tree, emitter: Emitter, answer: str) -> Question:
    names = ir.names(tree)
    lines = [f"def asked({', '.join(arguments_of(names))}):"]
    lines += [f"    {line}" for line in [*emitter.lines, f"return {answer}"]]
    source = "\n".join(lines) + "\n"
    return Question(names, run_source(source, f"question {ir.to_text(tree)}", {})["asked"])
