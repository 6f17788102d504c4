"""What waits to be asked of the broker: exits and cancels first, one order's requests in turn."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import IntEnum
from threading import Condition
from typing import NamedTuple

from mqd.ground.errors import BrokerUnavailableError
from mqd.ground.ids import is_exit
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot


class Lane(IntEnum):
    """How soon a request is asked; the lower the sooner."""

    URGENT = 0
    ENTRY = 1
    QUESTION = 2
    SNAPSHOT = 3


ALL_LANES = frozenset(Lane)


class _Waiting(NamedTuple):
    lane: Lane
    command: Command
    subject: str  # whose requests keep their order; empty: nobody's


class Lanes:
    """A bounded queue for several workers.

    A request about an order waits for all earlier ones about it, also for the one under way: an
    answer "not found" must not overtake the order itself. Urgent requests have room of their own.
    A question that already waits is asked once, as the newer one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: list[_Waiting] = []
        self._busy: set[str] = set()
        self._changed = Condition()
        self._is_closed = False

    def put(self, command: Command) -> None:
        """Let a request wait; returns at once.

        Raises:
            BrokerUnavailableError: too many wait already, or the desk goes down.
        """
        lane = lane_of(command)
        with self._changed:
            if self._is_closed:
                raise BrokerUnavailableError("the connection to the broker is closed")
            entry = _Waiting(lane, command, getattr(command, "client_order_id", ""))
            if isinstance(command, LookUpOrder | TakeSnapshot):
                self._forget_older(entry)
            is_urgent = lane is Lane.URGENT
            same = sum((each.lane is Lane.URGENT) is is_urgent for each in self._waiting)
            if same >= self._most:
                raise BrokerUnavailableError(f"{same} requests wait for the broker already")
            self._waiting.append(entry)
            self._changed.notify_all()

    def take(self, lanes: AbstractSet[Lane]) -> Command | None:
        """The next request of these lanes, waiting for one; None when closed."""
        with self._changed:
            while not self._is_closed:
                found = self._next(lanes)
                if found is not None:
                    self._waiting.remove(found)
                    self._busy.add(found.subject)
                    return found.command
                self._changed.wait()
            return None

    def done(self, command: Command) -> None:
        """A request that was taken has its answer."""
        with self._changed:
            self._busy.discard(getattr(command, "client_order_id", ""))
            self._changed.notify_all()

    def close(self) -> tuple[Command, ...]:
        """Take nothing more and wake everybody; what still waited is handed back."""
        with self._changed:
            self._is_closed = True
            left = tuple(each.command for each in self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return left

    def __len__(self) -> int:
        return len(self._waiting)

    def _next(self, lanes: AbstractSet[Lane]) -> _Waiting | None:
        best: _Waiting | None = None
        earlier = {subject for subject in self._busy if subject}
        for each in self._waiting:
            if each.subject not in earlier and each.lane in lanes:
                best = each if best is None or each.lane < best.lane else best
            if each.subject:
                earlier.add(each.subject)
        return best

    def _forget_older(self, entry: _Waiting) -> None:
        """The same question that still waits, but not one that others wait behind."""
        last = next(
            (each for each in reversed(self._waiting) if each.subject == entry.subject), None
        )
        if last is not None and type(last.command) is type(entry.command):
            self._waiting.remove(last)


def lane_of(command: Command) -> Lane:
    """How soon this is asked: what makes a position smaller or takes an order back goes first."""
    match command:
        case SubmitOrder():
            return Lane.URGENT if is_exit(command.client_order_id) else Lane.ENTRY
        case CancelOrder():
            return Lane.URGENT
        case LookUpOrder():
            return Lane.QUESTION
        case TakeSnapshot():
            return Lane.SNAPSHOT
