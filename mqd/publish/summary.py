"""A run of the desk, summed up: the facts for a person's summary and for a program's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.decision import DeskStateChanged, IncidentRaised, ProtectionTripped
from mqd.model.position import ZERO, Trade
from mqd.publish.figures import exact
from mqd.publish.strategy_news import StrategyNews, news_json
from mqd.publish.tables import trade_row
from mqd.publish.tally import Tally, percentiles_us
from mqd.rules.book import Condition, RuleBook

_MICROSECOND_DIGITS = 1
_SHARE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class RunLabel:
    """What a run was: where, on which bars, how it began and ended.

    `bars` are the files, none for the synthetic samples; `going_on_after_ns` is the last bar of a
    journal that the run went on from, with the number of events replayed.
    """

    profile: str
    journal: str
    bars: tuple[str, ...]
    ended: str
    going_on_after_ns: int | None = None
    events_replayed: int = 0

    @property
    def is_synthetic(self) -> bool:
        """Whether the bars are the shipped samples, which are no market data."""
        return not self.bars


class Reason(NamedTuple):
    """A NO-TRADE code: on how many bars it was true, why it exists."""

    code: str
    bars: int
    because: str


class StrategySummary(NamedTuple):
    """One strategy's decisions: bars, outcomes, and every NO-TRADE code in the order of its file.

    A bar can have several codes, so they add up to more than the bars.
    """

    strategy: str
    bars: int
    outcomes: tuple[tuple[str, int], ...]
    no_trade: tuple[Reason, ...]


class OpenPosition(NamedTuple):
    """Shares still held, at their last close."""

    strategy: str
    symbol: str
    qty: Decimal
    entry_price: Decimal
    last_close: Decimal
    unrealised_usd: Decimal


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Everything that the end of a run has to say; money is exact."""

    label: RunLabel
    rules_digest: str
    sessions: tuple[str, ...]
    sessions_closed: int
    bars_counted: int
    bars_aside: int
    aside: tuple[tuple[str, int], ...]
    defects: tuple[tuple[str, int], ...]
    trades: tuple[Trade, ...]
    open_positions: tuple[OpenPosition, ...]
    strategies: tuple[StrategySummary, ...]
    refused: tuple[tuple[str, int], ...]
    tripped: tuple[ProtectionTripped, ...]
    incidents: tuple[IncidentRaised, ...]
    desk_state: str
    desk_changes: tuple[DeskStateChanged, ...]
    order_states: tuple[tuple[str, int], ...]
    latency_us: dict[str, float]
    latency_with_orders_us: dict[str, float]
    strategy_news: tuple[StrategyNews, ...] = ()

    @property
    def pnl_usd(self) -> Decimal:
        """What the finished trades made together."""
        return sum((trade.pnl_usd for trade in self.trades), ZERO)

    @property
    def won(self) -> int:
        """How many trades made money."""
        return sum(trade.pnl_usd > 0 for trade in self.trades)

    def to_json(self) -> dict[str, Any]:
        """The summary for a program: times in UTC, money and prices as exact text."""
        label, trades = self.label, len(self.trades)
        return {
            "profile": label.profile,
            "rules_digest": self.rules_digest,
            "journal": label.journal,
            "ended": label.ended,
            "going_on_after": _iso(label.going_on_after_ns),
            "events_replayed": label.events_replayed,
            "bars": {
                "synthetic": label.is_synthetic,
                "files": list(label.bars),
                "counted": self.bars_counted,
                "set_aside": self.bars_aside,
                "set_aside_by_code": dict(self.aside),
                "defects": dict(self.defects),
            },
            "sessions": {"opened": list(self.sessions), "closed": self.sessions_closed},
            "trades": [trade_row(trade) for trade in self.trades],
            "pnl": decimal_text(self.pnl_usd),
            "won": self.won,
            "win_rate": round(self.won / trades, _SHARE_DIGITS) if trades else None,
            "open_positions": [_position_row(position) for position in self.open_positions],
            "strategies": {item.strategy: _strategy_row(item) for item in self.strategies},
            "refused_entries": dict(self.refused),
            "protections_tripped": [_note_row(note) for note in self.tripped],
            "incidents": [_note_row(note) for note in self.incidents],
            **news_json(self.strategy_news),
            "desk_state": self.desk_state,
            "desk_changes": [_note_row(note) for note in self.desk_changes],
            "order_states": dict(self.order_states),
            "latency_us": _rounded(self.latency_us),
            "latency_with_orders_us": _rounded(self.latency_with_orders_us),
        }


def summarise(tally: Tally, state: DeskState, book: RuleBook, label: RunLabel) -> RunSummary:
    """What `tally` counted under the rules of `book`, and how the desk stands now."""
    return RunSummary(
        label=label,
        rules_digest=book.digest,
        sessions=tuple(tally.sessions),
        sessions_closed=tally.sessions_closed,
        bars_counted=tally.bars_counted,
        bars_aside=tally.bars_aside,
        aside=ranked(tally.aside),
        defects=ranked(tally.defects),
        trades=tuple(tally.trades),
        open_positions=open_positions(state),
        strategies=tuple(_strategy(tally, book, name) for name in tally.strategies()),
        refused=ranked(refused_codes(tally.refused, book)),
        tripped=tuple(tally.tripped),
        incidents=tuple(tally.incidents),
        desk_state=state.state_name,
        desk_changes=tuple(tally.desk_changes),
        order_states=ranked(Counter(order.state for order in state.orders.values())),
        latency_us=percentiles_us(tally.took),
        latency_with_orders_us=percentiles_us(tally.took_with_orders),
        strategy_news=tuple(tally.strategy_news),
    )


def ranked(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The most frequent first; equals by name."""
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def open_positions(state: DeskState) -> tuple[OpenPosition, ...]:
    """What the desk holds, at the last close of each symbol."""
    found = []
    for position in state.ledger.positions.open_positions():
        last = exact(state.symbol(position.symbol).last_close)
        found.append(
            OpenPosition(
                position.strategy,
                position.symbol,
                position.qty,
                position.cost_usd / position.qty,
                last,
                position.qty * last - position.cost_usd,
            )
        )
    return tuple(found)


def true_codes(conditions: Iterable[Condition], mask: int) -> list[str]:
    """The codes whose bit is set, in the order of the file."""
    return [rule.code for bit, rule in enumerate(conditions) if mask >> bit & 1]


def _strategy(tally: Tally, book: RuleBook, name: str) -> StrategySummary:
    conditions = book.strategy(name).no_trade
    bars: Counter[str] = Counter()
    for (strategy, mask), count in tally.blocked.items():
        if strategy == name:
            bars.update(dict.fromkeys(true_codes(conditions, mask), count))
    outcomes = {
        outcome: count for (strategy, outcome), count in tally.outcomes.items() if strategy == name
    }
    return StrategySummary(
        name,
        sum(outcomes.values()),
        ranked(outcomes),
        tuple(Reason(rule.code, bars[rule.code], rule.because) for rule in conditions),
    )


def refused_codes(masks: Mapping[tuple[int, int, int], int], book: RuleBook) -> Counter[str]:
    """How often each code refused an entry, from counts by (data, protections, checks)."""
    found: Counter[str] = Counter()
    for (data, protections, checks), count in masks.items():
        codes = [
            *true_codes(book.blocks_entries.conditions, data),
            *true_codes([item.trips_when for item in book.protections], protections),
            *true_codes(book.entry_checks.conditions, checks),
        ]
        found.update(dict.fromkeys(codes, count))
    return found


def _strategy_row(item: StrategySummary) -> dict[str, Any]:
    return {
        "bars": item.bars,
        "outcomes": dict(item.outcomes),
        "no_trade": {
            reason.code: {
                "bars": reason.bars,
                "share": round(reason.bars / item.bars, _SHARE_DIGITS),
            }
            for reason in item.no_trade
        },
    }


def _position_row(position: OpenPosition) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else decimal_text(value)
        for name, value in position._asdict().items()
    }


def _note_row(note: ProtectionTripped | IncidentRaised | DeskStateChanged) -> dict[str, str]:
    fields = note._asdict()
    named = {name.removesuffix("_ns"): value for name, value in fields.items()}
    return {name: iso_utc(value) if isinstance(value, int) and value else str(value or "")
            for name, value in named.items()}  # fmt: skip


def _rounded(latency_us: dict[str, float]) -> dict[str, float]:
    return {name: round(value, _MICROSECOND_DIGITS) for name, value in latency_us.items()}


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else iso_utc(at_ns)
