"""One simulated day: a desk that dies and comes back, a broker that lies by omission, one seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from mqd import __version__
from mqd.app.simulation.crashes import Crash, Fuse, MortalJournal, MortalLine
from mqd.app.simulation.feed import DayFeed
from mqd.app.simulation.settings import DaySettings
from mqd.app.simulation.verdict import broken_by, differences
from mqd.brokers.faults import Dice
from mqd.brokers.faulty import FaultyBroker
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.ground.errors import MqdError
from mqd.ground.times import NS_PER_S, iso_utc
from mqd.model.decision import IncidentRaised, Outcome
from mqd.model.event import DeskStarted, Event
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import rebuilt

PROFILE = "paper"


class Broken(BaseException):
    """The desk did what it must never do; the day ends here."""


@dataclass(slots=True)
class DayResult:
    """What one day came to. `violation` is empty for a day on which all held."""

    day: int
    digest: str = ""
    violation: str = ""
    events: int = 0
    orders: int = 0
    fills: int = 0
    trades: int = 0
    sent_again: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    incidents: Counter[str] = field(default_factory=Counter)


class SimulatedDay:
    """Day number `day` of the run with this seed; it is the same whichever days are run with it."""

    def __init__(self, settings: DaySettings, engine: Engine, seed: int, day: int) -> None:
        self._settings = settings
        self._engine = engine
        self._dice = Dice(Random(f"{seed}/{day}"), settings.faults)  # noqa: S311  # no secret hangs on it
        self.broker = FaultyBroker(self._dice)
        self._feed = DayFeed(settings, self.broker, next(iter(engine.by_symbol)))
        self.journal = MortalJournal(self._fuse(), self._saw)
        self.journal.remember_rules(engine.book.digest, engine.book.rules.canonical)
        self.state = DeskState()
        self.result = DayResult(day)
        self._at_ns = settings.opens_ns

    def run(self) -> DayResult:
        """Live the day, as many processes as it takes, and look at what is left."""
        result = self.result
        try:
            while not self._lived():
                pass
            found = next(differences(self._engine, self.state, self.broker), "")
            result.violation = f"at the end: {found}" if found else ""
        except Broken as broken:
            result.violation = f"{iso_utc(self._at_ns)}: {broken}"
        except (MqdError, ArithmeticError, LookupError, AssertionError) as error:
            result.violation = f"{iso_utc(self._at_ns)}: {type(error).__name__}: {error}"
        result.digest = self.journal.head()[1]
        result.events = self.journal.count()
        result.fills = len(self.broker.world.own_executions())
        result.orders = len(self.broker.sent)
        result.sent_again = self.broker.sent_again
        result.faults = self._dice.happened
        return result

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
        loop.start(DeskStarted(now_ns, self._engine.book.digest, PROFILE, __version__))
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
        for note in outcome.notes:
            if isinstance(note, IncidentRaised):
                result.incidents[note.error] += 1
                broken = broken_by(note, self.broker)
                if broken is not None:
                    raise Broken(broken)
