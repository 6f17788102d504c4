"""Typing a scalar: numbers, durations, times of day and windows, each only as declared."""

from __future__ import annotations

import re
from decimal import Decimal

from mqd.ground.units import DURATION, EXCHANGE_TIME, Unit
from mqd.rules.book import Value, Window

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}


def number(text: str) -> Decimal | None:
    """Plain digits as an exact number, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def duration_s(text: str) -> int | None:
    """`30s`, `5m` or `2h` in seconds, or None."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def time_s(text: str) -> int | None:
    """`10:05` in seconds after midnight, or None."""
    if not _TIME.fullmatch(text):
        return None
    hours, minutes = text.split(":")
    return int(hours) * 3_600 + int(minutes) * 60


def window(text: str) -> Window | None:
    """`10:00-11:30` as a half-open window whose start is before its end, or None."""
    start, _, end = text.partition("-")
    start_s, end_s = time_s(start), time_s(end)
    if start_s is None or end_s is None or start_s >= end_s:
        return None
    return Window(start_s, end_s)


def value_in(text: str, unit: Unit) -> Value | None:
    """The text as a value of the unit, or None: a window, seconds for a duration, a number."""
    if unit == EXCHANGE_TIME:
        return window(text)
    return bound_in(text, unit)


def bound_in(text: str, unit: Unit) -> Decimal | None:
    """The text as a bound of the unit's range, or None: seconds for times and durations."""
    if unit == EXCHANGE_TIME:
        seconds = time_s(text)
        return None if seconds is None else Decimal(seconds)
    if unit == DURATION:
        seconds = duration_s(text)
        return None if seconds is None else Decimal(seconds)
    found = number(text)
    if found is not None and unit.is_count and found != found.to_integral_value():
        return None
    return found


def is_inside(value: Value, minimum: Decimal, maximum: Decimal) -> bool:
    """Whether a value lies in its range, a window with both its ends."""
    if isinstance(value, Window):
        return minimum <= value.start_s and value.end_s <= maximum
    return minimum <= value <= maximum


def expected(unit: Unit) -> str:
    """What a value of this unit looks like."""
    if unit == EXCHANGE_TIME:
        return "a window such as 10:00-11:30 whose start is before its end"
    if unit == DURATION:
        return "a duration such as 30s, 5m or 2h"
    return "a whole number" if unit.is_count else "a number in plain digits such as 0.003"


def expected_bound(unit: Unit) -> str:
    """What a bound of a range in this unit looks like."""
    return "a time such as 09:30" if unit == EXCHANGE_TIME else expected(unit)
