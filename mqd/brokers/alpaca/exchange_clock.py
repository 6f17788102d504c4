"""The exchange's own time, for an exchange that runs faster than the wall or stands still."""

from __future__ import annotations

from contextlib import suppress
from threading import Event as Signal
from threading import Lock, Thread

from mqd.brokers.alpaca.fields import MisfitError, instant_of, read_json, row_of
from mqd.brokers.alpaca.session import AlpacaSession
from mqd.ground.errors import BrokerUnavailableError
from mqd.ports.clock import Clock

_KIND = "clock"
_ASKED_EVERY_S = 0.1


class ExchangeClock:
    """Tells the exchange's time, asked for on a thread of its own; it never steps back.

    Intervals are measured, and waited, by the machine's clock: a timeout is not the exchange's.
    """

    def __init__(self, session: AlpacaSession, wall: Clock) -> None:
        """Ask once, and go on asking.

        Raises:
            BrokerUnavailableError: the exchange does not tell its time.
        """
        self._session = session
        self._wall = wall
        self._lock = Lock()
        self._now_ns = 0
        if not self._ask():
            session.close()
            raise BrokerUnavailableError("the exchange does not tell its time")
        self._closing = Signal()
        self._thread = Thread(target=self._go_on, name="exchange-clock", daemon=True)
        self._thread.start()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, at the exchange."""
        with self._lock:
            return self._now_ns

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
        with self._lock:
            self._now_ns = max(self._now_ns, told_ns)
        return reply.is_good
