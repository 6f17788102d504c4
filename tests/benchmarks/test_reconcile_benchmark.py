"""A start with a thousand open orders: the desk replays nothing here, it compares.

MQD_RECORD_PROOFS=1 puts the time into the record of proofs.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.app.proofs import FILE, record_proof
from mqd.brokers.books import Books
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.model.command import SubmitOrder, TakeSnapshot
from mqd.model.decision import Outcome, Reconciled
from mqd.model.event import DeskStarted, SessionOpened
from mqd.model.order import EXIT, Order
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
CLOSE_NS = OPEN_NS + 390 * 60 * 10**9
ORDERS = 1_000


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.of(compile_book(load_rules(ROOT / "rules")))


def books_with(own: int) -> Books:
    """A thousand working orders at the broker, `own` of them the desk's."""
    books = Books()
    for number in range(ORDERS):
        order_id = f"mqd-s-S{number}-1" if number < own else f"by-hand-{number}"
        command = SubmitOrder(OPEN_NS, order_id, f"S{number}", "sell", Decimal(1), "market", "day")
        books.take(command, f"b-{order_id}", OPEN_NS)
    return books


def desk_with(engine: Engine, own: int) -> DeskState:
    """A desk as its journal leaves it: so many orders of its own that have not ended."""
    state = DeskState()
    step(engine, state, DeskStarted(OPEN_NS, engine.book.digest, "paper", "test"))
    step(engine, state, SessionOpened(OPEN_NS, "2024-10-07", OPEN_NS, CLOSE_NS, 34_200))
    for number in range(own):
        order = Order(
            f"mqd-s-S{number}-1", engine.book.strategies[0].rules.id, f"S{number}", "sell",
            "market", EXIT, Decimal(1), Decimal(100), None, "STOP_LOSS", engine.book.digest,
            OPEN_NS, "PENDING",
        )  # fmt: skip
        state.orders[order.client_order_id] = order
        state.working.add(order.client_order_id)
    return state


def start(engine: Engine, state: DeskState, books: Books) -> Outcome:
    """The start of a process, up to its first comparison with the broker."""
    at_ns = OPEN_NS + 60 * 10**9
    asked = step(engine, state, DeskStarted(at_ns, engine.book.digest, "paper", "test"))
    (command,) = [each for each in asked.commands if isinstance(each, TakeSnapshot)]
    return step(engine, state, books.snapshot(at_ns, command.at_ns, Decimal(0)))


@pytest.mark.parametrize("own", [0, ORDERS], ids=["of other hands", "of its own"])
def test_a_start_with_a_thousand_open_orders(benchmark, engine, own):
    """Less than two seconds, also where the desk has to look after each of them."""
    before, books = desk_with(engine, own), books_with(own)

    def fresh() -> tuple[tuple[Engine, DeskState, Books], dict[str, object]]:
        return (engine, before.fork(), books), {}

    outcome = benchmark.pedantic(start, setup=fresh, rounds=3)
    (verdict,) = [note for note in outcome.notes if isinstance(note, Reconciled)]
    assert verdict.differences == ORDERS - own
    if benchmark.stats is not None:
        slowest_s = round(benchmark.stats["max"], 2)
        benchmark.extra_info["seconds"] = slowest_s
        if own and os.environ.get("MQD_RECORD_PROOFS") == "1":
            figures = {"orders": own, "seconds": slowest_s, "rules_digest": engine.book.digest}
            record_proof("reconcile", figures, ROOT / FILE)
