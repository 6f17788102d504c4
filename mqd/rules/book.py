"""The rule book: everything the rules say, checked, typed and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mqd.ground.units import Unit
from mqd.rules.expressions.ir import Logical, Name, Numeric
from mqd.rules.looking_back import Attribution, Band, End, FailureRegime, Tag
from mqd.rules.measured import HistoryMeasure
from mqd.rules.problems import Place
from mqd.rules.said import Assumption, Condition, Header, Limit, Value, Window
from mqd.rules.sharing import Allotment, Portfolio, Reallocation
from mqd.rules.watching import (
    BrokerAnswer,
    BrokerForm,
    BrokerRequests,
    BrokerWord,
    BrokerWords,
    Difference,
    Invariants,
    Reconciliation,
    Sends,
    SentForm,
    Watch,
    WatchRow,
)


@dataclass(frozen=True, slots=True)
class Param:
    """A strategy's number with the range it may ever take; `limit` names the limit it reads."""

    name: str
    value: Value
    minimum: Decimal
    maximum: Decimal
    unit: Unit
    limit: str | None
    place: Place

    @property
    def is_swept(self) -> bool:
        """True for a number that a sweep may vary; windows and limits stay fixed in a run."""
        return isinstance(self.value, Decimal) and self.limit is None


@dataclass(frozen=True, slots=True)
class Measure:
    """A typed aggregate over a stream, of one of a bar's values where the function takes one.

    `bars` is how many bars of the session it looks back over; None where that is all of them.
    """

    name: str
    function: str
    stream: str
    over: str
    unit: Unit
    place: Place
    of: str = ""
    bars: int | None = None

    @property
    def window(self) -> str:
        """What it looks back over, in words."""
        return self.over if self.bars is None else f"newest {self.over}"


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many shares an entry buys: `value`, rounded down to a multiple of `step`."""

    value: Numeric
    text: str
    round: str
    step: Decimal
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry asks for when nothing stands against it."""

    side: str
    type: str
    qty: Sizing
    stop_loss: Numeric
    stop_loss_text: str
    stop_loss_place: Place
    place: Place


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy, whole; `exit_kinds` says by its code whose result each exit makes a trade."""

    header: Header
    thesis: str
    status: str
    symbol: str
    timeframe: str
    side: str
    params: tuple[Param, ...]
    measures: tuple[Measure, ...]
    no_trade: tuple[Condition, ...]
    entry: Entry
    exits: tuple[Condition, ...]
    exit_kinds: tuple[tuple[str, str], ...] = ()
    pauses_in: tuple[str, ...] = ()
    expected: tuple[Band, ...] = ()
    failure_regimes: tuple[FailureRegime, ...] = ()

    @property
    def id(self) -> str:
        """The strategy's name."""
        return self.header.id

    @property
    def runs(self) -> bool:
        """Whether the desk evaluates this strategy at all; a retired one still gets its exits."""
        return self.status != "draft"


@dataclass(frozen=True, slots=True)
class Protection:
    """One protection; it keeps entries out, or makes them smaller, and touches nothing else.

    `lasts` is a duration in seconds, `rest_of_session`, `rest_of_week`, `while_true`,
    `until_operator`, or `until`, where `until` says at which session's opening it ends. `sizes`
    is the part of its size that an entry keeps; None where entries are blocked.
    """

    header: Header
    scope: str
    trips_when: Condition
    lasts: str | int
    measures: tuple[HistoryMeasure, ...] = ()
    sizes: Decimal | None = None
    until: Condition | None = None

    @property
    def id(self) -> str:
        """The protection's name."""
        return self.header.id


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A named list of conditions that are always all looked at."""

    header: Header
    name: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class State:
    """One state of a machine, and what it means for a person.

    `opens` is said by the states of a strategy's life: whether it may open positions.
    """

    name: str
    means: str
    is_terminal: bool
    place: Place
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What one or more (state, event) pairs lead to.

    `disposition` is `apply` for a transition; otherwise what is done instead of one. `when`
    guards the row; `otherwise` is the id of the row that stands when the guard says no.
    """

    id: str
    events: tuple[str, ...]
    sources: tuple[str, ...]
    target: str | None
    disposition: str
    requires: tuple[str, ...]
    when: Logical | None
    when_text: str
    otherwise: str | None
    raises: str | None
    severity: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class MachineRules:
    """A machine with its total table: `table[state, event]` is the row that stands first."""

    header: Header
    initial: str
    states: tuple[State, ...]
    events: tuple[str, ...]
    rows: tuple[Row, ...]
    table: dict[tuple[str, str], Row] = field(compare=False)

    @property
    def id(self) -> str:
        """The kind of machine: order, desk, breaker, strategy."""
        return self.header.id

    @property
    def terminal(self) -> frozenset[str]:
        """The states that are never left."""
        return frozenset(state.name for state in self.states if state.is_terminal)

    def after(self, state_name: str, event: str) -> str:
        """Where an event leads if no guard says otherwise; where it moves nothing, the state."""
        row = self.table.get((state_name, event))
        return state_name if row is None or row.target is None else row.target

    def row(self, row_id: str) -> Row:
        """The row with this id."""
        return next(row for row in self.rows if row.id == row_id)


@dataclass(frozen=True, slots=True)
class Regimes:
    """The regimes of the market, by measures of finished sessions; the first true one counts.

    What was before a break of more than `forgets_after_s` between two sessions counts no more.
    """

    header: Header
    forgets_after_s: int
    params: tuple[Param, ...]
    measures: tuple[Measure, ...]
    tags: tuple[Condition, ...]

    @property
    def sessions(self) -> int:
        """How many finished sessions the measures look back over, one more for the close before."""
        return 1 + max(sessions_of(measure.over) for measure in self.measures)


def sessions_of(over: str) -> int:
    """The number of sessions of a window: `20 sessions`."""
    return int(over.split(maxsplit=1)[0])


@dataclass(frozen=True, slots=True)
class Criterion:
    """What ends a thesis: any of its rules, once there are enough trades to judge."""

    over_trades: int
    rules: tuple[Condition, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Thesis:
    """A claim about the market that can turn out to be false."""

    header: Header
    claim: str
    status: str
    invalidated_when: Criterion


@dataclass(frozen=True, slots=True)
class Series:
    """A number for each session from outside.

    `counts` of the newest are looked at together. From the `stale_after`th session on that opens
    after the newest value's own, nothing is known of it.
    """

    header: Header
    unit: str
    counts: int
    stale_after: int

    @property
    def id(self) -> str:
        """The name of the series."""
        return self.header.id


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Everything the rules say. `canonical` is the text the digest is taken of.

    The last two may be missing: older journals know neither.
    """

    digest: str
    canonical: str
    limits: tuple[Limit, ...]
    limits_header: Header
    strategies: tuple[Strategy, ...]
    protections: tuple[Protection, ...]
    sets_aside: RuleSet
    blocks_entries: RuleSet
    entry_checks: RuleSet
    exit_checks: RuleSet
    sends: Sends
    order_machine: MachineRules
    desk_machine: MachineRules
    breaker_machine: MachineRules
    strategy_machine: MachineRules
    theses: tuple[Thesis, ...]
    order_watch: Watch
    position_watch: Watch
    desk_watch: Watch
    strategy_watch: Watch
    reconciliation: Reconciliation
    invariants: tuple[Invariants, ...]
    broker_words: BrokerWords
    protection_machine: MachineRules
    series: tuple[Series, ...]
    portfolio: Portfolio | None = None
    regimes: Regimes | None = None
    attribution: Attribution | None = None

    @property
    def machines(self) -> tuple[MachineRules, ...]:
        """Of an order, the desk, the breaker to the broker, protections, a strategy's life."""
        return (
            self.order_machine, self.desk_machine, self.breaker_machine, self.protection_machine,
            self.strategy_machine,
        )  # fmt: skip

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Every watch: of each order, each position, the desk, each strategy."""
        return self.order_watch, self.position_watch, self.desk_watch, self.strategy_watch

    def strategy(self, strategy_id: str) -> Strategy:
        """The strategy with this id.

        Raises:
            KeyError: there is none.
        """
        for strategy in self.strategies:
            if strategy.id == strategy_id:
                return strategy
        raise KeyError(strategy_id)


__all__ = [
    "Allotment",
    "Assumption",
    "Attribution",
    "Band",
    "BrokerAnswer",
    "BrokerForm",
    "BrokerRequests",
    "BrokerWord",
    "BrokerWords",
    "Condition",
    "Criterion",
    "Difference",
    "End",
    "Entry",
    "FailureRegime",
    "Header",
    "HistoryMeasure",
    "Invariants",
    "Limit",
    "MachineRules",
    "Measure",
    "Name",
    "Param",
    "Portfolio",
    "Protection",
    "Reallocation",
    "Reconciliation",
    "Regimes",
    "Row",
    "RuleBook",
    "RuleSet",
    "Sends",
    "SentForm",
    "Series",
    "Sizing",
    "State",
    "Strategy",
    "Tag",
    "Thesis",
    "Value",
    "Watch",
    "WatchRow",
    "Window",
]
