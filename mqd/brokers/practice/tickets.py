"""What a client wants to order, read strictly from the body of its request."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from mqd.brokers.practice.orders import SMALLEST_QTY
from mqd.brokers.practice.refusals import malformed, unprocessable

TYPES = ("market", "limit", "stop", "stop_limit")
TIMES_IN_FORCE = ("day", "gtc", "ioc", "fok")
_OF_THE_MOMENT = frozenset({"ioc", "fok"})
_WITHOUT_WAITING = frozenset({"market", "limit"})
LEGS = {"": 0, "simple": 0, "oto": 1, "oco": 1, "bracket": 2}
_LONGEST_CLIENT_ID = 128
_MOST_DECIMALS = 9
_DOLLAR = Decimal(1)
Body = dict[str, Any]


class Ticket(NamedTuple):
    """One wished order; `take_profit` and `stop_loss` are the prices of its legs."""

    client_order_id: str | None
    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    order_class: str = ""
    extended_hours: bool = False
    position_intent: str | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None

    @property
    def is_fractional(self) -> bool:
        """Whether it is for dollars or for parts of a share."""
        return self.qty is None or self.qty != self.qty.to_integral_value()


def read_ticket(body: Body) -> Ticket:
    """The ticket in a request's body.

    Raises:
        Refusal: a field is missing, or is none that an order can have.
    """
    client_order_id = body.get("client_order_id") or None
    if client_order_id is not None and len(str(client_order_id)) > _LONGEST_CLIENT_ID:
        raise malformed("client_order_id must be no more than 128 characters")
    profit, loss = _part(body, "take_profit"), _part(body, "stop_loss")
    ticket = Ticket(
        client_order_id=client_order_id,
        symbol=str(body.get("symbol") or ""),
        side=_word(body, "side", ("buy", "sell")),
        type=_word(body, "type", TYPES),
        time_in_force=_word(body, "time_in_force", TIMES_IN_FORCE),
        qty=number(body, "qty"),
        notional=number(body, "notional"),
        limit_price=price(body, "limit_price"),
        stop_price=price(body, "stop_price"),
        order_class=_word(body, "order_class", LEGS, default=""),
        extended_hours=bool(body.get("extended_hours")),
        position_intent=body.get("position_intent"),
        take_profit=price(profit, "limit_price"),
        stop_loss=price(loss, "stop_price"),
        stop_loss_limit=price(loss, "limit_price"),
    )
    _refuse_nonsense(ticket)
    return ticket


def number(body: Body, name: str) -> Decimal | None:
    """A number above 0 with at most nine decimals, or None where there is none.

    Raises:
        Refusal: it is something else.
    """
    written = body.get(name)
    if written is None:
        return None
    try:
        value = Decimal(str(written))
    except InvalidOperation:
        raise malformed(f"{name} is not a number: {written}") from None
    if not (value.is_finite() and value > 0):
        raise malformed(f"{name} must be > 0")
    if value != value.quantize(SMALLEST_QTY):
        raise unprocessable(f"{name} must be limited to {_MOST_DECIMALS} decimal places")
    return value


def price(body: Body, name: str) -> Decimal | None:
    """A price in whole cents, below a dollar in hundredths of a cent.

    Raises:
        Refusal: it is something else.
    """
    value = number(body, name)
    if value is None:
        return None
    tick = Decimal("0.01") if value >= _DOLLAR else Decimal("0.0001")
    if value % tick:
        raise unprocessable(
            f"invalid {name} {value}. sub-penny increment does not fulfill minimum pricing criteria"
        )
    return value


def _word(body: Body, name: str, known: Any, default: str | None = None) -> str:
    word = body.get(name, default)
    if word not in known:
        raise malformed(f"{name} is required" if word is None else f"invalid {name}: {word}")
    return str(word)


def _part(body: Body, name: str) -> Body:
    part = body.get(name) or {}
    if not isinstance(part, dict):
        raise malformed(f"invalid {name}")
    return part


def _refuse_nonsense(ticket: Ticket) -> None:
    if not ticket.symbol:
        raise malformed("symbol is required")
    if ticket.qty is None and ticket.notional is None:
        raise malformed("qty or notional is required")
    if ticket.qty is not None and ticket.notional is not None:
        raise malformed("only one of qty or notional is accepted")
    for name, kinds in (
        ("limit_price", ("limit", "stop_limit")),
        ("stop_price", ("stop", "stop_limit")),
    ):
        is_given = getattr(ticket, name) is not None
        if (ticket.type in kinds) != is_given and ticket.order_class != "oco":
            wanted = "requires" if ticket.type in kinds else "must not have"
            raise malformed(f"{ticket.type} orders {wanted} {name.replace('_', ' ')}")
    if ticket.time_in_force in _OF_THE_MOMENT and ticket.type not in _WITHOUT_WAITING:
        raise unprocessable(f"{ticket.type} orders must be DAY or GTC orders")
    _refuse_wrong_class(ticket)
    if ticket.is_fractional:
        _refuse_fractional(ticket)
    if ticket.extended_hours and (ticket.type, ticket.time_in_force) != ("limit", "day"):
        raise unprocessable("extended hours order must be DAY limit orders")


def _refuse_wrong_class(ticket: Ticket) -> None:
    has = (ticket.take_profit is not None, ticket.stop_loss is not None)
    wanted = {"bracket": (True, True), "oco": (True, True)}.get(ticket.order_class)
    if wanted is not None and has != wanted:
        raise unprocessable(f"{ticket.order_class} orders require take_profit and stop_loss")
    if ticket.order_class == "oto" and sum(has) != 1:
        raise unprocessable("oto orders require either take_profit or stop_loss")
    if LEGS[ticket.order_class] == 0 and any(has):
        raise unprocessable("take_profit and stop_loss require a complex order class")
    if ticket.order_class == "oco" and ticket.type != "limit":
        raise unprocessable("oco orders must be limit orders")


def _refuse_fractional(ticket: Ticket) -> None:
    if ticket.time_in_force != "day":
        raise unprocessable("fractional orders must be DAY orders")
    if LEGS[ticket.order_class]:
        raise unprocessable("fractional orders must be simple orders")
