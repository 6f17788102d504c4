"""How one protection stands: armed, blocking or tripped, and how far what it watches is away."""

from __future__ import annotations

from typing import Any, NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.times import iso_utc
from mqd.ground.units import TIME_OF_DAY
from mqd.publish.figures import FactValue, Shown, fact_text
from mqd.publish.recorded_values import RecordedValues
from mqd.rules.book import Protection, RuleBook, Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.check.sets import WHILE_TRUE
from mqd.rules.expressions import ir

ARMED = "armed"
TRIPPED = "tripped"
BLOCKING = "blocking"


class ProtectionStatus(NamedTuple):
    """One protection: armed, blocking while it is true, or tripped until an instant.

    `to_go` is how far what it watches is from tripping it, where that is one number.
    """

    protection: str
    state: str
    until_ns: int | None
    watches: tuple[Shown, ...]
    to_go: str

    def to_json(self) -> dict[str, Any]:
        """The protection for a program."""
        return {
            "protection": self.protection,
            "state": self.state,
            "until": None if self.until_ns is None else iso_utc(self.until_ns),
            "watches": [shown._asdict() for shown in self.watches],
            "to_go": self.to_go or None,
        }


def protection_status(
    state: DeskState, book: RuleBook, bit: int, protection: Protection
) -> ProtectionStatus:
    """How the protection of this bit stands now."""
    until_ns = state.tripped_until_ns.get(protection.id, 0)
    is_true = bool(state.active_protections >> bit & 1)
    name, shown_until = ARMED, None
    if protection.lasts == WHILE_TRUE:
        name = BLOCKING if is_true else ARMED
    elif until_ns > state.now_ns:
        name, shown_until = TRIPPED, until_ns
    facts: dict[str, FactValue] = {
        "desk.pnl": state.desk.pnl_usd, "clock.time": state.session.clock_s,
    }  # fmt: skip
    limits = {limit.name: limit for limit in book.limits}
    watches = RecordedValues(facts, {}, limits).of(protection.trips_when.when)
    numbers = {key: float(value) for key, value in facts.items() if value is not None}
    numbers |= {
        PREFIX + limit.name: float(limit.value)
        for limit in book.limits
        if not isinstance(limit.value, Window)
    }
    to_go = _to_go(protection.trips_when.when, numbers) if name == ARMED else ""
    return ProtectionStatus(protection.id, name, shown_until, watches, to_go)


def _to_go(tree: ir.Logical, values: dict[str, float]) -> str:
    """How far the two sides of a comparison are apart; empty where that says nothing."""
    if not isinstance(tree, ir.Compare) or tree.unit == TIME_OF_DAY:
        return ""
    left, right = _amount(tree.left, values), _amount(tree.right, values)
    if left is None or right is None:
        return ""
    return fact_text(round(abs(left - right), 6), tree.unit).removeprefix("+")


def _amount(tree: ir.Numeric, values: dict[str, float]) -> float | None:
    match tree:
        case ir.Number(text=text):
            return float(text)
        case ir.Name(name=name):
            return values.get(name)
        case ir.Negative(operand=operand):
            amount = _amount(operand, values)
            return None if amount is None else -amount
        case ir.Arithmetic(op=("+" | "-" | "*") as op):
            left, right = _amount(tree.left, values), _amount(tree.right, values)
            if left is None or right is None:
                return None
            return {"+": left + right, "-": left - right, "*": left * right}[op]
    return None
