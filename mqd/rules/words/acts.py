"""Acts: what a watch may do, and what the desk does with a difference or a broker's word."""

from __future__ import annotations

_PAGE = {
    "page": "An incident: entries stop and a person is told, once until the row stops being true.",
}

PROTECT = "protect"
PAUSE = "pause"
PROMOTE = "promote"

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
        PROTECT: "A stop order for the whole position is sent, to rest at the broker.",
        **_PAGE,
    },
    "desk": {
        "take_snapshot": "The broker is asked for its orders, executions, positions and cash.",
        **_PAGE,
    },
    "strategy": {
        "flag": "The strategy is shown for review; it goes on.",
        PAUSE: "The strategy opens nothing until `until` is true.",
        "retire": "The strategy opens nothing until a person puts it back.",
        PROMOTE: "A larger allocation is proposed; for real money a person has to agree by name.",
    },
}
"""What each watch may do, by what it watches."""

DIFFERENCES: dict[str, str] = {
    "missing_local": "The broker holds a position that the desk does not know.",
    "missing_broker": "The desk holds a position that the broker does not know.",
    "quantity_mismatch": "Both hold the position, and not the same number of shares.",
    "unknown_order": "An order works at the broker that the desk never made.",
    "lost_order": "An order works at the broker under an id of ours that this journal has not, "
    "or has as ended.",
    "stuck_order": "An order counts as working here and has ended, or is not known, there.",
    "cash": "The broker's cash is not what the executions paid and cost.",
}

DIFFERENCE_ACTS: dict[str, str] = {
    "adopt": "An incident: entries stop, and the position becomes what the broker says.",
    "look_up": "The broker is asked about the order, and its answer decides.",
    "warn": "It is recorded and shown; no position and no state of the desk changes.",
    "halt": "An incident: entries stop and a person is told; exits go on.",
}

ACTS_ON: dict[str, tuple[str, ...]] = {
    "missing_local": ("adopt", "warn"),
    "missing_broker": ("adopt", "warn"),
    "quantity_mismatch": ("adopt", "warn"),
    "unknown_order": ("warn", "halt"),
    "lost_order": ("warn", "halt"),
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

NEWS_MEANINGS: dict[str, str] = {
    "acknowledged": "The order exists at the broker and can still trade.",
    "execution": "Some of it was bought or sold: this much, at this price.",
    "cancelled": "It was taken back; what was filled stays.",
    "expired": "Its time ran out.",
    "rejected": "The broker said no.",
    "stays": "It proves nothing new; the order stays in its state.",
    "cancel_refused": "The broker would not take the order back; what became of it is not said.",
    "look_up": "Something happened that the news does not tell; the broker is asked for the order.",
}
"""What a word in the broker's news can mean to the desk."""

BROKER_NEWS: dict[str, tuple[str, ...]] = {
    "alpaca": (
        "pending_new", "new", "accepted", "fill", "partial_fill", "canceled", "expired",
        "rejected", "replaced", "pending_cancel", "pending_replace", "restated", "done_for_day",
        "stopped", "suspended", "calculated", "order_cancel_rejected", "order_replace_rejected",
    ),
}  # fmt: skip
"""Every word for what happened to an order that each broker's news uses."""

ANY = "any"

REQUESTS: dict[str, str] = {
    "submit": "A new order is sent.",
    "cancel": "An order is asked back.",
    "look_up": "The broker is asked about one order, by the id that the desk gave it.",
    "read": "The broker is asked for anything else: its account, lists, clock or bars.",
}
"""What the desk asks a broker for; `any` stands for each of them."""

NO_ANSWERS: dict[str, str] = {
    "timeout": "The request went out and no answer came in time.",
    "connection": "The connection broke after the request may have gone out.",
    "unreachable": "No connection was made, so nothing went out.",
    "unreadable": "The broker said yes, in a form that nobody can read.",
}
"""What stands for the number of an answer where there is none, or none that helps."""

ANSWER_MEANINGS: dict[str, str] = {
    "exists": "The broker has an order under this id; it is asked for it.",
    "refused": "The broker said no, and nothing came of the request.",
    "not_taken": "The request is provably not in the broker's books; it may be sent again.",
    "unproved": "Nothing is known; what was asked for may have happened or not.",
    "not_found": "The broker does not know what was asked for.",
    "ended": "The order has ended already; the broker is asked how.",
    "locked_out": "The keys do not work; the desk stops asking and a person is told.",
    "keys_in_doubt": "The keys may not work; after `first_pause` the broker is asked for the "
    "account, and where it refuses them again in its own words the desk is locked out.",
}

MEANINGS_FOR: dict[str, tuple[str, ...]] = {
    "submit": ("exists", "refused", "not_taken", "unproved", "locked_out", "keys_in_doubt"),
    "cancel": (
        "refused",
        "not_taken",
        "unproved",
        "not_found",
        "ended",
        "locked_out",
        "keys_in_doubt",
    ),
    "look_up": ("unproved", "not_found", "locked_out", "keys_in_doubt"),
    "read": ("refused", "unproved", "not_found", "locked_out", "keys_in_doubt"),
    ANY: ("unproved", "locked_out", "keys_in_doubt"),
}
"""What an answer to each request can mean; for `any`, what makes sense for every one of them."""

BROKER_REQUESTS: dict[str, str] = {
    "connect_timeout": "How long a connection may take to be made.",
    "read_timeout": "How long the broker may be silent before its answer counts as lost.",
    "most_per_minute": "How many requests the desk sends in a minute, of all kinds together.",
    "kept_for_exits": "The share of them that nothing but exits, cancels and look-ups may use.",
    "most_queued": "How many requests may wait for their turn; one more is not taken.",
    "first_pause": "How long the desk waits before it tries again what failed, the first time.",
    "longest_pause": "How long that pause, which doubles each time, may become.",
    "stale_after_bars": "After how many bars that should have come a stream counts as silent.",
    "tick": "How long the desk goes without a look at its clock where nothing comes in.",
    "most_clock_offset": "How far the broker's clock may be from ours where the desk is to open "
    "anything.",
    "symbols_every": "How long what the broker says of a symbol is taken for true.",
    "history_page": "How many rows of a list are asked for at once.",
}
"""The numbers that say how a broker is asked."""
