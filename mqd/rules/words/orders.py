"""The forms an order may have: its type, how long it works, whole shares or parts of one."""

from __future__ import annotations

ORDER_TYPES: dict[str, str] = {
    "market": "It trades at once, at whatever price there is.",
    "limit": "It trades at its price or a better one.",
    "stop": "It waits for its price, and then trades like a market order.",
    "stop_limit": "It waits for one price, and then trades like a limit order at another.",
    "trailing_stop": "A stop whose price follows the market from behind.",
}

TIMES_IN_FORCE: dict[str, str] = {
    "day": "Until the session closes.",
    "gtc": "Until somebody takes it back.",
    "opg": "In the auction that opens the session, or not at all.",
    "cls": "In the auction that closes it, or not at all.",
    "ioc": "What trades at once; the rest is taken back.",
    "fok": "All of it at once, or nothing.",
}

WHOLE, PART = "whole", "part"

SHARES: dict[str, str] = {
    WHOLE: "A whole number of shares.",
    PART: "Parts of a share, alone or beside whole ones.",
}
"""How much an order is for, as far as a broker asks."""

ANY = "any"
