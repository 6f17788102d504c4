"""What the two streams of alpaca-py have in common.

Of the SDK's streams we use how they connect (address, headers, protocol), how they show the keys
and how they ask for a stream. Their loop we do not use: it tells nobody that a connection was
lost or made, tries refused keys for ever, ends in silence without a subscription, and logs and
forgets whatever goes wrong in a handler. `Connection` is the loop instead.

These private names of alpaca-py are leant on, and `tests/alpaca/test_stream_contract.py` pins
each: `_connect`, `_auth`, `_ws`, `close`, and how each stream asks.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Protocol

from mqd.ground.errors import Unavailable
from mqd.ports.account import Keys
from mqd.rules.watching import BrokerRequests
from mqd.streams.connection import Frame
from mqd.streams.refusals import ConnectionDropped, PlaceTaken

with warnings.catch_warnings():
    # alpaca-py is built on what websockets calls its legacy client; a release that has none
    # is kept out by the pinned version.
    warnings.simplefilter("ignore", DeprecationWarning)
    from websockets.legacy.client import WebSocketClientProtocol
    from websockets.legacy.exceptions import InvalidStatusCode

_MOST_QUEUED_FRAMES = 1024
_LARGEST_FRAME_BYTES = 1 << 22
# websockets logs every frame at the level DEBUG, and the keys go out in one.
_NO_LOG = logging.getLogger("mqd.streams.websockets")
_NO_LOG.disabled = True
_NO_PLACE = frozenset({406, 429})


class SdkStream(Protocol):
    """What we use of alpaca-py's `TradingStream` and `StockDataStream`."""

    _ws: Any

    async def _connect(self) -> None: ...
    async def _auth(self) -> None: ...
    async def close(self) -> None:
        """Close the connection, if there is one."""
        ...


class _Hearing(WebSocketClientProtocol):
    """Keeps the last frame as it came, which the SDK's own words about it do not."""

    last: Frame | None = None

    async def recv(self) -> Frame:
        frame: Frame = await super().recv()
        self.last = frame
        return frame


def websocket_params(requests: BrokerRequests) -> dict[str, Any]:
    """Every parameter of the connection: what is given replaces the SDK's own dictionary.

    A peer that answers no ping within the read timeout counts as gone.
    """
    return {
        "create_protocol": _Hearing,
        "logger": _NO_LOG,
        "open_timeout": requests.connect_timeout_s,
        "close_timeout": requests.connect_timeout_s,
        "ping_interval": requests.read_timeout_s,
        "ping_timeout": requests.read_timeout_s,
        "max_queue": _MOST_QUEUED_FRAMES,
        "max_size": _LARGEST_FRAME_BYTES,
    }


class SdkWire(ABC):
    """A stream of alpaca-py as a `Wire`; what its words mean is for each stream to say."""

    def __init__(self, sdk: SdkStream, keys: Keys, requests: BrokerRequests) -> None:
        self._sdk = sdk
        self._keys = keys
        self._requests = requests
        self._early: deque[Frame] = deque()

    async def open(self) -> None:
        """Connect, show the keys, ask for the stream; returns when the other side said yes.

        Raises:
            Unavailable: of a kind of `mqd.streams.refusals`.
        """
        self._early.clear()
        patience_s = self._requests.connect_timeout_s + self._requests.read_timeout_s
        try:
            async with asyncio.timeout(patience_s):
                await self._sdk._connect()  # noqa: SLF001  # pinned by a contract test
                await self._sdk._auth()  # noqa: SLF001  # as above
                await self._ask()
                await self._acknowledged()
        except Exception as error:
            raise self._kind_of(error) from error

    async def receive(self) -> Frame:
        """The next message.

        Raises:
            Unavailable: the connection ended, or the other side ends it with a reason.
        """
        if self._early:
            return self._early.popleft()
        try:
            frame: Frame = await self._sdk._ws.recv()  # noqa: SLF001  # pinned by a contract test
        except Exception as error:
            raise ConnectionDropped(self.without_keys(_said(error))) from error
        self._refuse(frame)
        return frame

    async def close(self) -> None:
        """Let go of the connection without waiting longer than a connection may take."""
        try:
            async with asyncio.timeout(self._requests.connect_timeout_s):
                await self._sdk.close()
        except Exception:  # noqa: BLE001, S110  # it is gone in any case
            pass

    def without_keys(self, text: str) -> str:
        """The text with our keys taken out: the other side may quote them."""
        for key in (self._keys.secret, self._keys.key_id):
            text = text.replace(key, "(key)") if key else text
        return text

    @abstractmethod
    async def _ask(self) -> None:
        """Ask for the stream."""

    @abstractmethod
    def _is_yes(self, frame: Frame) -> bool:
        """Whether this is the other side's yes."""

    @abstractmethod
    def _refusal(self, frame: Frame) -> Exception | None:
        """What a message says against the connection, if it does."""

    async def _acknowledged(self) -> None:
        while True:
            frame = await self._sdk._ws.recv()  # noqa: SLF001  # pinned by a contract test
            self._refuse(frame)
            if self._is_yes(frame):
                return
            self._early.append(frame)

    def _refuse(self, frame: Frame) -> None:
        refusal = self._refusal(frame)
        if refusal is not None:
            raise refusal

    def _kind_of(self, error: Exception) -> Exception:
        """The refusal behind whatever the SDK or the socket raised while connecting."""
        if isinstance(error, Unavailable):
            return error
        if isinstance(error, InvalidStatusCode):
            said = f"HTTP {error.status_code}"
            # Keys are refused in a message of the stream; before it there are only gateways.
            return (PlaceTaken if error.status_code in _NO_PLACE else ConnectionDropped)(said)
        last = getattr(self._sdk._ws, "last", None)  # noqa: SLF001  # pinned by a contract test
        refusal = None if last is None else self._refusal(last)
        if refusal is not None:
            return refusal
        return ConnectionDropped(self.without_keys(_said(error)))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
