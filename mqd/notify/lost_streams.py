"""Streams that stay lost: a short break is daily life, a long one needs a person."""

from __future__ import annotations

from collections.abc import Iterator

from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_S
from mqd.notify.telling import Told


class LostStreams:
    """Remembers since when each stream is down, by the desk's time."""

    def __init__(self, lost_after_ns: int) -> None:
        self._lost_after_ns = lost_after_ns
        self._since_ns: dict[str, int] = {}
        self._told: set[str] = set()

    def look(self, state: DeskState) -> Iterator[Told]:
        """Streams that are down for long, once each, and those of them that are back."""
        if not (state.streams_down or self._since_ns):
            return
        for stream in sorted(state.streams_down):
            lost_ns = state.now_ns - self._since_ns.setdefault(stream, state.now_ns)
            if lost_ns >= self._lost_after_ns and stream not in self._told:
                self._told.add(stream)
                text = f"the stream {stream} is lost {_for(lost_ns)}; nothing is opened meanwhile"
                yield Told("streams", (stream, "lost"), text, "failure")
        for stream in sorted(self._since_ns.keys() - state.streams_down):
            lost_ns = state.now_ns - self._since_ns.pop(stream)
            if stream in self._told:
                self._told.remove(stream)
                text = f"the stream {stream} is back, it was lost {_for(lost_ns)}"
                yield Told("streams", (stream, "back"), text, "info")


def _for(duration_ns: int) -> str:
    seconds = duration_ns // NS_PER_S
    return f"for {seconds} s" if seconds < 120 else f"for {seconds // 60} min"
