"""What may break in between two events: buttons, wherever they are pressed, and daily values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mqd.ground.times import NS_PER_S
from mqd.model.event import OperatorActed, SeriesValueTold
from mqd.ports.clock import Clock

Interruption = OperatorActed | SeriesValueTold
Source = Callable[[], Iterable[Interruption]]

_ASKED_EVERY_NS = NS_PER_S // 5


class Interruptions:
    """Asks every source, at most five times a second; the first time at once.

    A source is asked for its next button only when the desk has taken the one before it. Those
    of `each_time` are asked whenever the desk listens: what they tell is gone with the process.
    """

    def __init__(
        self, clock: Clock, sources: Iterable[Source], each_time: Iterable[Source] = ()
    ) -> None:
        self._clock = clock
        self._sources = tuple(sources)
        self._each_time = tuple(each_time)
        self._next_ns = 0

    def __call__(self) -> Iterator[Interruption]:
        """The buttons that were pressed since, in the order of the sources."""
        for source in self._each_time:
            yield from source()
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + _ASKED_EVERY_NS
            for source in self._sources:
                yield from source()
