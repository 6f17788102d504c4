"""One bar, one strategy, one decision record: what it answers, and what comes of the answer."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import NamedTuple

from mqd.engine.core import Engine, Step
from mqd.engine.gate import checked, exit_signal, submit_entry, submit_exit
from mqd.engine.holdings import looked_at
from mqd.engine.idle import count_idle
from mqd.engine.ledger import EXACT
from mqd.engine.moves import count_exits, count_queued
from mqd.engine.origin import ENTRY_REASON
from mqd.engine.protections import WHOLE
from mqd.engine.state import DeskState, StrategyFacts
from mqd.model.decision import (
    ENTER,
    EXIT,
    EXIT_WAITS,
    NO_TRADE,
    REFUSED,
    Decision,
    EntryMadeSmaller,
)
from mqd.model.event import BarClosed
from mqd.model.order import ENTRY
from mqd.model.signal import StrategySignal
from mqd.rules.compile.strategy import CompiledStrategy

Made = tuple[str, int, int]
"""An outcome, and the masks of the protections and the checks that held."""

Values = tuple[float | int | bool | None, ...]
"""The facts of a record, as the strategy names them."""

_STOP_STEP = Decimal("0.000001")
_STOP_CONTEXT = Context(prec=400)  # a float64 written out has at most 309 digits before the point


Asked = tuple[CompiledStrategy, StrategyFacts, int, int, int, float | None, Values]
"""The fields of an `Answer`; on most bars nobody needs more of it."""


class Answer(NamedTuple):
    """What a strategy's rules answered on one bar; the masks are those of a decision.

    Without a position no exit is true.
    """

    compiled: CompiledStrategy
    facts: StrategyFacts
    no_trade: int
    exits: int
    lots: int
    stop_loss: float | None
    values: Values

    @property
    def asks(self) -> bool:
        """Whether it asks for an order: out of its position, or without one in."""
        return self.exits != 0 or not (self.no_trade or self.facts.position_open)


def idle(engine: Engine, state: DeskState, answer: Answer) -> Made:
    """The outcome where nothing is asked for."""
    return NO_TRADE, _held_back(engine, state, answer), 0


def malformed(engine: Engine, state: DeskState, answer: Answer) -> Made:
    """The outcome where what it asks for, or what is left of it, cannot be an order."""
    protections = _held_back(engine, state, answer)
    if answer.lots and not _left_of(engine, state, answer):
        rules = answer.compiled.rules
        protections |= engine.protections.sizing_mask(state, rules.header.id, rules.symbol)
    return REFUSED, protections, 0


def ask(state: DeskState, compiled: CompiledStrategy, bar: BarClosed) -> Asked:
    """Evaluate every condition of the strategy on the bar; nothing is sent."""
    strategy_id, desk = compiled.rules.header.id, state.desk
    facts = state.strategies[strategy_id]
    if state.working:
        facts.working_exits = count_exits(state, strategy_id, bar.symbol)
        desk.queued_orders = count_queued(state)
    else:
        facts.working_exits = desk.queued_orders = 0
    no_trade, exits, lots, stop, stop_known, values = compiled.decide(
        bar, state.symbols[bar.symbol], state.session, desk, facts
    )
    if facts.position_open:
        looked_at(state, (strategy_id, bar.symbol), bar.at_ns)
    else:
        exits = 0
    return compiled, facts, no_trade, exits, lots, stop if stop_known else None, values


def stay_out(engine: Engine, state: DeskState, asked: Asked, data: int, step: Step) -> None:
    """Leave the record of a strategy that asks for nothing on a bar on which none does."""
    compiled, _, no_trade, _, _, _, values = asked
    rules = compiled.rules
    strategy_id, symbol = rules.header.id, rules.symbol
    protections = engine.protections.mask(state, strategy_id, symbol)
    step.decisions.append(
        Decision(
            step.at_ns, strategy_id, symbol, NO_TRADE, no_trade, 0, data, protections, 0, values,
            state.rules_digest,
        )
    )  # fmt: skip
    count_idle(state, strategy_id, no_trade)


def _held_back(engine: Engine, state: DeskState, answer: Answer) -> int:
    """The protections that hold for the strategy and its symbol."""
    rules = answer.compiled.rules
    return engine.protections.mask(state, rules.header.id, rules.symbol)


def record(state: DeskState, answer: Answer, made: Made, data: int, step: Step) -> None:
    """Leave the one record of this bar and strategy."""
    outcome, protections, checks = made
    rules = answer.compiled.rules
    step.decisions.append(
        Decision(
            step.at_ns, rules.header.id, rules.symbol, outcome, answer.no_trade, answer.exits,
            data, protections, checks, answer.values, state.rules_digest,
        )
    )  # fmt: skip
    count_idle(state, rules.header.id, answer.no_trade)


def wish_to_enter(
    engine: Engine, state: DeskState, answer: Answer, bar: BarClosed, step: Step
) -> StrategySignal | None:
    """What the strategy asks for; None where protections leave nothing of it, and, after noting
    it, where it is malformed.
    """
    lot = state.symbols[bar.symbol].lot_qty
    lots = _left_of(engine, state, answer)
    if lots != answer.lots:
        _tell_smaller(engine, state, answer, bar, step)
        if not lots:
            return None
    wish = _entry_signal(answer.compiled, bar, lots, answer.stop_loss, lot)
    return checked(engine, state, wish, step)


def enter(
    engine: Engine,
    state: DeskState,
    bar: BarClosed,
    signal: StrategySignal,
    data: int,
    opposite_signals: int,
    step: Step,
) -> Made:
    """Send the entry, or say what refused it."""
    if step.commands:  # another strategy has just sent something
        state.desk.queued_orders = count_queued(state)
    verdict = submit_entry(engine, state, bar, signal, data, step, opposite_signals)
    return (ENTER if verdict.sent else REFUSED), verdict.protections, verdict.checks


def leave(engine: Engine, state: DeskState, answer: Answer, bar: BarClosed, step: Step) -> Made:
    """Close what is held, for the reason that stands first in the file."""
    compiled, protections = answer.compiled, _held_back(engine, state, answer)
    reason = next(
        rule.code for bit, rule in enumerate(compiled.rules.exits) if answer.exits >> bit & 1
    )
    key = (compiled.rules.id, bar.symbol)
    wish = exit_signal(engine, state, key, _exact(bar.close), reason, bar.at_ns)
    signal = checked(engine, state, wish, step)
    if signal is None:
        return EXIT_WAITS, protections, 0
    verdict = submit_exit(engine, state, signal, step)
    return (EXIT if verdict.sent else EXIT_WAITS), protections, verdict.checks


def _entry_signal(
    compiled: CompiledStrategy, bar: BarClosed, lots: int, stop_loss: float | None, lot: Decimal
) -> StrategySignal:
    rules = compiled.rules
    qty = _in_whole(lot, EXACT.multiply(Decimal(lots), rules.entry.qty.step))
    planned = None
    if stop_loss is not None:
        planned = _exact(stop_loss).quantize(_STOP_STEP, context=_STOP_CONTEXT)
    return StrategySignal(
        rules.id, bar.symbol, ENTRY, rules.entry.side, rules.entry.type,
        qty, _exact(bar.close), planned, ENTRY_REASON, bar.at_ns,
    )  # fmt: skip


def _left_of(engine: Engine, state: DeskState, answer: Answer) -> int:
    """The steps of its size that protections leave an entry, rounded down."""
    rules = answer.compiled.rules
    kept = engine.protections.size(state, rules.id, rules.symbol)
    return answer.lots if kept == WHOLE else int(EXACT.multiply(Decimal(answer.lots), kept))


def _tell_smaller(
    engine: Engine, state: DeskState, answer: Answer, bar: BarClosed, step: Step
) -> None:
    rules, protections = answer.compiled.rules, engine.protections
    kept = protections.size(state, rules.id, bar.symbol)
    qty = EXACT.multiply(Decimal(answer.lots), rules.entry.qty.step)
    names = protections.made_smaller(state, rules.id, bar.symbol)
    step.notes.append(EntryMadeSmaller(step.at_ns, rules.id, bar.symbol, names, kept, qty))


def _in_whole(lot_qty: Decimal, qty: Decimal) -> Decimal:
    """The size, rounded down to what the broker trades the symbol in, where it has told that.

    A size below one such step stays: a check refuses it by its name.
    """
    beyond = EXACT.remainder(qty, lot_qty) if lot_qty else lot_qty
    return EXACT.subtract(qty, beyond) if qty > beyond else qty


def _exact(price: float) -> Decimal:
    """The decimal that the feed wrote: a float64's shortest digits."""
    return Decimal(repr(price))
