"""`mqd run` with a broker's account: practice, paper or live, over real lines.

The same loop as over recorded bars; what comes in waits in one inbox, and time is a clock's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from random import Random

from mqd import __version__
from mqd.app.account import Account
from mqd.app.feed_time import FeedTime
from mqd.app.interruptions import interruptions_of
from mqd.app.kill_file import kill_file
from mqd.app.lines import Answer, Lines, booked_there, session_of
from mqd.app.operate import would_move
from mqd.app.preflight import FAILED, STARTS, Check, Preflight, refuse_failed
from mqd.app.run import RunPlan
from mqd.app.series import SeriesFiles, SeriesWatch
from mqd.app.times import TimesWatch
from mqd.brokers.alpaca.properties import SymbolPropertiesCache
from mqd.brokers.alpaca.session import AlpacaSession
from mqd.brokers.alpaca.tally import Tally
from mqd.engine.core import Engine
from mqd.engine.moves import in_age_order
from mqd.engine.state import DeskState
from mqd.feeds.alpaca_bars.feed import AlpacaBars, BarsSource
from mqd.ground.errors import ReconciliationError
from mqd.ground.times import NS_PER_S
from mqd.model.decision import Outcome
from mqd.model.event import DeskStarted, Event, OperatorActed
from mqd.model.order import Order
from mqd.ports.clock import Clock
from mqd.publish.api_calls import ApiCalls, CycleWatch
from mqd.rules.compile.book import compile_book
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk, Watcher
from mqd.runtime.live import LiveStream
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import Recovered, rebuilt
from mqd.store.database import file_of, journal_url
from mqd.store.journal import SqlJournal, open_journal

BY_CHECKS = "the checks before the start"
_FLUSH_EVERY_NS = NS_PER_S
_LONGEST_REASON = 500


class LiveRun:
    """A desk that has taken its journal and its account, and is ready to run or to go on.

    `warnings` are the checks that failed where it starts all the same, to get out.
    """

    def __init__(self, plan: RunPlan, account: Account, clock: Clock) -> None:
        """Look at everything before the first order, own journal and account, rebuild the state.

        Raises:
            SettingsError: a check before the start failed.
            SetupError: the journal or the account cannot be had.
            JournalError: the journal is broken or does not replay byte for byte.
            BrokerUnavailableError: the broker cannot be reached.
        """
        self.plan = plan
        self._account = account
        self._tally = Tally()
        self._cycles = CycleWatch()
        self._held = ExitStack()
        self._flushed_ns = 0
        words, heard = plan.book.broker_words, self._tally.add
        self.warnings: tuple[Check, ...] = ()
        number, properties = self._preflight(clock, session_of(account, words, clock, heard))
        self.lines = self._held.enter_context(Lines(account, words, clock, heard, properties))
        self.clock: Clock = self.lines.clock
        self.inbox, self.broker = self.lines.inbox, self.lines.broker
        try:
            self.journal: SqlJournal = self._held.enter_context(
                open_journal(plan.journal_url, self.clock, write=True, account=number)
            )
            self.recovered: Recovered = rebuilt(self.journal)
            self.broker.remember(booked_there(self.recovered.state))
            self.journal.remember_rules(plan.book.digest, plan.book.canonical)
            engine = Engine.of(compile_book(plan.book))
            self.desk = Desk(engine, self.recovered.state, self.journal, self.broker)
        except BaseException:
            self._held.close()
            raise

    @property
    def is_restart(self) -> bool:
        """Whether the journal held a desk already."""
        return self.recovered.events > 0

    @property
    def unfinished(self) -> list[Order]:
        """Orders that have not ended: at a shutdown a person has to know of them."""
        return in_age_order(self.desk.state)

    @property
    def bars_to_come(self) -> None:
        """Nobody knows how many bars a live feed will bring."""
        return

    @property
    def calls(self) -> ApiCalls:
        """What was asked of the broker so far."""
        return self._cycles.with_calls(self._tally.counts, self._tally.busiest_minute)

    def run(
        self,
        watchers: Iterable[Watcher] = (),
        stop_wanted: Callable[[], bool] = lambda: False,
        halt_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run until enough sessions closed or a stop; then let go of everything.

        Raises:
            ReconciliationError: the desk and the broker differ too much to start.
            BrokerUnavailableError: the broker did not say what it has.
        """
        answer = Answer()
        lookers_on = [_LookerOn(watcher) for watcher in watchers]
        file = kill_file(self.plan.settings.kill_file, self.plan.journal_url)
        files = SeriesFiles(self.plan.settings.series, self.plan.book)
        with self._held:
            times = self._times()
            loop = Loop(
                self.desk,
                (*lookers_on, self._cycles, answer, FeedTime(self.clock), times),
                interruptions=interruptions_of(
                    self.desk,
                    self.journal,
                    self.clock,
                    file,
                    halt_wanted,
                    [times, SeriesWatch(files, self.desk, self.clock)],
                ),
            )
            events = self._events(loop, stop_wanted)
            with self.lines.in_use():
                self._start(loop, answer, stop_wanted)
                feed = self._feed()
                self.lines.until_closed(feed.stop)
                feed.start(self._feed_after_ns(), self.recovered.told_ns)
                loop.run(events, self.plan.most_sessions)
                loop.take_interruptions()
            loop.run(events.rest())
        for each in lookers_on:
            each.tell_trouble()

    # -- before the start -------------------------------------------------------------------------

    def _preflight(self, clock: Clock, session: AlpacaSession) -> tuple[str, SymbolPropertiesCache]:
        preflight = Preflight(self.plan.settings, self._account, self.plan.book, clock, session)
        try:
            found = [*preflight.checks(self.plan.journal_url)]
        finally:
            preflight.close()
        failed = tuple(check for check in found if check.verdict == FAILED)
        if any(check.stops == STARTS for check in failed) or not self._has_to_get_out(failed):
            refuse_failed(found, "this desk does not start")
        self.warnings = failed
        symbols = sorted({each.symbol for each in self.plan.book.strategies if each.runs})
        return preflight.account_number, SymbolPropertiesCache(symbols, preflight.properties)

    def _has_to_get_out(self, failed: Iterable[Check]) -> bool:
        """Whether the journal holds a position of ours, or an order that has not ended."""
        file = file_of(journal_url(self.plan.journal_url))
        if not any(failed) or (file is not None and not file.is_file()):
            return False
        with open_journal(self.plan.journal_url, SystemClock(), write=False) as journal:
            state = rebuilt(journal).state
        return bool(state.holdings or state.working)

    def _times(self) -> TimesWatch:
        plan, account = self.plan, self._account
        session = session_of(account, plan.book.broker_words, self.clock, self._tally.add)
        preflight = Preflight(plan.settings, account, plan.book, self.clock, session)
        watch = TimesWatch(self.desk, preflight, self.clock)
        self.lines.until_closed(watch.close)
        return watch

    # -- the start --------------------------------------------------------------------------------

    def _start(self, loop: Loop, answer: Answer, stop_wanted: Callable[[], bool]) -> None:
        """Start the desk, listen to the news, and compare before any bar is decided on."""
        state = self.desk.state
        now_ns = max(state.now_ns, self.clock.now_ns())
        loop.start(DeskStarted(now_ns, self.plan.book.digest, self._account.profile, __version__))
        if self.warnings and would_move(self.desk, "halt"):
            said = "; ".join(f"{check.name}: {check.said}" for check in self.warnings)
            loop.take(OperatorActed(now_ns, "halt", "", BY_CHECKS, said[:_LONGEST_REASON]))
        self.lines.listen()
        self.lines.compare(
            loop, answer, stop_wanted, lambda: self._between(loop), matters=self.desk.would_act
        )
        if state.refused_start:
            raise ReconciliationError(
                f"the start is refused by {', '.join(state.refused_start)}: the desk and the"
                " broker differ; `mqd reconcile --dry-run` shows how, `mqd reconcile --adopt"
                " --by NAME --reason TEXT` takes the broker's side"
            )

    def _feed(self) -> AlpacaBars:
        account, requests = self._account, self.plan.book.broker_words.requests
        source = BarsSource(
            tuple(sorted({each.symbol for each in self.plan.book.strategies if each.runs})),
            account.keys,
            account.addresses.data_url,
            account.addresses.data_stream_url,
            requests,
            account.bars,
            None if account.is_exchange_time else requests.read_timeout_s,
        )
        calendar = self.lines.calendar
        return AlpacaBars(source, self.clock, calendar, self.inbox, Random().random)  # noqa: S311  # scatters pauses

    def _feed_after_ns(self) -> int | None:
        """After the last bar; with several symbols before it, because one may be missing."""
        recovered = self.recovered
        is_one = len({each.symbol for each in self.plan.book.strategies if each.runs}) == 1
        return recovered.last_bar_ns if is_one else recovered.feed_after_ns

    def _events(self, loop: Loop, stop_wanted: Callable[[], bool]) -> LiveStream:
        return self.lines.events(
            stop_wanted, lambda: self._between(loop), matters=self.desk.would_act
        )

    def _between(self, loop: Loop) -> None:
        now_ns = self.clock.monotonic_ns()
        if now_ns - self._flushed_ns >= _FLUSH_EVERY_NS:
            self._flushed_ns = now_ns
            self.journal.flush()
        loop.take_interruptions()
        with suppress(OSError):  # of a terminal that is gone
            self.clock.sleep(0)  # whoever draws a screen has time now


class _LookerOn:
    """A watcher whose own trouble, as a pipe that broke, ends no desk that trades for real."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._trouble: Exception | None = None

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Show it to the watcher, as long as it can look."""
        if self._trouble is None:
            try:
                self._watcher.saw(event, outcome, state)
            except Exception as error:  # noqa: BLE001  # told when nothing depends on it any more
                self._trouble = error

    def tell_trouble(self) -> None:
        """Raise what ended the watcher, if anything did."""
        if self._trouble is not None:
            raise self._trouble
