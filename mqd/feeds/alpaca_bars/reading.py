"""Alpaca's bars, read into `BarClosed`; what is no number becomes NaN, for the data rules.

A bar has the same fields on the stream (msgpack, its time a Timestamp) and over REST (JSON, its
time a text), and the same bar is read to the same bits from both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgpack

from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc, parse_iso
from mqd.model.event import BarClosed
from mqd.streams.connection import Frame

Message = dict[str, Any]

_END_NS = 7_258_118_400 * NS_PER_S  # 2200: no calendar of ours knows later days


class MisreadError(ValueError):
    """Not what Alpaca sends; the text says what was expected."""


def messages_of(frame: Frame) -> list[Message]:
    """The messages in one frame of the data stream.

    Raises:
        MisreadError: it holds something else.
    """
    found = _unpacked(frame)
    messages = [found] if isinstance(found, dict) else found
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise MisreadError("expected a list of messages")
    return messages


def text_of(frame: Frame) -> str:
    """A frame as JSON text, for the journal; as hexadecimal digits where it is nothing known."""
    try:
        return json.dumps(_unpacked(frame), default=_plain, separators=(",", ":"))
    except (MisreadError, ValueError, TypeError, RecursionError):
        return frame if isinstance(frame, str) else frame.hex()


def bar_of(symbol: object, row: Mapping[str, Any]) -> BarClosed:
    """The minute that a row tells of; `t` is its start.

    Raises:
        MisreadError: whose bar it is or of which minute cannot be told.
    """
    if not isinstance(symbol, str) or not symbol:
        raise MisreadError(f"a bar of {symbol!r}: expected a symbol")
    start_ns = _start_of(row.get("t"))
    prices = (_number(row.get(name)) for name in ("o", "h", "l", "c", "v"))
    return BarClosed(start_ns + NS_PER_MINUTE, symbol, start_ns, *prices)


def is_exact(bar: BarClosed, row: Mapping[str, Any]) -> bool:
    """Whether the bar holds every digit that the row was written with."""
    written = (row.get(name) for name in ("o", "h", "l", "c", "v"))
    return all(
        not isinstance(digits, Decimal | int) or Decimal(repr(value)) == digits
        for value, digits in zip(bar[3:], written, strict=True)
    )


def _unpacked(frame: Frame) -> object:
    try:
        if isinstance(frame, str):
            return json.loads(frame)
        return msgpack.unpackb(frame, strict_map_key=False)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise MisreadError(f"expected msgpack: {type(error).__name__}") from error


def _plain(value: object) -> object:
    """What JSON has no form for: times as RFC 3339, bytes as hexadecimal digits."""
    if isinstance(value, msgpack.Timestamp):
        try:
            return iso_utc(value.to_unix_nano())
        except OverflowError:
            return f"{value.seconds}.{value.nanoseconds:09d}"
    return value.hex() if isinstance(value, bytes) else repr(value)


def _start_of(value: object) -> int:
    if isinstance(value, msgpack.Timestamp):
        start_ns = int(value.to_unix_nano())
    elif isinstance(value, str):
        try:
            start_ns = parse_iso(value)
        except (ValueError, OverflowError) as error:
            raise MisreadError(f"t: {value!r} is no time") from error
    else:
        raise MisreadError(f"t: {value!r} is no time")
    if not 0 <= start_ns < _END_NS:
        raise MisreadError(f"t: {value!r} is no time of ours")
    return start_ns


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
