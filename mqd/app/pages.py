"""What the published pages show beside the rules: gathered here, where every room is in reach."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mqd.app.attributed import AttributionOf
from mqd.app.backtest import run_backtest
from mqd.brokers.simulated import SimulationSettings
from mqd.engine.portfolio import RAISED, RETURNED
from mqd.engine.state import DeskState
from mqd.feeds.calendar import exchange_time_text
from mqd.ground.errors import SettingsError
from mqd.model.decision import (
    ENTER,
    EXIT,
    AllocationChanged,
    BarSetAside,
    BreakerMoved,
    Decision,
    DeskStateChanged,
    Outcome,
    PromotionProposed,
    ProtectionReleased,
    ProtectionTripped,
    StrategyMoved,
    WatchActed,
)
from mqd.model.event import BarClosed, Event, SessionOpened
from mqd.model.order import Order
from mqd.publish.attribution import AttributionReport
from mqd.publish.beside import Beside, Command
from mqd.publish.cases import read_cases
from mqd.publish.controls import FILE as CONTROLS_FILE
from mqd.publish.controls import Controls, Fired, read_controls
from mqd.publish.deviations import FILE, Deviation, read_deviations
from mqd.publish.example import Example, Moment
from mqd.publish.exercised import exercised_rules
from mqd.publish.tables import DecisionTable
from mqd.publish.why import explain_decision
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.words.blocking import WHILE_TRUE

_MOVES_A_SHARE = {RAISED: "raises", RETURNED: "returns"}
_BARS = "the sample sessions that come with the desk, which are synthetic and no market data"


def beside_the_rules(book: RuleBook, out: Path, commands: tuple[Command, ...] = ()) -> Beside:
    """Everything that `mqd docs` shows beside the rules, for pages in the folder `out`.

    The tests are those in the folder `tests` next to it; without one, pages tell of no tests.

    Raises:
        SettingsError: a file beside the pages cannot be read, or names a rule that is not there.
    """
    folder = out.absolute().parent / "tests"
    tests = exercised_rules(folder, book) if folder.is_dir() else {}
    fired, told = fired_in_samples(book), attributed(book)
    fired |= _told_of_trades(book, told)
    return Beside(
        home=out,
        examples=worked_examples(book),
        commands=commands,
        tests=tests,
        cases=read_cases(folder, tests),
        controls=controls(book, out, fired),
        fired=fired,
        deviations=_deviations(book, out),
        attributed=told,
    )


def attributed(book: RuleBook) -> AttributionReport | None:
    """What is told of the trades on the samples; None where no strategy runs."""
    if not any(strategy.runs for strategy in book.strategies):
        return None
    watch = AttributionOf(book)
    return watch.report(run_backtest(book, (), SimulationSettings(), (watch,)))


def _told_of_trades(book: RuleBook, found: AttributionReport | None) -> dict[str, Fired]:
    """Which tags and ways to fail the trades and entries of the samples carry, and when last."""
    seen: dict[str, list[int]] = {}
    if found is None:
        return {}
    tags = {tag.condition.code for tag in book.attribution.tags} if book.attribution else set()
    for item in found.trades:
        trade = item.risk.trade
        codes = [f"{trade.strategy} {code}" for code in item.failures]
        for code in (*codes, *({item.tag} & tags)):
            seen.setdefault(code, []).append(trade.exit_ns)
    for entry in found.entries:
        for code in entry.failures:
            own = f"{entry.order.strategy} {code}"
            seen.setdefault(own, []).append(entry.order.created_ns)
    return {code: Fired(len(at), exchange_time_text(max(at))) for code, at in seen.items()}


def worked_examples(book: RuleBook) -> dict[str, Example]:
    """A real decision of each strategy that runs, by its id: made by the engine on the samples."""
    if not any(strategy.runs for strategy in book.strategies):
        return {}  # nothing decides anything
    keeper = _Keeper(compile_book(book))
    result = run_backtest(book, (), SimulationSettings(), (keeper,))
    keeper.orders = result.state.orders
    found = {}
    for compiled in result.book.strategies:
        example = keeper.example(compiled.rules.id)
        if example is not None:
            found[compiled.rules.id] = example
    return found


def controls(book: RuleBook, out: Path, fired: dict[str, Fired] | None = None) -> Controls:
    """The controls of the documents folder, and which of their rules came true in the samples.

    Raises:
        SettingsError: their file cannot be read, or names what is not there.
    """
    sections = read_controls(out / CONTROLS_FILE, book)
    if not sections:
        return Controls(sections, {})
    return Controls(sections, fired_in_samples(book) if fired is None else fired)


def fired_in_samples(book: RuleBook) -> dict[str, Fired]:
    """Which rules came true in the samples, how often, and when last.

    By code; a strategy's own conditions also by `STRATEGY CODE`.
    """
    if not any(strategy.runs for strategy in book.strategies):
        return {}
    counter = _Counter(compile_book(book))
    run_backtest(book, (), SimulationSettings(), (counter,))
    return counter.fired


class _Counter:
    """Counts what came true: conditions, protections, checks, rows of machines and of watches."""

    def __init__(self, book: CompiledBook) -> None:
        self.fired: dict[str, Fired] = {}
        self._table = DecisionTable(book)
        # One that lasts a while fires when it trips; it stands as well where nobody can tell.
        self._told = {each.id for each in book.rules.protections if each.lasts != WHILE_TRUE}

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Count one event's."""
        for decision in outcome.decisions:
            blocking = self._table.blocking(decision)
            self._count((code for code in blocking if code not in self._told), event.at_ns)
            own = [*self._table.no_trade(decision), *self._table.exits(decision)]
            self._count((f"{decision.strategy} {code}" for code in own), event.at_ns)
        self._count((moved.rule for moved in outcome.transitions), event.at_ns)
        for note in outcome.notes:
            match note:
                case BarSetAside():
                    self._count(note.codes, event.at_ns)
                case DeskStateChanged() | ProtectionReleased() | BreakerMoved():
                    self._count((note.rule,), event.at_ns)
                case ProtectionTripped():
                    self._count((note.rule, note.protection), event.at_ns)
                case WatchActed():
                    self._count((note.code,), event.at_ns)
                case StrategyMoved():
                    self._count(filter(None, (note.rule, note.row)), event.at_ns)
                case PromotionProposed():
                    self._count((note.row,), event.at_ns)
                case AllocationChanged() if note.why in _MOVES_A_SHARE:
                    self._count((_MOVES_A_SHARE[note.why],), event.at_ns)
        if isinstance(event, SessionOpened):
            every = {symbol.regime for symbol in state.symbols.values()}
            self._count(filter(None, sorted(every)), event.at_ns)

    def _count(self, codes: Iterable[str], at_ns: int) -> None:
        last = exchange_time_text(at_ns)
        for code in codes:
            before = self.fired.get(code)
            self.fired[code] = Fired(before.times + 1 if before else 1, last)


def _deviations(book: RuleBook, out: Path) -> tuple[Deviation, ...]:
    path = out / FILE
    if not path.is_file():
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    return read_deviations(text, str(path), book)


class _Seen(NamedTuple):
    """What there is to explain; explaining is slow, so only what is shown is explained."""

    bar: BarClosed
    decision: Decision
    outcome: Outcome


class _Keeper:
    """Keeps of each strategy the first entry that was filled, its exit, and its nearest miss."""

    def __init__(self, book: CompiledBook) -> None:
        self.orders: dict[str, Order] = {}
        self._book = book
        self._entries: dict[str, Moment] = {}
        self._entry_ns: dict[str, int] = {}
        self._finished: dict[str, Example] = {}
        self._misses: dict[str, tuple[int, _Seen]] = {}

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Look at one event's decisions and trades."""
        if isinstance(event, BarClosed):
            for decision in outcome.decisions:
                self._decided(event, decision, outcome)
        for trade in outcome.trades:
            waiting = self._finished.get(trade.strategy)
            if waiting is not None and waiting.trade is None:
                self._finished[trade.strategy] = waiting._replace(trade=trade)

    def _decided(self, bar: BarClosed, decision: Decision, outcome: Outcome) -> None:
        strategy = decision.strategy
        if strategy in self._finished:
            return
        if decision.outcome == ENTER:
            self._entries[strategy] = self._moment(_Seen(bar, decision, outcome))
            self._entry_ns[strategy] = bar.at_ns
        elif decision.outcome == EXIT and strategy in self._entries:
            left = self._moment(_Seen(bar, decision, outcome))
            self._finished[strategy] = Example(strategy, _BARS, self._entries[strategy], exit=left)
        against = decision.no_trade.bit_count()
        if strategy not in self._misses or against < self._misses[strategy][0]:
            self._misses[strategy] = against, _Seen(bar, decision, outcome)

    def _moment(self, seen: _Seen) -> Moment:
        records = (*seen.outcome.commands, *seen.outcome.notes)
        explained = explain_decision(
            0, seen.bar, seen.decision, records, self._book, with_flips=False
        )
        return Moment(exchange_time_text(seen.bar.at_ns), explained)

    def example(self, strategy: str) -> Example | None:
        """The first round trip; else the bar on which least stood against an entry."""
        found = self._finished.get(strategy)
        if found is None:
            miss = self._misses.get(strategy)
            return Example(strategy, _BARS, self._moment(miss[1])) if miss else None
        entered_ns = self._entry_ns[strategy]
        entry = next(
            (
                order
                for order in self.orders.values()
                if order.strategy == strategy and order.created_ns == entered_ns
            ),
            None,
        )
        if entry is None:
            return found
        return found._replace(qty=entry.qty, stop_loss=entry.stop_loss)
