"""A real day that loses, with both strategies, every protection and what they remember of the days
before: a process that ends at any of its bars changes no decision."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from typing import NamedTuple

import pytest

from mqd.app.run import start as start_desk
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.feeds.recorded import RecordedFeed
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.command import SubmitOrder
from mqd.model.decision import Decision, Outcome, ProtectionTripped
from mqd.model.event import BarClosed, DeskStarted, Event, SessionOpened
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.replay import replay
from mqd.store.memory import MemoryJournal
from tests.cases.conftest import Scene

DAYS = ("2025-01-13", "2025-01-14", "2025-01-15")
TRIPPED = {"daily_loss_limit", "half_size", "max_drawdown", "quarter_size"}
DAY_NS = 1_440 * NS_PER_MINUTE
TEN_NS = 15 * 60 * NS_PER_MINUTE  # in New York in January
HALF_PAST_ELEVEN_NS = TEN_NS + 90 * NS_PER_MINUTE
LIMITS = "limits/desk.yaml"
PORTFOLIO = "desk/portfolio.yaml"
MOMENTUM = "strategies/momentum_following.yaml"
VALUES = {
    "max_trades_per_day": "5",
    "entry_deviation_pct": "0.002",
    "stop_loss_pct": "0.002",
    "risk_dollars_per_trade": "5",
}


def said(value: str, rest: str) -> str:
    return f"value: {value}\n    min: {rest}\n"


class Stop(NamedTuple):
    """A process that ended after a bar: its broker, how much it had journaled, what is to come."""

    bar_ns: int
    broker: SimulatedBroker
    journaled: int
    rest: list[Event]


class Told:
    """A watcher that keeps what is decided."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def saw(self, _event: Event, outcome: Outcome, _state: DeskState) -> None:
        self.outcomes.append(outcome)

    def decisions(self) -> list[Decision]:
        return [decision for outcome in self.outcomes for decision in outcome.decisions]

    def tripped(self, session: SessionOpened) -> set[str]:
        """What tripped within that session."""
        notes = chain.from_iterable(outcome.notes for outcome in self.outcomes)
        return {
            note.protection
            for note in notes
            if isinstance(note, ProtectionTripped)
            and session.at_ns <= note.at_ns <= session.close_ns
        }


@pytest.fixture
def book(edited, every_protection) -> RuleBook:
    """Both strategies trade often, on a desk that may lose 1 USD a day."""
    own = "2500\n    min: 100\n    max: 100000\n    unit: usd"  # the drawdown's is 100 USD here
    edits = {
        PORTFOLIO: {"value: limits.assumed_equity_usd": f"value: {own}"},
        MOMENTUM: {"status: draft": "status: paper"},
        LIMITS: {
            said("10", "1\n    max: 50"): said("1", "1\n    max: 50"),
            said("25", "2\n    max: 150"): said("3.2", "2\n    max: 150"),
            said("2500", "100\n    max: 100000"): said("100", "100\n    max: 100000"),
            said("0.15", "0.01\n    max: 0.5"): said("0.022", "0.01\n    max: 0.5"),
        },
    }
    loaded: RuleBook = edited(edits, values=VALUES, protections=every_protection)
    return loaded


def sessions(feed: RecordedFeed, days: tuple[str, ...] = DAYS) -> list[Event]:
    """What the feed tells of these days, of the last of them only until a quarter to eleven."""
    kept: list[Event] = []
    is_kept, last_ns = False, 0
    for event in feed.events():
        if isinstance(event, SessionOpened):
            is_kept = event.date in days
            last_ns = event.open_ns + 75 * NS_PER_MINUTE if event.date == DAYS[-1] else 1 << 62
        if is_kept and event.at_ns <= last_ns:
            kept.append(event)
    return kept


def started(
    engine: Engine, state: DeskState, broker: SimulatedBroker, now_ns: int, journal: MemoryJournal
) -> tuple[Loop, Told]:
    """A process that begins with this state, at its broker."""
    told = Told()
    journal.remember_rules(engine.book.digest, engine.book.rules.canonical)
    loop = Loop(Desk(engine, state, journal, broker), [told])
    start_desk(loop, DeskStarted(now_ns, engine.book.digest, "samples", "test"))
    told.outcomes.clear()
    return loop, told


def stops(
    events: list[Event], loop: Loop, broker: SimulatedBroker, journal: MemoryJournal
) -> Iterator[Stop]:
    """Live these events; after every bar of the second day is a place at which to stop."""
    date = ""
    for number, event in enumerate(events):
        loop.run([event])
        date = event.date if isinstance(event, SessionOpened) else date
        if isinstance(event, BarClosed) and date == DAYS[1]:
            yield Stop(event.at_ns, deepcopy(broker), journal.count(), events[number + 1 :])


@pytest.mark.case(110)
@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_case_110_a_restart_at_any_bar_of_a_losing_day_changes_no_decision(book, real_feed):
    """14 January 2025 as it was, after the day before it and with the day after it.

    Orders fill at the next bar's open, so that a process also ends with an order on its way.
    """
    events, engine = sessions(real_feed), Engine.of(compile_book(book))
    broker, journal = SimulatedBroker(SimulationSettings(fill="next-open")), MemoryJournal()
    loop, whole = started(engine, DeskState(), broker, events[0].at_ns, journal)
    places = {place.journaled: place for place in stops(events, loop, broker, journal)}
    assert len(places) >= 390
    assert len({trade.strategy for each in whole.outcomes for trade in each.trades}) == 2
    day = next(e for e in events if isinstance(e, SessionOpened) and e.date == DAYS[1])
    assert whole.tripped(day) == TRIPPED
    decided = whole.decisions()
    states = (item.state for item in replay(journal, lambda _digest: engine))
    for count, state in enumerate(states, 1):
        if count in places:
            place = places[count]
            again, told = started(engine, state.fork(), place.broker, state.now_ns, MemoryJournal())
            again.run(place.rest)
            expected = [decision for decision in decided if decision.at_ns > place.bar_ns]
            assert told.decisions() == expected, f"after {count} events"


def at_a_broker(book: RuleBook, events: list[Event], *, restarts: bool) -> Scene:
    """The same days at a broker with an account, beside whose positions stops rest."""
    scene, date = Scene(book), ""
    for event in events:
        scene.broker.forgets()
        scene.broker.answers(SubmitOrder, "fill", "fill")
        scene.feed(event)
        date = event.date if isinstance(event, SessionOpened) else date
        is_bar = isinstance(event, BarClosed) and event.at_ns % DAY_NS >= TEN_NS
        if restarts and is_bar and date == DAYS[1]:
            scene.restart()
    return scene


def answers(scene: Scene) -> list[tuple[object, ...]]:
    """What was decided, without the facts: how old the account's word is may differ."""
    codes = scene.engine.book.entry_checks.true_codes
    return [
        (
            each.at_ns, each.strategy, each.outcome, each.no_trade, each.exits, each.protections,
            codes(each.checks),
        )
        for _, outcome in scene.seen
        for each in outcome.decisions
    ]  # fmt: skip


@pytest.mark.case(110)
@pytest.mark.rule("RESTART_CHANGES_NOTHING", "PROTECTIVE_STOP")
def test_case_110_nor_do_restarts_after_every_bar_at_a_broker_with_stops(book, real_feed):
    mornings = [
        event
        for event in sessions(real_feed, DAYS[:2])
        if not isinstance(event, BarClosed) or event.at_ns % DAY_NS < HALF_PAST_ELEVEN_NS
    ]
    whole = at_a_broker(book, mornings, restarts=False)
    often = at_a_broker(book, mornings, restarts=True)
    assert whole.broker.stops()
    assert {trade.strategy for trade in whole.trades()} == {
        "momentum_following", "vwap_micro_mean_reversion",
    }  # fmt: skip
    assert {"daily_loss_limit", "half_size"} <= {
        note.protection for note in whole.notes(ProtectionTripped)
    }
    assert answers(often) == answers(whole)
    assert [trade._replace(rules_digest="") for trade in often.trades()] == [
        trade._replace(rules_digest="") for trade in whole.trades()
    ]
    assert not often.incidents()
