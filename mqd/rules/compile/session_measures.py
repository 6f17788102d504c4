"""Measures over finished sessions: what there are, in which unit, and by which formula.

They are computed once a session, when it opens, and not on any bar; `mqd/engine/regimes.py` has
the arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd.ground.units import PRICE, Unit


class SessionMeasure(NamedTuple):
    """One function over finished sessions; unknown while there are fewer than it asks for."""

    name: str
    unit: Unit
    means: str
    formula: str


SESSION_FUNCTIONS: dict[str, SessionMeasure] = {
    item.name: item
    for item in (
        SessionMeasure(
            "atr", PRICE, "The range of a session in the mean, a gap from the close before in it.",
            "mean of max(high, previous close) - min(low, previous close) over the last n "
            "sessions; needs n + 1 sessions",
        ),
        SessionMeasure(
            "slope", PRICE,
            "By how much the close moves from session to session, in USD a share.",
            "the slope of the straight line with the least squares through the closes of the last "
            "n sessions, one apart; needs 2 sessions at least",
        ),
        SessionMeasure("last", PRICE, "The newest close.", "the close of the newest session"),
    )
}  # fmt: skip
