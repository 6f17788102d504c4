"""Facts: what a rule may read. Each has a unit, a scope, a source and one sentence.

`source` is the Python text that reads the fact from the engine's own objects (`bar`, `symbol`,
`session`, `desk`, `strategy`, `order`); it comes from this file only, never from a rule file.
`known` is the text that tells whether the fact has a value now; empty means always.
`follows_market` is True for facts that depend on the market alone, not on what the desk did:
conditions made of these alone can be decided once for every parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

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

STRATEGY = "strategy"
DATA = "data"
PROTECTION = "protection"
CHECK = "check"
ORDER_GUARD = "order_guard"

PROFILE_MEANINGS: dict[str, str] = {
    "backtest": "`mqd backtest`: recorded bars through the live loop, no account anywhere.",
    "samples": "Recorded or synthetic bars with a simulated broker; no account anywhere.",
    "practice": "A practice exchange in the place of a broker; no account anywhere.",
    "paper": "A broker's account with play money.",
    "live": "A broker's account with real money.",
}
PROFILES = tuple(PROFILE_MEANINGS)
LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Fact:
    """One word of the rule language."""

    name: str
    unit: Unit
    means: str
    scopes: frozenset[str]
    source: str
    known: str = ""
    follows_market: bool = False
    members: tuple[str, ...] = ()
    is_integer: bool = False

    @property
    def argument(self) -> str:
        """The fact's name as a Python argument: `bar.close` -> `bar_close`."""
        return self.name.replace(".", "_")


def _finite(source: str) -> str:
    return f"-{LARGEST!r} < {source} < {LARGEST!r}"


def _bar(name: str, unit: Unit, means: str) -> Fact:
    source = f"bar.{name}"
    scopes = frozenset({STRATEGY, DATA})
    return Fact(f"bar.{name}", unit, means, scopes, source, _finite(source), follows_market=True)


def _data(name: str, means: str) -> Fact:
    return Fact(f"bar.{name}", BOOL, means, frozenset({DATA}), f"symbol.{name}")


_ANY_BAR = frozenset({STRATEGY, DATA})
_STRATEGY = frozenset({STRATEGY})
_CHECK = frozenset({CHECK})
_EVERY_BAR = frozenset({STRATEGY, DATA, PROTECTION})
_GATE = frozenset({PROTECTION, CHECK})

_ALL = (
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
        _GATE, "desk.pnl_usd", _finite("desk.pnl_usd"),
    ),
    Fact(
        "desk.state", TEXT, "The state of the desk's own lifecycle.", _CHECK, "desk.state_code",
        is_integer=True,
    ),
    Fact(
        "desk.profile", TEXT, "Where the desk runs.", frozenset({DATA, PROTECTION, CHECK}),
        "desk.profile_code", members=PROFILES, is_integer=True,
    ),
    Fact(
        "desk.open_positions", POSITIONS,
        "Positions held across all strategies, and those that entries on their way may open.",
        _CHECK, "desk.open_positions", is_integer=True,
    ),
    Fact(
        "desk.orders_today", ORDERS, "Orders sent this session, entries and exits.",
        _GATE, "desk.orders_today", is_integer=True,
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
        "symbol.position_qty", SHARES, "Shares held of this symbol, all strategies together.",
        _CHECK, "symbol.position_qty",
    ),
    Fact(
        "order.qty", SHARES, "The shares of the order.",
        frozenset({CHECK, ORDER_GUARD}), "order.qty",
    ),
    Fact(
        "order.price", PRICE, "The price the decision was made at.", _CHECK, "order.price"
    ),
    Fact(
        "order.stop_loss", PRICE, "The planned stop of an entry.",
        _CHECK, "order.stop_loss", _finite("order.stop_loss"),
    ),
    Fact(
        "order.filled_qty", SHARES, "The shares filled, this event counted.",
        frozenset({ORDER_GUARD}), "order.filled_qty",
    ),
)  # fmt: skip

FACTS: dict[str, Fact] = {fact.name: fact for fact in _ALL}

ENTRY_QTY = Fact(
    "entry.qty", SHARES, "The shares the sizing rule buys at this price, rounded to its step.",
    _STRATEGY, "",
)  # fmt: skip


def facts_in(scope: str) -> dict[str, Fact]:
    """The facts that a rule of this scope may read, by name."""
    found = {name: fact for name, fact in FACTS.items() if scope in fact.scopes}
    if scope == STRATEGY:
        found[ENTRY_QTY.name] = ENTRY_QTY
    return found
