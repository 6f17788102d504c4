"""How long orders took, from journals made by hand: every instant in them is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.app.report import latency_report
from mqd.app.watchers import SlowSteps
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BarClosed,
    ClockTicked,
    DeskStarted,
    Event,
    FrameReceived,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderReported,
    SessionClosed,
    SessionOpened,
    SnapshotTaken,
)
from mqd.model.snapshot import AccountReport, HeldPosition, OrderReport, SymbolProperties
from mqd.publish.latency import NO_CLOCK, NO_ORDER, SIMULATED, LatencyReport, OrderTimes, Spread
from mqd.rules.changes import Changes
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Desk
from mqd.runtime.replay import replay
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
DAY_NS = 1_440 * NS_PER_MINUTE
HOUR_NS = 60 * NS_PER_MINUTE
MS = 1_000_000
LATE_NS = 300 * MS  # how long after its end a bar comes
DIP, FLAT = 99.6, 100.0  # so near that no protection takes it for a wild market
REST = 5  # minutes after a trade in which its symbol cools down
FIRST = 30  # minutes after the open, in which an entry may be made


class HandDesk:
    """A desk with a journal whose broker says what the test says; comparisons find no difference.

    `sent` has the commands of the last event. The clock is read before each bar, as live.
    """

    def __init__(self, *, is_live: bool = True) -> None:
        book = load_rules(ROOT / "rules", Changes(values={"max_trades_per_day": "5"}))
        self.journal = MemoryJournal()
        self.journal.remember_rules(book.digest, book.canonical)
        self.desk = Desk(Engine.of(compile_book(book)), DeskState(), self.journal, self)
        self.is_live = is_live
        self.sent: list[Command] = []
        self.open_ns = OPEN_NS
        self.now_ns = OPEN_NS
        # Without an account, so that no stop rests beside what is measured here.
        self.take(DeskStarted(OPEN_NS, book.digest, "samples", "test"))

    def send(self, command: Command) -> None:
        self.sent.append(command)

    def observe(self, event: Event, *, accepted: bool) -> None: ...

    def replies(self) -> Iterator[Any]:
        return iter(())

    def take(self, event: Event) -> None:
        self.sent = []
        self.desk.take(event)
        asked = [each for each in self.sent if isinstance(each, TakeSnapshot)]
        sent = self.sent = [each for each in self.sent if not isinstance(each, TakeSnapshot)]
        for command in asked:
            self.take(self._agreeing(command))
        self.sent = sent

    def _agreeing(self, command: TakeSnapshot) -> SnapshotTaken:
        state = self.desk.state
        positions = state.ledger.positions
        held = sorted({each.symbol for each in positions.open_positions()})
        reports = tuple(
            OrderReport(order.client_order_id, order.broker_order_id, order.symbol, order.side,
                        order.qty, order.filled_qty, None, "done_for_day")
            for order in map(state.orders.__getitem__, sorted(state.working))
            if order.broker_order_id
        )  # fmt: skip
        return SnapshotTaken(
            state.now_ns, command.at_ns, None,
            tuple(HeldPosition(each, positions.held(each), Decimal(100)) for each in held),
            reports, (), AccountReport(Decimal(10_000), Decimal(10_000), False),
            (SymbolProperties("SPY", OPEN_NS, True, True, Decimal("0.001"), Decimal("0.01")),),
        )  # fmt: skip

    def open(self, day: int = 0) -> None:
        self.open_ns = OPEN_NS + day * DAY_NS
        close_ns = self.open_ns + 390 * NS_PER_MINUTE
        date = f"2024-10-{7 + day:02}"
        self.take(SessionOpened(self.open_ns, date, self.open_ns, close_ns, 34_200))
        self.date = date

    def close(self) -> None:
        self.take(SessionClosed(self.open_ns + 390 * NS_PER_MINUTE, self.date))

    def bar(self, minute: int, price: float = FLAT, late_ns: int = LATE_NS) -> str | None:
        """One bar; the id of the order that it leads to."""
        start_ns = self.open_ns + minute * NS_PER_MINUTE
        end_ns = start_ns + NS_PER_MINUTE
        self.now_ns = end_ns
        if self.is_live:
            self.tick(late_ns)
        self.take(BarClosed(end_ns, "SPY", start_ns, price, price, price, price, 100.0))
        ids = [each.client_order_id for each in self.sent if isinstance(each, SubmitOrder)]
        return ids[0] if ids else None

    def tick(self, after_ns: int) -> None:
        self.now_ns += after_ns
        self.take(ClockTicked(self.now_ns))

    def frame(self, after_ns: int) -> None:
        self.now_ns += after_ns
        self.take(FrameReceived(self.now_ns, "trade_updates", "{}"))

    def warm(self) -> None:
        for minute in range(FIRST):
            self.bar(minute)

    def entry(self) -> str:
        """An entry order, just sent in the 31st minute."""
        self.open()
        self.warm()
        found = self.bar(FIRST, DIP)
        assert found is not None
        return found

    def acked(self, order_id: str, after_ns: int) -> None:
        self.frame(after_ns)
        self.take(OrderAcknowledged(self.now_ns, order_id, f"b-{order_id}"))

    def filled(self, order_id: str, after_ns: int, qty: Decimal | None = None,
               skew_ns: int = 0) -> None:  # fmt: skip
        """An execution, by a message; `skew_ns` is how far the broker's clock is off."""
        self.frame(after_ns)
        order = self.desk.state.orders[order_id]
        self.take(
            OrderFilled(self.now_ns + skew_ns, order_id, f"b-{order_id}", f"x-{self.now_ns}",
                        order.reference_price, qty or order.remaining_qty, Decimal(0), order.symbol,
                        order.side)
        )  # fmt: skip

    def reported(self, order_id: str, at_ns: int) -> None:
        """The answer to the request; it comes without a message of a stream."""
        order = self.desk.state.orders[order_id]
        report = OrderReport(order_id, f"b-{order_id}", order.symbol, order.side, order.qty,
                             Decimal(0), None, "new")  # fmt: skip
        self.take(OrderReported(at_ns, report))

    def report(self, date: str | None = None) -> LatencyReport:
        return latency_report(self.journal, "the journal", date)

    def only(self) -> OrderTimes:
        (order,) = self.report().orders
        return order


def spreads(desk: HandDesk, date: str | None = None) -> dict[str, Any]:
    (session,) = desk.report(date).sessions
    found: dict[str, Any] = session.to_json()
    return found


def round_trips(desk: HandDesk, count: int) -> None:
    """Orders one after the other: the n-th is acknowledged after n x 10 ms, filled 5 ms later."""
    desk.open()
    desk.warm()
    minute = FIRST
    for number in range(1, count + 1):
        is_entry = number % 2 == 1
        order_id = desk.bar(minute, DIP if is_entry else FLAT)
        assert order_id is not None, f"only {number - 1} orders came"
        desk.acked(order_id, number * 10 * MS)
        desk.filled(order_id, 5 * MS)
        for later in range(1, 1 + (0 if is_entry else REST)):
            desk.bar(minute + later)
        minute += 1 if is_entry else 1 + REST


# -- percentiles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(1, (1, 1, 1, 1)), (9, (5, 9, 9, 9)), (10, (5, 9, 10, 10)), (11, (6, 10, 11, 11)),
     (20, (10, 18, 19, 20)), (21, (11, 19, 20, 21)), (99, (50, 90, 95, 99)),
     (100, (50, 90, 95, 99)), (101, (51, 91, 96, 100))],
)  # fmt: skip
def test_a_percentile_is_the_time_at_its_nearest_rank(count: int, ranks: tuple[int, ...]) -> None:
    found = Spread.of(reversed(range(1, count + 1)))
    assert found == Spread(count, ranks, count)


def test_nothing_has_no_percentile() -> None:
    assert Spread.of([]) is None


@pytest.mark.parametrize(("count", "p50", "p90", "p95"), [(9, 50, 90, 90), (10, 50, 90, 100)])
def test_the_orders_of_a_session_on_both_sides_of_a_rank(
    count: int, p50: int, p90: int, p95: int
) -> None:
    desk = HandDesk()
    round_trips(desk, count)
    found = spreads(desk)
    assert found["submit_to_ack"] == {
        "count": count, "p50_ms": p50, "p90_ms": p90, "p95_ms": p95, "p99_ms": count * 10,
        "largest_ms": count * 10,
    }  # fmt: skip
    assert found["submit_to_fill"]["p90_ms"] == p90 + 5
    assert found["cancel_to_confirmed"] is None
    assert found["remarks"] == []


# -- by whose clock -------------------------------------------------------------------------------


@pytest.mark.parametrize("skew_ns", [-HOUR_NS, 0, 7 * MS, HOUR_NS])
def test_an_execution_is_dated_by_the_message_it_came_in(skew_ns: int) -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.acked(order_id, 20 * MS)
    desk.filled(order_id, 40 * MS, skew_ns=skew_ns)
    desk.tick(NS_PER_S)
    assert desk.only().span_ns("submit_to_fill") == 60 * MS


@pytest.mark.parametrize(
    ("said_ns", "after_ns"),
    [(37 * MS, 37 * MS), (-HOUR_NS, 0), (HOUR_NS, NS_PER_S), (NS_PER_S, NS_PER_S)],
)
def test_an_answer_is_believed_between_two_readings_of_the_clock(
    said_ns: int, after_ns: int
) -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.reported(order_id, desk.now_ns + said_ns)
    desk.tick(NS_PER_S)
    assert desk.only().span_ns("submit_to_ack") == after_ns


def test_an_answer_after_the_last_reading_is_not_dated_yet() -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.reported(order_id, desk.now_ns + 37 * MS)
    order = desk.only()
    assert (order.state, order.row()["acknowledged_at"]) == ("SUBMITTED", None)
    assert spreads(desk)["submit_to_ack"] is None


def test_an_order_is_sent_when_the_desk_has_its_bar_not_when_the_bar_ended() -> None:
    desk = HandDesk()
    desk.entry()
    row = desk.only().row()
    end_ns = OPEN_NS + (FIRST + 1) * NS_PER_MINUTE
    assert row["decided_at"] == iso_utc(end_ns)
    assert row["submitted_at"] == iso_utc(end_ns + LATE_NS)
    assert (row["acknowledged_at"], row["submit_to_ack_ms"]) == (None, None)


def test_how_late_bars_are_decided_on() -> None:
    desk = HandDesk()
    desk.open()
    for minute in range(9):
        desk.bar(minute, late_ns=(minute + 1) * 10 * MS)
    desk.bar(9, late_ns=4 * NS_PER_S)
    found = spreads(desk)["bar_to_decision"]
    assert (found["count"], found["p50_ms"], found["p90_ms"], found["p95_ms"]) == (10, 50, 90, 4000)


# -- what became of an order ----------------------------------------------------------------------


def test_a_fill_in_parts_has_a_first_and_an_end() -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.acked(order_id, 20 * MS)
    desk.filled(order_id, 10 * MS, qty=Decimal(1))
    assert desk.only().row()["filled_at"] is None
    desk.filled(order_id, 100 * MS)
    order = desk.only()
    assert order.span_ns("submit_to_first_fill") == 30 * MS
    assert order.span_ns("submit_to_fill") == 130 * MS


def test_a_fill_without_a_word_before_acknowledges() -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.filled(order_id, 10 * MS)
    assert desk.only().span_ns("submit_to_ack") == 10 * MS


def asked_back(desk: HandDesk) -> str:
    """An entry that got too old and was asked back."""
    order_id = desk.entry()
    desk.acked(order_id, 20 * MS)
    desk.tick(10 * NS_PER_MINUTE)
    assert [type(each) for each in desk.sent] == [CancelOrder]
    return order_id


def test_a_cancel_is_measured_from_the_wish_to_the_brokers_word() -> None:
    desk = HandDesk()
    order_id = asked_back(desk)
    assert desk.only().span_ns("cancel_to_confirmed") is None
    desk.frame(250 * MS)
    desk.take(OrderCancelled(desk.now_ns, order_id, Decimal(0)))
    assert desk.only().span_ns("cancel_to_confirmed") == 250 * MS
    assert spreads(desk)["cancel_to_confirmed"]["largest_ms"] == 250


def test_a_cancel_that_lost_to_a_fill_is_not_confirmed() -> None:
    desk = HandDesk()
    order_id = asked_back(desk)
    desk.filled(order_id, 250 * MS)
    order = desk.only()
    assert order.state == "FILLED"
    assert order.row()["cancel_asked_at"] is not None
    assert order.row()["cancel_confirmed_at"] is None


def test_an_order_that_was_not_taken_is_sent_again_and_its_time_goes_on() -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.take(OrderNotTaken(desk.now_ns, order_id, "429", "too many requests"))
    desk.tick(2 * NS_PER_S)
    assert [type(each) for each in desk.sent] == [SubmitOrder]
    desk.acked(order_id, 20 * MS)
    assert desk.only().span_ns("submit_to_ack") == 2_020 * MS
    assert (spreads(desk)["orders"], spreads(desk)["sent_again"]) == (1, 1)


def test_a_lost_answer_is_an_unknown_outcome_and_is_looked_up() -> None:
    desk = HandDesk()
    order_id = desk.entry()
    desk.take(OrderOutcomeLost(desk.now_ns, order_id))
    desk.tick(10 * NS_PER_S)
    assert [type(each) for each in desk.sent] == [LookUpOrder]
    desk.reported(order_id, desk.now_ns + 5 * MS)
    desk.tick(NS_PER_S)
    found = spreads(desk)
    assert (found["unknown_outcomes"], found["look_ups"], found["sent_again"]) == (1, 1, 0)
    assert desk.only().span_ns("submit_to_ack") == 10_005 * MS


# -- sessions -------------------------------------------------------------------------------------


def test_a_session_without_orders_says_so() -> None:
    desk = HandDesk()
    desk.acked(desk.entry(), 20 * MS)
    desk.close()
    desk.open(day=1)
    desk.bar(0)
    first, second = (session.to_json() for session in desk.report().sessions)
    assert (first["date"], first["orders"], first["remarks"]) == ("2024-10-07", 1, [])
    assert (second["date"], second["orders"], second["remarks"]) == ("2024-10-08", 0, [NO_ORDER])
    assert second["bar_to_decision"]["count"] == 1


def test_a_simulated_broker_is_no_measure_of_a_real_one() -> None:
    desk = HandDesk(is_live=False)
    order_id = desk.entry()
    desk.take(OrderAcknowledged(desk.now_ns, order_id, "b-1"))
    found = spreads(desk)
    assert found["submit_to_ack"]["largest_ms"] == 0
    assert found["bar_to_decision"] is None
    assert found["remarks"] == [SIMULATED, NO_CLOCK]


def test_one_session_of_several() -> None:
    desk = HandDesk()
    desk.entry()
    desk.close()
    desk.open(day=1)
    assert len(desk.report("2024-10-07").orders) == 1
    assert desk.report("2024-10-08").orders == ()
    with pytest.raises(SettingsError, match="holds nothing of that day; it has 2024-10-07 to"):
        desk.report("2024-10-09")


def test_a_journal_without_a_session_says_so() -> None:
    with pytest.raises(SettingsError, match="holds no day yet"):
        HandDesk().report()


def test_the_table_has_one_line_for_each_order() -> None:
    desk = HandDesk()
    round_trips(desk, 3)
    found = desk.report()
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    rows = found.to_json()["orders"]
    assert lines == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    assert [line["submit_to_ack_ms"] for line in lines] == ["10.0", "20.0", "30.0"]
    assert [line["role"] for line in lines] == ["entry", "exit", "entry"]


# -- what is too slow -----------------------------------------------------------------------------


@pytest.mark.rule("submit_to_ack_p95")
@pytest.mark.parametrize(("ack_ms", "slow"), [(2_000, []), (2_001, ["submit_to_ack"])])
def test_an_acknowledgement_is_too_slow_when_it_takes_longer_than_the_rules_say(
    ack_ms: int, slow: list[str]
) -> None:
    desk = HandDesk()
    desk.acked(desk.entry(), ack_ms * MS)
    found = spreads(desk)
    assert found["too_slow"] == slow
    assert found["most_p95_ms"] == {"submit_to_ack": 2_000, "bar_to_decision": 10_000}
    assert [step.step for _, step in desk.report().too_slow] == slow


@pytest.mark.rule("bar_to_decision_p95")
@pytest.mark.parametrize(("late_ms", "slow"), [(10_000, []), (10_001, ["bar_to_decision"])])
def test_decisions_are_too_slow_when_they_come_longer_after_their_bars(
    late_ms: int, slow: list[str]
) -> None:
    desk = HandDesk()
    desk.open()
    for minute in range(5):
        desk.bar(minute, late_ns=late_ms * MS)
    assert spreads(desk)["too_slow"] == slow


@pytest.mark.rule("submit_to_ack_p95", "bar_to_decision_p95")
def test_what_was_too_slow_is_told_at_the_end_of_the_session() -> None:
    desk = HandDesk()
    desk.acked(desk.entry(), 2_500 * MS)
    desk.close()
    steps = SlowSteps(load_rules(ROOT / "rules").limits)
    told: list[str] = []
    for item in replay(desk.journal):
        assert not told or item.state.session.is_open is False
        told += steps(item.event, item.outcome, item.state)
    assert told == ["too slow: submit_to_ack p95 2,500.0 ms, at most 2,000.0 ms"]
