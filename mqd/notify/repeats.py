"""What repeats is told once and then counted, until its time is over. Time is the desk's."""

from __future__ import annotations

from dataclasses import dataclass

from mqd.notify.telling import Told


@dataclass(slots=True)
class _Window:
    """The time in which repeats are only counted, how many came, and the last of them."""

    until_ns: int
    last: Told
    count: int = 0


class Repeats:
    """Holds back what is the same as something told less than `again_after_ns` ago."""

    def __init__(self, again_after_ns: int) -> None:
        self._again_after_ns = again_after_ns
        self._windows: dict[tuple[str, tuple[str, ...]], _Window] = {}
        self._next_ns = 0

    def is_new(self, told: Told, now_ns: int) -> bool:
        """Whether to tell it now; otherwise it is counted."""
        key = told.kind, told.key
        window = self._windows.get(key)
        if window is not None and now_ns < window.until_ns:
            window.count += 1
            window.last = told
            return False
        self._open(told, now_ns)
        return True

    def due(self, now_ns: int) -> list[Told]:
        """What was held back and whose time is over, each once with its number."""
        if not self._windows or now_ns < self._next_ns:
            return []
        over = {key: window for key, window in self._windows.items() if now_ns >= window.until_ns}
        for key in over:
            del self._windows[key]
        again = [window for window in over.values() if window.count]
        for window in again:
            self._open(window.last, now_ns)
        self._next_ns = min((each.until_ns for each in self._windows.values()), default=0)
        return [_counted(window) for window in again]

    def rest(self) -> list[Told]:
        """All that is held back, for the end."""
        held = [_counted(window) for window in self._windows.values() if window.count]
        self._windows.clear()
        return held

    def _open(self, told: Told, now_ns: int) -> None:
        until_ns = now_ns + self._again_after_ns
        self._next_ns = min(self._next_ns, until_ns) if self._windows else until_ns
        self._windows[told.kind, told.key] = _Window(until_ns, told)


def _counted(window: _Window) -> Told:
    times = "once more" if window.count == 1 else f"{window.count} times more"
    return window.last._replace(text=f"{times}, last: {window.last.text}")
