"""How a thesis may stand; a rule asks it of the strategy that trades on it."""

from __future__ import annotations

THESIS = "strategy.thesis"
THESIS_STATUSES = ("PENDING", "ACTIVE", "INVALIDATED")
"""A strategy's thesis counts as the first of them before anything is known of it."""
