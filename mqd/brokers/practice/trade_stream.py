"""The stream `trade_updates`: JSON in binary frames, after authenticate and listen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from mqd.brokers.practice.access import Access
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.fault_kinds import NEWS
from mqd.brokers.practice.faults import Fault
from mqd.brokers.practice.sockets import Connection
from mqd.brokers.practice.wire import Json

TRADE_UPDATES = "trade_updates"


class TradeStream:
    """Tells every listener what happens to orders; nothing is told again, nothing is numbered."""

    def __init__(self, exchange: Exchange, access: Access) -> None:
        self.connections: set[Connection] = set()
        self._exchange = exchange
        self._access = access
        self._mute_bars = 0
        self._shut_until_s = 0.0
        self._held: list[tuple[int, bytes]] = []  # frames that wait for so many bars
        self._behind: list[bytes] = []  # frames that wait for the next one
        exchange.tell = self.publish

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One client, from its handshake to its end."""
        if asyncio.get_running_loop().time() < self._shut_until_s:
            return web.Response(status=429, text="too many connections")
        connection = Connection()
        await connection.open(request)
        self.connections.add(connection)
        try:
            is_authorized = False
            async for frame in connection.frames():
                message = _read(frame)
                data = message.get("data") or {}
                if message.get("action") in {"authenticate", "auth"}:
                    is_authorized = self._access.opens(
                        str(data.get("key_id") or message.get("key") or ""),
                        str(data.get("secret_key") or message.get("secret") or ""),
                    )
                    connection.put(_authorization("authenticate", is_authorized=is_authorized))
                elif message.get("action") == "listen" and not is_authorized:
                    connection.put(_authorization("listen", is_authorized=False))
                elif message.get("action") == "listen":
                    streams = [name for name in data.get("streams", []) if name == TRADE_UPDATES]
                    connection.is_listening = bool(streams)
                    connection.is_mute = self._mute_bars > 0
                    connection.put(_packed({"stream": "listening", "data": {"streams": streams}}))
        finally:
            self.connections.discard(connection)
            connection.forget()
        return connection.socket

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return any(each.is_listening for each in self.connections)

    def publish(self, event: str, symbol: str, frame: Json) -> None:
        """Tell one event, as the planned faults let it through."""
        exchange = self._exchange
        fault = exchange.faults.take(NEWS, exchange.now_ns, event=event, symbol=symbol)
        packed = _packed(frame)
        match fault.kind if fault is not None else "":
            case "":
                self._send(packed)
            case "event_dropped":
                pass
            case "event_duplicated":
                self._send(packed)
                self._send(packed)
            case "event_reordered":
                self._behind.append(packed)
                return
            case "event_delayed":
                assert fault is not None
                self._held.append((int(fault.shape["bars"]), packed))
            case _:
                assert fault is not None
                self._send(_mutated(fault, frame))
        late, self._behind = self._behind, []
        for each in late:
            self._send(each)

    def _send(self, packed: bytes) -> None:
        for connection in self.connections:
            if connection.is_listening:
                connection.put(packed)

    def bar_passed(self) -> None:
        """A bar passed: what was held back for it is told, and a mute stream may speak again."""
        due = [packed for bars, packed in self._held if bars <= 1]
        self._held = [(bars - 1, packed) for bars, packed in self._held if bars > 1]
        if self._mute_bars:
            self.mute(self._mute_bars - 1)
        for packed in due:
            self._send(packed)

    def mute(self, bars: int) -> None:
        """Say nothing for so many bars."""
        self._mute_bars = bars
        for connection in self.connections:
            connection.is_mute = bars > 0

    def keep_out(self, seconds: float) -> None:
        """Let nobody in for so long."""
        self._shut_until_s = asyncio.get_running_loop().time() + seconds


def _read(frame: bytes | str) -> Json:
    try:
        message = json.loads(frame)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _packed(message: Json) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _authorization(action: str, *, is_authorized: bool) -> bytes:
    status = "authorized" if is_authorized else "unauthorized"
    return _packed({"stream": "authorization", "data": {"status": status, "action": action}})


def _mutated(fault: Fault, frame: Json) -> bytes:
    """The frame with what the fault does to it."""
    data: dict[str, Any] = dict(frame["data"])
    if fault.kind == "event_not_json":
        return _packed(frame)[:-20]
    if fault.kind == "event_unknown_word":
        data["event"] = fault.shape["word"]
    elif fault.kind == "event_unknown_status":
        data["order"] = {**data["order"], "status": fault.shape["word"]}
    else:
        holder, _, field = str(fault.shape["field"]).rpartition(".")
        if holder:
            data[holder] = {name: value for name, value in data[holder].items() if name != field}
        else:
            data.pop(field, None)
    return _packed({**frame, "data": data})
