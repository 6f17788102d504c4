"""How strategies share the account, as the rules say it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mqd.rules.problems import Place
from mqd.rules.said import Condition, Header, Limit


@dataclass(frozen=True, slots=True)
class Allotment:
    """A strategy's share of the account, between its smallest and its largest."""

    strategy: str
    share: Decimal
    minimum: Decimal
    maximum: Decimal
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class Reallocation:
    """When a share moves after a session, `by` so much of the account: up, or back again."""

    by: Decimal
    raises: Condition
    returns: Condition
    place: Place


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The account that strategies share; they are asked in the order of the `allotments`.

    `max_exposure` and `reserve` are shares of what the account is worth; `values` are all four
    numbers as they were declared, `account_limit` the limit that says the first, if one does.
    """

    header: Header
    values: tuple[Limit, ...]
    account_usd: Decimal
    max_exposure: Decimal
    reserve: Decimal
    smallest_entry_usd: Decimal
    allotments: tuple[Allotment, ...]
    reallocation: Reallocation | None
    account_limit: str | None = None
