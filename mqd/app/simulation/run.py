"""Many simulated days, on as many processes as are wanted, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from mqd.app.simulation.day import DayResult, SimulatedDay
from mqd.app.simulation.settings import DaySettings
from mqd.brokers.faults import FAULTS
from mqd.engine.core import Engine
from mqd.ground.canonical import GENESIS_HASH, chain
from mqd.ground.errors import SettingsError
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import rules_from_text
from mqd.runtime.replay import replay
from mqd.store.journal import SqlJournal

ENOUGH_DAYS = 200
"""In so many days every fault should have happened; one that did not is told."""

_DAYS_AT_ONCE = 20
_COUNTED = (
    "events", "orders", "fills", "trades", "sent_again", "refused_entries", "refused_exits",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """Which rules, which kind of days, and the seed that all of them come from."""

    book: RuleBook
    settings: DaySettings
    seed: int


@dataclass(slots=True)
class Summary:
    """What the days so far came to; `digest` covers the journal of every one of them."""

    days: int = 0
    digest: str = GENESIS_HASH
    violations: list[tuple[int, str]] = field(default_factory=list)
    events: int = 0
    orders: int = 0
    fills: int = 0
    trades: int = 0
    sent_again: int = 0
    refused_entries: int = 0
    refused_exits: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    incidents: Counter[str] = field(default_factory=Counter)

    def add(self, day: DayResult) -> None:
        """Count one more day; the days come in their order."""
        self.days += 1
        self.digest = chain(self.digest, f"{day.day} {day.digest}")
        if day.violation:
            self.violations.append((day.day, day.violation))
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(day, name))
        self.faults += day.faults
        self.crashes += day.crashes
        self.incidents += day.incidents

    @property
    def refused_share(self) -> float:
        """The share of orders that were entries refused for what could be looked at before.

        Exits do not count: one is sent whatever the account or the symbol is known to allow.
        """
        return self.refused_entries / max(1, self.orders)

    def never_happened(self, settings: DaySettings) -> tuple[str, ...]:
        """Faults that are wanted and did not happen in days enough: nothing was proved of them."""
        if self.days < ENOUGH_DAYS:
            return ()
        return tuple(
            name for name in FAULTS if getattr(settings.faults, name) and not self.faults[name]
        )


def simulate(plan: SimulationPlan, days: Sequence[int], jobs: int = 1) -> Iterator[DayResult]:
    """Every one of these days, in their order, whichever process lives it.

    Raises:
        SettingsError: no strategy of the rules runs, so there is nothing to simulate.
    """
    if not any(strategy.runs for strategy in plan.book.strategies):
        raise SettingsError("none of these strategies runs, so there is nothing to simulate")
    if jobs == 1:
        engine = Engine.of(compile_book(plan.book))
        for day in days:
            yield SimulatedDay(plan.settings, engine, plan.seed, day).run()
        return
    worker = (plan.book.canonical, plan.settings, plan.seed)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, worker) as pool:
        yield from pool.map(_day, days, chunksize=_DAYS_AT_ONCE)


def keep_journal(plan: SimulationPlan, day: int, journal: SqlJournal) -> DayResult:
    """Live one day and write its journal down, so that it can be looked at like any other."""
    engine = Engine.of(compile_book(plan.book))
    simulated = SimulatedDay(plan.settings, engine, plan.seed, day)
    result = simulated.run()
    journal.remember_rules(plan.book.digest, plan.book.canonical)
    for item in replay(simulated.journal, lambda _digest: engine):
        journal.commit(journal.append(item.event), item.outcome)
    return result


class _Worker:
    """What one process of the pool keeps between its days."""

    engine: Engine
    settings: DaySettings
    seed: int


def _start_worker(rules: str, settings: DaySettings, seed: int) -> None:
    _Worker.engine = Engine.of(compile_book(rules_from_text(rules)))
    _Worker.settings, _Worker.seed = settings, seed


def _day(day: int) -> DayResult:
    return SimulatedDay(_Worker.settings, _Worker.engine, _Worker.seed, day).run()
