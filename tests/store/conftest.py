"""A clock that stands still, one of every fact, and journals in memory, SQLite and PostgreSQL.

PostgreSQL joins in where `MQD_TEST_POSTGRESQL` holds the address of an empty database whose
user may make schemas, for example `postgresql+psycopg://desk@localhost/desk_test`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from mqd.model import event as events
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import (
    BarSetAside,
    Decision,
    DeskStateChanged,
    IncidentRaised,
    Outcome,
    ProtectionTripped,
)
from mqd.model.order import OrderStateChangedEvent
from mqd.model.position import Trade
from mqd.model.snapshot import (
    AccountReport,
    HeldPosition,
    OrderReport,
    ReportedExecution,
    SymbolProperties,
)
from mqd.ports.journal import Journal
from mqd.store.journal import MemoryJournal, SqlJournal, open_journal

AT = 1_728_309_900_000_000_000
ORDER = "mqd-vwap-SPY-20241007T140500Z-entry-1"
REPORT = OrderReport(
    ORDER,
    "b-1",
    "SPY",
    "buy",
    Decimal("0.85"),
    Decimal("0.4"),
    Decimal("571.4"),
    "partially_filled",
)
POSTGRESQL = os.environ.get("MQD_TEST_POSTGRESQL")


class StillClock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.at_ns = 5_000_000_000

    def now_ns(self) -> int:
        return AT + self.at_ns

    def monotonic_ns(self) -> int:
        return self.at_ns

    def sleep(self, duration_s: float) -> None:
        self.at_ns += int(duration_s * 1_000_000_000)


def bar(number: int = 0, **changes: Any) -> events.BarClosed:
    at_ns = AT + number * 60_000_000_000
    whole = events.BarClosed(
        at_ns, "SPY", at_ns - 60_000_000_000, 571.23, 571.5, 571.1, 571.42, 1e5
    )
    return whole._replace(**changes)


EVERY_EVENT: tuple[events.Event, ...] = (
    events.DeskStarted(AT, "ab" * 32, "paper", "1.0.0"),
    events.SessionOpened(AT, "2024-10-07", AT, AT + 1, 34_200),
    bar(),
    bar(volume=float("nan")),
    events.FeedDefectFound(AT, "SPY", "DUPLICATE", AT, "die Minute kam zweimal: ½ “\n”"),
    events.OrderAcknowledged(AT, ORDER, "broker-1"),
    events.OrderFilled(
        AT, ORDER, "broker-1", "x-1", Decimal("571.4200"), Decimal("0.852"), Decimal(0)
    ),
    events.OrderCancelled(AT, ORDER),
    events.OrderRejected(AT, ORDER, "40310000", "insufficient buying power"),
    events.OrderExpired(AT, ORDER),
    events.OrderOutcomeLost(AT, ORDER),
    events.OrderNotFound(AT, ORDER),
    events.OrderFilled(AT, ORDER, "b-1", "x-2", Decimal(1), Decimal(2), Decimal(3), "SPY", "buy"),
    events.OrderNotTaken(AT, ORDER, "429", "too many requests"),
    events.CancelRefused(AT, ORDER, "42210000", "the order is filled"),
    events.OrderReported(AT, REPORT),
    events.OrderReported(AT, REPORT._replace(filled_qty=Decimal(0), average_price=None)),
    events.ExecutionBusted(AT, "x-1"),
    events.ExecutionCorrected(AT, "x-1", "x-3", Decimal("571.40"), Decimal("0.85")),
    events.FeeCharged(AT, "x-1", Decimal("0.01")),
    events.SnapshotTaken(
        AT,
        AT - 1,
        Decimal("998.50"),
        (HeldPosition("SPY", Decimal("-0.5"), Decimal("571.42")),),
        (REPORT,),
        (
            ReportedExecution(
                "x-1", "", "b-1", "SPY", "buy", Decimal(1), Decimal("571.42"), Decimal(0), AT
            ),
        ),
    ),
    events.SnapshotTaken(AT, AT - 1, None, (), (), ()),
    events.SnapshotTaken(
        AT,
        AT - 1,
        Decimal(1),
        (),
        (),
        (),
        AccountReport(Decimal("0.10"), None, True),
        (SymbolProperties("SPY", AT, True, False, Decimal(1), Decimal("0.01")),),
    ),
    events.SnapshotFailed(AT, "no answer"),
    events.OrderReachedFor(AT, "SubmitOrder buy 1 SPY"),
    events.StreamLost(AT, "trade_updates"),
    events.StreamRestored(AT, "trade_updates"),
    events.BrokerLockedOut(AT, "the key was revoked"),
    events.RequestAnswered(AT, "submit", events.UNPROVED, 5_000),
    events.FrameReceived(AT, "trade_updates", '{"data": "½ “\n” \x00"}'),
    events.UnreadableReceived(AT, "answer", "`qty` is no number", '{"qty": "NaN"}'),
    events.ClockTicked(AT),
    events.OperatorActed(AT, "halt", "", "Ada", "the feed looks wrong"),
    events.SeriesValueTold(AT, "vix", "2024-10-04", Decimal("19.210"), "2024-10-07"),
    events.SessionClosed(AT, "2024-10-07"),
)

DECISION = Decision(
    at_ns=AT,
    strategy="vwap",
    symbol="SPY",
    outcome="NO_TRADE",
    no_trade=5,
    exits=0,
    data=0,
    protections=0,
    checks=0,
    facts=(571.42, 12, True, None, float("nan")),
    rules_digest="ab" * 32,
)
DECIDED = Outcome(decisions=(DECISION,))
INTENT = Outcome(
    decisions=(DECISION._replace(outcome="ENTER"),),
    commands=(SubmitOrder(AT, ORDER, "SPY", "buy", Decimal("1.50"), "market", "day"),),
)
FULL = Outcome(
    decisions=(DECISION,),
    transitions=(
        OrderStateChangedEvent(AT, ORDER, "filled", "WORKING", "FILLED", "WORKING-filled", "move"),
    ),
    trades=(
        Trade(
            "vwap", "SPY", AT, Decimal("571.42"), Decimal(1), AT, Decimal("572.10"), "TARGET",
            Decimal("0.68"), "ab" * 32,
        ),
    ),
    notes=(
        BarSetAside(AT, "SPY", AT, ("STALE", "CROSSED")),
        ProtectionTripped(AT, "daily_loss", AT + 1),
        IncidentRaised(AT, "OverfillError", "CRITICAL", ORDER, "0.1 share too many"),
        DeskStateChanged(AT, "halt", "ACTIVE", "HALTED", "active-halt"),
    ),
    commands=(CancelOrder(AT, ORDER, "TTL"), *INTENT.commands),
)  # fmt: skip


def steps(journal: Journal, *outcomes: Outcome, first: int = 0) -> None:
    """One bar for every outcome, appended and committed."""
    for number, outcome in enumerate(outcomes, first):
        journal.commit(journal.append(bar(number)), outcome)


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody could who has the disk, and leave no trace but the change."""
    connection = sqlite3.connect(path)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    guards = triggers.fetchall()
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, statement in guards:
        connection.execute(statement)
    connection.commit()
    connection.close()


JOURNALS = Path(__file__).parent / "journals"


_TABLES = {"meta": "meta", "rules": "rule_books", "revision": "journal_revision"}


def version_1(path: Path, rows: int | None = None) -> Path:
    """The first rows of a journal that the first version of mqd wrote, in the tables it made.

    What is in the file came out of that version's own database: the statements of its tables
    and triggers, its rule book, and 248 rows of a sample session with one finished trade.
    """
    return of_version(path, 1, rows)


def of_version(path: Path, version: int, rows: int | None = None) -> Path:
    """The same of another version; every one has one finished trade."""
    connection = sqlite3.connect(path)
    for line in (JOURNALS / f"version_{version}.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        if "statement" in item:
            connection.execute(item["statement"])
        elif rows is None or item.get("position", 0) <= rows:
            table = _TABLES.get(next(iter(item)), "journal")
            marks = ", ".join("?" * len(item))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", tuple(item.values()))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def facts() -> Any:
    """Everything above, for the tests beside this file."""
    return sys.modules[__name__]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk.db"


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a new, empty schema on the PostgreSQL server of the tests."""
    yield from _empty_schema()


@pytest.fixture
def second_server() -> Iterator[str]:
    """The address of another one."""
    yield from _empty_schema()


def _empty_schema() -> Iterator[str]:
    if not POSTGRESQL:
        pytest.skip("MQD_TEST_POSTGRESQL names no server to try")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    schema = f"mqd_{uuid.uuid4().hex}"
    engine = create_engine(POSTGRESQL)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    mark = "&" if "?" in POSTGRESQL else "?"
    yield f"{POSTGRESQL}{mark}options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, path: Path) -> str:
    """Where a journal on disk can be."""
    if request.param == "sqlite":
        return f"sqlite:///{path}"
    address: str = request.getfixturevalue("server")
    return address


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(
    request: pytest.FixtureRequest, path: Path, clock: StillClock
) -> Iterator[MemoryJournal | SqlJournal]:
    """An empty journal to write."""
    if request.param == "memory":
        yield MemoryJournal()
        return
    address = str(path) if request.param == "sqlite" else request.getfixturevalue("server")
    with open_journal(address, clock, write=True) as written:
        yield written


@pytest.fixture
def written(clock: StillClock, path: Path) -> Callable[[int], Path]:
    """Makes a SQLite journal of so many bars, each with a decision: two rows a bar."""

    def make(bars: int) -> Path:
        with open_journal(str(path), clock, write=True) as journal:
            steps(journal, *[DECIDED] * bars)
        return path

    return make
