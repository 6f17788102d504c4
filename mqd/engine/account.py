"""What the broker says of the account and of each symbol, kept as facts for the next entry."""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.ledger import EXACT
from mqd.engine.state import DeskState, OrderFacts, SymbolFacts
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.command import CancelOrder, Command, SubmitOrder
from mqd.model.event import SnapshotTaken
from mqd.model.order import ENTRY, EXTERNAL
from mqd.model.position import ZERO


def on_account(state: DeskState, snapshot: SnapshotTaken) -> None:
    """Take over what a snapshot says of the account and of the symbols, newest question first.

    What it does not say is not known any more: nothing is opened on an older word.
    """
    desk, account = state.desk, snapshot.account
    if snapshot.asked_ns < desk.account_asked_ns:
        return
    desk.refused_orders = 0
    told = {each.symbol: each for each in snapshot.symbols}
    for name in (*state.symbols, *(name for name in told if name not in state.symbols)):
        facts, said = state.symbol(name), told.get(name)
        facts.is_told = said is not None
        if said is not None:
            facts.is_tradable, facts.is_fractionable = said.is_tradable, said.is_fractionable
            facts.lot_qty, facts.tick_usd = said.lot_qty, said.tick_usd
    state.account = account
    desk.is_restricted = None if account is None else account.is_restricted
    if account is None:
        return
    desk.account_asked_ns = snapshot.asked_ns
    if account.equity_usd is not None:
        state.history.worth(account.equity_usd)
    state.counted_there = frozenset(each.client_order_id for each in snapshot.orders)


def tell_account(state: DeskState, facts: OrderFacts) -> None:
    """Set what the account is known to have; what it does not say stays unknown.

    It can pay for what it said, less what is promised to entries since.
    """
    account, asked_ns = state.account, state.desk.account_asked_ns
    if account is None:
        return
    facts.account_age_s = (state.now_ns - asked_ns) / NS_PER_S
    if account.buying_power_usd is not None:
        left_usd = EXACT.subtract(account.buying_power_usd, _promised_usd(state))
        facts.buying_power_usd = float(left_usd)
    if account.equity_usd is not None:
        facts.equity_usd = float(account.equity_usd)


def tell_symbol(symbol: SymbolFacts, qty: Decimal, facts: OrderFacts) -> None:
    """Set what the broker says of the symbol, and whether a size is in its steps, exactly."""
    facts.symbol_is_told = symbol.is_told
    facts.symbol_is_tradable = symbol.is_tradable
    facts.symbol_is_fractionable = symbol.is_fractionable
    facts.symbol_lot, facts.symbol_tick = float(symbol.lot_qty), float(symbol.tick_usd)
    facts.is_in_lots = not (symbol.lot_qty and EXACT.remainder(qty, symbol.lot_qty))


def _promised_usd(state: DeskState) -> Decimal:
    """What entries may cost that the account had not counted when it was asked.

    One that works counts whole, at the price it was decided at, as long as the broker has not
    listed it; one that was sent after the question, by what is filled of it.
    """
    promised_usd = ZERO
    for order in reversed(state.orders.values()):
        if order.created_ns < state.session.open_ns and order.role != EXTERNAL:
            break
        if order.role != ENTRY or order.client_order_id in state.counted_there:
            continue
        qty = order.qty if order.client_order_id in state.working else order.filled_qty
        if order.client_order_id in state.working or order.sent_ns >= state.desk.account_asked_ns:
            cost_usd = EXACT.multiply(qty, order.reference_price)
            promised_usd = EXACT.add(promised_usd, cost_usd)
    return promised_usd


def count_messages(state: DeskState, commands: list[Command]) -> None:
    """Remember when orders and cancels left, as long as the minute lasts in which they count."""
    left = sum(1 for each in commands if isinstance(each, SubmitOrder | CancelOrder))
    if left:
        since_ns = state.now_ns - NS_PER_MINUTE
        kept = tuple(at_ns for at_ns in state.messages_ns if at_ns > since_ns)
        state.messages_ns = (*kept, *[state.now_ns] * left)


def messages(state: DeskState) -> int:
    """Orders and cancels that left within the last minute."""
    since_ns = state.now_ns - NS_PER_MINUTE
    return sum(1 for at_ns in state.messages_ns if at_ns > since_ns)


def opposite_orders(state: DeskState, symbol: str, side: str) -> int:
    """Orders of the other side that work on the symbol, the desk's own and those of others."""
    own = sum(
        1
        for order in (state.orders[order_id] for order_id in state.working)
        if order.symbol == symbol and order.side != side
    )
    facts = state.symbol(symbol)
    return own + (facts.external_sells if side == "buy" else facts.external_buys)
