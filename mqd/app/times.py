"""The broker's clock and its hours of today, looked at again while the desk runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Event as Signal
from threading import Thread

from mqd.app.operate import desk_time_ns, would_move
from mqd.app.preflight import FAILED, Preflight
from mqd.brokers.alpaca.fields import MisfitError
from mqd.engine.state import DeskState
from mqd.feeds.calendar import exchange_datetime
from mqd.ground.errors import MqdError
from mqd.model.decision import Outcome
from mqd.model.event import Event, OperatorActed, SnapshotTaken
from mqd.ports.clock import Clock
from mqd.runtime.desk import Desk

BY_TIMES = "times"
_HALT = "halt"


class TimesWatch:
    """A watcher that asks after every comparison, and a source that halts a desk that is off.

    With every comparison the broker is asked what time it is, and once for each day when it opens
    and closes; where either is not ours, the desk is halted: it opens nothing, exits go on, and a
    person is told. A desk that is resumed while it is so is halted again after the next comparison.
    What was not answered is no difference; it is asked again. The questions leave on a thread of
    their own: no comparison and no order waits for them.
    """

    def __init__(self, desk: Desk, preflight: Preflight, clock: Clock) -> None:
        self._desk = desk
        self._preflight = preflight
        self._clock = clock
        self._wanted = Signal()
        self._is_closing = False
        self._asked_day = ""
        self._reason = ""
        self._thread = Thread(target=self._go_on, name="times", daemon=True)
        self._thread.start()

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Look again after a comparison."""
        if isinstance(event, SnapshotTaken):
            self._wanted.set()

    def __call__(self) -> Iterator[OperatorActed]:
        """One halt, or nothing."""
        reason, self._reason = self._reason, ""
        if reason and would_move(self._desk, _HALT):
            at_ns = desk_time_ns(self._desk.state, self._clock)
            yield OperatorActed(at_ns, _HALT, "", BY_TIMES, reason)

    def close(self) -> None:
        """Ask no more."""
        self._is_closing = True
        self._wanted.set()
        self._thread.join()
        self._preflight.close()

    def _go_on(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._is_closing:
                return
            # An answer that cannot be had or read is none; a thread that dies in silence asks none.
            with suppress(MqdError, MisfitError, OSError):
                self._look()

    def _look(self) -> None:
        for check in self._preflight.time_checks():
            self._note(check.verdict, f"{check.name}: {check.said}")
        day = f"{exchange_datetime(self._clock.now_ns()):%F}"
        if day != self._asked_day:
            for check in self._preflight.today_checks():
                self._note(check.verdict, f"{check.name}: {check.said}")
            self._asked_day = day

    def _note(self, verdict: str, said: str) -> None:
        if verdict == FAILED:
            self._reason = said
