"""The fields of Alpaca's JSON, read exactly: nothing is rounded and nothing guessed.

Alpaca writes quantities and money as text and times in RFC 3339. A value that does not fit is a
`MisfitError` inside a reader and an `Unreadable` outside of it; a field that nobody asked for is
no fault. Fields come and go over the years, so everything is read by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn, TypeVar

from mqd.ground.times import NS_PER_MINUTE, to_ns

Row = Mapping[str, Any]
_Read = TypeVar("_Read")

_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_MOST_DIGITS = 30  # before and after the point: more is no price, no quantity and no money
_MOST_TEXT = 256
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_SIDES = {"buy": "buy", "sell": "sell", "sell_short": "sell"}


class MisfitError(ValueError):
    """A value that is missing, or is not what it should be; the text says which."""


class Unreadable(NamedTuple):
    """Something that could not be read: what did not fit, and all of it as it came."""

    reason: str
    text: str


def read_json(text: str) -> Any:
    """The value of a JSON text, with decimals for numbers that have a point.

    Raises:
        MisfitError: not JSON, or with a number that is none.
    """
    try:
        return json.loads(text, parse_float=_written_number, parse_constant=_no_number)
    except MisfitError:
        raise
    except (ValueError, RecursionError) as error:
        raise MisfitError(f"not JSON: {str(error)[:_MOST_TEXT]}") from None


def reading(read: Callable[[Any], _Read], text: str) -> _Read | Unreadable:
    """What `read` makes of a JSON text, or what did not fit."""
    try:
        return read(read_json(text))
    except MisfitError as error:
        return Unreadable(str(error), text)


def row_of(value: object, name: str = "the answer") -> Row:
    """The value as an object.

    Raises:
        MisfitError: it is something else.
    """
    if not isinstance(value, dict):
        raise MisfitError(f"{name} is {shown(value)}, expected an object")
    return value


def rows_of(value: object, name: str = "the answer") -> list[Row]:
    """The value as a list of objects.

    Raises:
        MisfitError: it is something else.
    """
    if not isinstance(value, list):
        raise MisfitError(f"{name} is {shown(value)}, expected a list")
    return [row_of(each, f"{name}[{number}]") for number, each in enumerate(value)]


def text_of(row: Row, name: str) -> str:
    """The text of a field that has to be there.

    Raises:
        MisfitError: it is missing, empty, too long or no text.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value or len(value) > _MOST_TEXT or _is_broken(value):
        raise MisfitError(f"{name} is {shown(value)}, expected a text")
    return value


def number_of(row: Row, name: str) -> Decimal:
    """The exact number of a field that has to be there, written as text or as a number.

    Raises:
        MisfitError: it is missing or no number.
    """
    value = row.get(name)
    if isinstance(value, str):
        value = _written_number(value) if _NUMBER.fullmatch(value) else None
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not _is_sane(value):
        raise MisfitError(f"{name} is {shown(row.get(name))}, expected a number")
    return value


def number_or_none(row: Row, name: str) -> Decimal | None:
    """The exact number of a field that may be null or missing.

    Raises:
        MisfitError: it is there and no number.
    """
    return None if row.get(name) is None else number_of(row, name)


def positive_of(row: Row, name: str) -> Decimal:
    """The number of a field that has to be above 0.

    Raises:
        MisfitError: it is missing, no number, or not above 0.
    """
    value = number_of(row, name)
    if value <= 0:
        raise MisfitError(f"{name} is {value}, expected a number above 0")
    return value


def side_of(row: Row, name: str = "side") -> str:
    """Whether it was bought or sold; a short sale is a sale.

    Raises:
        MisfitError: it is another word.
    """
    side = _SIDES.get(text_of(row, name))
    if side is None:
        raise MisfitError(f"{name} is {shown(row.get(name))}, expected buy or sell")
    return side


def instant_of(row: Row, name: str) -> int:
    """The instant of a field, in nanoseconds since the epoch.

    Raises:
        MisfitError: it is missing or no RFC 3339 time with a zone.
    """
    return parse_instant(text_of(row, name), name)


def parse_instant(text: str, name: str = "the time") -> int:
    """The instant of an RFC 3339 text with up to 9 digits of a second, exactly.

    Raises:
        MisfitError: it is none, or has no zone.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise MisfitError(f"{name} is {shown(text)}, expected an RFC 3339 time with a zone")
    date, clock, fraction, _, sign, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=UTC)
        offset = time.fromisoformat(f"{hours}:{minutes}") if sign else time.min
    except ValueError:
        raise MisfitError(f"{name} is {shown(text)}, which is on no calendar") from None
    offset_ns = (offset.hour * 60 + offset.minute) * NS_PER_MINUTE
    whole_ns = to_ns(moment) + int((fraction or "").ljust(9, "0"))
    return whole_ns + offset_ns if sign == "-" else whole_ns - offset_ns


def _is_broken(text: str) -> bool:
    """Whether it has no bytes: half of a surrogate pair can be escaped in JSON."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _written_number(text: str) -> Decimal:
    if len(text) > 2 * _MOST_DIGITS + 8:
        raise MisfitError(f"{shown(text)} is no number that can be")
    return Decimal(text)


def _no_number(text: str) -> NoReturn:
    raise MisfitError(f"{text} is no number")


def _is_sane(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return (
        isinstance(exponent, int)
        and value.adjusted() < _MOST_DIGITS
        and -_MOST_DIGITS <= exponent <= _MOST_DIGITS
    )


def shown(value: object) -> str:
    """A value as a message shows it: short."""
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
