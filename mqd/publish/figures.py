"""Numbers as a trader reads them: money with its sign, prices with cents, values with units."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from mqd.ground.canonical import decimal_text
from mqd.ground.times import clock_text
from mqd.ground.units import BOOL, DURATION, PRICE, RATIO, TIME_OF_DAY, USD, Unit

PERCENTS = (50, 90, 95, 99)
"""The percentiles that times are summed up by."""
_CENT = Decimal("0.01")
_NS_PER_MS = 1_000_000
_FINEST_PRICE = Decimal("0.0001")
_SPANS = ((3_600, "h"), (60, "m"), (1, "s"))

UNKNOWN = "unknown"
_NEVER_LOST = " because no trade lost"
FactValue = float | int | bool | None


def signed_usd(amount: Decimal) -> str:
    """Money won or lost, to the cent: +1.15, -1.51, 0.00."""
    rounded = amount.quantize(_CENT)
    return f"{rounded:+,.2f}" if rounded else "0.00"


def price_text(price: Decimal) -> str:
    """A price with its cents, and up to four digits where it has more: 595.15, 595.1533."""
    shown = price if price == price.quantize(_CENT) else price.quantize(_FINEST_PRICE)
    whole, _, digits = decimal_text(shown).partition(".")
    return f"{whole}.{digits:0<2}"


def exact(value: float) -> Decimal:
    """The decimal that a feed wrote: a float64's shortest digits."""
    return Decimal(repr(value))


def share_text(part: int, whole: int) -> str:
    """A part of a whole in percent: 93.2 %."""
    return f"{part / whole * 100:.1f} %" if whole else "-"


def nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """The percentile by nearest rank: one of the values, which are sorted and at least one."""
    return ordered[-(-percent * len(ordered) // 100) - 1]


def in_ms(time_ns: int | None) -> float | None:
    """Milliseconds of nanoseconds."""
    return None if time_ns is None else time_ns / _NS_PER_MS


def counts_text(counts: Sequence[tuple[str, int]]) -> str:
    """Codes with how often each was seen: EXTENDED_HOURS 7, GAP 2."""
    return ", ".join(f"{code} {count:,}" for code, count in counts)


def record_text(names: tuple[str, ...], values: tuple[float | int | None, ...]) -> str:
    """The figures of a record on one line; what nobody knows is said to be unknown."""
    found = dict(zip(names, values, strict=True))
    never_lost = bool(found.get("trades")) and found.get("profit_factor", 0) is None
    return ", ".join(
        f"{name.replace('_', ' ')} {_figure(value)}"
        + (_NEVER_LOST if never_lost and name == "profit_factor" else "")
        for name, value in found.items()
    )


def _figure(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def duration_text(seconds: int) -> str:
    """A duration in hours, minutes and seconds: 300 -> 5m, 23400 -> 6h 30m."""
    parts: list[str] = []
    for size, letter in _SPANS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{letter}")
    return " ".join(parts) or "0s"


class Shown(NamedTuple):
    """A named value that a rule reads: as a program takes it, and as a person does."""

    name: str
    unit: str
    value: FactValue | str
    text: str


def fact_text(value: FactValue, unit: Unit, members: Sequence[str] = ()) -> str:
    """A recorded value in words; None is what was unknown."""
    if value is None:
        return UNKNOWN
    if members:
        return members[int(value)]
    if unit == BOOL:
        return "yes" if value else "no"
    if unit == TIME_OF_DAY:
        return clock_text(int(value))
    if unit == DURATION:
        return _signed_duration(int(value))
    number = exact(float(value))
    if unit == PRICE:
        return price_text(number)
    if unit == USD:
        return f"{signed_usd(number)} USD"
    if unit == RATIO:
        return ratio_text(number)
    return f"{number_text(number)} {unit.name.removesuffix('s') if number == 1 else unit.name}"


def number_text(number: Decimal) -> str:
    """Exact digits with the thousands set apart: 128,116 or 0.84."""
    whole, point, digits = decimal_text(number).partition(".")
    return f"{int(whole):,}{point}{digits}" if abs(number) >= 1_000 else f"{whole}{point}{digits}"


def ratio_text(value: Decimal) -> str:
    """A ratio with its percent beside it."""
    return f"{decimal_text(value)} ({decimal_text(value * 100)} %)"


def _signed_duration(seconds: int) -> str:
    return duration_text(seconds) if seconds >= 0 else f"-{duration_text(-seconds)}"
