"""A broker between which and the desk everything goes wrong that can, by seeded chance.

It outlives the desk: a process that ends loses what was on its way to it, and nothing else. The
truth is the `World`'s; this is the line to it. Requests get lost or answered late, news is
dropped, doubled, delayed or overtaken.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from decimal import Decimal
from heapq import heappop, heappush
from typing import NamedTuple

from mqd.brokers.circumstances import Circumstances
from mqd.brokers.faults import Dice
from mqd.brokers.world import World, WorldViolation
from mqd.ground.ids import is_exit
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    ANSWERED,
    NOT_TAKEN,
    UNPROVED,
    BarClosed,
    BrokerEvent,
    CancelRefused,
    ClockTicked,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    OrderAcknowledged,
    OrderFilled,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    RequestAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotFailed,
    StreamLost,
    StreamRestored,
)

STREAM = "trade_updates"
TOLD_TO_NOBODY = "told_to_nobody"
_CENT = Decimal("0.01")
_ANSWERED_MS = 40
_LOST_MS = 5_020  # a little longer than anybody waits for an answer
_REQUESTS: dict[type, str] = {
    SubmitOrder: "submit", CancelOrder: "cancel", LookUpOrder: "look_up", TakeSnapshot: "read",
}  # fmt: skip
_FAILURES: dict[type, str] = {
    OrderOutcomeLost: UNPROVED, OrderNotTaken: NOT_TAKEN, SnapshotFailed: UNPROVED,
}  # fmt: skip
_NS_PER_REQUEST = NS_PER_S // 1_000
_NEXT_SESSION = 1 << 62
_AFTERTHOUGHTS = (ExecutionBusted, ExecutionCorrected, FeeCharged)


class _OnItsWay(NamedTuple):
    """One message, due at an instant; those of one instant keep their order."""

    due_ns: int
    number: int
    event: BrokerEvent
    is_answer: bool


class FaultyBroker:
    """The desk's broker in a simulation; `world` knows what is true.

    `refused` counts the entries and the exits that a look before sending could have spared: what
    the world refuses for a reason that it has told or would have told.
    """

    def __init__(self, dice: Dice, circumstances: Circumstances | None = None) -> None:
        self.dice = dice
        self.world = World(dice, circumstances or Circumstances(dice))
        self.refused: Counter[str] = Counter()
        self.sent: dict[str, SubmitOrder] = {}
        self.sent_again = 0
        self._on_its_way: list[_OnItsWay] = []
        self._ready: deque[BrokerEvent] = deque()
        self._number = 0
        self._request = ""  # what the command in hand asks for
        self._restored_ns = 0  # the stream is down while this is not 0
        self._sessions: set[str] = set()
        self._untold: list[BrokerEvent] = []  # what is repeated until a stream can carry it
        self._afterthoughts: list[BrokerEvent] = []

    # -- the port --------------------------------------------------------------------------------

    def replies(self) -> Iterator[BrokerEvent]:
        """What has arrived, in the order of arrival."""
        while self._ready:
            event = self._ready.popleft()
            if type(event) is OrderFilled and event.client_order_id in self.world.own:
                self.world.told.append(event.execution_id)
            elif type(event) is ExecutionCorrected:
                self.world.revised.pop(event.new_execution_id, None)
            yield event

    def observe(self, event: Event, *, accepted: bool) -> None:
        """Let the world go on until this event; a bar that it lived already changes nothing."""
        world = self.world
        if isinstance(event, BarClosed):
            if event.at_ns <= world.now_ns and world.price:
                return
            world.price = Decimal(repr(event.close)).quantize(_CENT)
            world.low = Decimal(repr(event.low)).quantize(_CENT)
            self._pass_time(event.at_ns)
            world.low = world.price
        elif isinstance(event, ClockTicked):
            self._pass_time(event.at_ns)
        elif isinstance(event, SessionOpened) and event.date not in self._sessions:
            self._sessions.add(event.date)
            world.is_open = True
            self._release()
            self._pass_time(event.at_ns)
        elif isinstance(event, SessionClosed) and world.is_open:
            world.close(event.at_ns)
            self._pass_time(event.at_ns)

    def send(self, command: Command) -> None:
        """Take a request, or lose it, or answer it late.

        Raises:
            WorldViolation: a correct desk never sends this.
        """
        self.world.now_ns += _NS_PER_REQUEST  # no two requests arrive at one instant
        self._request = _REQUESTS[type(command)]
        if isinstance(command, SubmitOrder):
            self._submit(command)
        elif isinstance(command, CancelOrder):
            self._cancel(command)
        elif isinstance(command, LookUpOrder):
            self._look_up(command)
        else:
            self._take_snapshot(command.at_ns)
        self._tell()
        self._move_arrived()

    # -- the desk's process, and time ------------------------------------------------------------

    def calm_down(self) -> None:
        """From here on nothing goes wrong any more; a lost stream comes back."""
        self.dice.is_calm = self.world.circumstances.dice.is_calm = True
        self._restored_ns = min(self._restored_ns, self.world.now_ns)

    def desk_ended(self, down_ns: int) -> None:
        """The desk's process is gone for a while: what was on its way to it is lost."""
        self._ready.clear()
        self._on_its_way = sorted(each for each in self._on_its_way if not each.is_answer)
        self._restored_ns = 0
        self._untold = list(self._afterthoughts)  # whoever listens anew is told them again
        if down_ns and self.world.is_open:
            self.world.advance(self.world.now_ns + down_ns)
            self._note_afterthoughts()
            self.world.news.clear()
            self._move_arrived()
            self._ready.clear()

    def _pass_time(self, at_ns: int) -> None:
        world = self.world
        if world.is_open:
            world.advance(at_ns)
        world.now_ns = max(world.now_ns, at_ns)
        if self._restored_ns and world.now_ns >= self._restored_ns:
            self._restored_ns = 0
            self._push(StreamRestored(world.now_ns, STREAM), world.now_ns)
        elif not self._restored_ns and world.is_open and self.dice.happens("stream_lost"):
            self._push(StreamLost(world.now_ns, STREAM), world.now_ns)
            self._restored_ns = world.now_ns + self.dice.roll(5, 60) * NS_PER_S
        self._tell()
        self._move_arrived()

    def _move_arrived(self) -> None:
        while self._on_its_way and self._on_its_way[0].due_ns <= self.world.now_ns:
            self._ready.append(heappop(self._on_its_way).event)

    # -- requests --------------------------------------------------------------------------------

    def _submit(self, order: SubmitOrder) -> None:
        now_ns, dice, order_id = self.world.now_ns, self.dice, order.client_order_id
        known = self.sent.setdefault(order_id, order)
        if known is not order:
            self.sent_again += 1
            if known._replace(at_ns=order.at_ns) != order:
                raise WorldViolation(f"{order_id} was sent twice: {known}, then {order}")
        if dice.happens("submit_lost"):
            self._answer(OrderOutcomeLost(now_ns, order_id))
        elif dice.happens("not_taken"):
            self._answer(OrderNotTaken(now_ns, order_id, "429", "rate limit exceeded"))
        elif order_id in self.world.own:  # its id is taken: the order that has it is meant
            self._answer(OrderReported(now_ns, self.world.books.orders[order_id].report()))
        elif (refusal := self.world.refusal(order)) is not None or dice.happens("rejected"):
            if refusal is not None:
                self.refused["exits" if is_exit(order_id) else "entries"] += 1
            code, reason = refusal or ("403", "the venue does not want it")
            self._answer(OrderRejected(now_ns, order_id, code, reason))
        else:
            self.world.submit(order)
            is_lost = dice.happens("reply_lost")
            self._answer(OrderOutcomeLost(now_ns, order_id) if is_lost else None)

    def _cancel(self, command: CancelOrder) -> None:
        now_ns, order_id = self.world.now_ns, command.client_order_id
        if self.dice.happens("cancel_lost"):
            if self.dice.roll(0, 1):
                self._answer(OrderOutcomeLost(now_ns, order_id))
        elif order_id in self.world.books.working and self.dice.happens("cancel_refused"):
            self._answer(
                CancelRefused(now_ns, order_id, "422", "the order cannot be cancelled now")
            )
        else:
            refusal = self.world.cancel(order_id)
            self._answer(refusal and CancelRefused(now_ns, order_id, *refusal))

    def _look_up(self, command: LookUpOrder) -> None:
        now_ns, order_id = self.world.now_ns, command.client_order_id
        if self.dice.happens("look_up_failed"):
            return
        booked = self.world.books.orders.get(order_id)
        self._answer(
            OrderNotFound(now_ns, order_id, command.at_ns)
            if booked is None
            else OrderReported(now_ns, booked.report()),
            may_be_late=True,
        )

    def _take_snapshot(self, asked_ns: int) -> None:
        if self.dice.happens("snapshot_failed"):
            self._answer(SnapshotFailed(self.world.now_ns, "502 bad gateway"))
        elif not self.dice.happens("snapshot_silent"):
            self._answer(self.world.snapshot(asked_ns), may_be_late=True)

    def _answer(self, event: BrokerEvent | None, *, may_be_late: bool = False) -> None:
        """What a request came to, and how long it took; a plain yes has no event of its own."""
        self._tell()  # the stream had told by then what led to this answer
        late_s = 0
        if may_be_late and self.dice.happens("answer_late"):
            late_s = self.dice.roll(1, 40)
        due_ns = self.world.now_ns + late_s * NS_PER_S
        took_ms = _LOST_MS if isinstance(event, OrderOutcomeLost) else _ANSWERED_MS + 1_000 * late_s
        outcome = _FAILURES.get(type(event), ANSWERED)
        self._push(RequestAnswered(due_ns, self._request, outcome, took_ms), due_ns, is_answer=True)
        if event is not None:
            self._push(event, due_ns, is_answer=True)

    # -- the stream ------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Put what has come true on its way, as well or as badly as the stream can."""
        if not (self.world.news or self._untold):
            return
        self._note_afterthoughts()
        news, self.world.news = self.world.news, []
        dice = self.dice
        for event in news:
            if isinstance(event, _AFTERTHOUGHTS):
                continue
            if self._restored_ns:
                dice.happened[TOLD_TO_NOBODY] += 1
            elif not self._is_dropped(event):
                self._push(event, self._due_ns())
                if dice.happens("duplicated"):
                    self._push(event, self._due_ns())
        if not self._restored_ns:
            for event in self._untold:
                self._push(event, self.world.now_ns)
            self._untold.clear()

    def _note_afterthoughts(self) -> None:
        found = [event for event in self.world.news if isinstance(event, _AFTERTHOUGHTS)]
        self._afterthoughts += found
        self._untold += found

    def _is_dropped(self, event: BrokerEvent) -> bool:
        if type(event) is OrderAcknowledged and self.dice.happens("ack_missing"):
            return True
        return self.dice.happens("dropped")

    def _due_ns(self) -> int:
        dice, now_ns = self.dice, self.world.now_ns
        if dice.happens("reordered"):
            return now_ns + dice.roll(1, 12) * NS_PER_S
        if dice.happens("late_bar"):
            return now_ns + dice.roll(1, 4) * NS_PER_MINUTE
        if dice.happens("late_session"):
            return _NEXT_SESSION
        return now_ns

    def _release(self) -> None:
        """News that was held over comes with the next session."""
        waiting, self._on_its_way = sorted(self._on_its_way), []
        for each in waiting:
            due_ns = self.world.now_ns if each.due_ns == _NEXT_SESSION else each.due_ns
            self._push(each.event, due_ns, is_answer=each.is_answer)

    def _push(self, event: BrokerEvent, due_ns: int, *, is_answer: bool = False) -> None:
        self._number += 1
        heappush(self._on_its_way, _OnItsWay(due_ns, self._number, event, is_answer))
