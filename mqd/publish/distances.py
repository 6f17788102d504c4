"""How far each comparison of a condition was from turning, in its own unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from mqd.ground.units import DURATION, PRICE, RATIO, SHARES, TIME_OF_DAY, USD, Unit
from mqd.publish.figures import duration_text, exact, fact_text, number_text, price_text, ratio_text
from mqd.rules.book import Window
from mqd.rules.compile.question import Given, number_of
from mqd.rules.english import English
from mqd.rules.expressions import ir

_DIGITS = 9
_RATIO_DIGITS = 6
_CENT = Decimal("0.01")
_FINEST = Decimal("0.0001")  # prices are shown to this


class Distance(NamedTuple):
    """One comparison or window: both sides, how far apart they are (left less right), in words."""

    left: float
    right: float
    gap: float
    unit: str
    text: str


def distances_of(
    tree: ir.Logical, values: Mapping[str, Given], english: English, *, stands_against: bool
) -> tuple[Distance, ...]:
    """The distances of all comparisons of a condition whose values are known.

    `stands_against` tells that the condition was true and in the way: then a value that is above
    its threshold is too high.
    """
    found: list[Distance] = []
    for leaf in ir.walk(tree):
        if not all(values.get(name.name) is not None for name in _names(leaf)):
            continue
        if isinstance(leaf, ir.Compare):
            found += _compared(leaf, values, english, stands_against=stands_against)
        elif isinstance(leaf, ir.InWindow):
            found += _in_window(leaf, values)
    return tuple(found)


def _names(leaf: ir.Tree) -> tuple[ir.Name, ...]:
    return ir.names(leaf) if isinstance(leaf, ir.Compare | ir.InWindow) else ()


def _compared(
    leaf: ir.Compare, values: Mapping[str, Given], english: English, *, stands_against: bool
) -> Iterator[Distance]:
    left, right = (number_of(side).asked(values) for side in (leaf.left, leaf.right))
    if left is None or right is None:
        return
    gap = left - right
    said = english.number(leaf.left).removeprefix("the ").removesuffix(" so far")
    sides = f"{said} {_value(left, leaf.unit)}, threshold {_value(right, leaf.unit)}"
    words = ("earlier", "later") if leaf.unit == TIME_OF_DAY else ("below", "above")
    if stands_against and leaf.op not in {"==", "!="} and leaf.unit != TIME_OF_DAY:
        words = ("too low", "too high")
    if abs(gap) <= leaf.unit.tolerance:
        text = f"{sides}: exactly at it"
    else:
        text = f"{sides}: {size_text(gap, leaf.unit)} {words[1 if gap > 0 else 0]}"
    yield Distance(left, right, gap, leaf.unit.name, text)


def _in_window(leaf: ir.InWindow, values: Mapping[str, Given]) -> Iterator[Distance]:
    """Until the window opens or closes, or since it did; the gap is to its nearer end."""
    now, span = values[leaf.time.name], values[leaf.window.name]
    if not isinstance(now, int) or not isinstance(span, Window):
        return
    start, end = (fact_text(each, TIME_OF_DAY) for each in (span.start_s, span.end_s))
    if now < span.start_s:
        edge, told = span.start_s, f"opens {duration_text(span.start_s - now)} later"
    elif now < span.end_s:
        edge, told = span.end_s, f"closes {duration_text(span.end_s - now)} later"
    else:
        edge = span.end_s
        ago = duration_text(now - edge)
        told = "closes at this time" if now == edge else f"closed {ago} before"
    text = f"exchange time {fact_text(now, TIME_OF_DAY)}, {start}-{end} {told}"
    yield Distance(now, edge, now - edge, TIME_OF_DAY.name, text)


def _value(value: float, unit: Unit) -> str:
    """One side; the unit of counts and shares is said once, with the difference."""
    if unit == USD:
        return f"{price_text(exact(value))} USD"
    if unit == RATIO:
        return ratio_text(round(exact(value), _RATIO_DIGITS))
    if unit.is_count or unit == SHARES:
        return fact_text(round(value, _DIGITS), unit).split(" ", maxsplit=1)[0]
    return fact_text(value, unit)


def size_text(gap: float, unit: Unit) -> str:
    """The size of a difference in its unit: 2.8304 USD, 3 bars, 5m, 0.05 percentage points."""
    size = abs(round(exact(gap), _RATIO_DIGITS if unit == RATIO else _DIGITS))
    if unit in {TIME_OF_DAY, DURATION}:
        return duration_text(int(size))
    if unit == USD and size >= _CENT:
        size = size.quantize(_CENT)
    if unit in {PRICE, USD}:
        return f"{price_text(size) if size >= _FINEST else number_text(size)} USD"
    if unit == RATIO:
        return f"{number_text(size * 100)} percentage points"
    return f"{number_text(size)} {unit.name.removesuffix('s') if size == 1 else unit.name}"
