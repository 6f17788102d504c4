"""What really happens at a broker whose market is chance: orders, executions, other hands.

The world tells the truth at once and in order, in `news`; what reaches a desk, and when, is
decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mqd.brokers.books import (
    CANCELED,
    EXACT,
    EXPIRED,
    FILLED,
    PARTIALLY_FILLED,
    REJECTED,
    ZERO,
    BookedOrder,
    Books,
)
from mqd.brokers.circumstances import Circumstances
from mqd.brokers.faults import Dice
from mqd.ground.errors import MqdError
from mqd.ground.ids import is_exit
from mqd.model.command import SubmitOrder
from mqd.model.event import (
    BrokerEvent,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    SnapshotTaken,
)
from mqd.model.snapshot import ReportedExecution

MANUAL = "manual-"
OTHER_SYMBOL = "QQQ"
STARTING_CASH_USD = Decimal(10_000)

_CENT = Decimal("0.01")
_SHARE_STEP = Decimal("0.001")
_NEVER = 1 << 30
_FEE_USD = Decimal("0.02")


class WorldViolation(MqdError):
    """The desk did something to the broker that a correct desk never does."""


@dataclass(slots=True)
class _Plan:
    """When an order trades next, in moments from now, and in how many parts.

    An order with a `stop` does not trade before the price has been there.
    """

    wait: int
    parts: int
    stop: Decimal | None = None


class World:
    """The account as it truly is; one traded price serves every symbol.

    `low` is how far the price fell on its way to where it is now.

    `told` are executions that the desk has been told of: only those are changed afterwards.
    """

    def __init__(self, dice: Dice, circumstances: Circumstances) -> None:
        self.books = Books()
        self.circumstances = circumstances
        self.news: list[BrokerEvent] = []
        self.told: list[str] = []
        self.now_ns = 0
        self.price = self.low = Decimal(0)
        self.is_open = False
        self.own: dict[str, SubmitOrder] = {}  # every order of the desk that reached the books
        self.changed: set[str] = set()  # executions that were busted, corrected or charged
        self.revised: dict[str, ReportedExecution] = {}  # what the list shows until it is told
        self._dice = dice
        self._plans: dict[str, _Plan] = {}
        self._manual = 0

    # -- the desk's requests, where they arrive ------------------------------------------------

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        """Why the broker would not take the order, or None."""
        if not self.is_open:
            return "MARKET_CLOSED", "no regular session is open"
        forbidden = self.circumstances.refusal(order, self.now_ns, self._power_usd(), self.price)
        if forbidden is not None:
            return forbidden
        if order.side == "sell":
            available = self.books.available_qty(order.symbol)
            if order.qty > available:
                return "INSUFFICIENT_QTY", f"requested {order.qty}, available {available}"
        if order.stop_price is not None:
            return self._stop_refusal(order, order.stop_price)
        return None

    def _stop_refusal(self, order: SubmitOrder, stop: Decimal) -> tuple[str, str] | None:
        if stop >= self.price:
            return "WRONG_SIDE", "stop price must be less than current price"
        for other in self.books.working.values():
            if (other.order.symbol, other.order.side) == (order.symbol, "buy"):
                return "WASH_TRADE", "opposite side market/stop order exists"
        return None

    def submit(self, order: SubmitOrder) -> None:
        """An order of the desk begins to work.

        Raises:
            WorldViolation: another order of the desk works on that symbol and side, and this one
                is not another strategy's way out of what it holds.
        """
        for working in self.books.working.values():
            other = working.order
            same = (other.symbol, other.side) == (order.symbol, order.side)
            # A bust or a late fill may leave two strategies with shares of one symbol. Each gets
            # out of its own, as a broker lets it while the shares last; a second entry doubles.
            gets_out = is_exit(order.client_order_id) and _owner(order) != _owner(other)
            if same and not gets_out and other.client_order_id in self.own:
                raise WorldViolation(
                    f"{order.client_order_id} came while {other.client_order_id} works: "
                    f"two live orders to {order.side} {order.symbol}"
                )
        self.own[order.client_order_id] = order
        self._open(order, f"world-{order.client_order_id}")

    def _open(self, order: SubmitOrder, broker_order_id: str) -> None:
        dice, order_id = self._dice, order.client_order_id
        booked = self.books.take(order, broker_order_id, self.now_ns)
        self.news.append(OrderAcknowledged(self.now_ns, order_id, broker_order_id))
        if order_id in self.own and dice.happens("rejected_later"):
            self.books.end(order_id, REJECTED)
            self.news.append(OrderRejected(self.now_ns, order_id, "REJECTED_LATER", "by the venue"))
            return
        wait = 0
        if dice.happens("no_fill"):
            wait = _NEVER
        elif dice.happens("slow_fill"):
            wait = dice.roll(1, 12)
        parts = dice.roll(2, 3) if dice.happens("partial_fill") else 1
        self._plans[order_id] = _Plan(wait, parts, order.stop_price)
        if wait == 0 and order.stop_price is None:
            self._fill_part(booked)

    def cancel(self, order_id: str) -> tuple[str, str] | None:
        """Take an order back; the code and words of a refusal, or None where it is done.

        The order may trade, in part or whole, before the request arrives.
        """
        booked = self.books.working.get(order_id)
        if booked is not None and self._dice.happens("fill_crosses_cancel"):
            plan = self._plans[order_id]
            plan.parts = self._dice.roll(1, 2)
            self._fill_part(booked)
        ended = self.books.end(order_id, CANCELED)
        if ended is not None:
            self.news.append(OrderCancelled(self.now_ns, order_id, ended.filled_qty))
            return None
        known = self.books.orders.get(order_id)
        if known is None:
            return "ORDER_UNKNOWN", "no such order"
        return "ORDER_ENDED", f"the order is already {known.status}"

    def snapshot(self, asked_ns: int) -> SnapshotTaken:
        """Everything there is; a corrected execution shows as it was until the desk was told."""
        now_ns, so = self.now_ns, self.circumstances
        account = so.account(now_ns, self._power_usd(), self._equity_usd())
        taken = self.books.snapshot(
            now_ns, asked_ns, STARTING_CASH_USD, account, so.symbols(now_ns)
        )
        shown = tuple(self.revised.get(item.execution_id, item) for item in taken.executions)
        return taken._replace(executions=shown)

    def _power_usd(self) -> Decimal:
        """Cash that no working purchase has claimed."""
        power_usd = EXACT.add(STARTING_CASH_USD, self.books.cash_delta_usd)
        for working in self.books.working.values():
            if working.order.side == "buy":
                claimed_usd = EXACT.multiply(working.remaining_qty, self.price)
                power_usd = EXACT.subtract(power_usd, claimed_usd)
        return power_usd

    def _equity_usd(self) -> Decimal:
        """Cash, and what is held at the last price, which serves every symbol."""
        held = self.books.snapshot(0, 0, ZERO).positions
        equity_usd = EXACT.add(STARTING_CASH_USD, self.books.cash_delta_usd)
        for each in held:
            equity_usd = EXACT.add(equity_usd, EXACT.multiply(each.qty, self.price))
        return equity_usd

    # -- time ----------------------------------------------------------------------------------

    def advance(self, at_ns: int) -> None:
        """Time passes: what works may trade, and other hands may act."""
        self.now_ns = max(self.now_ns, at_ns)
        self.circumstances.pass_time(self.now_ns)
        for booked in tuple(self.books.working.values()):
            plan = self._plans[booked.order.client_order_id]
            if plan.stop is not None and min(self.low, self.price) > plan.stop:
                continue
            plan.stop = None
            plan.wait -= 1
            if plan.wait <= 0:
                self._fill_part(booked)
        if self.is_open and self.price and not self._dice.is_calm:
            self._other_hands()
            self._second_thoughts()

    def close(self, at_ns: int) -> None:
        """The session ends, and every day order with it."""
        self.now_ns = max(self.now_ns, at_ns)
        self.is_open = False
        for order_id, booked in tuple(self.books.working.items()):
            self.books.end(order_id, EXPIRED)
            self.news.append(OrderExpired(self.now_ns, order_id, booked.filled_qty))

    # -- what the market and others do -----------------------------------------------------------

    def _fill_part(self, booked: BookedOrder) -> None:
        plan = self._plans[booked.order.client_order_id]
        qty = booked.remaining_qty
        if plan.parts > 1:
            part = (qty / plan.parts).quantize(_SHARE_STEP)
            qty = part if 0 < part < qty else qty
        plan.parts, plan.wait, plan.stop = max(1, plan.parts - 1), self._dice.roll(1, 3), None
        price, stop = self._quote(), booked.order.stop_price
        if stop is not None:
            price = min(price, stop)  # its price or worse
        self.news.append(self.books.fill(booked, qty, price, ZERO, self.now_ns))

    def _quote(self) -> Decimal:
        return self.price + _CENT * self._dice.roll(-3, 3)

    def _other_hands(self) -> None:
        dice = self._dice
        if dice.happens("manual_order"):
            self._manual += 1
            order = SubmitOrder(
                self.now_ns, f"{MANUAL}{self._manual}", self._symbol(), "buy",
                Decimal(dice.roll(1, 3)), "market", "day",
            )  # fmt: skip
            self._open(order, f"world-{order.client_order_id}")
        if dice.happens("manual_position"):
            self._manual += 1
            qty = Decimal(dice.roll(1, 3))
            self.books.move(self._symbol(), qty, self._quote(), ZERO)

    def _symbol(self) -> str:
        own = next(iter(self.own.values()), None)
        return OTHER_SYMBOL if own is None or self._dice.roll(0, 1) else own.symbol

    def _second_thoughts(self) -> None:
        """Executions that the desk has been told of turn out otherwise."""
        if not self.told:
            return
        for fault, change in (
            ("busted", self._bust),
            ("corrected", self._correct),
            ("fee_later", self._charge),
        ):
            open_to_change = [told for told in self.told if told not in self.changed]
            if open_to_change and self._dice.happens(fault):
                found = open_to_change[self._dice.roll(0, len(open_to_change) - 1)]
                self.changed.add(found)
                change(next(e for e in self.books.executions if e.execution_id == found))

    def _bust(self, execution: ReportedExecution) -> None:
        self._take_back(execution)
        self.news.append(ExecutionBusted(self.now_ns, execution.execution_id))

    def _correct(self, execution: ReportedExecution) -> None:
        self._take_back(execution)
        new = execution._replace(
            execution_id=execution.execution_id + "-corrected",
            price=execution.price + _CENT * self._dice.roll(1, 5),
        )
        self.changed.add(new.execution_id)
        self.revised[new.execution_id] = execution
        self.books.executions.append(new)
        self._move(new, 1)
        self.news.append(
            ExecutionCorrected(
                self.now_ns, execution.execution_id, new.execution_id, new.price, new.qty
            )
        )

    def _charge(self, execution: ReportedExecution) -> None:
        self.books.move(execution.symbol, ZERO, execution.price, _FEE_USD)
        self.news.append(FeeCharged(self.now_ns, execution.execution_id, _FEE_USD))

    def _take_back(self, execution: ReportedExecution) -> None:
        self.books.executions.remove(execution)
        self._move(execution, -1)

    def _move(self, execution: ReportedExecution, sign: int) -> None:
        bought = execution.qty if execution.side == "buy" else execution.qty.copy_negate()
        self.books.move(execution.symbol, bought * sign, execution.price, execution.fee_usd * sign)
        booked = self.books.orders[execution.client_order_id]
        booked.filled_qty = EXACT.add(booked.filled_qty, execution.qty * sign)
        booked.filled_usd = EXACT.add(booked.filled_usd, execution.qty * execution.price * sign)
        if not booked.remaining_qty:
            booked.status = FILLED
        elif booked.status == FILLED and booked.order.client_order_id in self.books.working:
            booked.status = PARTIALLY_FILLED

    # -- what is true, for those who ask afterwards ----------------------------------------------

    def own_executions(self) -> dict[str, ReportedExecution]:
        """Every execution of the desk's orders that stands, by id."""
        return {e.execution_id: e for e in self.books.executions if e.client_order_id in self.own}

    def own_position(self, symbol: str) -> Decimal:
        """Shares of `symbol` that the desk's own orders came to."""
        total = ZERO
        for item in self.own_executions().values():
            if item.symbol == symbol:
                total = EXACT.add(total, item.qty if item.side == "buy" else -item.qty)
        return total


def _owner(order: SubmitOrder) -> str:
    """The strategy's part of an order's id."""
    return order.client_order_id.partition(f"-{order.symbol}-")[0]
