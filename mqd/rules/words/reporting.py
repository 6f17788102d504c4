"""Limits that no expression reads: a report holds what it measured against them."""

from __future__ import annotations

SLOWEST: dict[str, str] = {
    "submit_to_ack_p95": "From the sending of an order to its acknowledgement.",
    "submit_to_first_fill_p95": "From the sending of an order to its first fill.",
    "submit_to_fill_p95": "From the sending of an order to its last fill.",
    "cancel_to_confirmed_p95": "From the wish to have an order back to its end.",
    "bar_to_decision_p95": "From the end of a bar to the decision on it, and its order.",
}
"""How long each step of a session may take, 95 times of 100; durations, none has to be there."""
