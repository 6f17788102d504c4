"""The rule book: everything the rules say, checked, typed and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mqd.ground.units import Unit
from mqd.rules.expressions.ir import Logical, Name, Numeric
from mqd.rules.problems import Place
from mqd.rules.said import Assumption, Condition, Header, Limit, Value, Window
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
    """A typed aggregate over a stream."""

    name: str
    function: str
    stream: str
    over: str
    unit: Unit
    place: Place


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
    """One strategy, whole."""

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
    """One protection; it can only ever block entries.

    `lasts` is a duration in seconds, `rest_of_session`, or `while_true`.
    """

    header: Header
    scope: str
    trips_when: Condition
    lasts: str | int

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
    """One state of a machine, and what it means for a person."""

    name: str
    means: str
    is_terminal: bool
    place: Place


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
        """The kind of machine: order, desk, breaker."""
        return self.header.id

    @property
    def terminal(self) -> frozenset[str]:
        """The states that are never left."""
        return frozenset(state.name for state in self.states if state.is_terminal)

    def row(self, row_id: str) -> Row:
        """The row with this id."""
        return next(row for row in self.rows if row.id == row_id)


@dataclass(frozen=True, slots=True)
class Criterion:
    """What ends a thesis: a share of winning trades below `win_rate_below` over enough trades."""

    win_rate_below: Decimal
    over_trades: int
    place: Place


@dataclass(frozen=True, slots=True)
class Thesis:
    """A claim about the market that can turn out to be false."""

    header: Header
    claim: str
    status: str
    invalidated_when: Criterion


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Everything the rules say. `canonical` is the text the digest is taken of."""

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
    theses: tuple[Thesis, ...]
    order_watch: Watch
    position_watch: Watch
    desk_watch: Watch
    reconciliation: Reconciliation
    invariants: tuple[Invariants, ...]
    broker_words: BrokerWords

    @property
    def machines(self) -> tuple[MachineRules, ...]:
        """Every machine: of an order, of the desk, of the breaker to the broker."""
        return self.order_machine, self.desk_machine, self.breaker_machine

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
    "Assumption",
    "BrokerAnswer",
    "BrokerForm",
    "BrokerRequests",
    "BrokerWord",
    "BrokerWords",
    "Condition",
    "Criterion",
    "Difference",
    "Entry",
    "Header",
    "Invariants",
    "Limit",
    "MachineRules",
    "Measure",
    "Name",
    "Param",
    "Protection",
    "Reconciliation",
    "Row",
    "RuleBook",
    "RuleSet",
    "Sends",
    "SentForm",
    "Sizing",
    "State",
    "Strategy",
    "Thesis",
    "Value",
    "Watch",
    "WatchRow",
    "Window",
]
