"""Why nothing was traded, session by session: how often each NO-TRADE condition was true."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from mqd.engine.idle import InWindow, in_window
from mqd.engine.state import DeskState
from mqd.model.decision import IdleOutOfBand, Outcome
from mqd.model.event import BarClosed, Event, SessionClosed, SessionOpened
from mqd.publish.closed import Closed, ClosedWatch, reads_enabled
from mqd.publish.summary import true_codes
from mqd.rules.book import RuleBook, Strategy

_DIGITS = 6


class Outside(NamedTuple):
    """A condition outside of its band: for so many sessions in a row, told after so many.

    None in a row is a session that was not judged, as the desk did not see it from its open on.
    """

    code: str
    in_a_row: int
    told_after: int


class IdleSession(NamedTuple):
    """One strategy in one session.

    `times` counts all bars on which a condition was true, `inside` those at its own times of day;
    `out_of_band` is what the session's end had to say, `outside` every condition outside of its
    band. `closed` says why the strategy could open nothing, each with its bars, and `by_closed`
    are the conditions that were true for that.
    """

    date: str
    strategy: str
    bars: int
    times: tuple[tuple[str, int], ...]
    inside: InWindow
    expected: tuple[tuple[str, str], ...]
    out_of_band: tuple[IdleOutOfBand, ...]
    outside: tuple[Outside, ...] = ()
    closed: tuple[tuple[Closed, int], ...] = ()
    by_closed: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The session for a program."""
        inside, expected = dict(self.inside.times), dict(self.expected)
        outside = {each.code: each for each in self.outside}
        told = {note.code for note in self.out_of_band}
        bars = self.inside.bars
        return {
            "date": self.date, "strategy": self.strategy, "bars": self.bars, "in_window": bars,
            "no_trade": {
                code: {
                    "bars": times, "in_window": inside[code],
                    "share_in_window": round(inside[code] / bars, _DIGITS) if bars else None,
                    "expected": expected.get(code), "out_of_band": code in outside,
                    "out_of_band_in_a_row": outside[code].in_a_row if code in outside else 0,
                    "told_after": outside[code].told_after if code in outside else None,
                    "told": code in told,
                }
                for code, times in self.times
            },
            "closed": [closed.to_json() | {"bars": bars} for closed, bars in self.closed],
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
        self._lives = ClosedWatch()
        self._closed: Counter[tuple[str, Closed]] = Counter()

    def saw(self, event: Event, outcome: Outcome, state: DeskState, book: RuleBook) -> None:
        """Keep the counts of a session that closes."""
        if isinstance(event, BarClosed):
            for decision in outcome.decisions:  # made before its own event moved anything
                closed = self._lives.closed(book, decision.strategy)
                if closed is not None:
                    self._closed[decision.strategy, closed] += 1
        elif isinstance(event, SessionOpened):
            self._closed.clear()
        elif isinstance(event, SessionClosed):
            self._keep(event, outcome, state, book)
        self._lives.saw(event, outcome.notes)

    def _keep(
        self, event: SessionClosed, outcome: Outcome, state: DeskState, book: RuleBook
    ) -> None:
        notes = [note for note in outcome.notes if isinstance(note, IdleOutOfBand)]
        for strategy in book.strategies:
            masks = state.idle.get(strategy.id, {})
            if not masks:
                continue
            times = {rule.code: 0 for rule in strategy.no_trade}
            for mask, count in masks.items():
                for code in true_codes(strategy.no_trade, mask):
                    times[code] += count
            inside = in_window(strategy, masks)
            self.sessions.append(
                IdleSession(
                    event.date, strategy.id, sum(masks.values()), tuple(times.items()), inside,
                    tuple((band.code, band.text) for band in strategy.expected),
                    tuple(note for note in notes if note.strategy == strategy.id),
                    _outside(strategy, inside, state),
                    tuple((why, bars) for (name, why), bars in self._closed.items()
                          if name == strategy.id),
                    frozenset(rule.code for rule in strategy.no_trade if reads_enabled(rule)),
                )
            )  # fmt: skip

    def report(self, journal: str, date: str | None = None) -> IdleReport:
        """All sessions, or those of one exchange date."""
        wanted = (item for item in self.sessions if date in {None, item.date})
        return IdleReport(journal, tuple(wanted))


def _outside(strategy: Strategy, inside: InWindow, state: DeskState) -> tuple[Outside, ...]:
    """The conditions outside of their bands; the desk's own count of sessions is taken over."""
    times = dict(inside.times)
    is_judged = state.symbol(strategy.symbol).is_complete
    return tuple(
        Outside(
            band.code,
            state.out_of_band.get((strategy.id, band.code), 0) if is_judged else 0,
            band.sessions,
        )
        for band in strategy.expected
        if inside.bars and not band.holds(times[band.code], inside.bars)
    )
