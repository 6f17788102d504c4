"""A broker over real sockets: the practice exchange, or a server that answers as it is told."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mqd.brokers.alpaca.broker import AlpacaBroker
from mqd.brokers.alpaca.session import Call
from mqd.ground.ids import client_order_id
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import Event, RequestAnswered
from mqd.ports.account import Addresses, Keys
from mqd.ports.calendar import Session
from mqd.ports.inbox import Arrival
from mqd.rules.book import BrokerWords
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[3]
OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
NOW_NS = OPEN_NS + 1_800_000_000_000
KEYS = Keys("PKCANARY", "canary-secret")
PATIENCE_S = 10.0


class StandingClock:
    """The exchange's time, which a test sets; intervals are the machine's."""

    def __init__(self, at_ns: int = NOW_NS) -> None:
        self.at_ns = at_ns

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


class OneSession:
    def session_on(self, at_ns: int) -> Session | None:
        is_today = 0 <= at_ns - OPEN_NS < 23_400_000_000_000
        close_ns = OPEN_NS + 23_400_000_000_000
        return Session("2024-10-07", OPEN_NS, close_ns, 34_200) if is_today else None


class Letterbox:
    """An inbox that keeps what came, as events; `came_to` is what each request came to."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.came_to: list[RequestAnswered] = []
        self._changed = threading.Condition()

    def put(self, arrival: Arrival, *, is_news: bool) -> None:
        assert is_news
        with self._changed:
            for event in arrival.read():
                if isinstance(event, RequestAnswered):
                    self.came_to.append(event)
                else:
                    self._events.append(event)
            self._changed.notify_all()

    @property
    def events(self) -> list[Event]:
        with self._changed:
            return list(self._events)

    def wait(self, count: int = 1, timeout_s: float = PATIENCE_S) -> list[Event]:
        self.wait_until(lambda events: len(events) >= count, timeout_s)
        return self.events

    def wait_until(
        self, is_so: Callable[[list[Event]], bool], timeout_s: float = PATIENCE_S
    ) -> None:
        with self._changed:
            came = self._changed.wait_for(lambda: is_so(self._events), timeout_s)
        assert came, f"{self.events} came, which is not what was waited for"


class Asked(NamedTuple):
    method: str
    path: str
    body: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answering = Callable[[Asked], tuple[int, str] | tuple[int, str, dict[str, str]] | None]


class OddServer:
    """Answers each request with what `answer` makes of it; None is no answer at all."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.peers: set[int] = set()
        self.answer: Answering = lambda _asked: (404, '{"code":40410000,"message":"not found"}')
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                asked = Asked(self.command, self.path, body, dict(self.headers))
                outer.asked.append(asked)
                outer.peers.add(self.client_address[1])
                answer = outer.answer(asked)
                if answer is None:  # the connection breaks
                    self.close_connection = True
                    self.connection.close()
                    return
                status, text, *more = answer
                data = text.encode()
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _any  # noqa: N815  # http.server's names

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: object) -> None:  # a client that gave up waiting
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def of(self, method: str) -> list[Asked]:
        return [each for each in self.asked if each.method == method]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Desk(NamedTuple):
    """A broker with an inbox, and what it was seen to ask."""

    broker: AlpacaBroker
    inbox: Letterbox
    calls: list[Call]
    clock: StandingClock

    def told(self, command: Any, count: int = 1) -> list[Event]:
        """The next events that come after a command."""
        before = len(self.inbox.events)
        self.broker.send(command)
        return self.inbox.wait(before + count)[before:]

    def one(self, command: Any) -> Any:
        (event,) = self.told(command)
        return event


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shipped_words() -> BrokerWords:
    return load_rules(ROOT / "rules").broker_words


@pytest.fixture
def words(shipped_words) -> BrokerWords:
    """The shipped words with a patience that suits a test."""
    return with_requests(shipped_words, connect_timeout_s=0.5, read_timeout_s=0.6)


def with_requests(words: BrokerWords, **changes: Any) -> BrokerWords:
    return dataclasses.replace(words, requests=dataclasses.replace(words.requests, **changes))


@pytest.fixture
def odd() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.close()


@pytest.fixture
def desk(words) -> Iterator[Callable[..., Desk]]:
    """`desk(url)` is a broker at that address; closed at the end of the test."""
    made: list[AlpacaBroker] = []

    def make(url: str, keys: Keys = KEYS, at_ns: int = NOW_NS, **changes: Any) -> Desk:
        calls: list[Call] = []
        inbox, clock = Letterbox(), StandingClock(at_ns)
        options = {"calendar": OneSession()} | {
            name: changes.pop(name)
            for name in ("last_check", "calendar", "properties")
            if name in changes
        }
        broker = AlpacaBroker(
            keys=keys,
            addresses=Addresses(url, url, "", ""),
            words=with_requests(words, **changes),
            clock=clock,
            inbox=inbox,
            heard=calls.append,
            **options,
        )
        made.append(broker)
        return Desk(broker, inbox, calls, clock)

    yield make
    for broker in made:
        broker.close()


def order_id(role: str = "entry", attempt: int = 1) -> str:
    return client_order_id("vwap", "SPY", NOW_NS, role, attempt)


def submit(
    role: str = "entry", attempt: int = 1, qty: str = "0.862", **changes: Any
) -> SubmitOrder:
    side = "buy" if role == "entry" else "sell"
    order = SubmitOrder(NOW_NS, order_id(role, attempt), "SPY", side, Decimal(qty), "market", "day")
    return order._replace(**changes)


def cancel(role: str = "entry", attempt: int = 1) -> CancelOrder:
    return CancelOrder(NOW_NS, order_id(role, attempt), "ENTRY_TOO_OLD")


def look_up(role: str = "entry", attempt: int = 1) -> LookUpOrder:
    return LookUpOrder(NOW_NS, order_id(role, attempt))


def snapshot(at_ns: int = NOW_NS) -> TakeSnapshot:
    return TakeSnapshot(at_ns, "SNAPSHOT_DUE")


def order_row(**changes: Any) -> dict[str, Any]:
    """An order as Alpaca writes it."""
    row = {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": order_id(),
        "submitted_at": "2024-10-07T14:00:00.123456789Z",
        "symbol": "SPY",
        "qty": "0.862",
        "notional": None,
        "filled_qty": "0",
        "filled_avg_price": None,
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "status": "pending_new",
    }
    return row | changes


def order_text(**changes: Any) -> str:
    return json.dumps(order_row(**changes))


@pytest.fixture(scope="session")
def make() -> Any:
    """What tests send and what servers answer."""
    return Make


class Make:
    submit = staticmethod(submit)
    cancel = staticmethod(cancel)
    look_up = staticmethod(look_up)
    snapshot = staticmethod(snapshot)
    order_id = staticmethod(order_id)
    order_row = staticmethod(order_row)
    order_text = staticmethod(order_text)
    with_requests = staticmethod(with_requests)
    clock = StandingClock
    now_ns = NOW_NS
    open_ns = OPEN_NS
    keys = KEYS
