"""Deterministic ids: the same decision always gets the same client order id."""

from __future__ import annotations

from mqd.ground.times import to_datetime

CLIENT_ID_PREFIX = "mqd"


def is_ours(order_id: str) -> bool:
    """Whether an order's id has the form of those that a desk gives."""
    return order_id.startswith(f"{CLIENT_ID_PREFIX}-")


def client_order_id(strategy: str, symbol: str, at_ns: int, role: str, attempt: int = 1) -> str:
    """The id of the order that a decision makes; unique per strategy, symbol, bar and role.

    Readable in a broker's own screens, at most 128 characters (Alpaca's limit) for strategy
    names up to 64: `mqd-vwap_micro_mean_reversion-SPY-20241007T140500Z-entry-1`.
    """
    stamp = to_datetime(at_ns).strftime("%Y%m%dT%H%M%SZ")
    return f"{CLIENT_ID_PREFIX}-{strategy}-{symbol}-{stamp}-{role}-{attempt}"


def is_exit(order_id: str) -> bool:
    """Whether `client_order_id` made this id for an order that leaves a position."""
    return is_ours(order_id) and order_id.split("-")[-2:-1] in (["exit"], ["protective"])
