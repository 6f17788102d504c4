"""The words of a protection: what it is about, and how long what it does lasts."""

from __future__ import annotations

DESK, STRATEGY, SYMBOL = "desk", "strategy", "symbol"

REST_OF_SESSION = "rest_of_session"
REST_OF_WEEK = "rest_of_week"
WHILE_TRUE = "while_true"
UNTIL_OPERATOR = "until_operator"
UNTIL = "until"
