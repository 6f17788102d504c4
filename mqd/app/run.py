"""`mqd run`: the desk over a stream of bars, with a durable journal that a restart goes on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mqd import __version__
from mqd.app.bars import recorded_feed
from mqd.app.settings import Settings
from mqd.brokers.simulated import SimulatedBroker, reply_key
from mqd.engine.core import Engine
from mqd.feeds.recorded import RecordedFeed
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.event import BarClosed, DeskStarted
from mqd.ports.clock import Clock
from mqd.ports.feed import FeedEvent
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book
from mqd.runtime.desk import Desk, Watcher
from mqd.runtime.loop import MOST_SESSIONS, Loop
from mqd.runtime.replay import recover
from mqd.store.journal import SqlJournal, open_journal

# Nobody wants to sit through the nights between recorded sessions.
_LONGEST_WAIT_NS = 5 * NS_PER_MINUTE
_FLUSH_BEFORE_S = 1.0  # what only decides becomes durable within a second


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

    def __init__(self, plan: RunPlan, clock: Clock) -> None:
        """Open the journal, rebuild the state from it, and be ready.

        Raises:
            SetupError: the journal, the bars or a setting cannot be used.
            JournalError: the journal is broken or does not replay byte for byte.
        """
        self.plan = plan
        self.clock = clock
        self.feed: RecordedFeed = recorded_feed(plan.bars, plan.book)
        self.journal: SqlJournal = open_journal(plan.journal_url, clock, write=True)
        try:
            broker = SimulatedBroker(plan.settings.simulation())
            self.recovered = recover(self.journal, broker, reply_key)
            engine = Engine.of(compile_book(plan.book))
            self.journal.remember_rules(plan.book.digest, plan.book.canonical)
            self.desk = Desk(engine, self.recovered.state, self.journal, broker)
        except BaseException:
            self.journal.close()
            raise

    @property
    def is_restart(self) -> bool:
        """Whether the journal held a desk already."""
        return self.recovered.events > 0

    def run(
        self, watchers: Iterable[Watcher] = (), stop_wanted: Callable[[], bool] = lambda: False
    ) -> None:
        """Run until the bars end, enough sessions closed or a stop; then close the journal."""
        loop = Loop(self.desk, watchers, reply_key=reply_key, stop_wanted=stop_wanted)
        loop.journaled = self.recovered.journaled
        started = DeskStarted(
            self._start_ns(), self.plan.book.digest, self.plan.settings.profile, __version__
        )
        try:
            loop.start(started)  # watched, because what is held is looked at under these rules
            loop.run(self._paced(self._remaining()), self.plan.most_sessions)
        finally:
            self.journal.close()

    def _start_ns(self) -> int:
        """Recorded bars bring their own time: a desk starts when its first new bar starts."""
        if self.recovered.last_bar_ns is not None:
            return self.recovered.last_bar_ns
        return self.feed.rows.first_ns if self.feed.rows.count else 0

    def _remaining(self) -> Iterator[FeedEvent]:
        """What the feed still has to say; what the journal holds already is skipped."""
        events = self.feed.events(self.recovered.feed_after_ns)
        return islice(events, self.recovered.feed_skips, None)

    def _paced(self, events: Iterable[FeedEvent]) -> Iterator[FeedEvent]:
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
                    self.clock.sleep(wait_s)
                last_ns = event.at_ns
            yield event


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


def latest_journal_url(places: Sequence[Path] = (Path("var/runs"),)) -> str:
    """The journal written last: the newest run, or `var/desk.db`.

    Raises:
        SettingsError: there is none yet.
    """
    found = [file for place in places for file in place.glob("*/desk.db")]
    found += [file for file in (Path("var/desk.db"),) if file.exists()]
    if not found:
        raise SettingsError("there is no journal yet; start with `mqd run`, or name one with --db")
    latest = max(found, key=lambda file: (file.stat().st_mtime_ns, str(file)))
    return f"sqlite:///{latest}"
