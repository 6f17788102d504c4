"""A broker small enough to be walked through: honest, but its messages get lost, doubled, crossed.

Everything here is frozen, so that a state of the world is its own key. The broker takes requests
in the order they were sent; the news it sends back arrives in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder
from mqd.model.event import (
    BrokerEvent,
    CancelRefused,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    SnapshotTaken,
)
from mqd.model.snapshot import (
    AccountReport,
    HeldPosition,
    OrderReport,
    ReportedExecution,
    SymbolProperties,
)

PARTS = 2
SYMBOL = "SPY"
_AMPLE = AccountReport(Decimal(10_000), Decimal(10_000), False)
_PART, _CENT = Decimal("1e-9"), Decimal("0.01")
_LIVE = frozenset({"new", "partially_filled"})
_ZERO = Decimal(0)


class BookedOrder(NamedTuple):
    """One order that reached the broker's books."""

    order_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    status: str = "new"
    parts: int = 0
    stop_price: Decimal | None = None

    @property
    def is_live(self) -> bool:
        """Whether it can still trade."""
        return self.status in _LIVE

    @property
    def filled_qty(self) -> Decimal:
        """Shares filled; each part is an equal share of the whole."""
        return self.qty * self.parts / PARTS


class Budget(NamedTuple):
    """How often each kind of misfortune may still happen on one path."""

    lost: int = 1
    doubled: int = 1
    rejected: int = 1
    crashes: int = 1
    ticks: int = 3
    exits: int = 0


class World(NamedTuple):
    """The broker, what is on its way to it, and what is on its way back."""

    budget: Budget
    orders: tuple[BookedOrder, ...] = ()
    requests: tuple[Command, ...] = ()
    news: tuple[BrokerEvent, ...] = ()

    def find(self, order_id: str) -> BookedOrder | None:
        """The order with this id, if it ever reached the books."""
        return next((order for order in self.orders if order.order_id == order_id), None)

    def position(self) -> Decimal:
        """Shares held: the sum of all that was filled."""
        return sum((o.filled_qty if o.side == "buy" else -o.filled_qty for o in self.orders), _ZERO)


class Move(NamedTuple):
    """Something that may happen at the broker: what it is called, and the world after it."""

    name: str
    after: World


def broker_moves(world: World, now_ns: int) -> Iterator[Move]:
    """Everything the broker, or the way to it, may do next."""
    if world.requests:
        yield from _taken(world, now_ns)
    for index, order in enumerate(world.orders):
        if order.is_live:
            yield Move("fill", _filled(world, index, now_ns))


def settled(world: World, now_ns: int) -> World:
    """The world after it took every request that is on its way, with nothing lost."""
    while world.requests:
        world = next(iter(_taken(world, now_ns))).after
    return world


def _taken(world: World, now_ns: int) -> Iterator[Move]:
    """The first request arrives; or it, or the answer to it, gets lost."""
    request, rest = world.requests[0], world.requests[1:]
    waiting = world._replace(requests=rest)
    budget = world.budget
    if not isinstance(request, SubmitOrder):
        yield Move("answer", _answered(waiting, request, now_ns))
        if budget.lost:
            lost = waiting._replace(budget=budget._replace(lost=budget.lost - 1))
            yield Move("request lost", lost)
        return
    known = world.find(request.client_order_id)
    lost_news = OrderOutcomeLost(now_ns, request.client_order_id)
    if known is not None:  # the same id again: there is one order, and the broker says so
        yield Move("known", _told(waiting, OrderReported(now_ns, report_of(known))))
        return
    order = BookedOrder(
        request.client_order_id, request.symbol, request.side, request.qty, Decimal("99.5"),
        stop_price=request.stop_price,
    )  # fmt: skip
    booked = waiting._replace(orders=(*world.orders, order))
    yield Move("accept", _told(booked, OrderAcknowledged(now_ns, order.order_id, _id(order))))
    if budget.rejected:
        less = waiting._replace(budget=budget._replace(rejected=budget.rejected - 1))
        said_no = less._replace(orders=(*less.orders, order._replace(status="rejected")))
        yield Move("reject", _told(said_no, OrderRejected(now_ns, order.order_id, "NO", "no")))
    if budget.lost:
        spent = budget._replace(lost=budget.lost - 1)
        yield Move("request lost", _told(waiting._replace(budget=spent), lost_news))
        yield Move("answer lost", _told(booked._replace(budget=spent), lost_news))


def _answered(world: World, request: Command, now_ns: int) -> World:
    if isinstance(request, CancelOrder):
        order = world.find(request.client_order_id)
        if order is None or not order.is_live:
            refused = CancelRefused(now_ns, request.client_order_id, "42210000", "has ended")
            return _told(world, refused)
        gone = order._replace(status="canceled")
        world = _changed(world, order, gone)
        return _told(world, OrderCancelled(now_ns, order.order_id, order.filled_qty))
    if isinstance(request, LookUpOrder):
        order = world.find(request.client_order_id)
        if order is None:
            return _told(world, OrderNotFound(now_ns, request.client_order_id, request.at_ns))
        return _told(world, OrderReported(now_ns, report_of(order)))
    return _told(world, snapshot_of(world, request.at_ns, now_ns))


def snapshot_of(world: World, asked_ns: int, now_ns: int) -> SnapshotTaken:
    """Everything the broker has."""
    symbols = sorted({order.symbol for order in world.orders})
    held = world.position()
    positions = tuple(HeldPosition(s, held, Decimal("99.5")) for s in symbols if held)
    executions = tuple(
        ReportedExecution(
            f"{order.order_id}-{part}", order.order_id, _id(order), order.symbol, order.side,
            order.qty / PARTS, order.price, _ZERO, now_ns,
        )
        for order in world.orders
        for part in range(order.parts)
    )  # fmt: skip
    working = tuple(report_of(order) for order in world.orders if order.is_live)
    cash = -sum(
        (e.qty * e.price if e.side == "buy" else -e.qty * e.price for e in executions), _ZERO
    )
    properties = SymbolProperties(SYMBOL, now_ns, True, True, _PART, _CENT)
    return SnapshotTaken(
        now_ns, asked_ns, cash, positions, working, executions, _AMPLE, (properties,)
    )


def report_of(order: BookedOrder) -> OrderReport:
    """The broker's view of one order."""
    price = order.price if order.parts else None
    return OrderReport(
        order.order_id, _id(order), order.symbol, order.side, order.qty, order.filled_qty,
        price, order.status, order.stop_price,
    )  # fmt: skip


def _filled(world: World, index: int, now_ns: int) -> World:
    order = world.orders[index]
    parts = order.parts + 1
    status = "filled" if parts == PARTS else "partially_filled"
    world = _changed(world, order, order._replace(parts=parts, status=status))
    return _told(
        world,
        OrderFilled(
            now_ns, order.order_id, _id(order), f"{order.order_id}-{parts - 1}", order.price,
            order.qty / PARTS, _ZERO, order.symbol, order.side,
        ),
    )  # fmt: skip


def _changed(world: World, was: BookedOrder, now: BookedOrder) -> World:
    return world._replace(orders=tuple(now if o is was else o for o in world.orders))


def _told(world: World, news: BrokerEvent) -> World:
    return world._replace(news=(*world.news, news))


def _id(order: BookedOrder) -> str:
    return f"b-{order.order_id}"
