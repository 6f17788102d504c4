"""The stream of bars: arrays of messages in msgpack, after auth and subscribe; one connection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import msgpack
from aiohttp import web

from mqd.brokers.practice.access import Access
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.faults import Fault
from mqd.brokers.practice.sockets import Connection
from mqd.brokers.practice.wire import Json, bar_json
from mqd.ground.times import iso_utc
from mqd.model.event import BarClosed

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
_CHANNEL_OF = {"b": "bars", "u": "updatedBars", "s": "statuses"}
_AUTH_TIMEOUT_S = 10.0
_HALTED = {"sc": "H", "sm": "Trading Halt", "rc": "M", "rm": "LULD Trading Pause", "z": "B"}
_RESUMED = {"sc": "T", "sm": "Trading Resumption", "rc": "M", "rm": "LULD Trading Pause", "z": "B"}


@dataclass(eq=False)
class Listener:
    """One client of the stream: its connection, how it reads, what it wants."""

    connection: Connection
    is_msgpack: bool
    is_authenticated: bool = False
    wanted: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in CHANNELS})

    def wants(self, message: Json) -> bool:
        """Whether it has subscribed to this message."""
        symbols = self.wanted.get(_CHANNEL_OF[message["T"]], set())
        return message["S"] in symbols or "*" in symbols

    def put(self, *messages: Json) -> None:
        """Send one array of messages; `t_ns` in them is an instant."""
        self.connection.put(_packed(messages, is_msgpack=self.is_msgpack))


class BarStream:
    """Tells bars as they close to the one client that an account may have here."""

    def __init__(self, exchange: Exchange, access: Access) -> None:
        self.listeners: set[Listener] = set()
        self.subscribed = asyncio.Event()
        self._exchange = exchange
        self._access = access
        self._mute_bars = 0
        self._taken_until_s = 0.0
        self._late: list[tuple[int, Json]] = []  # messages that wait for so many bars

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One client, from its handshake to its end."""
        connection = Connection()
        await connection.open(request)
        kind = request.headers.get("Content-Type", "")
        listener = Listener(connection, is_msgpack=kind == "application/msgpack")
        listener.put({"T": "success", "msg": "connected"})
        self.listeners.add(listener)
        impatience = asyncio.create_task(self._refuse_silence(listener))
        try:
            async for frame in connection.frames():
                if not self._heard(listener, frame):
                    await connection.drained()
                    await connection.close()
        finally:
            impatience.cancel()
            self.listeners.discard(listener)
            connection.forget()
            if not self.is_heard:
                self.subscribed.clear()
        return connection.socket

    async def _refuse_silence(self, listener: Listener) -> None:
        await asyncio.sleep(_AUTH_TIMEOUT_S)
        if not listener.is_authenticated:
            listener.put(_error(404, "auth timeout"))
            await listener.connection.drained()
            await listener.connection.close()

    def _heard(self, listener: Listener, frame: bytes | str) -> bool:
        """Answer one message; False ends the connection."""
        message = _read(frame, is_msgpack=listener.is_msgpack)
        action = message.get("action")
        if action == "auth":
            return self._authenticate(listener, message)
        if action not in {"subscribe", "unsubscribe"}:
            listener.put(_error(400, "invalid syntax"))
            return True
        if not listener.is_authenticated:
            listener.put(_error(401, "not authenticated"))
            return False
        for name in CHANNELS:
            symbols = set(message.get(name) or ())
            if action == "subscribe":
                listener.wanted[name] |= symbols
            else:
                listener.wanted[name] -= symbols
        told = {name: sorted(symbols) for name, symbols in listener.wanted.items()}
        listener.put({"T": "subscription", **told})
        listener.connection.is_mute = self._mute_bars > 0
        if self.is_heard:
            self.subscribed.set()
        return True

    def _authenticate(self, listener: Listener, message: Json) -> bool:
        if listener.is_authenticated:
            listener.put(_error(403, "already authenticated"))
            return True
        if not self._access.opens(str(message.get("key")), str(message.get("secret"))):
            listener.put(_error(402, "auth failed"))
            return False
        is_taken = asyncio.get_running_loop().time() < self._taken_until_s
        if is_taken or any(each.is_authenticated for each in self.listeners):
            listener.put(_error(406, "connection limit exceeded"))
            return False
        listener.is_authenticated = True
        listener.put({"T": "success", "msg": "authenticated"})
        return True

    @property
    def is_heard(self) -> bool:
        """Whether somebody has subscribed to bars."""
        return any(each.wanted["bars"] for each in self.listeners)

    @property
    def connections(self) -> list[Connection]:
        """The connections there are."""
        return [each.connection for each in self.listeners]

    def publish(self, bar: BarClosed, fault: Fault | None) -> None:
        """Tell one bar, as the planned fault lets it through."""
        message = {"T": "b", "S": bar.symbol, "t_ns": bar.start_ns, **bar_json(bar)}
        match fault.kind if fault is not None else "":
            case "":
                self._send(message)
            case "bar_duplicated":
                self._send(message)
                self._send(message)
            case "bar_late":
                assert fault is not None
                self._late.append((int(fault.shape["bars"]), message))
            case "bar_absurd":
                assert fault is not None
                self._send({**message, str(fault.shape["field"]): fault.shape["value"]})
            case "bar_updated":
                assert fault is not None
                self._send(message)
                self._late.append((1, self._updated(bar, fault)))

    def _updated(self, bar: BarClosed, fault: Fault) -> Json:
        """The corrected bar; REST tells the correction from now on."""
        told = bar_json(bar)
        name, value = str(fault.shape["field"]), fault.shape["value"]
        if value is None:
            value = told["v"] + 100 if name == "v" else round(told[name] + 0.01, 4)
        told[name] = value
        told["h"], told["l"] = max(told["h"], told["c"]), min(told["l"], told["c"])
        numbers = (float(told[each]) for each in ("o", "h", "l", "c", "v"))
        self._exchange.market.add(BarClosed(bar.at_ns, bar.symbol, bar.start_ns, *numbers))
        return {"T": "u", "S": bar.symbol, "t_ns": bar.start_ns, **told}

    def bar_passed(self) -> None:
        """A bar passed: what was held back for it is told, and a mute stream may speak again."""
        if self._mute_bars:
            self.mute(self._mute_bars - 1)
        due = [message for bars, message in self._late if bars <= 0]
        self._late = [(bars - 1, message) for bars, message in self._late if bars > 0]
        for message in due:
            self._send(message)

    def tell_status(self, symbol: str, *, is_halted: bool) -> None:
        """Tell of a halt, or of its end."""
        words = _HALTED if is_halted else _RESUMED
        self._send({"T": "s", "S": symbol, "t_ns": self._exchange.now_ns, **words})

    def _send(self, message: Json) -> None:
        for listener in self.listeners:
            if listener.wants(message):
                listener.put(message)

    def mute(self, bars: int) -> None:
        """Say nothing for so many bars."""
        self._mute_bars = bars
        for connection in self.connections:
            connection.is_mute = bars > 0

    def keep_out(self, seconds: float) -> None:
        """Let nobody in for so long: the place of the one connection stays taken."""
        self._taken_until_s = asyncio.get_running_loop().time() + seconds


def _error(code: int, words: str) -> Json:
    return {"T": "error", "code": code, "msg": words}


def _packed(messages: tuple[Json, ...], *, is_msgpack: bool) -> bytes | str:
    told: list[dict[str, Any]] = []
    for message in messages:
        plain = {name: value for name, value in message.items() if name != "t_ns"}
        if "t_ns" in message:
            at_ns = message["t_ns"]
            plain["t"] = msgpack.Timestamp.from_unix_nano(at_ns) if is_msgpack else iso_utc(at_ns)
        told.append(plain)
    if is_msgpack:
        packed: bytes = msgpack.packb(told)
        return packed
    return json.dumps(told)


def _read(frame: bytes | str, *, is_msgpack: bool) -> Json:
    try:
        message = msgpack.unpackb(frame) if is_msgpack else json.loads(frame)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
