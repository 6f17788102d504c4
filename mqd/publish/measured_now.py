"""What the measures of a protection come to now, from what the desk remembers."""

from __future__ import annotations

from functools import cache

from mqd.engine import sessions
from mqd.engine.history import Now
from mqd.engine.state import DeskState
from mqd.rules.book import Limit, Protection, RuleBook
from mqd.rules.compile.history import CompiledMeasure, compile_measure
from mqd.rules.words.blocking import DESK, STRATEGY, SYMBOL

WHOLE_DESK = ""


def subjects(book: RuleBook, protection: Protection) -> tuple[str, ...]:
    """What it is asked about, each by itself: the desk, or every strategy or symbol that runs."""
    if protection.scope == DESK:
        return (WHOLE_DESK,)
    running = [each for each in book.strategies if each.runs]
    names = [each.id if protection.scope == STRATEGY else each.symbol for each in running]
    return tuple(dict.fromkeys(names))


def measured_now(
    state: DeskState, book: RuleBook, protection: Protection, subject: str
) -> dict[str, float]:
    """Each measure that is known, by its name."""
    now = Now(state.now_ns, state.session.open_ns, state.desk.week_open_ns)
    strategy = subject if protection.scope == STRATEGY else None
    symbol = subject if protection.scope == SYMBOL else None
    found = {
        each.rules.name: sessions.measured_now(
            state, book.regimes, each, now, strategy, symbol
        ).value
        for each in _compiled(protection, book.limits)
    }
    return {name: value for name, value in found.items() if value == value}  # noqa: PLR0124  # not a number is unknown


@cache
def _compiled(protection: Protection, limits: tuple[Limit, ...]) -> tuple[CompiledMeasure, ...]:
    return tuple(
        compile_measure(each, limits, protection.id, protection.id) for each in protection.measures
    )
