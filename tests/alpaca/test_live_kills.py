"""`mqd run --config practice` killed with signal 9 in the midst of a practice day, again and again.

MQD_LIVE_KILLS says how many kills, MQD_RECORD_PROOFS=1 puts the figures into the record of proofs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import NamedTuple

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is in the practice extra")

from mqd.brokers.practice.server import PracticeServer
from mqd.brokers.practice.settings import PracticeSettings
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.times import iso_utc
from mqd.model.decision import IncidentRaised
from mqd.model.event import BarClosed
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.replay import replay
from mqd.store.journal import open_journal
from mqd.store.verify import verify

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("MQD_LIVE_KILLS", "3"))
SEED = 20241125
DATE = "2024-11-25"
BARS = 130
HELD = 64  # so many bars in, the strategy holds shares
WARM = 50
FIRST = 24  # the strategy warms up before anything is killed
PACE_S = 0.12
PATIENCE_S = 60.0
CASH_USD = Decimal(100_000)


class Came(NamedTuple):
    """What a day came to, at the exchange and in the journal."""

    positions: dict[str, Decimal]
    cash_usd: Decimal
    orders: list[str]
    state: DeskState
    incidents: list[str]


def of_the_day() -> list[BarClosed]:
    events = RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    bars = [each for each in events if isinstance(each, BarClosed)]
    return [bar for bar in bars if iso_utc(bar.at_ns).startswith(DATE)][:BARS]


def started(exchange: PracticeServer, path: Path) -> subprocess.Popen[str]:
    places, keys = exchange.addresses, exchange.keys
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MQD_ALPACA_TRADING_URL": places.trading_url,
        "MQD_ALPACA_DATA_URL": places.data_url,
        "MQD_ALPACA_TRADE_STREAM_URL": places.trade_stream_url,
        "MQD_ALPACA_DATA_STREAM_URL": places.data_stream_url,
        "APCA_API_KEY_ID": keys.key_id,
        "APCA_API_SECRET_KEY": keys.secret,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mqd", "run", "--config", "practice", "--db", str(path)],
        cwd=ROOT, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def until_heard(exchange: PracticeServer, process: subprocess.Popen[str]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not exchange.state()["bars_heard"]:
        assert process.poll() is None, f"the desk ended with {process.returncode}"
        assert time.monotonic() < until_s, "the desk does not listen"
        time.sleep(0.01)


@contextmanager
def playing(exchange: PracticeServer) -> Iterator[Signal]:
    """The market goes on, whoever listens."""
    over = Signal()

    def play() -> None:
        for _ in range(BARS - FIRST):
            exchange.step()
            if over.wait(PACE_S):
                return
        over.set()

    player = Thread(target=play, daemon=True)
    player.start()
    try:
        yield over
    finally:
        over.set()
        player.join(PATIENCE_S)


def a_day(folder: Path, number: int, kills: int, chance: random.Random) -> tuple[int, Came]:
    """One practice day with at most so many kills; how many there were, and what it came to."""
    path = folder / f"{number}.db"
    killed = 0
    settings = PracticeSettings(name=f"day-{number}")
    with PracticeServer(of_the_day(), ExchangeCalendar(), settings) as exchange:
        process = started(exchange, path)
        until_heard(exchange, process)
        exchange.step(FIRST)
        with playing(exchange) as over:
            while killed < kills and not over.is_set():
                time.sleep(chance.uniform(0.0, 5.0))
                process.send_signal(signal.SIGKILL)
                assert process.wait(PATIENCE_S) == -signal.SIGKILL
                killed += 1
                process = started(exchange, path)
            until_heard(exchange, process)
            over.wait(PATIENCE_S)
        truth = settled(exchange, process)
    found = replayed(path)
    notes = [note for item in found for note in item.outcome.notes]
    incidents = [f"{n.error}: {n.message}" for n in notes if isinstance(n, IncidentRaised)]
    held = {each["symbol"]: Decimal(each["qty"]) for each in truth["positions"]}
    ids = [order["client_order_id"] for order in truth["orders"]]
    return killed, Came(held, Decimal(truth["cash"]), ids, found[-1].state, incidents)


def settled(exchange, process):
    """The exchange's books after the desk has settled what was under way, and has ended."""
    time.sleep(3.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    return exchange.books()


def replayed(path):
    """Everything in the desk's journal, which is whole."""
    with open_journal(str(path), SystemClock(), write=False) as journal:
        assert verify(journal).ok
        return list(replay(journal))


@pytest.mark.case(76)
@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_desk_that_is_killed_in_a_practice_day_comes_back_to_the_broker_s_truth(tmp_path, proofs):
    chance = random.Random(SEED)
    kills, fills, number = 0, 0, 0
    while kills < KILLS:
        killed, came = a_day(tmp_path, number, KILLS - kills, chance)
        kills, number = kills + killed, number + 1
        ledger = came.state.ledger
        assert {p.symbol: p.qty for p in ledger.positions.open_positions()} == came.positions
        assert ledger.cash_delta_usd == came.cash_usd - CASH_USD
        assert len(came.orders) == len(set(came.orders))
        assert set(came.orders) <= set(came.state.orders)
        # A position that nobody watched for minutes is one for a person to look at.
        assert all("NOT_WATCHED" in each for each in came.incidents)
        fills += len(came.state.ledger.executions)
    figures = {
        "kills": kills, "days": number, "executions": fills, "seed": SEED,
        "rules_digest": load_rules(ROOT / "rules").digest,
    }  # fmt: skip
    proofs["live_kills"] = figures


@pytest.mark.rule("PROTECTIVE_STOP", "RESTART_CHANGES_NOTHING")
def test_a_stop_sells_for_a_desk_that_is_dead(tmp_path):
    """Killed while it holds shares; the price falls, and the next desk finds what was sold."""
    path = tmp_path / "desk.db"
    bars = of_the_day()
    crash = [fallen(bar) for bar in bars[HELD:]]
    settings = PracticeSettings(name=str(tmp_path))
    with PracticeServer(bars[:HELD] + crash, ExchangeCalendar(), settings) as exchange:
        process = started(exchange, path)
        until_heard(exchange, process)
        exchange.step(WARM)  # at once: nothing is decided before a strategy may enter
        for _ in range(HELD - WARM):
            exchange.step()
            time.sleep(PACE_S)
        resting = until_true(lambda: stops(exchange, "new"))
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        exchange.step(3)
        assert stops(exchange, "filled") == resting
        process = started(exchange, path)
        until_heard(exchange, process)
        exchange.step(2)
        truth = settled(exchange, process)
    found = replayed(path)
    state = found[-1].state
    assert not truth["positions"]
    assert not state.ledger.positions.open_positions()
    assert CASH_USD + state.ledger.cash_delta_usd == Decimal(truth["cash"])
    (trade,) = [trade for item in found for trade in item.outcome.trades]
    assert trade.exit_reason == "PROTECTIVE_STOP"
    assert {each["client_order_id"] for each in truth["orders"]} == set(state.orders)
    assert not state.working


def fallen(bar: BarClosed) -> BarClosed:
    prices = {
        name: round(getattr(bar, name) * 0.95, 2) for name in ("open", "high", "low", "close")
    }
    return bar._replace(**prices)


def stops(exchange: PracticeServer, status: str) -> list[str]:
    """The stops of this status at the exchange, by our id."""
    return [
        each["client_order_id"]
        for each in exchange.books()["orders"]
        if each["type"] == "stop" and each["status"] == status
    ]


def until_true(holds: Callable[[], list[str]]) -> list[str]:
    until_s = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.05)
    return found
