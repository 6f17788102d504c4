"""What a stream of live bars and the history beside it come to: each minute once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple

from mqd.feeds.alpaca_bars.history import BarHistory
from mqd.feeds.alpaca_bars.reading import Message, MisreadError, bar_of, messages_of, text_of
from mqd.feeds.alpaca_bars.source import BarsSource
from mqd.feeds.mending import FOREIGN_SYMBOL_ROW
from mqd.feeds.sequence import BAR_TOO_EARLY, NEVER_NS, Sequencer, Source, defect_of
from mqd.ground.errors import Unavailable
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    Event,
    FrameReceived,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.ports.calendar import Calendar, Session
from mqd.ports.clock import Clock
from mqd.ports.inbox import Arrival, Inbox
from mqd.streams.backoff import Backoff
from mqd.streams.connection import Frame
from mqd.streams.outlet import Outlet
from mqd.streams.refusals import AskLater, ConnectionDropped, KeysRefused, NotPermitted
from mqd.streams.thread import away

STREAM = "bars"
_BAR, _UPDATED_BAR = "b", "u"
_CONTROL = frozenset({"success", "subscription", "error"})
_NOT_ASKED_FOR = frozenset({"t", "q", "o", "d", "s", "l", "n", "c", "x", "i"})
_PAGES_AT_ONCE = 1_000  # more than ten years; a history that never ends is none


class _Doubt(NamedTuple):
    """A minute whose bar may have been missed; `due_s` is when it is asked for, once it is over."""

    end_ns: int = NEVER_NS
    due_s: float | None = None


class LiveBars:
    """Takes frames and history to the inbox; a `Listener`.

    The history is asked in a task of its own, one question at a time; what it found and what the
    stream tells go to the inbox under one lock, so that their order there is the sequence's.
    """

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
        self._keys_in_doubt = False
        self._is_shut_out = False  # from the history
        self._connections = 0
        self._asking: asyncio.Task[None] | None = None
        self._moved_s = 0.0  # when the question that is under way got ahead last
        self._doubt = _Doubt()
        self._ended_ns = NEVER_NS  # the close that the history was asked before
        self._before_close_s = _loop_s()
        self._in_turn = asyncio.Lock()

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
        self._connections += 1
        self._doubt = _Doubt()
        self._note_life()
        self._heed_answer()
        if self._asking is None:  # else when that one has its answer
            self._ask_aside(self._catch_up())

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
        self._heed_answer()
        if self._asking is None and self._is_lost and self._may_ask(now_ns):
            self._ask_aside(self._catch_up())
        await self._end_session(now_ns)
        self._look_into_doubt(now_ns)
        if self._is_connected and self._is_silent(now_ns):
            self._is_mute = True
            raise ConnectionDropped("the stream is silent")

    async def locked_out(self, reason: str) -> None:
        """The keys do not work."""
        await self._tell(BrokerLockedOut(self._clock.now_ns(), reason))

    async def open_session(self) -> None:
        """Open the session that is under way, where no bar may come to do it; what was before it
        and is being asked for goes first.
        """
        if self._asking is not None:
            return
        async with self._in_turn:
            await self._tell(*self._sequence.open(self._clock.now_ns()))

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
            await self._tell(defect_of(bar, FOREIGN_SYMBOL_ROW, detail))
        elif kind == _UPDATED_BAR:
            await self._tell(*self._sequence.revise(bar))
        else:
            bars.append(bar)

    async def _take_live(self, bar: BarClosed, at_ns: int) -> None:
        ahead_s = self._source.most_ahead_s
        if ahead_s is not None and bar.at_ns > at_ns + round(ahead_s * NS_PER_S):
            detail = f"came at {iso_utc(at_ns)}, before its minute ended; left out"
            await self._tell(defect_of(bar, BAR_TOO_EARLY, detail))
            return
        is_new = bar.start_ns > self._sequence.latest_ns
        await self._fill_hole_before(bar.start_ns)
        await self._take([bar], Source.LIVE)
        if is_new:
            self._note_life()
            self._is_mute = False
            await self._restore()

    async def _fill_hole_before(self, start_ns: int) -> None:
        """Wait for the minutes that are missing, until no answer can be expected any more."""
        patience_s = self._source.requests.read_timeout_s
        has_asked = False
        while self._sequence.has_hole_before(start_ns):
            if self._asking is None:
                if has_asked:
                    return
                has_asked = True
                self._ask_aside(self._ask(start_ns))
            assert self._asking is not None
            left_s = self._moved_s + patience_s - _loop_s()
            if left_s <= 0.0:
                return
            await asyncio.wait((self._asking,), timeout=left_s)
            self._heed_answer()

    def _note_life(self) -> None:
        self._heard_ns = self._clock.now_ns()
        self._heard_s = _loop_s()

    def _is_silent(self, now_ns: int) -> bool:
        """Whether so many bars should have come by now that the stream cannot be well."""
        session = self._session(now_ns)
        if session is None or now_ns >= session.close_ns:
            return False
        since_ns = max(self._heard_ns - self._heard_ns % NS_PER_MINUTE, session.open_ns)
        # A clock that runs fast must not make a stream silent whose bars are on their way.
        waited_s = _loop_s() - self._heard_s
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
        if _loop_s() < self._ask_again_s:
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
        now_ns, connection = self._clock.now_ns(), self._connections
        until_ns = now_ns - now_ns % NS_PER_MINUTE
        is_of_this = self._is_connected
        if await self._ask(until_ns) and is_of_this and connection == self._connections:
            if not self._is_whole:
                had_last = self._sequence.latest_ns >= until_ns - NS_PER_MINUTE
                self._doubt = _Doubt(until_ns + NS_PER_MINUTE if had_last else until_ns)
            self._is_whole = self._is_connected
            await self._restore()

    def _look_into_doubt(self, now_ns: int) -> None:
        """Ask, once, for the minute that may have been told just before the stream told us."""
        end_ns, due_s = self._doubt
        if end_ns == NEVER_NS or now_ns < end_ns or not self._is_connected:
            return
        is_one = len(self._sequence.symbols) == 1
        if self._session(now_ns) is None or (
            is_one and self._sequence.latest_ns >= end_ns - NS_PER_MINUTE
        ):
            self._doubt = _Doubt()
        elif due_s is None:
            self._doubt = _Doubt(end_ns, _loop_s() + self._source.requests.first_pause_s)
        elif self._asking is None and _loop_s() >= max(due_s, self._ask_again_s):
            self._ask_aside(self._resolve(end_ns))

    async def _resolve(self, end_ns: int) -> None:
        if await self._ask(end_ns) and self._doubt.end_ns == end_ns:
            self._doubt = _Doubt()

    async def _restore(self) -> None:
        if self._is_lost and self._is_connected and self._is_whole and not self._is_mute:
            self._is_lost = False
            await self._tell(StreamRestored(self._clock.now_ns(), STREAM))

    async def _ask(self, until_ns: int) -> bool:
        """Take in what the history has of complete minutes; False where it did not answer."""
        self._asked_ns, self._moved_s = self._clock.now_ns(), _loop_s()
        from_ns = self._first_missing_ns(self._asked_ns)
        if from_ns is None or from_ns >= until_ns:
            return True
        if self._is_shut_out:
            return False
        try:
            bars = await self._bars(from_ns, until_ns)
        except KeysRefused as error:
            if self._keys_in_doubt:
                self._is_shut_out = True
                raise
            self._keys_in_doubt = True  # one odd answer is not the last word
            await self._rest(error)
            return False
        except (Unavailable, TimeoutError) as error:
            await self._rest(error)
            return False
        self.backoff.reset()
        self._puzzle = ""
        self._keys_in_doubt = False
        await self._take(bars, Source.HISTORY)
        return True

    def _ask_aside(self, question: Coroutine[Any, Any, object]) -> None:
        """Ask in a task of its own: who reads the stream does not wait for the answer."""

        async def asked() -> None:
            await question

        self._moved_s = _loop_s()
        self._asking = asyncio.create_task(asked())

    def _heed_answer(self) -> None:
        """Let go of a question that has its answer; what went wrong with it is raised here."""
        task = self._asking
        if task is not None and task.done():
            self._asking = None
            task.result()

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
            self._moved_s = _loop_s()
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
        self._ask_again_s = _loop_s() + pause_s
        if isinstance(error, NotPermitted) and str(error) != self._puzzle:
            self._puzzle = str(error)
            await self.puzzled(self._puzzle)

    async def _end_session(self, now_ns: int) -> None:
        """Close a session whose last bar did not come; the history is asked for it first."""
        session = self._sequence.session
        if session is None or now_ns < session.close_ns:
            self._before_close_s = _loop_s()
            return
        # An exchange that has nothing more to play stands still at its close.
        passed_ns = round((_loop_s() - self._before_close_s) * NS_PER_S)
        if max(now_ns - session.close_ns, passed_ns) < self._settling_ns:
            return
        if self._asking is not None:
            return
        if self._ended_ns != session.close_ns:
            self._ended_ns = session.close_ns
            self._ask_aside(self._ask(session.close_ns))
            return
        async with self._in_turn:
            await self._tell(*self._sequence.close(now_ns))

    async def _take(self, bars: Iterable[BarClosed], source: Source) -> None:
        """Bring bars into the sequence, and what that leads to into the inbox."""
        async with self._in_turn:
            await self._tell(*(each for bar in bars for each in self._sequence.take(bar, source)))

    async def _tell(self, *events: Event) -> None:
        if events:
            await self._outlet.put(Arrival(None, lambda: events))


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
