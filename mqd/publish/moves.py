"""A move that makes a rule act: how it is said, and where the answer of a comparison turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from mqd.ground.units import DURATION, NUMBER, PRICE, RATIO, SHARES, USD, Unit
from mqd.publish.figures import duration_text, exact, number_text

YES, BEYOND, NEVER = "yes", "beyond the plan", "never"
NO_MOVE = "no move"
_DIGITS = 4
_CENT = Decimal("0.01")
_HALVINGS = 60
_SMALLEST, _GROWTH = 1e-6, 1.1


class Reach(NamedTuple):
    """Whether a rule can act at the declared sizes, what it takes, and why."""

    acts: str
    move: str
    why: str = ""
    holds_already: bool = False

    @property
    def said(self) -> str:
        """The move alone."""
        if self.holds_already:
            return "holds already" if self.refuses_at_rest else f"holds until {self.move}"
        return self.move

    @property
    def refuses_at_rest(self) -> bool:
        """Whether it holds at the declared sizes whatever happens."""
        return self.holds_already and self.move == NO_MOVE

    @property
    def text(self) -> str:
        """The whole answer in one line; empty where there is nothing to say."""
        if not self.move:
            return ""
        said = "" if self.said == NO_MOVE else self.said
        told = {YES: "", BEYOND: "only beyond what is planned: ", NEVER: "can never act: "}
        return told[self.acts] + "; ".join(part for part in (said, self.why) if part)


def flips(holds: Callable[[float], bool], furthest: float) -> Iterator[float]:
    """The nearest value below and above 0 at which the answer turns."""
    rest = holds(0.0)
    for side in (-1, 1):
        before, size = 0.0, _SMALLEST
        while size <= furthest:
            if holds(side * size) != rest:
                yield edge(holds, side * before, side * size)
                break
            before, size = size, size * _GROWTH


def edge(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where the answer turns between two values, the first at which it is that of `high`."""
    wanted = holds(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if holds(middle) == wanted:
            high = middle
        else:
            low = middle
    return high


def _rounded(value: float) -> Decimal:
    return exact(float(f"{value:.{_DIGITS}g}"))


def percent_text(share: float) -> str:
    """A share in percent, to four digits: 1.7 %."""
    return f"{number_text(_rounded(share * 100).normalize())} %"


def amount_text(value: float, unit: Unit) -> str:
    """A number with its unit, to so many digits as it takes to act on it."""
    number = _rounded(value)
    if unit == DURATION:
        return duration_text(round(value))
    if unit == RATIO:
        return percent_text(value)
    if unit in {USD, PRICE}:
        return f"{number:,.2f} USD" if abs(number) >= _CENT else f"{number_text(number)} USD"
    if unit == NUMBER:
        return number_text(number)
    if unit == SHARES:
        return f"{number_text(number)} shares"
    whole = int(value)
    return f"{whole:,} {unit.name.removesuffix('s') if whole == 1 else unit.name}"
