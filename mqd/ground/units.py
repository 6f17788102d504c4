"""The units a rule may speak in, how they multiply, and how closely each is compared.

A unit is a dimension (exponents of usd, shares and seconds) with a name. Counts (bars, trades,
orders, positions, requests) do not mix with one another. Comparisons of float64 values use an
absolute tolerance by unit, so that `>= 10.00 usd` means what a reader thinks it means.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: its name, its dimension (usd, shares, seconds) and its comparison tolerance.

    A plain one, as an index or a factor, is compared with its own kind and nothing else.
    """

    name: str
    usd: int = 0
    shares: int = 0
    seconds: int = 0
    tolerance: float = 0.0
    is_count: bool = False
    is_number: bool = True
    is_plain: bool = False


RATIO = Unit("ratio", tolerance=5e-10)
USD = Unit("usd", usd=1, tolerance=5e-7)
PRICE = Unit("price", usd=1, shares=-1, tolerance=5e-7)
SHARES = Unit("shares", shares=1, tolerance=5e-10)
DURATION = Unit("duration", seconds=1)
TIME_OF_DAY = Unit("time_of_day", is_count=True)
BARS = Unit("bars", is_count=True)
TRADES = Unit("trades", is_count=True)
ORDERS = Unit("orders", is_count=True)
POSITIONS = Unit("positions", is_count=True)
REQUESTS = Unit("requests", is_count=True)
SESSIONS = Unit("sessions", is_count=True)
NUMBER = Unit("number", tolerance=5e-10, is_plain=True)
EXCHANGE_TIME = Unit("exchange_time", is_number=False)
BOOL = Unit("bool", is_number=False)
TEXT = Unit("text", is_number=False)

UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        RATIO, USD, PRICE, SHARES, DURATION, TIME_OF_DAY, BARS, TRADES, ORDERS, POSITIONS,
        REQUESTS, SESSIONS, NUMBER, EXCHANGE_TIME, BOOL, TEXT,
    )
}  # fmt: skip

_BY_DIMENSION = {
    (unit.usd, unit.shares, unit.seconds): unit for unit in (RATIO, USD, PRICE, SHARES, DURATION)
}


def product(left: Unit, right: Unit) -> Unit | None:
    """The unit of `left * right`, or None where it has no name (usd * usd)."""
    return _combined(left, right, 1)


def quotient(left: Unit, right: Unit) -> Unit | None:
    """The unit of `left / right`, or None where it has no name (price / usd)."""
    return _combined(left, right, -1)


def _combined(left: Unit, right: Unit, sign: int) -> Unit | None:
    if left.is_plain or right.is_plain:
        return None
    if left.is_count or right.is_count or not (left.is_number and right.is_number):
        return None
    return _BY_DIMENSION.get(
        (
            left.usd + sign * right.usd,
            left.shares + sign * right.shares,
            left.seconds + sign * right.seconds,
        )
    )
