"""Whether an entry left beyond a cap: counted anew from executions and orders, as verdicts are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from mqd.brokers.books import ZERO
from mqd.engine.core import Engine
from mqd.engine.ledger import EXACT
from mqd.engine.state import DeskState
from mqd.model.command import SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.order import ENTRY, EXTERNAL, Order

Owner = tuple[str, str]
"""A strategy and a symbol."""

_MOST_POSITIONS = "max_open_positions"
_HALF_A_CENT = Decimal("0.005")  # the checks are computed in floating point


def beyond_a_cap(engine: Engine, state: DeskState, outcome: Outcome) -> str | None:
    """What is wrong about an entry that left for the first time, in words."""
    left = list(_first_entries(state, outcome))
    if not left:
        return None
    held = _held(state)
    coming = [each for each in map(state.orders.__getitem__, state.working) if each.role == ENTRY]
    owners = {owner for owner, qty in held.items() if qty}
    owners |= {(order.strategy, order.symbol) for order in coming}
    return next(
        (
            f"{order.client_order_id} left {wrong}"
            for order in left
            for wrong in (
                *_too_many(engine, owners),
                *_too_much(engine, state, order, held, coming),
            )
        ),
        None,
    )


def _first_entries(state: DeskState, outcome: Outcome) -> Iterator[Order]:
    for command in outcome.commands:
        if isinstance(command, SubmitOrder):
            order = state.orders[command.client_order_id]
            if order.role == ENTRY and order.times_sent == 1:
                yield order


def _held(state: DeskState) -> dict[Owner, Decimal]:
    """The shares of every strategy of the desk."""
    held: dict[Owner, Decimal] = defaultdict(Decimal)
    for item in state.ledger.executions.values():
        if item.strategy != EXTERNAL:
            owner = item.strategy, item.symbol
            signed = item.qty if item.side == "buy" else item.qty.copy_negate()
            held[owner] = EXACT.add(held[owner], signed)
    return held


def _too_many(engine: Engine, owners: set[Owner]) -> Iterator[str]:
    limits = engine.book.rules.limits
    most = next(limit.value for limit in limits if limit.name == _MOST_POSITIONS)
    if isinstance(most, Decimal) and len(owners) > most:
        yield f"as one of {len(owners)} positions, and {most} are allowed"


def _too_much(
    engine: Engine, state: DeskState, order: Order, held: dict[Owner, Decimal], coming: list[Order]
) -> Iterator[str]:
    """Beyond the exposure of the desk, or what the strategy may use of the account."""
    portfolio, account = engine.book.rules.portfolio, state.account
    if portfolio is None or account is None or account.equity_usd is None:
        return
    own_usd = total_usd = ZERO
    for each in coming:
        cost_usd = EXACT.multiply(each.remaining_qty, each.reference_price)
        total_usd = EXACT.add(total_usd, cost_usd)
        own_usd = EXACT.add(own_usd, cost_usd if each.strategy == order.strategy else ZERO)
    for (_, symbol), qty in held.items():
        close = Decimal(repr(state.symbol(symbol).last_close))
        total_usd = EXACT.add(total_usd, EXACT.multiply(qty.copy_abs(), close))
    share = state.allocations[order.strategy].share
    for used_usd, part, words in (
        (total_usd, portfolio.max_exposure, "the market"),
        (own_usd, share, "its allocation"),
    ):
        most_usd = EXACT.multiply(account.equity_usd, part)
        if used_usd > EXACT.add(most_usd, _HALF_A_CENT):
            yield f"with {used_usd} USD in {words}, and {most_usd} are allowed"
