"""Alpaca's minute bars as a live feed: the stream, and the history wherever the stream has holes.

What reaches the desk is what a recorded feed would give of the same bars: every complete minute
once and in order, each session's opening before its first bar and its close when that has passed.
The first bar decides; what comes late, twice or revised is told of and left out.

Each frame goes to the inbox as it came, and then what was read from it. Minutes that the stream
did not bring (before the start, while it was lost, or just so) are asked for over REST before the
next bar goes on; a bar that follows on what the desk has had waits for no answer, and none waits
longer than an answer may take. A minute that ended while the connection was being made may have
been told a moment too early for us: it is asked for when its bar should have come.

`StreamLost` holds from the start, and from the end or the silence of a connection, until the
stream tells again and nothing is missing; meanwhile the history is asked every minute, so that
the desk still sees prices and can get out. A stream that refuses the keys for good is asked no
more; the history is, until it refuses them too, and the calendar opens and closes the sessions.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from mqd.feeds.alpaca_bars.history import BarHistory
from mqd.feeds.alpaca_bars.live_bars import STREAM, LiveBars
from mqd.feeds.alpaca_bars.source import BarsSource
from mqd.feeds.alpaca_bars.wire import BarsWire
from mqd.feeds.sequence import Sequencer
from mqd.ground.errors import InboxFullError
from mqd.model.event import StreamLost, UnreadableReceived
from mqd.ports.calendar import Calendar
from mqd.ports.clock import Clock
from mqd.ports.inbox import Arrival, Inbox
from mqd.streams.backoff import Backoff, Chance
from mqd.streams.connection import LOOK_EVERY_S, Connection
from mqd.streams.refusals import KeysRefused
from mqd.streams.thread import StreamThread

__all__ = ["STREAM", "AlpacaBars", "BarsSource"]


class AlpacaBars:
    """The live feed of some symbols, on a thread of its own, from `start` to `stop`."""

    def __init__(
        self, source: BarsSource, clock: Clock, calendar: Calendar, inbox: Inbox, chance: Chance
    ) -> None:
        self._source = source
        self._clock = clock
        self._calendar = calendar
        self._inbox = inbox
        self._sequence = Sequencer(calendar, source.symbols)
        requests = source.requests
        self._pauses = (requests.first_pause_s, requests.longest_pause_s, chance)
        self._thread = StreamThread(STREAM, self._run, Backoff(*self._pauses), self._died)

    @property
    def is_alive(self) -> bool:
        """Whether bars are listened for."""
        return self._thread.is_alive

    @property
    def failure(self) -> BaseException | None:
        """What nobody foresaw and broke the feed last; it was begun again after that."""
        return self._thread.failure

    def start(self, after_ns: int | None = None, told_ns: int | None = None) -> None:
        """Begin with what follows the bar that ended then, or with this session's open; `told_ns`
        is when the last session opened or closed that was told of.
        """
        if not self._thread.is_alive:
            symbols = self._source.symbols
            self._sequence = Sequencer(self._calendar, symbols, after_ns, told_ns)
        self._thread.start()

    def stop(self) -> bool:
        """Stop listening; True when the thread has ended. From any thread, at any time."""
        requests = self._source.requests
        return self._thread.stop(requests.connect_timeout_s + requests.read_timeout_s)

    async def _run(self) -> None:
        source = self._source
        requests = source.requests
        wire = BarsWire(source.symbols, source.keys, source.stream_url, requests, source.feed)
        history = BarHistory(source.keys, source.data_url, requests, self._clock, source.feed)
        bars = LiveBars(source, self._clock, self._calendar, self._inbox, self._sequence, history)
        bars.backoff = Backoff(*self._pauses)
        await Connection(wire, bars, Backoff(*self._pauses)).run()
        await _without_stream(bars)

    def _died(self, error: BaseException) -> None:
        at_ns = self._clock.now_ns()
        reason = f"the feed broke, and is begun again: {type(error).__name__}: {error}"
        events = (StreamLost(at_ns, STREAM), UnreadableReceived(at_ns, STREAM, reason, ""))
        with suppress(InboxFullError):  # `failure` keeps it in any case
            self._inbox.put(Arrival(None, lambda: events), is_news=False)


async def _without_stream(bars: LiveBars) -> None:
    """What is left when the keys were refused: the history while it takes them, and the calendar.

    Sessions open and close by it, bars or not: who waits for the end of one must not wait for ever.
    """
    while True:
        with suppress(KeysRefused):  # by the history too; a person was told already
            await bars.looked()
            await bars.open_session()
        await asyncio.sleep(LOOK_EVERY_S)
