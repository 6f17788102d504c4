"""The broker's news: its `trade_updates` stream, on a thread of its own.

alpaca-py's `TradingStream` connects, shows the keys and asks for the stream; `Connection` drives
it. Messages are JSON in binary frames. Nobody reads them here beyond the name of their stream:
each goes to the inbox as it came, with the way to read it.

There is no sequence number, no replay and no snapshot in this stream: what happens while it is
down is gone, so the desk compares itself with the broker after every `StreamRestored`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from mqd.ground.errors import InboxFullError
from mqd.model.event import (
    BrokerLockedOut,
    Event,
    FrameReceived,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.ports.account import Keys
from mqd.ports.clock import Clock
from mqd.ports.inbox import Arrival, Inbox
from mqd.rules.watching import BrokerRequests
from mqd.streams.alpaca import SdkWire, websocket_params
from mqd.streams.backoff import Backoff, Chance
from mqd.streams.connection import Connection, Frame
from mqd.streams.outlet import Outlet
from mqd.streams.refusals import ConnectionDropped, KeysRefused
from mqd.streams.thread import StreamThread

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports websockets' legacy client
    from alpaca.trading.stream import TradingStream

STREAM = "trade_updates"
ReadNews = Callable[[str, int], Iterable[Event]]
"""Reads one message, given as text and the instant it came; raises nothing for bad input."""


class TradeUpdates:
    """Listens to the broker's news from `start` to `stop`; all of it goes to the inbox as news.

    `StreamLost` comes at the start and whenever the connection ends, `StreamRestored` when the
    broker has said that it tells again. Refused keys end the stream with `BrokerLockedOut`.
    """

    def __init__(
        self,
        keys: Keys,
        address: str,
        requests: BrokerRequests,
        clock: Clock,
        inbox: Inbox,
        *,
        read: ReadNews,
        chance: Chance,
    ) -> None:
        """`address` is that of the stream itself; `chance` scatters the pauses of reconnecting."""
        self._wire = _TradeWire(keys, address, requests)
        self._news = _News(clock, inbox, read)
        pauses = (requests.first_pause_s, requests.longest_pause_s, chance)
        self._end_s = requests.connect_timeout_s + requests.read_timeout_s
        self._thread = StreamThread(
            STREAM,
            lambda: Connection(self._wire, self._news, Backoff(*pauses)).run(),
            Backoff(*pauses),
            self._news.died,
        )

    @property
    def is_alive(self) -> bool:
        """Whether somebody listens, or tries to."""
        return self._thread.is_alive

    @property
    def failure(self) -> BaseException | None:
        """What nobody foresaw and broke the stream last; it was begun again after that."""
        return self._thread.failure

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> bool:
        """Stop listening; True when the thread has ended. From any thread, at any time."""
        return self._thread.stop(self._end_s)


class _TradeWire(SdkWire):
    """`TradingStream` as a wire; the acknowledgement that the SDK does not await is awaited."""

    def __init__(self, keys: Keys, address: str, requests: BrokerRequests) -> None:
        self._trading = TradingStream(
            keys.key_id,
            keys.secret,
            raw_data=True,
            url_override=address,
            websocket_params=websocket_params(requests),
        )
        # Without a handler the SDK would not ask for the stream; it is never called.
        setattr(self._trading, "_trade_updates_handler", _nobody)  # noqa: B010  # pinned by a contract test; the SDK types it as None
        super().__init__(self._trading, keys, requests)

    async def _ask(self) -> None:
        await self._trading._subscribe_trade_updates()  # noqa: SLF001  # pinned by a contract test

    def _is_yes(self, frame: Frame) -> bool:
        stream, data = _control(frame)
        streams = data.get("streams")
        return stream == "listening" and isinstance(streams, list) and STREAM in streams

    def _refusal(self, frame: Frame) -> Exception | None:
        stream, data = _control(frame)
        if stream == "authorization" and data.get("status") != "authorized":
            said = f"{STREAM}: {data.get('status')} to {data.get('action')}"
            return KeysRefused(self.without_keys(said))
        if stream == "listening" and not self._is_yes(frame):
            return ConnectionDropped(f"{STREAM}: the broker does not tell")
        return None


class _News:
    """Takes what the stream says to the inbox."""

    def __init__(self, clock: Clock, inbox: Inbox, read: ReadNews) -> None:
        self._clock = clock
        self._inbox = inbox
        self._outlet = Outlet(inbox, is_news=True)
        self._read = read
        self._is_lost = False

    async def lost(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            await self._tell(StreamLost(self._clock.now_ns(), STREAM))

    async def listening(self) -> None:
        self._is_lost = False
        await self._tell(StreamRestored(self._clock.now_ns(), STREAM))

    async def heard(self, frame: Frame) -> None:
        if _control(frame)[0] in {"listening", "authorization"}:
            return
        at_ns = self._clock.now_ns()
        text = text_of(frame)
        arrival = Arrival(FrameReceived(at_ns, STREAM, text), partial(self._events, text, at_ns))
        if not await self._outlet.put(arrival):
            raise ConnectionDropped("the desk does not keep up; what came since counts as lost")

    async def looked(self) -> None:
        """Silence proves nothing here: an account without orders has no news."""

    async def locked_out(self, reason: str) -> None:
        await self._tell(BrokerLockedOut(self._clock.now_ns(), reason))

    async def puzzled(self, reason: str) -> None:
        await self._tell(UnreadableReceived(self._clock.now_ns(), STREAM, reason, ""))

    def died(self, error: BaseException) -> None:
        """Something broke: say so as well as can be, without a loop to wait in."""
        at_ns = self._clock.now_ns()
        reason = f"the stream broke, and is begun again: {type(error).__name__}: {error}"
        events = (StreamLost(at_ns, STREAM), UnreadableReceived(at_ns, STREAM, reason, ""))
        with suppress(InboxFullError):  # `failure` keeps it in any case
            self._inbox.put(Arrival(None, lambda: events), is_news=True)

    async def _tell(self, event: Event) -> None:
        await self._outlet.put(Arrival(None, lambda: (event,)))

    def _events(self, text: str, at_ns: int) -> Iterable[Event]:
        try:
            return tuple(self._read(text, at_ns))
        except Exception as error:  # noqa: BLE001  # no message may end the desk
            reason = f"{type(error).__name__}: {error}"
            return (UnreadableReceived(at_ns, STREAM, reason, text),)


def text_of(frame: Frame) -> str:
    """A frame as text; what is no UTF-8 stays visible as escapes."""
    return frame if isinstance(frame, str) else frame.decode("utf-8", errors="backslashreplace")


def _control(frame: Frame) -> tuple[str, dict[str, Any]]:
    """The stream that a message belongs to, and its data; empty where it cannot be read."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        return "", {}
    if not isinstance(message, dict) or not isinstance(message.get("stream"), str):
        return "", {}
    data = message.get("data")
    return message["stream"], data if isinstance(data, dict) else {}


async def _nobody(_message: object) -> None:
    """The handler that the SDK wants before it asks for a stream."""
