"""Two small servers that speak Alpaca's stream protocols over real sockets, and misbehave."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgpack
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from mqd.ground.errors import InboxFullError
from mqd.ground.times import NS_PER_MINUTE, iso_utc
from mqd.model.event import BarClosed, Event, FrameReceived
from mqd.ports.account import Keys
from mqd.ports.inbox import Arrival
from mqd.rules.watching import BrokerRequests

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets.legacy
    import alpaca.trading.client
    import alpaca.trading.stream  # noqa: F401  # so that the tests may import it without a word

KEYS = Keys("PKTEST", "a secret")
REQUESTS = BrokerRequests(
    connect_timeout_s=0.5,
    read_timeout_s=0.5,
    most_per_minute=180,
    kept_for_exits=0.4,
    most_queued=10,
    first_pause_s=0.02,
    longest_pause_s=0.3,
    stale_after_bars=2,
    tick_s=1.0,
    most_clock_offset_s=1.0,
    symbols_every_s=900.0,
    history_page=500,
)


def until(told: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until something holds; fails where it does not in time."""
    end = time.monotonic() + within_s
    while not told():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class ListInbox:
    """An inbox as the loop empties it, at once: what was told, in order."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.lanes: set[bool] = set()
        self.is_full = False

    def put(self, arrival: Arrival, *, is_news: bool) -> None:
        if self.is_full:
            raise InboxFullError("full")
        self.lanes.add(is_news)
        if arrival.frame is not None:
            self.told.append(arrival.frame)
        self.told.extend(arrival.read())

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def names(self) -> list[str]:
        """What was told but the raw frames, by its class."""
        return [type(event).__name__ for event in self.told if not isinstance(event, FrameReceived)]


class HandClock:
    """A clock that a test moves."""

    def __init__(self, now_ns: int = 0) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


class SocketServer:
    """A websocket server in a thread; `connected` counts who came, `live` is who stayed."""

    def __init__(self) -> None:
        self.connected = 0
        self.came_s: list[float] = []
        self.said: list[Any] = []
        self.live: ServerConnection | None = None
        self.is_ready = threading.Event()
        self.http_status: int | None = None
        self.key = KEYS
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        self.is_ready.wait()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def _run(self) -> None:
        async with serve(
            self._handle, "127.0.0.1", 0, process_request=self._http, close_timeout=0.1
        ) as server:
            self._port = self._port_of(server)
            self.is_ready.set()
            await self._stop.wait()

    @staticmethod
    def _port_of(server: Server) -> int:
        return int(next(iter(server.sockets)).getsockname()[1])

    def _http(self, connection: ServerConnection, _request: object) -> Any:
        if self.http_status is None:
            return None
        self._count()
        return connection.respond(HTTPStatus(self.http_status), "no")

    def _count(self) -> None:
        self.connected += 1
        self.came_s.append(time.monotonic())

    async def _handle(self, connection: ServerConnection) -> None:
        self._count()
        try:
            await self.talk(connection)
        except ConnectionClosed:
            pass
        finally:
            if self.live is connection:
                self.live = None

    async def talk(self, connection: ServerConnection) -> None:
        raise NotImplementedError

    async def stay(self, connection: ServerConnection) -> None:
        self.live = connection
        await connection.wait_closed()

    def send(self, *frames: bytes | str) -> None:
        async def go() -> None:
            for frame in frames:
                await self.live.send(frame)

        self.do(go())

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def drop(self) -> None:
        """The line is cut: no goodbye."""
        live = self.live
        self.live = None
        self._loop.call_soon_threadsafe(live.transport.abort)

    def half_die(self) -> None:
        """Nothing is read any more, so no ping is answered; the line stays open."""
        self._loop.call_soon_threadsafe(self.live.transport.pause_reading)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


class TradeServer(SocketServer):
    """`/stream`: JSON in binary frames. `acks` may be emptied: it never says yes then."""

    def __init__(self) -> None:
        self.acks = True
        self.garbage_first: bytes | None = None
        super().__init__()

    async def talk(self, connection: ServerConnection) -> None:
        said = json.loads(await connection.recv())
        self.said.append(said)
        if self.garbage_first is not None:
            await connection.send(self.garbage_first)
            return
        data = said["data"]
        is_known = (data["key_id"], data["secret_key"]) == (self.key.key_id, self.key.secret)
        status = "authorized" if is_known else "unauthorized"
        await self.tell(connection, "authorization", status=status, action="authenticate")
        listen = json.loads(await connection.recv())
        self.said.append(listen)
        if self.acks:
            await self.tell(connection, "listening", streams=listen["data"]["streams"])
        await self.stay(connection)

    async def tell(self, connection: ServerConnection, stream: str, **data: Any) -> None:
        await connection.send(json.dumps({"stream": stream, "data": data}).encode())

    def news(self, number: int) -> bytes:
        return json.dumps(
            {"stream": "trade_updates", "data": {"event": "fill", "number": number}}
        ).encode()


class DataServer(SocketServer):
    """`/v2/iex`: msgpack; `errors` are codes to answer with, one for each connection that comes."""

    def __init__(self) -> None:
        self.errors: list[int] = []
        self.on_subscribe: list[int] = []
        self.welcomes = True
        super().__init__()

    async def talk(self, connection: ServerConnection) -> None:
        assert connection.request.headers["Content-Type"] == "application/msgpack"
        if not self.welcomes:
            await self.stay(connection)
            return
        await connection.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        said = msgpack.unpackb(await connection.recv())
        self.said.append(said)
        if (said["key"], said["secret"]) != (self.key.key_id, self.key.secret):
            await self.error(connection, 402, f"auth failed for {said['secret']}")
            return
        if self.errors:
            await self.error(connection, self.errors.pop(0), "said at the door")
            return
        await connection.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
        wanted = msgpack.unpackb(await connection.recv())
        self.said.append(wanted)
        if self.on_subscribe:
            await self.error(connection, self.on_subscribe.pop(0), "insufficient subscription")
            return
        channels = {key: value for key, value in wanted.items() if key != "action"}
        await connection.send(msgpack.packb([{"T": "subscription", **channels}]))
        await self.stay(connection)

    async def error(self, connection: ServerConnection, code: int, text: str) -> None:
        await connection.send(msgpack.packb([{"T": "error", "code": code, "msg": text}]))

    def bars(self, *bars: BarClosed, kind: str = "b") -> None:
        self.send(msgpack.packb([stream_row(bar, kind) for bar in bars]))


def stream_row(bar: BarClosed, kind: str = "b") -> dict[str, Any]:
    start = msgpack.Timestamp.from_unix_nano(bar.start_ns)
    names = zip("ohlcv", bar[3:], strict=True)
    return {"T": kind, "S": bar.symbol, "t": start, "n": 3, "vw": 1.5, **dict(names)}


def rest_row(bar: BarClosed) -> dict[str, Any]:
    names = zip("ohlcv", bar[3:], strict=True)
    return {"t": iso_utc(bar.start_ns), "n": 3, "vw": 1.5, **dict(names)}


class RestServer:
    """`/v2/stocks/bars`, in pages of `page`; `failures` are answers to give before good ones."""

    def __init__(self) -> None:
        self.bars: list[BarClosed] = []
        self.page = 10_000
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.failures: list[tuple[int, str, dict[str, str]]] = []
        self.is_down = False
        self.is_slow_s = 0.0
        self.answered = 0
        self.rows_of = lambda bars: [rest_row(bar) for bar in bars]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.asked.append(asked | {"path": parts.path})
        self.headers.append(dict(handler.headers.items()))
        status, text = 200, ""
        headers: dict[str, str] = {}
        time.sleep(self.is_slow_s)
        self.answered += 1
        if self.is_down:
            status, text = 503, "<html>down</html>"
        elif self.failures:
            status, text, headers = self.failures.pop(0)
        else:
            text = json.dumps(self._good(asked))
        body = text.encode()
        try:
            handler.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass  # who asked did not wait

    def _good(self, asked: dict[str, str]) -> dict[str, Any]:
        symbols = asked["symbols"].split(",")
        found = [
            bar
            for bar in sorted(self.bars, key=lambda bar: (bar.symbol, bar.start_ns))
            if bar.symbol in symbols and asked["start"] <= iso_utc(bar.start_ns) <= asked["end"]
        ]
        first = int(asked.get("page_token", "0"))
        page = found[first : first + self.page]
        bars: dict[str, Any] = {}
        for bar in page:
            bars.setdefault(bar.symbol, []).extend(self.rows_of([bar]))
        more = first + self.page < len(found)
        return {"bars": bars or None, "next_page_token": str(first + self.page) if more else None}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def trade_server() -> Iterator[TradeServer]:
    server = TradeServer()
    yield server
    server.close()


@pytest.fixture
def data_server() -> Iterator[DataServer]:
    server = DataServer()
    yield server
    server.close()


@pytest.fixture
def rest_server() -> Iterator[RestServer]:
    server = RestServer()
    yield server
    server.close()


@pytest.fixture
def inbox() -> ListInbox:
    return ListInbox()


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture
def stream_requests() -> BrokerRequests:
    return REQUESTS


@pytest.fixture
def stream_keys() -> Keys:
    return KEYS


@pytest.fixture
def eventually() -> Callable[..., None]:
    return until


@pytest.fixture
def make_bar() -> Callable[..., BarClosed]:
    """`make_bar(start_ns, close=100.0, symbol="SPY")`: one minute."""

    def bar(start_ns: int, close: float = 100.0, symbol: str = "SPY", **changed: Any) -> BarClosed:
        made = BarClosed(
            start_ns + NS_PER_MINUTE, symbol, start_ns, 100.25, 101.5, 99.125, close, 1234.0
        )
        return made._replace(**changed)

    return bar
