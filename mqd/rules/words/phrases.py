"""How a trader says each fact: a name for a number, both readings for a yes-or-no."""

from __future__ import annotations

NUMBERS: dict[str, str] = {
    "bar.open": "the open",
    "bar.high": "the high",
    "bar.low": "the low",
    "bar.close": "the close",
    "bar.volume": "the volume",
    "clock.time": "the exchange time",
    "session.bars": "the session's bars so far",
    "session.time_to_close": "the time to the close",
    "today.entries": "today's entries",
    "today.pnl": "today's realised P&L",
    "position.qty": "the shares held",
    "position.entry_price": "the entry price",
    "entry.qty": "the shares to buy",
    "desk.pnl": "the desk's P&L of the session",
    "desk.state": "the desk",
    "desk.profile": "the profile",
    "desk.open_positions": "the desk's open positions",
    "desk.orders_today": "the desk's orders today",
    "symbol.working_orders": "the symbol's working orders",
    "symbol.working_exits": "the working exits",
    "symbol.position_qty": "the shares held of the symbol",
    "order.qty": "the order's shares",
    "order.price": "the order's price",
    "order.stop_loss": "the planned stop",
    "order.filled_qty": "the shares filled",
}

SINGULAR = frozenset({"bar.volume"})
"""Counted in shares, but said as one thing: the volume *is* 0."""

ANSWERS: dict[str, tuple[str, str]] = {
    "bar.is_traded_symbol": (
        "a running strategy trades the symbol", "no running strategy trades the symbol",
    ),
    "bar.starts_on_minute": (
        "the bar starts on a full minute", "the bar does not start on a full minute",
    ),
    "bar.is_newest": (
        "the bar is newer than all before it", "the bar is not newer than all before it",
    ),
    "bar.in_session": (
        "the bar lies in the regular session", "the bar lies outside the regular session",
    ),
    "session.is_complete": (
        "the session's bars were there from the open on",
        "the session's first bar is missing",
    ),
    "strategy.enabled": ("the strategy is enabled", "the strategy is not enabled"),
    "position.is_open": ("the strategy holds a position", "the strategy holds no position"),
}  # fmt: skip
