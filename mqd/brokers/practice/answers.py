"""Answers and questions of both APIs: JSON bodies, times and counts in a query."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from mqd.brokers.practice.refusals import malformed, unprocessable
from mqd.ground.times import to_ns

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answered(body: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(
        status=status, text=json.dumps(body, separators=(",", ":")), content_type="application/json"
    )


async def json_of(request: web.Request) -> dict[str, Any]:
    """The object in a request's body, its numbers as they were written.

    Raises:
        Refusal: the body is no such object.
    """
    try:
        body = json.loads(await request.text() or "{}", parse_float=Decimal)
    except ValueError:
        raise malformed("request body format is invalid") from None
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    return body


def count_of(written: str | None, usual: int, most: int) -> int:
    """The number in a query, from 1 to `most`.

    Raises:
        Refusal: it is none.
    """
    if written is None:
        return usual
    if not written.isdecimal() or not 1 <= int(written) <= most:
        raise unprocessable(f"limit must be between 1 and {most}")
    return int(written)


def instant_of(query: Mapping[str, str], name: str) -> int | None:
    """The instant under a name in a query, or None.

    Raises:
        Refusal: it is none.
    """
    written = query.get(name)
    return moment(written, name) if written else None


def moment(written: str, name: str) -> int:
    """The instant in a query: a date, a time with a zone, or one without, which is UTC.

    Raises:
        Refusal: it is none of these.
    """
    plain = written.strip().replace(" ", "+")  # a plus that was not quoted
    try:
        seconds, point, rest = plain.partition(".")
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        zone = rest[len(digits) :]
        parsed = datetime.fromisoformat(seconds + zone if point else plain)
    except ValueError:
        raise malformed(f"invalid {name}: {written}") from None
    whole = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return to_ns(whole) + (int(digits.ljust(9, "0")[:9]) if point else 0)


def date_of(written: str | None, usual: date) -> date:
    """The date in a query.

    Raises:
        Refusal: it is none.
    """
    if not written:
        return usual
    try:
        return date.fromisoformat(written[:10])
    except ValueError:
        raise malformed(f"invalid date: {written}") from None
