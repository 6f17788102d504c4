"""Values, ranges and outcomes of rules as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mqd.ground.canonical import decimal_text
from mqd.ground.times import clock_text
from mqd.ground.units import DURATION, EXCHANGE_TIME, RATIO, Unit
from mqd.publish.markdown import code, codes, slug
from mqd.publish.rulefiles import RuleFiles
from mqd.publish.uses import Use
from mqd.rules import english
from mqd.rules.book import (
    Criterion,
    HistoryMeasure,
    Limit,
    MachineRules,
    Param,
    Protection,
    Row,
    Value,
    Window,
)
from mqd.rules.measured import ALL, ROWS, SESSION, WEEK, Span
from mqd.rules.words.blocking import (
    REST_OF_SESSION,
    REST_OF_WEEK,
    UNTIL,
    UNTIL_OPERATOR,
    WHILE_TRUE,
)
from mqd.rules.words.streams import HISTORY_FUNCTIONS

STREAM_WORDS = {
    "trades": "finished trades",
    "entries": "entries sent",
    "bars": "the symbol's bars",
    "equity": "what the account is worth",
    "sessions": "the symbol's finished sessions",
}
"""The streams of measures, as a sentence says them."""
# What is done instead of a transition; the names are those of the rule language.
DISPOSITIONS = {
    "apply": "The state changes.",
    "book_only": "The ledger books the execution; the state stays.",
    "halt": "The state stays and the desk freezes.",
    "ignore_stale": "Nothing changes.",
    "quarantine": "The raw event is kept, the state stays and entries stop.",
}
ON_UNKNOWN = {
    "hold": "A condition that cannot be answered counts as yes: the strategy enters nothing.",
    "block": "A condition that cannot be answered counts as yes: the entry is refused.",
    "set_aside": "A condition that cannot be answered counts as yes: the bar is set aside.",
    "skip": "A condition that cannot be answered counts as no.",
    "allow": "A condition that cannot be answered counts as no: entries pass.",
}
"""What an answer that nobody can give counts as."""
MADE_SMALLER = "A condition that cannot be answered counts as yes: the entry is made smaller."
"""The same of a protection that leaves an entry a part of its size."""
WATCHED = {
    "order": "every order that has not ended",
    "position": "every open position",
    "desk": "the desk",
    "strategy": "every strategy that runs, when one of its trades ended, a session opened or "
    "closed, a daily value came, and at night",
}
"""What each watch is asked of."""
_LASTS = {
    REST_OF_SESSION: "for the rest of the session",
    REST_OF_WEEK: "until the first session of the next week opens",
    WHILE_TRUE: "as long as it is true",
    UNTIL_OPERATOR: "until a person re-arms it (`mqd rearm`) by name",
    UNTIL: "until a session opens at which it is over",
}
_SPANS = ((3_600, "h"), (60, "m"), (1, "s"))


def value_text(value: Value, unit: Unit) -> str:
    """A value as a rule file writes it: 10:00-11:30, 5m, 1,000, with percent beside a ratio."""
    if isinstance(value, Window):
        return f"{clock_text(value.start_s)}-{clock_text(value.end_s)}"
    if unit == EXCHANGE_TIME:
        return clock_text(int(value))
    if unit == DURATION:
        return span_text(int(value))
    shown = english.digits_text(value)
    return f"{shown} ({decimal_text(value * Decimal(100))} %)" if unit == RATIO else shown


def range_text(item: Limit | Param) -> str:
    """The range a value may ever take."""
    low, high = value_text(item.minimum, item.unit), value_text(item.maximum, item.unit)
    return f"{low} to {high}"


def span_text(seconds: int) -> str:
    """A duration in its largest whole unit: 300 -> 5m."""
    size, letter = next(span for span in _SPANS if seconds % span[0] == 0)
    return f"{seconds // size}{letter}"


def lasts_text(lasts: str | int) -> str:
    """How long a protection blocks: "it blocks for 30 minutes"."""
    if isinstance(lasts, int):
        return f"for {english.value_text(Decimal(lasts), DURATION)}"
    return _LASTS[lasts]


def does_text(protection: Protection) -> str:
    """What a protection does while it is tripped: "it blocks entries only"."""
    if protection.sizes is None:
        return "it blocks entries only"
    return f"an entry keeps {decimal_text(protection.sizes * 100)} % of its size"


def unknown_text(protection: Protection) -> str:
    """What an answer that nobody can give counts as for this protection."""
    rule = protection.trips_when
    if protection.sizes is not None and rule.true_if_unknown:
        return MADE_SMALLER
    return ON_UNKNOWN[rule.on_unknown]


def act_key(protection: Protection) -> str:
    """The key under which a protection says what it does."""
    return "blocks" if protection.sizes is None else "sizes"


def length_key(protection: Protection) -> str:
    """The key under which a protection says how long it does it."""
    return "for" if protection.until is None else "until"


def measure_text(measure: HistoryMeasure, said: english.English) -> str:
    """A measure of the past in words: what it is of, which rows count, and how far back."""
    function = HISTORY_FUNCTIONS[measure.function]
    parts = [f"{function.formula}: of {STREAM_WORDS[measure.stream]}{_over(measure.span)}"]
    if measure.where is not None:
        parts.append(f"for which {said.condition(measure.where)}")
    if measure.of is not None:
        parts.append(f"the values are {said.number(measure.of)}")
    if measure.assumed is not None:
        parts.append(
            f"an account that no broker has told of is worth {said.number(measure.assumed)}"
        )
    if measure.warmup:
        parts.append(f"unknown with fewer than {measure.warmup}")
    return "; ".join(parts)


def _over(span: Span) -> str:
    named = {SESSION: " of this session", WEEK: " of this week", ALL: ""}
    if span.kind in named:
        return named[span.kind]
    return f", the newest {span.size}" if span.kind == ROWS else f" of the last {span.text}"


def criterion_text(criterion: Criterion) -> str:
    """What ends a thesis: of 100 trades or more, their win rate is below 45 %."""
    said = english.English()
    rules = ", or ".join(said.condition(rule.when) for rule in criterion.rules)
    return f"{criterion.over_trades:,} trades or more of which it is true that {rules}"


def use_link(files: RuleFiles, use: Use, up: str) -> str:
    """A rule that reads something, as a link to where it stands."""
    return files.named_link(use.rule, use.place, up=up)


def row_link(machine: MachineRules, row_id: str) -> str:
    """A row's id as a link to the row on this page."""
    return f"[{row_id}](#{slug(machine.id, row_id)})"


def sources_text(machine: MachineRules, row: Row) -> str:
    """The states a row stands for; all terminal ones together have a name."""
    if machine.terminal and set(row.sources) == machine.terminal:
        return "any terminal state"
    return codes(row.sources, " or ")


def cell_text(machine: MachineRules, state: str, event: str) -> str:
    """What an event leads to in a state, with the rows that say so; a guard shows both outcomes."""
    pieces = [
        f"{row_link(machine, row.id)} {code(row.target or row.disposition)}"
        for row in _chain(machine, machine.table[state, event])
    ]
    return "<br>else ".join(pieces)


def _chain(machine: MachineRules, first: Row) -> Iterator[Row]:
    """The row that stands first, then the ones that stand when a guard says no."""
    seen: set[str] = set()
    row: Row | None = first
    while row is not None and row.id not in seen:
        yield row
        seen.add(row.id)
        row = machine.row(row.otherwise) if row.otherwise else None
