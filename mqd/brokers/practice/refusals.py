"""The ways in which Alpaca says no: an HTTP status, a code, a sentence, and more fields.

The same code stands for many things; the sentence tells which.
"""

from __future__ import annotations

from typing import Any, Final

FORBIDDEN: Final = 40310000
MALFORMED: Final = 40010001
UNPROCESSABLE: Final = 42210000
NOT_FOUND: Final = 40410000
TOO_MANY: Final = 42910000


class Refusal(Exception):
    """A request that is answered with an error body; raised by the exchange, told by the server."""

    def __init__(self, status: int, code: int | None, message: str, **extras: Any) -> None:
        self.status = status
        self.body: dict[str, Any] = {"message": message, **extras}
        if code is not None:
            self.body["code"] = code
        super().__init__(message)


def malformed(message: str) -> Refusal:
    """A field is missing or is no such thing."""
    return Refusal(422, MALFORMED, message)


def unprocessable(message: str) -> Refusal:
    """Every field is fine, and yet it cannot be done."""
    return Refusal(422, UNPROCESSABLE, message)


def forbidden(message: str, **extras: Any) -> Refusal:
    """The account may not."""
    return Refusal(403, FORBIDDEN, message, **extras)


def not_found(message: str) -> Refusal:
    """There is no such thing."""
    return Refusal(404, NOT_FOUND, message)


def unauthorized() -> Refusal:
    """The keys do not open this account (any more)."""
    return Refusal(401, None, "unauthorized.")


REASONS: Final[dict[str, tuple[int, int | None, str]]] = {
    "buying_power": (403, FORBIDDEN, "insufficient buying power"),
    "qty": (403, FORBIDDEN, "insufficient qty available for order (requested: 1, available: 0)"),
    "wash_trade": (403, FORBIDDEN, "potential wash trade detected. use complex orders"),
    "short": (403, FORBIDDEN, "account is not allowed to short"),
    "not_fractionable": (403, FORBIDDEN, "asset is not fractionable"),
    "not_authorized": (403, FORBIDDEN, "account is not authorized to trade"),
    "day_trading": (403, 40310100, "trade denied due to pattern day trading protection"),
    "not_tradable": (422, UNPROCESSABLE, "asset is not tradable"),
    "fractional_day": (422, UNPROCESSABLE, "fractional orders must be DAY orders"),
    "sub_penny": (
        422,
        UNPROCESSABLE,
        "invalid limit_price 1.001. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    "stop_price": (422, UNPROCESSABLE, "stop price must be less than current price"),
    "client_order_id": (422, MALFORMED, "client_order_id must be unique"),
    "malformed": (422, MALFORMED, "qty or notional is required"),
    "forbidden": (403, None, "forbidden."),
}
"""Reasons that a planned refusal may name, with what is answered then."""
