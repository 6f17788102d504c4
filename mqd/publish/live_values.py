"""What the facts of the rules are now: read from the state as the generated rules read them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from mqd.engine.record import Record
from mqd.engine.state import DeskState, OrderFacts
from mqd.rules.compile.functions import run_source
from mqd.rules.compile.question import Given
from mqd.rules.words.fact import Fact
from mqd.rules.words.facts import FACTS

_ROOTS = ("desk", "session", "strategy", "symbol", "order", "subject")


def live_values(
    state: DeskState,
    names: Iterable[str],
    strategy: str = "",
    symbol: str = "",
    order: OrderFacts | None = None,
    record: Record | None = None,
) -> dict[str, Given]:
    """The facts of these names that have a value now, of this strategy and symbol if there is one.

    What is about one bar, one order or a strategy's record has none without it.
    """
    roots: dict[str, Any] = {"desk": state.desk, "session": state.session}
    if strategy in state.strategies:
        roots["strategy"] = state.strategies[strategy]
    if symbol in state.symbols:
        roots["symbol"] = state.symbols[symbol]
    if order is not None:
        roots["order"] = order
    if record is not None:
        roots["subject"] = record
    found: dict[str, Given] = {}
    for name in names:
        fact = FACTS.get(name)
        root = fact.source.partition(".")[0] if fact is not None else ""
        if fact is None or root not in roots:
            continue
        value = _reader(fact)(**{each: roots.get(each) for each in _ROOTS})
        if value is not None:
            found[name] = value
    return found


@cache
def _reader(fact: Fact) -> Any:
    """A function of the engine's objects; None where the fact is unknown now."""
    body = f"({fact.source}) if {fact.known} else None" if fact.known else fact.source
    source = f"def read({', '.join(_ROOTS)}):\n    return {body}\n"
    return run_source(source, f"fact {fact.name}", {})["read"]
