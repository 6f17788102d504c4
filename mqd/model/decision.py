"""What the desk decided, and what else it has to say about one event."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.model.command import Command
from mqd.model.order import OrderStateChangedEvent
from mqd.model.position import Trade

NO_TRADE = "NO_TRADE"
ENTER = "ENTER"
EXIT = "EXIT"
REFUSED = "REFUSED"
EXIT_WAITS = "EXIT_WAITS"


class Decision(NamedTuple):
    """One bar x strategy: the facts read, the codes that were true, and what came of it.

    Masks have one bit per rule in the order of its file: `no_trade` and `exits` in the strategy,
    `data` in what data/bars.yaml lets block entries, `protections` by name, `checks` in the
    entry (or, for an exit, the exit) checks of orders/checks.yaml. `facts` are the values that
    the strategy's rules read, then those that the data rules, protections and checks read, in the
    order of the compiled strategy's `fact_names`; an unknown one is None. They are what stood when
    the bar was decided on, whether or not there came an order of it. Sentences, distances and
    flips are computed from this, never stored.
    """

    at_ns: int
    strategy: str
    symbol: str
    outcome: str
    no_trade: int
    exits: int
    data: int
    protections: int
    checks: int
    facts: tuple[float | int | bool | None, ...]
    rules_digest: str


class BarSetAside(NamedTuple):
    """A bar that feeds nothing, and the codes of the data rules that set it aside."""

    at_ns: int
    symbol: str
    start_ns: int
    codes: tuple[str, ...]


class ProtectionTripped(NamedTuple):
    """A protection went from armed to tripped; it blocks entries until `until_ns`."""

    at_ns: int
    protection: str
    until_ns: int


class IncidentRaised(NamedTuple):
    """Something happened that a person must look at: the typed error, where, and in words."""

    at_ns: int
    error: str
    severity: str
    subject: str
    message: str


class DeskStateChanged(NamedTuple):
    """The desk itself moved between its states; `rule` is the transition's id."""

    at_ns: int
    event: str
    from_state: str
    to_state: str
    rule: str


class BreakerMoved(NamedTuple):
    """The breaker to the broker moved; `rule` is the transition's id, `cause` the request's end."""

    at_ns: int
    event: str
    from_state: str
    to_state: str
    rule: str
    cause: str

    @property
    def text(self) -> str:
        """The move in words."""
        why = f": {self.cause}" if self.cause else ""
        return f"the breaker went from {self.from_state} to {self.to_state} ({self.rule}){why}"


class WatchActed(NamedTuple):
    """A watch rule acted on an order, a position or the desk: which one, on what, and how."""

    at_ns: int
    watch: str
    code: str
    subject: str
    act: str


class OperatorHeard(NamedTuple):
    """What a person's button did; `result` says it in words."""

    at_ns: int
    action: str
    strategy: str
    by: str
    reason: str
    result: str


class DriftFound(NamedTuple):
    """The desk and the broker differ; `share` is the difference as a share, or None."""

    at_ns: int
    kind: str
    subject: str
    local: Decimal
    broker: Decimal
    share: Decimal | None
    done: str


class Reconciled(NamedTuple):
    """The desk was compared with the broker; `verdict` is clean, mended, waits or refused."""

    at_ns: int
    verdict: str
    differences: int
    refusals: tuple[str, ...]


class TradeWatched(NamedTuple):
    """How long a finished trade was held, and how long of that nothing looked at its exits.

    `stop_after_ms` is how long after its first fill a stop order was known to rest at the broker,
    None where none ever was; `stop_beyond` how many USD a share the fills of that stop came out
    beyond its price, None where it did not trade.
    """

    at_ns: int
    strategy: str
    symbol: str
    held_s: int
    unprotected_s: int
    stop_after_ms: int | None = None
    stop_beyond: Decimal | None = None


Note = (
    BarSetAside
    | ProtectionTripped
    | IncidentRaised
    | DeskStateChanged
    | WatchActed
    | OperatorHeard
    | DriftFound
    | Reconciled
    | TradeWatched
    | BreakerMoved
)


class Outcome(NamedTuple):
    """Everything one event led to: what to remember and what to ask of the world."""

    decisions: tuple[Decision, ...] = ()
    transitions: tuple[OrderStateChangedEvent, ...] = ()
    trades: tuple[Trade, ...] = ()
    notes: tuple[Note, ...] = ()
    commands: tuple[Command, ...] = ()


NOTHING = Outcome()


def outcome_record(outcome: Outcome) -> list[list[object]]:
    """The outcome as a flat list of `[name, *fields]`, decisions first, commands last."""
    return [
        [type(item).__name__, *item]
        for group in outcome
        for item in group  # each group is a tuple of NamedTuples
    ]
