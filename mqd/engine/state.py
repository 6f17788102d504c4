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
    """One symbol today; the age and the four flags describe the bar in hand."""

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
    """The desk as a whole."""

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


@dataclass(slots=True)
class OrderFacts:
    """The order in hand, as checks and guards read it; an absent stop is not a number."""

    qty: float
    price: float = 0.0
    stop_loss: float = float("nan")
    filled_qty: float = 0.0
    since_same_s: float = float("inf")


@dataclass(slots=True)
class Holding:
    """How a position of ours is looked after: when its exits were last looked at, and sent.

    `blind_ns` is how long nothing looked, so far; `exit_attempts` counts exits that ended without
    closing it, the last one at `exit_ended_ns`; `exit_reason` is why it was to be left.
    """

    opened_ns: int
    looked_ns: int
    blind_ns: int = 0
    exit_attempts: int = 0
    exit_ended_ns: int = 0
    exit_reason: str = ""


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
            }
        )

    def hash(self) -> str:
        """SHA-256 of the canonical text."""
        return digest(self.canonical())


def _fields(facts: object) -> list[object]:
    return [getattr(facts, name) for name in facts.__slots__]  # type: ignore[attr-defined]  # slotted dataclasses only
