"""The gate: from a wish to trade to an order, or to the codes that say no.

Protections, data rules and checks can refuse an entry. An exit is refused by nothing that is about
risk: only a second exit while one works, and a desk halted by a broken invariant, hold it back.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.engine.account import messages, opposite_orders, tell_account, tell_symbol
from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.history import EntrySent
from mqd.engine.moves import ask_back, count_exits, count_working, working_orders
from mqd.engine.origin import check_origin
from mqd.engine.portfolio import tell_portfolio
from mqd.engine.regimes import pauses
from mqd.engine.state import DeskState, OrderFacts, StrategyFacts
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import (
    DuplicateOrderError,
    MalformedSignalError,
    UnauthorizedAIActionError,
)
from mqd.ground.ids import client_order_id
from mqd.ground.times import NS_PER_S
from mqd.model.command import SubmitOrder
from mqd.model.event import BarClosed
from mqd.model.order import ENTRY, EXIT, LEAVING, PROTECTIVE, STOP, Order
from mqd.model.position import ZERO
from mqd.model.signal import StrategySignal
from mqd.rules.words.orders import ORDER_TYPES, TIMES_IN_FORCE

_PRICE_STEP = Decimal("0.0001")  # the finest that a price has anywhere
_INFINITY = float("inf")


class Verdict(NamedTuple):
    """Whether the order was sent; if not, the masks of what said no."""

    sent: bool
    protections: int = 0
    checks: int = 0


def submit_entry(
    engine: Engine,
    state: DeskState,
    bar: BarClosed,
    signal: StrategySignal,
    data: int,
    step: Step,
    opposite_signals: int = 0,
) -> Verdict:
    """Send the entry unless a data rule, a protection or a check refuses it."""
    if not _stems_from_rules(engine, state, signal, step):
        return Verdict(False)
    answer = engine.protections.check(state, signal.strategy, signal.symbol, step)
    facts = _entry_facts(engine, state, signal)
    facts.has_protection_error, facts.has_older_lock = answer.has_error, answer.has_older_lock
    facts.opposite_signals = opposite_signals
    symbol = state.symbol(signal.symbol)
    strategy = state.strategies[signal.strategy]
    checks = engine.book.entry_checks.evaluate(
        bar, symbol, state.session, state.desk, strategy, facts
    )
    if data or answer.mask or answer.has_error or checks:
        return Verdict(False, answer.mask, checks)
    if not _send(engine, state, signal, step):
        return Verdict(False)
    strategy.entries_today += 1
    state.history.add_entry(EntrySent(signal.at_ns, signal.strategy, signal.symbol))
    return Verdict(True)


def submit_exit(engine: Engine, state: DeskState, signal: StrategySignal, step: Step) -> Verdict:
    """Send the exit; entries of the same position that still work are asked back first.

    A stop that rests at the broker holds the shares: it is asked back, and the exit, which is made
    all the same, waits until the stop has provably ended.
    """
    if not _stems_from_rules(engine, state, signal, step):
        return Verdict(False)
    facts = _order_facts(state, signal)
    symbol = state.symbol(signal.symbol)
    strategy = state.strategies.get(signal.strategy) or StrategyFacts()
    strategy.working_exits = count_exits(state, signal.strategy, signal.symbol)
    checks = engine.book.exit_checks.evaluate(
        None, symbol, state.session, state.desk, strategy, facts
    )
    for entry in working_orders(state, signal.strategy, signal.symbol, ENTRY):
        ask_back(engine, state, entry, signal.reason, step)
    if checks:
        return Verdict(False, 0, checks)
    stops = working_orders(state, signal.strategy, signal.symbol, PROTECTIVE)
    for stop in stops:
        ask_back(engine, state, stop, signal.reason, step)
    return Verdict(_send(engine, state, signal, step, waits=bool(stops)))


def _stems_from_rules(engine: Engine, state: DeskState, signal: StrategySignal, step: Step) -> bool:
    """Whether a strategy, a watch or a button made the signal; anything else is told of."""
    try:
        check_origin(engine, state, signal, step)
    except UnauthorizedAIActionError as error:
        raise_incident(engine, state, step, error, signal.strategy)
        return False
    return True


def _order_facts(state: DeskState, signal: StrategySignal) -> OrderFacts:
    return OrderFacts(
        qty=float(signal.qty),
        price=float(signal.price),
        stop_loss=float("nan") if signal.stop_loss is None else float(signal.stop_loss),
        since_same_s=_since_same_s(state, signal),
    )


def _entry_facts(engine: Engine, state: DeskState, signal: StrategySignal) -> OrderFacts:
    """What only an entry is asked about: its form, its price to pay, who else is at work."""
    facts = _order_facts(state, signal)
    time_in_force = _time_in_force(engine, signal)
    is_fractional = signal.qty != signal.qty.to_integral_value()
    words = engine.book.rules.broker_words
    facts.type_code = list(ORDER_TYPES).index(signal.order_type)
    facts.time_in_force_code = list(TIMES_IN_FORCE).index(time_in_force)
    facts.is_fractional = is_fractional
    facts.is_form_taken = words.takes(signal.order_type, time_in_force, is_part=is_fractional)
    facts.opposite_orders = opposite_orders(state, signal.symbol, signal.side)
    facts.messages = messages(state)
    facts.pauses_in_regime = pauses(engine, state, signal.strategy, signal.symbol)
    tell_symbol(state.symbol(signal.symbol), signal.qty, facts)
    tell_account(state, facts)
    tell_portfolio(engine.book.rules.portfolio, state, signal.strategy, facts)
    return facts


def _time_in_force(engine: Engine, signal: StrategySignal) -> str:
    sends = engine.book.rules.sends
    return (sends.exit if signal.role == EXIT else sends.entry).time_in_force


def _content(signal: StrategySignal) -> tuple[str, str, str]:
    return signal.symbol, signal.side, decimal_text(signal.qty)


def _since_same_s(state: DeskState, signal: StrategySignal) -> float:
    """Seconds since an order with the same content was made in this session."""
    sent_ns = state.sent_content.get(_content(signal))
    return float("inf") if sent_ns is None else (signal.at_ns - sent_ns) / NS_PER_S


def exit_signal(
    engine: Engine, state: DeskState, key: tuple[str, str], price: Decimal, reason: str, at_ns: int
) -> StrategySignal:
    """The wish to close what is held.

    Nothing here sells short, but a broker's overfill can: that is bought back the same way.
    """
    qty = state.ledger.positions.get(*key).qty
    side = "sell" if qty > 0 else "buy"
    form = engine.book.rules.sends.exit.type
    return StrategySignal(*key, EXIT, side, form, qty.copy_abs(), price, None, reason, at_ns)


def send_exit(
    engine: Engine, state: DeskState, key: tuple[str, str], reason: str, step: Step
) -> bool:
    """Close a position because a watch asks for it; False when nothing was sent."""
    last_close = state.symbol(key[1]).last_close
    average = state.ledger.positions.get(*key).entry_price
    price = Decimal(repr(last_close)) if last_close else average
    if price is None:
        return False
    wish = exit_signal(engine, state, key, price, reason, state.now_ns)
    signal = checked(engine, state, wish, step)
    return signal is not None and submit_exit(engine, state, signal, step).sent


def send_stop(
    engine: Engine, state: DeskState, key: tuple[str, str], price: float, reason: str, step: Step
) -> bool:
    """Send a stop order for the whole position; False where the price is none."""
    if not 0 < price < _INFINITY:
        return False
    held = state.ledger.positions.get(*key)
    attempt = state.holdings[key].stop_attempts + 1
    order = Order(
        client_order_id=_order_id(engine, state, key, state.now_ns, PROTECTIVE, attempt),
        strategy=key[0],
        symbol=key[1],
        side="sell",
        type=STOP,
        role=PROTECTIVE,
        qty=held.qty,
        reference_price=held.entry_price or ZERO,
        stop_loss=None,
        reason=reason,
        rules_digest=state.rules_digest,
        created_ns=state.now_ns,
        state="",
        attempt=attempt,
        asked_ns=state.now_ns,
        time_in_force=engine.book.rules.sends.exit.time_in_force,
        stop_price=Decimal(repr(price)).quantize(_PRICE_STEP),
    )
    if not _record(engine, state, order, step):
        return False
    state.holdings[key].stop_id = order.client_order_id
    submit_again(state, state.orders[order.client_order_id], step)
    return True


def submit_again(state: DeskState, order: Order, step: Step) -> None:
    """Send an order, the first time or again, under the id that it has.

    The broker's own uniqueness makes it safe.
    """
    state.orders[order.client_order_id] = order._replace(
        asked_ns=state.now_ns,
        sent_ns=state.now_ns,
        times_sent=order.times_sent + 1,
        was_taken=True,
    )
    step.commands.append(_command(order, step.at_ns))


def _command(order: Order, at_ns: int) -> SubmitOrder:
    return SubmitOrder(
        at_ns, order.client_order_id, order.symbol, order.side, order.qty, order.type,
        order.time_in_force, order.stop_price,
    )  # fmt: skip


def _send(
    engine: Engine, state: DeskState, signal: StrategySignal, step: Step, *, waits: bool = False
) -> bool:
    """Make the order, durable with this step's outcome, and the command that sends it.

    One that waits is made without the command: its watch sends it.
    """
    key = (signal.strategy, signal.symbol)
    holding = state.holdings.get(key)
    attempt = holding.exit_attempts + 1 if signal.role == EXIT and holding is not None else 1
    order = Order(
        client_order_id=_order_id(engine, state, key, signal.at_ns, signal.role, attempt),
        strategy=signal.strategy,
        symbol=signal.symbol,
        side=signal.side,
        type=signal.order_type,
        role=signal.role,
        qty=signal.qty,
        reference_price=signal.price,
        stop_loss=signal.stop_loss,
        reason=signal.reason,
        rules_digest=state.rules_digest,
        created_ns=signal.at_ns,
        state="",
        attempt=attempt,
        asked_ns=signal.at_ns,
        sent_ns=0 if waits else signal.at_ns,
        times_sent=0 if waits else 1,
        time_in_force=_time_in_force(engine, signal),
    )
    if not _record(engine, state, order, step):
        return False
    state.sent_content[_content(signal)] = signal.at_ns
    state.desk.orders_today += 1
    if not waits:
        step.commands.append(_command(order, signal.at_ns))
    return True


def _record(engine: Engine, state: DeskState, order: Order, step: Step) -> bool:
    """Let an order begin its life; False, and told, where its id is taken."""
    order_id = order.client_order_id
    if order_id in state.orders:
        error = DuplicateOrderError(f"{order_id} exists already; nothing was sent")
        raise_incident(engine, state, step, error, order_id)
        return False
    state.orders[order_id] = engine.orders.created(order, step.log)
    state.working.add(order_id)
    count_working(state, order.symbol)
    return True


def _order_id(
    engine: Engine, state: DeskState, key: tuple[str, str], at_ns: int, role: str, attempt: int
) -> str:
    """The id of this decision's order.

    A position that was closed and opened again within the second of its exit's id, by the next
    part of a fill, has another exit: where the first has ended, that one takes the next number.
    """
    while True:
        order_id = client_order_id(*key, at_ns, role, attempt)
        known = state.orders.get(order_id)
        if role not in LEAVING or known is None or known.state not in engine.orders.terminal:
            return order_id
        attempt += 1


def checked(
    engine: Engine, state: DeskState, signal: StrategySignal, step: Step
) -> StrategySignal | None:
    """The signal, or None after noting that it is malformed."""
    try:
        return signal.checked()
    except MalformedSignalError as error:
        raise_incident(engine, state, step, error, signal.strategy)
        return None
