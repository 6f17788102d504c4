"""The facts that decide what is traded: bars and the clock, the strategy, the desk, an order."""

from __future__ import annotations

from mqd.ground.units import (
    BARS,
    BOOL,
    DURATION,
    ORDERS,
    POSITIONS,
    PRICE,
    REQUESTS,
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
    ENDED_ENTRY,
    INVARIANT,
    ORDER_GUARD,
    ORDER_WATCH,
    POSITION_WATCH,
    PROFILES,
    PROTECTION,
    STRATEGY,
    STRATEGY_WATCH,
    WATCHES,
    Fact,
    finite,
)
from mqd.rules.words.orders import ORDER_TYPES, TIMES_IN_FORCE
from mqd.rules.words.theses import THESIS_STATUSES


def _bar(name: str, unit: Unit, means: str) -> Fact:
    source = f"bar.{name}"
    scopes = frozenset({STRATEGY, DATA})
    return Fact(f"bar.{name}", unit, means, scopes, source, finite(source), follows_market=True)


def _told(name: str, unit: Unit, means: str) -> Fact:
    """A fact of the symbol that the broker tells; asked for an order only, not on every bar."""
    read = f"order.symbol_{name}"
    return Fact(f"symbol.{name}", unit, means, frozenset({CHECK}), read, "order.symbol_is_told")


def _data(name: str, means: str) -> Fact:
    return Fact(f"bar.{name}", BOOL, means, frozenset({DATA}), f"symbol.{name}")


_ANY_BAR = frozenset({STRATEGY, DATA})
_STRATEGY = frozenset({STRATEGY})
_CHECK = frozenset({CHECK})
_GATE = frozenset({PROTECTION, CHECK})
_GUARDED = frozenset({ORDER_GUARD, ORDER_WATCH})
_OF_AN_ORDER = frozenset({*_GUARDED, ENDED_ENTRY})

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
        "strategy.enabled", BOOL,
        "The strategy's status lets it trade in this profile, nobody has switched it off, and it "
        "is neither paused nor retired.",
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
        frozenset({DATA, PROTECTION, CHECK, *WATCHES, STRATEGY_WATCH}), "desk.profile_code",
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
        frozenset({CHECK, ORDER_WATCH, POSITION_WATCH}), "symbol.lacks_shares",
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
        "symbol.previous_close", PRICE,
        "The close of the session's bar before the newest one; unknown before there was one.",
        _CHECK, "symbol.previous_close", "symbol.previous_close > 0.0",
    ),
    Fact(
        "strategy.pauses_in_regime", BOOL,
        "The regime of the market is one that the strategy pauses in; unknown while the regime is "
        "and the strategy pauses in any.",
        _CHECK, "order.pauses_in_regime", "order.pauses_in_regime is not None",
    ),
    _told(
        "is_tradable", BOOL,
        "The broker trades the symbol; unknown while its newest snapshot does not say so.",
    ),
    _told("is_fractionable", BOOL, "The broker trades parts of a share; unknown alike."),
    _told(
        "lot", SHARES, "The step in which the broker trades the symbol; unknown alike.",
    ),
    _told("tick", PRICE, "The step of its prices; unknown alike."),
    Fact(
        "account.age", DURATION,
        "Since the broker was asked what the account has; unknown where it never told.",
        _CHECK, "order.account_age_s", finite("order.account_age_s"),
    ),
    Fact(
        "account.is_restricted", BOOL,
        "The account may not trade; unknown while it does not say so.",
        frozenset({CHECK, DESK_WATCH}), "desk.is_restricted", "desk.is_restricted is not None",
    ),
    Fact(
        "account.buying_power", USD,
        "What the account can still pay for: what it said, less what is promised to entries since "
        "then; unknown while it does not say it.",
        _CHECK, "order.buying_power_usd", finite("order.buying_power_usd"),
    ),
    Fact(
        "account.equity", USD, "What the account is worth; unknown while it does not say it.",
        _CHECK, "order.equity_usd", finite("order.equity_usd"),
    ),
    Fact(
        "desk.messages", REQUESTS, "Orders and cancels that left within the last minute.",
        _CHECK, "order.messages", is_integer=True,
    ),
    Fact(
        "order.type", TEXT, "The type of the order.",
        _CHECK, "order.type_code", members=tuple(ORDER_TYPES), is_integer=True,
    ),
    Fact(
        "order.time_in_force", TEXT, "How long the order works.",
        _CHECK, "order.time_in_force_code", members=tuple(TIMES_IN_FORCE), is_integer=True,
    ),
    Fact(
        "order.is_fractional", BOOL, "The order is not for a whole number of shares.",
        _CHECK, "order.is_fractional",
    ),
    Fact(
        "order.is_in_lots", BOOL,
        "The order is for a whole multiple of the symbol's lot; unknown while that is.",
        _CHECK, "order.is_in_lots", "order.symbol_is_told",
    ),
    Fact(
        "order.is_form_taken", BOOL,
        "The broker takes orders of this type and time in force, for whole shares or for parts.",
        _CHECK, "order.is_form_taken",
    ),
    Fact(
        "order.opposite_orders", ORDERS,
        "Orders of the other side that work on the symbol, the desk's own and those of others.",
        _CHECK, "order.opposite_orders", is_integer=True,
    ),
    Fact(
        "symbol.position_qty", SHARES,
        "Shares held of this symbol, whoever holds them; sold short they count as much.",
        _CHECK, "symbol.position_qty",
    ),
    Fact(
        "order.qty", SHARES, "The shares of the order.",
        frozenset({CHECK, *_OF_AN_ORDER}), "order.qty",
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
        _OF_AN_ORDER, "order.filled_qty",
    ),
    Fact(
        "order.since_sent", DURATION,
        "From when it was last sent until the event in hand, or until the question that the event "
        "answers; longer than anything for an order that never left.",
        _GUARDED, "order.since_sent_s",
    ),
    Fact(
        "strategy.thesis", TEXT, "How the thesis stands that the strategy trades on.",
        _CHECK, "strategy.thesis_code", members=THESIS_STATUSES, is_integer=True,
    ),
)  # fmt: skip
