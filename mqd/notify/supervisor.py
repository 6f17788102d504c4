"""Signs of life for systemd: datagrams to the socket that it names in the environment."""

from __future__ import annotations

import socket

from mqd.engine.state import DeskState
from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.notify.heartbeat import AT_MOST_EVERY_NS
from mqd.ports.clock import Clock

SOCKET = "NOTIFY_SOCKET"


class Supervisor:
    """READY=1 with the first event, WATCHDOG=1 at most once a second after that, STOPPING=1."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._next_ns = 0
        self._is_ready = False

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Say that the desk lives."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + AT_MOST_EVERY_NS
            self._say("WATCHDOG=1" if self._is_ready else "READY=1\nWATCHDOG=1")
            self._is_ready = True

    def close(self, ended: str, patience_s: float) -> tuple[str, ...]:
        """Say that the desk ends."""
        self._say("STOPPING=1")
        return ()

    def _say(self, text: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto(text.encode(), self._address)
        except OSError:
            return  # a supervisor that does not listen stops nothing
