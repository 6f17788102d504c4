"""Why nothing was traded, session by session: how often each NO-TRADE condition was true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from mqd.engine.idle import InWindow, in_window
from mqd.engine.state import DeskState
from mqd.model.decision import IdleOutOfBand, Outcome
from mqd.model.event import Event, SessionClosed
from mqd.publish.summary import true_codes
from mqd.rules.book import RuleBook

_DIGITS = 6


class IdleSession(NamedTuple):
    """One strategy in one session.

    `times` counts all bars on which a condition was true, `inside` those at its own times of day;
    `out_of_band` is what the session's end had to say.
    """

    date: str
    strategy: str
    bars: int
    times: tuple[tuple[str, int], ...]
    inside: InWindow
    expected: tuple[tuple[str, str], ...]
    out_of_band: tuple[IdleOutOfBand, ...]

    def to_json(self) -> dict[str, Any]:
        """The session for a program."""
        inside, expected = dict(self.inside.times), dict(self.expected)
        told = {note.code: note.in_a_row for note in self.out_of_band}
        bars = self.inside.bars
        return {
            "date": self.date, "strategy": self.strategy, "bars": self.bars, "in_window": bars,
            "no_trade": {
                code: {
                    "bars": times, "in_window": inside[code],
                    "share_in_window": round(inside[code] / bars, _DIGITS) if bars else None,
                    "expected": expected.get(code), "out_of_band_in_a_row": told.get(code, 0),
                }
                for code, times in self.times
            },
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class IdleReport:
    """Every session that closed, each strategy by itself."""

    journal: str
    sessions: tuple[IdleSession, ...]

    def to_json(self) -> dict[str, Any]:
        """The report for a program."""
        return {"journal": self.journal, "sessions": [item.to_json() for item in self.sessions]}


class IdleWatch:
    """Sees every event of a replay; a session is told when it closes."""

    def __init__(self) -> None:
        self.sessions: list[IdleSession] = []

    def saw(self, event: Event, outcome: Outcome, state: DeskState, book: RuleBook) -> None:
        """Keep the counts of a session that closes."""
        if not isinstance(event, SessionClosed):
            return
        notes = [note for note in outcome.notes if isinstance(note, IdleOutOfBand)]
        for strategy in book.strategies:
            masks = state.idle.get(strategy.id, {})
            if not masks:
                continue
            times = {rule.code: 0 for rule in strategy.no_trade}
            for mask, count in masks.items():
                for code in true_codes(strategy.no_trade, mask):
                    times[code] += count
            self.sessions.append(
                IdleSession(
                    event.date, strategy.id, sum(masks.values()), tuple(times.items()),
                    in_window(strategy, masks),
                    tuple((band.code, band.text) for band in strategy.expected),
                    tuple(note for note in notes if note.strategy == strategy.id),
                )
            )  # fmt: skip

    def report(self, journal: str, date: str | None = None) -> IdleReport:
        """All sessions, or those of one exchange date."""
        wanted = (item for item in self.sessions if date in {None, item.date})
        return IdleReport(journal, tuple(wanted))
