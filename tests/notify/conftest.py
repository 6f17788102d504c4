"""A real place for messages: an HTTP server on this machine that takes them, refuses or is mute."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any

import pytest

LONG_S = 20.0  # a test that waits so long has failed


class Place:
    """Takes messages of apprise's `json://`; `status` is the answer, None: there is none."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.messages: list[dict[str, Any]] = []
        self.tries = 0
        self.released = Event()
        self._came = Condition()
        place = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = place.take(json.loads(body))
                if answer is None:
                    place.released.wait(LONG_S)
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its own name
                """It tells pytest nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, before: str = "", after: str = "/?rto=1&cto=1") -> str:
        return f"json://{before}127.0.0.1:{self.server.server_port}{after}"

    def take(self, message: dict[str, Any]) -> int | None:
        with self._came:
            self.tries += 1
            if self.status == 200:
                self.messages.append(message)
            self._came.notify_all()
            return self.status

    def wait_for(self, wanted: Callable[[], bool]) -> None:
        with self._came:
            assert self._came.wait_for(wanted, LONG_S), (self.tries, self.messages)

    @property
    def texts(self) -> str:
        return "\n".join(f"{each['title']}\n{each['message']}" for each in self.messages)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def _place(status: int | None) -> Iterator[Place]:
    place = Place(status)
    try:
        yield place
    finally:
        place.close()


@pytest.fixture
def place_that() -> Iterator[Callable[[int | None], Place]]:
    """Makes places: `place_that(200)` takes messages, 500 refuses them, None never answers."""
    with ExitStack() as stack:
        yield lambda status: stack.enter_context(_place(status))


@pytest.fixture
def dead_address() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"json://127.0.0.1:{free.getsockname()[1]}/?cto=1&rto=1"
