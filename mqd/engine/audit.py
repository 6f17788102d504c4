"""The declared invariants, checked after every step that touched orders or the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.holdings import is_managed
from mqd.engine.moves import PENDING_CANCEL
from mqd.engine.positions import EXACT
from mqd.engine.state import DeskState
from mqd.ground.errors import InvariantViolatedError
from mqd.model.command import SubmitOrder
from mqd.model.order import ENTRY, EXIT, EXTERNAL

_ZERO = Decimal(0)


@dataclass(slots=True)
class AuditFacts:
    """What the desk finds when it compares itself with itself."""

    position_gap: float = 0.0
    fill_gap: float = 0.0
    cash_gap: float = 0.0
    wrong_working: int = 0
    exit_excess: float = 0.0
    entries_on_one_symbol: int = 0
    entries_while_stopped: int = 0
    positions_without_exit: int = 0
    commands_unrecorded: int = 0


def audit(engine: Engine, state: DeskState, step: Step) -> None:
    """Raise every invariant that does not hold; the desk hears of it."""
    compiled = engine.book.invariants
    mask = compiled.evaluate(
        None, None, state.session, state.desk, None, None, audit_facts(engine, state, step)
    )
    if mask == (1 << len(compiled.codes)) - 1:
        return
    for bit, code in enumerate(compiled.codes):
        if not mask >> bit & 1 and (code, "invariant") not in state.paged:
            state.paged.add((code, "invariant"))
            raise_incident(
                engine, state, step, InvariantViolatedError(f"{code} does not hold"), code
            )


def audit_facts(engine: Engine, state: DeskState, step: Step) -> AuditFacts:
    """Recompute from executions and orders what the rest of the state says.

    Orders are compared where this step touched them, positions and cash as a whole.
    """
    ledger = state.ledger
    facts = AuditFacts()
    keys = {*step.booked, *state.holdings}
    facts.position_gap = _largest(
        EXACT.subtract(ledger.positions.get(*key).qty, ledger.recomputed(*key).qty) for key in keys
    )
    touched = {entry.client_order_id for entry in step.log.entries} | state.working
    for order_id in touched:
        order = state.orders.get(order_id)
        if order is None:
            facts.wrong_working += 1
            continue
        gap = float(EXACT.subtract(order.filled_qty, ledger.filled(order_id)).copy_abs())
        facts.fill_gap = max(facts.fill_gap, gap)
        has_ended = order.state in engine.orders.terminal
        facts.wrong_working += has_ended == (order_id in state.working)
    if step.booked:
        moved_usd = EXACT.subtract(ledger.cash_delta_usd, step.cash_before_usd)
        facts.cash_gap = float(EXACT.subtract(moved_usd, step.cash_moved_usd).copy_abs())
    _audit_working(engine, state, facts)
    _audit_commands(engine, state, step, facts)
    return facts


def _largest(gaps: Iterable[Decimal]) -> float:
    return float(max((gap.copy_abs() for gap in gaps), default=_ZERO))


def _audit_working(engine: Engine, state: DeskState, facts: AuditFacts) -> None:
    entries: Counter[str] = Counter()
    leaving: dict[tuple[str, str, str], Decimal] = {}
    for order_id in state.working:
        order = state.orders.get(order_id)
        if order is None:
            continue
        if order.role == ENTRY:
            entries[order.symbol] += 1
        elif order.role == EXIT:
            key = (order.strategy, order.symbol, order.side)
            # One that is asked back may still trade, and cannot be asked for more than that.
            rest = _ZERO if order.state == PENDING_CANCEL else max(order.remaining_qty, _ZERO)
            leaving[key] = EXACT.add(leaving.get(key, _ZERO), rest)
    facts.entries_on_one_symbol = max(entries.values(), default=0)
    for (strategy, symbol, side), qty in leaving.items():
        held = state.ledger.positions.get(strategy, symbol).qty
        can_leave = held if side == "sell" else held.copy_negate()
        excess = EXACT.subtract(qty, max(can_leave, _ZERO))
        facts.exit_excess = max(facts.exit_excess, float(excess))
    facts.positions_without_exit = sum(
        1
        for key in state.holdings
        if key[0] != EXTERNAL
        and not is_managed(engine, key)
        and state.state_name == engine.desk.rules.initial
        and (key[0], key[1], "sell") not in leaving
    )


def _audit_commands(engine: Engine, state: DeskState, step: Step, facts: AuditFacts) -> None:
    # A button may let the desk open again, and an entry that waits leaves with the same step.
    was_active = engine.desk.rules.initial in {step.state_before, state.state_name}
    for command in step.commands:
        if isinstance(command, SubmitOrder):
            order = state.orders.get(command.client_order_id)
            if order is None:
                facts.commands_unrecorded += 1
            elif order.role == ENTRY and not was_active:
                facts.entries_while_stopped += 1
