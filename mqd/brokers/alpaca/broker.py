"""Alpaca as the desk's broker: commands go out on worker threads, answers come into the inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Event as Signal
from threading import Lock, Thread

from mqd.brokers.alpaca.asking import Asker, ClosingError
from mqd.brokers.alpaca.errands import LOCKED_OUT, STREAM, Errands, KnownOrders, Setting
from mqd.brokers.alpaca.fills import STREAM as TRADE_UPDATES
from mqd.brokers.alpaca.fills import TradeNews, read_trade_update
from mqd.brokers.alpaca.keys import KeyDoubt
from mqd.brokers.alpaca.lanes import ALL_LANES, Lane, Lanes
from mqd.brokers.alpaca.orders import LastCheck, no_check
from mqd.brokers.alpaca.pace import Pace
from mqd.brokers.alpaca.properties import SymbolPropertiesCache
from mqd.brokers.alpaca.session import AlpacaSession, Call
from mqd.brokers.alpaca.told import Seen
from mqd.brokers.alpaca.wire import AccountFacts
from mqd.ground.errors import BrokerUnavailableError, InboxFullError
from mqd.ground.ids import is_ours
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BrokerEvent,
    BrokerLockedOut,
    Event,
    OrderFilled,
    OrderNotTaken,
    OrderOutcomeLost,
    SnapshotFailed,
    UnreadableReceived,
)
from mqd.ports.account import Addresses, Keys
from mqd.ports.calendar import Calendar
from mqd.ports.clock import Clock
from mqd.ports.inbox import Arrival, Inbox
from mqd.rules.book import BrokerWords

# What hangs in one lane must not hold up the lanes before it.
_WORKERS = (
    frozenset({Lane.URGENT}),
    frozenset({Lane.URGENT, Lane.ENTRY, Lane.QUESTION}),
    ALL_LANES,
)
_INBOX_NAP_S = 0.02


def unheard(_call: Call) -> None:
    """Nobody counts the calls."""


class AlpacaBroker:
    """Takes durable commands and asks Alpaca; nothing here waits in the caller's thread.

    `heard` is told of every request on the worker's thread. `last_check` sees every order right
    before its request. `pace_ns` is the time by which requests are counted, for an exchange whose
    minutes are not the machine's. `properties` are told with every snapshot. Keys that stop working
    are told once; from then on nothing is asked.
    """

    def __init__(  # noqa: PLR0913  # everything a broker stands between
        self,
        *,
        keys: Keys,
        addresses: Addresses,
        words: BrokerWords,
        clock: Clock,
        calendar: Calendar,
        inbox: Inbox,
        last_check: LastCheck = no_check,
        heard: Callable[[Call], None] = unheard,
        pace_ns: Callable[[], int] | None = None,
        properties: SymbolPropertiesCache | None = None,
    ) -> None:
        limits = words.requests
        self._words = words
        self._clock = clock
        self._inbox = inbox
        self._lanes = Lanes(limits.most_queued)
        self._closing = Signal()
        self._lock = Lock()
        self._locked_out = ""
        pace = Pace(limits, pace_ns or clock.monotonic_ns)
        self._known = KnownOrders()
        setting = Setting(
            self._known,
            calendar,
            limits.history_page,
            limits.read_timeout_s,
            KeyDoubt(limits.first_pause_s),
            last_check,
            properties or SymbolPropertiesCache(),
            limits.symbols_every_s,
        )
        self._sessions = [
            AlpacaSession(keys, addresses.trading_url, limits, clock, heard) for _ in _WORKERS
        ]
        self._errands = [
            Errands(Asker(session, pace, words, clock, self._closing), setting)
            for session in self._sessions
        ]
        self._patience_s = limits.connect_timeout_s + 2 * limits.read_timeout_s
        self._threads = [
            Thread(target=self._work, args=each, name=f"alpaca-{number}", daemon=True)
            for number, each in enumerate(zip(self._errands, _WORKERS, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    # -- the port ---------------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Let one command wait for its turn.

        Raises:
            BrokerUnavailableError: too many wait, the keys do not work, or the desk goes down.
        """
        if self._locked_out:
            raise BrokerUnavailableError(f"the keys do not work: {self._locked_out}")
        self._lanes.put(command)

    def observe(self, event: Event, *, accepted: bool) -> None:
        """A real market needs nobody to tell it what happened."""

    def replies(self) -> Iterator[BrokerEvent]:
        """None: answers come into the inbox."""
        return iter(())

    # -- beside it --------------------------------------------------------------------------------

    def read_news(self, text: str, at_ns: int) -> tuple[BrokerEvent, ...]:
        """What a message of the trading stream tells that came at `at_ns`; never raises.

        Where it only says that something happened, the broker is asked for the order.
        """
        news = self._not_told_yet(read_trade_update(text, at_ns, self._words))
        if news.ask_after:
            try:
                self.send(LookUpOrder(at_ns, news.ask_after))
            except BrokerUnavailableError as error:
                reason = f"{news.ask_after} could not be asked after: {error}"
                return (UnreadableReceived(at_ns, TRADE_UPDATES, reason, text),)
        return news.events

    def _not_told_yet(self, news: TradeNews) -> TradeNews:
        """The news with an execution under the id by which it was told first."""
        fill = news.events[0] if news.events else None
        if not isinstance(fill, OrderFilled) or not is_ours(fill.client_order_id):
            return news
        named = self._known.told.by_stream(fill, news.filled_qty)
        return TradeNews(ask_after=fill.client_order_id) if named is None else TradeNews((named,))

    def remember(self, executions: Iterable[Seen]) -> None:
        """Take note of what the desk has booked of its orders, before it was started again."""
        self._known.told.remember(executions)

    @property
    def account(self) -> AccountFacts | None:
        """What the account said of itself in the newest snapshot, or None before the first."""
        return self._errands[-1].account

    @property
    def queued(self) -> int:
        """How many requests wait for their turn."""
        return len(self._lanes)

    def close(self) -> None:
        """Send nothing more and wait for the requests that are under way; may be called twice.

        What still waited is in the journal, and the next start asks what became of it.
        """
        self._closing.set()
        self._lanes.close()
        for thread in self._threads:
            thread.join(self._patience_s)
        for session in self._sessions:
            session.close()

    # -- the workers ------------------------------------------------------------------------------

    def _work(self, errands: Errands, lanes: frozenset[Lane]) -> None:
        while (command := self._lanes.take(lanes)) is not None:
            try:
                events = tuple(self._run(errands, command))
                # What it came to is heard first: the same answer may lead to the next request.
                self._tell((*errands.came_to(command), *events))
            except ClosingError:
                return
            finally:
                self._lanes.done(command)

    def _run(self, errands: Errands, command: Command) -> Iterator[BrokerEvent]:
        if self._locked_out:
            yield from self._unasked(command)
            return
        try:
            for event in errands.run(command):
                if not isinstance(event, BrokerLockedOut) or self._is_news(event):
                    yield event
        except ClosingError:
            raise
        except Exception as error:  # noqa: BLE001  # a worker that ends is a desk without hands
            reason = f"{type(command).__name__}: {type(error).__name__}: {error}"
            yield UnreadableReceived(self._clock.now_ns(), STREAM, reason, "")
            yield from self._unproved(command, reason)

    def _is_news(self, event: BrokerLockedOut) -> bool:
        """Whether this is the first that is heard of it."""
        with self._lock:
            is_first = not self._locked_out
            self._locked_out = event.reason
            return is_first

    def _unasked(self, command: Command) -> Iterator[BrokerEvent]:
        now_ns, reason = self._clock.now_ns(), self._locked_out
        if isinstance(command, SubmitOrder | CancelOrder):
            yield OrderNotTaken(now_ns, command.client_order_id, LOCKED_OUT, reason)
        elif isinstance(command, TakeSnapshot):
            yield SnapshotFailed(now_ns, reason)

    def _unproved(self, command: Command, reason: str) -> Iterator[BrokerEvent]:
        if isinstance(command, SubmitOrder | CancelOrder):
            yield OrderOutcomeLost(self._clock.now_ns(), command.client_order_id)
        elif isinstance(command, TakeSnapshot):
            yield SnapshotFailed(self._clock.now_ns(), reason)

    def _tell(self, events: tuple[BrokerEvent, ...]) -> None:
        """Leave an answer for the loop; an answer is not lost because the loop is slow."""
        arrival = Arrival(None, lambda: events)
        while events:
            try:
                self._inbox.put(arrival, is_news=True)
            except InboxFullError:
                if self._closing.wait(_INBOX_NAP_S):
                    return
            else:
                return
