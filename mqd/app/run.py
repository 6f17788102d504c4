"""`mqd run`: the desk over a stream of bars, with a durable journal that a restart goes on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from mqd import __version__
from mqd.app.bars import recorded_feed
from mqd.app.interruptions import interruptions_of
from mqd.app.kill_file import kill_file
from mqd.app.series import SeriesFiles, with_series
from mqd.app.settings import Settings
from mqd.brokers.simulated import SimulatedBroker
from mqd.engine.core import Engine
from mqd.engine.moves import in_age_order
from mqd.feeds.calendar import exchange_datetime
from mqd.feeds.recorded import RecordedFeed
from mqd.ground.errors import ReconciliationError, SettingsError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.event import BarClosed, DeskStarted
from mqd.model.order import Order
from mqd.ports.clock import Clock
from mqd.ports.feed import FeedEvent
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book
from mqd.runtime.desk import Desk, Watcher
from mqd.runtime.loop import MOST_SESSIONS, Loop
from mqd.runtime.recovery import recover
from mqd.store.journal import SqlJournal, open_journal

if TYPE_CHECKING:
    from mqd.app.preflight import Check

# Nobody wants to sit through the nights between recorded sessions.
_LONGEST_WAIT_NS = 5 * NS_PER_MINUTE
_FLUSH_BEFORE_S = 1.0  # what only decides becomes durable within a second
_LISTEN_EVERY_S = 0.2  # a button must not wait for the next bar


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What to run: the rules, the bars (none: the samples), where the journal goes, how fast.

    `speed` is a multiple of real time, or None for as fast as possible.
    """

    book: RuleBook
    bars: tuple[Path, ...]
    settings: Settings
    journal_url: str
    speed: float | None = None
    most_sessions: int = MOST_SESSIONS


class DeskRun:
    """A desk that has taken its journal and is ready to run, or to go on after a restart."""

    warnings: tuple[Check, ...] = ()  # nobody is asked before recorded bars

    def __init__(self, plan: RunPlan, clock: Clock) -> None:
        """Open the journal, rebuild the state from it, and be ready.

        Raises:
            SetupError: the journal, the bars, the daily values or a setting cannot be used.
            JournalError: the journal is broken or does not replay byte for byte.
        """
        self.plan = plan
        self.clock = clock
        self.feed: RecordedFeed = recorded_feed(plan.bars, plan.book)
        self._series = SeriesFiles(plan.settings.series, plan.book)
        self._series.keep(self._first_date())  # what is wrong is told before anything runs
        self.journal: SqlJournal = open_journal(plan.journal_url, clock, write=True)
        try:
            broker = SimulatedBroker(plan.settings.simulation())
            self.recovered = recover(self.journal, broker, self.feed)
            engine = Engine.of(compile_book(plan.book))
            self.journal.remember_rules(plan.book.digest, plan.book.canonical)
            self.desk = Desk(engine, self.recovered.state, self.journal, broker)
        except BaseException:
            self.journal.close()
            raise

    @property
    def calls(self) -> None:
        """A simulated broker is not asked over a line."""
        return

    @property
    def bars_to_come(self) -> int | None:
        """How many bars this run will take."""
        rows, after_ns = self.feed.rows, self.recovered.last_bar_ns
        return rows.count if after_ns is None else int((rows.start_ns >= after_ns).sum())

    @property
    def is_restart(self) -> bool:
        """Whether the journal held a desk already."""
        return self.recovered.events > 0

    @property
    def unfinished(self) -> list[Order]:
        """Orders that have not ended: at a shutdown a person has to know of them."""
        return in_age_order(self.desk.state)

    def run(
        self,
        watchers: Iterable[Watcher] = (),
        stop_wanted: Callable[[], bool] = lambda: False,
        halt_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run until the bars end, enough sessions closed or a stop; then close the journal.

        Raises:
            ReconciliationError: the desk and the broker differ too much to start.
        """
        file = kill_file(self.plan.settings.kill_file, self.plan.journal_url)
        loop = Loop(
            self.desk,
            watchers,
            left_over=self.recovered.left_over,
            stop_wanted=stop_wanted,
            interruptions=interruptions_of(self.desk, self.journal, self.clock, file, halt_wanted),
        )
        started = DeskStarted(
            self._start_ns(), self.plan.book.digest, self.plan.settings.profile, __version__
        )
        try:
            start(loop, started)  # watched, because what is held is looked at under these rules
            rest = self._paced(self.recovered.rest_of(self.feed), loop)
            loop.run(with_series(rest, self._series, self.desk.state), self.plan.most_sessions)
            loop.take_interruptions()  # a signal may have come between the last look and the stop
        finally:
            self.journal.close()

    def _first_date(self) -> str:
        rows = self.feed.rows
        return exchange_datetime(rows.first_ns).date().isoformat() if rows.count else ""

    def _start_ns(self) -> int:
        """Recorded bars bring their own time: a desk starts when its first new bar starts."""
        if self.recovered.last_bar_ns is not None:
            return self.recovered.last_bar_ns
        return self.feed.rows.first_ns if self.feed.rows.count else 0

    def _paced(self, events: Iterable[FeedEvent], loop: Loop) -> Iterator[FeedEvent]:
        if self.plan.speed is None:
            yield from events
            return
        last_ns: int | None = None
        for event in events:
            if isinstance(event, BarClosed):
                if last_ns is not None:
                    wait_ns = min(event.at_ns - last_ns, _LONGEST_WAIT_NS)
                    wait_s = wait_ns / NS_PER_S / self.plan.speed
                    if wait_s >= _FLUSH_BEFORE_S:
                        self.journal.flush()
                    self._wait(wait_s, loop)
                last_ns = event.at_ns
            yield event

    def _wait(self, wait_s: float, loop: Loop) -> None:
        """Wait for the next bar, and listen meanwhile: a button must not wait for it too."""
        slices = ceil(wait_s / _LISTEN_EVERY_S)
        for _ in range(slices):
            self.clock.sleep(wait_s / slices)
            loop.take_interruptions()


def start(loop: Loop, started: DeskStarted) -> None:
    """Start a desk, and compare it with its broker before anything else.

    Raises:
        ReconciliationError: they differ by more than the rules let pass.
    """
    loop.start(started)
    loop.take_replies()
    refusals = loop.desk.state.refused_start
    if refusals:
        raise ReconciliationError(
            f"the start is refused by {', '.join(refusals)}: the desk and the broker differ;"
            " `mqd reconcile --dry-run` shows how, `mqd reconcile --adopt --by NAME --reason TEXT`"
            " takes the broker's side"
        )


def new_journal_url(folder: Path) -> str:
    """A journal of its own under the next free number; two runs at once never share one.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(p.name) for p in folder.iterdir() if p.name.isdigit()), default=0)
        while True:
            try:
                (folder / str(number)).mkdir()
                return f"sqlite:///{folder / str(number) / 'desk.db'}"
            except FileExistsError:
                number += 1
    except OSError as error:
        raise SettingsError(f"cannot make a journal under {folder}: {error.strerror}") from error


def latest_journal_url(places: Sequence[Path] = (Path("var/runs"), Path("var/practice"))) -> str:
    """The journal written last: the newest run, or `var/desk.db`.

    Raises:
        SettingsError: there is none yet.
    """
    found = [file for place in places for file in place.glob("*/desk.db")]
    found += [file for file in (Path("var/desk.db"),) if file.exists()]
    if not found:
        raise SettingsError("there is no journal yet; start with `mqd run`, or name one with --db")
    return f"sqlite:///{max(found, key=_last_written)}"


def _last_written(file: Path) -> tuple[int, str]:
    """When a journal was written last; a running desk writes beside the file, into its log."""
    return max(_written_ns(file), _written_ns(file.with_name(f"{file.name}-wal"))), str(file)


def _written_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:  # the log goes away with the last process that has it open
        return 0
