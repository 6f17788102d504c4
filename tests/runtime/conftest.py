"""A desk whose process may stop at any event: what the journal has is all that the next one has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mqd.app.run import start as start_desk
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.ground.canonical import encode
from mqd.ground.times import NS_PER_MINUTE, iso_utc, parse_iso
from mqd.model.command import Command, SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed, DeskStarted, Event, OperatorActed
from mqd.ports.broker import Broker
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import Recovered, recover
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
AFTER_COMMIT_TO_SEND = "after commit, with commands to send"
Pair = tuple[Event, Outcome]


def _nothing(where: str) -> None:
    """What happens at a point where nothing does."""


class KeptJournal(MemoryJournal):
    """A journal in memory that also keeps what it was given, so that a part of it can be made.

    `passes` is called before and after it does its work, and may end or fail the call there.
    """

    def __init__(self, passes: Callable[[str], None] = _nothing) -> None:
        super().__init__()
        self.pairs: list[Pair] = []
        self.passes = passes

    def append(self, event: Event) -> int:
        self.passes("before append")
        seq = super().append(event)
        self.passes("after append")
        return seq

    def commit(self, seq: int, outcome: Outcome) -> None:
        self.passes("before commit")
        event = self._writer.in_hand
        super().commit(seq, outcome)
        assert event is not None
        self.pairs.append((event, outcome))
        self.passes(AFTER_COMMIT_TO_SEND if outcome.commands else "after commit")

    def until(self, count: int, *, opened: bool = False) -> KeptJournal:
        """The journal a crash left after `count` events; `opened`: in the midst of the next."""
        return self._left(self.pairs[:count], self.pairs[count][0] if opened else None)

    def left(self) -> KeptJournal:
        """What the next process finds, if this one ends here."""
        return self._left(self.pairs, self._writer.in_hand)

    def _left(self, pairs: list[Pair], in_hand: Event | None) -> KeptJournal:
        part = KeptJournal()
        part._rules = dict(self._rules)
        for event, outcome in pairs:
            part.commit(part.append(event), outcome)
        if in_hand is not None:
            part.append(in_hand)
            part.flush()
            part._writer.in_hand = None  # the next process starts with an empty hand
            part._writer._is_open = False
        return part


class Came(NamedTuple):
    """What a day came to, however often its process ended: all that has to be equal.

    A restart asks the broker what it has, so the logs differ by that; what was decided, sent,
    booked and earned must not. `orders` are (state, filled) by id, `sent` is what left under an id.
    """

    decisions: list[str]
    trades: list[str]
    executions: dict[str, str]
    positions: list[str]
    cash_usd: Decimal
    orders: dict[str, tuple[str, Decimal]]
    sent: dict[str, tuple[object, ...]]
    desk: str


def came_to(pairs: Iterable[Pair], state: DeskState) -> Came:
    """What the events and outcomes of a journal, and the state after them, come to."""
    outcomes = [outcome for _, outcome in pairs]
    ledger = state.ledger
    return Came(
        decisions=[encode(each) for outcome in outcomes for each in outcome.decisions],
        trades=[encode(each) for outcome in outcomes for each in outcome.trades],
        executions={key: encode(each) for key, each in ledger.executions.items()},
        positions=[encode(each) for each in ledger.positions.open_positions()],
        cash_usd=ledger.cash_delta_usd,
        orders={key: (each.state, each.filled_qty) for key, each in state.orders.items()},
        sent=sent_once(command for outcome in outcomes for command in outcome.commands),
        desk=state.state_name,
    )


def sent_once(commands: Iterable[Command]) -> dict[str, tuple[object, ...]]:
    """Every order by its id; one id stands for one order, however often it is sent."""
    found: dict[str, tuple[object, ...]] = {}
    for command in commands:
        if isinstance(command, SubmitOrder):
            content = command._replace(at_ns=0)
            assert found.setdefault(command.client_order_id, content) == content, command
    return found


class Desks:
    """Starts processes over one feed, each with whatever journal it finds."""

    def __init__(self, books: dict[str, RuleBook], feed: RecordedFeed, **settings: Any) -> None:
        self.books = books
        self.feed = feed
        self.settings = SimulationSettings(**settings)
        self.engine = cache(self._engine)
        self.profile = "backtest"
        self.buttons: dict[int, str] = {}  # what a person presses after so many bars

    def _engine(self, digest: str) -> Engine:
        book = next(each for each in self.books.values() if each.digest == digest)
        return Engine.of(compile_book(book))

    def recovered(self, journal: KeptJournal, **settings: Any) -> tuple[Recovered, SimulatedBroker]:
        chosen = SimulationSettings(**settings) if settings else self.settings
        broker = SimulatedBroker(chosen)
        return recover(journal, broker, self.feed, self.engine), broker

    def start(
        self,
        journal: KeptJournal,
        book: str = "first",
        most: int | None = None,
        line_to: Callable[[Broker], Broker] = lambda broker: broker,
        **settings: Any,
    ) -> DeskState:
        """One process: recover, take the journal, run to the end or for `most` feed events.

        `line_to` makes what stands between the desk and its broker, where something does.
        """
        recovered, broker = self.recovered(journal, **settings)
        digest = self.books[book].digest
        journal.remember_rules(digest, self.books[book].canonical)
        desk = Desk(self.engine(digest), recovered.state, journal, line_to(broker))
        loop = Loop(
            desk, left_over=recovered.left_over, interruptions=lambda: self._pressed(journal)
        )
        start_desk(loop, DeskStarted(recovered.last_bar_ns or 0, digest, self.profile, "test"))
        loop.run(islice(recovered.rest_of(self.feed), most))
        return desk.state

    def _pressed(self, journal: KeptJournal) -> Iterator[OperatorActed]:
        """The button whose time has come, unless the journal has it already."""
        if self.buttons:
            events = [event for event, _ in journal.pairs]
            bars = [event for event in events if isinstance(event, BarClosed)]
            taken = sum(isinstance(event, OperatorActed) for event in events)
            due = [action for count, action in self.buttons.items() if count <= len(bars)]
            for action in due[taken:]:
                yield OperatorActed(bars[-1].at_ns, action, "", "Ada", "to see what it does")

    def whole(self) -> tuple[KeptJournal, Came]:
        """The same feed without a stop."""
        journal = KeptJournal()
        return journal, self.came(journal)

    def came(self, journal: KeptJournal, **how: Any) -> Came:
        """Run to the end of the feed; what the journal then tells."""
        return came_to(journal.pairs, self.start(journal, **how))


def write_bars(path: Path, rows: list[tuple[str, str, float, float]]) -> Path:
    """Rows of symbol, start, price and volume, flat bars all."""
    lines = ["symbol,ts,open,high,low,close,volume"]
    for symbol, start, price, volume in rows:
        values = (price - 0.01, price + 0.02, price - 0.03, price)
        lines.append(",".join([symbol, start, *(f"{each:.2f}" for each in values), f"{volume}"]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def minutes_from(start: str, count: int) -> Iterator[str]:
    first_ns = parse_iso(start)
    for number in range(count):
        yield iso_utc(first_ns + number * NS_PER_MINUTE)


def busy_rows(symbol: str = "SPY") -> list[tuple[str, str, float, float]]:
    """A morning that dips and comes back again and again, the last minutes, and the next open."""
    waves = [100.0] * 29 + [99.6, 99.5, 99.3, 99.55, 100.05, 100.2] * 5 + [99.5, 99.45, 99.4]
    rows = [(symbol, "2024-10-07T13:20:00Z", 100.0, 50.0)]
    rows += [
        (symbol, start, price, 100.0 + number)
        for number, (start, price) in enumerate(
            zip(minutes_from("2024-10-07T13:30:00Z", len(waves)), waves, strict=True)
        )
    ]
    del rows[20]  # a gap
    rows.insert(30, rows[30])  # printed twice
    rows += [(symbol, start, 99.42, 10.0) for start in minutes_from("2024-10-07T19:51:00Z", 9)]
    rows.append((symbol, "2024-10-07T20:05:00Z", 99.9, 7.0))
    rows += [
        (symbol, start, price, 10.0)
        for start, price in zip(
            minutes_from("2024-10-08T13:30:00Z", 34), [99.0] * 29 + [98.6, 98.5, 98.1, 99.2, 99.3],
            strict=True,
        )
    ]  # fmt: skip
    return rows


def feed_of(paths: list[Path], symbol: str | None = None) -> RecordedFeed:
    return RecordedFeed(read_bars(paths, symbol), ExchangeCalendar())


@pytest.fixture(scope="session")
def books() -> dict[str, RuleBook]:
    """`first` trades five times a day, `other` needs a deeper dip, `bare` has no protections,
    `declared` is as it is written.

    The bars here jump from minute to minute, so that much happens within a few of them; the
    volatility halt would keep `first` out of most of it. `other` has it.
    """
    values = {"max_trades_per_day": "5"}
    declared = load_rules(ROOT / "rules")
    others = tuple(each.id for each in declared.protections if each.id != "volatility_halt")
    return {
        "first": load_rules(ROOT / "rules", Changes(values=values, protections=others)),
        "other": load_rules(
            ROOT / "rules", Changes(values=values | {"entry_deviation_pct": "0.004"})
        ),
        "bare": load_rules(ROOT / "rules", Changes(values=values, protections=())),
        "declared": declared,
    }


@pytest.fixture(scope="session")
def busy_file(tmp_path_factory) -> Path:
    return write_bars(tmp_path_factory.mktemp("bars") / "busy.csv", busy_rows())


@pytest.fixture(scope="session")
def busy_feed(busy_file) -> RecordedFeed:
    return feed_of([busy_file], "SPY")


@pytest.fixture(scope="session")
def pair_of_symbols(tmp_path_factory) -> tuple[dict[str, RuleBook], RecordedFeed]:
    """Two strategies on two symbols whose bars end at the same instants."""
    folder = tmp_path_factory.mktemp("two")
    root = folder / "rules"
    shutil.copytree(ROOT / "rules", root)
    text = (root / STRATEGY_FILE).read_text(encoding="utf-8")
    text = text.replace("strategy: vwap_micro_mean_reversion", "strategy: twin")
    (root / "strategies/twin.yaml").write_text(
        text.replace("symbol: SPY", "symbol: QQQ"), encoding="utf-8"
    )
    spy, qqq = busy_rows()[:70], busy_rows("QQQ")[:70]
    both = [row for pair in zip(spy, qqq, strict=True) for row in pair]
    return {"first": load_rules(root)}, feed_of([write_bars(folder / "two.csv", both)])


MARKETS: dict[str, dict[str, Any]] = {
    "close": {},
    "close-in-parts": {"largest_fill_shares": Decimal(2), "fee_per_share_usd": Decimal("0.005")},
    "close-with-rejects": {"reject_every": 2, "slippage_bps": Decimal("0.7")},
    "next-open": {"fill": "next-open", "slippage_bps": Decimal(1)},
    "next-open-in-parts": {
        "fill": "next-open", "largest_fill_shares": Decimal("1.7"), "reject_every": 3,
    },
}  # fmt: skip


@pytest.fixture(params=MARKETS)
def market(request) -> dict[str, Any]:
    return MARKETS[request.param]


@pytest.fixture
def desks(books, busy_feed, market) -> Desks:
    return Desks(books, busy_feed, **market)


@pytest.fixture
def runtime() -> Any:
    """Everything above, for the tests beside this file."""
    return sys.modules[__name__]


@pytest.fixture
def make_desks() -> Callable[..., Desks]:
    return Desks


@pytest.fixture
def real_bars() -> Path:
    path = DATA / "bars" / "spy_2025-01-02_2025-01-31.parquet"
    if not path.exists():
        pytest.skip("the real bars are not beside this checkout")
    return path


@pytest.fixture
def real_feed(real_bars) -> RecordedFeed:
    return feed_of([real_bars])


@pytest.fixture(scope="session")
def every_protection() -> tuple[str, ...]:
    """The names of all protections that are shipped."""
    return tuple(each.id for each in load_rules(ROOT / "rules").protections)
