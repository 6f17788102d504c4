"""Which happenings are worth a message, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import InvariantError, MqdError, Refused
from mqd.model.decision import (
    BreakerMoved,
    DeskStateChanged,
    DriftFound,
    IdleOutOfBand,
    IncidentRaised,
    Note,
    OperatorHeard,
    Outcome,
    PromotionProposed,
    ProtectionTripped,
    Reconciled,
    StrategyJudged,
    StrategyMoved,
    ThesisJudged,
)
from mqd.model.event import DeskStarted, Event, OrderRejected
from mqd.ports.notifier import Tone

_CENT = Decimal("0.01")
_REFUSED = "refused"
_BY_BUTTON = "_ordered"  # the button itself is told, with what it did
_LINE_LENGTH = 300  # what the broker says may be long, and a message has to be read on a telephone


class Told(NamedTuple):
    """One thing worth telling: of which kind, what makes it the same as another, in words."""

    kind: str
    key: tuple[str, ...]
    text: str
    tone: Tone


def told(event: Event, outcome: Outcome) -> Iterator[Told]:
    """What one event is worth telling; most are worth nothing."""
    match event:
        case DeskStarted():
            text = f"the desk starts: {event.profile}, rules {event.rules_digest[:12]}"
            yield Told("starts", (), text, "info")
        case OrderRejected():
            reason = f"{event.client_order_id}: {event.code}, {event.reason}"
            yield Told("rejects", (event.code,), _line(f"the broker rejected {reason}"), "warning")
    for note in outcome.notes:
        yield from _noted(note)


def _noted(note: Note) -> Iterator[Told]:
    match note:
        case DeskStateChanged() if not note.event.endswith(_BY_BUTTON):
            key = (note.from_state, note.to_state)
            text = f"the desk went from {note.from_state} to {note.to_state} ({note.rule})"
            yield Told("halts", key, text, "failure")
        case OperatorHeard():
            button = f"{note.action} {note.strategy}".rstrip()
            text = f"{button} by {note.by}: {note.reason}. {note.result}"
            yield Told("halts", (button, note.by), _line(text), "warning")
        case ProtectionTripped():
            text = f"protection {note.name} tripped"
            yield Told("trips", (note.name,), text, "warning")
        case BreakerMoved() if note.cause:  # that its rest is over is told with what came of it
            yield Told("trips", ("breaker", note.to_state), note.text, "warning")
        case IdleOutOfBand():
            yield Told("idle", (note.strategy, note.code), _line(note.text), "warning")
        case StrategyMoved() | PromotionProposed() | StrategyJudged() | ThesisJudged():
            yield from _judged(note)
        case IncidentRaised():
            text = f"{note.severity} {note.error}: {note.message}"
            yield Told(_kind_of(note.error), (note.error, note.subject), _line(text), "failure")
        case DriftFound():
            sides = f"{decimal_text(note.local)} here, {decimal_text(note.broker)} at the broker"
            text = f"{note.kind}: {note.subject} is {sides}; {note.done}"
            yield Told("drift", (note.kind, note.subject), _line(text), "warning")
        case Reconciled() if note.verdict == _REFUSED:
            text = f"the comparison with the broker was refused by {', '.join(note.refusals)}"
            yield Told("drift", (note.verdict,), text, "failure")


def _judged(
    note: StrategyMoved | PromotionProposed | StrategyJudged | ThesisJudged,
) -> Iterator[Told]:
    match note:
        case StrategyMoved():
            yield Told("trips", (note.strategy, note.to_state), note.text, "warning")
        case PromotionProposed():
            text = f"{note.strategy} may have more to work with, by {note.row}"
            yield Told("trips", (note.strategy, note.row), text, "info")
        case StrategyJudged() if note.skipped:
            text = f"{note.strategy} was not judged: {note.skipped}"
            yield Told("trips", (note.strategy, "skipped"), _line(text), "warning")
        case ThesisJudged() if note.met:
            text = f"thesis {note.thesis} is contradicted by {', '.join(note.met)}"
            yield Told("trips", (note.thesis,), f"{text}: change its status in a reviewed PR",
                       "warning")  # fmt: skip


def summary(date: str, state: DeskState, seen: dict[str, int], life_begins: str) -> Told:
    """A session in one line; `seen` counts what this process saw of each kind since the last."""
    desk = state.desk
    entries = sum(facts.entries_today for facts in state.strategies.values())
    realised = desk.realised_today.quantize(_CENT)
    parts = [
        f"{realised:+,.2f} USD realised" if realised else "nothing realised",
        f"{entries} {'entry' if entries == 1 else 'entries'}",
        f"{desk.open_positions or 'no'} position{'s' * (desk.open_positions != 1)} open",
        f"the desk is {state.state_name}",
        *_lives(state, life_begins),
        *(f"{kind} {count}" for kind, count in sorted(seen.items())),
    ]
    return Told("summary", (date,), f"session of {date} closed: {'; '.join(parts)}", "info")


def _lives(state: DeskState, life_begins: str) -> Iterator[str]:
    """Every strategy of the day that is not simply at work."""
    for name in sorted(state.strategies):
        life = state.lives.get(name)
        if life is not None and life.state_name != life_begins:
            by = f" by {life.row}" if life.row else ""
            yield f"{name} is {life.state_name}{by}"
        if name in state.disabled:
            yield f"{name} is switched off"


def _kinds(error: type[MqdError], kind: str) -> dict[str, str]:
    return {each.__name__: kind for each in error.__subclasses__()}


_KINDS = _kinds(InvariantError, "invariants") | _kinds(Refused, "rejects")


def _kind_of(error: str) -> str:
    return _KINDS.get(error, "incidents")


def _line(text: str) -> str:
    """One line that can be shown, whatever the broker said."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return shown if len(shown) <= _LINE_LENGTH else f"{shown[: _LINE_LENGTH - 3]}..."
