"""Bars from before, over REST: page by page, with alpaca-py's client under our own HTTP policy.

The client is given a session with timeouts and no retries of its own. What it makes of an answer
is not used: the text is read with exact decimals. Pinned by a contract test: `_session`, `_retry`,
`_retry_codes`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from decimal import Decimal
from threading import local
from typing import Any, NamedTuple

from requests import Response, Session
from requests.exceptions import JSONDecodeError, RequestException

from mqd.feeds.alpaca_bars.reading import MisreadError, bar_of, is_exact
from mqd.ground.times import NS_PER_S, iso_utc
from mqd.model.event import BarClosed
from mqd.ports.account import Keys
from mqd.ports.clock import Clock
from mqd.rules.watching import BrokerRequests
from mqd.streams.refusals import AskLater, ConnectionDropped, KeysRefused, NotPermitted

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports websockets' legacy client
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical.stock import StockHistoricalDataClient

_MOST_BARS = 10_000  # what Alpaca gives at once at the most
_TOO_MANY = 429
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_WRONG = frozenset({400, 403, 404, 422})  # the same question gets the same answer


class Page(NamedTuple):
    """Some bars in the order in which they came, and how to ask for the next ones, if any.

    `misread` says of which rows no bar could be made, and `rounded` of which bars the row has more
    digits than a bar holds.
    """

    bars: tuple[BarClosed, ...]
    token: str | None
    misread: tuple[str, ...] = ()
    rounded: tuple[str, ...] = ()


class BarHistory:
    """Asks for past minute bars of one feed (iex or sip); blocks, for one thread at a time."""

    def __init__(
        self, keys: Keys, data_url: str, requests: BrokerRequests, clock: Clock, feed: str
    ) -> None:
        self._clock = clock
        self._feed = feed
        self._keys = keys
        self._session = _Patient((requests.connect_timeout_s, requests.read_timeout_s))
        self._client = StockHistoricalDataClient(
            keys.key_id, keys.secret, raw_data=True, url_override=data_url
        )
        self._client._session = self._session  # noqa: SLF001  # pinned by a contract test
        self._client._retry = 0  # noqa: SLF001  # as above
        self._client._retry_codes = []  # noqa: SLF001  # as above

    def page(
        self, symbols: Iterable[str], from_ns: int, until_ns: int, token: str | None = None
    ) -> Page:
        """Bars that start in [from, until), oldest first by symbol; `token` is the last page's.

        Raises:
            KeysRefused: the keys do not work.
            NotPermitted: they do not allow this, or the question is wrong.
            AskLater: too many requests, or a passing fault of the other side.
            ConnectionDropped: no answer, or one that cannot be read.
        """
        asked = {
            "symbols": ",".join(symbols),
            "timeframe": "1Min",
            "start": iso_utc(from_ns),
            "end": iso_utc(until_ns - 1),  # Alpaca includes the end
            "limit": _MOST_BARS,
            "adjustment": "raw",
            "feed": self._feed,
            "sort": "asc",
            "page_token": token,
        }
        self._session.forget()
        try:
            self._client.get("/stocks/bars", asked)
        except APIError as error:
            raise self._refused(error) from error
        except JSONDecodeError:
            pass  # it is read below, where the refusal is our own
        except RequestException as error:
            raise ConnectionDropped(f"history: {type(error).__name__}") from error
        answer = self._session.answer
        page = _page(answer.text if answer is not None else "", token)
        bars = (bar for bar in page.bars if from_ns <= bar.start_ns < until_ns)
        return page._replace(bars=tuple(bars))

    def _refused(self, error: APIError) -> Exception:
        status = error.status_code
        body = _own_words(str(error))
        text = " ".join(str(error).split())[:200]
        said = f"history: HTTP {status}: {text}"
        for key in (self._keys.secret, self._keys.key_id):
            said = said.replace(key, "(key)")
        if body is not None and (
            status == _UNAUTHORIZED or (status == _FORBIDDEN and "code" not in body)
        ):
            return KeysRefused(said)
        if body is None and status in {_UNAUTHORIZED, _FORBIDDEN}:
            return AskLater(said)  # the page of a proxy, which knows nothing of our keys
        if status == _TOO_MANY:
            return AskLater(said, self._pause_s())
        return NotPermitted(said) if status in _WRONG else AskLater(said)

    def _pause_s(self) -> float:
        """How long the other side wants to rest, as its headers say."""
        answer = self._session.answer
        headers = answer.headers if answer is not None else {}
        for name, at_s in (("Retry-After", 0.0), ("X-Ratelimit-Reset", self._clock.now_ns())):
            try:
                return max(0.0, float(headers[name]) - at_s / NS_PER_S)
            except (KeyError, ValueError):
                continue
        return 0.0


class _Patient(Session):
    """A session whose every request has a time limit, and that keeps its last answer."""

    def __init__(self, timeouts_s: tuple[float, float]) -> None:
        super().__init__()
        self._timeouts_s = timeouts_s
        self._kept = local()

    @property
    def answer(self) -> Response | None:
        """What came last on this thread; a request that nobody waits for any more disturbs none."""
        return getattr(self._kept, "answer", None)

    def forget(self) -> None:
        """There is no answer now."""
        self._kept.answer = None

    def request(self, method: str, url: str, **options: Any) -> Response:  # type: ignore[override]  # what alpaca-py gives
        answer = super().request(method, url, **{"timeout": self._timeouts_s, **options})
        self._kept.answer = answer
        return answer


def _own_words(text: str) -> dict[str, Any] | None:
    """The other side's own answer; None for what a gateway made."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) and isinstance(body.get("message"), str) else None


def _page(text: str, asked: str | None) -> Page:
    try:
        body = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ConnectionDropped("history: an answer that is no JSON") from error
    if not isinstance(body, dict) or "bars" not in body:
        raise ConnectionDropped("history: an answer without bars")
    token = body.get("next_page_token")
    if token is not None and (not isinstance(token, str) or token == asked):
        raise ConnectionDropped("history: a page that leads nowhere")
    by_symbol = body["bars"] or {}  # null where there is nothing
    if not isinstance(by_symbol, dict):
        raise ConnectionDropped("history: an answer without bars")
    bars: list[BarClosed] = []
    misread: list[str] = []
    rounded: list[str] = []
    for symbol, rows in by_symbol.items():
        for row in rows if isinstance(rows, list) else ():
            try:
                bar = bar_of(symbol, row)
            except (MisreadError, AttributeError) as error:
                misread.append(f"history: {symbol}: {error}")
                continue
            bars.append(bar)
            if not is_exact(bar, row):
                rounded.append(f"{symbol} at {iso_utc(bar.start_ns)}")
    return Page(tuple(bars), token, tuple(misread), tuple(rounded))
