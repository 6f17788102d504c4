"""What the desk of a simulated day is fed: bars, time where it matters, a person's buttons."""

from __future__ import annotations

from collections.abc import Iterator

from mqd.app.simulation.market import market_events
from mqd.app.simulation.settings import DaySettings
from mqd.brokers.faulty import FaultyBroker
from mqd.engine.state import DeskState
from mqd.model.event import BarClosed, ClockTicked, Event, OperatorActed
from mqd.model.order import PROTECTIVE

_PERSON = "a person"
_MOST_TICKS = 60  # nobody has to live through a night tick by tick
_BUTTONS = ("halt", "reduce", "flatten")


class DayFeed:
    """The day's events; a process that starts anew goes on behind what the journal has."""

    def __init__(self, settings: DaySettings, broker: FaultyBroker, symbol: str) -> None:
        self._settings = settings
        self._broker = broker
        self._dice = broker.dice
        self._market, self._calm_from = market_events(settings, broker.dice, symbol)

    def events(self, done: int, state: DeskState) -> Iterator[Event]:
        """Everything from the `done`-th market event on, for a desk in this state."""
        for number in range(done, len(self._market)):
            event = self._market[number]
            if number == self._calm_from:
                self._broker.calm_down()
            yield from self._ticks(state, event.at_ns)
            yield event
            if isinstance(event, BarClosed):
                yield from self._buttons(state)
        yield from self._ticks(state, 1 << 62)

    def _ticks(self, state: DeskState, until_ns: int) -> Iterator[Event]:
        """Time, while something waits for it."""
        if not self._broker.world.now_ns:
            return
        for _ in range(_MOST_TICKS):
            at_ns = self._broker.world.now_ns + self._settings.tick_ns
            if at_ns >= until_ns or not _waits_for_time(state):
                return
            yield ClockTicked(at_ns)

    def _buttons(self, state: DeskState) -> Iterator[Event]:
        """What a person does who looks at the desk now and then, and in the end for sure."""
        is_calm = self._dice.is_calm
        if state.state_name == "FROZEN":
            if is_calm or self._every(self._settings.resume_every):
                yield self._press("adopt", "the account is what it is")
                yield self._press("flatten", "nothing is to be left")
        elif state.state_name != "ACTIVE":
            if not is_calm and self._every(self._settings.resume_every):
                yield self._press("resume", "looked at")
        elif not is_calm and self._every(self._settings.button_every):
            button = _BUTTONS[self._dice.roll(0, len(_BUTTONS) - 1)]
            yield self._press(button, "to see whether it works")

    def _every(self, mean: int) -> bool:
        return mean > 0 and self._dice.roll(1, mean) == 1

    def _press(self, action: str, reason: str) -> OperatorActed:
        return OperatorActed(self._broker.world.now_ns, action, "", _PERSON, reason)


def _waits_for_time(state: DeskState) -> bool:
    desk = state.desk
    orders = (state.orders[order_id] for order_id in state.working)
    return bool(
        any(order.role != PROTECTIVE or order.state != "SUBMITTED" for order in orders)
        or (not desk.is_in_step and state.state_name != "FROZEN")
        or desk.is_waiting_for_snapshot
        or any(held.exit_attempts for held in state.holdings.values())
        or (state.holdings and state.state_name == "FLATTENING")
    )
