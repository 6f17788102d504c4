"""The whole rule book, compiled: what the engine steps with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mqd.rules.book import Condition, MachineRules, RuleBook, Watch
from mqd.rules.compile.protections import CompiledProtections, compile_protections
from mqd.rules.compile.ruleset import CompiledSet, compile_price, compile_set
from mqd.rules.compile.strategy import CompiledStrategy, compile_strategy
from mqd.rules.expressions import ir


@dataclass(frozen=True, slots=True)
class CompiledBook:
    """A rule book with every expression as a function; `digest` rides on all it decides.

    The acts of a watch stand beside its set: bit n of the mask asks for act n. `stop_prices` has a
    function for the price of each row that sends a stop, by its code. A bit of `invariants`, one
    set over all files in their order, is set while that invariant holds. `pause_ends` tell by the
    code of the row that paused a strategy whether that is over, `promotions` by how much one may
    grow, `invalidations` by the id of a thesis what its trades say against it.
    """

    rules: RuleBook
    digest: str
    strategies: tuple[CompiledStrategy, ...]
    sets_aside: CompiledSet
    blocks_entries: CompiledSet
    entry_checks: CompiledSet
    exit_checks: CompiledSet
    protections: CompiledProtections
    guards: dict[str, CompiledSet]
    order_watch: CompiledSet
    order_watch_acts: tuple[str, ...]
    position_watch: CompiledSet
    position_watch_acts: tuple[str, ...]
    stop_prices: dict[str, Any]
    desk_watch: CompiledSet
    desk_watch_acts: tuple[str, ...]
    drift_looks_again: CompiledSet
    drift_tolerates: CompiledSet
    drift_refuses: CompiledSet
    invariants: CompiledSet
    strategy_watch: CompiledSet
    strategy_watch_acts: tuple[str, ...]
    pause_ends: dict[str, CompiledSet]
    promotions: dict[str, Any]
    invalidations: dict[str, CompiledSet]
    reallocation: CompiledSet | None = None

    def strategy(self, strategy_id: str) -> CompiledStrategy:
        """The compiled strategy with this id.

        Raises:
            KeyError: there is none.
        """
        for strategy in self.strategies:
            if strategy.rules.id == strategy_id:
                return strategy
        raise KeyError(strategy_id)


def compile_book(book: RuleBook) -> CompiledBook:
    """Every expression of the book as a function."""
    label = f"rules {book.digest[:12]}"

    def compiled(conditions: tuple[Condition, ...], name: str) -> CompiledSet:
        return compile_set(conditions, book.limits, f"{label} {name}")

    beside = _read_beside_the_strategies(book)
    return CompiledBook(
        rules=book,
        digest=book.digest,
        strategies=tuple(
            compile_strategy(strategy, label, beside)
            for strategy in book.strategies
            if strategy.runs
        ),
        sets_aside=compiled(book.sets_aside.conditions, "sets_aside"),
        blocks_entries=compiled(book.blocks_entries.conditions, "blocks_entries"),
        entry_checks=compiled(book.entry_checks.conditions, "entry_checks"),
        exit_checks=compiled(book.exit_checks.conditions, "exit_checks"),
        protections=compile_protections(book, label),
        guards={
            row_id: guard
            for machine in book.machines
            for row_id, guard in _guards(machine, book, label).items()
        },
        order_watch=compiled(book.order_watch.conditions, "order_watch"),
        order_watch_acts=_acts(book.order_watch),
        position_watch=compiled(book.position_watch.conditions, "position_watch"),
        position_watch_acts=_acts(book.position_watch),
        stop_prices={
            row.condition.code: compile_price(row.at, book.limits, f"{label} {row.condition.code}")
            for row in book.position_watch.rows
            if row.at is not None
        },
        desk_watch=compiled(book.desk_watch.conditions, "desk_watch"),
        desk_watch_acts=_acts(book.desk_watch),
        drift_looks_again=compiled(book.reconciliation.looks_again, "drift_looks_again"),
        drift_tolerates=compiled(book.reconciliation.tolerates, "drift_tolerates"),
        drift_refuses=compiled(book.reconciliation.refuses, "drift_refuses"),
        invariants=compiled(
            tuple(each for rules in book.invariants for each in rules.always), "invariants"
        ),
        strategy_watch=compiled(book.strategy_watch.conditions, "strategy_watch"),
        strategy_watch_acts=_acts(book.strategy_watch),
        pause_ends={
            row.condition.code: compiled((row.until,), f"{row.condition.code} until")
            for row in book.strategy_watch.rows
            if row.until is not None
        },
        promotions={
            row.condition.code: compile_price(row.by, book.limits, f"{label} {row.condition.code}")
            for row in book.strategy_watch.rows
            if row.by is not None
        },
        invalidations={
            thesis.header.id: compiled(thesis.invalidated_when.rules, thesis.header.id)
            for thesis in book.theses
        },
        reallocation=_reallocation(book, label),
    )


def _reallocation(book: RuleBook, label: str) -> CompiledSet | None:
    """Its first bit raises a share, its second lets it return."""
    rules = None if book.portfolio is None else book.portfolio.reallocation
    if rules is None:
        return None
    return compile_set((rules.raises, rules.returns), book.limits, f"{label} reallocation")


def _acts(watch: Watch) -> tuple[str, ...]:
    return tuple(row.do for row in watch.rows)


def _read_beside_the_strategies(book: RuleBook) -> tuple[ir.Name, ...]:
    """The names that data rules, protections and checks read, in the order of the files."""
    conditions = (
        *book.blocks_entries.conditions,
        *(protection.trips_when for protection in book.protections),
        *book.entry_checks.conditions,
        *book.exit_checks.conditions,
    )
    return tuple(dict.fromkeys(name for rule in conditions for name in ir.names(rule.when)))


def _guards(machine: MachineRules, book: RuleBook, label: str) -> dict[str, CompiledSet]:
    found: dict[str, CompiledSet] = {}
    for row in machine.rows:
        if row.when is not None:
            condition = Condition(row.id, row.when, row.when_text, row.because, "skip", row.place)
            found[row.id] = compile_set((condition,), book.limits, f"{label} {row.id}")
    return found
