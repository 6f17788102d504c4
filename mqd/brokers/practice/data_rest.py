"""The market data API: the minutes that have passed, in pages, and the newest ones."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC
from typing import Any

from aiohttp import web

from mqd.brokers.practice.answers import answered, moment
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.refusals import UNPROCESSABLE, Refusal, malformed
from mqd.brokers.practice.wire import Json, bar_json, local
from mqd.ground.times import NS_PER_MINUTE, iso_utc, to_ns
from mqd.model.event import BarClosed

_MOST_BARS = 10_000
_USUAL_BARS = 1_000
_RECENT_NS = 15 * NS_PER_MINUTE


class DataApi:
    """The routes under `/v2/stocks`; a bar is there once it has closed."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        """Every route; its name is what a planned fault calls the request."""
        return [
            web.get("/v2/stocks/bars", self.bars, name="bars"),
            web.get("/v2/stocks/bars/latest", self.latest, name="bars.latest"),
        ]

    async def bars(self, request: web.Request) -> web.Response:
        """One page of minutes: symbol by symbol, `limit` over all of them."""
        query = request.query
        if query.get("timeframe") not in {"1Min", "1T"}:
            raise Refusal(400, None, "invalid timeframe: this exchange has minutes only (1Min)")
        limit = _limit(query.get("limit"))
        start_ns, end_ns = self._between(query)
        is_newest_first = query.get("sort") == "desc"
        place = _place(query.get("page_token"))
        page: dict[str, list[Json]] = {}
        left = limit
        for symbol in sorted(filter(None, query.get("symbols", "").split(","))):
            found = self._exchange.market.between(symbol, start_ns, end_ns)
            if is_newest_first:
                found.reverse()
            for bar in found:
                if place is not None and not _is_after(bar, place, is_newest_first=is_newest_first):
                    continue
                if not left:
                    return answered({"bars": page, "next_page_token": _token(page)})
                page.setdefault(symbol, []).append(_told(bar))
                left -= 1
        return answered({"bars": page, "next_page_token": None})

    def _between(self, query: Any) -> tuple[int, int]:
        now_ns = self._exchange.now_ns
        today = local(now_ns).replace(hour=0, minute=0, second=0, microsecond=0)
        start, end = query.get("start"), query.get("end")
        start_ns = moment(start, "start") if start else to_ns(today.astimezone(UTC))
        end_ns = moment(end, "end") if end else now_ns
        if query.get("feed") == "sip" and end_ns > now_ns - _RECENT_NS:
            message = "subscription does not permit querying recent SIP data"
            raise Refusal(403, UNPROCESSABLE, message)
        return start_ns, end_ns

    async def latest(self, request: web.Request) -> web.Response:
        """The newest minute of every symbol that has one."""
        symbols = filter(None, request.query.get("symbols", "").split(","))
        found = {symbol: self._exchange.market.latest(symbol) for symbol in symbols}
        return answered({"bars": {name: _told(bar) for name, bar in found.items() if bar}})


def _told(bar: BarClosed) -> Json:
    return {"t": iso_utc(bar.start_ns), **bar_json(bar)}


def _limit(written: str | None) -> int:
    if written is None:
        return _USUAL_BARS
    if not written.isdecimal() or not 1 <= int(written) <= _MOST_BARS:
        raise Refusal(400, None, f"invalid limit: expected 1 to {_MOST_BARS}")
    return int(written)


def _token(page: dict[str, list[Json]]) -> str:
    symbol = max(page)
    return b64encode(f"{symbol}|M|{page[symbol][-1]['t']}".encode()).decode()


def _place(token: str | None) -> tuple[str, int] | None:
    if not token:
        return None
    try:
        symbol, _, written = b64decode(token, validate=True).decode().split("|")
        return symbol, moment(written, "page_token")
    except ValueError:
        raise malformed("invalid page_token") from None


def _is_after(bar: BarClosed, place: tuple[str, int], *, is_newest_first: bool) -> bool:
    symbol, at_ns = place
    if bar.symbol != symbol:
        return bar.symbol > symbol
    return bar.start_ns < at_ns if is_newest_first else bar.start_ns > at_ns
