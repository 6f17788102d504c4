"""The protections of a book, compiled: those that read facts alone in one function, others each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mqd.rules.book import Protection, RuleBook
from mqd.rules.compile.history import CompiledMeasure, compile_measure
from mqd.rules.compile.ruleset import CompiledSet, compile_set
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT
from mqd.rules.words.blocking import DESK
from mqd.rules.words.streams import BARS_STREAM, SESSIONS_STREAM

_LASTING = frozenset({"desk.profile"})
"""Facts that only a start of the desk changes, and then everything is asked."""


@dataclass(frozen=True, slots=True)
class CompiledProtection:
    """One protection; `bit` is its place in the book and in a decision's mask.

    `possible(...)` and `certain(...)` take what `evaluate` of a set takes: they differ where the
    answer is unknown. `ends`, where the protection has `until`, tells whether it is over.
    """

    rules: Protection
    bit: int
    measures: tuple[CompiledMeasure, ...]
    possible: Any
    certain: Any
    ends: Any
    streams: frozenset[str]
    of_bars_alone: bool

    @property
    def reads_bars(self) -> bool:
        """Whether every bar may change its answer by what the bar itself says."""
        return BARS_STREAM in self.streams

    @property
    def reads_moment(self) -> bool:
        """Whether it reads what may be otherwise at every look, whatever has happened."""
        read = {name.name for name in ir.names(self.rules.trips_when.when) if name.kind == FACT}
        return self.reads_bars or bool(read - _LASTING)

    @property
    def waits_for_news(self) -> bool:
        """Whether it speaks of what has happened, so that only news trips it once more."""
        return bool(self.streams - {BARS_STREAM, SESSIONS_STREAM})


@dataclass(frozen=True, slots=True)
class CompiledProtections:
    """Every protection of a book.

    `at_once` are those of the whole desk that read facts alone: `possible` and `certain` answer
    all of them with one mask, each at its own bit.
    """

    every: tuple[CompiledProtection, ...]
    possible: CompiledSet
    certain: CompiledSet
    at_once: tuple[CompiledProtection, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The ids, in the order of the bits."""
        return tuple(each.rules.id for each in self.every)

    def true_codes(self, mask: int) -> tuple[str, ...]:
        """The ids of the bits that are set, in the order of the book."""
        return tuple(each.rules.id for each in self.every if mask >> each.bit & 1)


def compile_protections(book: RuleBook, label: str) -> CompiledProtections:
    """Every protection; `label` names the functions in tracebacks."""
    every = tuple(
        _compiled(protection, bit, book, f"{label} {protection.id}")
        for bit, protection in enumerate(book.protections)
    )
    at_once = tuple(each for each in every if not each.measures and each.rules.scope == DESK)
    conditions = [each.rules.trips_when for each in at_once]
    bits = [each.bit for each in at_once]
    return CompiledProtections(
        every,
        compile_set(conditions, book.limits, f"{label} protections", bits),
        compile_set(conditions, book.limits, f"{label} protections", bits, certainly=True),
        at_once,
    )


def _compiled(protection: Protection, bit: int, book: RuleBook, label: str) -> CompiledProtection:
    measures = tuple(
        compile_measure(measure, book.limits, protection.id, label)
        for measure in protection.measures
    )
    streams = frozenset(measure.rules.stream for measure in measures)
    conditions = (protection.trips_when,)
    until = protection.until
    return CompiledProtection(
        rules=protection,
        bit=bit,
        measures=measures,
        possible=compile_set(conditions, book.limits, label).evaluate,
        certain=compile_set(conditions, book.limits, label, certainly=True).evaluate,
        ends=None if until is None
        else compile_set((until,), book.limits, f"{label} until").evaluate,
        streams=streams,
        of_bars_alone=streams == {BARS_STREAM},
    )  # fmt: skip
