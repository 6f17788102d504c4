"""One day at the desk, summed up from its journal: what it did, what it risked, why it did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.engine.idle import is_window
from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.decision import (
    DeskStateChanged,
    DriftFound,
    IdleOutOfBand,
    IncidentRaised,
    Note,
    OperatorHeard,
    Outcome,
    ProtectionTripped,
    Reconciled,
    TradeWatched,
)
from mqd.model.event import BarClosed, Event
from mqd.model.order import Order
from mqd.model.position import ZERO, Trade
from mqd.publish.attribution import EndedEntry, TradeAttribution
from mqd.publish.attribution_watch import AttributionWatch
from mqd.publish.closed import Closed, ClosedWatch, reads_enabled
from mqd.publish.risk import StoppedTrades, TradeRisk, risks, stop_codes, stopped_trades
from mqd.publish.strategy_news import StrategyNews, news_json
from mqd.publish.summary import OpenPosition, Reason, open_positions, ranked, true_codes
from mqd.publish.tables import trade_row
from mqd.publish.tally import Tally
from mqd.rules.book import Condition, RuleBook
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import LIMIT, PARAM


class Idle(NamedTuple):
    """Why one strategy did not trade: its NO-TRADE codes over all bars, and those in its window.

    `always` are the codes that were true on every bar inside the window, with the facts that each
    reads: either a quiet day, or something is wrong with what they read. `closed` says why the
    strategy could open nothing, each with its bars; `known` are the codes of `always` that have no
    other cause.
    """

    strategy: str
    bars: int
    in_window: int
    outcomes: tuple[tuple[str, int], ...]
    reasons: tuple[Reason, ...]
    always: tuple[tuple[str, tuple[str, ...]], ...]
    closed: tuple[tuple[Closed, int], ...] = ()
    known: frozenset[str] = frozenset()


class Acted(NamedTuple):
    """A watch rule that acted on this day: what it does, why it exists, and how often it did."""

    watch: str
    code: str
    act: str
    times: int
    because: str


@dataclass(frozen=True, slots=True)
class DailyReport:
    """Everything a day has to say; money is exact.

    `looked_after` says of finished trades how long they were held, and unwatched for how long;
    `tagged`, in the order of `trades`, whose result each was, in which market and how it failed.
    `ended_short` are the entries that ended on this day without all of their shares.
    """

    date: str
    journal: str
    rules_digests: tuple[str, ...]
    sessions_closed: int
    bars_counted: int
    bars_aside: int
    aside: tuple[tuple[str, int], ...]
    defects: tuple[tuple[str, int], ...]
    trades: tuple[TradeRisk, ...]
    stopped: StoppedTrades
    open_positions: tuple[OpenPosition, ...]
    idle: tuple[Idle, ...]
    refused: tuple[tuple[str, int], ...]
    tripped: tuple[ProtectionTripped, ...]
    incidents: tuple[IncidentRaised, ...]
    desk_changes: tuple[DeskStateChanged, ...]
    desk_state: str
    heard: tuple[OperatorHeard, ...]
    drifts: tuple[DriftFound, ...]
    comparisons: tuple[Reconciled, ...]
    acted: tuple[Acted, ...]
    looked_after: tuple[TradeWatched, ...]
    out_of_band: tuple[IdleOutOfBand, ...] = ()
    tagged: tuple[TradeAttribution, ...] = ()
    ended_short: tuple[EndedEntry, ...] = ()
    strategy_news: tuple[StrategyNews, ...] = ()

    def watched(self, trade: Trade) -> TradeWatched | None:
        """How this trade was looked after, or None where nobody knows."""
        key = (trade.exit_ns, trade.strategy, trade.symbol)
        return next((item for item in self.looked_after if item[:3] == key), None)

    def unprotected_s(self, trade: Trade) -> int | None:
        """For how long nothing looked at the exits of this trade, or None where nobody knows."""
        found = self.watched(trade)
        return None if found is None else found.unprotected_s

    @property
    def pnl_usd(self) -> Decimal:
        """What the trades that ended on this day made."""
        return sum((item.trade.pnl_usd for item in self.trades), ZERO)

    @property
    def won(self) -> int:
        """How many of them made money."""
        return sum(item.trade.pnl_usd > 0 for item in self.trades)

    def to_json(self) -> dict[str, Any]:
        """The report for a program: times in UTC, money and prices as exact text."""
        return {
            "date": self.date,
            "journal": self.journal,
            "rules_digests": list(self.rules_digests),
            "session_closed": self.sessions_closed > 0,
            "desk_state": self.desk_state,
            "bars": {"counted": self.bars_counted, "set_aside": self.bars_aside},
            "set_aside": dict(self.aside),
            "data_defects": dict(self.defects),
            "pnl": decimal_text(self.pnl_usd),
            "won": self.won,
            "trades": [
                _trade_json(item) | _gap_json(self.watched(item.trade)) | tagged.tags_json()
                for item, tagged in zip(self.trades, self.tagged, strict=True)
            ],
            "entries_ended_short": [item.to_json() for item in self.ended_short],
            "stopped": _exact_text(self.stopped._asdict()),
            "open_positions": [_exact_text(item._asdict()) for item in self.open_positions],
            "why_not_trading": [_idle_json(item) for item in self.idle],
            "idle_out_of_band": [_note_json(note) for note in self.out_of_band],
            "refused_entries": dict(self.refused),
            "protections_tripped": [_note_json(note) for note in self.tripped],
            **news_json(self.strategy_news),
            "incidents": [_note_json(note) for note in self.incidents],
            "desk_changes": [_note_json(note) for note in self.desk_changes],
            "operator": [_note_json(note) for note in self.heard],
            "drifts": [_exact_text(_note_json(note)) for note in self.drifts],
            "comparisons": [_note_json(note) for note in self.comparisons],
            "watch": [item._asdict() for item in self.acted],
        }


@dataclass(slots=True)
class DayWatch:
    """Watches one day; rules that change in the middle of it are counted apart.

    `lives` follows the journal from its beginning, by whoever feeds this, and hears of an event
    after this did: a decision was made with what was so before.
    """

    date: str
    lives: ClosedWatch = field(default_factory=ClosedWatch)
    tallies: dict[str, tuple[RuleBook, Tally]] = field(default_factory=dict)
    open: tuple[OpenPosition, ...] = ()
    desk_state: str = ""
    ended: set[str] = field(default_factory=set)
    closed: Counter[tuple[str, str, int, Closed]] = field(default_factory=Counter)

    def saw(self, event: Event, outcome: Outcome, state: DeskState, book: RuleBook) -> None:
        """Count one event and what it led to."""
        if book.digest not in self.tallies:
            self.tallies[book.digest] = (book, Tally())
        self.tallies[book.digest][1].saw(event, outcome, state)
        terminal = book.order_machine.terminal
        for change in outcome.transitions:
            if change.to_state in terminal:
                self.ended.add(change.client_order_id)
        if isinstance(event, BarClosed):
            for decision in outcome.decisions:
                closed = self.lives.closed(book, decision.strategy)
                if closed is not None:
                    key = (book.digest, decision.strategy, decision.no_trade, closed)
                    self.closed[key] += 1
        self.open = open_positions(state)
        self.desk_state = state.state_name

    def report(
        self, journal: str, orders: Mapping[str, Order], attribution: AttributionWatch
    ) -> DailyReport:
        """The day as a report; `orders` are all that the desk ever made.

        `attribution` saw every day until this one ended: a trade may be older than its last day.
        """
        tallies = [tally for _, tally in self.tallies.values()]
        trades = tuple(self._risks(orders))
        told = attribution.report(journal, orders, [item.trade for item in trades])
        return DailyReport(
            date=self.date,
            journal=journal,
            rules_digests=tuple(self.tallies),
            sessions_closed=sum(tally.sessions_closed for tally in tallies),
            bars_counted=sum(tally.bars_counted for tally in tallies),
            bars_aside=sum(tally.bars_aside for tally in tallies),
            aside=ranked(sum((tally.aside for tally in tallies), Counter())),
            defects=ranked(sum((tally.defects for tally in tallies), Counter())),
            trades=trades,
            stopped=stopped_trades(trades),
            open_positions=self.open,
            idle=tuple(self._idle()),
            refused=ranked(sum((_refused(*each) for each in self.tallies.values()), Counter())),
            tripped=tuple(note for tally in tallies for note in tally.tripped),
            incidents=tuple(note for tally in tallies for note in tally.incidents),
            desk_changes=tuple(note for tally in tallies for note in tally.desk_changes),
            desk_state=self.desk_state,
            heard=tuple(note for tally in tallies for note in tally.heard),
            drifts=tuple(note for tally in tallies for note in tally.drifts),
            comparisons=tuple(note for tally in tallies for note in tally.comparisons),
            acted=tuple(self._acted()),
            looked_after=tuple(note for tally in tallies for note in tally.looked_after),
            out_of_band=tuple(note for tally in tallies for note in tally.out_of_band),
            tagged=told.trades,
            ended_short=tuple(
                item for item in told.entries if item.order.client_order_id in self.ended
            ),
            strategy_news=tuple(note for tally in tallies for note in tally.strategy_news),
        )

    def _acted(self) -> Iterator[Acted]:
        for book, tally in self.tallies.values():
            because = {
                (watch.header.id, row.condition.code): row.condition.because
                for watch in book.watches
                for row in watch.rows
            }
            counted = Counter((note.watch, note.code, note.act) for note in tally.watched)
            for key, times in counted.most_common():
                yield Acted(*key, times, because[key[:2]])

    def _risks(self, orders: Mapping[str, Order]) -> Iterator[TradeRisk]:
        for book, tally in self.tallies.values():
            yield from risks(tally.trades, orders, stop_codes(book))

    def _idle(self) -> Iterator[Idle]:
        for book, tally in self.tallies.values():
            for name in tally.strategies():
                closed = {
                    (mask, why): count
                    for (rules, strategy, mask, why), count in self.closed.items()
                    if (rules, strategy) == (book.digest, name)
                }
                yield _idle(tally, book, name, closed)


def _idle(
    tally: Tally, book: RuleBook, name: str, closed: Mapping[tuple[int, Closed], int]
) -> Idle:
    conditions = book.strategy(name).no_trade
    masks = {mask: count for (strategy, mask), count in tally.blocked.items() if strategy == name}
    window = sum(1 << bit for bit, rule in enumerate(conditions) if is_window(rule))
    inside = {mask: count for mask, count in masks.items() if not mask & window}
    closed_inside = sum(count for (mask, _), count in closed.items() if not mask & window)
    bars: Counter[str] = Counter()
    for mask, count in masks.items():
        bars.update(dict.fromkeys(true_codes(conditions, mask), count))
    why: Counter[Closed] = Counter()
    for (_, each), count in closed.items():
        why[each] += count
    return Idle(
        strategy=name,
        bars=sum(masks.values()),
        in_window=sum(inside.values()),
        outcomes=ranked({outcome: count for (strategy, outcome), count in tally.outcomes.items()
                         if strategy == name}),
        reasons=tuple(Reason(rule.code, bars[rule.code], rule.because) for rule in conditions),
        always=tuple(
            (rule.code, _facts(rule))
            for bit, rule in enumerate(conditions)
            if inside and all(mask >> bit & 1 for mask in inside)
        ),
        closed=tuple(why.items()),
        known=frozenset(
            rule.code for rule in conditions
            if reads_enabled(rule) and closed_inside == sum(inside.values())
        ),
    )  # fmt: skip


def _facts(rule: Condition) -> tuple[str, ...]:
    """What the condition reads of the world; params and limits cannot be wrong on one day."""
    return tuple(name.name for name in ir.names(rule.when) if name.kind not in {LIMIT, PARAM})


def _refused(book: RuleBook, tally: Tally) -> Counter[str]:
    found: Counter[str] = Counter()
    for (data, protections, checks), count in tally.refused.items():
        codes = [
            *true_codes(book.blocks_entries.conditions, data),
            *true_codes([item.trips_when for item in book.protections], protections),
            *true_codes(book.entry_checks.conditions, checks),
        ]
        found.update(dict.fromkeys(codes, count))
    return found


def _trade_json(item: TradeRisk) -> dict[str, Any]:
    risk = {
        "stop_loss": item.stop_loss, "planned_risk": item.planned_usd, "lost": item.lost_usd,
        "beyond_plan": item.beyond_usd,
    }  # fmt: skip
    return trade_row(item.trade) | _exact_text(risk) | {"stopped": item.is_stopped}


def _gap_json(found: TradeWatched | None) -> dict[str, Any]:
    names = ("unprotected_s", "stop_after_ms", "stop_beyond")
    return _exact_text({name: getattr(found, name, None) for name in names})


def _idle_json(item: Idle) -> dict[str, Any]:
    return {
        "strategy": item.strategy,
        "bars": item.bars,
        "in_window": item.in_window,
        "outcomes": dict(item.outcomes),
        "no_trade": {reason.code: reason.bars for reason in item.reasons},
        "always_in_window": [{"code": code, "reads": list(reads)} for code, reads in item.always],
        "cause_known": [code for code, _ in item.always if code in item.known],
        "closed": [closed.to_json() | {"bars": bars} for closed, bars in item.closed],
    }


def _exact_text(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: decimal_text(value) if isinstance(value, Decimal) else value
        for name, value in fields.items()
    }


def _note_json(note: Note) -> dict[str, Any]:
    return {
        name.removesuffix("_ns"): iso_utc(value) if name.endswith("_ns") else value
        for name, value in note._asdict().items()
    }
