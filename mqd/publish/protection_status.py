"""How one protection stands: armed, blocking or tripped, and how far what it watches is away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.times import iso_utc
from mqd.ground.units import TIME_OF_DAY
from mqd.publish.figures import FactValue, Shown, fact_text
from mqd.publish.measured_now import measured_now, subjects
from mqd.publish.recorded_values import RecordedValues
from mqd.publish.wording import lasts_text
from mqd.rules.book import Protection, RuleBook, Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.expressions import ir
from mqd.rules.words.blocking import WHILE_TRUE

ARMED = "armed"
TRIPPED = "tripped"
BLOCKING = "blocking"


class ProtectionStatus(NamedTuple):
    """One protection: armed, blocking while it is true, or tripped until an instant.

    `protection` names what it is about, too, where that is not the whole desk. `to_go` is how far
    what it watches is from tripping it, where that is one number; `until` is what ends its block
    where no clock does, `rules_digest` the rules that it tripped under.
    """

    protection: str
    state: str
    until_ns: int | None
    watches: tuple[Shown, ...]
    to_go: str
    until: str = ""
    rules_digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """The protection for a program."""
        return {
            "protection": self.protection,
            "state": self.state,
            "until": None if self.until_ns is None else iso_utc(self.until_ns),
            "watches": [shown._asdict() for shown in self.watches],
            "to_go": self.to_go or None,
            "ends": self.until or None,
            "rules_digest": self.rules_digest or None,
        }


def protections_status(state: DeskState, book: RuleBook) -> tuple[ProtectionStatus, ...]:
    """How every protection stands now; what is no longer of these rules and still blocks, last."""
    known = {protection.id for protection in book.protections}
    found = [item for each in book.protections for item in _status(state, book, each)]
    older = [key for key in state.locks if key.partition("/")[0] not in known]
    found += [
        item
        for key in older
        if (item := _standing(state, book, key, while_true=False)).state != ARMED
    ]
    return tuple(found)


def _status(state: DeskState, book: RuleBook, protection: Protection) -> Iterator[ProtectionStatus]:
    """One line for the desk; of those for each strategy or symbol, a line for each that blocks."""
    while_true = protection.lasts == WHILE_TRUE
    keys = [key for key in state.locks if key.partition("/")[0] == protection.id]
    stands = [_standing(state, book, key, while_true=while_true) for key in keys]
    blocking = [item for item in stands if item.state != ARMED]
    facts: dict[str, FactValue] = {
        "desk.pnl": state.desk.pnl_usd, "clock.time": state.session.clock_s,
        "week.pnl": state.desk.week_pnl_usd, "desk.profile": state.desk.profile_code,
    }  # fmt: skip
    limits = {limit.name: limit for limit in book.limits}
    constants = {
        PREFIX + limit.name: float(limit.value)
        for limit in book.limits
        if not isinstance(limit.value, Window)
    }
    about = subjects(book, protection)
    for subject in about:
        measures = measured_now(state, book, protection, subject)
        known = facts | {name: round(value, 6) for name, value in measures.items()}
        watches = RecordedValues(known, {}, limits).of(protection.trips_when.when)
        own = f"{protection.id}/{subject}"
        held = [item for item in blocking if item.protection in {protection.id, own}]
        if held:
            yield from (item._replace(watches=watches) for item in held)
            continue
        numbers = {key: float(value) for key, value in known.items() if value is not None}
        to_go = _to_go(protection.trips_when.when, constants | numbers)
        name = protection.id if len(about) == 1 else own
        yield ProtectionStatus(name, ARMED, None, watches, to_go)


def _standing(state: DeskState, book: RuleBook, key: str, *, while_true: bool) -> ProtectionStatus:
    """How one block stands; one whose time is over is armed, though nobody has looked since."""
    lock = state.locks[key]
    is_on = lock.state_name != book.protection_machine.initial
    is_over = 0 < lock.until_ns <= state.now_ns
    if not (is_on and not is_over) and not lock.is_unknown:
        return ProtectionStatus(key, ARMED, None, (), "")
    if while_true or not is_on or is_over:
        return ProtectionStatus(key, BLOCKING, None, (), "", "", lock.rules_digest)
    if lock.until_ns:
        return ProtectionStatus(key, TRIPPED, lock.until_ns, (), "", "", lock.rules_digest)
    return ProtectionStatus(key, TRIPPED, None, (), "", lasts_text(lock.lasts), lock.rules_digest)


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
