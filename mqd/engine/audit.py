"""The declared invariants, checked after every step that touched orders or the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.holdings import is_managed
from mqd.engine.moves import PENDING_CANCEL
from mqd.engine.positions import EXACT
from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import InvariantViolatedError
from mqd.model.command import SubmitOrder
from mqd.model.order import ENTRY, EXIT, EXTERNAL, LEAVING, PROTECTIVE, Order
from mqd.rules.expressions import ir

_ZERO = Decimal(0)
_MOST_PLACES = 3  # a sentence that a person reads; `mqd status` shows the rest
_NEXT = (
    "`mqd status` shows the desk; keep a copy of the journal, `mqd flatten`, find the cause, "
    "then `mqd resume`"
)


class Place(NamedTuple):
    """Where a fact is not as it should be: its words, and what to fill in once they are read."""

    fact: str
    words: str
    values: tuple[object, ...]

    def text(self) -> str:
        """The words with their values."""
        shown = (decimal_text(v) if isinstance(v, Decimal) else v for v in self.values)
        return self.words.format(*shown)


@dataclass(slots=True)
class AuditFacts:
    """What the desk finds when it compares itself with itself, and where it found it."""

    position_gap: float = 0.0
    fill_gap: float = 0.0
    cash_gap: float = 0.0
    wrong_working: int = 0
    exit_excess: float = 0.0
    exits_beside_stops: int = 0
    entries_on_one_symbol: int = 0
    entries_while_stopped: int = 0
    positions_without_exit: int = 0
    commands_unrecorded: int = 0
    places: list[Place] = field(default_factory=list)

    def compare(self, fact: str, words: str, here: Decimal, there: Decimal, *of: object) -> None:
        """The largest difference is the fact; `words` take what it is of, then both numbers."""
        if here != there:
            gap = float(EXACT.subtract(here, there).copy_abs())
            setattr(self, fact, max(gap, getattr(self, fact)))
            self.places.append(Place(fact, words, (*of, here, there)))

    def count(self, fact: str, words: str, *of: object) -> None:
        """One more of what should not be."""
        setattr(self, fact, getattr(self, fact) + 1)
        self.places.append(Place(fact, words, of))


def audit(engine: Engine, state: DeskState, step: Step) -> None:
    """Raise every invariant that does not hold; the desk hears of it, and no order leaves."""
    compiled = engine.book.invariants
    facts = audit_facts(engine, state, step)
    mask = compiled.evaluate(None, None, state.session, state.desk, None, None, facts)
    if mask == (1 << len(compiled.codes)) - 1:
        return
    for bit, code in enumerate(compiled.codes):
        if not mask >> bit & 1 and (code, "invariant") not in state.paged:
            state.paged.add((code, "invariant"))
            # What this step decided was decided on what cannot be; its orders are looked up later.
            step.commands[:] = [each for each in step.commands if not isinstance(each, SubmitOrder)]
            error = InvariantViolatedError(_told(engine, facts, code))
            raise_incident(engine, state, step, error, code)


def _told(engine: Engine, facts: AuditFacts, code: str) -> str:
    """What should hold and why, where it does not, and what a person does about it."""
    always = (each for rules in engine.book.rules.invariants for each in rules.always)
    rule = next(each for each in always if each.code == code)
    read = {name.name for name in ir.names(rule.when)}
    # Found by way of sets, told in one order: a replay says the same, byte for byte.
    places = sorted(each.text() for each in facts.places if f"audit.{each.fact}" in read)
    more = len(places) - _MOST_PLACES
    where = "; ".join(places[:_MOST_PLACES]) or f"`{rule.text}` is not so"
    return (
        f"{code} does not hold: {where}{f'; and {more} more' if more > 0 else ''}. "
        f"{rule.because} {_NEXT}"
    )


def audit_facts(engine: Engine, state: DeskState, step: Step) -> AuditFacts:
    """Recompute from executions and orders what the rest of the state says.

    Orders are compared where this step touched them, positions and cash as a whole.
    """
    facts = AuditFacts()
    for key in {*step.booked, *state.holdings}:
        here, there = state.ledger.positions.get(*key).qty, state.ledger.recomputed(*key).qty
        words = "{} holds {} of {}, by its executions {}"
        facts.compare("position_gap", words, here, there, *key)
    _audit_orders(engine, state, step, facts)
    _audit_cash(engine, state, step, facts)
    _audit_working(engine, state, facts)
    _audit_commands(engine, state, step, facts)
    return facts


def _audit_orders(engine: Engine, state: DeskState, step: Step, facts: AuditFacts) -> None:
    for order_id in {entry.client_order_id for entry in step.log.entries} | state.working:
        order = state.orders.get(order_id)
        if order is None:
            facts.count(
                "wrong_working", "{} counts as working, and there is no such order", order_id
            )
            continue
        words = "{} has {} filled, by its executions {}"
        facts.compare("fill_gap", words, order.filled_qty, state.ledger.filled(order_id), order_id)
        is_working = order_id in state.working
        if (order.state in engine.orders.terminal) == is_working:
            words = f"{{}} is {{}}, and counts as {'working' if is_working else 'ended'}"
            facts.count("wrong_working", words, order_id, order.state)


def _audit_cash(engine: Engine, state: DeskState, step: Step, facts: AuditFacts) -> None:
    ledger = state.ledger
    if step.booked:
        moved_usd = EXACT.subtract(ledger.cash_delta_usd, step.cash_before_usd)
        words = "the cash moved by {} USD here, by the executions {}"
        facts.compare("cash_gap", words, moved_usd, step.cash_moved_usd)
    running = (item.rules.id for item in engine.book.strategies)
    of_desk_usd, of_strategies = ledger.earned_today(state.session.open_ns, running)
    words = "the profit of {} in this session is {} USD here, by its executions {}"
    facts.compare("cash_gap", words, state.desk.realised_today, of_desk_usd, "the desk")
    for strategy_id, earned_usd in of_strategies.items():
        told_usd = state.strategies[strategy_id].pnl_today
        facts.compare("cash_gap", words, told_usd, earned_usd, strategy_id)


def _audit_working(engine: Engine, state: DeskState, facts: AuditFacts) -> None:
    working = [state.orders[order_id] for order_id in state.working if order_id in state.orders]
    entries = Counter(order.symbol for order in working if order.role == ENTRY)
    for symbol, number in entries.items():
        facts.entries_on_one_symbol = max(number, facts.entries_on_one_symbol)
        if number > 1:
            words = "{1} entries work on {0}"
            facts.places.append(Place("entries_on_one_symbol", words, (symbol, number)))
    _audit_leaving(state, [order for order in working if order.role in LEAVING], facts)
    exits = {order[1:4] for order in working if order.role == EXIT}  # strategy, symbol, side
    for strategy, symbol in state.holdings:
        if (
            strategy != EXTERNAL
            and not is_managed(engine, (strategy, symbol))
            and state.state_name == engine.desk.rules.initial
            and (strategy, symbol, "sell") not in exits
        ):
            words = "{} holds {}, and neither a strategy nor a working exit looks after it"
            facts.count("positions_without_exit", words, strategy, symbol)


def _audit_leaving(state: DeskState, working: list[Order], facts: AuditFacts) -> None:
    """Exits and stops together close no more than there is, and only one of the two is out."""
    leaving: dict[tuple[str, str, str], Decimal] = {}
    out: dict[str, set[tuple[str, str]]] = {EXIT: set(), PROTECTIVE: set()}
    for order in working:
        key = (order.strategy, order.symbol, order.side)
        # One that is asked back may still trade, and cannot be asked for more than that.
        rest = _ZERO if order.state == PENDING_CANCEL else max(order.remaining_qty, _ZERO)
        leaving[key] = EXACT.add(leaving.get(key, _ZERO), rest)
        if not order.never_left:
            out[order.role].add(key[:2])
    for (strategy, symbol, side), qty in leaving.items():
        held = state.ledger.positions.get(strategy, symbol).qty
        can_leave = max(held if side == "sell" else held.copy_negate(), _ZERO)
        if qty > can_leave:
            words = "exits of {0} may still {2} {3} {1}, where {4} can be closed"
            facts.compare("exit_excess", words, qty, can_leave, strategy, symbol, side)
    for strategy, symbol in sorted(out[EXIT] & out[PROTECTIVE]):
        words = "an exit of {} was sent for {} while a stop there has not ended"
        facts.count("exits_beside_stops", words, strategy, symbol)


def _audit_commands(engine: Engine, state: DeskState, step: Step, facts: AuditFacts) -> None:
    # A button may let the desk open again, and an entry that waits leaves with the same step.
    was_active = engine.desk.rules.initial in {step.state_before, state.state_name}
    for command in step.commands:
        if isinstance(command, SubmitOrder):
            order = state.orders.get(command.client_order_id)
            if order is None:
                words = "{} was to leave, and there is no such order"
                facts.count("commands_unrecorded", words, command.client_order_id)
            elif order.role == ENTRY and not was_active:
                words = "{} was to leave while the desk is {}"
                order_id = command.client_order_id
                facts.count("entries_while_stopped", words, order_id, state.state_name)
