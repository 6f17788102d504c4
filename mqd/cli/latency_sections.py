"""The latency report in words, session by session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mqd.cli.sections import Section
from mqd.ground.times import iso_utc
from mqd.publish.figures import PERCENTS, in_ms
from mqd.publish.latency import (
    BAR_TO_DECISION,
    BEFORE_ANY,
    CLOCK,
    SPANS,
    SUBMITTED,
)

if TYPE_CHECKING:
    from mqd.publish.latency import LatencyReport, OrderTimes, SessionTimes, Spread

TITLE = "How long orders took"
_NOT_KNOWN = "-"
_WORDS = {
    "submit_to_ack": "submitted to acknowledged",
    "submit_to_first_fill": "submitted to first fill",
    "submit_to_fill": "submitted to filled",
    "cancel_to_confirmed": "cancel asked to confirmed",
    BAR_TO_DECISION: "bar's end to decision",
}
_COLUMNS = ("In ms", "Count", *(f"p{percent}" for percent in PERCENTS), "Largest", "p95 at most")
_ORDER_COLUMNS = (
    "Order", "Submitted", "To ack ms", "To first fill ms", "To filled ms", "Cancel ms", "Sent",
    "Look-ups", "Unknown", "State",
)  # fmt: skip


def sections_of(found: LatencyReport, *, with_orders: bool) -> list[Section]:
    """The whole report; `with_orders` has a line for each order as well."""
    sections = [_session(session) for session in found.sessions]
    if with_orders:
        sections += [_orders(session) for session in found.sessions if session.orders]
    return [*sections, Section("The record", (CLOCK,), (("journal", found.journal),))]


def _session(session: SessionTimes) -> Section:
    title = session.date or BEFORE_ANY
    spreads = {name: spread for name, spread in session.spreads().items() if spread is not None}
    return Section(
        f"{title}, {session.profile}" if session.profile else title,
        session.remarks(),
        tuple(_counts(session)),
        _COLUMNS,
        tuple(_spread(name, spread, session.most_ns.get(name)) for name, spread in spreads.items()),
        frozenset(_COLUMNS[1:]),
    )


def _counts(session: SessionTimes) -> Iterator[tuple[str, str]]:
    if session.orders:
        yield "orders", f"{len(session.orders):,}"
        yield "sent again", f"{session.sent_again:,}"
        yield "look-ups", f"{session.look_ups:,}"
        yield "unknown outcomes", f"{session.unknown_outcomes:,}"


def _spread(name: str, spread: Spread, most_ns: int | None) -> tuple[str, ...]:
    times = (*spread.percentiles_ns, spread.largest_ns)
    most = _ms(most_ns)
    if most_ns is not None and spread.p95_ns > most_ns:
        most += ": too slow"
    return _WORDS[name], f"{spread.times:,}", *(_ms(time_ns) for time_ns in times), most


def _orders(session: SessionTimes) -> Section:
    rows = tuple(_order(order) for order in session.orders)
    return Section("Orders", (), (), _ORDER_COLUMNS, rows, frozenset(_ORDER_COLUMNS[2:9]))


def _order(order: OrderTimes) -> tuple[str, ...]:
    submitted_ns = order.at_ns.get(SUBMITTED)
    return (
        order.order_id,
        _NOT_KNOWN if submitted_ns is None else iso_utc(submitted_ns),
        *(_ms(order.span_ns(name)) for name in SPANS),
        f"{order.times_sent:,}", f"{order.look_ups:,}", f"{order.unknown_outcomes:,}",
        order.state,
    )  # fmt: skip


def _ms(time_ns: int | None) -> str:
    time_ms = in_ms(time_ns)
    return _NOT_KNOWN if time_ms is None else f"{time_ms:,.1f}"
