"""One websocket connection of a client, and the ways in which it may go wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

_DRAIN_S = 2.0
_PONG_S = 1.0


class Connection:
    """Frames wait in a queue of their own, so one slow client holds nobody up.

    A mute connection loses what is put; a half-dead one does so too and answers no ping.
    """

    def __init__(self) -> None:
        self.socket = web.WebSocketResponse(autoping=False, heartbeat=None)
        self.is_mute = False
        self.is_half_dead = False
        self.is_listening = False
        self.path = ""
        self._request: web.Request | None = None
        self._frames: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None
        self._ponged = asyncio.Event()

    async def open(self, request: web.Request) -> None:
        """Shake hands and begin to send."""
        self._request = request
        self.path = request.path
        await self.socket.prepare(request)
        self._sender = asyncio.create_task(self._send_all())

    def put(self, frame: bytes | str) -> None:
        """Send one frame when it is its turn: bytes as a binary one, text as text."""
        if not (self.is_mute or self.is_half_dead):
            self._frames.put_nowait(frame)

    async def _send_all(self) -> None:
        while True:
            frame = await self._frames.get()
            with contextlib.suppress(ConnectionError, RuntimeError):
                if isinstance(frame, bytes):
                    await self.socket.send_bytes(frame)
                else:
                    await self.socket.send_str(frame)
            self._frames.task_done()

    async def frames(self) -> AsyncIterator[bytes | str]:
        """What the client sends, until it or `drop` ends the connection."""
        async for message in self.socket:
            if message.type is WSMsgType.PONG:
                self._ponged.set()
            elif message.type is WSMsgType.PING and not self.is_half_dead:
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await self.socket.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY} and not self.is_half_dead:
                yield message.data

    async def drained(self) -> None:
        """Wait until what was put is with the network."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._frames.join(), _DRAIN_S)

    async def read(self) -> None:
        """Wait until the client has read what it was sent: its pong comes after that."""
        await self.drained()
        self._ponged.clear()
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            await self.socket.ping()
            await asyncio.wait_for(self._ponged.wait(), _PONG_S)

    def drop(self) -> None:
        """Break the connection without a word."""
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()

    async def close(self) -> None:
        """End it politely."""
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            await asyncio.wait_for(self.socket.close(), _DRAIN_S)
        self.forget()

    def forget(self) -> None:
        """The connection is gone: nothing is sent any more."""
        if self._sender is not None:
            self._sender.cancel()
