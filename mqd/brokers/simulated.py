"""A broker that trades on the bars it is shown: for back-tests, samples and replays.

It is a function of its calls: no clock, no chance, exact decimals. Showing it the same market
events and sending it the same commands in the same order gives the same replies, which is how
a restarted desk gets its broker back.

One rule orders everything: a command takes effect at the latest instant the broker was shown,
after all that the bar which ended there has filled. The fill at the close of bar K therefore
waits, unseen, until the desk has reacted to K; the first order or cancel after that, or the next
market event, brings it out, stamped with the end of K. A question (a look-up, a snapshot) brings
nothing about and is answered at its own instant: a desk that asks more often, as after a restart,
gets no other fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mqd.brokers.books import CANCELED, EXACT, EXPIRED, ZERO, BookedOrder, Books
from mqd.ground.errors import DuplicateOrderError, SettingsError
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BarClosed,
    BrokerEvent,
    CancelRefused,
    Event,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderNotFound,
    OrderRejected,
    OrderReported,
    SessionClosed,
    SessionOpened,
)
from mqd.model.order import MARKET, STOP

FillAt = Literal["close", "next-open"]

MARKET_CLOSED = "MARKET_CLOSED"
UNSUPPORTED_ORDER = "UNSUPPORTED_ORDER"
TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
INSUFFICIENT_QTY = "INSUFFICIENT_QTY"
WRONG_SIDE = "WRONG_SIDE"
SIMULATED_REJECT = "SIMULATED_REJECT"
ORDER_ENDED = "ORDER_ENDED"
ORDER_UNKNOWN = "ORDER_UNKNOWN"

MOST_WORKING_ORDERS = 1_000

_BASIS_POINTS = Decimal(10_000)
_INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """How the simulated market treats an order; the defaults are the kindest market there is.

    `fill` is where a market order trades: the close of the bar it was decided on, or the next
    open. `slippage_bps` worsens every price. An order trades at most `largest_fill_shares` a bar,
    the rest on the following bars (None: no limit). Every `reject_every`-th entry is rejected
    (0: none; an entry refused for another reason is not counted). `fee_per_share_usd` is charged
    on every fill. `starting_cash_usd` is what the account holds before anything trades.

    Raises:
        SettingsError: a value cannot be used; the message names the field.
    """

    fill: FillAt = "close"
    slippage_bps: Decimal = ZERO
    largest_fill_shares: Decimal | None = None
    reject_every: int = 0
    fee_per_share_usd: Decimal = ZERO
    starting_cash_usd: Decimal = ZERO

    def __post_init__(self) -> None:
        if self.fill not in {"close", "next-open"}:
            raise SettingsError(f"fill is {self.fill!r}, expected close or next-open")
        if not (_is_number(self.slippage_bps) and 0 <= self.slippage_bps < _BASIS_POINTS):
            raise SettingsError(
                f"slippage_bps is {self.slippage_bps}, expected a decimal from 0 to under 10000"
            )
        largest = self.largest_fill_shares
        if largest is not None and not (_is_number(largest) and largest > 0):
            raise SettingsError(
                f"largest_fill_shares is {largest!r}, expected a decimal above 0, or none"
            )
        if type(self.reject_every) is not int or self.reject_every < 0:
            raise SettingsError(
                f"reject_every is {self.reject_every!r}, expected a whole number from 0"
            )
        if not (_is_number(self.fee_per_share_usd) and self.fee_per_share_usd >= 0):
            raise SettingsError(
                f"fee_per_share_usd is {self.fee_per_share_usd}, expected a decimal from 0"
            )
        if not _is_number(self.starting_cash_usd):
            raise SettingsError(
                f"starting_cash_usd is {self.starting_cash_usd!r}, expected a decimal"
            )


class SimulatedBroker:
    """Takes market day orders in regular sessions and fills them on accepted bars; no shorting.

    A stop to sell rests until a bar that began after it has a low at its price, and trades there,
    or at that bar's open where that is lower; from then on it is at the market.

    It answers everything it is asked. A cancel of an order that has ended, or that it never saw,
    is refused; a look-up's answer and a snapshot tell what is so after all news before them.
    """

    def __init__(self, settings: SimulationSettings) -> None:
        slippage = settings.slippage_bps
        self._settings = settings
        self._price_factor = {
            "buy": EXACT.add(_BASIS_POINTS, slippage).scaleb(-4, EXACT),
            "sell": EXACT.subtract(_BASIS_POINTS, slippage).scaleb(-4, EXACT),
        }
        self._now_ns = 0
        self._session_date: str | None = None
        self._last_bar: dict[str, BarClosed] = {}  # accepted bars of the open session
        self._bar_to_fill: BarClosed | None = None  # its close has not been traded on yet
        self._books = Books()
        self._entries = 0
        self._resting: set[str] = set()  # stops whose price was not reached
        self._last_close: dict[str, float] = {}
        self._outgoing: deque[BrokerEvent] = deque()

    @property
    def cash_delta_usd(self) -> Decimal:
        """What all fills and fees together did to the account's cash, in USD, exact."""
        return self._books.cash_delta_usd

    def position(self, symbol: str) -> Decimal:
        """Shares held of `symbol`: the sum of its fills."""
        return self._books.position(symbol)

    def replies(self) -> Iterator[BrokerEvent]:
        """The replies that are ready, in order, with those that commands sent meanwhile cause."""
        while self._outgoing:
            yield self._outgoing.popleft()

    def observe(self, event: Event, *, accepted: bool) -> None:
        """Take in a market event before the desk reacts to it; other events change nothing.

        First the close of the bar before is traded on. An accepted bar then trades at its open
        (fill next-open) or waits to be traded on at its close; a session's end expires orders.
        """
        if not isinstance(event, (BarClosed, SessionOpened, SessionClosed)):
            return
        self._fill_at_close()
        self._now_ns = max(self._now_ns, event.at_ns)
        if isinstance(event, BarClosed):
            if accepted and self._session_date is not None:
                self._take_bar(event)
        elif isinstance(event, SessionClosed):
            self._end_session(None)
        elif event.date != self._session_date:
            self._end_session(event.date)

    def send(self, command: Command) -> None:
        """Take one durable command; its effect comes out of `replies`.

        Raises:
            DuplicateOrderError: the order's id was sent before; that first order is untouched.
        """
        # Before any effect: a refused request must not move anything, not even a waiting fill.
        if isinstance(command, SubmitOrder) and command.client_order_id in self._books.orders:
            raise DuplicateOrderError(
                f"client_order_id must be unique: {command.client_order_id} was sent before"
            )
        if isinstance(command, SubmitOrder | CancelOrder):
            self._fill_at_close()  # a question moves nothing
        if isinstance(command, SubmitOrder):
            self._submit(command)
        elif isinstance(command, CancelOrder):
            self._cancel(command)
        elif isinstance(command, LookUpOrder):
            self._look_up(command)
        else:
            self._take_snapshot(command)

    def _at_ns(self, command: Command) -> int:
        """Before the first market event there is no instant but the command's own."""
        return self._now_ns or command.at_ns

    def _cancel(self, command: CancelOrder) -> None:
        order_id, at_ns = command.client_order_id, self._at_ns(command)
        ended = self._books.end(order_id, CANCELED)
        if ended is not None:
            self._outgoing.append(OrderCancelled(at_ns, order_id, ended.filled_qty))
            return
        booked = self._books.orders.get(order_id)
        refusal = (ORDER_UNKNOWN, "no such order was sent")
        if booked is not None:
            refusal = (ORDER_ENDED, f"the order is {booked.status} already")
        self._outgoing.append(CancelRefused(at_ns, order_id, *refusal))

    def _look_up(self, command: LookUpOrder) -> None:
        order_id, at_ns = command.client_order_id, command.at_ns
        booked = self._books.orders.get(order_id)
        self._outgoing.append(
            OrderNotFound(at_ns, order_id)
            if booked is None
            else OrderReported(at_ns, booked.report())
        )

    def _take_snapshot(self, command: TakeSnapshot) -> None:
        starting_usd = self._settings.starting_cash_usd
        self._outgoing.append(self._books.snapshot(command.at_ns, command.at_ns, starting_usd))

    def _submit(self, order: SubmitOrder) -> None:
        at_ns, broker_order_id = self._at_ns(order), f"sim-{order.client_order_id}"
        refusal = self._refusal(order)
        if refusal is not None:
            self._books.refuse(order, broker_order_id, at_ns)
            self._outgoing.append(OrderRejected(at_ns, order.client_order_id, *refusal))
            return
        booked = self._books.take(order, broker_order_id, at_ns)
        self._outgoing.append(OrderAcknowledged(at_ns, order.client_order_id, broker_order_id))
        if order.type == STOP:
            self._resting.add(order.client_order_id)
            return
        bar = self._last_bar.get(order.symbol)
        if self._settings.fill == "close" and bar is not None and bar.at_ns == self._now_ns:
            # An older close is no price of now: such an order waits for the next bar.
            self._trade([booked], bar.close, bar.at_ns)

    def _refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        """The code and words the order is refused with, or None for an order that is taken."""
        if self._session_date is None:
            return MARKET_CLOSED, "no regular session is open"
        stop = order.stop_price if (order.type, order.side) == (STOP, "sell") else None
        if order.time_in_force != "day" or (stop is None and order.type != MARKET):
            return UNSUPPORTED_ORDER, (
                f"type {order.type!r}, time in force {order.time_in_force!r}; "
                "only market day orders and stops to sell are simulated"
            )
        if stop is not None and stop >= self._price(order.symbol):
            return WRONG_SIDE, "stop price must be less than current price"
        if order.side not in self._price_factor or not (order.qty.is_finite() and order.qty > 0):
            return UNSUPPORTED_ORDER, f"cannot {order.side!r} {order.qty} shares"
        if len(self._books.working) >= MOST_WORKING_ORDERS:
            return TOO_MANY_ORDERS, f"{MOST_WORKING_ORDERS} orders are working already"
        # Without short selling a buy is an entry and a sell is an exit.
        return self._entry_refusal() if order.side == "buy" else self._exit_refusal(order)

    def _entry_refusal(self) -> tuple[str, str] | None:
        self._entries += 1
        every = self._settings.reject_every
        if every and self._entries % every == 0:
            return SIMULATED_REJECT, f"entry {self._entries}: one in {every} is rejected by request"
        return None

    def _exit_refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        available = self._books.available_qty(order.symbol)
        if order.qty > available:
            return INSUFFICIENT_QTY, f"requested {order.qty}, available {available}"
        return None

    def _price(self, symbol: str) -> Decimal:
        """The last close; without one nothing lies below it."""
        return Decimal(repr(self._last_close.get(symbol, 0.0)))

    def _take_bar(self, bar: BarClosed) -> None:
        self._last_close[bar.symbol] = bar.close
        if self._resting:
            self._reach_stops(bar)
        if self._settings.fill == "close":
            self._last_bar[bar.symbol] = bar
            self._bar_to_fill = bar
        else:
            self._trade(self._working_at(bar.symbol, bar.start_ns), bar.open, bar.start_ns)

    def _reach_stops(self, bar: BarClosed) -> None:
        """Trade the stops that were there when this bar began and whose price it reached."""
        for order_id in sorted(self._resting):
            booked = self._books.working.get(order_id)
            stop = booked.order.stop_price if booked is not None else None
            if booked is None or stop is None:
                self._resting.discard(order_id)
                continue
            is_there = booked.order.symbol == bar.symbol and booked.sent_ns <= bar.start_ns
            if is_there and Decimal(repr(bar.low)) <= stop:
                self._resting.discard(order_id)
                self._trade([booked], min(float(stop), bar.open), bar.at_ns)

    def _fill_at_close(self) -> None:
        bar, self._bar_to_fill = self._bar_to_fill, None
        if bar is not None and self._books.working:
            self._trade(self._working_at(bar.symbol, bar.at_ns), bar.close, bar.at_ns)

    def _working_at(self, symbol: str, at_ns: int) -> list[BookedOrder]:
        """Orders of `symbol` that were there at `at_ns`: no order trades before it was sent."""
        return [
            booked
            for booked in self._books.working.values()
            if booked.order.symbol == symbol
            and booked.sent_ns <= at_ns
            and booked.order.client_order_id not in self._resting
        ]

    def _end_session(self, next_date: str | None) -> None:
        for order_id, booked in tuple(self._books.working.items()):
            self._books.end(order_id, EXPIRED)
            self._outgoing.append(OrderExpired(self._now_ns, order_id, booked.filled_qty))
        self._last_bar.clear()
        self._session_date = next_date
        if next_date is not None:
            self._books.executions.clear()  # a snapshot tells those since the session's open

    def _trade(self, orders: Iterable[BookedOrder], quote: float, at_ns: int) -> None:
        """Fill what one bar allows of each order at `quote`, worsened by the slippage."""
        if not 0 < quote < _INFINITY:
            return  # the data rules set such bars aside; should one get here, it is no price
        for booked in orders:
            price = EXACT.multiply(Decimal(repr(quote)), self._price_factor[booked.order.side])
            largest = self._settings.largest_fill_shares
            qty = booked.remaining_qty if largest is None else min(booked.remaining_qty, largest)
            fee_usd = EXACT.multiply(self._settings.fee_per_share_usd, qty)
            self._outgoing.append(self._books.fill(booked, qty, price, fee_usd, at_ns))


def _is_number(value: object) -> bool:
    """Whether `value` is a finite Decimal; a float would bring its binary digits along."""
    return isinstance(value, Decimal) and value.is_finite()
