"""A file that is touched while the desk takes events: its age says whether the desk lives."""

from __future__ import annotations

from pathlib import Path

from mqd.engine.state import DeskState
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_S
from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.ports.clock import Clock

AT_MOST_EVERY_NS = NS_PER_S


class Heartbeat:
    """Touches the file after an event, at most once a second."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Touch it for the first time.

        Raises:
            SettingsError: it cannot be touched.
        """
        self._path = path
        self._clock = clock
        self._next_ns = 0
        try:
            path.touch()
        except OSError as error:
            raise SettingsError(
                f"heartbeat_file: {path} cannot be touched: {error.strerror}"
            ) from (error)

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Touch the file if a second has passed; a disk that refuses it stops nothing."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + AT_MOST_EVERY_NS
            try:
                self._path.touch()
            except OSError:
                return  # the file grows old, and that is what it is for

    def close(self, ended: str, patience_s: float) -> tuple[str, ...]:
        """Leave the file as it is: it grows old."""
        return ()
