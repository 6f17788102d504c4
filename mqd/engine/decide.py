"""One bar, one strategy, one decision record."""

from __future__ import annotations

from decimal import Context, Decimal

from mqd.engine.core import Engine, Step
from mqd.engine.gate import checked, exit_signal, submit_entry, submit_exit
from mqd.engine.holdings import looked_at
from mqd.engine.ledger import EXACT
from mqd.engine.moves import count_exits, count_queued
from mqd.engine.state import DeskState
from mqd.model.decision import ENTER, EXIT, EXIT_WAITS, NO_TRADE, REFUSED, Decision
from mqd.model.event import BarClosed
from mqd.model.order import ENTRY
from mqd.model.signal import StrategySignal
from mqd.rules.compile.strategy import CompiledStrategy

_STOP_STEP = Decimal("0.000001")
_STOP_CONTEXT = Context(prec=400)  # a float64 written out has at most 309 digits before the point


def decide(
    engine: Engine,
    state: DeskState,
    compiled: CompiledStrategy,
    bar: BarClosed,
    data: int,
    step: Step,
) -> None:
    """Evaluate every condition of the strategy on the bar; exits first; leave one record."""
    strategy_id = compiled.rules.header.id
    facts = state.strategies[strategy_id]
    facts.working_exits = count_exits(state, strategy_id, bar.symbol) if state.working else 0
    state.desk.queued_orders = count_queued(state) if state.working else 0
    no_trade, exits, lots, stop, stop_known, values = compiled.decide(
        bar, state.symbols[bar.symbol], state.session, state.desk, facts
    )
    outcome, checks, protections = NO_TRADE, 0, state.active_protections
    if facts.position_open:
        looked_at(state, (strategy_id, bar.symbol), bar.at_ns)
        if exits:
            outcome, checks = _exit(engine, state, compiled, bar, exits, step)
    else:
        exits = 0
        if not no_trade:
            lot = state.symbols[bar.symbol].lot_qty
            signal = _entry_signal(compiled, bar, lots, stop if stop_known else None, lot)
            outcome, protections, checks = _enter(engine, state, bar, signal, data, step)
    step.decisions.append(
        Decision(
            step.at_ns, strategy_id, bar.symbol, outcome, no_trade, exits, data,
            protections, checks, values, state.rules_digest,
        )
    )  # fmt: skip


def _enter(
    engine: Engine,
    state: DeskState,
    bar: BarClosed,
    wish: StrategySignal,
    data: int,
    step: Step,
) -> tuple[str, int, int]:
    signal = checked(engine, state, wish, step)
    if signal is None:
        return REFUSED, state.active_protections, 0
    verdict = submit_entry(engine, state, bar, signal, data, step)
    protections = verdict.protections | state.active_protections
    return (ENTER if verdict.sent else REFUSED), protections, verdict.checks


def _exit(
    engine: Engine,
    state: DeskState,
    compiled: CompiledStrategy,
    bar: BarClosed,
    exits: int,
    step: Step,
) -> tuple[str, int]:
    """Close what is held, for the reason that stands first in the file."""
    reason = next(rule.code for bit, rule in enumerate(compiled.rules.exits) if exits >> bit & 1)
    key = (compiled.rules.id, bar.symbol)
    wish = exit_signal(engine, state, key, _exact(bar.close), reason, bar.at_ns)
    signal = checked(engine, state, wish, step)
    if signal is None:
        return EXIT_WAITS, 0
    verdict = submit_exit(engine, state, signal, step)
    return (EXIT if verdict.sent else EXIT_WAITS), verdict.checks


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
        qty, _exact(bar.close), planned, "ENTRY", bar.at_ns,
    )  # fmt: skip


def _in_whole(lot_qty: Decimal, qty: Decimal) -> Decimal:
    """The size, rounded down to what the broker trades the symbol in, where it has told that.

    A size below one such step stays: a check refuses it by its name.
    """
    beyond = EXACT.remainder(qty, lot_qty) if lot_qty else lot_qty
    return EXACT.subtract(qty, beyond) if qty > beyond else qty


def _exact(price: float) -> Decimal:
    """The decimal that the feed wrote: a float64's shortest digits."""
    return Decimal(repr(price))
