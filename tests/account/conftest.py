"""The command line against a practice exchange: an account, its keys, and a desk that has it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any, NamedTuple

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is in the practice extra")

from mqd.app.account import account_of
from mqd.app.exchange import environment
from mqd.app.live import LiveRun
from mqd.app.run import RunPlan
from mqd.app.settings import read_settings
from mqd.brokers.practice.server import PracticeServer
from mqd.brokers.practice.settings import PracticeSettings
from mqd.cli import main
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.times import iso_utc
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed, Event
from mqd.model.order import PROTECTIVE, Order
from mqd.ports.account import Keys
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
DATE = "2024-11-25"  # of the sample sessions, the first one, with a trade
CANARIES = Keys("PKCANARYCANARY", "canary-of-a-secret")
PATIENCE_S = 60.0


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="session")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.fixture
def impatient(tmp_path) -> RuleBook:
    """The same rules, which wait less long for the broker."""
    folder = tmp_path / "impatient" / "rules"
    shutil.copytree(ROOT / "rules", folder)
    file = folder / "brokers" / "alpaca.yaml"
    text = file.read_text(encoding="utf-8")
    for was, now in (("value: 3s\n    min: 1s", "value: 1s\n    min: 1s"),
                     ("value: 5s\n    min: 1s", "value: 1s\n    min: 1s")):  # fmt: skip
        assert was in text
        text = text.replace(was, now, 1)
    file.write_text(text, encoding="utf-8")
    return load_rules(folder)


@pytest.fixture(scope="session")
def bars() -> list[BarClosed]:
    events = RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    bars = (event for event in events if isinstance(event, BarClosed))
    return [bar for bar in bars if iso_utc(bar.at_ns).startswith(DATE)]


@pytest.fixture
def exchange(bars, tmp_path) -> Iterator[PracticeServer]:
    """An account of this test's own, which no other test owns."""
    settings = PracticeSettings(name=str(tmp_path), keys=CANARIES)
    with PracticeServer(bars, ExchangeCalendar(), settings) as server:
        yield server


@pytest.fixture
def variables(exchange, monkeypatch, tmp_path) -> dict[str, str]:
    """What leads a desk to the exchange; set in the environment."""
    found = environment(exchange.addresses, exchange.keys)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MQD_LIVE", raising=False)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def mqd(variables, monkeypatch, capsys) -> Callable[..., Done]:
    """Runs `mqd` with words, in this process."""

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["mqd", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Done(int(ended.value.code or 0), told.out, told.err)

    return run


def at_work(state: DeskState) -> list[Order]:
    """Orders of which news is due; a stop that rests at the broker may rest all day."""
    working = (state.orders[order_id] for order_id in state.working)
    return [each for each in working if each.role != PROTECTIVE or each.state != "SUBMITTED"]


class Day:
    """Watches a desk, and plays the next bar when it has nothing left to do."""

    def __init__(self, exchange: PracticeServer) -> None:
        self._exchange = exchange
        self._bars = 0
        self._stop = Signal()
        self._thread = Thread(target=self._play, daemon=True)
        self.run: LiveRun

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        self._bars += isinstance(event, BarClosed)

    def _play(self) -> None:
        while not self._stop.is_set():
            if self._exchange.state()["bars_heard"] and self._is_quiet():
                before = self._bars
                self._exchange.step()
                until_s = time.monotonic() + PATIENCE_S
                while self._bars == before and time.monotonic() < until_s:
                    if self._stop.wait(0.002):
                        return
            self._stop.wait(0.002)

    def _is_quiet(self) -> bool:
        state = self.run.desk.state
        is_busy = state.desk.is_waiting_for_snapshot or not state.desk.is_in_step
        return not (at_work(state) or is_busy or self.run.broker.queued or len(self.run.inbox))

    def until(self, holds: Callable[[DeskState], object]) -> None:
        until_s = time.monotonic() + PATIENCE_S
        self._thread.start()
        try:
            self.run.run(
                (self,), lambda: bool(holds(self.run.desk.state)) or time.monotonic() > until_s
            )
        finally:
            self._stop.set()
            self._thread.join()
        assert time.monotonic() < until_s, "waited in vain"


@pytest.fixture
def desk(exchange, variables, book, tmp_path) -> Callable[..., Path]:
    """Runs a desk on the exchange until something holds; the journal that it leaves."""

    def run(
        until: Callable[[DeskState], object] = lambda state: state.desk.is_in_step,
        under: RuleBook = book,
    ) -> Path:
        settings = read_settings("practice")
        path = tmp_path / "desk.db"
        day = Day(exchange)
        plan = RunPlan(under, (), settings, str(path))
        account = account_of(settings, variables)
        day.run = LiveRun(plan, account, SystemClock())
        day.until(until)
        return path

    return run
