"""Where a comparison turns that one number decides: a count, an age, a loss, a share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mqd.ground.units import ORDERS, TRADES, USD
from mqd.publish.losses import drawdown_reach, loss_reach, sessions_over
from mqd.publish.moves import BEYOND, NEVER, NO_MOVE, YES, Reach, amount_text, flips
from mqd.publish.plans import ENTRIES, Plan, entries_of
from mqd.rules.compile.question import Given, truth_of
from mqd.rules.english import English
from mqd.rules.expressions import ir
from mqd.rules.measured import ROWS

_SESSIONS, _TRADES = "record.sessions", "record.trades"
_MOST_COUNTED = 10_000
LARGEST = 1e9
_NOT_FROM_NOTHING = frozenset(
    {"session.time_to_close", "trade.held", "record.win_rate", "record.sharpe",
     "record.profit_factor", "evidence.win_rate"}
)  # fmt: skip
"""What runs out, or has no value while nothing has happened; all else begins with nothing."""
_NOTHING = Reach(YES, "")


class Asking(NamedTuple):
    """What a comparison is asked with.

    `constants` are the declared numbers by name; `measures` those of a protection. A strategy's
    record looks `over` so many sessions back.
    """

    plans: tuple[Plan, ...]
    constants: Mapping[str, Given]
    english: English
    measures: Mapping[str, Any]
    over: int


def by_value(asking: Asking, leaf: ir.Compare, name: ir.Name) -> Reach:
    """How far one number has to go from nothing."""
    truth = truth_of(leaf, possibly=False)

    def holds(value: float) -> bool:
        given: Given = int(value) if name.unit.is_count else value
        return bool(truth.asked({**asking.constants, name.name: given}))

    at_rest = holds(0.0)
    if name.unit.is_count:
        flip = next((n for n in range(_MOST_COUNTED) if holds(n) != at_rest), None)
        found = [] if flip is None else [float(flip)]
    else:
        found = list(flips(holds, LARGEST))
    if not found:
        return Reach(NEVER, NO_MOVE, "no value leads there") if not at_rest else _NOTHING
    value = min(found, key=abs)
    said = asking.english.number(name)
    shown = f"{said} at {amount_text(value, name.unit)}"
    is_any = abs(value) <= 2 * name.unit.tolerance
    if is_any:
        ways = {found_at > 0 for found_at in found if abs(found_at) <= 2 * name.unit.tolerance}
        shown = f"{said} {'not 0' if len(ways) > 1 else 'above 0' if value > 0 else 'below 0'}"
    if at_rest and name.name not in _NOT_FROM_NOTHING:
        return Reach(YES, shown, holds_already=True)
    measure = asking.measures.get(name.name)
    if name.unit == USD and value < 0 and not is_any:
        return loss_reach(-value, name, said, measure, asking.plans)
    if getattr(measure, "function", "") == "drawdown":
        return drawdown_reach(value, said, measure, asking.plans, asking.constants)
    return _counted(asking, value, name, measure, shown)


def _counted(asking: Asking, value: float, name: ir.Name, measure: Any, move: str) -> Reach:
    """A count of trades or orders against those that it can find, and that the rules plan."""
    if name.name == _SESSIONS and value > asking.over:
        return Reach(NEVER, NO_MOVE, f"the record holds {asking.over:,} sessions at most")
    if getattr(measure, "function", "") == "count" and measure.span.kind == ROWS:
        most = measure.span.size
        if value > most:
            return Reach(NEVER, NO_MOVE, f"it never counts more than {most:,}")
    planned = _planned_count(asking, name, measure)
    if planned is None or value <= planned[0]:
        return Reach(YES, move)
    return Reach(BEYOND, move, f"the rules plan {planned[0]:,} {planned[1]}")


def _planned_count(asking: Asking, name: ir.Name, measure: Any) -> tuple[int, str] | None:
    entries = entries_of(asking.plans)
    if name.name == "desk.open_positions":
        return len({plan.strategy.symbol for plan in asking.plans}), "at a time"
    if entries is None:
        return None
    if name.name == ENTRIES:
        return entries, "a session"
    if name.name == _TRADES:
        return entries * asking.over, f"in {asking.over:,} sessions"
    if name.name == "desk.orders_today":
        return 2 * entries, "a session, an entry and its exit"
    if name.unit in {TRADES, ORDERS} and getattr(measure, "function", "") == "count":
        sessions = sessions_over(measure)
        if sessions is not None:
            return entries * sessions, f"in {measure.over}"
    return None
