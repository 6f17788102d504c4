"""The desk on a terminal: one calm screen, drawn a few times a second while the loop runs.

Everything is drawn from the loop's own thread between two events, so nothing can change under
the drawing; the next frame waits until the last one has cost less than a twenty-fifth of the time.
"""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live

from mqd.cli.happenings import Happening, Teller
from mqd.cli.screen_parts import Shown, picture
from mqd.model.event import BarClosed

if TYPE_CHECKING:
    from rich.console import Console

    from mqd.engine.state import DeskState
    from mqd.model.decision import Decision, Outcome
    from mqd.model.event import Event
    from mqd.publish.tally import Tally
    from mqd.rules.book import RuleBook

_FRAME_S = 1 / 8
_FIRST_FRAME_S = 0.3
_DRAWING_SHARE = 1 / 25
_EVENTS_KEPT = 100


class Screen:
    """A watcher that draws; a run too short to be watched shows nothing of it."""

    def __init__(
        self, console: Console, book: RuleBook, tally: Tally, title: str, bars_to_come: int | None
    ) -> None:
        self._console = console
        self._teller = Teller(book, order_states=True)
        self._book = book
        self._tally = tally
        self._title = title
        self._bars_to_come = bars_to_come
        self._recent: deque[Happening] = deque(maxlen=_EVENTS_KEPT)
        self._decisions: dict[str, Decision] = {}
        self._state: DeskState | None = None
        self._live: Live | None = None
        self._next_s = time.monotonic() + _FIRST_FRAME_S

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Take in one event, and draw if a frame is due."""
        self._state = state
        if type(event) is BarClosed:
            for decision in outcome.decisions:
                self._decisions[decision.strategy] = decision
        self._recent.extend(self._teller.told(event, outcome, state))
        if time.monotonic() >= self._next_s:
            self._draw(state)

    def tick(self) -> None:
        """Draw if a frame is due: the loop is waiting for the next bar."""
        if self._state is not None and time.monotonic() >= self._next_s:
            self._draw(self._state)

    def _draw(self, state: DeskState) -> None:
        started_s = time.monotonic()
        width, height = self._console.size
        shown = Shown(
            self._title, self._book, state, self._tally, self._bars_to_come,
            self._decisions, tuple(self._recent),
        )  # fmt: skip
        lines = Group(*picture(shown, width, height))
        if self._live is None:
            self._live = Live(
                lines, console=self._console, screen=True, auto_refresh=False,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start(refresh=True)
        else:
            self._live.update(lines, refresh=True)
        ended_s = time.monotonic()
        self._next_s = ended_s + max(_FRAME_S, (ended_s - started_s) / _DRAWING_SHARE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
