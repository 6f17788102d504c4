"""From a journal back to the state: the same events through the same rules, compared byte for byte.

A restart and `mqd journal replay` share this path, so that it is never a path taken only after a
crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import sets_aside, step
from mqd.ground.errors import JournalError
from mqd.model.decision import Outcome, outcome_record
from mqd.model.event import (
    BarClosed,
    DeskStarted,
    Event,
)
from mqd.ports.journal import Journal
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import rules_from_text
from mqd.runtime.older_rows import commands_then, is_same


class Replayed(NamedTuple):
    """One event of the journal, stepped again; `accepted` is False for a bar set aside."""

    seq: int
    event: Event
    outcome: Outcome
    accepted: bool
    state: DeskState
    engine: Engine


def engine_for(journal: Journal, rules_digest: str) -> Engine:
    """The engine of the rules that the journal kept under this digest.

    Raises:
        JournalError: the journal does not have them, or they no longer pass the checks.
    """
    book = rules_from_text(journal.rules(rules_digest))
    if book.digest != rules_digest:
        raise JournalError(
            f"the journal's rules have digest {book.digest[:12]} today, not {rules_digest[:12]}: "
            "this version of the desk reads them differently"
        )
    return Engine.of(compile_book(book))


def replay(
    journal: Journal, engine_of: Callable[[str], Engine] | None = None
) -> Iterator[Replayed]:
    """Step every journaled event again, under the rules it ran under.

    An event without an outcome is passed over: the process stopped before anything came of it.
    A restart is offered that event again, and the journal has it a second time, with its outcome.

    Raises:
        JournalError: an outcome differs from the journaled one, or the journal does not start
            with the start of a desk.
    """
    make = engine_of or (lambda rules_digest: engine_for(journal, rules_digest))
    engine: Engine | None = None
    state = DeskState()
    for seq, event, journaled, version in journal.entries():
        if journaled is None:
            continue
        if isinstance(event, DeskStarted) and (
            engine is None or engine.book.digest != event.rules_digest
        ):
            engine = make(event.rules_digest)
        if engine is None:
            raise JournalError("the journal does not start with the start of a desk")
        aside = sets_aside(engine, state, event) if isinstance(event, BarClosed) else None
        outcome = step(engine, state, event, aside)
        if not is_same(journaled, outcome_record(outcome), version):
            raise JournalError(
                f"event {seq} ({type(event).__name__}) leads to another outcome now: "
                "the rules or the desk's code are not those that wrote this journal"
            )
        sent = outcome._replace(commands=commands_then(outcome.commands, journaled, version))
        yield Replayed(seq, event, sent, aside == 0, state, engine)
