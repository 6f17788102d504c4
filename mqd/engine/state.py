"""What the desk remembers between events. The engine owns it and changes it in place.

The small slotted objects are what the generated rules read (`bar`, `symbol`, `session`, `desk`,
`strategy`, `order`): floats and whole numbers for rule arithmetic. The exact truth beside them is
the ledger and the orders.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.history import History
from mqd.engine.ledger import Ledger
from mqd.engine.lock import Lock
from mqd.engine.record import ClosedSession, SeriesValue
from mqd.ground.canonical import digest, encode
from mqd.model.event import ExecutionBusted, ExecutionCorrected, FeeCharged
from mqd.model.order import Order
from mqd.model.session_bar import SessionBar
from mqd.model.snapshot import AccountReport

Afterthought = ExecutionBusted | ExecutionCorrected | FeeCharged


@dataclass(slots=True)
class SessionFacts:
    """The session under way, or the last one; times in exchange seconds."""

    date: str = ""
    open_ns: int = 0
    close_ns: int = 0
    open_time_s: int = 0
    is_open: bool = False
    clock_s: int = 0
    time_to_close_s: int = 0


@dataclass(slots=True)
class SymbolFacts:
    """One symbol today; the age and the four flags describe the bar in hand.

    With `is_told` the broker's newest snapshot tells of it: whether it trades, in which steps.
    `sessions` are the finished ones, and `regime` is what they say of this one; empty: unknown.
    """

    symbol: str
    bars: int = 0
    newest_start_ns: int = 0
    is_complete: bool = True
    last_close: float = 0.0
    working_orders: int = 0
    unknown_orders: int = 0
    external_orders: int = 0
    position_qty: float = 0.0
    is_traded_symbol: bool = False
    starts_on_minute: bool = True
    is_newest: bool = True
    in_session: bool = False
    bar_age_s: int = 0
    filled_ns: int = 0
    lacks_shares: bool = False
    previous_close: float = 0.0
    external_buys: int = 0
    external_sells: int = 0
    is_told: bool = False
    is_tradable: bool = False
    is_fractionable: bool = False
    lot_qty: Decimal = Decimal(0)
    tick_usd: Decimal = Decimal(0)
    session_high: float = 0.0
    session_low: float = 0.0
    sessions: tuple[SessionBar, ...] = ()
    regime: str = ""


@dataclass(slots=True)
class StrategyFacts:
    """One strategy today. `measured` says what its accumulators are of.

    `working_exits` is counted when a bar is decided on.
    """

    enabled: bool = True
    entries_today: int = 0
    pnl_today_usd: float = 0.0
    position_open: bool = False
    position_qty: float = 0.0
    entry_price: float = 0.0
    accumulators: tuple[float, ...] = ()
    pnl_today: Decimal = Decimal(0)
    measured: tuple[str, ...] = ()
    working_exits: int = 0
    thesis_code: int = 0


@dataclass(slots=True)
class DeskFacts:
    """The desk as a whole, and its account, as a snapshot asked for at `account_asked_ns` tells.

    Whether it is restricted is None while it does not say so. `week` counts the weeks since 1970;
    the one under way began with the session that opened at `week_open_ns`.
    """

    pnl_usd: float = 0.0
    state_code: int = 0
    profile_code: int = 0
    open_positions: int = 0
    orders_today: int = 0
    realised_today: Decimal = Decimal(0)
    working_orders: int = 0
    is_in_step: bool = False
    snapshot_is_due: bool = False
    is_waiting_for_snapshot: bool = False
    snapshot_asked: bool = False
    snapshot_asked_ns: int = 0
    since_snapshot_s: float = 0.0
    breaker_code: int = 0
    queued_orders: int = 0
    account_asked_ns: int = 0
    is_restricted: bool | None = None
    refused_orders: int = 0
    has_compared: bool = False
    realised_ever: Decimal = Decimal(0)
    realised_week: Decimal = Decimal(0)
    week_pnl_usd: float = 0.0
    week_open_ns: int = 0
    week: int = -1
    is_new_week: bool = False
    previous_pnl_usd: float = float("nan")


@dataclass(slots=True)
class OrderFacts:
    """The order in hand, as checks and guards read it; an absent stop is not a number.

    What only an entry is asked about stands here too, so that no bar pays for it: what the broker
    says of the symbol and the account, and what left within the last minute.
    """

    qty: float
    price: float = 0.0
    stop_loss: float = float("nan")
    filled_qty: float = 0.0
    since_sent_s: float = float("inf")
    since_same_s: float = float("inf")
    type_code: int = 0
    time_in_force_code: int = 0
    is_fractional: bool = False
    is_form_taken: bool = True
    opposite_orders: int = 0
    messages: int = 0
    symbol_is_told: bool = False
    symbol_is_tradable: bool = False
    symbol_is_fractionable: bool = False
    symbol_lot: float = 0.0
    symbol_tick: float = 0.0
    is_in_lots: bool = False
    buying_power_usd: float = float("nan")
    equity_usd: float = float("nan")
    account_age_s: float = float("inf")
    has_protection_error: bool = False
    has_older_lock: bool = False
    opposite_signals: int = 0
    portfolio_equity_usd: float = float("nan")
    portfolio_exposure_usd: float = float("nan")
    portfolio_largest_usd: float = float("nan")
    portfolio_invested_usd: float = float("nan")
    portfolio_reserve_usd: float = float("nan")
    capital_usd: float = float("nan")
    capital_used_usd: float = float("nan")
    pauses_in_regime: bool | None = None


class Allocation(NamedTuple):
    """A strategy's share of the account now; `declared` are its share, smallest and largest.

    `earned` is by how much it was promoted: its share goes back to both together, not below.
    """

    declared: tuple[Decimal, Decimal, Decimal]
    share: Decimal
    earned: Decimal = Decimal(0)


@dataclass(slots=True)
class Holding:
    """How a position of ours is looked after: when its exits were last looked at, and sent.

    `blind_ns` is how long nothing looked, so far; `exit_attempts` counts exits that ended without
    closing it, the last one at `exit_ended_ns`; `exit_reason` is why it was to be left.
    `planned_distance` is how far the entry's own stop was below its price, in USD a share, None
    where no entry is known. `stop_id` is the stop made last, `stopped_ns` when the first was known
    to rest at the broker; `stop_attempts` counts those that ended unasked, the last stop at
    `stop_ended_ns`.
    """

    opened_ns: int
    looked_ns: int
    blind_ns: int = 0
    exit_attempts: int = 0
    exit_ended_ns: int = 0
    exit_reason: str = ""
    planned_distance: Decimal | None = None
    stop_id: str = ""
    stopped_ns: int = 0
    stop_attempts: int = 0
    stop_ended_ns: int = 0


@dataclass(slots=True)
class BreakerFacts:
    """The breaker: its machine's state, since when, and what it measures of the requests.

    `in_a_row` counts by kind of request how many failed since one of that kind was answered.
    """

    state_name: str = ""
    moved_ns: int = 0
    latency_s: float = 0.0
    in_a_row: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class LifeFacts:
    """The life of one strategy: its machine's state, since when, and by which row of its watch.

    It is judged by what it did since `since_ns`. A pause remembers the week that it began in, as
    the desk counts weeks.
    `proposed` is the share by which its allocation may grow, once a person agrees; `agreed` the one
    by which it does before the next session opens.
    """

    state_name: str
    since_ns: int
    moved_ns: int
    row: str = ""
    week: int = -1
    proposed: Decimal | None = None
    agreed: Decimal | None = None


@dataclass(slots=True)
class DeskState:
    """Everything the desk knows. `state_name` is the desk machine's state."""

    state_name: str = ""
    rules_digest: str = ""
    profile: str = ""
    now_ns: int = 0
    session: SessionFacts = field(default_factory=SessionFacts)
    desk: DeskFacts = field(default_factory=DeskFacts)
    symbols: dict[str, SymbolFacts] = field(default_factory=dict)
    strategies: dict[str, StrategyFacts] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    working: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)
    locks: dict[str, Lock] = field(default_factory=dict)
    active_protections: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    paged: set[tuple[str, str]] = field(default_factory=set)
    sent_content: dict[tuple[str, str, str], int] = field(default_factory=dict)
    streams_down: set[str] = field(default_factory=set)
    news_since_ask: int = 0
    cash_base_usd: Decimal | None = None
    adopts_next: bool = False
    refused_start: tuple[str, ...] = ()
    accounted: frozenset[str] = frozenset()
    drift_looks: dict[str, tuple[Decimal, Decimal, int]] = field(default_factory=dict)
    afterthoughts: dict[str, tuple[Afterthought, ...]] = field(default_factory=dict)
    """By execution: what was said of one that is not booked yet."""
    breaker: BreakerFacts = field(default_factory=BreakerFacts)
    account: AccountReport | None = None
    counted_there: frozenset[str] = frozenset()
    messages_ns: tuple[int, ...] = ()
    history: History = field(default_factory=History)
    scoped_protections: dict[str, int] = field(default_factory=dict)
    """By `strategy ID` or `symbol NAME`: the protections that block there alone."""
    protections_true: int = -1
    protection_errors: set[str] = field(default_factory=set)
    has_older_lock: bool = False
    due_ns: dict[str, int] = field(default_factory=dict)
    """By protection: when the oldest row leaves the window of one of its measures."""
    look_again_ns: int = 0
    allocations: dict[str, Allocation] = field(default_factory=dict)
    idle: dict[str, dict[int, int]] = field(default_factory=dict)
    """By strategy: on how many bars of this session each set of NO-TRADE codes was true."""
    out_of_band: dict[tuple[str, str], int] = field(default_factory=dict)
    """By strategy and code: sessions in a row whose share of bars was outside of its band."""
    lives: dict[str, LifeFacts] = field(default_factory=dict)
    closed_sessions: tuple[ClosedSession, ...] = ()
    series: dict[str, tuple[SeriesValue, ...]] = field(default_factory=dict)

    def symbol(self, name: str) -> SymbolFacts:
        """The facts of a symbol, made on first sight."""
        found = self.symbols.get(name)
        if found is None:
            found = self.symbols[name] = SymbolFacts(name)
        return found

    def fork(self) -> DeskState:
        """An independent copy, for what-if and exploration; what never changes is shared."""
        return replace(
            self,
            session=replace(self.session),
            desk=replace(self.desk),
            symbols={name: replace(facts) for name, facts in self.symbols.items()},
            strategies={name: replace(facts) for name, facts in self.strategies.items()},
            orders=dict(self.orders),
            working=set(self.working),
            ledger=self.ledger.fork(),
            locks={key: replace(lock) for key, lock in self.locks.items()},
            history=self.history.fork(),
            scoped_protections=dict(self.scoped_protections),
            protection_errors=set(self.protection_errors),
            due_ns=dict(self.due_ns),
            counts=Counter(self.counts),
            holdings={key: replace(held) for key, held in self.holdings.items()},
            disabled=set(self.disabled),
            paged=set(self.paged),
            sent_content=dict(self.sent_content),
            drift_looks=dict(self.drift_looks),
            afterthoughts=dict(self.afterthoughts),
            streams_down=set(self.streams_down),
            idle={name: dict(counts) for name, counts in self.idle.items()},
            out_of_band=dict(self.out_of_band),
            breaker=replace(self.breaker, in_a_row=dict(self.breaker.in_a_row)),
            allocations=dict(self.allocations),
            lives={name: replace(life) for name, life in self.lives.items()},
            series=dict(self.series),
        )

    def canonical(self) -> str:
        """The state as canonical text; equal states have equal text."""
        return encode(
            {
                "desk": [self.state_name, self.rules_digest, self.profile, self.now_ns],
                "session": _fields(self.session),
                "facts": _fields(self.desk),
                "symbols": {name: _fields(item) for name, item in self.symbols.items()},
                "strategies": {name: _fields(item) for name, item in self.strategies.items()},
                "orders": list(self.orders.values()),
                "working": sorted(self.working),
                "ledger": self.ledger.canonical(),
                "protections": [
                    {key: _fields(lock) for key, lock in self.locks.items()},
                    self.active_protections,
                    self.scoped_protections,
                    self.protections_true,
                    sorted(self.protection_errors),
                    self.has_older_lock,
                    self.due_ns,
                    self.look_again_ns,
                ],
                "history": self.history.canonical(),
                "counts": dict(self.counts),
                "holdings": [[*key, *_fields(held)] for key, held in sorted(self.holdings.items())],
                "stopped": [sorted(self.disabled), sorted(self.streams_down), sorted(self.paged)],
                "sent": [[*key, at_ns] for key, at_ns in self.sent_content.items()],
                "compared": [
                    self.news_since_ask,
                    self.cash_base_usd,
                    self.adopts_next,
                    self.refused_start,
                    sorted(self.accounted),
                    [[name, *seen] for name, seen in sorted(self.drift_looks.items())],
                    sorted(self.afterthoughts.items()),
                ],
                "breaker": _fields(self.breaker),
                "account": [self.account, sorted(self.counted_there), self.messages_ns],
                "shares": sorted(self.allocations.items()),
                "idle": [
                    [[name, sorted(counts.items())] for name, counts in sorted(self.idle.items())],
                    [[*key, count] for key, count in sorted(self.out_of_band.items())],
                ],
                "lives": [[name, *_fields(life)] for name, life in sorted(self.lives.items())],
                "judged": [self.closed_sessions, self.series],
            }
        )

    def hash(self) -> str:
        """SHA-256 of the canonical text."""
        return digest(self.canonical())


def _fields(facts: object) -> list[object]:
    return [getattr(facts, name) for name in facts.__slots__]  # type: ignore[attr-defined]  # slotted dataclasses only
