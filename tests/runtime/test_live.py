"""The live stream: what came in, in which order, and what is made of what nobody can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

import pytest

from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.ground.errors import InboxFullError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.event import (
    BarClosed,
    ClockTicked,
    DeskStarted,
    Event,
    FrameReceived,
    StreamLost,
    UnreadableReceived,
)
from mqd.ports.inbox import Arrival
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SteadyClock
from mqd.runtime.desk import Desk
from mqd.runtime.inbox import BoundedInbox
from mqd.runtime.live import LiveStream
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
START_NS = 1_700_000_000 * NS_PER_S


class SteppingClock:
    """A clock that moves on by a second each time it is read."""

    def __init__(self) -> None:
        self.at_ns = START_NS

    def now_ns(self) -> int:
        self.at_ns += NS_PER_S
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self.at_ns

    def sleep(self, duration_s: float) -> None:
        self.at_ns += round(duration_s * NS_PER_S)


def told(*events: Event, frame: FrameReceived | None = None) -> Arrival:
    return Arrival(frame, lambda: events)


def stream(inbox: BoundedInbox, tick_s: float = 3600.0, **more: Callable) -> LiveStream:
    return LiveStream(inbox, SteppingClock(), tick_s=tick_s, **more)


def bar(minute: int) -> BarClosed:
    start_ns = START_NS + minute * NS_PER_MINUTE
    return BarClosed(start_ns + NS_PER_MINUTE, "SPY", start_ns, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_a_frame_comes_before_what_is_read_from_it():
    inbox = BoundedInbox(10)
    frame = FrameReceived(START_NS, "trade_updates", "{}")
    lost = StreamLost(START_NS, "trade_updates")
    inbox.put(told(lost, frame=frame), is_news=True)
    assert list(islice(stream(inbox), 2)) == [frame, lost]


@pytest.mark.case(75)
def test_news_comes_before_bars_and_each_keeps_its_order():
    inbox = BoundedInbox(10)
    inbox.put(told(bar(0)), is_news=False)
    inbox.put(told(bar(1)), is_news=False)
    for name in ("a", "b"):
        inbox.put(told(StreamLost(START_NS, name)), is_news=True)
    events = [e for e in islice(stream(inbox), 6) if not isinstance(e, ClockTicked)]
    assert events == [StreamLost(START_NS, "a"), StreamLost(START_NS, "b"), bar(0), bar(1)]


def test_the_desk_knows_the_time_before_each_bar():
    inbox = BoundedInbox(10)
    inbox.put(told(bar(-30)), is_news=False)
    tick, late = islice(stream(inbox), 2)
    assert isinstance(tick, ClockTicked)
    assert late == bar(-30)
    assert tick.at_ns - late.at_ns > 28 * NS_PER_MINUTE


def test_a_bar_from_ahead_of_our_clock_takes_the_time_along():
    inbox = BoundedInbox(10)
    inbox.put(told(bar(5)), is_news=False)
    assert list(islice(stream(inbox), 2)) == [ClockTicked(bar(5).at_ns), bar(5)]


@pytest.mark.rule("tick")
def test_nothing_to_hear_is_a_tick_in_time_and_a_chance_for_the_buttons():
    chances: list[None] = []
    ticks = list(
        islice(stream(BoundedInbox(1), tick_s=2.0, between=lambda: chances.append(None)), 3)
    )
    assert all(isinstance(tick, ClockTicked) for tick in ticks)
    assert [later.at_ns - tick.at_ns for tick, later in pairwise(ticks)] == [
        2 * NS_PER_S,
        2 * NS_PER_S,
    ]
    assert chances


@pytest.mark.case(68, 70)
def test_what_cannot_be_read_is_kept_and_ends_nothing():
    def read() -> Iterable[Event]:
        raise KeyError("order")

    inbox = BoundedInbox(10)
    inbox.put(Arrival(FrameReceived(START_NS, "trade_updates", '{"x":1}'), read), is_news=True)
    inbox.put(told(bar(0)), is_news=False)
    _, unreadable, *_, after = islice(stream(inbox), 4)
    assert isinstance(unreadable, UnreadableReceived)
    assert (unreadable.stream, unreadable.text) == ("trade_updates", '{"x":1}')
    assert after == bar(0)


def test_a_wish_to_stop_ends_the_stream():
    assert list(stream(BoundedInbox(1), stop_wanted=lambda: True)) == []


def _noted(events: Iterable[Event], noted: list[Event]) -> Iterator[Event]:
    for event in events:
        noted.append(event)
        yield event


def test_a_message_that_was_taken_is_told_to_its_end():
    """A wish to stop that comes with the first of it loses nothing of it."""
    inbox = BoundedInbox(10)
    frame = FrameReceived(START_NS, "trade_updates", "{}")
    parts = [StreamLost(START_NS, name) for name in ("a", "b")]
    inbox.put(told(*parts, frame=frame), is_news=True)
    noted: list[Event] = []
    heard = list(_noted(stream(inbox, stop_wanted=lambda: bool(noted)), noted))
    assert heard[:3] == [frame, *parts]


def test_what_waits_at_the_end_is_news_and_no_bar_to_decide_on():
    inbox = BoundedInbox(10)
    inbox.put(told(bar(0)), is_news=False)
    news = [StreamLost(START_NS, name) for name in ("a", "b")]
    for each in news:
        inbox.put(told(each), is_news=True)
    assert list(stream(inbox).rest()) == news
    assert len(inbox) == 1


def test_time_is_told_where_it_matters_and_else_once_a_minute():
    looked: list[ClockTicked] = []

    def matters(tick: ClockTicked) -> bool:
        looked.append(tick)
        return len(looked) == 3

    first, second = islice(stream(BoundedInbox(1), tick_s=2.0, matters=matters), 2)
    assert first == looked[2]
    assert second.at_ns - first.at_ns >= NS_PER_MINUTE
    assert all(later.at_ns - tick.at_ns == 2 * NS_PER_S for tick, later in pairwise(looked))


def test_news_after_a_silence_is_judged_by_the_time_at_which_it_came():
    inbox = BoundedInbox(10)
    frame = FrameReceived(START_NS, "trade_updates", "{}")
    silence: list[None] = []

    def pass_by() -> None:
        silence.append(None)
        if len(silence) == 5:
            inbox.put(told(frame=frame), is_news=True)

    quiet = stream(inbox, tick_s=2.0, matters=lambda _tick: False, between=pass_by)
    tick, heard = islice(quiet, 2)
    assert heard == frame
    assert tick.at_ns - START_NS >= len(silence) * NS_PER_S


def test_a_desk_says_whether_time_would_change_anything_and_changes_nothing():
    book = load_rules(ROOT / "rules")
    broker = SimulatedBroker(SimulationSettings())
    desk = Desk(Engine.of(compile_book(book)), DeskState(), MemoryJournal(), broker)
    desk.take(DeskStarted(START_NS, book.digest, "practice", "0"))
    (patience_s,) = (each.value for each in book.limits if each.name == "snapshot_patience")
    assert isinstance(patience_s, Decimal)
    before = desk.state.canonical()
    assert not desk.would_act(ClockTicked(START_NS + NS_PER_S))
    assert desk.would_act(ClockTicked(START_NS + int(patience_s) * NS_PER_S))
    assert desk.state.canonical() == before


class SetClock(SteppingClock):
    """A machine whose wall time is set by hand; its other clock goes on."""

    def __init__(self) -> None:
        self.at_ns = START_NS
        self.passed_ns = 0

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self.passed_ns

    def pass_s(self, seconds: int) -> None:
        self.at_ns += seconds * NS_PER_S
        self.passed_ns += seconds * NS_PER_S


def test_a_clock_that_is_set_back_goes_on_as_time_does():
    wall = SetClock()
    steady = SteadyClock(wall)
    wall.pass_s(10)
    assert steady.now_ns() == START_NS + 10 * NS_PER_S
    wall.at_ns -= 3_600 * NS_PER_S
    wall.pass_s(5)
    assert steady.now_ns() == START_NS + 15 * NS_PER_S
    wall.pass_s(5)
    assert steady.now_ns() == START_NS + 20 * NS_PER_S


def test_a_machine_that_was_asleep_wakes_up_in_the_present():
    wall = SetClock()
    steady = SteadyClock(wall)
    wall.at_ns += 3_600 * NS_PER_S
    wall.pass_s(5)
    assert steady.now_ns() == START_NS + 3_605 * NS_PER_S


def test_a_full_inbox_says_so_and_keeps_what_it_has():
    inbox = BoundedInbox(2)
    inbox.put(told(bar(0)), is_news=False)
    inbox.put(told(bar(1)), is_news=True)
    with pytest.raises(InboxFullError):
        inbox.put(told(bar(2)), is_news=True)
    assert len(inbox) == 2


def test_a_machine_that_sleeps_between_two_looks_at_its_clocks_does_not_run_ahead():
    class Sleeper:
        """Another ten seconds pass at each look, whichever clock is looked at."""

        at_ns = START_NS

        def _look(self) -> int:
            self.at_ns += 10 * NS_PER_S
            return self.at_ns

        now_ns = monotonic_ns = _look

        def sleep(self, duration_s: float) -> None:
            raise NotImplementedError

    sleeper = Sleeper()
    steady = SteadyClock(sleeper)
    for _ in range(5):
        assert steady.now_ns() <= sleeper.at_ns
