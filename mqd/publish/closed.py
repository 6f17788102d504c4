"""Why a strategy may open nothing: the state of its life, a person, or its status in the rules.

All of it is told by the notes of a journal from its beginning on; no bar has to be decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mqd.engine.lives import status_opens
from mqd.engine.operate import REFUSED
from mqd.ground.times import iso_utc
from mqd.model.decision import OperatorHeard, StrategyMoved
from mqd.model.event import DeskStarted
from mqd.rules.book import Condition, RuleBook
from mqd.rules.expressions import ir
from mqd.rules.strategy_life import may_open

ENABLED = "strategy.enabled"
"""The fact that a closed strategy makes false."""


class Closed(NamedTuple):
    """Why a strategy may open nothing, one or several of three.

    `moved` is the move into the state of its life, `heard` the button that switched it off, and
    `status` its own one, where it opens nothing under `profile`.
    """

    moved: StrategyMoved | None = None
    heard: OperatorHeard | None = None
    status: str = ""
    profile: str = ""

    @property
    def short(self) -> str:
        """Why, in a few words: RETIRED by EDGE_IS_GONE."""
        found = []
        if self.moved is not None:
            found.append(f"{self.moved.to_state}{_by(self.moved)}")
        if self.heard is not None:
            found.append(f"switched off by {self.heard.by}")
        return "; ".join([*found, *self._of_status()])

    def text(self, instant: Callable[[int], str]) -> str:
        """Why, since when and by whom; `instant` says a time in words."""
        found = []
        if self.moved is not None:
            since = f"{self.moved.to_state} since {instant(self.moved.at_ns)}"
            found.append(f"{since}{_by(self.moved)} ({self.moved.rule})")
        if self.heard is not None:
            since = f"switched off since {instant(self.heard.at_ns)}"
            found.append(f"{since} by {self.heard.by} ({self.heard.reason.rstrip('.')})")
        return "; ".join([*found, *self._of_status()])

    def _of_status(self) -> tuple[str, ...]:
        if not self.status:
            return ()
        return (
            f"{self.status} by its status, which opens nothing with the profile {self.profile}",
        )

    def to_json(self) -> dict[str, Any]:
        """The same for a program; what is no reason is null."""
        moved, heard = self.moved, self.heard
        return {
            "life": None if moved is None else {
                "state": moved.to_state, "since": iso_utc(moved.at_ns), "rule": moved.rule,
                "row": moved.row or None,
            },
            "switched_off": None if heard is None else {
                "since": iso_utc(heard.at_ns), "by": heard.by, "reason": heard.reason,
            },
            "status": self.status or None,
        }  # fmt: skip


class ClosedWatch:
    """Follows a journal, and knows of each strategy why it may open nothing now."""

    def __init__(self) -> None:
        self._profile = ""
        self._moved: dict[str, StrategyMoved] = {}
        self._off: dict[str, OperatorHeard] = {}

    def saw(self, event: object, notes: Iterable[object]) -> None:
        """Follow one more event."""
        if isinstance(event, DeskStarted):
            self._profile = event.profile
        for note in notes:
            match note:
                case StrategyMoved():
                    self._moved[note.strategy] = note
                case OperatorHeard() if note.result.startswith(REFUSED):
                    pass
                case OperatorHeard(action="disable"):
                    self._off.setdefault(note.strategy, note)  # the first one switched it off
                case OperatorHeard(action="enable"):
                    self._off.pop(note.strategy, None)

    def closed(self, book: RuleBook, strategy_id: str) -> Closed | None:
        """Why a strategy may open nothing; None where it may, or nobody knows."""
        strategy = book.strategy(strategy_id)
        moved = self._moved.get(strategy_id)
        if moved is not None and may_open(book.strategy_machine, moved.to_state):
            moved = None
        heard = self._off.get(strategy_id)
        status = "" if status_opens(strategy.status, self._profile) else strategy.status
        if moved is None and heard is None and not status:
            return None
        return Closed(moved, heard, status, self._profile if status else "")


def reads_enabled(rule: Condition) -> bool:
    """Whether a condition asks if its strategy may open."""
    return any(name.name == ENABLED for name in ir.names(rule.when))


def _by(moved: StrategyMoved) -> str:
    return f" by {moved.row}" if moved.row else ""
