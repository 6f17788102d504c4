"""Which executions were told already, where the stream and the list may name one differently.

Alpaca's stream gives an execution an `execution_id`; the fill activities have ids of their own,
`20221026135513847::` and a UUID. In all that we have seen of both that UUID is the execution's id,
but no document says so. If it were another one, each fill would be booked twice: once as the
stream told it and once as the list did. So the name alone never decides:

- An execution whose id was told already is that one.
- In the list, one with a new id is taken for one that was told and is not in the list by its own
  id, where order, quantity and price are the same, or else order and quantity. Within one order
  two such executions come to the same sums, whichever of them was told.
- Where the list has no counterpart of what was told, or the stream tells of one that the list had
  first, the broker's own record of the order is the judge: its `filled_qty` is never exceeded.

Nothing is lost by a wrong guess: as long as an execution is in the list and was not told, the next
comparison looks at it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import NamedTuple

from mqd.model.event import OrderFilled
from mqd.model.position import ZERO
from mqd.model.snapshot import OrderReport, ReportedExecution

AskRecord = Callable[[str], None]
"""Asks for the record of an order by the broker's id, and lets it be learned; may do nothing."""


class Seen(NamedTuple):
    """One execution that the desk has booked: of which order there, which, how much, at what."""

    broker_order_id: str
    execution_id: str
    qty: Decimal
    price: Decimal


@dataclass(slots=True)
class _Order:
    told: dict[str, Seen] = field(default_factory=dict)
    most: Decimal = ZERO  # what its record said is filled, at the most

    @property
    def qty(self) -> Decimal:
        return sum((each.qty for each in self.told.values()), ZERO)

    def has_room_for(self, qty: Decimal) -> bool:
        return self.qty + qty <= self.most


class ToldFills:
    """What was told of each order; for every thread."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}
        self._lock = Lock()

    def remember(self, executions: Iterable[Seen]) -> None:
        """The desk has booked these, before it was started again."""
        with self._lock:
            for each in executions:
                self._of(each.broker_order_id).told[each.execution_id] = each

    def learn(self, report: OrderReport) -> None:
        """The record of an order says how much of it is filled; that never falls."""
        with self._lock:
            order = self._of(report.broker_order_id)
            order.most = max(order.most, report.filled_qty)

    def by_stream(self, fill: OrderFilled, filled_qty: Decimal) -> OrderFilled | None:
        """The fill under the id by which it was told first; None where the order has to be asked.

        `filled_qty` is the order's total in the same message.
        """
        with self._lock:
            order = self._of(fill.broker_order_id)
            order.most = max(order.most, filled_qty)
            if fill.execution_id in order.told:
                return fill
            if order.has_room_for(fill.qty):
                order.told[fill.execution_id] = _seen(fill)
                return fill
            same = [id_ for id_, told in order.told.items() if told[2:] == (fill.qty, fill.price)]
            return fill._replace(execution_id=same[0]) if same else None

    def by_list(
        self, listed: Iterable[ReportedExecution], ask_record: AskRecord
    ) -> tuple[ReportedExecution, ...]:
        """The list with each execution under the id by which it was told first.

        What the record of its order has no room for is left out. Where that has to be known,
        `ask_record` is called with nothing held.
        """
        items = tuple(listed)
        for order_id in self._in_doubt(items):
            ask_record(order_id)
        with self._lock:
            found: dict[int, ReportedExecution] = {}
            for order_id in dict.fromkeys(item.broker_order_id for item in items):
                own = {n: item for n, item in enumerate(items) if item.broker_order_id == order_id}
                found |= self._named(self._of(order_id), own)
            return tuple(found[number] for number in sorted(found))

    def _in_doubt(self, items: tuple[ReportedExecution, ...]) -> list[str]:
        with self._lock:
            doubtful = []
            for order_id in dict.fromkeys(item.broker_order_id for item in items):
                order = self._of(order_id)
                own = {n: item for n, item in enumerate(items) if item.broker_order_id == order_id}
                _, new, missing = _matched(order, own)
                if missing and any(not order.has_room_for(item.qty) for item in new.values()):
                    doubtful.append(order_id)
            return doubtful

    @staticmethod
    def _named(order: _Order, own: dict[int, ReportedExecution]) -> dict[int, ReportedExecution]:
        found, new, missing = _matched(order, own)
        for number, item in sorted(new.items(), key=lambda pair: -pair[1].qty):
            if missing and not order.has_room_for(item.qty):
                continue
            order.told[item.execution_id] = _seen(item)
            found[number] = item
        return found

    def _of(self, broker_order_id: str) -> _Order:
        return self._orders.setdefault(broker_order_id, _Order())


def _seen(item: OrderFilled | ReportedExecution) -> Seen:
    return Seen(item.broker_order_id, item.execution_id, item.qty, item.price)


def _matched(
    order: _Order, own: dict[int, ReportedExecution]
) -> tuple[dict[int, ReportedExecution], dict[int, ReportedExecution], dict[str, Seen]]:
    """What was told, under its first id; what is new; what was told and has no counterpart."""
    listed = {item.execution_id for item in own.values()}
    found = {n: item for n, item in own.items() if item.execution_id in order.told}
    new = {n: item for n, item in own.items() if n not in found}
    missing = {id_: told for id_, told in order.told.items() if id_ not in listed}
    for is_exact in (True, False):
        for number, item in list(new.items()):
            same = next(
                (
                    id_
                    for id_, told in missing.items()
                    if told.qty == item.qty and (told.price == item.price or not is_exact)
                ),
                None,
            )
            if same is not None:
                told = missing.pop(same)
                found[number] = item._replace(execution_id=same, price=told.price)
                del new[number]
    return found, new, missing
