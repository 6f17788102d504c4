"""The desk against the broker: orders, fills, positions, cash, by the policy in the rules.

Executions come first, because a fill that nobody heard of explains most differences; what is left
is compared, and settled line by line.
"""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.account import on_account
from mqd.engine.afterthoughts import take_fill
from mqd.engine.comparison import (
    KINDS,
    LOST_ORDER,
    POSITIONS,
    STUCK_ORDER,
    UNKNOWN_ORDER,
    Comparison,
    Difference,
    compare,
    is_less,
    looks_at,
)
from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.fills import adopt
from mqd.engine.ledger import EXACT
from mqd.engine.news import on_report
from mqd.engine.state import DeskState
from mqd.engine.watch import look_up
from mqd.ground.errors import PositionDriftError, ReconciliationError, UnknownOrderError
from mqd.model.decision import DriftFound, Reconciled
from mqd.model.event import OrderFilled, SnapshotTaken
from mqd.model.order import EXTERNAL, Order
from mqd.model.position import ZERO
from mqd.model.snapshot import ReportedExecution

CLEAN, MENDED, WAITS, REFUSED = "clean", "mended", "waits", "refused"
LOOKS_AGAIN = "looks_again"
TAKEN_OVER = "taken_over"
BROKER = "broker"  # whom a refused comparison is told of


def on_snapshot(engine: Engine, state: DeskState, snapshot: SnapshotTaken, step: Step) -> None:
    """Take in everything the broker has, and settle what differs as the rules say."""
    desk = state.desk
    crossed = has_crossed(state, snapshot)
    on_account(state, snapshot)
    _take_executions(engine, state, snapshot, step)
    for report in snapshot.orders:
        if report.client_order_id in state.orders:
            on_report(engine, state, report, step)
    if crossed:
        if _is_awaited(state, snapshot):
            desk.is_waiting_for_snapshot, desk.snapshot_is_due = False, True
        step.notes.append(Reconciled(step.at_ns, WAITS, 0, ()))
        return
    desk.is_waiting_for_snapshot, desk.has_compared = False, True
    found = compare(engine, state, snapshot)
    _remember_looks(state, found)
    _count_external(state, snapshot)
    if found.refusals and not state.adopts_next:
        _refuse(engine, state, found, step)
        return
    state.paged -= {page for page in state.paged if page[1] == BROKER}
    stands = {(difference.kind, difference.subject) for difference in found.differences}
    state.paged -= {page for page in state.paged if page[0] in KINDS and page not in stands}
    for difference in found.differences:
        _settle(engine, state, difference, step)
    for difference in found.lacks:  # too small to count; but an exit may ask for no more than it
        _note(difference, TAKEN_OVER, step)
        sync_from_broker(engine, state, difference, step)
    if snapshot.cash_usd is not None:  # told once; from here on it is counted anew
        state.cash_base_usd = EXACT.subtract(snapshot.cash_usd, state.ledger.cash_delta_usd)
    state.adopts_next = False
    _account_for(state, snapshot)
    for difference in found.looking:
        _note(difference, LOOKS_AGAIN, step)
    waits = bool(found.waiting or found.looking)
    waits |= any(d.kind == STUCK_ORDER for d in found.differences)
    verdict = WAITS if waits else MENDED if found.differences else CLEAN
    desk.is_in_step = not waits and not state.streams_down
    state.refused_start = ()
    step.notes.append(Reconciled(step.at_ns, verdict, len(found.differences), ()))


def has_crossed(state: DeskState, snapshot: SnapshotTaken) -> bool:
    """Whether the desk heard something after it asked: who knows which of the two is newer.

    What the snapshot says of executions and orders is true all the same; what it does not say
    proves nothing.
    """
    return state.news_since_ask > 0 or not _is_awaited(state, snapshot)


def _is_awaited(state: DeskState, snapshot: SnapshotTaken) -> bool:
    """Whether it answers the newest question, and is the first answer to it."""
    desk = state.desk
    return desk.is_waiting_for_snapshot and snapshot.asked_ns == desk.snapshot_asked_ns


def _take_executions(engine: Engine, state: DeskState, snapshot: SnapshotTaken, step: Step) -> None:
    """Book what the broker's own list has and no stream has told; ours only."""
    by_broker_id = {
        order.broker_order_id: order_id
        for order_id, order in state.orders.items()
        if order.broker_order_id
    }
    for item in snapshot.executions:
        order_id = item.client_order_id or by_broker_id.get(item.broker_order_id, "")
        if order_id in state.orders and item.execution_id not in state.ledger.executions:
            take_fill(engine, state, _as_fill(item, order_id), step)


def _as_fill(item: ReportedExecution, order_id: str) -> OrderFilled:
    return OrderFilled(
        item.at_ns, order_id, item.broker_order_id, item.execution_id, item.price, item.qty,
        item.fee_usd, item.symbol, item.side,
    )  # fmt: skip


def _count_external(state: DeskState, snapshot: SnapshotTaken) -> None:
    """Orders that work there and not here, by symbol: they block entries and are left alone."""
    for facts in state.symbols.values():
        facts.external_orders = facts.external_buys = facts.external_sells = 0
    for report in snapshot.orders:
        if report.client_order_id not in state.working:
            facts = state.symbol(report.symbol)
            facts.external_orders += 1
            facts.external_buys += report.side == "buy"
            facts.external_sells += report.side == "sell"


def _account_for(state: DeskState, snapshot: SnapshotTaken) -> None:
    """Others' executions that the positions contain by now; a stream may tell them later."""
    there = {item.symbol: item.qty for item in snapshot.positions}
    ledger = state.ledger
    state.accounted = frozenset(
        item.execution_id
        for item in snapshot.executions
        if item.execution_id not in ledger.executions
        and ledger.positions.held(item.symbol) == there.get(item.symbol, ZERO)
    )


def _remember_looks(state: DeskState, found: Comparison) -> None:
    """How often in a row each difference was seen that may only look like one."""
    told = (*found.differences, *found.looking, *found.lacking)
    seen = [each for each in told if each.kind in POSITIONS or each.kind == LOST_ORDER]
    state.drift_looks = {
        d.subject: (d.local, d.broker, looks_at(state, d.subject, d.local, d.broker)) for d in seen
    }
    for facts in state.symbols.values():
        facts.lacks_shares = False


def _refuse(engine: Engine, state: DeskState, found: Comparison, step: Step) -> None:
    state.desk.is_in_step = False
    state.refused_start = found.refusals
    for difference in found.differences:
        _note(difference, REFUSED, step)
        if difference.kind in POSITIONS:
            state.symbol(difference.subject).lacks_shares = is_less(difference)
    step.notes.append(Reconciled(step.at_ns, REFUSED, len(found.differences), found.refusals))
    pages = {(code, BROKER) for code in found.refusals}
    if pages <= state.paged:  # told already: it stands, and a person who flattens is not stopped
        return
    state.paged |= pages
    error = ReconciliationError(
        f"{', '.join(found.refusals)}: {len(found.differences)} differences from the broker; "
        "`mqd reconcile --dry-run` shows them"
    )
    raise_incident(engine, state, step, error, BROKER)


def _settle(engine: Engine, state: DeskState, difference: Difference, step: Step) -> None:
    """Do what the rules say about one difference."""
    do = engine.book.rules.reconciliation.difference(difference.kind).do
    if state.adopts_next and difference.kind in POSITIONS:
        do = "adopt"
    _note(difference, do, step)
    if do == "look_up":
        order = state.orders[difference.subject]
        if order.broker_order_id or _is_told_of(state, order):
            look_up(state, order, step)  # else the broker may not know it yet: its watch asks
    if do == "adopt":
        sync_from_broker(engine, state, difference, step)
    page = (difference.kind, difference.subject)
    if do in {"adopt", "halt"} and page not in state.paged:  # told once, while it stands
        if do == "halt":
            state.paged.add(page)
        of_orders = difference.kind in {UNKNOWN_ORDER, LOST_ORDER}
        error = (UnknownOrderError if of_orders else PositionDriftError)(
            f"{difference.kind}: {difference.subject} is {difference.local} here and "
            f"{difference.broker} at the broker"
        )
        raise_incident(engine, state, step, error, difference.subject)


def _is_told_of(state: DeskState, order: Order) -> bool:
    """Whether a person was told of it: its own watch has asked often enough and asks no more."""
    return any(subject == order.client_order_id for _, subject in state.paged)


def sync_from_broker(engine: Engine, state: DeskState, difference: Difference, step: Step) -> None:
    """The broker's side becomes ours: taken from, or given to, whoever holds the symbol here."""
    symbol = difference.subject
    rest = EXACT.subtract(difference.broker, difference.local)
    last_close = state.symbol(symbol).last_close
    holders = [p for p in state.ledger.positions.open_positions() if p.symbol == symbol]
    for position in holders:
        if rest and (rest < 0) == (position.qty > 0):
            part = min(rest.copy_abs(), position.qty.copy_abs()).copy_sign(rest)
            price = difference.price or position.entry_price or Decimal(repr(last_close))
            adopt(engine, state, (position.strategy, symbol), part, price, step)
            rest = EXACT.subtract(rest, part)
    if rest:
        price = difference.price or Decimal(repr(last_close))
        adopt(engine, state, (EXTERNAL, symbol), rest, price, step)


def _note(difference: Difference, done: str, step: Step) -> None:
    step.notes.append(
        DriftFound(
            step.at_ns, difference.kind, difference.subject, difference.local,
            difference.broker, difference.share, done,
        )
    )  # fmt: skip
