"""The measures: for each function its formula as generated source, its state and its inputs.

A window is the `session`, from its first bar to the newest, or the newest so many bars of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from mqd.ground.units import PRICE, Unit
from mqd.rules.words.facts import FACTS

VALUES_OF_BARS = ("bar.open", "bar.high", "bar.low", "bar.close", "bar.volume")
"""What a measure may be taken `of`."""


class Source(NamedTuple):
    """The source of one measure.

    `slots` are the accumulators it keeps, all 0.0 when a session starts. `update` runs only while
    every input is known, `then` on every bar; `value` and `known` give the result, which is
    unknown as well while it is not finite.
    """

    slots: tuple[str, ...]
    update: tuple[str, ...]
    value: str
    known: str
    then: tuple[str, ...] = ()


Writer = Callable[[str, str, int | None], Source]
"""Writes a measure of this name, of this argument, over so many bars or, with None, the session.

The name is the measure's own; marks stand before it, where no other name can collide with them.
"""


@dataclass(frozen=True, slots=True)
class MeasureFunction:
    """One measure function.

    `reads` are the facts it takes whatever it is taken of; `unit` is None where the unit is that
    of what it is `of`, and only then something has to be named there. One `of_steps` says how far
    values go from bar to bar: it is nothing at rest, where a price is one.
    """

    name: str
    stream: str
    unit: Unit | None
    means: str
    formula: str
    reads: tuple[str, ...]
    write: Writer
    of_steps: bool = False

    @property
    def takes_of(self) -> bool:
        """Whether it is taken of one of a bar's values, which the measure names."""
        return self.unit is None

    def unit_of(self, of: str) -> Unit:
        """The unit of the measure."""
        return FACTS[of].unit if self.unit is None else self.unit

    def facts(self, of: str) -> tuple[str, ...]:
        """The facts that the measure reads."""
        return (of,) if self.takes_of else self.reads


def _vwap(name: str, _: str, bars: int | None) -> Source:
    """The sum of the typical price times the volume, by the sum of the volume."""
    paid = "(bar_high + bar_low + bar_close) / 3.0 * bar_volume"
    if bars is None:
        return Source(
            slots=(f"pv_{name}", f"volume_{name}"),
            update=(
                f"pv_{name} = pv_{name} + {paid}",
                f"volume_{name} = volume_{name} + bar_volume",
            ),
            value=f"pv_{name} / volume_{name} if volume_{name} > 0.0 else 0.0",
            known=f"volume_{name} > 0.0",
        )
    pvs, volumes = _places("pv", name, bars), _places("volume", name, bars)
    return Source(
        slots=(f"n_{name}", *pvs, *volumes),
        update=(_counted(name), *_shifted(pvs, paid), *_shifted(volumes, "bar_volume")),
        then=(f"pv_{name} = {' + '.join(pvs)}", f"volume_{name} = {' + '.join(volumes)}"),
        value=f"pv_{name} / volume_{name} if volume_{name} > 0.0 else 0.0",
        known=f"n_{name} >= {bars}.0 and volume_{name} > 0.0",
    )


def _mean(name: str, of: str, bars: int | None) -> Source:
    """The sum by the number."""
    if bars is None:
        return Source(
            slots=(f"n_{name}", f"sum_{name}"),
            update=(_counted(name), f"sum_{name} = sum_{name} + {of}"),
            value=f"sum_{name} / n_{name} if n_{name} > 0.0 else 0.0",
            known=f"n_{name} > 0.0",
        )
    return _windowed(name, of, bars, f"({' + '.join(_places('w', name, bars))}) / {bars}.0")


def _min(name: str, of: str, bars: int | None) -> Source:
    """The smallest."""
    return _extreme(name, of, bars, "<")


def _max(name: str, of: str, bars: int | None) -> Source:
    """The largest."""
    return _extreme(name, of, bars, ">")


def _extreme(name: str, of: str, bars: int | None, sign: str) -> Source:
    held = f"held_{name}"
    if bars is None:
        return Source(
            slots=(f"n_{name}", held),
            update=(f"{held} = {of} if n_{name} == 0.0 or {of} {sign} {held} else {held}",
                    _counted(name)),
            value=held,
            known=f"n_{name} > 0.0",
        )  # fmt: skip
    first, *others = _places("w", name, bars)
    chain = [f"{held} = {other} if {other} {sign} {held} else {held}" for other in others]
    return _windowed(name, of, bars, held, (f"{held} = {first}", *chain))


def _first(name: str, of: str, bars: int | None) -> Source:
    """The oldest."""
    if bars is None:
        held = f"held_{name}"
        return Source(
            slots=(f"n_{name}", held),
            update=(f"{held} = {of} if n_{name} == 0.0 else {held}", _counted(name)),
            value=held,
            known=f"n_{name} > 0.0",
        )
    return _windowed(name, of, bars, _places("w", name, bars)[0])


def _stdev(name: str, of: str, bars: int | None) -> Source:
    """sqrt(sum((x - mean) ** 2) / (n - 1)); over the session by Welford's running sums."""
    spread, mean = f"spread_{name}", f"mean_{name}"
    if bars is None:
        step, below = f"step_{name}", f"below_{name}"
        return Source(
            slots=(f"n_{name}", mean, spread),
            update=(
                _counted(name),
                f"{step} = {of} - {mean}",
                f"{mean} = {mean} + {step} / n_{name}",
                f"{spread} = {spread} + {step} * ({of} - {mean})",
            ),
            then=(f"{below} = n_{name} - 1.0",),
            value=f"sqrt({spread} / {below}) if {below} > 0.0 and {spread} > 0.0 else 0.0",
            known=f"{below} > 0.0 and {spread} >= 0.0",
        )
    places = _places("w", name, bars)
    squares = " + ".join(f"({place} - {mean}) * ({place} - {mean})" for place in places)
    then = (f"{mean} = ({' + '.join(places)}) / {bars}.0", f"{spread} = {squares}")
    value = f"sqrt({spread} / {bars - 1}.0) if {spread} > 0.0 else 0.0"
    return _windowed(name, of, bars, value, then, f" and {spread} >= 0.0")


def _slope(name: str, of: str, bars: int | None) -> Source:
    """Least squares: sum((i - mean(i)) * x) / sum((i - mean(i)) ** 2), i counting the bars."""
    if bars is None:
        total, weighed, count = f"sum_{name}", f"weighed_{name}", f"n_{name}"
        above = f"{count} * {weighed} - {count} * ({count} - 1.0) / 2.0 * {total}"
        below = f"({count} * {count} * ({count} * {count} - 1.0) / 12.0)"
        return Source(
            slots=(count, total, weighed),
            update=(
                f"{total} = {total} + {of}",
                f"{weighed} = {weighed} + {count} * {of}",
                _counted(name),
            ),
            value=f"({above}) / {below} if {count} > 1.0 else 0.0",
            known=f"{count} > 1.0",
        )
    middle = (bars - 1) / 2
    parts = [f"{i - middle!r} * {place}" for i, place in enumerate(_places("w", name, bars))]
    squares = bars * (bars * bars - 1) / 12
    return _windowed(name, of, bars, f"({' + '.join(parts)}) / {squares!r}")


def _atr(name: str, _: str, bars: int | None) -> Source:
    """The mean of max(high - low, |high - close before|, |low - close before|).

    The session's first bar has no close before it within the session: its range is high - low.
    """
    true, last = f"range_{name}", f"last_{name}"
    taken = (
        f"{true} = bar_high - bar_low",
        f"up_{name} = abs(bar_high - {last})",
        f"down_{name} = abs(bar_low - {last})",
        f"{true} = up_{name} if n_{name} > 0.0 and up_{name} > {true} else {true}",
        f"{true} = down_{name} if n_{name} > 0.0 and down_{name} > {true} else {true}",
        f"{last} = bar_close",
    )
    found = _mean(name, true, bars)
    return found._replace(slots=(last, *found.slots), update=(*taken, *found.update))


def _windowed(
    name: str, of: str, bars: int, value: str, then: tuple[str, ...] = (), known: str = ""
) -> Source:
    """A measure of the newest bars, which are all kept: unknown until there are so many."""
    places = _places("w", name, bars)
    return Source(
        slots=(f"n_{name}", *places),
        update=(_counted(name), *_shifted(places, of)),
        value=value,
        known=f"n_{name} >= {bars}.0{known}",
        then=then,
    )


def _counted(name: str) -> str:
    return f"n_{name} = n_{name} + 1.0"


def _places(mark: str, name: str, bars: int) -> list[str]:
    """The values kept, oldest first."""
    return [f"{mark}{number}_{name}" for number in range(1, bars + 1)]


def _shifted(places: list[str], newest: str) -> list[str]:
    """Every value one place on; the oldest falls out."""
    return [f"{to} = {source}" for to, source in zip(places, [*places[1:], newest], strict=True)]


FUNCTIONS: dict[str, MeasureFunction] = {
    "vwap": MeasureFunction(
        name="vwap",
        stream="bars",
        unit=PRICE,
        means="The average price of the window, each bar weighted by its volume.",
        formula="sum((high + low + close) / 3 * volume) / sum(volume); unknown while no volume",
        reads=("bar.high", "bar.low", "bar.close", "bar.volume"),
        write=_vwap,
    ),
    "mean": MeasureFunction(
        name="mean",
        stream="bars",
        unit=None,
        means="The average of the window, every bar alike.",
        formula="sum(x) / n",
        reads=(),
        write=_mean,
    ),
    "min": MeasureFunction(
        name="min",
        stream="bars",
        unit=None,
        means="The smallest of the window.",
        formula="min(x)",
        reads=(),
        write=_min,
    ),
    "max": MeasureFunction(
        name="max",
        stream="bars",
        unit=None,
        means="The largest of the window.",
        formula="max(x)",
        reads=(),
        write=_max,
    ),
    "first": MeasureFunction(
        name="first",
        stream="bars",
        unit=None,
        means="The oldest of the window.",
        formula="x of the window's oldest bar",
        reads=(),
        write=_first,
    ),
    "stdev": MeasureFunction(
        name="stdev",
        stream="bars",
        unit=None,
        means="How far the values of the window lie from their average: the sample deviation.",
        formula="sqrt(sum((x - mean) ** 2) / (n - 1)); unknown before the second bar",
        reads=(),
        write=_stdev,
        of_steps=True,
    ),
    "slope": MeasureFunction(
        name="slope",
        stream="bars",
        unit=None,
        means="How much the straight line through the window rises from one bar to the next.",
        formula="sum((i - mean(i)) * x) / sum((i - mean(i)) ** 2), i counting the bars; unknown "
        "before the second bar",
        reads=(),
        write=_slope,
        of_steps=True,
    ),
    "atr": MeasureFunction(
        name="atr",
        stream="bars",
        unit=PRICE,
        means="The average true range: how far the price went within a bar, the step from the "
        "close before it counted.",
        formula="sum(max(high - low, |high - close before|, |low - close before|)) / n; high - low "
        "for the session's first bar",
        reads=("bar.high", "bar.low", "bar.close"),
        write=_atr,
        of_steps=True,
    ),
}

OF_STEPS = frozenset(name for name, function in FUNCTIONS.items() if function.of_steps)
"""The functions that say how far values go, not where they are."""
