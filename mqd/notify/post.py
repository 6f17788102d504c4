"""One place's messages: a bounded queue and a thread of its own, so that nobody waits for it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import Condition, Thread

from mqd.ports.notifier import Notice, Notifier


@dataclass(frozen=True, slots=True)
class Patience:
    """How much waits, how long after a failure, and for how long one message is tried."""

    most_waiting: int = 100
    first_pause_s: float = 2.0
    longest_pause_s: float = 60.0
    kept_for_s: float = 900.0


DEFAULT = Patience()


class Post:
    """Hands messages to a notifier in their order; `name` says which, and holds no secret.

    With too many waiting the oldest one is dropped. A message that cannot be delivered is tried
    again for a while. The next one that arrives says how many did not.
    """

    def __init__(self, name: str, notifier: Notifier, patience: Patience = DEFAULT) -> None:
        self.name = name
        self._notifier = notifier
        self._patience = patience
        self._waiting: deque[Notice] = deque()
        self._is_in_hand = False
        self._lost = 0
        self._lost_told = 0
        self._is_ending = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name=f"post {name}", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many messages were dropped or given up."""
        return self._lost

    def put(self, notice: Notice) -> None:
        """Leave a message; never waits."""
        with self._changed:
            if len(self._waiting) >= self._patience.most_waiting:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(notice)
            self._changed.notify()

    def end(self) -> None:
        """Try what waits once more, without pauses, and nothing after that."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def wait(self, timeout_s: float) -> int:
        """Wait until it has ended, at most so long; how many messages did not arrive."""
        self._thread.join(timeout_s)
        with self._changed:
            return self._lost + len(self._waiting) + self._is_in_hand

    def _run(self) -> None:
        while (notice := self._next()) is not None:
            arrived = self._delivered(notice)
            with self._changed:
                self._is_in_hand = False
                self._lost += not arrived

    def _next(self) -> Notice | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ending)
            if not self._waiting:
                return None
            self._is_in_hand = True
            return self._waiting.popleft()

    def _delivered(self, notice: Notice) -> bool:
        until_s = time.monotonic() + self._patience.kept_for_s
        pause_s = self._patience.first_pause_s
        is_last_try = False
        while not self._is_told(notice):
            if is_last_try:
                return False
            with self._changed:
                self._changed.wait_for(lambda: self._is_ending, pause_s)
                is_last_try = self._is_ending or time.monotonic() >= until_s
            pause_s = min(2 * pause_s, self._patience.longest_pause_s)
        return True

    def _is_told(self, notice: Notice) -> bool:
        lost = self._lost
        missing = lost - self._lost_told
        text = notice.text + f"\n(not delivered before this: {missing})" * bool(missing)
        try:
            self._notifier.tell(notice._replace(text=text))
        except Exception:  # noqa: BLE001  # whatever goes wrong there, and its words may be secret
            return False
        self._lost_told = lost
        return True
