"""The practice exchange itself: orders, bars and sessions in, news out; no network, no clock.

Time is what it is told: it stands at the end of the last bar, or where `now_ns` was moved. A
market order trades at once at the last close of the session; everything that rests trades
against the range of the bars that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mqd.brokers.practice import orders as book
from mqd.brokers.practice.books import Books
from mqd.brokers.practice.fault_kinds import FILL
from mqd.brokers.practice.faults import FaultPlan
from mqd.brokers.practice.market import Market
from mqd.brokers.practice.matching import exact, price_at_once, price_in_bar
from mqd.brokers.practice.orders import EXACT, Execution, PracticeOrder
from mqd.brokers.practice.settings import PracticeSettings
from mqd.brokers.practice.wire import Json, made_id, news_frame
from mqd.model.event import BarClosed
from mqd.ports.calendar import Session

_TICK_NS = 1_000  # no two orders of one account have the same time


def _nobody(event: str, symbol: str, frame: Json) -> None:
    """Nobody is told."""


class Exchange:
    """One account at one market; `tell` is given every frame of news, in order."""

    def __init__(self, settings: PracticeSettings, faults: FaultPlan) -> None:
        self.settings = settings
        self.faults = faults
        self.books = Books(settings.cash_usd)
        self.market = Market()
        self.session: Session | None = None
        self.now_ns = 0
        self.tell: Callable[[str, str, Json], None] = _nobody
        self.account_says: dict[str, Any] = {}
        self.asset_says: dict[str, dict[str, Any]] = {}
        self.halted: dict[str, int] = {}
        self.equity_before_usd = settings.cash_usd
        self._last_order_ns = 0
        self._made = 0

    def new_id(self, what: str) -> str:
        """The next id; it follows from the exchange's name and how many were given before."""
        self._made += 1
        return made_id(f"{self.settings.name} {what} {self._made}")

    def order_time_ns(self) -> int:
        """Now, or a microsecond after the order before."""
        self._last_order_ns = max(self.now_ns, self._last_order_ns + _TICK_NS)
        return self._last_order_ns

    def equity_usd(self) -> Decimal:
        """Cash and what the positions are worth at the last closes."""
        held = (qty * self.market.price(symbol) for symbol, qty in self.books.qty.items())
        return self.books.cash_usd + sum(held, book.ZERO)

    # ------------------------------------------------------------------------ what the day does

    def open_session(self, session: Session) -> None:
        """A regular session begins: orders that waited for it are at the market."""
        self.now_ns = max(self.now_ns, session.open_ns)
        self.session = session
        for order in list(self.books.working.values()):
            if order.status == book.ACCEPTED:
                self.change(order, book.NEW, "new")

    def close_session(self) -> None:
        """The session ends: orders for the day expire."""
        if self.session is None:
            return
        self.now_ns = max(self.now_ns, self.session.close_ns)
        self.session = None
        self.equity_before_usd = self.equity_usd()
        self.market.end_day()
        for order in list(self.books.working.values()):
            if order.time_in_force != "gtc" and order.is_open:
                order.expired_ns = self.now_ns
                self.end(order, book.EXPIRED, "expired")

    def take_bar(self, bar: BarClosed) -> None:
        """A minute has ended; in a session, what rests trades against its range."""
        self.now_ns = max(self.now_ns, bar.at_ns)
        self.market.add(bar)
        if self.session is None:
            return
        for order in list(self.books.working.values()):
            if order.symbol == bar.symbol and order.id in self.books.working:
                self._try_in(bar, order)

    def _try_in(self, bar: BarClosed, order: PracticeOrder) -> None:
        if order.status in {book.HELD, book.PENDING_NEW}:
            return
        if order.waits_bars:
            order.waits_bars -= 1
            if order.waits_bars:
                return
        price = price_in_bar(order, bar)
        if price is not None:
            self.trade(order, price)

    # ------------------------------------------------------------------------------ what trades

    def arrive(self, order: PracticeOrder) -> None:
        """An order is at the market: it trades at once if it can, else it rests."""
        if self.session is None:
            self.change(order, book.ACCEPTED, "accepted")
            return
        self.change(order, book.NEW, "new")
        last = self.market.last_close(order.symbol, self.session)
        price = None
        if last is not None and order.symbol not in self.halted:
            price = price_at_once(order, exact(last))
        if price is not None:
            self.trade(order, price)
        if order.time_in_force in {"ioc", "fok"} and order.is_open:
            self.finish_cancel(order)

    def trade(self, order: PracticeOrder, price: Decimal) -> None:
        """An order trades at `price`: all that is left of it, unless a fault is planned."""
        left = order.remaining_qty(price)
        fault = self.faults.take(
            FILL, self.now_ns, symbol=order.symbol, side=order.side, type=order.type
        )
        if fault is not None:
            order.waits_bars = int(fault.shape["bars"])
            if fault.kind == "held_back":
                return
            part = EXACT.multiply(left, Decimal(str(fault.shape["part"])))
            left = part.quantize(book.SMALLEST_QTY)
        self.fill(order, left, price)

    def fill(self, order: PracticeOrder, qty: Decimal, price: Decimal) -> Execution | None:
        """Book one execution and tell of it; an order that has ended keeps its status."""
        if qty <= 0:
            return None
        is_done = order.remaining_qty(price) <= qty
        if order.is_open:
            is_cancelling = order.status == book.PENDING_CANCEL and not is_done
            order.status = book.FILLED if is_done else book.PARTIALLY_FILLED
            if is_cancelling:
                order.status = book.PENDING_CANCEL
        at_ns = order.updated_ns = max(self.now_ns, order.submitted_ns)
        if is_done:
            order.filled_ns = at_ns
        execution = self.books.fill(order, qty, price, at_ns, self.new_id("execution"))
        self._news("fill" if is_done else "partial_fill", order, execution)
        if not order.is_open:
            self.books.end(order)
            self._family(order)
        return execution

    def _family(self, order: PracticeOrder) -> None:
        """What the end of one order does to those that belong to it."""
        if order.status == book.FILLED and order.parent is None:
            for leg in order.legs:
                if leg.status == book.HELD and order.order_class != "oco":
                    self.arrive(leg)
        family = [order.parent, *order.parent.legs] if order.parent else list(order.legs)
        is_pair = order.parent is not None or order.order_class == "oco"
        for other in family:
            if other is order or not other.is_open:
                continue
            if is_pair or order.status != book.FILLED:
                self.finish_cancel(other)

    # ------------------------------------------------------------------------------ what is told

    def finish_cancel(self, order: PracticeOrder) -> None:
        """An order ends without trading any further."""
        order.canceled_ns = max(self.now_ns, order.submitted_ns)
        self.end(order, book.CANCELED, "canceled")

    def end(self, order: PracticeOrder, status: str, event: str) -> None:
        """An order ends with this status, and what belongs to it with it."""
        self.books.end(order)
        self.change(order, status, event)
        self._family(order)

    def change(self, order: PracticeOrder, status: str, event: str) -> None:
        """Another status, and the news of it."""
        order.status = status
        order.updated_ns = max(self.now_ns, order.submitted_ns)
        self._news(event, order, None)

    def _news(self, event: str, order: PracticeOrder, execution: Execution | None) -> None:
        news_id = execution.id if execution is not None else self.new_id("news")
        frame = news_frame(event, news_id, order, order.updated_ns, execution)
        self.tell(event, order.symbol, frame)
