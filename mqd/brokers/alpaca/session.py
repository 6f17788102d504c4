"""One HTTP session of alpaca-py under our own policy; every request of the desk goes through it.

alpaca-py has no timeouts and sends an order again when a gateway fails, so its client is given
our session and no retries. What it makes of an answer is not used: the text is kept as it came.
Which private names of alpaca-py and requests this leans on is pinned by a test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from requests import PreparedRequest, Response, Session
from requests.exceptions import ConnectionError as NotConnectedError
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)

from mqd.ground.times import NS_PER_S
from mqd.ports.account import Keys
from mqd.ports.clock import Clock
from mqd.rules.book import BrokerRequests

if TYPE_CHECKING:
    from alpaca.trading.client import TradingClient

TIMEOUT = "timeout"
CONNECTION = "connection"
UNREACHABLE = "unreachable"
UNREADABLE = "unreadable"

_MOST_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class Call(NamedTuple):
    """One request that was made: of which kind, what came, how long it took."""

    at_ns: int
    kind: str
    status: str
    latency_ns: int


class Reply(NamedTuple):
    """What came of a request: a number or one of `NO_ANSWERS`, the text, the headers, how long."""

    status: str
    text: str
    headers: Mapping[str, str]
    took_ns: int = 0

    @property
    def is_good(self) -> bool:
        """Whether the broker said yes."""
        return len(self.status) == 3 and self.status.startswith("2")


class TooLongError(RequestException):
    """An answer that does not end, in bytes."""


class AlpacaSession:
    """Asks Alpaca's trading API; for one thread.

    `heard` is told of every request, whatever came of it.
    """

    def __init__(
        self,
        keys: Keys,
        trading_url: str,
        limits: BrokerRequests,
        clock: Clock,
        heard: Callable[[Call], None],
    ) -> None:
        self._clock = clock
        self._heard = heard
        self._http = PatientSession(limits, clock)
        self._client = _client(keys, trading_url, self._http)

    def get(self, kind: str, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Ask for something; `path` follows the version."""
        return self._ask(kind, lambda: self._client.get(path, dict(query or {})))

    def post(self, kind: str, path: str, body: Mapping[str, str]) -> Reply:
        """Ask for something to be made."""
        return self._ask(kind, lambda: self._client.post(path, dict(body)))

    def delete(self, kind: str, path: str) -> Reply:
        """Ask for something to be taken back."""
        return self._ask(kind, lambda: self._client.delete(path))

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _ask(self, kind: str, request: Callable[[], object]) -> Reply:
        self._http.forget()
        started_ns = self._clock.monotonic_ns()
        failed = CONNECTION
        try:
            request()
        except Exception as error:  # noqa: BLE001  # alpaca-py raises what it likes; see below
            failed = _failure(error)
        response = self._http.last
        if response is None:
            reply = Reply(failed, "", {})
        else:  # it came; what alpaca-py thinks of it, or raised over it, is not asked
            reply = Reply(str(response.status_code), response.text, response.headers)
        latency_ns = self._clock.monotonic_ns() - started_ns
        self._heard(Call(self._clock.now_ns(), kind, reply.status, latency_ns))
        return reply._replace(took_ns=latency_ns)


class PatientSession(Session):
    """A session with timeouts on every request; it follows no redirect and keeps the answer.

    An answer that comes byte by byte may take as long as the silence before it.
    """

    def __init__(self, limits: BrokerRequests, clock: Clock) -> None:
        super().__init__()
        self._timeout_s = (limits.connect_timeout_s, limits.read_timeout_s)
        self._clock = clock
        self.auth = _as_it_is  # with none at all, requests would look for one in ~/.netrc
        self.last: Response | None = None

    def request(  # type: ignore[override]  # all that a caller may say is passed on
        self, method: str, url: str, **options: Any
    ) -> Response:
        """The whole answer; `last` keeps it.

        Raises:
            RequestException: no answer.
            HTTPError: of urllib3; not the whole of an answer.
        """
        options.update(timeout=self._timeout_s, allow_redirects=False, stream=True)
        response = super().request(method, url, **options)
        try:
            self._read(response)
        finally:
            response.close()
        self.last = response
        return response

    def forget(self) -> None:
        """Let go of the last answer."""
        self.last = None

    def _read(self, response: Response) -> None:
        ends_ns = self._clock.monotonic_ns() + round(self._timeout_s[1] * NS_PER_S)
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise TooLongError("the answer does not end")
            if self._clock.monotonic_ns() > ends_ns:
                raise ReadTimeout("the answer came too slowly")
        response._content = b"".join(parts)  # noqa: SLF001  # what requests itself does, in time
        response.encoding = "utf-8"  # JSON is; guessing takes long


def _client(keys: Keys, trading_url: str, http: Session) -> TradingClient:
    """alpaca-py's client with our session in the place of its own."""
    with warnings.catch_warnings():  # it imports its streams too, on websockets' legacy client
        warnings.simplefilter("ignore", DeprecationWarning)
        from alpaca.trading.client import TradingClient

    client = TradingClient(
        keys.key_id, keys.secret, raw_data=True, url_override=trading_url.rstrip("/")
    )
    client._session.close()  # noqa: SLF001  # it has no setting for any of these
    client._session = http  # noqa: SLF001  # as above
    client._retry = 0  # noqa: SLF001  # as above
    client._retry_codes = []  # noqa: SLF001  # as above
    return client


def _as_it_is(request: PreparedRequest) -> PreparedRequest:
    return request


def _failure(error: Exception) -> str:
    """What stands for a request's outcome where no answer came."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(error, NotConnectedError) and isinstance(
        reason, (NewConnectionError, ConnectTimeoutError)
    ):
        return UNREACHABLE  # no connection was made; all else may have reached the broker
    if isinstance(error, ConnectTimeout):
        return UNREACHABLE
    is_late = isinstance(error, (Timeout, ReadTimeoutError)) or isinstance(reason, ReadTimeoutError)
    return TIMEOUT if is_late else CONNECTION
