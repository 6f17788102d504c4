"""Alpaca's minute bars as a live feed: the stream, and the history wherever the stream has holes.

What reaches the desk is what a recorded feed would give of the same bars: every complete minute
once and in order, each session's opening before its first bar and its close when that has passed.
The first bar decides; what comes late, twice or revised is told of and left out.

Each frame goes to the inbox as it came, and then what was read from it. Minutes that the stream
did not bring (before the start, while it was lost, or just so) are asked for over REST before the
next bar goes on. `StreamLost` holds from the start, and from the end or the silence of a
connection, until the stream tells again and nothing is missing; meanwhile the history is asked
every minute, so that the desk still sees prices and can get out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import NamedTuple

from mqd.feeds.alpaca_bars.history import BarHistory
from mqd.feeds.alpaca_bars.reading import Message, MisreadError, bar_of, messages_of, text_of
from mqd.feeds.alpaca_bars.wire import BarsWire
from mqd.feeds.mending import FOREIGN_SYMBOL_ROW
from mqd.feeds.sequence import BAR_TOO_EARLY, NEVER_NS, Sequencer, Source
from mqd.ground.errors import InboxFullError, Unavailable
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    Event,
    FeedDefectFound,
    FrameReceived,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.ports.account import Keys
from mqd.ports.calendar import Calendar, Session
from mqd.ports.clock import Clock
from mqd.ports.inbox import Arrival, Inbox
from mqd.rules.watching import BrokerRequests
from mqd.streams.backoff import Backoff, Chance
from mqd.streams.connection import Connection, Frame
from mqd.streams.outlet import Outlet
from mqd.streams.refusals import AskLater, ConnectionDropped, KeysRefused, NotPermitted
from mqd.streams.thread import StreamThread, away

STREAM = "bars"
_BAR, _UPDATED_BAR = "b", "u"
_CONTROL = frozenset({"success", "subscription", "error"})
_NOT_ASKED_FOR = frozenset({"t", "q", "o", "d", "s", "l", "n", "c", "x", "i"})
_PAGES_AT_ONCE = 1_000  # more than ten years; a history that never ends is none


class BarsSource(NamedTuple):
    """Which bars, and how they are asked for; `most_ahead_s` is how far the other side's clock
    may be ahead of ours, None where our time is theirs.
    """

    symbols: tuple[str, ...]
    keys: Keys
    data_url: str
    stream_url: str
    requests: BrokerRequests
    feed: str = "iex"
    most_ahead_s: float | None = None


class AlpacaBars:
    """The live feed of some symbols, on a thread of its own, from `start` to `stop`."""

    def __init__(
        self, source: BarsSource, clock: Clock, calendar: Calendar, inbox: Inbox, chance: Chance
    ) -> None:
        self._source = source
        self._clock = clock
        self._calendar = calendar
        self._inbox = inbox
        self._chance = chance
        self._after_ns: int | None = None
        self._thread = StreamThread(STREAM, self._run, self._died)

    @property
    def is_alive(self) -> bool:
        """Whether bars are listened for."""
        return self._thread.is_alive

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed's thread against its will."""
        return self._thread.failure

    def start(self, after_ns: int | None = None) -> None:
        """Begin with what follows the bar that ended then, or with this session's open."""
        if not self._thread.is_alive:
            self._after_ns = after_ns
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
        pauses = (requests.first_pause_s, requests.longest_pause_s, self._chance)
        sequence = Sequencer(self._calendar, source.symbols, self._after_ns)
        bars = _LiveBars(source, self._clock, self._calendar, self._inbox, sequence, history)
        bars.backoff = Backoff(*pauses)
        await Connection(wire, bars, Backoff(*pauses)).run()

    def _died(self, error: BaseException) -> None:
        at_ns = self._clock.now_ns()
        reason = f"the feed's thread ended: {type(error).__name__}: {error}"
        events = (StreamLost(at_ns, STREAM), UnreadableReceived(at_ns, STREAM, reason, ""))
        with suppress(InboxFullError):  # `failure` keeps it in any case
            self._inbox.put(Arrival(None, lambda: events), is_news=False)


class _LiveBars:
    """Takes frames and history to the inbox; a `Listener`, all of it in the stream's one task."""

    backoff: Backoff

    def __init__(
        self,
        source: BarsSource,
        clock: Clock,
        calendar: Calendar,
        inbox: Inbox,
        sequence: Sequencer,
        history: BarHistory,
    ) -> None:
        self._source = source
        self._clock = clock
        self._calendar = calendar
        self._outlet = Outlet(inbox, is_news=False)
        self._sequence = sequence
        self._history = history
        requests = source.requests
        self._settling_ns = round(requests.read_timeout_s * NS_PER_S)
        self._stale_ns = requests.stale_after_bars * NS_PER_MINUTE + self._settling_ns
        self._moment_ns = round(requests.first_pause_s * NS_PER_S)
        self._is_lost = False
        self._is_connected = False
        self._is_whole = False  # the history was asked since the connection was made
        self._is_mute = False  # connected before and silent: only a bar proves that it tells
        self._heard_ns = NEVER_NS
        self._heard_s = 0.0
        self._asked_ns = NEVER_NS
        self._ask_again_s = 0.0
        self._puzzle = ""

    # ------------------------------------------------------------------- what the stream tells

    async def lost(self) -> None:
        """There is no connection, or it says nothing."""
        self._is_connected = False
        if not self._is_lost:
            self._is_lost = True
            await self._tell(StreamLost(self._clock.now_ns(), STREAM))

    async def listening(self) -> None:
        """The stream tells from now on; what was before is asked for first."""
        self._is_connected = True
        self._is_whole = False
        self._note_life()
        await self._catch_up()

    async def heard(self, frame: Frame) -> None:
        """One frame: into the inbox as it came, then what it tells."""
        at_ns = self._clock.now_ns()
        text = text_of(frame)
        was_free = await self._outlet.put(Arrival(FrameReceived(at_ns, STREAM, text), tuple))
        bars: list[BarClosed] = []
        try:
            for message in messages_of(frame):
                await self._read(message, at_ns, bars)
        except MisreadError as error:
            await self._tell(UnreadableReceived(at_ns, STREAM, str(error), text))
        for bar in sorted(bars, key=lambda bar: (bar.start_ns, bar.symbol)):
            await self._take_live(bar, at_ns)
        if not was_free:
            raise ConnectionDropped("the desk does not keep up; what came since counts as lost")

    async def looked(self) -> None:
        """Ask the history while the stream is lost; end a session; notice a silent stream."""
        now_ns = self._clock.now_ns()
        if self._is_lost and self._may_ask(now_ns):
            await self._catch_up()
        await self._end_session(now_ns)
        if self._is_connected and self._is_silent(now_ns):
            self._is_mute = True
            raise ConnectionDropped("the stream is silent")

    async def locked_out(self, reason: str) -> None:
        """The keys do not work."""
        await self._tell(BrokerLockedOut(self._clock.now_ns(), reason))

    async def puzzled(self, reason: str) -> None:
        """Something that only a person can mend."""
        await self._tell(UnreadableReceived(self._clock.now_ns(), STREAM, reason, ""))

    # ------------------------------------------------------------------------------- live bars

    async def _read(self, message: Message, at_ns: int, bars: list[BarClosed]) -> None:
        """Add a message's bar to `bars`; tell of what is not for us."""
        kind = message.get("T")
        if kind in _CONTROL or kind in _NOT_ASKED_FOR:
            return
        if kind not in {_BAR, _UPDATED_BAR}:
            reason = f"{kind!r} is no kind of message of the data stream"
            await self._tell(UnreadableReceived(at_ns, STREAM, reason, repr(message)))
            return
        try:
            bar = bar_of(message.get("S"), message)
        except MisreadError as error:
            await self._tell(UnreadableReceived(at_ns, STREAM, str(error), repr(message)))
            return
        if bar.symbol not in self._sequence.symbols:
            detail = f"left out: not {', '.join(self._sequence.symbols)}"
            await self._tell(_defect(bar, FOREIGN_SYMBOL_ROW, detail))
        elif kind == _UPDATED_BAR:
            await self._tell(*self._sequence.revise(bar))
        else:
            bars.append(bar)

    async def _take_live(self, bar: BarClosed, at_ns: int) -> None:
        ahead_s = self._source.most_ahead_s
        if ahead_s is not None and bar.at_ns > at_ns + round(ahead_s * NS_PER_S):
            detail = f"came at {iso_utc(at_ns)}, before its minute ended; left out"
            await self._tell(_defect(bar, BAR_TOO_EARLY, detail))
            return
        is_new = bar.start_ns > self._sequence.latest_ns
        if is_new and self._sequence.has_hole_before(bar.start_ns):
            await self._ask(bar.start_ns)
        await self._tell(*self._sequence.take(bar, Source.LIVE))
        if is_new:
            self._note_life()
            self._is_mute = False
            await self._restore()

    def _note_life(self) -> None:
        self._heard_ns = self._clock.now_ns()
        self._heard_s = asyncio.get_running_loop().time()

    def _is_silent(self, now_ns: int) -> bool:
        """Whether so many bars should have come by now that the stream cannot be well."""
        session = self._session(now_ns)
        if session is None or now_ns >= session.close_ns:
            return False
        since_ns = max(self._heard_ns - self._heard_ns % NS_PER_MINUTE, session.open_ns)
        # A clock that runs fast must not make a stream silent whose bars are on their way.
        waited_s = asyncio.get_running_loop().time() - self._heard_s
        return (
            now_ns - since_ns >= self._stale_ns and waited_s >= self._source.requests.first_pause_s
        )

    # --------------------------------------------------------------------------------- history

    def _session(self, now_ns: int) -> Session | None:
        """Today's session, once it has opened."""
        session = self._calendar.session_on(now_ns)
        return session if session is not None and session.open_ns <= now_ns else None

    def _first_missing_ns(self, now_ns: int) -> int | None:
        """The start of the first minute that the desk has not had; None where it begins later."""
        latest_ns = self._sequence.latest_ns
        if latest_ns != NEVER_NS:  # of several symbols some may lack the latest minute
            several = len(self._sequence.symbols) > 1
            return latest_ns if several else latest_ns - latest_ns % NS_PER_MINUTE + NS_PER_MINUTE
        session = self._session(now_ns)
        return session.open_ns if session is not None and now_ns < session.close_ns else None

    def _may_ask(self, now_ns: int) -> bool:
        """Whether the history is worth asking: never in haste, once a minute when it answers."""
        if asyncio.get_running_loop().time() < self._ask_again_s:
            return False
        if self._is_connected and not self._is_whole:
            return True
        session = self._session(now_ns)
        if session is None or now_ns >= session.close_ns + self._settling_ns:
            return False
        # A moment after the minute's end, so that its bar is there.
        minute = (now_ns - self._moment_ns) // NS_PER_MINUTE
        return minute > (self._asked_ns - self._moment_ns) // NS_PER_MINUTE

    async def _catch_up(self) -> None:
        """Ask for what is missing until now; where nothing is and the stream tells, say so."""
        now_ns = self._clock.now_ns()
        if await self._ask(now_ns - now_ns % NS_PER_MINUTE):
            self._is_whole = self._is_whole or self._is_connected
            await self._restore()

    async def _restore(self) -> None:
        if self._is_lost and self._is_connected and self._is_whole and not self._is_mute:
            self._is_lost = False
            await self._tell(StreamRestored(self._clock.now_ns(), STREAM))

    async def _ask(self, until_ns: int) -> bool:
        """Take in what the history has of complete minutes; False where it did not answer."""
        self._asked_ns = self._clock.now_ns()
        from_ns = self._first_missing_ns(self._asked_ns)
        if from_ns is None or from_ns >= until_ns:
            return True
        try:
            bars = await self._bars(from_ns, until_ns)
        except KeysRefused:
            raise
        except (Unavailable, TimeoutError) as error:
            await self._rest(error)
            return False
        self.backoff.reset()
        self._puzzle = ""
        await self._tell(
            *chain.from_iterable(self._sequence.take(bar, Source.HISTORY) for bar in bars)
        )
        return True

    async def _bars(self, from_ns: int, until_ns: int) -> list[BarClosed]:
        """All pages of the history, in time order."""
        requests = self._source.requests
        found: list[BarClosed] = []
        token: str | None = None
        for _ in range(_PAGES_AT_ONCE):
            symbols = self._sequence.symbols
            ask = partial(self._history.page, symbols, from_ns, until_ns, token)
            async with asyncio.timeout(requests.connect_timeout_s + 2 * requests.read_timeout_s):
                page = await away(ask)
            found += (bar for bar in page.bars if bar.symbol in self._sequence.symbols)
            for reason in page.misread:
                await self._tell(UnreadableReceived(self._clock.now_ns(), STREAM, reason, ""))
            token = page.token
            if token is None:
                return sorted(found, key=lambda bar: (bar.start_ns, bar.symbol))
        raise ConnectionDropped("history: it has no end")

    async def _rest(self, error: Exception) -> None:
        """Ask again later; what waiting does not mend is told, once."""
        pause_s = self.backoff.pause_s()
        if isinstance(error, AskLater):
            pause_s = max(pause_s, min(error.pause_s, self.backoff.longest_s))
        self._ask_again_s = asyncio.get_running_loop().time() + pause_s
        if isinstance(error, NotPermitted) and str(error) != self._puzzle:
            self._puzzle = str(error)
            await self.puzzled(self._puzzle)

    async def _end_session(self, now_ns: int) -> None:
        """Close a session whose last bar did not come; the history is asked for it first."""
        session = self._sequence.session
        if session is None or now_ns < session.close_ns + self._settling_ns:
            return
        await self._ask(session.close_ns)
        await self._tell(*self._sequence.close(now_ns))

    async def _tell(self, *events: Event) -> None:
        if events:
            await self._outlet.put(Arrival(None, lambda: events))


def _defect(bar: BarClosed, code: str, detail: str) -> FeedDefectFound:
    return FeedDefectFound(bar.at_ns, bar.symbol, code, bar.start_ns, detail)
