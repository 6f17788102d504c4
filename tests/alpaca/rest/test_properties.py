"""What Alpaca says of its symbols: asked before the start, kept for a while, forgotten on a no."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.brokers.alpaca.fields import MisfitError, parse_instant
from mqd.brokers.alpaca.properties import SymbolPropertiesCache, read_properties
from mqd.brokers.practice.server import PracticeServer
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.times import NS_PER_S
from mqd.model.event import BarClosed, OrderRejected, SnapshotTaken
from mqd.model.snapshot import AccountReport, SymbolProperties

PART, CENT = Decimal("1e-9"), Decimal("0.01")
NOW_NS = 1_728_309_660_000_000_000
GOOD_FOR_S = 900


CALENDAR = ExchangeCalendar()


@pytest.fixture(scope="module")
def bars():
    events = RecordedFeed(sample_bars(), CALENDAR).events()
    return [event for event in events if isinstance(event, BarClosed)][:12]


@pytest.fixture
def exchange(bars):
    with PracticeServer(bars, CALENDAR) as server:
        server.step(10)
        yield server


def said(symbol: str = "SPY", read_ns: int = NOW_NS) -> SymbolProperties:
    return SymbolProperties(symbol, read_ns, True, True, PART, CENT)


@pytest.fixture
def desk_at(exchange, desk):
    """A desk at the practice exchange with a cache of properties."""

    def made(cache: SymbolPropertiesCache):
        return desk(
            exchange.addresses.trading_url, keys=exchange.keys, properties=cache, calendar=CALENDAR,
            at_ns=parse_instant(exchange.state()["now"]), symbols_every_s=GOOD_FOR_S,
        )  # fmt: skip

    return made


def asked_for(at) -> int:
    return sum(call.kind == "assets" for call in at.calls)


def snapshot(at, make) -> SnapshotTaken:
    found = at.one(make.snapshot())
    assert isinstance(found, SnapshotTaken)
    return found


def test_a_snapshot_tells_of_the_account_and_of_the_symbols(desk_at, make):
    at = desk_at(SymbolPropertiesCache(["SPY"]))
    taken = snapshot(at, make)
    assert taken.account == AccountReport(Decimal(100_000), Decimal(100_000), False)
    (told,) = taken.symbols
    assert told == said(read_ns=told.read_ns)


@pytest.mark.rule("symbols_every")
def test_it_is_asked_once_in_a_while_and_not_with_every_snapshot(desk_at, make):
    at = desk_at(SymbolPropertiesCache(["SPY"]))
    for _ in range(3):
        snapshot(at, make)
    assert asked_for(at) == 1
    at.clock.at_ns += (GOOD_FOR_S - 1) * NS_PER_S
    snapshot(at, make)
    assert asked_for(at) == 1
    at.clock.at_ns += NS_PER_S
    snapshot(at, make)
    assert asked_for(at) == 2


def test_what_was_asked_before_the_start_is_not_asked_again(desk_at, make):
    at = desk_at(SymbolPropertiesCache(["SPY"], [said(read_ns=1 << 62)]))
    assert snapshot(at, make).symbols == (said(read_ns=1 << 62),)
    assert asked_for(at) == 0


def test_after_a_no_it_is_asked_again(desk_at, exchange, make):
    at = desk_at(SymbolPropertiesCache(["SPY"]))
    assert snapshot(at, make).symbols[0].is_tradable
    exchange.plan(kind="asset_says", symbol="SPY", fields={"tradable": False})
    assert isinstance(at.one(make.submit()), OrderRejected)
    assert not snapshot(at, make).symbols[0].is_tradable
    assert asked_for(at) == 2


def test_a_symbol_that_is_not_there_is_not_tradable(desk_at, make):
    (told,) = snapshot(desk_at(SymbolPropertiesCache(["NOPE"])), make).symbols
    assert (told.symbol, told.is_tradable, told.is_fractionable) == ("NOPE", False, False)


def test_a_symbol_that_is_not_told_now_is_left_out_and_the_rest_is_told(desk_at, exchange, make):
    at = desk_at(SymbolPropertiesCache(["SPY"]))
    exchange.plan(kind="http_500", request="assets", times=1)
    taken = snapshot(at, make)
    assert taken.symbols == ()
    assert taken.account is not None
    assert snapshot(at, make).symbols


@pytest.mark.parametrize(
    ("row", "is_tradable", "lot"),
    [
        ({"status": "active", "tradable": True, "fractionable": True}, True, PART),
        ({"status": "active", "tradable": True, "fractionable": False}, True, Decimal(1)),
        ({"status": "active", "tradable": True}, True, Decimal(1)),
        ({"status": "inactive", "tradable": True}, False, Decimal(1)),
        ({"tradable": True}, False, Decimal(1)),
        ({"status": "active", "tradable": "true"}, False, Decimal(1)),
        ({"status": "active"}, False, Decimal(1)),
    ],
)
def test_what_is_not_said_is_not_so(row, is_tradable, lot):
    found = read_properties({"symbol": "SPY", **row}, NOW_NS)
    assert (found.is_tradable, found.lot_qty) == (is_tradable, lot)


def test_a_row_without_a_symbol_is_none():
    with pytest.raises(MisfitError):
        read_properties({"status": "active"}, NOW_NS)
