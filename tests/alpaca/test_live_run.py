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

from mqd import __version__
from mqd.app.account import Account
from mqd.app.backtest import run_backtest
from mqd.app.live import LiveRun
from mqd.app.run import RunPlan
from mqd.app.settings import read_settings
from mqd.brokers.practice import account_rest as practice_account
from mqd.brokers.practice import wire as practice_wire
from mqd.brokers.practice.server import PracticeServer
from mqd.brokers.practice.settings import PracticeSettings
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import MqdError, SettingsError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc, parse_iso
from mqd.model.command import SubmitOrder
from mqd.model.decision import Decision, IncidentRaised, Outcome
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    ClockTicked,
    DeskStarted,
    Event,
    FrameReceived,
    OperatorActed,
    SessionClosed,
    UnreadableReceived,
)
from mqd.model.order import ENTRY, EXIT, PROTECTIVE, Order
from mqd.model.position import Trade
from mqd.ports.calendar import Session
from mqd.ports.clock import Clock
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk, Watcher
from mqd.runtime.loop import MOST_SESSIONS
from mqd.runtime.recovery import rebuilt
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
        between: Callable[[], None] = lambda: None,
        *,
        sessions: int = MOST_SESSIONS,
        data_stream: str = "",
    ) -> None:
        """`between` is called when the desk has been checked and does not run yet."""
        self.exchange = exchange
        self.watched = Watched()
        self.lookers_on = lookers_on
        self.stop = Signal()
        self.failed: list[BaseException] = []
        addresses = exchange.addresses
        if data_stream:
            addresses = dataclasses.replace(addresses, data_stream_url=data_stream)
        account = Account(exchange.keys, addresses, "practice", "iex", clock is None)
        plan = RunPlan(book, (), read_settings("practice"), str(journal), most_sessions=sessions)
        self.desk_run = LiveRun(plan, account, clock or SystemClock())
        between()
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
        if now not in {iso_utc(at_ns) for at_ns in seen} or self.at_work():
            return False
        quiet = not run.broker.queued and not len(run.inbox)
        time.sleep(QUIET_S if run.desk.state.desk.is_waiting_for_snapshot else 0)
        return quiet

    def at_work(self) -> list[Order]:
        """The orders that wait for an answer; a stop that rests waits for a price."""
        state = self.desk_run.desk.state
        orders = [state.orders[order_id] for order_id in state.working]
        return [each for each in orders if (each.role, each.state) != (PROTECTIVE, "SUBMITTED")]

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


def played_until_it_holds(desk) -> int:
    """Play bars until the desk holds shares; how many they were."""
    played = 0
    while not desk.desk_run.desk.state.holdings:
        desk.play(1)
        played += 1
    return played


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


@pytest.mark.case(14, 19, 90)
@pytest.mark.rule("NOT_FRACTIONABLE")
@pytest.mark.rule("SYMBOL_NOT_TRADABLE")
@pytest.mark.rule("ACCOUNT_RESTRICTED")
@pytest.mark.rule("NO_BUYING_POWER")
@pytest.mark.rule("symbols_every")
@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("asset_says", {"fractionable": False}, "NOT_FRACTIONABLE"),
        ("asset_says", {"tradable": False}, "SYMBOL_NOT_TRADABLE"),
        ("account_says", {"trading_blocked": True}, "ACCOUNT_RESTRICTED"),
        ("account_says", {"status": "ACCOUNT_CLOSED"}, "ACCOUNT_RESTRICTED"),
        ("account_says", {"buying_power": "100"}, "NO_BUYING_POWER"),
    ],
)
def test_what_the_exchange_would_refuse_is_never_sent(rehearse, exchange, book, kind, fields, code):
    """It begins in mid-session, after a start at which all was well."""
    trades, _ = wanted(book)
    desk = rehearse()
    desk.listens()
    exchange.plan(kind=kind, fields=fields, **({"symbol": "SPY"} if kind == "asset_says" else {}))
    opened_ns = desk.desk_run.desk.state.session.open_ns or parse_iso(f"{DATE}T14:30:00Z")
    desk.play((trades[0].entry_ns - opened_ns) // NS_PER_MINUTE + 2)
    desk.end()
    checks = desk.desk_run.desk.engine.book.entry_checks
    refused = [each for each in desk.watched.decisions if each.outcome == "REFUSED"]
    assert refused
    assert all(code in checks.true_codes(each.checks) for each in refused)
    assert not desk.desk_run.desk.state.orders
    assert not exchange.books()["orders"]


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_restart_in_position_goes_on_where_it_was(rehearse, exchange, book):
    """Stopped while it holds shares, away for some bars, and back: the exit comes all the same."""
    trades, _ = wanted(book)
    desk = rehearse()
    desk.listens()
    played = played_until_it_holds(desk)
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
    assert len(ids) == len(set(ids)) == 3 * len(trades)  # an entry, its stop, an exit


@pytest.mark.case(5, 21, 63, 64, 203, 205, 207)
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
    desk.until(lambda: not desk.at_work() and run.desk.state.desk.is_in_step)
    desk.end()
    truth = exchange.books()
    held = {each["symbol"]: Decimal(each["qty"]) for each in truth["positions"]}
    positions = run.desk.state.ledger.positions
    assert {each.symbol: each.qty for each in positions.open_positions()} == held
    ids = [order["client_order_id"] for order in truth["orders"]]
    assert len(ids) == len(set(ids))
    assert all(order_id in run.desk.state.orders for order_id in ids)


FAILING: dict[str, tuple[dict[str, Any], ...]] = {
    "the symbol trades no more": ({"kind": "asset_says", "symbol": "SPY",
                                   "fields": {"tradable": False}},),
    "the account is blocked": ({"kind": "account_says", "fields": {"trading_blocked": True}},),
    "the calendar does not answer": ({"kind": "http_500", "request": "calendar", "times": 0},),
    "orders cannot be read": ({"kind": "missing_field", "request": "orders", "field": "id"},),
}  # fmt: skip


def in_position(rehearse: Callable[..., Rehearsal]) -> int:
    """Let a desk trade until it holds shares, and end it; how many bars it took."""
    desk = rehearse()
    desk.listens()
    played = played_until_it_holds(desk)
    desk.end()
    return played


@pytest.mark.case(19, 90, 129)
@pytest.mark.rule("DL-04", "DESK_NOT_ACTIVE")
@pytest.mark.parametrize("name", FAILING)
def test_a_desk_in_position_starts_to_get_out_whatever_its_checks_say(
    rehearse, exchange, book, tmp_path, name
):
    """Halted and loudly: the exit comes when a back-test leaves, and nothing is opened after it."""
    trades, _ = wanted(book)
    assert len(trades) > 0
    played = in_position(rehearse)
    for fault in FAILING[name]:
        exchange.plan(**fault)
    again = rehearse()
    assert again.desk_run.warnings
    again.until(lambda: again.desk_run.desk.state.desk.is_in_step)
    # Whether the broker takes the exit is the broker's; that the desk wants to get out is ours.
    exchange.plan(kind="account_says", fields={"trading_blocked": False})
    exchange.plan(kind="asset_says", symbol="SPY", fields={"tradable": True})
    again.until(lambda: exchange.state()["bars_heard"])
    again.play(BARS - played)
    again.end()
    state = again.desk_run.desk.state
    assert state.state_name == "HALTED"
    assert again.watched.trades[0].exit_ns == trades[0].exit_ns
    assert not exchange.books()["positions"]
    ids = {each["client_order_id"] for each in exchange.books()["orders"]}
    assert ids == set(state.orders)
    assert [each.role for each in state.orders.values()] == [ENTRY, PROTECTIVE, EXIT]
    (button,) = [e for e in again.watched.events if isinstance(e, OperatorActed)]
    assert (button.action, button.by) == ("halt", "the checks before the start")
    assert again.desk_run.warnings[0].said in button.reason


@pytest.mark.case(97)
def test_the_wrong_account_starts_nothing_in_position_either(rehearse, exchange, book, tmp_path):
    in_position(rehearse)
    orders = len(exchange.books()["orders"])
    account = Account(exchange.keys, exchange.addresses, "practice", "iex", True)
    other = dataclasses.replace(read_settings("practice"), account="PA999999999")
    with pytest.raises(SettingsError, match="not PA999999999"):
        LiveRun(RunPlan(book, (), other, str(tmp_path / "desk.db")), account, SystemClock())
    assert len(exchange.books()["orders"]) == orders


@pytest.mark.case(129)
@pytest.mark.parametrize("name", [each for each in FAILING if "orders" not in each])
def test_a_desk_without_a_position_is_not_started_by_a_check_that_failed(
    rehearse, exchange, tmp_path, name
):
    desk = rehearse()
    desk.listens()
    desk.end()
    for fault in FAILING[name]:
        exchange.plan(**fault)
    with pytest.raises(SettingsError, match="does not start"):
        rehearse()


def test_one_question_without_an_answer_keeps_no_desk_from_starting(rehearse, exchange):
    for request in ("account", "clock"):
        exchange.plan(kind="http_500", request=request)
    desk = rehearse()
    desk.listens()
    assert not desk.desk_run.warnings
    desk.end()


@pytest.mark.case(35)
@pytest.mark.rule("most_clock_offset")
@pytest.mark.parametrize(("off_s", "state"), [(0.9, "ACTIVE"), (1.5, "HALTED"), (40, "HALTED")])
def test_a_clock_that_parts_from_the_broker_s_while_the_desk_runs_stops_entries(
    rehearse, exchange, off_s, state
):
    """Seen with the next comparison, and again where a person resumes all the same."""
    clock = TheirTime(exchange)
    desk = rehearse(clock=clock)
    desk.listens()
    desk.play(2)
    clock.ahead_s = off_s
    run = desk.desk_run
    before = len(exchange.books()["requests"])
    exchange.plan(kind="stream_dropped", stream="trade_updates")  # leads to a comparison
    desk.until(lambda: asked_for(exchange, "clock", before))
    desk.until(lambda: run.desk.state.desk.is_in_step)
    exchange.step()  # buttons are looked for as time passes
    desk.until(lambda: run.desk.state.state_name == state)
    desk.until(desk.is_quiet)
    desk.end()
    buttons = [each for each in desk.watched.events if isinstance(each, OperatorActed)]
    if state == "HALTED":
        assert [(each.action, each.by) for each in buttons] == [("halt", "times")]
        assert "s from ours, 1 s may be" in buttons[0].reason
    else:
        assert not buttons


def asked_for(exchange: PracticeServer, name: str, after: int) -> bool:
    rows = exchange.books()["requests"][after:]
    return any(name in row["path"] for row in rows)


class Announced:
    """The exchange's sessions; from some moment on, today ends at one o'clock."""

    def __init__(self) -> None:
        self.is_short = False
        self._known = ExchangeCalendar()

    def session_on(self, at_ns: int) -> Session | None:
        session = self._known.session_on(at_ns)
        if session is None or not self.is_short or session.date != DATE:
            return session
        return session._replace(close_ns=session.close_ns - 3 * 3_600 * NS_PER_S)


@pytest.mark.case(129)
def test_hours_of_today_that_are_not_ours_stop_entries_of_a_desk_that_runs(bars, book, tmp_path):
    """They were ours when the desk was checked, and have changed since."""
    calendar = Announced()
    with PracticeServer(bars, calendar, PracticeSettings(name=str(tmp_path))) as exchange:
        exchange.step(2)

        def announced() -> None:
            calendar.is_short = True

        desk = Rehearsal(exchange, book, tmp_path / "desk.db", between=announced)
        state = desk.desk_run.desk.state
        desk.until(lambda: state.state_name == "HALTED")
        desk.listens()
        desk.end()
        (button,) = [each for each in desk.watched.events if isinstance(each, OperatorActed)]
        assert (button.action, button.by) == ("halt", "times")
        assert button.reason.startswith(f"calendar: {DATE}: 09:30 to 16:00")
        with pytest.raises(SettingsError, match="calendar"):
            Rehearsal(exchange, book, tmp_path / "other.db")


@pytest.fixture
def other_names(monkeypatch) -> None:
    """The UUID of a fill activity is not the stream's id of the execution."""
    name = practice_wire.activity_id
    for place in (practice_wire, practice_account):
        monkeypatch.setattr(
            place, "activity_id", lambda item: name(item).replace("::", "::of-the-list-")
        )


@pytest.mark.case(28, 84)
@pytest.mark.rule("BOOKED_ONCE")
def test_fills_that_the_list_names_otherwise_are_booked_once(rehearse, book, exchange, other_names):
    """Also by a desk that was started again since the stream told of them."""
    trades, _ = wanted(book)
    desk = rehearse()
    desk.listens()
    played = played_until_it_holds(desk)
    desk.end()
    again = rehearse()
    again.listens()
    again.play(BARS - played)
    again.end()
    assert desk.watched.trades + again.watched.trades == trades
    assert not again.watched.incidents
    truth = exchange.books()
    pnl_usd = sum((trade.pnl_usd for trade in trades), Decimal(0))
    assert truth["cash"] == decimal_text(100_000 + pnl_usd)
    assert not truth["positions"]


@pytest.mark.case(28, 64)
@pytest.mark.rule("BOOKED_ONCE")
@pytest.mark.parametrize("kind", ["event_dropped", "event_delayed", "event_duplicated"])
def test_fills_under_other_names_that_the_stream_tells_badly_are_booked_once(
    rehearse, exchange, other_names, kind
):
    exchange.plan(kind=kind, event="fill", times=0)
    desk = rehearse()
    desk.listens()
    run = desk.desk_run
    for _ in range(BARS):
        exchange.step()
        time.sleep(0.02)
    desk.until(lambda: not run.desk.state.working and run.desk.state.desk.is_in_step)
    desk.end()
    truth, state = exchange.books(), run.desk.state
    assert truth["orders"]
    for order in truth["orders"]:
        assert state.ledger.filled(order["client_order_id"]) == Decimal(order["filled_qty"])
    held = {each["symbol"]: Decimal(each["qty"]) for each in truth["positions"]}
    positions = state.ledger.positions.open_positions()
    assert {each.symbol: each.qty for each in positions} == held
    assert not {"ExecutionConflictError", "OverfillError"} & set(desk.watched.incidents)


@pytest.mark.case(69, 70, 217)
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
    assert [each["side"] for each in truth["orders"]].count("buy") == 1  # nothing after it
    assert len(truth["orders"]) == 3  # the entry, its stop and its exit
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
    order, stop = desk.desk_run.desk.state.orders.values()
    assert order.state == "FILLED"
    assert desk.desk_run.unfinished == [stop]  # made for the fill, and the next start sends it
    assert stop.role == PROTECTIVE


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
        self.ahead_s = 0.0  # of the exchange's time, whatever time passes

    def now_ns(self) -> int:
        return self.monotonic_ns() - self.set_back_s * NS_PER_S

    def monotonic_ns(self) -> int:
        passed_ns = round((self.passed_s + self.ahead_s) * NS_PER_S)
        return parse_iso(self._exchange.state()["now"]) + passed_ns

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


def test_bars_move_time_on_where_the_exchange_s_clock_stands_still(rehearse, exchange, book, bars):
    trades, decisions = wanted(book)
    desk = rehearse()
    desk.listens()
    exchange.plan(kind="garbage_body", request="clock", times=0)
    desk.play(BARS)
    assert desk.desk_run.clock.now_ns() == bars[-1].at_ns
    desk.end()
    assert desk.watched.trades == trades
    assert said(desk.watched.decisions) == said(decisions)
    assert not desk.watched.incidents


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


@pytest.mark.case(67, 218)
def test_an_account_is_owned_by_one_desk(rehearse, exchange, book, tmp_path):
    rehearse().listens()
    with pytest.raises(MqdError, match="in use"):
        Rehearsal(exchange, book, tmp_path / "other.db")


@pytest.fixture
def whole_days(tmp_path) -> Iterator[PracticeServer]:
    """An exchange that plays every sample session to its close."""
    events = RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    days = [event for event in events if isinstance(event, BarClosed)]
    settings = PracticeSettings(name=str(tmp_path))
    with PracticeServer(days, ExchangeCalendar(), settings) as server:
        yield server


def closed_sessions(desk: Rehearsal) -> list[str]:
    return [each.date for each in desk.watched.events if isinstance(each, SessionClosed)]


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_session_that_was_closed_is_not_closed_again_by_the_next_start(
    whole_days, book, tmp_path
):
    """One run for each day, on one journal: each ends with its own day."""
    for date in (DATE, "2024-11-26"):
        desk = Rehearsal(whole_days, book, tmp_path / "desk.db", sessions=1)
        desk.listens()
        until = f"{date}T21:00:00Z"
        while whole_days.state()["now"] < until:
            assert desk.thread.is_alive()
            whole_days.step(5, 0.01)
        desk.thread.join(PATIENCE_S)
        desk.end()
        assert closed_sessions(desk) == [date]


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_session_that_nobody_saw_close_is_closed_and_is_none_of_the_next_run(
    whole_days, book, tmp_path
):
    """Nor does a start in between, which comes to nothing, take its close away."""
    desk = Rehearsal(whole_days, book, tmp_path / "desk.db", sessions=1)
    desk.listens()
    desk.play(5)
    desk.end()
    while whole_days.state()["now"] < "2024-11-26T14:40:00Z":
        whole_days.step(5, 0.0)
    with open_journal(str(tmp_path / "desk.db"), SystemClock(), write=True) as journal:
        found = rebuilt(journal)
        assert found.engine is not None
        began = Desk(found.engine, found.state, journal, SimulatedBroker(SimulationSettings()))
        now_ns = parse_iso("2024-11-26T14:40:00Z")
        began.take(DeskStarted(now_ns, book.digest, "practice", __version__))
        assert not began.state.session.is_open
    desk = Rehearsal(whole_days, book, tmp_path / "desk.db", sessions=1)
    desk.listens()
    while desk.thread.is_alive() and whole_days.state()["now"] < "2024-11-26T21:00:00Z":
        whole_days.step(5, 0.01)
    desk.thread.join(PATIENCE_S)
    desk.end()
    assert closed_sessions(desk) == [DATE, "2024-11-26"]


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_day_that_the_machine_was_off_is_none_of_the_run_s(whole_days, book, tmp_path):
    """It ends in a session, is away for all of the next one, and starts at the very close of it.

    Both are days of its record; the run has a day of its own.
    """
    before = Rehearsal(whole_days, book, tmp_path / "desk.db")
    before.listens()
    before.play(3)
    before.end()
    assert closed_sessions(before) == []
    whole_days.step(387 + 390, 0.0)
    assert whole_days.state()["now"] == "2024-11-26T21:00:00Z"
    desk = Rehearsal(whole_days, book, tmp_path / "desk.db", sessions=1)
    desk.listens()
    while desk.thread.is_alive() and whole_days.state()["now"] < "2024-11-27T21:00:00Z":
        whole_days.step(5, 0.01)
    desk.thread.join(PATIENCE_S)
    desk.end()
    days = [DATE, "2024-11-26", "2024-11-27"]
    assert closed_sessions(desk) == days
    assert [each.date for each in desk.desk_run.desk.state.closed_sessions] == days


@pytest.mark.case(226)
@pytest.mark.rule("DL-01")
def test_a_data_stream_that_refuses_the_keys_ends_no_way_out_and_no_session(
    whole_days, data_server, book, tmp_path
):
    """Only that stream: the exit comes by the history, and the run ends with its session."""
    before = Rehearsal(whole_days, book, tmp_path / "desk.db")
    before.listens()
    played_until_it_holds(before)
    before.end()
    data_server.key, data_server.errors = whole_days.keys, [402] * 9
    desk = Rehearsal(
        whole_days, book, tmp_path / "desk.db", sessions=1, data_stream=data_server.url
    )
    state = desk.desk_run.desk.state
    desk.until(lambda: state.desk.is_in_step or state.state_name == "HALTED")
    desk.until(lambda: any(isinstance(each, BrokerLockedOut) for each in desk.watched.events))
    while desk.thread.is_alive() and whole_days.state()["now"] < f"{DATE}T21:00:00Z":
        whole_days.step()
        time.sleep(0.02)
    desk.thread.join(PATIENCE_S)
    desk.end()
    assert data_server.connected == 2
    assert desk.watched.incidents[0] == "LockedOutError"
    assert state.state_name == "HALTED"
    assert len(desk.watched.trades) == 1
    assert not whole_days.books()["positions"]
    assert closed_sessions(desk) == [DATE]
