"""What the desk asks of the broker, command by command, and the events that the answers are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mqd.brokers.alpaca.answers import CANCEL, LOOK_UP, READ, SUBMIT, Answer, answer_of
from mqd.brokers.alpaca.asking import Asker, NoAnswerError
from mqd.brokers.alpaca.fields import MisfitError
from mqd.brokers.alpaca.keys import KEYS_REFUSED, KeyDoubt
from mqd.brokers.alpaca.orders import LAST_HOP, PATH, LastCheck, order_body
from mqd.brokers.alpaca.properties import SymbolPropertiesCache
from mqd.brokers.alpaca.snapshot import Holdings, read_ended_orders, read_holdings
from mqd.brokers.alpaca.told import ToldFills
from mqd.brokers.alpaca.wire import AccountFacts, read_order
from mqd.ground.errors import LimitExceededError
from mqd.ground.ids import is_exit, is_ours
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BrokerEvent,
    BrokerLockedOut,
    CancelRefused,
    OrderAcknowledged,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    RequestAnswered,
    SnapshotFailed,
    SnapshotTaken,
    UnreadableReceived,
)
from mqd.model.snapshot import OrderReport, ReportedExecution
from mqd.ports.calendar import Calendar

PACE = "PACE"
LOCKED_OUT = "LOCKED_OUT"
STREAM = "answer"
_MOST_KEPT = 64 * 1024  # letters; what is longer is a page, not an answer
_REQUEST = {SubmitOrder: SUBMIT, CancelOrder: CANCEL, LookUpOrder: LOOK_UP, TakeSnapshot: READ}
_NS_PER_DAY = 24 * 60 * NS_PER_MINUTE


class KnownOrders:
    """Which order here is which there, as far as the broker has said; for every thread.

    `told` knows which executions of them were told already.
    """

    def __init__(self) -> None:
        self.told = ToldFills()
        self._broker_ids: dict[str, str] = {}
        self._client_ids: dict[str, str] = {}

    def learn(self, report: OrderReport) -> None:
        """The broker told both ids of an order."""
        self._broker_ids[report.client_order_id] = report.broker_order_id
        self._client_ids[report.broker_order_id] = report.client_order_id
        self.told.learn(report)

    def broker_id(self, client_order_id: str) -> str | None:
        """The broker's id of an order, or None."""
        return self._broker_ids.get(client_order_id)

    def are_strange(self, executions: Iterable[ReportedExecution]) -> frozenset[str]:
        """The broker's ids of the orders that nobody has named yet."""
        return frozenset(each.broker_order_id for each in executions) - self._client_ids.keys()

    def named(self, execution: ReportedExecution) -> ReportedExecution:
        """The execution with our id of its order, where that is known."""
        client_order_id = self._client_ids.get(execution.broker_order_id, "")
        return execution._replace(client_order_id=client_order_id)


class Setting(NamedTuple):
    """What all errands of one broker share."""

    known: KnownOrders
    calendar: Calendar
    orders_a_page: int
    patience_s: float  # of a question, for a token that no exit needs
    doubt: KeyDoubt
    last_check: LastCheck
    properties: SymbolPropertiesCache
    properties_good_for_s: float


class Errands:
    """Runs one command at a time to the broker and back.

    `account` is what the account last said of itself.
    """

    def __init__(self, asker: Asker, setting: Setting) -> None:
        self.account: AccountFacts | None = None
        self._asker = asker
        self._clock = asker.clock
        self._known = setting.known
        self._strangers: frozenset[str] = frozenset()
        self._calendar = setting.calendar
        self._orders_a_page = setting.orders_a_page
        self._patience_s = setting.patience_s
        self._doubt = setting.doubt
        self._last_check = setting.last_check
        self._properties = setting.properties
        self._properties_good_for_s = setting.properties_good_for_s

    def run(self, command: Command) -> Iterator[BrokerEvent]:
        """Do what the command says; what came of it.

        Raises:
            ClosingError: the desk goes down; the command was not sent.
        """
        match command:
            case SubmitOrder():
                return self._submit(command)
            case CancelOrder():
                return self._cancel(command)
            case LookUpOrder():
                return self._look_up(command)
            case TakeSnapshot():
                return self._take_snapshot(command)

    def came_to(self, command: Command) -> Iterator[BrokerEvent]:
        """What the requests of a command that was run came to; nothing where it made none."""
        came_to = self._asker.take_what_it_came_to()
        if came_to is not None:
            yield RequestAnswered(self._now_ns(), _REQUEST[type(command)], *came_to)

    # -- a new order ------------------------------------------------------------------------------

    def _submit(self, order: SubmitOrder) -> Iterator[BrokerEvent]:
        order_id = order.client_order_id
        try:
            body = order_body(order, self._last_check)
        except LimitExceededError as error:
            yield OrderRejected(self._now_ns(), order_id, LAST_HOP, str(error))
            return
        if is_exit(order_id):
            self._asker.wait(is_urgent=True)
        elif wait_ns := self._asker.may_go():  # an entry does not wait: its price is of now
            reason = f"the broker may be asked again in {wait_ns / NS_PER_S:.1f} s"
            yield OrderNotTaken(self._now_ns(), order_id, PACE, reason)
            return
        reply = self._asker.heed(SUBMIT, self._asker.session.post(SUBMIT, PATH, body))
        try:
            report = self._asker.read(SUBMIT, reply, lambda value: _echo(value, order_id))
        except NoAnswerError as error:
            yield from self._not_accepted(order, error)
            return
        self._known.learn(report)
        yield self._accepted(order, report)

    def _accepted(self, order: SubmitOrder, report: OrderReport) -> BrokerEvent:
        """What is filled already the stream tells, execution by execution."""
        is_echo = report[2:5] == (order.symbol, order.side, order.qty)
        if is_echo and report.filled_qty:
            ids = (report.client_order_id, report.broker_order_id)
            return OrderAcknowledged(self._now_ns(), *ids)
        return OrderReported(self._now_ns(), report)

    def _not_accepted(self, order: SubmitOrder, error: NoAnswerError) -> Iterator[BrokerEvent]:
        order_id, answer = order.client_order_id, error.answer
        yield from self._quarantined(error)
        match self._asker.meaning(answer).means:
            case "refused":
                self._properties.forget(order.symbol)
                yield OrderRejected(self._now_ns(), order_id, answer.code, answer.words)
            case "not_taken":
                yield OrderNotTaken(self._now_ns(), order_id, answer.code, answer.words)
            case "locked_out" | "keys_in_doubt":
                yield from self._locked_out(answer, order_id)
            case "exists":
                yield from self._existing(order_id)
            case _:
                yield OrderOutcomeLost(self._now_ns(), order_id)

    def _existing(self, order_id: str) -> Iterator[BrokerEvent]:
        """The broker has an order under this id; that it cannot be read yet proves nothing."""
        try:
            yield OrderReported(self._now_ns(), self._find(order_id))
        except NoAnswerError as error:
            yield from self._quarantined(error)
            yield OrderOutcomeLost(self._now_ns(), order_id)

    # -- an order that is there -------------------------------------------------------------------

    def _cancel(self, command: CancelOrder) -> Iterator[BrokerEvent]:
        order_id = command.client_order_id
        broker_id = self._known.broker_id(order_id)
        if broker_id is None:
            asked_ns = self._now_ns()
            try:
                broker_id = self._find(order_id).broker_order_id
            except NoAnswerError as error:
                yield from self._quarantined(error)
                yield from self._not_cancelled_unseen(order_id, asked_ns, error.answer)
                return
        asked_ns = self._now_ns()
        self._asker.wait(is_urgent=True)
        reply = self._asker.heed(CANCEL, self._asker.session.delete(CANCEL, f"{PATH}/{broker_id}"))
        if not reply.is_good:  # a yes is no end: the stream tells when it has ended
            yield from self._not_cancelled(order_id, asked_ns, answer_of(CANCEL, reply))

    def _not_cancelled_unseen(
        self, order_id: str, asked_ns: int, answer: Answer
    ) -> Iterator[BrokerEvent]:
        """The order's id could not be asked for, so no cancel went out."""
        match self._asker.meaning(answer).means:
            case "not_found":
                yield OrderNotFound(self._now_ns(), order_id, asked_ns)
            case "locked_out" | "keys_in_doubt":
                yield from self._locked_out(answer, order_id)
            case _:
                yield OrderNotTaken(self._now_ns(), order_id, answer.code, answer.words)

    def _not_cancelled(self, order_id: str, asked_ns: int, answer: Answer) -> Iterator[BrokerEvent]:
        match self._asker.meaning(answer).means:
            case "refused":
                yield CancelRefused(self._now_ns(), order_id, answer.code, answer.words)
            case "not_taken":
                yield OrderNotTaken(self._now_ns(), order_id, answer.code, answer.words)
            case "not_found":
                yield OrderNotFound(self._now_ns(), order_id, asked_ns)
            case "locked_out" | "keys_in_doubt":
                yield from self._locked_out(answer, order_id)
            case "ended":
                try:
                    yield OrderReported(self._now_ns(), self._find(order_id))
                except NoAnswerError as error:
                    yield from self._quarantined(error)
                    yield CancelRefused(self._now_ns(), order_id, answer.code, answer.words)
            case _:
                yield OrderOutcomeLost(self._now_ns(), order_id)

    def _look_up(self, command: LookUpOrder) -> Iterator[BrokerEvent]:
        order_id, asked_ns = command.client_order_id, max(command.at_ns, self._now_ns())
        # Questions must not use up what an exit needs; but a cancel may wait behind this one.
        self._asker.wait(is_urgent=False, patience_s=self._patience_s)
        try:
            report = self._found(order_id)
        except NoAnswerError as error:
            yield from self._quarantined(error)
            means = self._asker.meaning(error.answer).means
            if means == "not_found":
                yield OrderNotFound(self._now_ns(), order_id, asked_ns)
            elif means in KEYS_REFUSED:
                yield from self._locked_out(error.answer)
            return  # of anything else the watch asks again
        yield OrderReported(self._now_ns(), report)

    def _find(self, order_id: str) -> OrderReport:
        self._asker.wait(is_urgent=True)
        return self._found(order_id)

    def _found(self, order_id: str) -> OrderReport:
        query = {"client_order_id": order_id}
        reply = self._asker.session.get(LOOK_UP, f"{PATH}:by_client_order_id", query)
        report = self._asker.read(
            LOOK_UP, self._asker.heed(LOOK_UP, reply), lambda value: _echo(value, order_id)
        )
        self._known.learn(report)
        return report

    # -- everything -------------------------------------------------------------------------------

    def _take_snapshot(self, command: TakeSnapshot) -> Iterator[BrokerEvent]:
        try:
            since_ns = self._since_ns()
            found = read_holdings(self._asker, since_ns, self._orders_a_page)
            self._learn(found, since_ns)
            listed = self._known.told.by_list(found.executions, self._ask_record)
            symbols = self._properties.told(self._asker, self._properties_good_for_s)
        except NoAnswerError as error:
            yield from self._quarantined(error)
            if self._asker.meaning(error.answer).means in KEYS_REFUSED:
                yield from self._locked_out(error.answer)
            yield SnapshotFailed(self._now_ns(), error.answer.words)
            return
        self.account = found.account
        executions = tuple(self._known.named(each) for each in listed)
        yield SnapshotTaken(
            self._now_ns(), command.at_ns, found.cash_usd, found.positions, found.orders,
            executions, found.account.report(), symbols,
        )  # fmt: skip

    def _ask_record(self, broker_order_id: str) -> None:
        """Learn how much of an order is filled."""
        self._asker.wait(is_urgent=False)
        reply = self._asker.session.get("order", f"{PATH}/{broker_order_id}")
        self._known.learn(self._asker.read(READ, self._asker.heed(READ, reply), read_order))

    def _learn(self, found: Holdings, since_ns: int) -> None:
        """Find out whose orders were filled: fills name them by the broker's id only.

        An order of ours may have been given up for lost and be filled all the same.

        Raises:
            NoAnswerError: the broker does not say.
        """
        for report in found.orders:
            self._known.learn(report)
        if self._known.are_strange(found.executions) <= self._strangers:
            return
        for report in read_ended_orders(self._asker, since_ns - _NS_PER_DAY, self._orders_a_page):
            if is_ours(report.client_order_id):
                self._known.learn(report)
        self._strangers = self._known.are_strange(found.executions)

    def _since_ns(self) -> int:
        """The session's open; outside of a session a day is far enough back."""
        now_ns = self._now_ns()
        session = self._calendar.session_on(now_ns)
        is_on = session is not None and session.open_ns <= now_ns
        return session.open_ns - NS_PER_S if session and is_on else now_ns - _NS_PER_DAY

    # -- what every request can come to -----------------------------------------------------------

    def _quarantined(self, error: NoAnswerError) -> Iterator[BrokerEvent]:
        if error.unreadable is not None:
            reason, text = error.unreadable
            yield UnreadableReceived(self._now_ns(), STREAM, reason, text[:_MOST_KEPT])

    def _locked_out(self, answer: Answer, order_id: str = "") -> Iterator[BrokerEvent]:
        """What a refusal of the keys leads to: it may be one odd answer, and the keys work."""
        is_lockout = self._doubt.is_lockout(self._asker, answer)
        if order_id:
            code = LOCKED_OUT if is_lockout else answer.code
            yield OrderNotTaken(self._now_ns(), order_id, code, answer.words)
        if is_lockout:
            yield BrokerLockedOut(self._now_ns(), answer.words)

    def _now_ns(self) -> int:
        return self._clock.now_ns()


def _echo(value: object, order_id: str) -> OrderReport:
    """The order that the answer is about, which has to be the one that was asked for."""
    report = read_order(value)
    if report.client_order_id != order_id:
        raise MisfitError(f"client_order_id is {report.client_order_id!r}, expected {order_id!r}")
    return report
