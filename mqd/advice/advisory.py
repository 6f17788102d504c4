"""The stream of advice: a bounded queue and a thread of its own, so that nobody waits for it."""

from __future__ import annotations

from collections import deque
from threading import Condition, Thread

from mqd.ground.errors import Unavailable
from mqd.model.advice import Advice
from mqd.ports.advisory import AdviceLog

MOST_WAITING = 1_000


class AdvisoryStream:
    """Hands notes to a log in their order; implements `mqd.ports.advisory.Advisory`.

    With too many waiting a note is dropped, and so is one that the log does not take. The next
    one that is kept says how many were.
    """

    def __init__(self, log: AdviceLog, most_waiting: int = MOST_WAITING) -> None:
        self._log = log
        self._most = most_waiting
        self._waiting: deque[Advice] = deque()
        self._is_ending = False
        self._changed = Condition()
        self._told = 0
        self.kept = 0
        self.dropped = 0
        self._thread = Thread(target=self._run, name="advice", daemon=True)
        self._thread.start()

    def put(self, advice: Advice) -> None:
        """Leave one note; never waits. What cannot be kept is dropped and counted."""
        with self._changed:
            if self._is_ending or len(self._waiting) >= self._most:
                self.dropped += 1
                return
            self._waiting.append(advice)
            self._changed.notify()

    def close(self, patience_s: float) -> int:
        """Keep what waits, at most so long; how many notes were not kept in all."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join(patience_s)
        with self._changed:
            return self.dropped + len(self._waiting)

    def _run(self) -> None:
        while (advice := self._next()) is not None:
            dropped = self.dropped
            is_kept = self._is_kept(advice._replace(dropped_before=dropped - self._told))
            with self._changed:
                self.kept += is_kept
                self.dropped += not is_kept
                self._told = dropped if is_kept else self._told

    def _next(self) -> Advice | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ending)
            return self._waiting.popleft() if self._waiting else None

    def _is_kept(self, advice: Advice) -> bool:
        try:
            self._log.append(advice)
        except (Unavailable, OSError):
            return False
        return True
