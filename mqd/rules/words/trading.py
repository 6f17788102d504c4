"""The facts that decide what is traded: bars and the clock, the strategy, the desk, an order."""

from __future__ import annotations

from mqd.ground.units import (
    BARS,
    BOOL,
    DURATION,
    ORDERS,
    POSITIONS,
    PRICE,
    SHARES,
    TEXT,
    TIME_OF_DAY,
    TRADES,
    USD,
    Unit,
)
from mqd.rules.words.fact import (
    CHECK,
    DATA,
    DESK_WATCH,
    INVARIANT,
    ORDER_GUARD,
    ORDER_WATCH,
    PROFILES,
    PROTECTION,
    STRATEGY,
    WATCHES,
    Fact,
    finite,
)


def _bar(name: str, unit: Unit, means: str) -> Fact:
    source = f"bar.{name}"
    scopes = frozenset({STRATEGY, DATA})
    return Fact(f"bar.{name}", unit, means, scopes, source, finite(source), follows_market=True)


def _data(name: str, means: str) -> Fact:
    return Fact(f"bar.{name}", BOOL, means, frozenset({DATA}), f"symbol.{name}")


_ANY_BAR = frozenset({STRATEGY, DATA})
_STRATEGY = frozenset({STRATEGY})
_CHECK = frozenset({CHECK})
_GATE = frozenset({PROTECTION, CHECK})
_GUARDED = frozenset({ORDER_GUARD, ORDER_WATCH})

MARKET = (
    _bar("open", PRICE, "The first price of the minute."),
    _bar("high", PRICE, "The highest price of the minute."),
    _bar("low", PRICE, "The lowest price of the minute."),
    _bar("close", PRICE, "The last price of the minute."),
    _bar("volume", SHARES, "The shares traded in the minute."),
    _data("is_traded_symbol", "A strategy that runs trades this symbol."),
    _data("starts_on_minute", "The bar's stamp is a full minute."),
    _data("is_newest", "The bar starts after every bar seen before it of its symbol."),
    _data("in_session", "The bar starts inside the regular session: [open, close)."),
    Fact(
        "bar.age", DURATION, "How long ago the minute ended when the bar came.",
        frozenset({DATA}), "symbol.bar_age_s", is_integer=True,
    ),
    Fact(
        "clock.time", TIME_OF_DAY, "The end of the bar on the exchange's wall clock.",
        frozenset({STRATEGY, PROTECTION}), "session.clock_s",
        follows_market=True, is_integer=True,
    ),
    Fact(
        "session.bars", BARS, "Regular bars of this session so far, this one counted.",
        _STRATEGY, "symbol.bars", follows_market=True, is_integer=True,
    ),
    Fact(
        "session.time_to_close", DURATION, "From the end of the bar to the session's own close.",
        _STRATEGY, "session.time_to_close_s", follows_market=True, is_integer=True,
    ),
    Fact(
        "session.is_complete", BOOL, "The session's bars were there from the open on.",
        _ANY_BAR, "symbol.is_complete", follows_market=True,
    ),
    Fact(
        "session.is_open", BOOL, "The exchange's regular session runs now: [open, close).",
        frozenset({CHECK, *WATCHES}), "session.is_open",
    ),
)  # fmt: skip

TRADING = (
    Fact(
        "strategy.enabled", BOOL, "The strategy's status lets it trade in this profile.",
        frozenset({STRATEGY, CHECK}), "strategy.enabled",
    ),
    Fact(
        "today.entries", TRADES,
        "Entry orders of this session accepted for sending, less those that ended without a fill.",
        _STRATEGY, "strategy.entries_today", is_integer=True,
    ),
    Fact(
        "today.pnl", USD, "This strategy's realised profit or loss of the session, net of costs.",
        _STRATEGY, "strategy.pnl_today_usd",
    ),
    Fact(
        "position.is_open", BOOL, "The strategy holds shares.", _STRATEGY, "strategy.position_open"
    ),
    Fact(
        "position.qty", SHARES, "The shares the strategy holds.", _STRATEGY, "strategy.position_qty"
    ),
    Fact(
        "position.entry_price", PRICE, "The average fill of the open position; unknown when flat.",
        _STRATEGY, "strategy.entry_price", "strategy.position_open",
    ),
    Fact(
        "desk.pnl", USD,
        "The desk's profit or loss of the session: realised, unrealised at the last close, fees.",
        _GATE, "desk.pnl_usd", finite("desk.pnl_usd"),
    ),
    Fact(
        "desk.state", TEXT, "The state of the desk's own lifecycle.",
        frozenset({CHECK, *WATCHES, INVARIANT}), "desk.state_code", is_integer=True,
    ),
    Fact(
        "desk.profile", TEXT, "Where the desk runs.",
        frozenset({DATA, PROTECTION, CHECK, *WATCHES}), "desk.profile_code",
        members=PROFILES, is_integer=True,
    ),
    Fact(
        "desk.open_positions", POSITIONS,
        "Positions held across all strategies, and those that entries on their way may open.",
        frozenset({CHECK, DESK_WATCH}), "desk.open_positions", is_integer=True,
    ),
    Fact(
        "desk.orders_today", ORDERS, "Orders sent this session, entries and exits.",
        _GATE, "desk.orders_today", is_integer=True,
    ),
    Fact(
        "desk.is_in_step", BOOL,
        "The last comparison with the broker was clean, and no stream was lost since.",
        frozenset({CHECK, ORDER_WATCH, DESK_WATCH}), "desk.is_in_step",
    ),
    Fact(
        "symbol.lacks_shares", BOOL,
        "The last comparison was refused and found fewer shares at the broker than the desk holds.",
        _CHECK, "symbol.lacks_shares",
    ),
    Fact(
        "symbol.working_orders", ORDERS, "Orders on this symbol that have not ended.",
        _CHECK, "symbol.working_orders", is_integer=True,
    ),
    Fact(
        "symbol.working_exits", ORDERS, "This strategy's exits on this symbol that have not ended.",
        _CHECK, "strategy.working_exits", is_integer=True,
    ),
    Fact(
        "symbol.unknown_orders", ORDERS, "Orders on this symbol whose outcome is not known.",
        _CHECK, "symbol.unknown_orders", is_integer=True,
    ),
    Fact(
        "symbol.external_orders", ORDERS,
        "Orders on this symbol that work at the broker and were not made by this desk.",
        _CHECK, "symbol.external_orders", is_integer=True,
    ),
    Fact(
        "symbol.position_qty", SHARES, "Shares held of this symbol, all strategies together.",
        _CHECK, "symbol.position_qty",
    ),
    Fact(
        "order.qty", SHARES, "The shares of the order.",
        frozenset({CHECK, *_GUARDED}), "order.qty",
    ),
    Fact(
        "order.price", PRICE, "The price the decision was made at.", _CHECK, "order.price"
    ),
    Fact(
        "order.stop_loss", PRICE, "The planned stop of an entry.",
        _CHECK, "order.stop_loss", finite("order.stop_loss"),
    ),
    Fact(
        "order.since_same", DURATION,
        "Since an order of the same symbol, side and quantity was made; unknown when none was.",
        _CHECK, "order.since_same_s", finite("order.since_same_s"),
    ),
    Fact(
        "order.filled_qty", SHARES, "The shares filled, the event in hand counted.",
        _GUARDED, "order.filled_qty",
    ),
)  # fmt: skip
