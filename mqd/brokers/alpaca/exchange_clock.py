"""The exchange's own time, for an exchange that runs faster than the wall or stands still."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import Event as Signal
from threading import Lock, Thread

from mqd.brokers.alpaca.fields import MisfitError, instant_of, read_json, row_of
from mqd.brokers.alpaca.session import AlpacaSession
from mqd.ground.errors import BrokerUnavailableError
from mqd.ground.times import NS_PER_S
from mqd.ports.clock import Clock

_KIND = "clock"
_ASKED_EVERY_S = 0.1


class ExchangeClock:
    """Tells the exchange's time, asked for on a thread of its own; it never steps back.

    What its clock says counts after `settle_s`, so that a bar that is on its way comes first: at
    an exchange that runs fast a moment of this machine is minutes, and without it a desk that is
    only busy would count them as minutes without a bar. A bar that came moves time on at once.

    Intervals are measured, and waited, by the machine's clock: a timeout is not the exchange's.
    """

    def __init__(self, session: AlpacaSession, wall: Clock, settle_s: float) -> None:
        """Ask once, and go on asking; the first answer counts at once.

        Raises:
            BrokerUnavailableError: the exchange does not tell its time.
        """
        self._session = session
        self._wall = wall
        self._lock = Lock()
        self._settle_ns = round(settle_s * NS_PER_S)
        self._told: deque[tuple[int, int]] = deque()
        self._now_ns = 0
        if not self._ask():
            session.close()
            raise BrokerUnavailableError("the exchange does not tell its time")
        self.at_least(self._told[0][1])
        self._closing = Signal()
        self._thread = Thread(target=self._go_on, name="exchange-clock", daemon=True)
        self._thread.start()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, at the exchange."""
        settled_ns = self._wall.monotonic_ns() - self._settle_ns
        with self._lock:
            while self._told and self._told[0][0] <= settled_ns:
                self._now_ns = max(self._now_ns, self._told.popleft()[1])
            return self._now_ns

    def at_least(self, at_ns: int) -> None:
        """It is that late at the exchange: something that came from there has happened by then."""
        with self._lock:
            self._now_ns = max(self._now_ns, at_ns)

    def monotonic_ns(self) -> int:
        """Nanoseconds of this machine that never step back."""
        return self._wall.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        """Wait, on this machine."""
        self._wall.sleep(duration_s)

    def close(self) -> None:
        """Ask no more."""
        self._closing.set()
        self._thread.join()
        self._session.close()

    def _go_on(self) -> None:
        while not self._closing.wait(_ASKED_EVERY_S):
            with suppress(Exception):  # a clock that dies in silence stands still for ever
                self._ask()  # an exchange that does not answer stands still; its streams tell

    def _ask(self) -> bool:
        reply = self._session.get(_KIND, "/clock")
        try:
            told_ns = instant_of(row_of(read_json(reply.text)), "timestamp")
        except MisfitError:
            return False
        if reply.is_good:
            with self._lock:
                self._told.append((self._wall.monotonic_ns(), told_ns))
        return reply.is_good
