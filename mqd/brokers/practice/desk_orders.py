"""What a client may do: send, cancel and replace orders, close a position."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from mqd.brokers.practice import orders as book
from mqd.brokers.practice.checks import OrderChecks
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.fault_kinds import CANCEL, SUBMIT
from mqd.brokers.practice.faults import Fault
from mqd.brokers.practice.orders import PracticeOrder
from mqd.brokers.practice.refusals import (
    REASONS,
    Refusal,
    malformed,
    not_found,
    unprocessable,
)
from mqd.brokers.practice.tickets import LEGS, Ticket, number, price, read_ticket
from mqd.brokers.practice.wire import Json, order_json

_HELD_BACK = {book.ACCEPTED, book.NEW, book.PARTIALLY_FILLED}


class _Cancel(NamedTuple):
    """An order that was asked back: its status before, and what is planned for the cancel."""

    order: PracticeOrder
    before: str
    fault: Fault | None
    bars: int


class OrderDesk:
    """Takes orders and cancels for one exchange.

    An answer tells how the order was taken; what became of it at the market is told as news. A
    cancel is a request: `settle` carries out those that were made since it was called last.
    """

    def __init__(self, exchange: Exchange, checks: OrderChecks) -> None:
        self._exchange = exchange
        self._checks = checks
        self._cancels: list[_Cancel] = []

    # ----------------------------------------------------------------------------------- submit

    def submit(self, body: dict[str, Any]) -> Json:
        """Take an order; the answer is how it was taken.

        Raises:
            Refusal: it is not taken.
        """
        ticket = read_ticket(body)
        fault = self._planned(SUBMIT, ticket.symbol, ticket.side, ticket.type)
        if fault is not None and fault.kind == "refused":
            raise Refusal(*REASONS[str(fault.shape["reason"])])
        self._refuse_known(ticket.client_order_id)
        self._checks.refuse(ticket)
        order = self._booked(ticket)
        answer = order_json(order)
        if fault is not None:
            self._exchange.change(order, book.PENDING_NEW, "pending_new")
            order.failed_ns = order.submitted_ns
            self._exchange.end(order, book.REJECTED, "rejected")
        else:
            self._at_market(order)
        return answer

    def _planned(self, place: str, symbol: str, side: str, kind: str) -> Fault | None:
        exchange = self._exchange
        return exchange.faults.take(place, exchange.now_ns, symbol=symbol, side=side, type=kind)

    def _refuse_known(self, client_order_id: str | None) -> None:
        if client_order_id in self._exchange.books.by_client_id:
            raise malformed("client_order_id must be unique")

    def _at_market(self, order: PracticeOrder) -> None:
        self._exchange.arrive(order)
        if order.order_class == "oco":
            for leg in order.legs:
                if leg.is_open:  # not if its partner has traded at once
                    self._exchange.arrive(leg)

    def _booked(self, ticket: Ticket) -> PracticeOrder:
        order = self._made(ticket, ticket.limit_price or ticket.take_profit, ticket.stop_price)
        if ticket.order_class != "oco":
            order.limit_price = ticket.limit_price
        self._exchange.books.take(order)
        if LEGS[ticket.order_class]:
            self._add_legs(order, ticket)
        return order

    def _made(self, ticket: Ticket, limit: Decimal | None, stop: Decimal | None) -> PracticeOrder:
        exchange = self._exchange
        at_ns = exchange.order_time_ns()
        opens = "sell_to_close" if ticket.side == "sell" else "buy_to_open"
        session = exchange.session
        return PracticeOrder(
            id=exchange.new_id("order"),
            client_order_id=ticket.client_order_id or exchange.new_id("client order"),
            symbol=ticket.symbol, side=ticket.side, type=ticket.type,
            time_in_force=ticket.time_in_force, qty=ticket.qty, notional=ticket.notional,
            limit_price=limit, stop_price=stop, order_class=ticket.order_class,
            extended_hours=ticket.extended_hours, position_intent=ticket.position_intent or opens,
            submitted_ns=at_ns, updated_ns=at_ns,
            status=book.PENDING_NEW if session else book.ACCEPTED,
            expires_ns=session.close_ns if session and ticket.time_in_force == "day" else None,
        )  # fmt: skip

    def _add_legs(self, order: PracticeOrder, ticket: Ticket) -> None:
        side = ticket.side if ticket.order_class == "oco" else _opposite(ticket.side)
        kinds: list[tuple[str, Decimal | None, Decimal | None]] = []
        if ticket.take_profit is not None and ticket.order_class != "oco":
            kinds.append(("limit", ticket.take_profit, None))
        if ticket.stop_loss is not None:
            kind = "stop" if ticket.stop_loss_limit is None else "stop_limit"
            kinds.append((kind, ticket.stop_loss_limit, ticket.stop_loss))
        for kind, limit, stop in kinds:
            wanted = ticket._replace(
                client_order_id=None, side=side, type=kind, position_intent=None, order_class=""
            )
            leg = self._made(wanted, limit, stop)
            leg.status, leg.parent, leg.order_class = book.HELD, order, ticket.order_class
            order.legs.append(leg)
            self._exchange.books.take(leg)

    # ----------------------------------------------------------------------------------- cancel

    def order(self, order_id: str) -> PracticeOrder:
        """The order under Alpaca's id.

        Raises:
            Refusal: there is none.
        """
        found = self._exchange.books.orders.get(order_id)
        if found is None:
            raise not_found(f"order not found for {order_id}")
        return found

    def cancel(self, order: PracticeOrder) -> None:
        """Ask for an order back; whether it comes back is told as news.

        Raises:
            Refusal: it has traded or is asked back already.
        """
        if order.status == book.CANCELED:
            return
        if order.status == book.PENDING_CANCEL:
            raise unprocessable("order pending cancel")
        if not order.is_open:
            raise unprocessable(f'order is already in "{order.status}" state')
        exchange = self._exchange
        fault = self._planned(CANCEL, order.symbol, order.side, order.type)
        order.cancel_requested_ns = max(exchange.now_ns, order.submitted_ns)
        before = order.status
        exchange.change(order, book.PENDING_CANCEL, "pending_cancel")
        bars = 0 if fault is None else int(fault.shape.get("bars", 0))
        self._cancels.append(_Cancel(order, before, fault, bars))

    def settle(self, *, after_bar: bool = False) -> None:
        """Carry out the cancels that were asked for; those that hang wait for their bars."""
        waiting, self._cancels = self._cancels, []
        for cancel in waiting:
            if not cancel.order.is_open:
                continue
            if cancel.bars > 0:
                self._cancels.append(cancel._replace(bars=cancel.bars - after_bar))
            else:
                self._carry_out(cancel)

    def _carry_out(self, cancel: _Cancel) -> None:
        exchange, order, fault = self._exchange, cancel.order, cancel.fault
        last = order.limit_price or order.stop_price or exchange.market.price(order.symbol)
        left = order.remaining_qty(last)
        match fault.kind if fault is not None else "":
            case "cancel_rejected":
                exchange.change(order, cancel.before, "order_cancel_rejected")
            case "cancel_loses":
                exchange.fill(order, left, last)
            case "fill_after_cancel":
                assert fault is not None
                exchange.finish_cancel(order)
                part = book.EXACT.multiply(left, Decimal(str(fault.shape["part"])))
                exchange.fill(order, part.quantize(book.SMALLEST_QTY), last)
            case _:
                exchange.finish_cancel(order)

    # ------------------------------------------------------------------------ replace and close

    def replace(self, old: PracticeOrder, body: dict[str, Any]) -> Json:
        """Put another order in an order's place; it takes the whole quantity anew.

        Raises:
            Refusal: the order cannot be replaced, or not by this.
        """
        if not old.is_open:
            raise unprocessable(f'order is already in "{old.status}" state')
        if old.status not in _HELD_BACK:
            raise unprocessable("unable to replace order, order isn't sent to exchange yet")
        if old.qty is None or old.qty != old.qty.to_integral_value():
            raise unprocessable("unable to replace fractional orders")
        self._refuse_known(body.get("client_order_id"))
        ticket = Ticket(
            body.get("client_order_id"), old.symbol, old.side, old.type,
            str(body.get("time_in_force") or old.time_in_force),
            number(body, "qty") or old.qty, None,
            price(body, "limit_price") or old.limit_price,
            price(body, "stop_price") or old.stop_price,
        )  # fmt: skip
        exchange = self._exchange
        exchange.books.end(old)
        order = self._made(ticket, ticket.limit_price, ticket.stop_price)
        order.replaces, old.replaced_by = old.id, order.id
        old.replaced_ns = order.submitted_ns
        exchange.change(old, book.REPLACED, "replaced")
        exchange.books.take(order)
        answer = order_json(order)
        exchange.arrive(order)
        return answer

    def close(self, symbol: str, qty: Decimal | None = None) -> Json:
        """Sell a position, or `qty` of it, with an order of the exchange's own making.

        Raises:
            Refusal: there is no such position, or other orders have claimed it.
        """
        held = self._exchange.books.position(symbol)
        if not held:
            raise not_found("position does not exist")
        side = "sell" if held > 0 else "buy"
        ticket = {"symbol": symbol, "qty": str(abs(qty or held)), "side": side}
        return self.submit({**ticket, "type": "market", "time_in_force": "day"})


def _opposite(side: str) -> str:
    return "sell" if side == "buy" else "buy"
