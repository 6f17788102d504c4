"""One connection after another to one stream, for as long as somebody listens.

Keys that are refused once are shown once more: only the second refusal in a row ends the stream.

All of a stream happens in one task, one thing after another: connecting, listening, what the
listener does with a message, and a look at the clock in between. So nothing needs a lock, and an
order of things in the code is their order in the inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from mqd.streams.backoff import Backoff
from mqd.streams.refusals import ConnectionDropped, KeysRefused, NotPermitted, PlaceTaken

Frame = bytes | str
_Told = TypeVar("_Told")

LOOK_EVERY_S = 0.1  # how late a watchdog may notice


class Wire(Protocol):
    """One stream of the other side, in its own words."""

    async def open(self) -> None:
        """Connect, show the keys, ask for the stream; returns when the other side said yes.

        Raises:
            Unavailable: of a kind of `mqd.streams.refusals`.
        """
        ...

    async def receive(self) -> Frame:
        """The next message; may be cancelled at any time without losing one.

        Raises:
            Unavailable: of a kind of `mqd.streams.refusals`.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection; raises nothing and does not wait for a dead peer."""
        ...


class Listener(Protocol):
    """Who takes what the stream says; a `ConnectionDropped` from here ends the connection."""

    async def lost(self) -> None:
        """There is no connection now; said once for each that ended, and at the start."""
        ...

    async def listening(self) -> None:
        """The other side said yes: from now on it tells."""
        ...

    async def heard(self, frame: Frame) -> None:
        """One message came."""
        ...

    async def looked(self) -> None:
        """Time passed; also while there is no connection."""
        ...

    async def locked_out(self, reason: str) -> None:
        """The keys do not work; the stream ends here."""
        ...

    async def puzzled(self, reason: str) -> None:
        """Something that no waiting mends: a refusal for a person, or a fault of our own."""
        ...


class Connection:
    """Connects again and again, with pauses in between, until it is cancelled or locked out."""

    def __init__(self, wire: Wire, listener: Listener, backoff: Backoff) -> None:
        self._wire = wire
        self._listener = listener
        self._backoff = backoff
        self._puzzle = ""
        self._keys_in_doubt = False

    async def run(self) -> None:
        """Listen until cancelled, or until the keys are refused."""
        await self._listener.lost()
        while True:
            pause_s = 0.0
            try:
                await self._listen()
            except KeysRefused as error:
                await self._locked_out(error)
                return
            except Exception as error:  # noqa: BLE001  # a thread that dies in silence is worse
                pause_s = await self._after(error)
            finally:
                await self._wire.close()
                _heed_stop()  # also where the keys were refused: who ran this may go on
            if not await self._pause(pause_s):
                return

    async def _listen(self) -> None:
        await self._doubting(self._wire.open())
        await self._listener.listening()
        since_s = _now_s()
        while True:
            _heed_stop()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    frame = await self._doubting(self._wire.receive())
            except TimeoutError:
                pass
            else:
                await self._listener.heard(frame)
                self._succeeded()
            if _now_s() - since_s >= self._backoff.longest_s:  # a stream may be well and quiet
                self._succeeded()
            await self._listener.looked()

    async def _doubting(self, of_wire: Awaitable[_Told]) -> _Told:
        """What the wire says, but its first word against the keys only breaks the connection."""
        try:
            return await of_wire
        except KeysRefused as error:
            if self._keys_in_doubt:
                raise
            self._keys_in_doubt = True
            raise ConnectionDropped(str(error)) from error

    def _succeeded(self) -> None:
        self._backoff.reset()
        self._puzzle = ""
        self._keys_in_doubt = False

    async def _after(self, error: Exception) -> float:
        """What one connection's end leads to; how long to wait before the next, in seconds."""
        await self._listener.lost()  # before the close: a dead peer answers no goodbye
        if isinstance(error, ConnectionDropped):
            return self._backoff.pause_s()
        if isinstance(error, PlaceTaken):
            return self._backoff.longest_pause_s()
        reason = (
            str(error) if isinstance(error, NotPermitted) else f"{type(error).__name__}: {error}"
        )
        if reason != self._puzzle:  # said once, not at every try
            self._puzzle = reason
            await self._listener.puzzled(reason)
        return self._backoff.longest_pause_s()

    async def _locked_out(self, error: KeysRefused) -> None:
        await self._listener.lost()
        await self._listener.locked_out(str(error))

    async def _pause(self, pause_s: float) -> bool:
        """Wait, looking at the clock; False where a request in between found the keys refused."""
        until_s = _now_s() + pause_s
        while (left_s := until_s - _now_s()) > 0:
            await asyncio.sleep(min(left_s, LOOK_EVERY_S))
            try:
                await self._listener.looked()
            except KeysRefused as error:
                await self._locked_out(error)
                return False
            except ConnectionDropped:
                pass  # there is none
            except Exception as error:  # noqa: BLE001  # as in `run`
                await self._after(error)
        return True


def _heed_stop() -> None:
    """End where somebody asked for it, also while the wire was busy and did not pass it on.

    websockets takes a cancellation while it says goodbye for a goodbye without an answer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _now_s() -> float:
    return asyncio.get_running_loop().time()
