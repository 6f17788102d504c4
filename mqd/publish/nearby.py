"""Values near a recorded one at which a condition may turn: candidates, none of them a promise.

A comparison is followed from the recorded value outwards, in steps that a person would name, until
its answer changes; windows, lists and yes-or-no facts name their own. Whether a candidate changes
a decision is for the caller to ask the compiled rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from mqd.ground.units import (
    DURATION,
    EXCHANGE_TIME,
    PRICE,
    RATIO,
    SHARES,
    TIME_OF_DAY,
    USD,
    Unit,
)
from mqd.publish.situation import Situation
from mqd.rules.book import Limit, Param, Window
from mqd.rules.compile.question import Given, truth_of
from mqd.rules.expressions import ir
from mqd.rules.words.facts import ENTRY_QTY

MINUTE_S = 60
DAY_S = 86_400
_LARGEST = Decimal(10**9)
_STEPS = {
    PRICE: Decimal("0.0001"),
    USD: Decimal("0.01"),
    RATIO: Decimal("0.00001"),
    SHARES: Decimal("0.001"),
}
_CENT = Decimal("0.01")
_SIGNED = {USD, RATIO}
_DERIVED = {ENTRY_QTY.name, "order.qty", "order.stop_loss", "order.price"}


@dataclass(frozen=True, slots=True)
class Grid:
    """The values that a name may take: whole multiples of `step` from `lowest` to `highest`."""

    step: Decimal
    lowest: int
    highest: int
    is_whole: bool

    def value(self, place: int) -> float | int:
        """The value at a place of the grid."""
        exact = place * self.step
        return int(exact) if self.is_whole else float(exact)


def names_behind(situation: Situation, tree: ir.Tree) -> tuple[ir.Name, ...]:
    """The names that a tree comes down to: for a size or an order, what these are made of."""
    entry = situation.compiled.rules.entry
    found: list[ir.Name] = []
    for name in ir.names(tree):
        if name.name not in _DERIVED:
            found.append(name)
        elif name.name == "order.stop_loss":
            found += ir.names(entry.stop_loss)
        elif name.name == "order.price":
            found += [each for each in ir.names(entry.qty.value) if each.name == "bar.close"]
        else:
            found += ir.names(entry.qty.value)
    return tuple(dict.fromkeys(name for name in found if name.name not in _DERIVED))


def candidates(
    situation: Situation, tree: ir.Logical, name: ir.Name, item: Param | Limit | None
) -> Iterator[Given]:
    """Other values of one name at which the tree may turn; `item` declares the name's range."""
    for leaf in _leaves(tree):
        match leaf:
            case ir.Compare() if name in names_behind(situation, leaf):
                yield from _along(situation, leaf, name, item)
            case ir.InWindow(time=time, window=window):
                yield from _about_window(situation, time, window, name)
            case ir.InList(subject=subject) if subject == name:
                yield from range(len(subject.members))
            case ir.Truth(subject=subject) if subject == name:
                yield not situation.given[name.name]
            case ir.IsKnown(subject=subject) if subject == name:
                yield from _known_or_not(situation, name)


def grid_of(situation: Situation, name: ir.Name, item: Param | Limit | None) -> Grid:
    """The grid of a name, within the range that its declaration gives it."""
    current = situation.given[name.name]
    unit = name.unit
    step = _step(unit, name.name, current)
    lowest, highest = -_LARGEST if unit in _SIGNED else Decimal(0), _LARGEST
    if unit == PRICE:
        lowest = step
    elif unit == TIME_OF_DAY:
        highest = Decimal(DAY_S - MINUTE_S)
    if item is not None:
        lowest, highest = item.minimum, item.maximum
    first = -int(-lowest // step)  # rounded up
    is_whole = unit.is_count or unit == DURATION
    return Grid(step, first, int(highest // step), is_whole)


def _step(unit: Unit, name: str, current: Given) -> Decimal:
    if unit == TIME_OF_DAY:
        return Decimal(MINUTE_S)
    if unit == DURATION:
        is_minutes = isinstance(current, float | int) and current % MINUTE_S == 0
        return Decimal(MINUTE_S if is_minutes else 1)
    if name == "bar.volume":
        return Decimal(1)
    if unit == PRICE and name.startswith("bar.") and isinstance(current, float):
        is_cents = Decimal(repr(current)) % _CENT == 0
        return _CENT if is_cents else _STEPS[PRICE]
    return _STEPS.get(unit, Decimal(1))


def _leaves(tree: ir.Logical) -> Iterator[ir.Logical]:
    match tree:
        case ir.Not(operand=operand):
            yield from _leaves(operand)
        case ir.Both(parts=parts) | ir.Either(parts=parts):
            for part in parts:
                yield from _leaves(part)
        case _:
            yield tree


# -- comparisons ----------------------------------------------------------------------------------


def _along(
    situation: Situation, leaf: ir.Compare, name: ir.Name, item: Param | Limit | None
) -> Iterator[Given]:
    """The first values below and above the recorded one at which the comparison turns."""
    if name.unit == EXCHANGE_TIME:
        return
    grid = grid_of(situation, name, item)
    if grid.lowest > grid.highest:
        return
    start = Decimal(repr(_start(situation, name))) / grid.step
    below, above = int(start // 1), -int(-start // 1)
    for one in _sides(leaf):
        turned = _answer_at(situation, one, name.name, grid)
        for first, way in ((below, -1), (above, 1)):
            yield from _turn(turned, first, way, grid)


def _answer_at(
    situation: Situation, leaf: ir.Compare, name: str, grid: Grid
) -> Callable[[int], bool]:
    """The comparison's answer with the name's value at a place of the grid."""
    question = truth_of(leaf, possibly=False)
    is_derived = any(read.name in _DERIVED for read in question.names)

    def answer(place: int) -> bool:
        changed = situation.changed(name, grid.value(place))
        return bool(question.asked(changed.values if is_derived else changed.given))

    return answer


def _sides(leaf: ir.Compare) -> tuple[ir.Compare, ...]:
    """What turns on the way: the comparison, or for an equality both ways of missing it."""
    if leaf.op not in {"==", "!="}:
        return (leaf,)
    return tuple(ir.Compare(op, leaf.left, leaf.right, leaf.unit) for op in ("<", ">"))


def _turn(turned: Callable[[int], bool], first: int, way: int, grid: Grid) -> Iterator[Given]:
    """Where the answer stops being that at `first`, in growing steps and then by halves."""
    last = grid.lowest if way < 0 else grid.highest
    first = min(max(first, grid.lowest), grid.highest)
    yield grid.value(first)
    at_first, same, width = turned(first), first, 1
    while same != last:
        place = same + way * min(width, abs(last - same))
        if turned(place) != at_first:
            break
        same, width = place, width * 2
    else:
        return
    while abs(place - same) > 1:
        middle = (place + same) // 2
        if turned(middle) == at_first:
            same = middle
        else:
            place = middle
    yield grid.value(place)
    if grid.lowest <= place + way <= grid.highest:
        yield grid.value(place + way)  # past an equality that the first one only reached


def _start(situation: Situation, name: ir.Name) -> float:
    """The recorded value; for an unknown price the bar's close, which lies near."""
    current = situation.given[name.name]
    if current is None and name.unit == PRICE:
        current = situation.given.get("bar.close")
    return float(current) if isinstance(current, float | int) else 0.0


def _known_or_not(situation: Situation, name: ir.Name) -> Iterator[Given]:
    if situation.given[name.name] is not None:
        yield None
        return
    grid = grid_of(situation, name, None)
    place = int(Decimal(repr(_start(situation, name))) // grid.step)
    yield grid.value(max(place, grid.lowest))


# -- windows --------------------------------------------------------------------------------------


def _about_window(
    situation: Situation, time: ir.Name, window: ir.Name, name: ir.Name
) -> Iterator[Given]:
    """Times on the other side of the window's ends, or ends on the other side of the time."""
    now, span = situation.given[time.name], situation.given[window.name]
    if not isinstance(now, int) or not isinstance(span, Window):
        return
    if name == time:
        start, end = (_whole_minute(each) for each in (span.start_s, span.end_s))
        for at in (start, end - MINUTE_S, start - MINUTE_S, end):
            if 0 <= at < DAY_S:
                yield at
    elif name == window:
        minute = now // MINUTE_S * MINUTE_S
        for start in (span.start_s, minute, minute + MINUTE_S):
            for end in (span.end_s, minute, minute + MINUTE_S):
                is_other = (start, end) != (span.start_s, span.end_s)
                if is_other and start < end and span in _sharing_an_end(start, end, span):
                    yield Window(start, end)


def _sharing_an_end(start: int, end: int, span: Window) -> tuple[Window, ...]:
    """The window again if one of its ends stays: a change of both would be two changes."""
    return (span,) if start == span.start_s or end == span.end_s else ()


def _whole_minute(seconds: int) -> int:
    """Rounded up: bars end on full minutes."""
    return -(-seconds // MINUTE_S) * MINUTE_S
