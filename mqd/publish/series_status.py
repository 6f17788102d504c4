"""The newest value of each daily series, and whether the session under way may still go by it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.rules.book import RuleBook


class SeriesStatus(NamedTuple):
    """The newest value of a series; without one the dates are empty and the value is None."""

    series: str
    date: str = ""
    value: Decimal | None = None
    good_through: str = ""
    is_stale: bool = False

    def to_json(self) -> dict[str, Any] | None:
        """The value for a program; None where nobody told one."""
        if self.value is None:
            return None
        return {
            "date": self.date,
            "value": decimal_text(self.value),
            "good_through": self.good_through,
            "is_stale": self.is_stale,
        }


def series_status(state: DeskState, book: RuleBook) -> Iterator[SeriesStatus]:
    """How each declared series stands in the session that the desk is in."""
    for series in book.series:
        values = state.series.get(series.id, ())
        if values:
            yield SeriesStatus(series.id, *values[-1], values[-1].is_stale(state.session.date))
        else:
            yield SeriesStatus(series.id)
