"""What a rule measures over the past: a function of a stream's rows within a window."""

from __future__ import annotations

from dataclasses import dataclass

from mqd.ground.units import Unit
from mqd.rules.expressions.ir import Logical, Numeric
from mqd.rules.problems import Place

TIME, ROWS = "time", "rows"
SESSION, WEEK, ALL = "session", "week", "all"


@dataclass(frozen=True, slots=True)
class Span:
    """How far a measure looks back: `size` seconds (`time`), the newest `size` rows (`rows`), or a
    stretch with a name (`session`, `week`, `all`), whose size is 0.

    A time window is (now - size, now]: a row that is exactly `size` old has just left it.
    """

    kind: str
    size: int
    text: str


@dataclass(frozen=True, slots=True)
class HistoryMeasure:
    """One measure: `function` of the rows of `stream` in `span` for which `where` is true.

    `of` is what is summed, averaged or compared, in `unit`; with fewer than `warmup` rows the
    measure is unknown. `assumed` is what the account is taken to be worth, in USD, as long as no
    broker has said it; only the equity has it.
    """

    name: str
    function: str
    stream: str
    span: Span
    where: Logical | None
    of: Numeric | None
    assumed: Numeric | None
    warmup: int
    unit: Unit
    place: Place

    @property
    def over(self) -> str:
        """The window as the rule writes it."""
        return self.span.text
