"""The life of an order: every piece of news goes through the lifecycle table, and nowhere else."""

from __future__ import annotations

from mqd.engine.machine import WrappedMachine
from mqd.engine.state import OrderFacts
from mqd.ground import errors
from mqd.ground.errors import (
    BrokerConfirmationRequiredError,
    InvalidTransitionError,
    MqdError,
)
from mqd.ground.times import NS_PER_S
from mqd.model.order import Order, OrderStateChangedEvent
from mqd.rules.book import MachineRules
from mqd.rules.compile.ruleset import CompiledSet

CREATED = "created"
REFUSE = "refuse"
CRITICAL = "CRITICAL"


def order_age_s(order: Order, now_ns: int) -> float:
    """Seconds since the order was made."""
    return (now_ns - order.created_ns) / NS_PER_S


def is_order_stale(order: Order, now_ns: int, ttl_s: float) -> bool:
    """Whether the order is as old as it may become: `(now - submitted_at) >= ttl`.

    The desk itself asks this by `order.age` in rules/orders/watch.yaml, after every event.
    """
    return order_age_s(order, now_ns) >= ttl_s


def order_facts(order: Order, at_ns: int) -> OrderFacts:
    """The order as the guards of its lifecycle and its watch read it."""
    return OrderFacts(
        qty=float(order.qty),
        filled_qty=float(order.filled_qty),
        since_sent_s=(at_ns - order.sent_ns) / NS_PER_S,
    )


class TransactionLog:
    """Every change of every order's state, in order, and every event that changed nothing."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[OrderStateChangedEvent] = []

    def record(self, entry: OrderStateChangedEvent) -> None:
        """Append one line."""
        self.entries.append(entry)


class OrderStateMachine:
    """The order lifecycle of rules/orders/lifecycle.yaml, executed."""

    def __init__(self, rules: MachineRules, guards: dict[str, CompiledSet]) -> None:
        self.rules = rules
        self.terminal = rules.terminal
        self._machine = WrappedMachine(rules, guards)

    def created(self, order: Order, log: TransactionLog) -> Order:
        """The order in its initial state, logged."""
        born = order._replace(state=self.rules.initial, updated_ns=order.created_ns)
        log.record(
            OrderStateChangedEvent(
                order.created_ns, order.client_order_id, CREATED, "", born.state, "", "apply"
            )
        )
        return born

    def apply(
        self, order: Order, event: str, at_ns: int, log: TransactionLog, asked_ns: int = 0
    ) -> Order:
        """The order after `event`; `order` already carries what the event brought with it.

        `asked_ns` is when the question was asked that the event answers, 0 where it answers none.
        The change, or that there was none, is in `log` before anything is raised.

        Raises:
            BrokerConfirmationRequiredError: the transition needs the broker's id; no change.
            TerminalStateError: the order has ended and the event matters; no change.
            InvalidTransitionError: the rules say this cannot be; no change.
        """
        facts = order_facts(order, asked_ns or at_ns)
        try:
            row, state = self._machine.fire(order.state, event, facts)
        except InvalidTransitionError as error:  # no row speaks of it, so none is named
            raised = type(error).__name__
            _record(log, order, event, at_ns, order.state, ("", REFUSE, CRITICAL, raised))
            raise
        if "broker_order_id" in row.requires and not order.broker_order_id:
            refused = (row.id, REFUSE, CRITICAL, BrokerConfirmationRequiredError.__name__)
            _record(log, order, event, at_ns, order.state, refused)
            raise BrokerConfirmationRequiredError(
                f"`{event}` for {order.client_order_id} carries no broker order id ({row.id})"
            )
        line = (row.id, row.disposition, row.severity, row.raises)
        _record(log, order, event, at_ns, state, line)
        if row.raises is not None:
            declared = error_class(row.raises)(
                f"`{event}` for {order.client_order_id} in {order.state} ({row.id}): {row.because}"
            )
            declared.severity = row.severity
            raise declared
        return order._replace(state=state, updated_ns=at_ns)


def _record(
    log: TransactionLog,
    order: Order,
    event: str,
    at_ns: int,
    to_state: str,
    line: tuple[str, str, str, str | None],
) -> None:
    """Log what an event did; `line` is the row's id, what it did, how loud, and what it raises."""
    log.record(
        OrderStateChangedEvent(at_ns, order.client_order_id, event, order.state, to_state, *line)
    )


def error_class(name: str) -> type[MqdError]:
    """The typed error of this name."""
    found = getattr(errors, name)
    assert isinstance(found, type)
    assert issubclass(found, MqdError)
    return found
