"""The measures: for each function its formula as generated source, its state and its inputs."""

from __future__ import annotations

from dataclasses import dataclass

from mqd.ground.units import PRICE, Unit


@dataclass(frozen=True, slots=True)
class MeasureFunction:
    """One measure function.

    `reads` are the facts it takes, `slots` the accumulators it keeps, all starting at 0.0 when
    its window starts. `update` runs only while every input is known; `value` and `known` give
    the result, which is unknown as well while it is not finite. In the texts `{name}` stands for
    the measure's own name; marks stand before it, where no other name can collide with them.
    """

    name: str
    stream: str
    unit: Unit
    means: str
    formula: str
    reads: tuple[str, ...]
    slots: tuple[str, ...]
    update: tuple[str, ...]
    value: str
    known: str


FUNCTIONS: dict[str, MeasureFunction] = {
    "vwap": MeasureFunction(
        name="vwap",
        stream="bars",
        unit=PRICE,
        means="The average price of the window, each bar weighted by its volume.",
        formula="sum((high + low + close) / 3 * volume) / sum(volume); unknown while no volume",
        reads=("bar.high", "bar.low", "bar.close", "bar.volume"),
        slots=("pv_{name}", "volume_{name}"),
        update=(
            "pv_{name} = pv_{name} + (bar_high + bar_low + bar_close) / 3.0 * bar_volume",
            "volume_{name} = volume_{name} + bar_volume",
        ),
        value="pv_{name} / volume_{name} if volume_{name} > 0.0 else 0.0",
        known="volume_{name} > 0.0",
    ),
}
