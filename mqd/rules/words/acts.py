"""Acts: what a watch may do, and what the desk does with a difference or a broker's word."""

from __future__ import annotations

_PAGE = {
    "page": "An incident: entries stop and a person is told, once until the row stops being true.",
}

WATCH_ACTS: dict[str, dict[str, str]] = {
    "order": {
        "ask_back": "The desk asks the broker to take the order back.",
        "look_up": "The broker is asked what became of the order.",
        "send_again": "The same order is sent once more, under the same id.",
        **_PAGE,
    },
    "position": {
        "exit_again": "An exit for the shares that are left is sent, under an id of its own.",
        "close": "An exit for the whole position is sent, whatever its strategy says.",
        **_PAGE,
    },
    "desk": {
        "take_snapshot": "The broker is asked for its orders, executions, positions and cash.",
        **_PAGE,
    },
}
"""What each watch may do, by what it watches."""

DIFFERENCES: dict[str, str] = {
    "missing_local": "The broker holds a position that the desk does not know.",
    "missing_broker": "The desk holds a position that the broker does not know.",
    "quantity_mismatch": "Both hold the position, and not the same number of shares.",
    "unknown_order": "An order works at the broker that the desk never made.",
    "stuck_order": "An order counts as working here and has ended, or is not known, there.",
    "cash": "The broker's cash is not what the executions paid and cost.",
}

DIFFERENCE_ACTS: dict[str, str] = {
    "adopt": "An incident: entries stop, and the position becomes what the broker says.",
    "look_up": "The broker is asked about the order, and its answer decides.",
    "warn": "It is recorded and shown; nothing else changes.",
    "halt": "An incident: entries stop and a person is told; exits go on.",
}

ACTS_ON: dict[str, tuple[str, ...]] = {
    "missing_local": ("adopt", "warn"),
    "missing_broker": ("adopt", "warn"),
    "quantity_mismatch": ("adopt", "warn"),
    "unknown_order": ("warn", "halt"),
    "stuck_order": ("look_up", "warn", "halt"),
    "cash": ("warn", "halt"),
}
"""What can be done about each kind of difference; the schema offers these and no others."""

STATUS_MEANINGS: dict[str, str] = {
    "acknowledged": "The order exists at the broker and can still trade.",
    "filled": "It is done; the executions say how much was bought or sold, and no more will come.",
    "cancelled": "It was taken back; what was filled stays.",
    "expired": "Its time ran out.",
    "rejected": "The broker said no.",
    "stays": "It proves nothing new; the order stays in its state and is asked about again.",
}

BROKER_WORDS: dict[str, tuple[str, ...]] = {
    "alpaca": (
        "new", "partially_filled", "filled", "done_for_day", "canceled", "expired", "replaced",
        "pending_cancel", "pending_replace", "pending_review", "accepted", "pending_new",
        "accepted_for_bidding", "stopped", "rejected", "suspended", "calculated", "held",
    ),
}  # fmt: skip
"""Every word for the state of an order that each broker uses."""
