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
from mqd.app.preflight import FAILED, OK, Check, Preflight
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
MOURNING = (
    "2024-11-26"  # of the days that follow the first bars, one that is closed at short notice
)


class ShortNotice:
    """The sessions as the broker knows them, with one day closed that no calendar foresaw."""

    def session_on(self, at_ns: int) -> Session | None:
        session = CALENDAR.session_on(at_ns)
        return None if session is None or session.date == MOURNING else session


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
        clock = SetClock(exchange, off_s or 0.0)
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


@pytest.mark.case(97)
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


@pytest.mark.case(97)
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


@pytest.mark.case(129)
def test_a_day_that_the_broker_closes_at_short_notice_starts_nothing(serve, asked):
    says = failed(asked(serve(ShortNotice()), config()))
    assert list(says) == ["calendar"]
    assert says["calendar"].startswith(f"{MOURNING}: 09:30 to 16:00")
    assert says["calendar"].endswith("closed at the broker")
