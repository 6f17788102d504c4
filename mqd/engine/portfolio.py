"""The account that strategies share: what it is worth, what is in the market, who may use how much.

Everything is counted when an entry is asked for, so that no bar pays for it. Shares of the account
change when a session opens, after what the one before it made and by what was agreed to since, and
at no other time.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.core import Engine, Step
from mqd.engine.positions import EXACT
from mqd.engine.state import Allocation, DeskState, OrderFacts
from mqd.model.decision import AllocationChanged
from mqd.model.order import ENTRY, EXTERNAL
from mqd.model.position import ZERO, Position
from mqd.rules.book import Allotment, Portfolio

RAISED, RETURNED, PROMOTED = "RAISED", "RETURNED", "PROMOTED"
WITHDRAWN, NOTHING_FREE = "PROMOTION_WITHDRAWN", "NOTHING_IS_FREE"

_WHOLE = Decimal(1)
_SHARE_STEP = Decimal("0.0001")


class _Day(NamedTuple):
    """What the rules of a reallocation read of the session that ended."""

    pnl_usd: float
    desk_pnl_usd: float


class Sums(NamedTuple):
    """What the account comes to now, in USD: `invested_usd` counts what others hold in it too."""

    equity_usd: Decimal
    exposure_usd: Decimal
    largest_usd: Decimal
    invested_usd: Decimal
    reserve_usd: Decimal


def tell_portfolio(
    portfolio: Portfolio | None, state: DeskState, strategy: str, facts: OrderFacts
) -> None:
    """Set what the checks read of the account; without a declared portfolio nothing is known."""
    if portfolio is None:
        return
    sums = sums_of(state, portfolio)
    facts.portfolio_equity_usd = float(sums.equity_usd)
    facts.portfolio_exposure_usd = float(sums.exposure_usd)
    facts.portfolio_largest_usd = float(sums.largest_usd)
    facts.portfolio_invested_usd = float(sums.invested_usd)
    facts.portfolio_reserve_usd = float(sums.reserve_usd)
    facts.capital_usd = float(capital(state, strategy, sums.equity_usd))
    facts.capital_used_usd = float(capital_used(state, strategy))


def sums_of(state: DeskState, portfolio: Portfolio) -> Sums:
    """What the account is worth, what is in the market, and how far both may go."""
    equity_usd = equity(state, portfolio)
    strategies_usd, others_usd = _held(state)
    exposure_usd = EXACT.add(strategies_usd, sum_of(on_their_way(state)))
    return Sums(
        equity_usd,
        exposure_usd,
        EXACT.multiply(equity_usd, portfolio.max_exposure),
        EXACT.add(exposure_usd, others_usd),
        EXACT.multiply(equity_usd, portfolio.reserve),
    )


def equity(state: DeskState, portfolio: Portfolio) -> Decimal:
    """What the account is worth in USD: its own word, else the assumed size and all P&L since."""
    if state.account is not None and state.account.equity_usd is not None:
        return state.account.equity_usd
    total_usd = EXACT.add(portfolio.account_usd, state.desk.realised_ever)
    for position in _ours(state):
        gain_usd = EXACT.subtract(_value(state, position), position.cost_usd)
        total_usd = EXACT.add(total_usd, gain_usd)
    return total_usd


def share_of(state: DeskState, strategy: str) -> Decimal:
    """The share of the equity that the strategy may use now."""
    allocation = state.allocations.get(strategy)
    return ZERO if allocation is None else allocation.share


def capital(state: DeskState, strategy: str, equity_usd: Decimal) -> Decimal:
    """What the strategy may use of an account that is worth so much, in USD."""
    return EXACT.multiply(equity_usd, share_of(state, strategy))


def capital_used(state: DeskState, strategy: str) -> Decimal:
    """What the strategy's positions cost, in USD, with what its entries on the way may cost."""
    costs = (each.cost_usd.copy_abs() for each in _ours(state) if each.strategy == strategy)
    return EXACT.add(sum_of(costs), sum_of(on_their_way(state, strategy)))


def on_their_way(state: DeskState, strategy: str | None = None) -> Iterator[Decimal]:
    """What each entry that works may still buy, in USD, at the price it was decided at."""
    for order_id in state.working:
        order = state.orders[order_id]
        if order.role == ENTRY and strategy in {None, order.strategy}:
            rest_qty = max(EXACT.subtract(order.qty, order.filled_qty), ZERO)
            yield EXACT.multiply(rest_qty, order.reference_price)


def sum_of(amounts: Iterator[Decimal]) -> Decimal:
    """The exact sum."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def take_up_allocations(engine: Engine, state: DeskState) -> None:
    """Take up the declared shares; one that moved since stands while its declaration does, and
    while all together are no more than the whole.
    """
    portfolio = engine.book.rules.portfolio
    known, state.allocations = state.allocations, {}
    for each in () if portfolio is None else portfolio.allotments:
        was = known.get(each.strategy)
        declared = (each.share, each.minimum, each.maximum)
        if was is None or was.declared != declared:
            was = Allocation(declared, each.share)
        state.allocations[each.strategy] = was
    if sum_of(each.share for each in state.allocations.values()) > _WHOLE:
        for name, moved in state.allocations.items():  # what was declared is the whole at most
            state.allocations[name] = Allocation(moved.declared, moved.declared[0])


def reallocate(engine: Engine, state: DeskState, step: Step) -> None:
    """Move shares after the session that ended; to be asked before the new one begins.

    Who is to get more gets what is free under the whole less the reserve, each as much of it as
    it asks for of all that is asked for.
    """
    portfolio, rules = engine.book.rules.portfolio, engine.book.reallocation
    if portfolio is None or portfolio.reallocation is None or rules is None:
        return
    by = portfolio.reallocation.by
    desk_pnl_usd = float(state.desk.realised_today)
    wanted: list[tuple[Allotment, Decimal]] = []
    for each in portfolio.allotments:
        facts = state.strategies.get(each.strategy)
        day = _Day(0.0 if facts is None else facts.pnl_today_usd, desk_pnl_usd)
        mask: int = rules.evaluate(None, None, None, None, None, None, day)
        allocation = state.allocations[each.strategy]
        share, base = allocation.share, EXACT.add(each.share, allocation.earned)
        if mask & 1:
            wanted.append((each, min(by, max(EXACT.subtract(each.maximum, share), ZERO))))
        elif mask & 2:
            change = min(by, EXACT.subtract(base, share).copy_abs())
            signed = change if share < base else change.copy_negate()
            change_share(engine, state, each.strategy, signed, RETURNED, step)
    free = free_share(state, portfolio)
    asked = sum_of(want for _, want in wanted)
    for each, want in wanted:
        part = want if asked <= free else _part(want, asked, free)
        change_share(engine, state, each.strategy, part, RAISED, step)


def free_share(state: DeskState, portfolio: Portfolio) -> Decimal:
    """The share of the account that nobody has and that is not reserved."""
    given = sum_of(each.share for each in state.allocations.values())
    return max(EXACT.subtract(EXACT.subtract(_WHOLE, portfolio.reserve), given), ZERO)


def change_share(
    engine: Engine, state: DeskState, strategy: str, by: Decimal, why: str, step: Step
) -> Decimal:
    """Change a strategy's share within its declared range and what is free; the change made.

    `why` is kept in the note of it.
    """
    change = possible_change(engine, state, strategy, by)
    if change:
        was = state.allocations[strategy]
        share = EXACT.add(was.share, change)
        state.allocations[strategy] = was._replace(share=share)
        step.notes.append(AllocationChanged(step.at_ns, strategy, was.share, share, why))
    return change


def possible_change(engine: Engine, state: DeskState, strategy: str, by: Decimal) -> Decimal:
    """How much of a change by `by` a strategy's declared range and what is free allow."""
    portfolio, was = engine.book.rules.portfolio, state.allocations.get(strategy)
    if portfolio is None or was is None:
        return ZERO
    _, minimum, maximum = was.declared
    wanted = min(by, free_share(state, portfolio)) if by > 0 else by
    share = max(minimum, min(maximum, EXACT.add(was.share, wanted)))
    change = EXACT.subtract(share, was.share)
    return change if (by > 0) is (change > 0) else ZERO


def tell_share_kept(state: DeskState, strategy: str, why: str, step: Step) -> None:
    """Note that a strategy keeps the share that it has; `why` is what stood against another one."""
    share = share_of(state, strategy)
    step.notes.append(AllocationChanged(step.at_ns, strategy, share, share, why))


def keep_earned(state: DeskState, strategy: str, by: Decimal) -> None:
    """Let a strategy keep `by` more of the share that it has now, whatever days come."""
    was = state.allocations.get(strategy)
    if was is not None:
        above = EXACT.subtract(was.share, was.declared[0])
        earned = max(was.earned, min(EXACT.add(was.earned, by), above))
        state.allocations[strategy] = was._replace(earned=earned)


def _part(want: Decimal, asked: Decimal, free: Decimal) -> Decimal:
    """This one's part of what is free, rounded down so that all together never take more."""
    whole = EXACT.multiply(want, free)
    steps = EXACT.divide_int(whole, EXACT.multiply(asked, _SHARE_STEP))
    return EXACT.multiply(steps, _SHARE_STEP)


def _ours(state: DeskState) -> Iterator[Position]:
    for position in state.ledger.positions.open_positions():
        if position.strategy != EXTERNAL:
            yield position


def _held(state: DeskState) -> tuple[Decimal, Decimal]:
    """What the strategies hold, and what somebody else does, in USD at the last close."""
    ours_usd = others_usd = ZERO
    for position in state.ledger.positions.open_positions():
        value_usd = _value(state, position).copy_abs()
        if position.strategy == EXTERNAL:
            others_usd = EXACT.add(others_usd, value_usd)
        else:
            ours_usd = EXACT.add(ours_usd, value_usd)
    return ours_usd, others_usd


def _value(state: DeskState, position: Position) -> Decimal:
    """A position at the last close; at its cost where there was none yet."""
    last_close = state.symbol(position.symbol).last_close
    if not last_close:
        return position.cost_usd
    return EXACT.multiply(position.qty, Decimal(repr(last_close)))
