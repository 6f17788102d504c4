"""The lines between a desk and its account: time, broker and news, all into one inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
from typing import Self

from mqd.app.account import Account
from mqd.brokers.alpaca.broker import AlpacaBroker, unheard
from mqd.brokers.alpaca.exchange_clock import ExchangeClock
from mqd.brokers.alpaca.properties import SymbolPropertiesCache
from mqd.brokers.alpaca.session import AlpacaSession, Call
from mqd.brokers.alpaca.stream import TradeUpdates
from mqd.brokers.alpaca.told import Seen
from mqd.engine.moves import UNKNOWN, in_age_order
from mqd.engine.reconcile import WAITS
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.ground.errors import BrokerUnavailableError
from mqd.ground.times import NS_PER_S
from mqd.model.decision import Outcome, Reconciled
from mqd.model.event import ClockTicked, Event, SnapshotFailed
from mqd.model.fill import REPORTED
from mqd.ports.clock import Clock
from mqd.rules.book import BrokerWords
from mqd.runtime.clock import SteadyClock
from mqd.runtime.inbox import BoundedInbox
from mqd.runtime.live import LiveStream
from mqd.runtime.loop import Loop

_REQUESTS_TO_COMPARE = 5  # orders, positions, the account, and the executions twice
_MOST_WAITING = 10_000  # messages; a desk that is so far behind has to count the rest as lost


Say = Callable[[str], None]
"""Takes what is waited for; may be told the same again."""


def unsaid(_awaited: str) -> None:
    """Nobody looks on."""


def session_of(
    account: Account, words: BrokerWords, clock: Clock, heard: Callable[[Call], None] = unheard
) -> AlpacaSession:
    """A session with the account's trading API; whoever asked for it closes it."""
    return AlpacaSession(account.keys, account.addresses.trading_url, words.requests, clock, heard)


def booked_there(state: DeskState) -> Iterator[Seen]:
    """The executions of a desk's orders that its broker has reported, as the broker names them."""
    for each in state.ledger.executions.values():
        order = state.orders.get(each.client_order_id)
        if each.kind == REPORTED and order is not None and order.broker_order_id:
            yield Seen(order.broker_order_id, each.execution_id, each.qty, each.price)


class Answer:
    """A watcher that knows whether the broker has answered, and whether that settled it."""

    def __init__(self) -> None:
        self.is_given = False
        self.is_settled = False
        self.failure = ""

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of a comparison, or of why there was none."""
        if isinstance(event, SnapshotFailed):
            self.failure = event.reason
        for note in outcome.notes:
            if isinstance(note, Reconciled):
                self.is_given = True
                self.is_settled = note.verdict != WAITS


class Lines:
    """An account's clock, broker and inbox; what comes in is still there after `hang_up`.

    `heard` is told of every request to the broker; `properties` are what it said of the symbols.
    """

    def __init__(
        self,
        account: Account,
        words: BrokerWords,
        wall: Clock,
        heard: Callable[[Call], None],
        properties: SymbolPropertiesCache | None = None,
    ) -> None:
        """Find out what time it is there, and be ready to take commands.

        Raises:
            BrokerUnavailableError: the exchange whose time is meant does not tell it.
        """
        self._account = account
        self._words = words
        self._properties = properties
        self._held = ExitStack()  # for as long as anybody asks what time it is
        self._in_use = ExitStack()
        self.inbox = BoundedInbox(_MOST_WAITING)
        self.calendar = ExchangeCalendar()
        self.clock: Clock = SteadyClock(wall)
        if account.is_exchange_time:
            # Its questions are rehearsal alone: a real desk has a clock, and they are not counted.
            exchange = ExchangeClock(
                session_of(account, words, wall), wall, words.requests.first_pause_s
            )
            self._held.callback(exchange.close)
            self.clock = exchange
        self.broker = self._broker(heard)
        self._in_use.callback(self.broker.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.hang_up()
        self._held.close()

    def in_use(self) -> ExitStack:
        """Around what needs the lines; at its end nothing more is sent or heard."""
        return self._in_use

    def hang_up(self) -> None:
        """Send nothing more, and wait for what is under way."""
        self._in_use.close()

    def _broker(self, heard: Callable[[Call], None]) -> AlpacaBroker:
        account, clock = self._account, self.clock
        return AlpacaBroker(
            keys=account.keys,
            addresses=account.addresses,
            words=self._words,
            clock=clock,
            calendar=self.calendar,
            inbox=self.inbox,
            heard=heard,
            properties=self._properties,
            # An exchange that runs faster than the wall has more minutes to ask in.
            pace_ns=(lambda: clock.now_ns() + clock.monotonic_ns())
            if account.is_exchange_time
            else None,
        )

    def listen(self) -> None:
        """Take in the news of orders, from now until these lines are closed."""
        news = TradeUpdates(
            self._account.keys, self._account.addresses.trade_stream_url, self._words.requests,
            self.clock, self.inbox, read=self.broker.read_news, chance=Random().random,  # noqa: S311  # scatters pauses
        )  # fmt: skip
        self._in_use.callback(news.stop)
        self._in_use.callback(self.broker.close)  # before the news: an answer may be told there
        news.start()

    def until_closed(self, close: Callable[[], object]) -> None:
        """Let `close` be called first when these lines are hung up."""
        self._in_use.callback(close)

    def events(
        self,
        stop_wanted: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
        matters: Callable[[ClockTicked], bool] = lambda _tick: True,
    ) -> LiveStream:
        """What comes in, and the time that passes, until a stop is wanted."""
        return LiveStream(
            self.inbox,
            self.clock,
            tick_s=self._words.requests.tick_s,
            matters=matters,
            between=between,
            stop_wanted=stop_wanted,
        )

    def compare(
        self,
        loop: Loop,
        answer: Answer,
        stop_wanted: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
        matters: Callable[[ClockTicked], bool] = lambda _tick: True,
        say: Say = unsaid,
    ) -> None:
        """Run a desk that was just started until it is compared, which `answer` watches.

        A comparison that only waits is not settled; after a while it stays at that. `say` is told
        what is waited for, whenever that is something else.

        Raises:
            BrokerUnavailableError: the broker did not say what it holds.
        """
        requests, state = self._words.requests, loop.desk.state
        started_ns = self.clock.monotonic_ns()
        longest_s = _REQUESTS_TO_COMPARE * (requests.connect_timeout_s + requests.read_timeout_s)

        def is_over() -> bool:
            say(self._awaited(state, answer))
            # A broker may be slow; but bars, and the exits on them, wait no longer than they must.
            most_s = self._patience_s if answer.is_given else longest_s
            is_late = self.clock.monotonic_ns() - started_ns > most_s * NS_PER_S
            return is_late or bool(state.refused_start) or answer.is_settled or stop_wanted()

        loop.run(self.events(is_over, between, matters))
        if not answer.is_given and not stop_wanted():
            why = f": {answer.failure}" if answer.failure else ""
            raise BrokerUnavailableError(f"the broker did not say what it holds{why}")

    @staticmethod
    def _awaited(state: DeskState, answer: Answer) -> str:
        """What a comparison still waits for."""
        if not answer.is_given:
            return "what the broker holds"
        unknown = [each.client_order_id for each in in_age_order(state) if each.state == UNKNOWN]
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            return f"what became of {unknown[0]}{more}"
        return "a comparison that is settled: what differs may be on its way"

    def send_rest(self, loop: Loop, say: Say = unsaid) -> None:
        """Run the desk until nothing that it sends waits for its turn, or too long for it."""
        until_ns = self.clock.monotonic_ns() + round(self._patience_s * NS_PER_S)

        def is_over() -> bool:
            if self.broker.queued:
                say("the answers to what was sent")
            is_quiet = not self.broker.queued and not len(self.inbox)
            return is_quiet or self.clock.monotonic_ns() > until_ns

        loop.run(self.events(is_over))

    @property
    def _patience_s(self) -> float:
        """How long an answer is waited for."""
        requests = self._words.requests
        return requests.connect_timeout_s + 4 * requests.read_timeout_s
