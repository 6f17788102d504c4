"""What the desk remembers between events. The engine owns it and changes it in place.

The small slotted objects are what the generated rules read (`bar`, `symbol`, `session`, `desk`,
`strategy`, `order`): floats and whole numbers for rule arithmetic. The exact truth beside them is
the ledger and the orders.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mqd.engine.ledger import Ledger
from mqd.ground.canonical import digest, encode
from mqd.model.event import ExecutionBusted, ExecutionCorrected, FeeCharged
from mqd.model.order import Order
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


@dataclass(slots=True)
class DeskFacts:
    """The desk as a whole, and its account, as a snapshot asked for at `account_asked_ns` tells.

    Whether it is restricted is None while it does not say so.
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
    tripped_until_ns: dict[str, int] = field(default_factory=dict)
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
            tripped_until_ns=dict(self.tripped_until_ns),
            counts=Counter(self.counts),
            holdings={key: replace(held) for key, held in self.holdings.items()},
            disabled=set(self.disabled),
            paged=set(self.paged),
            sent_content=dict(self.sent_content),
            drift_looks=dict(self.drift_looks),
            afterthoughts=dict(self.afterthoughts),
            streams_down=set(self.streams_down),
            breaker=replace(self.breaker, in_a_row=dict(self.breaker.in_a_row)),
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
                "protections": [self.tripped_until_ns, self.active_protections],
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
            }
        )

    def hash(self) -> str:
        """SHA-256 of the canonical text."""
        return digest(self.canonical())


def _fields(facts: object) -> list[object]:
    return [getattr(facts, name) for name in facts.__slots__]  # type: ignore[attr-defined]  # slotted dataclasses only
