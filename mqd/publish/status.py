"""How the desk stands: what a replay of the journal leads to, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.engine.lives import NONE_LEFT
from mqd.engine.moves import in_age_order
from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc
from mqd.model.decision import (
    BarSetAside,
    DeskStateChanged,
    IdleOutOfBand,
    IncidentRaised,
    OperatorHeard,
    Outcome,
    Reconciled,
    StrategyMoved,
)
from mqd.model.event import BarClosed, Event, FeedDefectFound, SessionClosed, SessionOpened
from mqd.model.order import Order
from mqd.publish.account_status import AccountStatus, account_status
from mqd.publish.distance_to_fire import distances_to_fire
from mqd.publish.line_status import LineStatus, LineWatcher
from mqd.publish.protection_status import ProtectionStatus, protections_status
from mqd.publish.record_to_fire import record_not_yet
from mqd.publish.series_status import SeriesStatus, series_status
from mqd.publish.summary import OpenPosition, open_positions, ranked
from mqd.publish.to_fire import NotYet, ToFire
from mqd.rules.book import RuleBook
from mqd.rules.looking_back import UNKNOWN_REGIME

UNKNOWN_OUTCOME = "UNKNOWN"
BY_DESK = "the desk"
_BY_BUTTON = "_ordered"


class StrategyStatus(NamedTuple):
    """One strategy today."""

    strategy: str
    status: str
    enabled: bool
    entries_today: int
    pnl_today_usd: Decimal
    life: str = ""
    life_row: str = ""


class Standing(NamedTuple):
    """Since when something is as it is, by whom, and why; `rule` is the transition's id."""

    since_ns: int
    by: str
    why: str
    rule: str = ""


_NOBODY_KNOWS = Standing(0, "", "")


class SwitchedOff(NamedTuple):
    """A strategy that a person has switched off."""

    strategy: str
    standing: Standing


class Proposed(NamedTuple):
    """A promotion that waits for a person: `by` so much of the strategy's share more."""

    strategy: str
    by: Decimal


class Unwatched(NamedTuple):
    """An open position: for how many seconds in all nothing looked at its exits."""

    strategy: str
    symbol: str
    unprotected_s: int


@dataclass(frozen=True, slots=True)
class DeskStatus:
    """The desk at the end of its journal; times are nanoseconds, money exact.

    `standing` is None for a desk that is in its first state; `unproved` are the working orders
    whose outcome is not known; `idle` is what the last session that closed had to say, `regimes`
    the market's, by symbol.
    """

    journal: str
    rules_digest: str
    profile: str
    desk_state: str
    events: int
    session: str
    session_is_open: bool
    last_bar: BarClosed | None
    positions: tuple[OpenPosition, ...]
    working: tuple[Order, ...]
    protections: tuple[ProtectionStatus, ...]
    strategies: tuple[StrategyStatus, ...]
    realised_usd: Decimal
    pnl_usd: float
    defects: tuple[tuple[str, int], ...]
    aside: tuple[tuple[str, int], ...]
    standing: Standing | None
    switched_off: tuple[SwitchedOff, ...]
    compared: Reconciled | None
    is_in_step: bool
    unwatched: tuple[Unwatched, ...]
    lines: LineStatus
    breaker: str = ""
    idle: tuple[IdleOutOfBand, ...] = ()
    regimes: tuple[tuple[str, str], ...] = ()
    to_fire: tuple[ToFire, ...] = ()
    not_yet: tuple[NotYet, ...] = ()
    account: AccountStatus | None = None
    series: tuple[SeriesStatus, ...] = ()
    proposed: tuple[Proposed, ...] = ()

    @property
    def unproved(self) -> tuple[Order, ...]:
        """The working orders whose outcome is not known."""
        return tuple(order for order in self.working if order.state == UNKNOWN_OUTCOME)

    def to_json(self) -> dict[str, Any]:
        """The status for a program: times in UTC, money and prices as exact text."""
        bar = self.last_bar
        return {
            "journal": self.journal,
            "rules_digest": self.rules_digest,
            "profile": self.profile,
            "desk_state": self.desk_state,
            "breaker": self.breaker,
            "events": self.events,
            "session": {"date": self.session or None, "is_open": self.session_is_open},
            "last_bar": None if bar is None else {
                "at": iso_utc(bar.at_ns), "symbol": bar.symbol, "close": bar.close,
            },
            "positions": [
                {name: value if isinstance(value, str) else decimal_text(value)
                 for name, value in held._asdict().items()}
                for held in self.positions
            ],
            "working_orders": [_order_row(order) for order in self.working],
            "protections": [item.to_json() for item in self.protections],
            "strategies": [
                item._asdict() | {"pnl_today_usd": decimal_text(item.pnl_today_usd)}
                for item in self.strategies
            ],
            "today": {"realised_usd": decimal_text(self.realised_usd), "pnl_usd": self.pnl_usd},
            "data_defects": dict(self.defects),
            "set_aside": dict(self.aside),
            "standing": None if self.standing is None else _standing_row(self.standing),
            "switched_off": {
                item.strategy: _standing_row(item.standing) for item in self.switched_off
            },
            "compared": None if self.compared is None else {
                "at": iso_utc(self.compared.at_ns), "verdict": self.compared.verdict,
                "differences": self.compared.differences, "refusals": list(self.compared.refusals),
            },
            "is_in_step": self.is_in_step,
            "regimes": dict(self.regimes),
            "idle_out_of_band": [note.text for note in self.idle],
            "outcome_unknown": [order.client_order_id for order in self.unproved],
            "unwatched": [item._asdict() for item in self.unwatched],
            **self.lines.to_json(),
            "distance_to_fire": [item.to_json() for item in self.to_fire],
            "distance_unknown": [item.to_json() for item in self.not_yet],
            "account": None if self.account is None else self.account.to_json(),
            "series": {item.series: item.to_json() for item in self.series},
            "waits_for_approval": {item.strategy: decimal_text(item.by) for item in self.proposed},
        }  # fmt: skip


class StatusWatcher:
    """What a replay has to be watched for: what no state remembers, such as who pressed what."""

    def __init__(self) -> None:
        self.events = 0
        self.last_bar: BarClosed | None = None
        self.defects: Counter[str] = Counter()
        self.aside: Counter[str] = Counter()
        self.standing: Standing | None = None
        self.switched_off: dict[str, Standing] = {}
        self.compared: Reconciled | None = None
        self.idle: list[IdleOutOfBand] = []
        self._lines = LineWatcher()

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of one event."""
        self.events += 1
        if isinstance(event, BarClosed):
            self.last_bar = event
        elif isinstance(event, FeedDefectFound):
            self.defects[event.code] += 1
        elif isinstance(event, SessionOpened):
            self.defects.clear()
            self.aside.clear()
        elif isinstance(event, SessionClosed):
            self.idle.clear()
        self._lines.saw(event, outcome)
        for standing in _standings(outcome, state) if outcome.notes else ():
            self.standing = standing
        for note in outcome.notes:
            match note:
                case BarSetAside():
                    self.aside.update(note.codes)
                case OperatorHeard(strategy=strategy) if strategy in state.disabled:
                    off = Standing(note.at_ns, note.by, note.reason)
                    self.switched_off.setdefault(strategy, off)  # the first one switched it off
                case OperatorHeard(strategy=strategy):
                    self.switched_off.pop(strategy, None)
                case Reconciled():
                    self.compared = note
                case IdleOutOfBand():
                    self.idle.append(note)

    def status(self, state: DeskState, book: RuleBook, journal: str) -> DeskStatus:
        """How the desk stands now, under the rules that it ran last."""
        return DeskStatus(
            journal=journal,
            rules_digest=state.rules_digest,
            profile=state.profile,
            desk_state=state.state_name,
            events=self.events,
            session=state.session.date,
            session_is_open=state.session.is_open,
            last_bar=self.last_bar,
            positions=open_positions(state),
            working=tuple(in_age_order(state)),
            protections=protections_status(state, book),
            strategies=tuple(_strategies(state, book)),
            realised_usd=state.desk.realised_today,
            pnl_usd=state.desk.pnl_usd,
            defects=ranked(self.defects),
            aside=ranked(self.aside),
            standing=self.standing,
            switched_off=tuple(
                SwitchedOff(name, self.switched_off.get(name, _NOBODY_KNOWS))
                for name in sorted(state.disabled)
            ),
            compared=self.compared,
            is_in_step=state.desk.is_in_step,
            unwatched=tuple(_unwatched(state)),
            lines=self._lines.status(),
            breaker=state.breaker.state_name,
            idle=tuple(self.idle),
            regimes=tuple(_regimes(state, book)),
            to_fire=distances_to_fire(state, book),
            not_yet=record_not_yet(state, book),
            account=account_status(state, book),
            series=tuple(series_status(state, book)),
            proposed=tuple(
                Proposed(name, life.proposed)
                for name, life in sorted(state.lives.items())
                if life.proposed is not None
            ),
        )


def _standings(outcome: Outcome, state: DeskState) -> Iterator[Standing]:
    """By whom and why the desk moved: a person's button, the error noted just before, or that no
    strategy is left, whenever they were retired.
    """
    error = ""
    for note in outcome.notes:
        if isinstance(note, StrategyMoved):
            error = f"no strategy is left that may open: {note.text}"
        elif isinstance(note, IncidentRaised):
            error = f"{note.error}: {note.message}"
        elif isinstance(note, DeskStateChanged):
            by, why = BY_DESK, error
            if note.event.endswith(_BY_BUTTON):
                by, why = next(
                    ((heard.by, heard.reason) for heard in outcome.notes
                     if isinstance(heard, OperatorHeard)), (by, why),
                )  # fmt: skip
            elif note.event == NONE_LEFT and not why:
                closed = _closed(state)
                why = "no strategy is left that may open" + (f": {closed}" if closed else "")
            yield Standing(note.at_ns, by, why, note.rule)


def _closed(state: DeskState) -> str:
    """Every strategy that a row of its watch has closed."""
    return ", ".join(
        f"{name} is {life.state_name} by {life.row}"
        for name, life in sorted(state.lives.items())
        if life.row and not state.strategies[name].enabled
    )


def _unwatched(state: DeskState) -> Iterator[Unwatched]:
    for strategy, symbol in sorted(state.holdings):
        holding = state.holdings[strategy, symbol]
        blind_ns = holding.blind_ns + max(0, state.now_ns - holding.looked_ns - NS_PER_MINUTE)
        yield Unwatched(strategy, symbol, blind_ns // NS_PER_S)


def _strategies(state: DeskState, book: RuleBook) -> list[StrategyStatus]:
    found = []
    for name, facts in sorted(state.strategies.items()):
        declared = next(
            (item.status for item in book.strategies if item.id == name), "not in rules"
        )
        enabled = facts.enabled and declared != "not in rules"
        life = state.lives.get(name)
        lived = ("", "") if life is None else (life.state_name, life.row)
        found.append(
            StrategyStatus(name, declared, enabled, facts.entries_today, facts.pnl_today, *lived)
        )
    return found


def _regimes(state: DeskState, book: RuleBook) -> Iterator[tuple[str, str]]:
    """In which regime each symbol is; nothing where the rules know of none."""
    for name, symbol in sorted(state.symbols.items()) if book.regimes else ():
        yield name, symbol.regime or UNKNOWN_REGIME


def _standing_row(standing: Standing) -> dict[str, Any]:
    since = iso_utc(standing.since_ns)
    return {"since": since, "by": standing.by, "why": standing.why, "rule": standing.rule}


def _order_row(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "side": order.side,
        "role": order.role,
        "state": order.state,
        "qty": decimal_text(order.qty),
        "filled_qty": decimal_text(order.filled_qty),
        "stop_price": None if order.stop_price is None else decimal_text(order.stop_price),
        "reason": order.reason,
        "created": iso_utc(order.created_ns),
    }
