"""What the desk decided, and what else it has to say about one event."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.ground.canonical import decimal_text
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


_ENDS = {
    "rest_of_week": "the first session of the next week",
    "until_operator": "a person re-arms it",
    "until": "a session opens that ends it",
}


class ProtectionTripped(NamedTuple):
    """A protection tripped, or tripped once more; it blocks entries until `until_ns`.

    That is 0 where no clock ends it; `lasts` is how long it was said to last. `subject` is the one
    strategy or symbol that it is about, `rule` the transition's id.
    """

    at_ns: int
    protection: str
    until_ns: int
    subject: str = ""
    lasts: str = ""
    rule: str = ""

    @property
    def name(self) -> str:
        """The protection, and what it is about where that is not the whole desk."""
        return f"{self.protection}/{self.subject}" if self.subject else self.protection

    @property
    def end(self) -> str:
        """What ends it where no clock does."""
        return _ENDS.get(self.lasts, "it is over")


class ProtectionReleased(NamedTuple):
    """A protection is armed again; its block was by the rules of this digest.

    `rule` is the transition's id, `event` what it heard.
    """

    at_ns: int
    protection: str
    subject: str
    event: str
    rule: str
    rules_digest: str

    @property
    def text(self) -> str:
        """The release in words."""
        name = f"{self.protection}/{self.subject}" if self.subject else self.protection
        return f"protection {name} is armed again ({self.rule})"


class EntryMadeSmaller(NamedTuple):
    """A protection left an entry a part of its size, `kept` of it; `qty` is what was asked for."""

    at_ns: int
    strategy: str
    symbol: str
    protections: tuple[str, ...]
    kept: Decimal
    qty: Decimal

    @property
    def text(self) -> str:
        """The change in words."""
        parts = f"{decimal_text(self.kept)} of {decimal_text(self.qty)} {self.symbol}"
        return f"the entry of {self.strategy} keeps {parts}: {', '.join(self.protections)}"


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


Figure = float | int | None


class StrategyMoved(NamedTuple):
    """A strategy's life moved; `rule` is the transition's id, `row` what called for it.

    `row`, one of the watch of strategies, is empty where a person did. The figures are those of
    its record, by their names.
    """

    at_ns: int
    strategy: str
    event: str
    from_state: str
    to_state: str
    rule: str
    row: str
    names: tuple[str, ...] = ()
    values: tuple[Figure, ...] = ()

    @property
    def text(self) -> str:
        """The move in words."""
        why = f": {self.row}" if self.row else ""
        moved = f"{self.strategy} went from {self.from_state} to {self.to_state}"
        return f"{moved} ({self.rule}){why}"


class StrategyJudged(NamedTuple):
    """What the night found of a strategy: the rows that are true and its figures.

    One that is `skipped` stays as it is, and is never promoted.
    """

    at_ns: int
    strategy: str
    state: str
    rows: tuple[str, ...]
    names: tuple[str, ...]
    values: tuple[Figure, ...]
    skipped: str = ""


class PromotionProposed(NamedTuple):
    """A strategy may have more to work with: by this share of what it has, if it is free.

    With `waits` a person has to agree by name first.
    """

    at_ns: int
    strategy: str
    row: str
    share: Decimal
    waits: bool
    names: tuple[str, ...]
    values: tuple[Figure, ...]


class ThesisJudged(NamedTuple):
    """What the night found of a thesis: which of its rules its own trades meet, and the figures."""

    at_ns: int
    thesis: str
    status: str
    met: tuple[str, ...]
    enough: bool
    names: tuple[str, ...]
    values: tuple[Figure, ...]
    skipped: str = ""


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


class SignalsConflict(NamedTuple):
    """On one bar strategies wanted both sides of a symbol; the entries were refused for it."""

    at_ns: int
    symbol: str
    buying: tuple[str, ...]
    selling: tuple[str, ...]

    @property
    def text(self) -> str:
        """Who wanted what, in words."""
        return (
            f"{' and '.join(self.buying)} to buy and {' and '.join(self.selling)} to sell "
            f"{self.symbol} on one bar: no entry of them left"
        )


class AllocationChanged(NamedTuple):
    """A strategy's share of the account changed; `why` is the rule or the decision behind it.

    Where both shares are the same, `why` is what stood against a promotion that was agreed to.
    """

    at_ns: int
    strategy: str
    from_share: Decimal
    to_share: Decimal
    why: str

    @property
    def text(self) -> str:
        """The change in words."""
        was, now = (decimal_text(share * 100) for share in (self.from_share, self.to_share))
        if was == now:
            return f"{self.strategy} keeps {now} % of the account ({self.why})"
        return f"{self.strategy} may use {now} % of the account, before {was} % ({self.why})"


class IdleOutOfBand(NamedTuple):
    """A session closed, and a NO-TRADE condition was true more or less often than is expected.

    On `times` of the session's `bars` at the strategy's own times of day; `expected` is the band
    as the rules say it, `in_a_row` how many sessions were outside of it.
    """

    at_ns: int
    strategy: str
    session: str
    code: str
    times: int
    bars: int
    expected: str
    in_a_row: int

    @property
    def text(self) -> str:
        """The finding in words."""
        share = f"{100 * self.times / self.bars:.1f}".removesuffix(".0")
        rows = f", {self.in_a_row} sessions in a row" if self.in_a_row > 1 else ""
        return (
            f"{self.strategy}: {self.code} was true on {self.times} of {self.bars} bars of its "
            f"hours ({share}%), {self.expected} is expected{rows}"
        )


Note = (
    BarSetAside
    | ProtectionTripped
    | ProtectionReleased
    | EntryMadeSmaller
    | IncidentRaised
    | DeskStateChanged
    | WatchActed
    | OperatorHeard
    | DriftFound
    | Reconciled
    | TradeWatched
    | BreakerMoved
    | SignalsConflict
    | AllocationChanged
    | IdleOutOfBand
    | StrategyMoved
    | StrategyJudged
    | PromotionProposed
    | ThesisJudged
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
