"""What a person is told: by a real desk that runs, into a notifier that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.feeds.calendar import exchange_time_text
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, parse_iso
from mqd.model.decision import (
    BreakerMoved,
    DriftFound,
    IncidentRaised,
    Outcome,
    ProtectionTripped,
    Reconciled,
)
from mqd.model.event import (
    ClockTicked,
    DeskStarted,
    Event,
    OperatorActed,
    OrderRejected,
    SessionClosed,
    SessionOpened,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.notify.announcer import Announcer
from mqd.notify.plan import KINDS, NotifyPlan, read_plan
from mqd.notify.post import Post
from mqd.notify.telling import told
from mqd.ports.notifier import Notice
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
OPEN_NS = parse_iso("2024-10-07T13:30:00Z")
LONG_S = 20.0
EVERYTHING = NotifyPlan(("X",), frozenset(KINDS), 15 * NS_PER_MINUTE, 2 * NS_PER_MINUTE)


class Keeper:
    """A notifier that keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)


class SilentBroker:
    """Takes everything and says nothing."""

    def send(self, command: Any) -> None:
        """It says nothing."""

    def observe(self, event: Event, *, accepted: bool) -> None:
        """It says nothing."""

    def replies(self) -> Iterator[Any]:
        return iter(())


class Watched:
    """A desk under the shipped rules with an announcer; `at` is minutes after the open."""

    def __init__(self, plan: NotifyPlan = EVERYTHING) -> None:
        self.keeper = Keeper()
        self.announcer = Announcer(plan, (Post("here", self.keeper),), exchange_time_text)
        self.book = load_rules(ROOT / "rules")
        desk = Desk(
            Engine.of(compile_book(self.book)), DeskState(), MemoryJournal(), SilentBroker()
        )
        self.loop = Loop(desk, (self.announcer,))
        self.loop.start(DeskStarted(OPEN_NS, self.book.digest, "paper", "test"))

    def at(self, minutes: float, kind: Callable[..., Event], *words: Any) -> None:
        at_ns = OPEN_NS + round(minutes * NS_PER_MINUTE)
        if kind is not ClockTicked:  # the broker's news does not move the desk's time
            self.loop.take(ClockTicked(at_ns))
        self.loop.take(kind(at_ns, *words))

    def notices(self, ended: str = "") -> list[Notice]:
        assert self.announcer.close(ended, LONG_S) == ()
        return self.keeper.notices


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_start_is_told_with_its_rules(watched):
    (notice,) = watched.notices()
    assert notice.title == "mqd paper: start and end"
    assert watched.book.digest[:12] in notice.text
    assert "2024-10-07 09:30 ET" in notice.text


def test_an_incident_and_what_the_desk_makes_of_it_are_one_message(watched):
    watched.at(1, UnreadableReceived, "trade_updates", "no such word\n\x1b[31m", "{}")
    _, notice = watched.notices()
    assert notice.tone == "failure"
    assert "UnreadableNewsError" in notice.text
    assert "from ACTIVE to HALTED" in notice.text
    assert "\x1b" not in notice.text


def test_a_button_is_told_with_who_and_why(watched):
    watched.at(1, OperatorActed, "halt", "", "ada", "the fills look odd")
    _, notice = watched.notices()
    assert "halt by ada: the fills look odd" in notice.text
    assert "HALTED" in notice.text


def test_what_repeats_is_counted_and_told_when_its_time_is_over(watched):
    for minute in (1, 2, 3, 4):
        watched.at(minute, UnreadableReceived, "bars", "no such word", "{}")
    watched.at(15.5, ClockTicked)
    watched.at(16, ClockTicked)
    texts = [each.text for each in watched.notices()[1:]]
    assert len(texts) == 2
    assert "3 times more" in texts[1]
    assert "UnreadableNewsError" in texts[1]


def test_what_still_is_held_back_is_told_at_the_end(watched):
    for minute in (1, 2):
        watched.at(minute, UnreadableReceived, "bars", "no such word", "{}")
    assert "once more" in watched.notices()[-1].text


def test_with_no_time_between_everything_is_told():
    watched = Watched(replace(EVERYTHING, again_after_ns=0))
    for minute in (1, 2, 3):
        watched.at(minute, UnreadableReceived, "bars", "no such word", "{}")
    assert sum("UnreadableNewsError" in each.text for each in watched.notices()) == 3


def test_a_stream_is_told_only_when_it_is_lost_for_long(watched):
    watched.at(1, StreamLost, "bars")
    watched.at(2, StreamRestored, "bars")
    watched.at(3, StreamLost, "trade_updates")
    watched.at(4.9, ClockTicked)
    watched.at(5, ClockTicked)
    watched.at(6, ClockTicked)
    watched.at(13, StreamRestored, "trade_updates")
    told_of = [each for each in watched.notices() if "stream" in each.title]
    assert [each.tone for each in told_of] == ["failure", "info"]
    assert "trade_updates is lost for 2 min" in told_of[0].text
    assert "back, it was lost for 10 min" in told_of[1].text


def test_a_day_is_summed_up_once(watched):
    watched.at(0, SessionOpened, "2024-10-07", OPEN_NS, OPEN_NS + 390 * NS_PER_MINUTE, 34_200)
    watched.at(1, UnreadableReceived, "bars", "no such word", "{}")
    watched.at(390, SessionClosed, "2024-10-07")
    (notice,) = [each for each in watched.notices() if "summary" in each.title]
    for piece in ("2024-10-07 closed", "nothing realised", "0 entries", "HALTED", "incidents 1"):
        assert piece in notice.text


def test_what_the_plan_leaves_out_is_not_told():
    watched = Watched(replace(EVERYTHING, kinds=frozenset({"summary"})))
    watched.at(1, UnreadableReceived, "bars", "no such word", "{}")
    watched.at(390, SessionClosed, "2024-10-07")
    (notice,) = watched.notices("it cannot go on")
    assert "summary" in notice.title


def test_the_error_that_ends_a_desk_is_told(watched):
    assert (
        "the desk has ended: the journal is full" in watched.notices("the journal is full")[-1].text
    )


def test_a_message_stays_short(watched):
    watched.at(1, OrderRejected, "one", "CODE", "word " * 1_000)
    assert len(watched.notices()[-1].text) < 500


@pytest.mark.parametrize(
    ("note", "kind", "said"),
    [
        (ProtectionTripped(1, "daily_loss_limit", 2), "trips", "daily_loss_limit"),
        (
            BreakerMoved(1, "failed", "CLOSED", "OPEN", "BR-02", "submit unproved after 5.020 s"),
            "trips",
            "from CLOSED to OPEN (BR-02): submit unproved after 5.020 s",
        ),
        (IncidentRaised(1, "OverfillError", "CRITICAL", "o", "too much"), "incidents", "too much"),
        (
            IncidentRaised(1, "InvariantViolatedError", "CRITICAL", "INV-1", "broke"),
            "invariants",
            "CRITICAL InvariantViolatedError",
        ),
        (IncidentRaised(1, "BrokerEchoError", "CRITICAL", "o", "another side"), "invariants", ""),
        (IncidentRaised(1, "LimitExceededError", "WARNING", "o", "too large"), "rejects", ""),
        (
            DriftFound(1, "QTY", "SPY", Decimal(2), Decimal(3), None, "adopted"),
            "drift",
            "2 here, 3 at the broker",
        ),
        (Reconciled(1, "refused", 2, ("DRIFT_TOO_LARGE",)), "drift", "DRIFT_TOO_LARGE"),
    ],
)
def test_each_note_has_its_kind(note, kind, said):
    (found,) = told(ClockTicked(1), Outcome(notes=(note,)))
    assert found.kind == kind
    assert said in found.text


def test_routine_is_worth_nothing():
    assert not list(told(ClockTicked(1), Outcome(notes=(Reconciled(1, "clean", 0, ()),))))


def test_an_event_that_cannot_be_told_stops_nothing():
    keeper = Keeper()

    def no_time(at_ns: int) -> str:
        if at_ns != OPEN_NS + NS_PER_S:
            raise ValueError("no such time")
        return "now"

    announcer = Announcer(EVERYTHING, (Post("here", keeper),), no_time)
    state = DeskState(now_ns=OPEN_NS)
    rejected = OrderRejected(OPEN_NS, "one", "CODE", "no")
    announcer.saw(rejected, Outcome(), state)
    state.now_ns += NS_PER_S
    announcer.saw(rejected._replace(code="OTHER"), Outcome(), state)
    assert announcer.failures == 1
    assert announcer.close("", LONG_S) == ("notifications: 1 events could not be told",)
    assert "OTHER" in keeper.notices[-1].text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("json://me:CANARY@here", "halts", "1m", "1m"), "names of environment variables"),
        (("X", "halts hats", "1m", "1m"), "did you mean `halts`"),
        (("X", "halts", "soon", "1m"), "notify_again_after: `soon`"),
        (("X", "halts", "1m", "2"), "notify_stream_lost_after: `2`"),
    ],
)
def test_a_plan_is_read_strictly(words, named):
    with pytest.raises(SettingsError, match=named) as refused:
        read_plan(*words)
    assert "CANARY" not in str(refused.value)
