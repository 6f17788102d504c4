"""Live: one ordered stream of events out of an inbox, with the time that passes in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.event import BarClosed, ClockTicked, Event, UnreadableReceived
from mqd.ports.clock import Clock
from mqd.ports.inbox import Arrival
from mqd.runtime.inbox import BoundedInbox

_LISTEN_S = 0.05  # how long a stop or a button may wait for the inbox
_SIGN_OF_LIFE_NS = NS_PER_MINUTE  # a journal that nothing comes into looks like a dead desk


class LiveStream:
    """What comes in, frame before what is read from it, and the time that passes in between.

    `between` is called whenever nothing waits: there is time to make things durable and to look
    at the buttons. Every `tick_s` time is looked at: a tick comes where it `matters`, and once a
    minute. One comes before what came in if the last is older than that, and before each bar, so
    that the desk knows how old the bar is that it decides on.

    A wish to stop is heard between two messages: one that was taken is told to its end.
    """

    def __init__(
        self,
        inbox: BoundedInbox,
        clock: Clock,
        *,
        tick_s: float,
        matters: Callable[[ClockTicked], bool] = lambda _tick: True,
        between: Callable[[], None] = lambda: None,
        stop_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._tick_ns = round(tick_s * NS_PER_S)
        self._told_ns = self._looked_ns = clock.now_ns()
        self._matters = matters
        self._between = between
        self._stop_wanted = stop_wanted

    def __iter__(self) -> Iterator[Event]:
        while not self._stop_wanted():
            arrival = self._inbox.get(_LISTEN_S)
            if arrival is not None:
                yield from self._told(arrival)
            else:
                self._between()
            yield from self._look()

    def rest(self) -> Iterator[Event]:
        """The news that waits now, and nothing that is still to come.

        Bars are left: a desk that ends must decide on none, and the next start asks for them.
        """
        while (arrival := self._inbox.get_news()) is not None:
            yield from self._told(arrival)

    def _look(self) -> Iterator[Event]:
        """A tick, where it would lead to anything."""
        now_ns = self._clock.now_ns()
        if now_ns - self._looked_ns < self._tick_ns:
            return
        self._looked_ns = now_ns
        is_due = now_ns - self._told_ns >= max(self._tick_ns, _SIGN_OF_LIFE_NS)
        if is_due or self._matters(ClockTicked(now_ns)):
            yield self._tick(now_ns)

    def _told(self, arrival: Arrival) -> Iterator[Event]:
        now_ns = self._clock.now_ns()
        if now_ns - self._told_ns >= self._tick_ns:  # news is judged by the time at which it came
            yield self._tick(now_ns)
        if arrival.frame is not None:
            yield arrival.frame
        try:
            events = tuple(arrival.read())
        except Exception as error:  # noqa: BLE001  # no message may end the desk
            yield self._unreadable(arrival, error)
            return
        for event in events:
            if type(event) is BarClosed:
                yield self._tick(max(self._clock.now_ns(), event.at_ns))
            yield event

    def _tick(self, now_ns: int) -> ClockTicked:
        self._told_ns = self._looked_ns = now_ns
        return ClockTicked(now_ns)

    def _unreadable(self, arrival: Arrival, error: Exception) -> UnreadableReceived:
        frame = arrival.frame
        stream, text = ("answer", "") if frame is None else (frame.stream, frame.text)
        reason = f"{type(error).__name__}: {error}"
        return UnreadableReceived(self._clock.now_ns(), stream, reason, text)
