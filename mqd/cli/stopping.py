"""Stopping politely: Ctrl-C, a kill or a hang-up ends a run after an event; SIGUSR1 halts it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from mqd.runtime.clock import SystemClock

_SLICE_S = 0.05


class StopSwitch:
    """While entered, the first SIGINT or SIGTERM is a wish; the second ends the process at once.

    SIGHUP is the same wish and never more: a terminal that goes away may send several. Where it
    was ignored before, as under `nohup`, it stays ignored. SIGUSR1 ends nothing: it is a wish
    that the desk be halted.
    """

    def __init__(self) -> None:
        self.is_wanted = False
        self._is_halt_wanted = False
        self._before: dict[int, signal._HANDLER] = {}

    def wanted(self) -> bool:
        """Whether the operator has asked for the end."""
        return self.is_wanted

    def halt_wanted(self) -> bool:
        """Whether SIGUSR1 came since this was asked last."""
        was_wanted, self._is_halt_wanted = self._is_halt_wanted, False
        return was_wanted

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._heard)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._heard_hangup)
        self._before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._heard_halt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:  # the form of a handler
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True

    def _heard_hangup(self, number: int, frame: FrameType | None) -> None:  # as above
        self.is_wanted = True

    def _heard_halt(self, number: int, frame: FrameType | None) -> None:  # the form of a handler
        self._is_halt_wanted = True


class StoppableClock(SystemClock):
    """The machine's clock, whose waits end with a wish to stop and keep a screen alive."""

    def __init__(self, stop: StopSwitch) -> None:
        self._stop = stop
        self.while_waiting: Callable[[], None] = lambda: None

    def sleep(self, duration_s: float) -> None:
        """Wait, or until a stop is wanted."""
        until_s = time.monotonic() + duration_s
        while not self._stop.is_wanted:
            self.while_waiting()  # also where there is no time to wait
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(left_s, _SLICE_S))
