"""Protections and kill switches, at both sides of each edge: to the cent, the minute, the day.

What is lost here is lost by orders and fills of the desk; nothing is written into its state.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, to_ns
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import OperatorHeard, ProtectionReleased, ProtectionTripped
from mqd.model.event import ClockTicked, SessionOpened
from mqd.model.order import ENTRY
from mqd.model.snapshot import AccountReport
from tests.cases.conftest import Scene

NEW_YORK = ZoneInfo("America/New_York")
LIMITS = "limits/desk.yaml"
PORTFOLIO = "desk/portfolio.yaml"
FIVE = {"max_trades_per_day": "5"}
ASSUMED = "value: {}\n    min: 100\n    max: 100000\n"
ENTRY_USD = Decimal("99.5")
SMALL_PART = Decimal("0.025")  # of the 5.025 shares that are bought at 99.50


@pytest.fixture
def desk(edited):
    """Makes desks with these protections alone, whose strategy may trade five times a day."""

    class Dated(Scene):
        """A desk whose sessions have dates of their own, at 09:30 in New York."""

        date = "2024-10-07"

        @property
        def open_ns(self):
            return to_ns(at(self.date, "09:30"))

        def start(self, state, now_ns=None):
            if self.profile == "samples":
                self.broker.account = None
            super().start(state, now_ns)

        def begin(self, date, minutes=390):
            if self.state.session.is_open:
                self.close()
            self.date, self.minute = date, 0
            close_ns = self.open_ns + minutes * NS_PER_MINUTE
            self.feed(SessionOpened(self.open_ns, date, self.open_ns, close_ns, 34_200))
            self.until_ten()

        def wants(self, close=99.3):
            """Whether the next bar's dip is bought, and the protections that hold."""
            before = len(entries(self))
            self.broker.answers(SubmitOrder, "reject")
            self.bar(close)
            self.broker.forgets()
            held = self.engine.book.protections.true_codes(self.decision().protections)
            return len(entries(self)) > before, held

    def made(*protections, profile="paper", edits=None, **values):
        book = edited(edits or {}, values=FIVE | values, protections=protections)
        return Dated(book, profile)

    return made


def at(date, time):
    return datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=NEW_YORK)


def entries(scene):
    sent = [scene.order(each.client_order_id) for each in scene.broker.asked(SubmitOrder)]
    return [order for order in sent if order.role == ENTRY]


def lose(scene, usd, close=99.0):
    """A round trip of 5.025 shares bought at 99.50 that costs so much, to the cent."""
    rest = Decimal(usd) % Decimal("0.05")
    scene.entry("fill")
    assert scene.held() == Decimal("5.025")
    exit_id = scene.exit(close=close)
    scene.fill(exit_id, "5", str(ENTRY_USD - (Decimal(usd) - rest) / 5))
    scene.fill(exit_id, None, str(ENTRY_USD - rest / SMALL_PART))
    assert scene.trades()[-1].pnl_usd == -Decimal(usd)


# -- a day, a week --------------------------------------------------------------------------------


@pytest.mark.case(109)
@pytest.mark.rule("daily_loss_limit")
@pytest.mark.parametrize(
    ("usd", "blocked"), [("9.99", False), ("10.00", True), ("10.01", True), ("-10.00", False)]
)
def test_case_109_a_day_that_lost_to_the_cent(desk, usd, blocked):
    scene = desk("daily_loss_limit")
    scene.begin("2024-10-07")
    lose(scene, usd)
    expected = (False, ("daily_loss_limit",)) if blocked else (True, ())
    assert scene.wants() == expected
    while scene.minute < 119:
        scene.bar(100.0)
    assert scene.wants()[1] == expected[1]


@pytest.mark.case(109)
@pytest.mark.rule("daily_loss_limit")
@pytest.mark.parametrize(("last", "blocked"), [("5.00", False), ("5.01", True)])
def test_case_109_losses_of_a_day_add_up_to_the_cent(desk, last, blocked):
    scene = desk("daily_loss_limit")
    scene.begin("2024-10-07")
    for usd in ("4.99", last):
        lose(scene, usd)
    assert scene.wants() == ((False, ("daily_loss_limit",)) if blocked else (True, ()))


WEEKS = {
    "the clocks go back": ("2024-10-30", "2024-10-31", "2024-11-01", "2024-11-04"),
    "the clocks go forward": ("2025-03-05", "2025-03-06", "2025-03-07", "2025-03-10"),
    "a Monday without a session": ("2025-01-15", "2025-01-16", "2025-01-17", "2025-01-21"),
    "a Friday without a session": ("2025-04-15", "2025-04-16", "2025-04-17", "2025-04-21"),
    "a half day at its end": ("2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02"),
    "over the new year": ("2025-12-29", "2025-12-30", "2025-12-31", "2026-01-05"),
}


@pytest.mark.case(123)
@pytest.mark.rule("weekly_loss_limit")
@pytest.mark.parametrize("week", WEEKS)
@pytest.mark.parametrize(("last", "blocked"), [("8.33", False), ("8.34", True)])
def test_case_123_a_week_that_lost_to_the_cent_is_over_until_the_next(desk, week, last, blocked):
    """Three sessions of one week lose 24.99 or 25.00 together, each less than a day may."""
    scene = desk("weekly_loss_limit")
    *days, first_of_next = WEEKS[week]
    for date, usd in zip(days, ("8.33", "8.33", last), strict=True):
        scene.begin(date, 210 if date == "2024-11-29" else 390)
        lose(scene, usd)
        is_over = blocked and date == days[-1]
        assert scene.wants() == ((False, ("weekly_loss_limit",)) if is_over else (True, ()))
    scene.restart()
    scene.begin(first_of_next)
    assert scene.wants() == (True, ())
    assert [note.protection for note in scene.notes(ProtectionReleased)] == (
        ["weekly_loss_limit"] * blocked
    )


@pytest.mark.case(123)
@pytest.mark.rule("weekly_loss_limit")
def test_case_123_the_rest_of_the_week_stays_blocked(desk):
    scene = desk("weekly_loss_limit")
    for date, usd in (("2025-01-21", "9"), ("2025-01-22", "9"), ("2025-01-23", "7")):
        scene.begin(date)
        lose(scene, usd)
    assert scene.wants() == (False, ("weekly_loss_limit",))
    scene.restart()
    scene.begin("2025-01-24")
    assert scene.wants() == (False, ("weekly_loss_limit",))
    scene.begin("2025-01-27")
    assert scene.wants() == (True, ())


@pytest.mark.case(122)
@pytest.mark.rule("daily_loss_limit")
@pytest.mark.parametrize(
    ("date", "minutes", "following"),
    [
        ("2024-11-01", 390, "2024-11-04"),  # the clocks go back
        ("2025-03-07", 390, "2025-03-10"),  # they go forward
        ("2024-11-29", 210, "2024-12-02"),  # a half day
        ("2024-12-24", 210, "2024-12-26"),  # a half day before a holiday
        ("2025-01-17", 390, "2025-01-21"),  # before a holiday on a Monday
    ],
)
def test_case_122_midnight_begins_no_day_and_the_next_session_does(desk, date, minutes, following):
    """Neither midnight in New York nor that of UTC, and no restart at either of them."""
    scene = desk("daily_loss_limit")
    scene.begin(date, minutes)
    lose(scene, "10.00")
    assert scene.wants() == (False, ("daily_loss_limit",))
    for minute in (30, minutes - 31, minutes - 6, minutes - 1):
        while scene.minute < minute:
            scene.bar(100.0)
        assert scene.wants(99.9)[1] == ("daily_loss_limit",)
    scene.close()
    tomorrow = (at(date, "12:00") + timedelta(days=1)).date().isoformat()
    for midnight in (
        to_ns(datetime.fromisoformat(f"{tomorrow}T00:00Z")),
        to_ns(at(tomorrow, "00:00")),
    ):
        scene.feed(ClockTicked(midnight - 1), ClockTicked(midnight), ClockTicked(midnight + 1))
        assert scene.state.desk.realised_today == -10
        scene.restart()
        assert scene.state.desk.realised_today == -10
    scene.begin(following)
    assert scene.state.desk.realised_today == 0
    assert scene.wants() == (True, ())


# -- stops, and how long they are remembered ------------------------------------------------------


@pytest.mark.case(116)
@pytest.mark.rule("stoploss_guard")
@pytest.mark.parametrize(
    ("stops", "minutes", "enters"),
    [(2, 1, True), (3, 1, False), (3, 29, False), (3, 30, True), (4, 29, False), (4, 30, True)],
)
def test_case_116_stops_block_for_half_an_hour_and_not_a_minute_more(desk, stops, minutes, enters):
    """At the instant at which the half hour is over entries pass; a fourth stop begins it anew."""
    scene = desk("stoploss_guard", edits={"protections/stoploss_guard.yaml": {
        "stops >= 3": "stops >= 3" if stops < 4 else "stops >= 4"}})  # fmt: skip
    scene.begin("2024-10-07")
    for _ in range(stops):
        lose(scene, "1")
    last_ns = scene.trades()[-1].exit_ns
    while scene.state.now_ns < last_ns + (minutes - 1) * NS_PER_MINUTE:
        scene.bar(100.0)
    assert scene.wants() == (enters, () if enters else ("stoploss_guard",))
    assert scene.state.now_ns == last_ns + minutes * NS_PER_MINUTE


@pytest.mark.case(115)
@pytest.mark.rule("stoploss_guard", "consecutive_losses")
@pytest.mark.parametrize(
    ("close", "usd", "reason", "blocked"),
    [
        (99.0, "0", "STOP_LOSS", True),
        (99.0, "-0.01", "STOP_LOSS", True),
        (99.99, "0", "MEAN_REVERSION", False),
        (99.99, "1", "MEAN_REVERSION", False),
    ],
)
def test_case_115_a_stop_counts_by_its_reason_and_not_by_what_it_came_to(
    desk, close, usd, reason, blocked
):
    scene = desk("stoploss_guard", "consecutive_losses")
    scene.begin("2024-10-07")
    for _ in range(3):
        lose(scene, usd, close)
        assert scene.trades()[-1].exit_reason == reason
    both = ("consecutive_losses", "stoploss_guard")
    assert scene.wants() == ((False, both) if blocked else (True, ()))


# -- the account falls ----------------------------------------------------------------------------


@pytest.fixture
def small(desk):
    """Makes desks without an account, each taken to be worth 100 USD, or so much.

    Shares are of 2,500 USD all the same, else no entry would fit.
    """
    own = {"value: limits.assumed_equity_usd\n": f"{ASSUMED.format(2500)}    unit: usd\n"}

    def made(worth_usd=100):
        words = {ASSUMED.format(2500): ASSUMED.format(worth_usd)}
        return desk("max_drawdown", profile="samples", edits={LIMITS: words, PORTFOLIO: own})

    return made


@pytest.mark.case(112)
@pytest.mark.rule("max_drawdown")
@pytest.mark.parametrize(("usd", "trips"), [("14.99", False), ("15.00", True), ("20", True)])
def test_case_112_the_first_trade_of_the_window_trips_it_to_the_cent(small, usd, trips):
    scene = small()
    scene.begin("2024-10-07")
    lose(scene, usd)
    assert scene.wants()[1] == (("max_drawdown",) if trips else ())
    scene.begin("2024-10-08")
    assert scene.wants() == ((False, ("max_drawdown",)) if trips else (True, ()))
    assert scene.wants() == (True, ())
    assert scene.state.now_ns == scene.trades()[0].exit_ns + 86_400 * NS_PER_S


@pytest.mark.case(113)
@pytest.mark.rule("max_drawdown")
@pytest.mark.parametrize(("worth_usd", "trips"), [(100, True), (101, False)])
def test_case_113_ten_losses_of_one_fifty_are_fifteen(small, worth_usd, trips):
    """Of 100 USD they are 15 %, of 101 less; what an open trade loses on paper counts with them."""
    scene = small(worth_usd)
    for date in ("2024-10-07", "2024-10-08"):
        scene.begin(date)
        for _ in range(5):
            assert not scene.notes(ProtectionTripped)
            lose(scene, "1.50", 99.2)
    scene.bar(100.0)
    assert scene.state.desk.realised_ever == -15
    assert bool(scene.notes(ProtectionTripped)) is trips


@pytest.mark.case(114)
@pytest.mark.rule("max_drawdown")
@pytest.mark.parametrize(("usd", "trips"), [("1.50", False), ("15.01", False), ("15.02", True)])
def test_case_114_a_small_gain_before_a_loss_is_no_monster(small, usd, trips):
    """From 100.10 USD a loss of 1.50 is 1.5 %, whatever share of the gain it is."""
    scene = small()
    scene.begin("2024-10-07")
    lose(scene, "-0.10")
    lose(scene, usd)
    scene.bar(100.0)
    assert [note.protection for note in scene.notes(ProtectionTripped)] == ["max_drawdown"] * trips


@pytest.mark.case(111)
@pytest.mark.rule("ACCOUNT_UNKNOWN")
@pytest.mark.parametrize("account", [None, AccountReport(None, None, None)])
def test_case_111_an_account_that_says_nothing_holds_no_exit_back(desk, account):
    scene = desk("daily_loss_limit", "max_drawdown")
    scene.begin("2024-10-07")
    scene.entry("fill")
    scene.broker.account = account
    scene.restart()
    scene.exit("fill")
    assert not scene.held()
    assert scene.wants()[0] is False
    assert scene.decision().outcome == "REFUSED"
    assert "NO_BUYING_POWER" in scene.refusals()


# -- two at once, and a person --------------------------------------------------------------------


REPEATED = {LIMITS: {"value: 5\n    min: 2\n    max: 50\n    unit: orders": (
    "value: 3\n    min: 2\n    max: 50\n    unit: orders")}}  # fmt: skip


@pytest.mark.case(117)
@pytest.mark.rule("stoploss_guard", "repeated_execution", "PL-06")
@pytest.mark.parametrize("first", ["time", "person"])
def test_case_117_the_end_of_one_leaves_the_other(desk, first):
    """Half an hour ends the one, a person the other; neither ends both."""
    scene = desk("stoploss_guard", "repeated_execution", edits=REPEATED)
    scene.begin("2024-10-07")
    for _ in range(3):
        lose(scene, "1")
    assert scene.wants() == (False, ("repeated_execution", "stoploss_guard"))
    last_ns = scene.trades()[-1].exit_ns
    if first == "person":
        scene.press("rearm", f"repeated_execution/{scene.strategy}")
        assert scene.wants() == (False, ("stoploss_guard",))
    while scene.state.now_ns < last_ns + 29 * NS_PER_MINUTE:
        scene.bar(100.0)
    left = () if first == "person" else ("repeated_execution",)
    assert scene.wants() == (not left, left)
    if left:
        scene.restart()
        scene.press("rearm", f"repeated_execution/{scene.strategy}")
        assert scene.notes(OperatorHeard)[-1].by == "A. Person"
        assert scene.wants() == (True, ())


@pytest.mark.case(120)
@pytest.mark.rule("DESK_NOT_ACTIVE", "ENTRY_ASKED_BACK", "DL-04")
def test_case_120_an_order_on_its_way_when_a_person_stops_the_desk_completes(desk):
    """Nobody has acknowledged it yet; its fill wins over the cancel and has a way out."""
    scene = desk("daily_loss_limit")
    scene.begin("2024-10-07")
    entry_id = scene.entry("silent")
    assert scene.order(entry_id).state == "PENDING"
    scene.broker.answers(CancelOrder, "accept")
    scene.press("halt")
    assert [each.client_order_id for each in scene.broker.asked(CancelOrder)] == [entry_id]
    scene.hear(scene.broker.ack(entry_id), scene.broker.fills(entry_id))
    assert scene.order(entry_id).state == "FILLED"
    assert scene.held() == Decimal("5.025")
    assert scene.wants(99.4) == (False, ())
    scene.restart(after_s=60)
    assert scene.desk_state == "HALTED"
    scene.exit("fill")
    assert not scene.held()
    assert scene.wants(98.9) == (False, ())
    assert "DESK_NOT_ACTIVE" in scene.refusals()
    scene.press("resume")
    assert scene.wants(98.9) == (True, ())
