"""How long the loop waits for its memory: a durable intent on disk, a decision in memory."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from mqd.model.command import SubmitOrder
from mqd.model.decision import Decision, Outcome
from mqd.model.event import BarClosed
from mqd.store.journal import MemoryJournal, open_journal

AT = 1_728_309_900_000_000_000
BAR = BarClosed(AT, "SPY", AT - 60_000_000_000, 571.23, 571.5, 571.1, 571.42, 123_456.0)
FACTS = (571.42, 571.2, 0.0031, 12, True, None, 0.5)
DECIDED = Outcome(
    decisions=(
        Decision(
            at_ns=AT,
            strategy="vwap_micro_mean_reversion",
            symbol="SPY",
            outcome="NO_TRADE",
            no_trade=5,
            exits=0,
            data=0,
            protections=0,
            checks=0,
            facts=FACTS,
            rules_digest="ab" * 32,
        ),
    )
)
INTENT = DECIDED._replace(
    commands=(SubmitOrder(AT, "mqd-1", "SPY", "buy", Decimal("1.5"), "market", "day"),)
)


class WallClock:
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


def test_bar_to_durable_intent(benchmark, tmp_path):
    """At most 1 ms in the median: one full-sync commit of two rows."""
    with open_journal(str(tmp_path / "desk.db"), WallClock(), write=True) as journal:
        benchmark(lambda: journal.commit(journal.append(BAR), INTENT))


def test_decision_that_may_wait(benchmark, tmp_path):
    with open_journal(str(tmp_path / "desk.db"), WallClock(), write=True) as journal:
        benchmark(lambda: journal.commit(journal.append(BAR), DECIDED))


@pytest.mark.parametrize("keep", [True, False], ids=["keeping-rows", "keeping-the-head"])
def test_decision_in_memory(benchmark, keep):
    """At most 6 microseconds, most of them for the two JSON texts."""
    journal = MemoryJournal(keep=keep)
    benchmark(lambda: journal.commit(journal.append(BAR), DECIDED))
