"""What the desk and the broker do not agree on; looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mqd.engine.core import Engine
from mqd.engine.ledger import EXACT
from mqd.engine.moves import UNKNOWN, in_age_order
from mqd.engine.positions import quotient
from mqd.engine.state import DeskState
from mqd.model.event import SnapshotTaken
from mqd.model.order import EXTERNAL

MISSING_LOCAL = "missing_local"
MISSING_BROKER = "missing_broker"
QUANTITY_MISMATCH = "quantity_mismatch"
UNKNOWN_ORDER = "unknown_order"
STUCK_ORDER = "stuck_order"
CASH = "cash"
POSITIONS = frozenset({MISSING_LOCAL, MISSING_BROKER, QUANTITY_MISMATCH})


_ZERO = Decimal(0)
_SHARE_STEP = Decimal("0.000001")


@dataclass(slots=True)
class DriftFacts:
    """One position's difference, and the whole comparison's, as the rules read them."""

    qty: float = 0.0
    share: float = 0.0
    value_usd: float = 0.0
    value_known: bool = False
    missing_positions: int = 0
    largest_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing the two sides do not agree on; `price` is the broker's, None if it has none."""

    kind: str
    subject: str
    local: Decimal
    broker: Decimal
    share: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found: every difference, which symbols wait for an order's outcome, and
    the codes that refuse to go on from it.
    """

    differences: tuple[Difference, ...]
    waiting: frozenset[str]
    refusals: tuple[str, ...]


def compare(engine: Engine, state: DeskState, snapshot: SnapshotTaken) -> Comparison:
    """Every difference between the desk and a snapshot; changes nothing."""
    waiting = _waiting(state, snapshot)
    drifts = tuple(_positions(engine, state, snapshot, waiting))
    found = (*drifts, *_orders(state, snapshot), *_cash(state, snapshot))
    facts = DriftFacts(
        missing_positions=sum(1 for d in drifts if d.kind in {MISSING_LOCAL, MISSING_BROKER}),
        largest_share=max(
            (float(d.share or 0) for d in drifts if d.kind == QUANTITY_MISMATCH), default=0.0
        ),
    )
    rules = engine.book.drift_refuses
    mask = rules.evaluate(None, None, state.session, state.desk, None, None, facts)
    return Comparison(found, waiting, rules.true_codes(mask))


def _waiting(state: DeskState, snapshot: SnapshotTaken) -> frozenset[str]:
    """Symbols whose difference may come from an order that is not settled."""
    reported = {report.client_order_id for report in snapshot.orders}
    symbols = {
        order.symbol
        for order in in_age_order(state)
        if order.state == UNKNOWN or order.client_order_id not in reported
    }
    return frozenset(symbols)


def _positions(
    engine: Engine, state: DeskState, snapshot: SnapshotTaken, waiting: frozenset[str]
) -> Iterator[Difference]:
    there = {item.symbol: item for item in snapshot.positions if item.qty}
    here = {item.symbol for item in state.ledger.positions.open_positions()}
    tolerates = engine.book.drift_tolerates
    for symbol in sorted(here | set(there)):
        local = state.ledger.positions.held(symbol)
        held = there.get(symbol)
        broker = held.qty if held is not None else _ZERO
        if local == broker or symbol in waiting:
            continue
        gap = EXACT.subtract(local, broker).copy_abs()
        share = quotient(gap, max(local.copy_abs(), broker.copy_abs()), _SHARE_STEP)
        price = state.symbol(symbol).last_close
        facts = DriftFacts(
            qty=float(gap),
            share=float(share),
            value_usd=float(gap) * price,
            value_known=price > 0,
        )
        if tolerates.evaluate(None, None, state.session, state.desk, None, None, facts):
            continue
        kind = QUANTITY_MISMATCH if local and broker else MISSING_BROKER
        yield Difference(
            MISSING_LOCAL if not local else kind, symbol, local, broker, share,
            held.average_price if held is not None else None,
        )  # fmt: skip


def _orders(state: DeskState, snapshot: SnapshotTaken) -> Iterator[Difference]:
    reported = {report.client_order_id for report in snapshot.orders}
    for report in snapshot.orders:
        if report.client_order_id not in state.orders:
            yield Difference(
                UNKNOWN_ORDER, report.client_order_id or report.broker_order_id, _ZERO, report.qty
            )
    for order in in_age_order(state):
        is_older = order.created_ns <= snapshot.asked_ns
        if is_older and order.role != EXTERNAL and order.client_order_id not in reported:
            yield Difference(STUCK_ORDER, order.client_order_id, order.remaining_qty, _ZERO)


def _cash(state: DeskState, snapshot: SnapshotTaken) -> Iterator[Difference]:
    if snapshot.cash_usd is None or state.cash_base_usd is None:
        return
    expected = EXACT.add(state.cash_base_usd, state.ledger.cash_delta_usd)
    if expected != snapshot.cash_usd:
        yield Difference(CASH, "cash", expected, snapshot.cash_usd)
