"""The exact loop on one core, without a durable journal: records, bytes and hash chain included."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.event import BarClosed, DeskStarted, SessionClosed, SessionOpened, SnapshotTaken
from mqd.ports.feed import FeedEvent
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
DAY_NS = 1_440 * NS_PER_MINUTE
DAYS = 30
MINUTES = 390


def session(day: int) -> list[FeedEvent]:
    """A day in whole cents that dips at 10:05 and comes back."""
    open_ns = OPEN_NS + day * DAY_NS
    close_ns = open_ns + MINUTES * NS_PER_MINUTE
    date = f"day-{day}"
    events: list[FeedEvent] = [SessionOpened(open_ns, date, open_ns, close_ns, 34_200)]
    for minute in range(MINUTES):
        start_ns = open_ns + minute * NS_PER_MINUTE
        cents = 57_000 + (minute * 7_919 + day * 104_729) % 61
        cents -= 250 if 35 <= minute < 60 else 0
        close, high, low = cents / 100, (cents + 11) / 100, (cents - 9) / 100
        volume = float(1_000 + minute * 31 % 977)
        end_ns = start_ns + NS_PER_MINUTE
        events.append(BarClosed(end_ns, "SPY", start_ns, close, high, low, close, volume))
    events.append(SessionClosed(close_ns, date))
    return events


@pytest.fixture(scope="module")
def events() -> list[FeedEvent]:
    return [event for day in range(DAYS) for event in session(day)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.of(compile_book(load_rules(ROOT / "rules")))


def started(engine: Engine) -> Desk:
    journal = MemoryJournal(keep=False)
    desk = Desk(engine, DeskState(), journal, SimulatedBroker(SimulationSettings()))
    desk.take(DeskStarted(OPEN_NS, engine.book.digest, "backtest", "test"))
    return desk


def test_the_exact_loop(benchmark, engine, events):
    """At least 50,000 bars a second: 11,700 bars in at most 234 ms."""

    def run() -> Desk:
        desk = started(engine)
        Loop(desk).run(events)
        return desk

    desk = benchmark(run)
    assert len(desk.state.ledger.executions) == 2 * DAYS  # it did trade
    if benchmark.stats is not None:
        best_s = benchmark.stats["min"]
        benchmark.extra_info["bars_per_second"] = round(DAYS * MINUTES / best_s)


def test_the_engine_alone(benchmark, engine, events):
    """One step a bar, without journal and broker: what a model check or a what-if pays."""

    def run() -> DeskState:
        state = DeskState()
        started = DeskStarted(OPEN_NS, engine.book.digest, "backtest", "test")
        (asked,) = step(engine, state, started).commands
        step(engine, state, SnapshotTaken(OPEN_NS, asked.at_ns, None, (), (), ()))
        for event in events:
            step(engine, state, event)
        return state

    assert benchmark(run).orders


def test_a_fork(benchmark, engine, events):
    """A copy of a desk with a month behind it."""
    desk = started(engine)
    Loop(desk).run(events)
    assert benchmark(desk.state.fork).hash() == desk.state.hash()
