"""One simulated day: a desk that dies and comes back, a broker that lies by omission, one seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from mqd import __version__
from mqd.app.simulation.caps import beyond_a_cap
from mqd.app.simulation.crashes import Crash, Fuse, MortalJournal, MortalLine
from mqd.app.simulation.feed import DayFeed
from mqd.app.simulation.one_position import doubled_by
from mqd.app.simulation.settings import DaySettings
from mqd.app.simulation.verdict import (
    Comparing,
    broken_by,
    differences,
    own_profit_usd,
    wrong_profit,
)
from mqd.brokers.books import ZERO
from mqd.brokers.circumstances import Circumstances
from mqd.brokers.faults import Dice
from mqd.brokers.faulty import FaultyBroker
from mqd.engine.core import Engine
from mqd.engine.ledger import EXACT
from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_S, iso_utc
from mqd.model.decision import IncidentRaised, Outcome
from mqd.model.event import DeskStarted, Event, SessionClosed, SessionOpened
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import rebuilt

PROFILE = "paper"


class Broken(BaseException):
    """The desk did what it must never do; the day ends here."""


@dataclass(slots=True)
class DayResult:
    """What one day came to. `violation` is empty for a day on which all held.

    `refused_entries` and `refused_exits` are orders that the account or the symbol did not allow.
    """

    day: int
    digest: str = ""
    violation: str = ""
    events: int = 0
    orders: int = 0
    fills: int = 0
    trades: int = 0
    sent_again: int = 0
    refused_entries: int = 0
    refused_exits: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    incidents: Counter[str] = field(default_factory=Counter)


class SimulatedDay:
    """Day number `day` of the run with this seed; it is the same whichever days are run with it."""

    def __init__(self, settings: DaySettings, engine: Engine, seed: int, day: int) -> None:
        self._settings = settings
        self._engine = engine
        self._dice = Dice(Random(f"{seed}/{day}"), settings.faults)  # noqa: S311  # no secret hangs on it
        its_own = Dice(Random(f"{seed}/{day}/account"), settings.faults)  # noqa: S311  # as above
        self.broker = FaultyBroker(self._dice, Circumstances(its_own, engine.by_symbol))
        self._feed = DayFeed(settings, self.broker, next(iter(engine.by_symbol)))
        self.journal = MortalJournal(self._fuse(), self._saw)
        self.journal.remember_rules(engine.book.digest, engine.book.rules.canonical)
        self.state = DeskState()
        self.result = DayResult(day)
        self._at_ns = settings.opens_ns
        self._comparing = Comparing()
        self._earned_before_usd = ZERO

    def run(self) -> DayResult:
        """Live the day, as many processes as it takes, and look at what is left."""
        result = self.result
        try:
            while not self._lived():
                pass
            found = next(self._wrong(), "")
            result.violation = f"at the end: {found}" if found else ""
        except Broken as broken:
            result.violation = f"{iso_utc(self._at_ns)}: {broken}"
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told with its day
            result.violation = f"{iso_utc(self._at_ns)}: {type(error).__name__}: {error}"
        result.digest = self.journal.head()[1]
        result.events = self.journal.count()
        result.fills = len(self.broker.world.own_executions())
        result.orders = len(self.broker.sent)
        result.sent_again = self.broker.sent_again
        result.refused_entries = self.broker.refused["entries"]
        result.refused_exits = self.broker.refused["exits"]
        result.faults = self._dice.happened + self.broker.world.circumstances.dice.happened
        return result

    def _wrong(self) -> Iterator[str]:
        yield from differences(self._engine, self.state, self.broker)
        earned_usd = EXACT.subtract(own_profit_usd(self.state), self._earned_before_usd)
        yield from wrong_profit(self.state, earned_usd)

    def _lived(self) -> bool:
        """One process, from its start to the end of the day, or to its own."""
        try:
            self._process()
        except Crash:
            self.result.crashes[self.journal.fuse.where] += 1
            self.journal = self.journal.survived(self._fuse(), self._dice)
            down_s = self._dice.roll(0, self._settings.longest_down_s)
            self.broker.desk_ended(down_s * NS_PER_S if self._dice.roll(0, 1) else 0)
            return False
        return True

    def _process(self) -> None:
        found = rebuilt(self.journal, lambda _digest: self._engine)
        self.state = found.state
        line = MortalLine(self.broker, self.journal.fuse)
        desk = Desk(self._engine, self.state, self.journal, line)
        loop = Loop(desk)
        now_ns = self.broker.world.now_ns or self._settings.opens_ns
        was, opens = self.state.state_name, self._engine.desk.rules.initial
        loop.start(DeskStarted(now_ns, self._engine.book.digest, PROFILE, __version__))
        if was not in {"", opens} and self.state.state_name == opens:
            raise Broken(f"the desk was {was}, and a start let it open again")
        loop.run(self._feed.events(found.market_events, self.state))

    def _fuse(self) -> Fuse:
        """How long the next process lives; calm days and late processes live for ever."""
        mean = self._settings.crash_every
        is_mortal = mean and not self._dice.is_calm
        return Fuse(self._dice.roll(1, 2 * mean) if is_mortal else None)

    def _saw(self, event: Event, outcome: Outcome) -> None:
        self._at_ns = event.at_ns
        result = self.result
        result.trades += len(outcome.trades)
        if isinstance(event, SessionOpened | SessionClosed):
            self._count_profit(event)
        broken = self._comparing.broken_by(event, outcome, self.state)
        broken = broken or doubled_by(outcome, self.state)
        if broken is not None:
            raise Broken(broken)
        beyond = beyond_a_cap(self._engine, self.state, outcome)
        if beyond is not None:
            raise Broken(beyond)
        for note in outcome.notes:
            if isinstance(note, IncidentRaised):
                result.incidents[note.error] += 1
                broken = broken_by(note, self.broker)
                if broken is not None:
                    raise Broken(broken)

    def _count_profit(self, event: SessionOpened | SessionClosed) -> None:
        """The session's profit begins anew, or has to be right so far."""
        earned_usd = own_profit_usd(self.state)
        if isinstance(event, SessionOpened):
            self._earned_before_usd = earned_usd
            return
        so_far_usd = EXACT.subtract(earned_usd, self._earned_before_usd)
        for wrong in wrong_profit(self.state, so_far_usd):
            raise Broken(wrong)
