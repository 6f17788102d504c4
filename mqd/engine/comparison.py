"""What the desk and the broker do not agree on; looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.core import Engine
from mqd.engine.ledger import EXACT
from mqd.engine.moves import UNKNOWN, in_age_order, waits_here
from mqd.engine.positions import share_of
from mqd.engine.state import DeskState
from mqd.ground.ids import is_ours
from mqd.ground.times import NS_PER_S
from mqd.model.event import SnapshotTaken
from mqd.model.order import EXTERNAL

MISSING_LOCAL = "missing_local"
MISSING_BROKER = "missing_broker"
QUANTITY_MISMATCH = "quantity_mismatch"
UNKNOWN_ORDER = "unknown_order"
LOST_ORDER = "lost_order"
STUCK_ORDER = "stuck_order"
CASH = "cash"
POSITIONS = frozenset({MISSING_LOCAL, MISSING_BROKER, QUANTITY_MISMATCH})
KINDS = POSITIONS | {UNKNOWN_ORDER, LOST_ORDER, STUCK_ORDER, CASH}

_ZERO = Decimal(0)
_SHARE_STEP = Decimal("0.000001")


@dataclass(slots=True)
class DriftFacts:
    """One difference, of a position or of an ended order, and the whole comparison's."""

    qty: float = 0.0
    share: float = 0.0
    value_usd: float = 0.0
    value_known: bool = False
    looks: int = 0
    orders: int = 0
    since_fill_s: float = 0.0
    has_filled: bool = False
    has_ended: bool = False
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
    """What a comparison found: every difference, which symbols wait for an order's outcome, what
    is looked at again before anything is done about it, and the codes that refuse to go on.

    `lacking` are those too small to count with which the broker has less than the desk, and
    `lacks` those of them that are no fill on its way: an exit would ask for what is not there.
    """

    differences: tuple[Difference, ...]
    waiting: frozenset[str]
    looking: tuple[Difference, ...]
    refusals: tuple[str, ...]
    lacking: tuple[Difference, ...] = ()
    lacks: tuple[Difference, ...] = ()


class _LookedAt(NamedTuple):
    """One position's difference: whether it is too small to count, and whether it is too early."""

    difference: Difference
    is_small: bool
    is_early: bool


def compare(engine: Engine, state: DeskState, snapshot: SnapshotTaken) -> Comparison:
    """Every difference between the desk and a snapshot; changes nothing."""
    waiting = _waiting(engine, state, snapshot)
    looked_at = tuple(_positions(engine, state, snapshot, waiting))
    counting = [each for each in looked_at if not each.is_small]
    drifts = tuple(each.difference for each in counting if not each.is_early)
    looking = tuple(each.difference for each in counting if each.is_early)
    lacking = [each for each in looked_at if each.is_small and is_less(each.difference)]
    ended = tuple(_ended(engine, state, snapshot))
    looking += tuple(each.difference for each in ended if each.is_early)
    lost = tuple(each.difference for each in ended if not each.is_early)
    found = (*drifts, *lost, *_orders(engine, state, snapshot), *_cash(state, snapshot))
    facts = DriftFacts(
        missing_positions=sum(1 for d in drifts if d.kind in {MISSING_LOCAL, MISSING_BROKER}),
        largest_share=max(
            (float(d.share or 0) for d in drifts if d.kind == QUANTITY_MISMATCH), default=0.0
        ),
    )
    rules = engine.book.drift_refuses
    mask = rules.evaluate(None, None, state.session, state.desk, None, None, facts)
    return Comparison(
        found, waiting, looking, rules.true_codes(mask),
        tuple(each.difference for each in lacking),
        tuple(each.difference for each in lacking if not each.is_early),
    )  # fmt: skip


def is_less(difference: Difference) -> bool:
    """Whether the broker has less of a position than the desk, or it on the other side."""
    local, broker = difference.local, difference.broker
    return broker.copy_abs() < local.copy_abs() or broker * local < 0


def _waiting(engine: Engine, state: DeskState, snapshot: SnapshotTaken) -> frozenset[str]:
    """Symbols whose difference may come from an order that is not settled."""
    reported = {report.client_order_id for report in snapshot.orders}
    symbols = {
        order.symbol
        for order in in_age_order(state)
        if order.state == UNKNOWN
        or (order.client_order_id not in reported and not waits_here(engine, order))
    }
    return frozenset(symbols)


def _positions(
    engine: Engine, state: DeskState, snapshot: SnapshotTaken, waiting: frozenset[str]
) -> Iterator[_LookedAt]:
    there = {item.symbol: item for item in snapshot.positions if item.qty}
    here = {item.symbol for item in state.ledger.positions.open_positions()}
    tolerates, looks_again = engine.book.drift_tolerates, engine.book.drift_looks_again
    for symbol in sorted(here | set(there)):
        local = state.ledger.positions.held(symbol)
        held = there.get(symbol)
        broker = held.qty if held is not None else _ZERO
        if local == broker or symbol in waiting:
            continue
        gap = EXACT.subtract(local, broker).copy_abs()
        share = share_of(gap, max(local.copy_abs(), broker.copy_abs()), _SHARE_STEP)
        facts = _drift_facts(state, symbol, gap, share)
        facts.looks = looks_at(state, symbol, local, broker)
        kind = QUANTITY_MISMATCH if local and broker else MISSING_BROKER
        difference = Difference(
            MISSING_LOCAL if not local else kind, symbol, local, broker, share,
            held.average_price if held is not None else None,
        )  # fmt: skip
        given = (None, None, state.session, state.desk, None, None, facts)
        is_early = not state.adopts_next and bool(looks_again.evaluate(*given))
        yield _LookedAt(difference, bool(tolerates.evaluate(*given)), is_early)


def looks_at(state: DeskState, symbol: str, local: Decimal, broker: Decimal) -> int:
    """Comparisons in a row that showed these two numbers, with the one in hand."""
    *seen, looks = state.drift_looks.get(symbol, (None, None, 0))
    return looks + 1 if seen == [local, broker] else 1


def _drift_facts(state: DeskState, symbol: str, gap: Decimal, share: Decimal) -> DriftFacts:
    facts = state.symbol(symbol)
    return DriftFacts(
        qty=float(gap),
        share=float(share),
        value_usd=float(gap) * facts.last_close,
        value_known=facts.last_close > 0,
        orders=sum(1 for order in in_age_order(state) if order.symbol == symbol),
        since_fill_s=(state.now_ns - facts.filled_ns) / NS_PER_S,
        has_filled=facts.filled_ns > 0,
    )


def _orders(engine: Engine, state: DeskState, snapshot: SnapshotTaken) -> Iterator[Difference]:
    reported = {report.client_order_id for report in snapshot.orders}
    for report in snapshot.orders:
        if report.client_order_id not in state.orders:
            kind = LOST_ORDER if is_ours(report.client_order_id) else UNKNOWN_ORDER
            yield Difference(
                kind, report.client_order_id or report.broker_order_id, _ZERO, report.qty
            )
    for order in in_age_order(state):
        is_older = order.created_ns <= snapshot.asked_ns and not waits_here(engine, order)
        if is_older and order.role != EXTERNAL and order.client_order_id not in reported:
            yield Difference(STUCK_ORDER, order.client_order_id, order.remaining_qty, _ZERO)


def _ended(engine: Engine, state: DeskState, snapshot: SnapshotTaken) -> Iterator[_LookedAt]:
    """Orders of ours that have ended here and work there; a list may be older than their end."""
    looks_again = engine.book.drift_looks_again
    for report in snapshot.orders:
        order_id = report.client_order_id
        if order_id in state.orders and order_id not in state.working:
            looks = looks_at(state, order_id, _ZERO, report.qty)
            facts = DriftFacts(looks=looks, has_ended=True)
            given = (None, None, state.session, state.desk, None, None, facts)
            difference = Difference(LOST_ORDER, order_id, _ZERO, report.qty)
            yield _LookedAt(difference, False, bool(looks_again.evaluate(*given)))


def _cash(state: DeskState, snapshot: SnapshotTaken) -> Iterator[Difference]:
    if snapshot.cash_usd is None or state.cash_base_usd is None:
        return
    expected = EXACT.add(state.cash_base_usd, state.ledger.cash_delta_usd)
    if expected != snapshot.cash_usd:
        yield Difference(CASH, "cash", expected, snapshot.cash_usd)
