"""What keeps a desk from starting: another account, a blocked one, other clocks, other sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is in the practice extra")

from mqd.app.account import Account
from mqd.app.live import LiveRun
from mqd.app.preflight import FAILED, OK, WARNING, Check, Preflight
from mqd.app.run import RunPlan
from mqd.app.settings import Settings, read_settings
from mqd.brokers.alpaca.fields import parse_instant
from mqd.brokers.alpaca.session import AlpacaSession
from mqd.brokers.practice.server import PracticeServer
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_S
from mqd.model.event import BarClosed
from mqd.ports.calendar import Session
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
CALENDAR = ExchangeCalendar()
TODAY = "2024-11-25"  # of the first bars
TOMORROW = "2024-11-26"


class OnlyUntil:
    """The sessions as a broker knows them that tells no day after `last`."""

    def __init__(self, last: str) -> None:
        self._last = last

    def session_on(self, at_ns: int) -> Session | None:
        session = CALENDAR.session_on(at_ns)
        return None if session is None or session.date > self._last else session


class ShortNotice:
    """The sessions as the broker knows them, with one day closed that no calendar foresaw."""

    def __init__(self, closed: str) -> None:
        self._closed = closed

    def session_on(self, at_ns: int) -> Session | None:
        session = CALENDAR.session_on(at_ns)
        return None if session is None or session.date == self._closed else session


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.fixture(scope="module")
def bars() -> list[BarClosed]:
    events = RecordedFeed(sample_bars(), CALENDAR).events()
    return [event for event in events if isinstance(event, BarClosed)][:5]


@pytest.fixture
def serve(bars) -> Iterator[Callable[..., PracticeServer]]:
    made: list[PracticeServer] = []

    def start(calendar: Any = CALENDAR) -> PracticeServer:
        made.append(PracticeServer(bars, calendar).start())
        made[-1].step(2)
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def exchange(serve) -> PracticeServer:
    return serve()


class SetClock(SystemClock):
    """A machine whose clock is some seconds off that of the broker."""

    def __init__(self, exchange: PracticeServer, off_s: float) -> None:
        self._at_ns = parse_instant(exchange.state()["now"]) + round(off_s * NS_PER_S)

    def now_ns(self) -> int:
        return self._at_ns


def account_at(exchange: PracticeServer, *, is_exchange_time: bool = True) -> Account:
    return Account(exchange.keys, exchange.addresses, "practice", "iex", is_exchange_time)


def config(**changes: Any) -> Settings:
    return dataclasses.replace(read_settings("practice"), **changes)


@pytest.fixture
def asked(book, tmp_path) -> Callable[..., dict[str, list[Check]]]:
    """Every check of a desk that would start at this exchange, by its name."""

    def ask(
        exchange: PracticeServer, settings: Settings, off_s: float | None = None
    ) -> dict[str, list[Check]]:
        account = account_at(exchange, is_exchange_time=off_s is None)
        clock = SystemClock() if off_s is None else SetClock(exchange, off_s)
        session = AlpacaSession(
            account.keys, account.addresses.trading_url, book.broker_words.requests, clock,
            lambda _call: None,
        )  # fmt: skip
        preflight = Preflight(settings, account, book, clock, session)
        found: dict[str, list[Check]] = {}
        try:
            for check in preflight.checks(str(tmp_path / "desk.db")):
                found.setdefault(check.name, []).append(check)
        finally:
            preflight.close()
        return found

    return ask


def failed(found: dict[str, list[Check]]) -> dict[str, str]:
    return {
        check.name: check.said
        for checks in found.values()
        for check in checks
        if check.verdict == FAILED
    }


def number_of(found: dict[str, list[Check]]) -> str:
    return found["account"][0].said.split()[0]


def test_an_account_that_is_as_it_should_be_passes_every_check(exchange, asked):
    found = asked(exchange, config())
    assert not failed(found)
    assert found["calendar"][0].verdict == found["asset SPY"][0].verdict == OK


@pytest.mark.case(97, 228)
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"account": "PA000000000"}, "not PA000000000"),
        ({"profile": "live", "account": ""}, "not an account for live"),
    ],
)
def test_keys_of_another_account_start_nothing(exchange, asked, settings, says):
    exchange.plan(kind="account_says", fields={"account_number": "PA123456789"})
    assert says in failed(asked(exchange, config(**settings)))["account"]
    assert not failed(asked(exchange, config(account="PA123456789")))


@pytest.mark.case(97, 228)
def test_keys_of_real_money_start_no_paper_desk(exchange, asked):
    exchange.plan(kind="account_says", fields={"account_number": "123456789"})
    says = failed(asked(exchange, config(profile="paper")))
    assert says == {"account": "123456789 is not an account for paper"}


@pytest.mark.case(19)
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"trading_blocked": True}, "blocked"),
        ({"account_blocked": True}, "blocked"),
        ({"trade_suspended_by_user": True}, "blocked"),
        ({"status": "ACCOUNT_CLOSED"}, "ACCOUNT_CLOSED"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else each,
)
def test_an_account_that_may_not_trade_is_told_before_anything_starts(
    exchange, asked, fields, says
):
    exchange.plan(kind="account_says", fields=fields)
    found = asked(exchange, config())
    assert failed(found) == {"account": f"{number_of(found)} is {says}"}


@pytest.mark.case(19)
def test_a_desk_of_a_blocked_account_does_not_start(exchange, book, tmp_path):
    exchange.plan(kind="account_says", fields={"trading_blocked": True})
    plan = RunPlan(book, (), config(), str(tmp_path / "desk.db"))
    with pytest.raises(SettingsError, match=r"does not start: account: .* is blocked"):
        LiveRun(plan, account_at(exchange), SystemClock())
    assert not (tmp_path / "desk.db").exists()
    assert not exchange.books()["orders"]


@pytest.mark.case(35)
@pytest.mark.rule("most_clock_offset")
@pytest.mark.parametrize(
    ("off_s", "is_fine"), [(0.0, True), (0.9, True), (-0.9, True), (1.1, False), (-5.0, False)]
)
def test_clocks_that_differ_by_more_than_the_rules_allow_start_nothing(
    exchange, asked, off_s, is_fine
):
    found = asked(exchange, config(), off_s)
    assert ("clock" not in failed(found)) is is_fine
    assert f"{0 - off_s:+.2f} s" in found["clock"][0].said


@pytest.mark.case(90)
@pytest.mark.parametrize("fields", [{"tradable": False}, {"status": "inactive"}])
def test_a_symbol_that_trades_no_more_starts_nothing(exchange, asked, fields):
    exchange.plan(kind="asset_says", symbol="SPY", fields=fields)
    assert list(failed(asked(exchange, config()))) == ["asset SPY"]


@pytest.mark.case(129, 223)
def test_a_day_that_the_broker_closes_at_short_notice_starts_nothing(serve, asked):
    says = failed(asked(serve(ShortNotice(TODAY)), config()))
    assert list(says) == ["calendar"]
    assert says["calendar"].startswith(f"{TODAY}: 09:30 to 16:00")
    assert says["calendar"].endswith("closed at the broker")


@pytest.mark.parametrize("later", [TOMORROW, "2024-11-27"])
@pytest.mark.parametrize(("profile", "starts"), [("practice", True), ("live", False)])
def test_a_later_day_that_is_in_doubt_is_told_and_stops_real_money_only(
    serve, asked, profile, starts, later
):
    found = asked(serve(ShortNotice(later)), config(profile=profile))
    assert found["calendar"][0].said.startswith(f"{later}: 09:30 to 16:00")
    assert found["calendar"][0].verdict == (WARNING if starts else FAILED)


@pytest.mark.parametrize(
    ("last", "span"), [(TODAY, f"on {TODAY}"), (TOMORROW, f"from {TODAY} to {TOMORROW}")]
)
def test_days_that_the_broker_does_not_tell_yet_are_not_closed(serve, asked, last, span):
    found = asked(serve(OnlyUntil(last)), config())
    assert not failed(found)
    assert found["calendar"][0].said == f"the same {span}"


@pytest.mark.parametrize("profile", ["practice", "paper"])
def test_where_nobody_answers_it_is_said_once_with_what_to_look_at(exchange, asked, profile):
    exchange.stop()
    found = asked(exchange, config(profile=profile))
    assert failed(found) == {"account": f"nobody answers at {exchange.addresses.trading_url}"}
    (check,) = found["account"]
    assert check.hint
    assert ("`mqd exchange`" in check.hint) is (profile == "practice")


def test_a_desk_with_nobody_to_talk_to_says_what_to_look_at(exchange, book, tmp_path):
    exchange.stop()
    plan = RunPlan(book, (), config(), str(tmp_path / "desk.db"))
    with pytest.raises(SettingsError, match=r"nobody answers at .*; is `mqd exchange` running\?$"):
        LiveRun(plan, account_at(exchange), SystemClock())
    assert not (tmp_path / "desk.db").exists()


class Closed:
    """The sessions as a broker knows them that tells of none."""

    def session_on(self, at_ns: int) -> Session | None:
        return None


def test_a_broker_that_tells_of_no_day_starts_nothing(serve, asked):
    assert list(failed(asked(serve(Closed()), config()))) == ["calendar"]
