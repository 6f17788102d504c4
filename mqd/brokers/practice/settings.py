"""What a practice exchange is made with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mqd.ports.account import Keys

PRACTICE_KEYS = Keys("PKPRACTICEDESK", "practice-exchange-secret")
"""The keys of a practice account: they open nothing but a practice exchange."""


@dataclass(frozen=True, slots=True)
class PracticeSettings:
    """The account and its limits.

    Every id that the exchange gives follows from `name`, so two runs under one name give the
    same ids. At `--speed max` the next bar waits until no request has been at work for
    `settle_s`.
    """

    name: str = "practice"
    keys: Keys = PRACTICE_KEYS
    cash_usd: Decimal = Decimal(100_000)
    most_requests_per_minute: int = 200
    settle_s: float = 0.05
