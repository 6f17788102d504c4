"""Events: what each kind of machine may hear. A machine's table must cover every one of them."""

from __future__ import annotations

ORDER_EVENTS: dict[str, str] = {
    "acknowledged": "The broker gave the order an id.",
    "filled": "The broker reports an execution, of a part or of the rest.",
    "cancel_requested": "The desk asked the broker to take the order back.",
    "cancelled": "The broker took the order back.",
    "rejected": "The broker said no.",
    "expired": "The order's time ran out at the broker.",
    "outcome_lost": "A request was sent and no answer came.",
    "not_found": "The broker, asked after the settle window, does not know the order.",
    "not_taken": "The request provably did not reach the broker's books.",
    "cancel_refused": "The broker would not take the order back.",
}

DESK_EVENTS: dict[str, str] = {
    "incident": "The world did what it should not; a typed incident was raised.",
    "invariant_broken": "Something that must always hold does not.",
    "reduce_ordered": "A person ordered that nothing is opened and what works may end by itself.",
    "halt_ordered": "A person ordered that nothing is opened and working entries are asked back.",
    "flatten_ordered": "A person ordered that every position of the desk is closed.",
    "resume_ordered": "A person ordered that the desk opens positions again.",
    "none_left": "No strategy is left that may open positions before a person puts one back.",
}

BREAKER_EVENTS: dict[str, str] = {
    "answered": "The broker answered a request, with a yes or with a no.",
    "failed": "The broker did not take a request, or nothing is proved of what came of it.",
    "time_passed": "Something happened, whatever it was; the desk's clock may have gone on.",
}

PROTECTION_EVENTS: dict[str, str] = {
    "came_true": "What the protection watches for has come true, or is so again after news: a "
    "trade that finished, an entry that was sent, a block that ended.",
    "came_untrue": "What it watches for is not true any more.",
    "time_over": "The time of its block is over.",
    "rearm_ordered": "A person ordered that it blocks no more.",
}

STRATEGY_EVENTS: dict[str, str] = {
    "review_called_for": "A row of its watch wants a person to look at it.",
    "pause_called_for": "A row of its watch wants it to rest until something is over.",
    "retirement_called_for": "A row of its watch wants it to end.",
    "pause_ended": "What it rested for is over: the `until` of the row that paused it is true.",
    "enable_ordered": "A person put it back, by name and with a reason.",
}

MACHINE_EVENTS: dict[str, dict[str, str]] = {
    "order": ORDER_EVENTS,
    "desk": DESK_EVENTS,
    "breaker": BREAKER_EVENTS,
    "protection": PROTECTION_EVENTS,
    "strategy": STRATEGY_EVENTS,
}

WITH_ORDERS = "order"
"""The kind of machine whose events are about an order: only its rows raise, require and book."""

REQUIREMENTS: dict[str, str] = {
    "broker_order_id": "The event or the order carries the broker's own id.",
}

TERMINAL = "TERMINAL"
