"""The desk over real lines: `LiveRun`, with alpaca-py, against the practice exchange."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is in the practice extra")

from mqd.app.account import Account
from mqd.app.backtest import run_backtest
from mqd.app.live import LiveRun
from mqd.app.run import RunPlan
from mqd.app.settings import read_settings
from mqd.brokers.practice.server import PracticeServer
from mqd.brokers.practice.settings import PracticeSettings
from mqd.brokers.simulated import SimulationSettings
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import MqdError, SettingsError
from mqd.ground.times import NS_PER_S, iso_utc, parse_iso
from mqd.model.command import SubmitOrder
from mqd.model.decision import Decision, IncidentRaised, Outcome
from mqd.model.event import BarClosed, ClockTicked, Event, FrameReceived, UnreadableReceived
from mqd.model.position import Trade
from mqd.ports.clock import Clock
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Watcher
from mqd.store.journal import open_journal
from mqd.store.verify import verify

ROOT = Path(__file__).resolve().parents[2]
DATE = "2024-11-25"  # of the sample sessions, the first one, with a trade
PATIENCE_S = 60.0
QUIET_S = 0.05
BARS = 120  # until 11:30, when the last position of that morning is closed


class Watched:
    """What a run did."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.trades: list[Trade] = []
        self.incidents: list[str] = []
        self.events: list[Event] = []

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        self.events.append(event)
        self.decisions += outcome.decisions
        self.trades += outcome.trades
        self.incidents += [n.error for n in outcome.notes if isinstance(n, IncidentRaised)]


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.fixture(scope="module")
def bars() -> list[BarClosed]:
    events = RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    of_the_day = [
        event
        for event in events
        if isinstance(event, BarClosed) and iso_utc(event.at_ns).startswith(DATE)
    ]
    return of_the_day[:BARS]


@pytest.fixture
def exchange(bars, tmp_path) -> Iterator[PracticeServer]:
    """With an account of its own: one desk owns an account, and tests run side by side."""
    settings = PracticeSettings(name=str(tmp_path))
    with PracticeServer(bars, ExchangeCalendar(), settings) as server:
        yield server


class Rehearsal:
    """A live run that goes on while a test plays the exchange, bar by bar."""

    def __init__(
        self,
        exchange: PracticeServer,
        book: RuleBook,
        journal: Path,
        clock: Clock | None = None,
        lookers_on: tuple[Watcher, ...] = (),
    ) -> None:
        self.exchange = exchange
        self.watched = Watched()
        self.lookers_on = lookers_on
        self.stop = Signal()
        self.failed: list[BaseException] = []
        account = Account(exchange.keys, exchange.addresses, "practice", "iex", clock is None)
        plan = RunPlan(book, (), read_settings("practice"), str(journal))
        self.desk_run = LiveRun(plan, account, clock or SystemClock())
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.desk_run.run((*self.lookers_on, self.watched), self.stop.is_set)
        except BaseException as error:  # noqa: BLE001  # the test is told of it
            self.failed.append(error)

    def until(self, holds: Callable[[], Any]) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not holds():
            if self.failed:
                raise self.failed[0]
            assert time.monotonic() < until_s, "waited in vain"
            time.sleep(0.002)

    def listens(self) -> None:
        state = self.exchange.state
        self.until(lambda: state()["bars_heard"] and self.desk_run.desk.state.desk.is_in_step)

    def play(self, count: int) -> None:
        """One bar after the other, each when the desk has nothing left to do."""
        for _ in range(count):
            self.exchange.step()
            self.until(self.is_quiet)

    def is_quiet(self) -> bool:
        seen = {event.at_ns for event in self.watched.events if isinstance(event, BarClosed)}
        run, now = self.desk_run, self.exchange.state()["now"]
        if now not in {iso_utc(at_ns) for at_ns in seen} or run.desk.state.working:
            return False
        quiet = not run.broker.queued and not len(run.inbox)
        time.sleep(QUIET_S if run.desk.state.desk.is_waiting_for_snapshot else 0)
        return quiet

    def end(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        if self.failed:
            raise self.failed[0]


@pytest.fixture
def rehearse(exchange, book, tmp_path) -> Iterator[Callable[..., Rehearsal]]:
    made: list[Rehearsal] = []

    def start(**more: Any) -> Rehearsal:
        made.append(Rehearsal(exchange, more.pop("book", book), tmp_path / "desk.db", **more))
        return made[-1]

    yield start
    for each in made:
        each.stop.set()
        each.thread.join(PATIENCE_S)


def wanted(book: RuleBook) -> tuple[list[Trade], list[Decision]]:
    watched = Watched()
    run_backtest(book, [], SimulationSettings(fill="close"), [watched])
    trades = [trade for trade in watched.trades if iso_utc(trade.exit_ns).startswith(DATE)]
    decisions = [each for each in watched.decisions if iso_utc(each.at_ns).startswith(DATE)]
    return trades, decisions[:BARS]


def said(decisions: list[Decision]) -> list[tuple[object, ...]]:
    return [(d.at_ns, d.strategy, d.outcome, d.no_trade, d.exits, d.data) for d in decisions]


@pytest.mark.case(140)
def test_a_day_over_real_lines_decides_and_trades_as_a_back_test(
    rehearse, exchange, book, tmp_path
):
    trades, decisions = wanted(book)
    assert trades
    desk = rehearse()
    desk.listens()
    desk.play(BARS)
    desk.end()
    watched = desk.watched
    assert said(watched.decisions) == said(decisions)
    assert watched.trades == trades
    assert not watched.incidents
    assert desk.desk_run.desk.state.state_name == "ACTIVE"
    truth = exchange.books()
    pnl_usd = sum((trade.pnl_usd for trade in trades), Decimal(0))
    assert truth["cash"] == decimal_text(100_000 + pnl_usd)
    assert not truth["positions"]
    with open_journal(str(tmp_path / "desk.db"), SystemClock(), write=False) as journal:
        assert verify(journal).ok
        frames = [e for e in journal.entries() if isinstance(e.event, FrameReceived)]
    assert {frame.event.stream for frame in frames} == {"bars", "trade_updates"}


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_restart_in_position_goes_on_where_it_was(rehearse, exchange, book):
    """Stopped while it holds shares, away for some bars, and back: the exit comes all the same."""
    trades, _ = wanted(book)
    desk = rehearse()
    desk.listens()
    played = 0
    while not desk.desk_run.desk.state.holdings:
        desk.play(1)
        played += 1
    desk.end()
    again = rehearse()
    assert again.desk_run.is_restart
    again.listens()
    again.play(BARS - played)
    again.end()
    both = desk.watched.trades + again.watched.trades
    assert both == trades
    assert not again.watched.incidents
    orders = exchange.books()["orders"]
    ids = [order["client_order_id"] for order in orders]
    assert len(ids) == len(set(ids)) == 2 * len(trades)


@pytest.mark.case(5, 21, 63, 64)
@pytest.mark.rule("BOOKED_ONCE")
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http_504", "request": "submit"},
        {"kind": "http_504", "request": "submit", "booked": False},
        {"kind": "reset", "request": "submit"},
        {"kind": "event_dropped", "event": "fill"},
        {"kind": "event_duplicated", "event": "fill"},
        {"kind": "stream_dropped", "stream": "trade_updates", "seconds": 0.3},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_what_goes_wrong_on_the_line_doubles_and_loses_nothing(rehearse, exchange, fault):
    desk = rehearse()
    desk.listens()
    desk.play(20)
    exchange.plan(**fault)
    run = desk.desk_run
    for _ in range(BARS - 20):
        exchange.step()
        time.sleep(0.02)
    desk.until(lambda: not run.desk.state.working and run.desk.state.desk.is_in_step)
    desk.end()
    truth = exchange.books()
    held = {each["symbol"]: Decimal(each["qty"]) for each in truth["positions"]}
    positions = run.desk.state.ledger.positions
    assert {each.symbol: each.qty for each in positions.open_positions()} == held
    ids = [order["client_order_id"] for order in truth["orders"]]
    assert len(ids) == len(set(ids))
    assert all(order_id in run.desk.state.orders for order_id in ids)


@pytest.mark.case(69, 70)
@pytest.mark.rule("WORDS_ARE_EXPLAINED", "DL-01")
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "event_unknown_word", "word": "teleported"},
        {"kind": "event_not_json"},
        {"kind": "event_missing_field", "field": "order.filled_qty"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_news_that_nobody_can_read_stops_entries_and_no_exit(
    rehearse, exchange, book, tmp_path, fault
):
    """The fill of the entry is told in such words: it is found by asking, and the exit goes."""
    trades, _ = wanted(book)
    exchange.plan(**fault, event="fill")
    desk = rehearse()
    desk.listens()
    desk.play(BARS)
    desk.end()
    watched, state = desk.watched, desk.desk_run.desk.state
    assert watched.incidents[0] == "UnreadableNewsError"
    assert state.state_name == "HALTED"
    assert not state.ledger.positions.open_positions()
    truth = exchange.books()
    assert not truth["positions"]
    assert len(truth["orders"]) == 2  # the entry and its exit, and nothing was opened after them
    assert watched.trades[0].exit_ns == trades[0].exit_ns
    (unread,) = [e for e in watched.events if isinstance(e, UnreadableReceived)]
    with open_journal(str(tmp_path / "desk.db"), SystemClock(), write=False) as journal:
        events = [entry.event for entry in journal.entries()]
    frames = [event.text for event in events if isinstance(event, FrameReceived)]
    assert unread in events
    assert unread.text in frames


@pytest.mark.case(134, 138)
@pytest.mark.rule("BAR_TOO_OLD", "longest_bar_age")
def test_what_passed_before_the_start_is_learned_from_and_not_traded_on(rehearse, exchange, book):
    """A desk that comes late: the bar that a back-test buys on is some minutes old."""
    trades, decisions = wanted(book)
    entered = next(each for each in decisions if each.outcome == "ENTER")
    late = decisions.index(entered) + 3
    assert trades[0].exit_ns > decisions[late - 1].at_ns
    exchange.step(late)
    desk = rehearse()
    desk.listens()
    desk.until(lambda: len(desk.watched.decisions) == late)
    learned = desk.watched.decisions
    assert [d.at_ns for d in learned] == [d.at_ns for d in decisions[:late]]
    (same,) = [each for each in learned if each.at_ns == entered.at_ns]
    assert same.outcome == "REFUSED"
    blocks = desk.desk_run.desk.engine.book.blocks_entries
    assert blocks.true_codes(same.data) == ("BAR_TOO_OLD",)
    upto = learned.index(same) + 1  # from here on the back-test holds what the desk did not buy
    assert [d.no_trade for d in learned[:upto]] == [d.no_trade for d in decisions[:upto]]
    assert not [each for each in learned if each.outcome == "ENTER"]
    desk.end()
    assert not exchange.books()["orders"]


def test_what_the_broker_says_while_the_desk_goes_down_is_taken(rehearse, exchange):
    """The wish to stop comes with the order: its answer and its fill come later."""
    exchange.plan(kind="slow_answer", request="submit", seconds=0.5)
    stopped: list[Event] = []

    class Stopper:
        def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
            if any(isinstance(command, SubmitOrder) for command in outcome.commands):
                stopped.append(event)
                desk.stop.set()

    desk = rehearse(lookers_on=(Stopper(),))
    desk.listens()
    while not stopped:
        exchange.step()
        desk.until(lambda: stopped or desk.is_quiet())
    desk.end()
    assert len(exchange.books()["executions"]) == 1
    (order,) = desk.desk_run.desk.state.orders.values()
    assert order.state == "FILLED"
    assert not desk.desk_run.unfinished


def test_a_watcher_that_breaks_down_ends_no_desk(rehearse, exchange, book):
    class Broken:
        def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
            if isinstance(event, BarClosed):
                raise BrokenPipeError("nobody reads this any more")

    trades, _ = wanted(book)
    desk = rehearse(lookers_on=(Broken(),))
    desk.listens()
    desk.play(BARS)
    with pytest.raises(BrokenPipeError):
        desk.end()
    assert desk.watched.trades == trades
    assert not exchange.books()["positions"]


class TheirTime:
    """A machine that lives at the exchange's pace, and whose wall time can be set."""

    def __init__(self, exchange: PracticeServer) -> None:
        self._exchange = exchange
        self.set_back_s = self.passed_s = 0

    def now_ns(self) -> int:
        return self.monotonic_ns() - self.set_back_s * NS_PER_S

    def monotonic_ns(self) -> int:
        return parse_iso(self._exchange.state()["now"]) + self.passed_s * NS_PER_S

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


def test_a_machine_whose_time_is_set_back_still_sees_its_bars(rehearse, exchange, book):
    clock = TheirTime(exchange)
    desk = rehearse(clock=clock)
    desk.listens()
    desk.play(5)
    clock.set_back_s = 3_600
    desk.play(BARS - 5)
    desk.end()
    trades, decisions = wanted(book)
    assert said(desk.watched.decisions) == said(decisions)
    assert desk.watched.trades == trades


def test_an_idle_desk_keeps_no_record_of_every_second(rehearse, exchange):
    clock = TheirTime(exchange)
    desk = rehearse(clock=clock)
    desk.listens()
    before = len(desk.watched.events)
    for _ in range(40):
        clock.passed_s += 1
        time.sleep(0.06)
    desk.end()
    ticks = [each for each in desk.watched.events[before:] if isinstance(each, ClockTicked)]
    assert len(ticks) <= 2


def test_a_slow_broker_is_slow_and_not_silent(rehearse, exchange, book):
    """Each answer comes in time; all of them together take longer than any one may."""
    words = book.broker_words
    patience = dataclasses.replace(words.requests, connect_timeout_s=0.1, read_timeout_s=1.0)
    patient = dataclasses.replace(words, requests=patience)
    for request in ("activities", "account", "orders", "positions"):
        exchange.plan(kind="slow_answer", request=request, seconds=0.85, times=0)
    desk = rehearse(book=dataclasses.replace(book, broker_words=patient))
    desk.until(lambda: exchange.state()["bars_heard"])
    desk.end()


@pytest.mark.rule("KEYS_REFUSED")
def test_keys_that_do_not_work_start_nothing(exchange, book, tmp_path):
    exchange.plan(kind="keys_revoked")
    account = Account(exchange.keys, exchange.addresses, "practice", "iex", False)
    plan = RunPlan(book, (), read_settings("practice"), str(tmp_path / "desk.db"))
    with pytest.raises(SettingsError, match="unauthorized"):
        LiveRun(plan, account, SystemClock())
    assert not (tmp_path / "desk.db").exists()


@pytest.mark.case(67)
def test_an_account_is_owned_by_one_desk(rehearse, exchange, book, tmp_path):
    rehearse().listens()
    with pytest.raises(MqdError, match="in use"):
        Rehearsal(exchange, book, tmp_path / "other.db")
