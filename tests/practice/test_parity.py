"""On the same bars, orders sent when a back-test sent its own trade as they did there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from mqd.app.backtest import run_backtest
from mqd.app.end_of_data import END_OF_DATA
from mqd.brokers.simulated import SimulationSettings
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.event import BarClosed
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]


def test_fills_are_those_of_a_back_test_at_the_close(practice):
    book = load_rules(ROOT / "rules", Changes())
    trades = run_backtest(book, [], SimulationSettings(fill="close")).trades
    sides = [
        (at_ns, side, decimal_text(trade.qty), decimal_text(price))
        for trade in trades
        if trade.exit_reason != END_OF_DATA
        for at_ns, side, price in (
            (trade.entry_ns, "buy", trade.entry_price),
            (trade.exit_ns, "sell", trade.exit_price),
        )
    ]
    assert len(sides) >= 4
    events = RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    exchange = practice([event for event in events if isinstance(event, BarClosed)])
    for at_ns, side, qty, _ in sorted(sides):
        while exchange.server.state()["now"] < iso_utc(at_ns):
            exchange.step()
        exchange.send(side=side, qty=qty)
    found = exchange.server.books()
    assert [
        (each["at"], each["side"], each["qty"], each["price"]) for each in found["executions"]
    ] == [(iso_utc(at_ns), side, qty, price) for at_ns, side, qty, price in sorted(sides)]
    pnl_usd = sum((trade.pnl_usd for trade in trades), Decimal(0))
    assert found["cash"] == decimal_text(100_000 + pnl_usd)
