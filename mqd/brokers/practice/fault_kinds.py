"""Every fault that can be planned: where it happens, what may narrow it, what may shape it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class FaultKind(NamedTuple):
    """`place` is when it may happen; `narrow` are conditions, `shape` settings with defaults."""

    place: str
    says: str
    narrow: tuple[str, ...] = ()
    shape: dict[str, Any] = {}  # noqa: RUF012  # read only; a NamedTuple's default is shared


REQUEST, NEWS, BAR = "request", "news", "bar"
SUBMIT, FILL, CANCEL, MOMENT = "submit", "fill", "cancel", "moment"

_REQUEST = ("request", "symbol")
_NEWS = ("event", "symbol")
_ORDER = ("symbol", "side", "type")
_SYMBOL = ("symbol",)


def _request(says: str, **shape: Any) -> FaultKind:
    return FaultKind(REQUEST, says, _REQUEST, shape)


def _news(says: str, **shape: Any) -> FaultKind:
    return FaultKind(NEWS, says, _NEWS, shape)


def _bar(says: str, **shape: Any) -> FaultKind:
    return FaultKind(BAR, says, _SYMBOL, shape)


def _moment(says: str, **shape: Any) -> FaultKind:
    return FaultKind(MOMENT, says, (), shape)


KINDS: Final[dict[str, FaultKind]] = {
    # a request; `booked` tells whether it was carried out before its answer went wrong
    "no_answer": _request("nothing is answered", booked=True, seconds=30.0),
    "reset": _request("the connection is reset", booked=True),
    "slow_answer": _request("the answer takes its time", booked=True, seconds=1.0),
    "http_500": _request("500 with an error body", booked=False),
    "http_504": _request("504 with an error body", booked=True),
    "http_504_html": _request("504 with a page of a proxy", booked=True),
    "http_429": _request("too many requests; never carried out", seconds=1.0),
    "html_body": _request("200 with a page instead of JSON", booked=True),
    "garbage_body": _request("200 with JSON that ends in the middle", booked=True),
    "missing_field": _request("200 without a field", booked=True, field="status"),
    "unknown_status": _request("an order in the answer has a new status", booked=True, word="odd"),
    "unauthorized": _request("401 for this request", booked=False),
    # an order that comes
    "refused": FaultKind(SUBMIT, "refused at once", _ORDER, {"reason": "buying_power"}),
    "rejected_later": FaultKind(SUBMIT, "taken, then rejected by the market", _ORDER),
    # an order that would trade
    "partial_fill": FaultKind(FILL, "a part trades now, the rest later", _ORDER,
                              {"part": "0.4", "bars": 1}),
    "held_back": FaultKind(FILL, "it trades bars later", _ORDER, {"bars": 1}),
    # a cancel that comes
    "cancel_loses": FaultKind(CANCEL, "the order trades before its cancel is seen", _ORDER),
    "fill_after_cancel": FaultKind(CANCEL, "canceled, and then an execution comes", _ORDER,
                                   {"part": "1"}),
    "cancel_hangs": FaultKind(CANCEL, "pending for bars, then canceled", _ORDER, {"bars": 1_000}),
    "cancel_rejected": FaultKind(CANCEL, "taken, then order_cancel_rejected", _ORDER),
    # news of trade_updates
    "event_dropped": _news("never told"),
    "event_duplicated": _news("told twice"),
    "event_reordered": _news("told after the next one"),
    "event_delayed": _news("told bars later", bars=1),
    "event_unknown_word": _news("the event has a new name", word="odd_event"),
    "event_unknown_status": _news("the order has a new status", word="odd"),
    "event_missing_field": _news("a field is not there", field="order"),
    "event_not_json": _news("no JSON"),
    # bars
    "bar_late": _bar("told bars later", bars=2),
    "bar_duplicated": _bar("told twice"),
    "bar_missing": _bar("not told; REST has it"),
    "bar_never": _bar("there is no such bar, in REST neither"),
    "bar_absurd": _bar("a number that cannot be", field="h", value=0.01),
    "bar_updated": _bar("corrected after the next bar", field="c", value=None),
    # moments: what happens by itself, before a bar or when it is planned through REST
    "stream_dropped": _moment("the connection breaks; for seconds nobody gets in",
                              stream="trade_updates", seconds=0.0),
    "stream_mute": _moment("nothing is told for bars", stream="trade_updates", bars=3),
    "stream_half_dead": _moment("no frame, no pong; for seconds nobody else gets in",
                                stream="trade_updates", seconds=90.0),
    "keys_revoked": _moment("the keys open nothing any more"),
    "keys_restored": _moment("the keys work again"),
    "halt": _moment("no trade, no bar", symbol=None, bars=5),
    "foreign_order": _moment("somebody's order by hand", symbol=None, side="buy", qty="1",
                             type="market", limit_price=None, time_in_force="day"),
    "position_drift": _moment("shares come or go with no order", symbol=None, qty="1"),
    "account_says": _moment("other fields in the account; null takes one out", fields=None),
    "asset_says": _moment("other fields in an asset", symbol=None, fields=None),
}  # fmt: skip

REQUESTS: Final = (
    "submit", "cancel", "cancel_all", "replace", "close", "order", "orders", "positions",
    "account", "assets", "clock", "calendar", "activities", "bars",
)  # fmt: skip
"""What `request` may name."""

EVERYWHERE: Final = ("times", "share", "skip", "from", "until")
"""Settings of every fault: how often, how likely, after how many chances, between which times."""
