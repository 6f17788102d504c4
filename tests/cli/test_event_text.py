"""Every event and every note has words of its own, and comes back as it was journaled."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.cli.event_text import event_text
from mqd.cli.happenings import noted
from mqd.cli.journal_lines import entry_line
from mqd.ground.canonical import encode
from mqd.model.decision import (
    BarSetAside,
    BreakerMoved,
    DeskStateChanged,
    DriftFound,
    IdleOutOfBand,
    IncidentRaised,
    Note,
    OperatorHeard,
    Outcome,
    ProtectionTripped,
    Reconciled,
    TradeWatched,
    WatchActed,
    outcome_record,
)
from mqd.model.event import ClockTicked, Event
from mqd.model.journaled import EVENTS
from mqd.model.snapshot import OrderReport
from mqd.ports.journal import JournalEntry
from mqd.publish.records import records_of

AT_NS = 1_732_548_660_000_000_000
REPORT = OrderReport("mqd-1", "b-1", "SPY", "buy", Decimal(2), Decimal(1), Decimal(600), "new")
VALUES: dict[str, object] = {
    "report": REPORT, "price": Decimal(600), "qty": Decimal(1), "fee_usd": Decimal("0.01"),
    "open": 1.0, "high": 1.0, "low": 1.0, "close": 600.5, "volume": 1.0, "cash_usd": None,
    "positions": (), "orders": (), "executions": (), "took_ms": 5_020, "value": Decimal("16.5"),
}  # fmt: skip
NOTES: tuple[Note, ...] = (
    BarSetAside(AT_NS, "SPY", AT_NS, ("OUT_OF_ORDER", "VALUE_MISSING")),
    ProtectionTripped(AT_NS, "daily_loss_limit", AT_NS),
    IncidentRaised(AT_NS, "OverfillError", "CRITICAL", "mqd-1", "3 filled of 2"),
    DeskStateChanged(AT_NS, "incident", "ACTIVE", "HALTED", "DL-01"),
    WatchActed(AT_NS, "order", "ENTRY_TOO_OLD", "mqd-1", "ask_back"),
    OperatorHeard(AT_NS, "halt", "", "ada", "odd", "ACTIVE -> HALTED (DL-04)"),
    BreakerMoved(AT_NS, "failed", "CLOSED", "OPEN", "BR-02", "submit unproved after 5.020 s"),
    BreakerMoved(AT_NS, "time_passed", "OPEN", "HALF_OPEN", "BR-03", ""),
    DriftFound(AT_NS, "cash", "cash", Decimal("1.5"), Decimal(2), None, "warn"),
    DriftFound(AT_NS, "quantity_mismatch", "SPY", Decimal(1), Decimal(2), Decimal("0.5"), "halt"),
    Reconciled(AT_NS, "refused", 2, ("TOO_FAR_APART",)),
    TradeWatched(AT_NS, "vwap", "SPY", 600, 120),
    IdleOutOfBand(AT_NS, "vwap", "2024-11-25", "OUTSIDE_WINDOW", 90, 90, "3% to 99.9%", 2),
)


def example(name: str) -> Event:
    """An event of this kind, every field filled with something."""
    cls = EVENTS[name]
    made: Event = cls(
        *(AT_NS if field.endswith("_ns") else VALUES.get(field, field) for field in cls._fields)
    )
    return made


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_words(name: str) -> None:
    text = event_text(example(name))
    assert text
    assert "Decimal(" not in text
    assert "namedtuple" not in text


def test_no_two_kinds_of_event_have_the_same_words() -> None:
    texts = [event_text(example(name)) for name in EVENTS]
    assert len(set(texts)) == len(EVENTS)


@pytest.mark.parametrize("note", NOTES, ids=lambda note: type(note).__name__)
def test_every_note_comes_back_and_has_words(note: Note) -> None:
    outcome = encode(outcome_record(Outcome(notes=(note,))))
    assert records_of(outcome) == (note,)

    def no_decisions(rules_digest: str) -> None:
        raise AssertionError(rules_digest)

    line = entry_line(JournalEntry(1, ClockTicked(AT_NS), outcome), no_decisions)  # type: ignore[arg-type]  # never asked
    assert line.partition("=>")[2].strip() not in {"", "None"}


def test_what_is_routine_is_not_told_while_the_desk_runs() -> None:
    assert noted(WatchActed(AT_NS, "desk", "SNAPSHOT_TIMER", "desk", "take_snapshot")) is None
    assert noted(Reconciled(AT_NS, "clean", 0, ())) is None
    assert noted(Reconciled(AT_NS, "waits", 1, ())) is not None
    assert noted(WatchActed(AT_NS, "order", "ENTRY_TOO_OLD", "mqd-1", "ask_back")) is not None
