"""How a trader says each fact: a name for a number, both readings for a yes-or-no."""

from __future__ import annotations

NUMBERS: dict[str, str] = {
    "bar.open": "the open",
    "bar.high": "the high",
    "bar.low": "the low",
    "bar.close": "the close",
    "bar.volume": "the volume",
    "bar.age": "the bar's age",
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
    "symbol.unknown_orders": "the symbol's orders of unknown outcome",
    "symbol.external_orders": "the symbol's external orders",
    "order.since_same": "the time since the same order was made",
    "order.role": "the order's role",
    "order.state": "the order",
    "order.age": "the order's age",
    "order.silence": "the silence about the order",
    "order.times_asked_back": "the times it was asked back",
    "order.excess": "the shares of the exit beyond what is held",
    "order.look_ups": "the order's look-ups",
    "order.times_sent": "the times the order was sent",
    "held.qty": "the position's shares",
    "held.working_exits": "the position's working exits",
    "held.exit_attempts": "the position's exit attempts",
    "held.since_exit": "the time since the last exit attempt",
    "held.unwatched": "the time since its exits were looked at",
    "desk.since_snapshot": "the time since the last snapshot was asked for",
    "desk.working_orders": "the desk's working orders",
    "drift.qty": "the difference in shares",
    "drift.share": "the difference as a share of the larger side",
    "drift.value": "the difference in money",
    "drift.looks": "the looks that showed the same",
    "drift.orders": "the working orders on the symbol",
    "drift.since_fill": "the time since the last fill on the symbol",
    "drift.missing_positions": "the positions that one side lacks",
    "drift.largest_share": "the largest difference as a share of the larger side",
    "audit.position_gap": "the largest gap between a position and its executions",
    "audit.fill_gap": "the largest gap between an order's fills and its executions",
    "audit.cash_gap": "the gap between the booked P&L and the executions",
    "audit.wrong_working": "the orders that wrongly count as working or as ended",
    "audit.exit_excess": "the shares that working exits may sell beyond what is held",
    "audit.entries_on_one_symbol": "the entries that work on one symbol at once",
    "audit.entries_while_stopped": "the entries sent while the desk opens nothing",
    "audit.positions_without_exit": "the positions that nothing looks after",
    "audit.commands_unrecorded": "the orders sent that the desk does not know",
}

SINGULAR = frozenset({"bar.volume", "drift.qty", "audit.position_gap", "audit.fill_gap"})
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
    "session.is_open": ("the session is open", "the session is not open"),
    "desk.is_in_step": (
        "the desk is in step with the broker", "the desk is not in step with the broker",
    ),
    "desk.snapshot_is_due": (
        "a comparison with the broker is due", "no comparison with the broker is due",
    ),
    "desk.is_waiting_for_snapshot": (
        "the desk waits for a snapshot", "the desk does not wait for a snapshot",
    ),
    "order.is_enabled": (
        "the order's strategy is switched on", "the order's strategy is switched off",
    ),
    "symbol.lacks_shares": (
        "the broker holds fewer shares than the desk",
        "the broker holds no fewer shares than the desk",
    ),
    "order.was_taken": (
        "the broker may have taken the request", "the broker provably did not take the request",
    ),
    "held.is_managed": (
        "a strategy looks after the position", "no strategy looks after the position",
    ),
    "held.is_external": (
        "the position was not opened by this desk", "the position was opened by this desk",
    ),
}  # fmt: skip
