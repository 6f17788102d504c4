"""What every request goes through: the record, the keys, the rate limit, planned faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from typing import Any

from aiohttp import web

from mqd.brokers.practice.access import Access, RateLimit
from mqd.brokers.practice.answers import Handler, answered
from mqd.brokers.practice.desk_orders import OrderDesk
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.fault_kinds import REQUEST
from mqd.brokers.practice.faults import Fault
from mqd.brokers.practice.refusals import TOO_MANY, Refusal, unauthorized
from mqd.brokers.practice.wire import Json
from mqd.ground.times import iso_utc

_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"
_ABRUPTLY = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time: close resets


class Gate:
    """Middleware of the two APIs; `requests` is every request there was, as it came."""

    def __init__(self, exchange: Exchange, desk: OrderDesk, access: Access) -> None:
        self.requests: list[Json] = []
        self.at_work = 0
        self.idle_since_s = 0.0
        self._exchange = exchange
        self._desk = desk
        self._access = access
        self._limit = RateLimit(exchange.settings.most_requests_per_minute)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Everything that happens around one request."""
        name = (request.match_info.route.name or "").partition(".")[0]
        if not name or name in {"practice", "stream"}:
            return await handler(request)
        text = await request.text()
        row: Json = {
            "at": iso_utc(self._exchange.now_ns),
            "request": name,
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "body": text,
            "fault": None,
            "status": None,
        }
        self.requests.append(row)
        response = await self._let_in(request, handler, name, row)
        row["status"] = response.status
        response.headers.update(self._limit.headers())
        return response

    async def _let_in(
        self, request: web.Request, handler: Handler, name: str, row: Json
    ) -> web.StreamResponse:
        now_ns = self._exchange.now_ns
        if not self._access.admits(request.headers):
            return _told(unauthorized())
        if name != "clock" and not self._limit.take(now_ns, time.monotonic()):
            return _too_many(self._limit.pause_s(now_ns))
        fault = self._exchange.faults.take(
            REQUEST, now_ns, request=name, symbol=_symbol(request, row["body"])
        )
        if fault is None:
            return await self._carried_out(request, handler)
        row["fault"] = fault.kind
        return await self._gone_wrong(fault, request, handler)

    async def _carried_out(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What the request is answered with; cancels are carried out right after the answer."""
        self.at_work += 1
        try:
            return await handler(request)
        except Refusal as refusal:
            return _told(refusal)
        finally:
            self.at_work -= 1
            loop = asyncio.get_running_loop()
            if request.match_info.route.name != "clock":
                self.idle_since_s = loop.time()
            loop.call_soon(self._desk.settle)

    async def _gone_wrong(
        self, fault: Fault, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        kind, shape = fault.kind, fault.shape
        if kind == "http_429":
            return _too_many(shape["seconds"])
        if kind == "unauthorized":
            return _told(unauthorized())
        done: web.StreamResponse = web.Response(status=204)
        if _is_true(shape["booked"]):
            done = await self._carried_out(request, handler)
        if kind == "slow_answer":
            await asyncio.sleep(float(shape["seconds"]))
            return done
        if kind == "no_answer":
            await self._silence(request, float(shape["seconds"]))
            return done
        if kind == "reset":
            _reset(request)
            return done
        return _odd(kind, shape, done)

    async def _silence(self, request: web.Request, seconds: float) -> None:
        """Answer nothing until the client has gone, or for so long; then end the connection."""
        until_s = time.monotonic() + seconds
        while (  # noqa: ASYNC110  # nobody tells that a client has gone
            time.monotonic() < until_s and request.transport is not None
        ):
            await asyncio.sleep(0.02)
        if request.transport is not None:
            request.transport.abort()


def _symbol(request: web.Request, text: str) -> str:
    """The symbol that a request is about, as far as it names one."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(text or "{}").get("symbol", ""))
    return request.match_info.get("symbol", "")


def _told(refusal: Refusal) -> web.Response:
    return answered(refusal.body, refusal.status)


def _too_many(pause_s: float) -> web.Response:
    response = answered({"code": TOO_MANY, "message": "rate limit exceeded"}, 429)
    response.headers["Retry-After"] = f"{pause_s:g}"
    return response


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    plug = transport.get_extra_info("socket")
    if plug is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPTLY)
    transport.abort()


def _odd(kind: str, shape: dict[str, Any], done: web.StreamResponse) -> web.Response:
    """Another answer than the one there would have been."""
    written = done.text if isinstance(done, web.Response) else None
    match kind:
        case "http_500":
            return answered({"code": 50010000, "message": "internal server error occurred"}, 500)
        case "http_504":
            return answered({"code": 50410000, "message": "gateway timeout"}, 504)
        case "http_504_html":
            page = _PAGE.format("504 Gateway Time-out")
            return web.Response(status=504, text=page, content_type="text/html")
        case "html_body":
            page = _PAGE.format("Scheduled maintenance")
            return web.Response(text=page, content_type="text/html")
        case "garbage_body":
            cut = (written or '{"id":"')[: max(1, len(written or "") // 2)]
            return web.Response(text=cut, content_type="application/json")
    body = json.loads(written or "null")
    for each in body if isinstance(body, list) else [body]:
        if isinstance(each, dict) and kind == "missing_field":
            each.pop(str(shape["field"]), None)
        elif isinstance(each, dict) and "status" in each:
            each["status"] = shape["word"]
    return answered(body, done.status)


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() in {"true", "yes", "1"}
