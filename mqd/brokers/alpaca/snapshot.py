"""Everything the broker has, asked for in several requests and yet of one moment.

Executions are read first and once more at the end: as long as new ones came meanwhile, what was
read in between belongs to no one moment and is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.brokers.alpaca.answers import READ, unreadable_answer
from mqd.brokers.alpaca.asking import Asker, NoAnswerError
from mqd.brokers.alpaca.fields import MisfitError, parse_instant, rows_of, text_of
from mqd.brokers.alpaca.wire import (
    AccountFacts,
    read_account,
    read_execution,
    read_order,
    read_position,
)
from mqd.ground.times import iso_utc
from mqd.model.snapshot import HeldPosition, OrderReport, ReportedExecution

_MOST_FILLS_A_PAGE = 100  # Alpaca's own limit
_MOST_LOOKS = 4  # an account that trades more often than that is asked for again later
_NS_PER_MICROSECOND = 1_000

Row = dict[str, Any]


class Holdings(NamedTuple):
    """What the broker has at one moment."""

    account: AccountFacts
    positions: tuple[HeldPosition, ...]
    orders: tuple[OrderReport, ...]
    executions: tuple[ReportedExecution, ...]

    @property
    def cash_usd(self) -> Decimal | None:
        """Cash in USD, None if unsaid."""
        return self.account.cash_usd


def read_holdings(asker: Asker, since_ns: int, page: int) -> Holdings:
    """Ask for everything; executions are those since `since_ns`, orders those that work.

    Raises:
        NoAnswerError: one request failed, and nothing is known.
        ClosingError: the desk goes down.
    """
    fills = _Fills(asker, since_ns)
    orders = _all_orders(asker, page, {"status": "open"})
    fills.read_on()
    for _ in range(_MOST_LOOKS):
        positions = _ask(asker, "positions", "/positions", {}, _positions)
        account = _ask(asker, "account", "/account", {}, read_account)
        if not fills.read_on():
            return Holdings(account, positions, orders, tuple(fills.found.values()))
    raise NoAnswerError(unreadable_answer(READ, "the account trades while it is looked at"))


class _Fills:
    """The fill activities, read on from where the last reading ended."""

    def __init__(self, asker: Asker, since_ns: int) -> None:
        self.found: dict[str, ReportedExecution] = {}
        self._asker = asker
        self._since_ns = since_ns
        self._last_id = ""

    def read_on(self) -> bool:
        """Read what is new, all pages of it; whether there was anything."""
        is_new = False
        while True:
            query = {
                "after": iso_utc(self._since_ns),
                "direction": "asc",
                "page_size": str(_MOST_FILLS_A_PAGE),
            }
            if self._last_id:
                query["page_token"] = self._last_id
            rows = _ask(self._asker, "fills", "/account/activities/FILL", query, _fills)
            fresh = {row_id: fill for row_id, fill in rows if row_id not in self.found}
            self.found |= fresh
            is_new = is_new or bool(fresh)
            if not fresh:
                return is_new
            self._last_id = rows[-1][0]
            if len(rows) < _MOST_FILLS_A_PAGE:
                return is_new


def read_ended_orders(asker: Asker, since_ns: int, page: int) -> tuple[OrderReport, ...]:
    """The orders that were sent after `since_ns` and have ended.

    Raises:
        NoAnswerError: a request failed, and nothing is known.
        ClosingError: the desk goes down.
    """
    return _all_orders(asker, page, {"status": "closed", "after": iso_utc(since_ns)})


def _all_orders(asker: Asker, page: int, wanted: Mapping[str, str]) -> tuple[OrderReport, ...]:
    """All orders that are wanted, page by page in the order in which they came.

    A page begins after an instant, and several orders can have the same one: so each page begins
    a little before the last order of the page before, and what was seen there is left out.
    """
    found: dict[str, OrderReport] = {}
    query = {**wanted, "direction": "asc", "nested": "false", "limit": str(page)}
    while True:
        rows = _ask(asker, "orders", "/orders", query, _orders)
        reports = [report for report, _ in rows]
        fresh = [each for each in reports if each.broker_order_id not in found]
        found |= {each.broker_order_id: each for each in reports}
        if len(rows) < page:
            return tuple(found.values())
        if not fresh:
            reason = f"{page} orders came at one instant, and no page begins after them"
            raise NoAnswerError(unreadable_answer(READ, reason))
        try:
            last_ns = parse_instant(rows[-1][1], "submitted_at")
        except MisfitError as error:
            raise NoAnswerError(unreadable_answer(READ, str(error))) from None
        whole_ns = last_ns - last_ns % _NS_PER_MICROSECOND
        query["after"] = iso_utc(whole_ns - _NS_PER_MICROSECOND)


def _ask(asker: Asker, kind: str, path: str, query: dict[str, str], read: Any) -> Any:
    asker.wait(is_urgent=False)
    return asker.read(READ, asker.heed(READ, asker.session.get(kind, path, query)), read)


def _orders(value: object) -> list[tuple[OrderReport, str]]:
    """Each order with the text of its instant, which only a full page needs."""
    return [(read_order(row), str(row.get("submitted_at"))) for row in rows_of(value, "orders")]


def _positions(value: object) -> tuple[HeldPosition, ...]:
    return tuple(read_position(row) for row in rows_of(value, "positions"))


def _fills(value: object) -> list[tuple[str, ReportedExecution]]:
    rows = rows_of(value, "activities")
    return [(text_of(row, "id"), read_execution(row)) for row in rows]
