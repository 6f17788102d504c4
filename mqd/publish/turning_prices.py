"""Where a comparison turns that prices decide: at which price, by which move, at which sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from mqd.ground.units import PRICE
from mqd.publish.moves import (
    BEYOND,
    NEVER,
    NO_MOVE,
    YES,
    Reach,
    amount_text,
    edge,
    flips,
    percent_text,
)
from mqd.publish.plans import Plan
from mqd.publish.turning_values import LARGEST, Asking
from mqd.rules.check.planned import SAMPLE_PRICE
from mqd.rules.compile.question import Given, number_of, truth_of
from mqd.rules.expressions import ir

_MOVERS = ("bar.close", "order.price")
_HELD = ("strategy.capital_used", "portfolio.exposure", "portfolio.invested")
"""What an order of the declared size comes on top of."""
_PRICES = tuple(10.0 ** (power / 20) for power in range(-40, 161))  # a cent to 100 million
_ANY = 1e-7  # within the tolerance of prices
_FURTHEST = 10.0
_NOTHING = Reach(YES, "")


def by_price(asking: Asking, leaf: ir.Compare, plan: Plan) -> Reach:
    """The order as the strategy would size it, at every price that a share may have."""

    def values(price: float) -> dict[str, Given] | None:
        return _order(asking, leaf, plan, price)

    if any(values(price) is None for price in _PRICES):
        return _NOTHING
    truth = truth_of(leaf, possibly=False)

    def holds(price: float) -> bool:
        return bool(truth.asked(values(price) or {}))

    answers = [holds(price) for price in _PRICES]
    if all(answers):
        return Reach(YES, "at any price")
    if not any(answers):
        return Reach(NEVER, NO_MOVE, _furthest(asking, leaf, values))
    turns = [pair for pair in pairwise(_PRICES) if holds(pair[0]) != holds(pair[1])]
    lower = [pair for pair in turns if pair[0] < SAMPLE_PRICE][-1:]
    upper = [pair for pair in turns if pair[0] >= SAMPLE_PRICE][:1]
    if holds(SAMPLE_PRICE):
        return Reach(YES, f"an entry of the declared size at {_side(holds, upper, lower)}")
    return Reach(BEYOND, _side(holds, lower, upper), "the size follows from the price")


def by_sum(asking: Asking, leaf: ir.Compare, plan: Plan) -> Reach:
    """An order of the declared size beside what the account holds: how much that has to be."""
    order, resting = _order(asking, leaf, plan, SAMPLE_PRICE), plan.resting
    free = [name for name in ir.names(leaf) if name.name in resting]
    mover = next((each for each in free if each.name in _HELD), free[0])
    if order is None:
        return _NOTHING
    truth, start = truth_of(leaf, possibly=False), resting[mover.name]

    def holds(change: float) -> bool:
        return bool(truth.asked({**order, **resting, mover.name: start + change}))

    said = asking.english.number(mover)
    found = [change for change in flips(holds, LARGEST) if start + change >= 0]
    if holds(0.0):
        return Reach(YES, NO_MOVE, "an entry of the declared size is enough", holds_already=True)
    if not found:
        return Reach(NEVER, NO_MOVE, f"whatever {said} is")
    change = min(found, key=abs)
    sum_text = amount_text(start + change, mover.unit)
    move = f"{said} at {sum_text} before an entry of the declared size"
    planned = sum(each.notional_usd() or 0.0 for each in asking.plans)
    if mover.name in _HELD and change > planned:
        return Reach(
            BEYOND, move, f"the strategies plan to hold {amount_text(planned, mover.unit)} at most"
        )
    return Reach(YES, move)


def _order(asking: Asking, leaf: ir.Compare, plan: Plan, price: float) -> dict[str, Given] | None:
    """The values of an order at this price; None where the market decides more than that."""
    qty, stop = plan.qty(price), plan.stop(price)
    if qty is None or stop is None:
        return None
    prices = {name.name: price for name in ir.names(leaf) if name.unit == PRICE}
    made = {"order.qty": qty, "entry.qty": qty, "order.stop_loss": stop}
    return {**asking.constants, **prices, **made}


def _furthest(asking: Asking, leaf: ir.Compare, values: Callable[[float], Any]) -> str:
    """How far the sides stay apart, for a comparison that never holds."""
    sides = [
        (number_of(leaf.left).asked(values(price)), number_of(leaf.right).asked(values(price)))
        for price in _PRICES
    ]
    left, right = min(sides, key=lambda pair: abs(pair[0] - pair[1]) / (abs(pair[1]) or 1.0))
    said = asking.english.number(leaf.left)
    if leaf.unit == PRICE:
        share = percent_text(abs(left - right) / (abs(right) or 1.0))
        return f"{said} stays {share} {'below' if left < right else 'above'} the other side"
    return (
        f"at the declared sizes {said} comes to {amount_text(left, leaf.unit)} at most, "
        f"and the limit is {amount_text(right, leaf.unit)}"
        if left < right
        else f"at the declared sizes {said} is {amount_text(left, leaf.unit)} at least"
    )


def by_move(asking: Asking, leaf: ir.Compare) -> Reach:
    """How far a price has to move away from the others."""
    names = [name.name for name in ir.names(leaf) if name.name not in asking.constants]
    mover = next((each for each in _MOVERS if each in names), names[0])
    truth = truth_of(leaf, possibly=False)

    def holds(move: float) -> bool:
        prices = dict.fromkeys(names, SAMPLE_PRICE)
        return bool(truth.asked({**asking.constants, **prices, mover: SAMPLE_PRICE * (1 + move)}))

    at_rest = holds(0.0)
    found = [move for move in flips(holds, _FURTHEST) if move > -1]
    if not found:
        return Reach(NEVER, NO_MOVE, "no move of the price leads there")
    nearest = min(abs(move) for move in found)
    ways = [move for move in found if abs(move) <= nearest * 1.001]
    words = {True: "a rise", False: "a fall"}
    any_words = {True: "any rise", False: "any fall"}
    sizes = [("" if abs(move) <= _ANY else f" of {percent_text(abs(move))}") for move in ways]
    said = " or ".join(
        (words if size else any_words)[move > 0] + size
        for move, size in zip(ways, sizes, strict=True)
    )
    against = _others(asking, leaf, {mover})
    return Reach(YES, f"{said} against {against}", holds_already=at_rest)


def by_share(asking: Asking, leaf: ir.Compare, steps: set[str] | frozenset[str]) -> Reach:
    """How much prices have to go, as a share of the other side; at rest they go nowhere."""
    names = [name.name for name in ir.names(leaf) if name.name not in asking.constants]
    mover = next(name for name in names if name in steps)
    truth = truth_of(leaf, possibly=False)

    def holds(share: float) -> bool:
        others = dict.fromkeys(names, SAMPLE_PRICE)
        return bool(truth.asked({**asking.constants, **others, mover: SAMPLE_PRICE * share}))

    at_rest = holds(0.0)
    found = list(flips(holds, _FURTHEST))
    if not found:
        return Reach(NEVER, NO_MOVE, "no move of the price leads there")
    nearest = min(abs(share) for share in found)
    shares = [share for share in found if abs(share) <= nearest * 1.001]
    at = " or ".join(percent_text(share) for share in sorted(shares, reverse=True))
    name = next(each for each in ir.names(leaf) if each.name == mover)
    said = f"{asking.english.number(name)} at {at} of {_others(asking, leaf, {mover})}"
    return Reach(YES, said, holds_already=at_rest)


def _others(asking: Asking, leaf: ir.Compare, without: set[str]) -> str:
    """The names that a comparison reads beside the one that moves, in words."""
    return " and ".join(
        asking.english.number(name)
        for name in dict.fromkeys(ir.names(leaf))
        if name.name not in asking.constants and name.name not in without
    )


def _side(
    holds: Callable[[float], bool],
    below: Sequence[tuple[float, float]],
    above: Sequence[tuple[float, float]],
) -> str:
    """Where between two prices the answer turns, in words."""
    said = [
        f"{word} {amount_text(edge(holds, *pair), PRICE)}"
        for word, pairs in (("below", below), ("above", above))
        for pair in pairs
    ]
    return f"a price {' or '.join(said)}"
