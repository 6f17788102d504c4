"""A live desk: from the start to ready, and from a bar received to its order handed over.

MQD_RECORD_PROOFS=1 puts the times into the record of proofs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is in the practice extra")

from mqd.app.account import Account
from mqd.app.live import LiveRun
from mqd.app.proofs import FILE, record_proof
from mqd.app.run import RunPlan
from mqd.app.settings import read_settings
from mqd.brokers.practice.server import PracticeServer
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.command import Command, SubmitOrder
from mqd.model.event import BarClosed, DeskStarted, Event, SessionClosed, SessionOpened
from mqd.ports.inbox import Arrival
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk
from mqd.runtime.inbox import BoundedInbox
from mqd.runtime.live import LiveStream
from mqd.runtime.loop import Loop
from mqd.store.journal import open_journal

ROOT = Path(__file__).resolve().parents[2]
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
DAY_NS = 1_440 * NS_PER_MINUTE
WARM = 60
DAYS = 120
DIPS = (31,)  # entered there, left two minutes later


def recorded(name: str, figures: dict[str, Any]) -> None:
    if os.environ.get("MQD_RECORD_PROOFS") == "1":
        digest = load_rules(ROOT / "rules").digest
        record_proof(name, figures | {"rules_digest": digest}, ROOT / FILE)


def test_a_start_to_ready(benchmark, tmp_path):
    """Preflight, journal, streams, comparison and warm-up, against an exchange on this machine."""
    events = RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    bars = [event for event in events if isinstance(event, BarClosed)]
    book = load_rules(ROOT / "rules")
    with PracticeServer(bars[:390], ExchangeCalendar()) as exchange:
        exchange.step(WARM)
        account = Account(exchange.keys, exchange.addresses, "practice", "iex", True)
        plan = RunPlan(book, (), read_settings("practice"), str(tmp_path / "desk.db"))

        def to_ready() -> int:
            run = LiveRun(plan, account, SystemClock())
            state = run.desk.state
            run.run(stop_wanted=lambda: state.desk.is_in_step and state.symbol("SPY").bars == WARM)
            return state.symbol("SPY").bars

        assert benchmark.pedantic(to_ready, rounds=1) == WARM
    if benchmark.stats is not None:
        recorded("live_start", {"seconds": round(benchmark.stats["max"], 2), "bars": WARM})


class TimedBroker(SimulatedBroker):
    """When each order was handed over."""

    def __init__(self) -> None:
        super().__init__(SimulationSettings())
        self.sent_ns: list[int] = []

    def send(self, command: Command) -> None:
        """Note the moment, and take it."""
        if isinstance(command, SubmitOrder):
            self.sent_ns.append(time.perf_counter_ns())
        super().send(command)


def days() -> Iterator[list[Event]]:
    """Mornings with a dip far under the VWAP that is over after two minutes."""
    calendar = ExchangeCalendar()
    opens_ns, count = OPEN_NS, 0
    while count < DAYS:
        session = calendar.session_on(opens_ns)
        if session is not None:
            count += 1
            opened = SessionOpened(
                session.open_ns, session.date, session.open_ns, session.close_ns, 34_200
            )
            minutes = [bar(session.open_ns, each) for each in range(60)]
            yield [opened, *minutes, SessionClosed(session.close_ns, session.date)]
        opens_ns += DAY_NS


def bar(open_ns: int, minute: int) -> BarClosed:
    close = 99.5 if minute in DIPS or minute - 1 in DIPS else 100.0
    start_ns = open_ns + minute * NS_PER_MINUTE
    return BarClosed(start_ns + NS_PER_MINUTE, "SPY", start_ns, close, close, close, close, 1_000.0)


def test_from_a_bar_to_its_order(benchmark, tmp_path):
    """The durable journal included, the broker's answer not."""
    book = load_rules(ROOT / "rules")

    def run() -> list[int]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
        took_ns: list[int] = []
        with open_journal(str(path), SystemClock(), write=True) as journal:
            journal.remember_rules(book.digest, book.canonical)
            broker = TimedBroker()
            desk = Desk(Engine.of(compile_book(book)), DeskState(), journal, broker)
            loop = Loop(desk)
            loop.start(DeskStarted(OPEN_NS, book.digest, "samples", "test"))
            inbox = BoundedInbox(10)
            stream = LiveStream(
                inbox, SystemClock(), tick_s=3600, stop_wanted=lambda: not len(inbox)
            )
            for event in (event for day in days() for event in day):
                before = len(broker.sent_ns)
                came_ns = time.perf_counter_ns()
                inbox.put(Arrival(None, partial(tuple, [event])), is_news=False)
                loop.run(each for each in stream if isinstance(each, type(event)))
                took_ns += [at_ns - came_ns for at_ns in broker.sent_ns[before:]]
        return took_ns

    took_ns = sorted(benchmark.pedantic(run, rounds=1))
    assert len(took_ns) == 2 * len(DIPS) * DAYS
    figures = {
        f"p{share}_ms": round(took_ns[len(took_ns) * share // 100] / 1e6, 2)
        for share in (50, 90, 99)
    }
    benchmark.extra_info.update(figures)
    recorded("bar_to_order", figures | {"orders": len(took_ns)})
