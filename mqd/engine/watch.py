"""What is looked at after every event: each working order, each position, and the desk.

The rules say when and what (`watch` documents); here it is carried out. The first row that is true
acts; a page that was made already does not stand in the way of the rows after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mqd.engine.breaker import pass_time
from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.gate import send_exit, send_stop, submit_again
from mqd.engine.holdings import Key, is_managed, looked_at, unwatched_s
from mqd.engine.moves import ask_back, count_roles, exit_excess, in_age_order, stop_shortfall
from mqd.engine.orders import order_age_s, order_facts
from mqd.engine.origin import FLATTEN
from mqd.engine.protections import Ruling
from mqd.engine.state import DeskState
from mqd.ground.errors import UnresolvedError
from mqd.ground.times import NS_PER_S
from mqd.model.command import LookUpOrder, TakeSnapshot
from mqd.model.decision import WatchActed
from mqd.model.order import ENTRY, EXIT, EXTERNAL, LEAVING, PROTECTIVE, ROLES, Order
from mqd.rules.compile.ruleset import CompiledSet
from mqd.rules.words.acts import PROTECT

FLATTENING = "FLATTENING"
PAGE = "page"
_UNKNOWN = float("nan")


@dataclass(slots=True)
class OrderWatchFacts:
    """A working order as the watch reads it; times in seconds."""

    role_code: int
    state_code: int
    age_s: float
    silence_s: float
    look_ups: int
    times_sent: int
    was_taken: bool
    times_asked_back: int
    excess: float
    shortfall: float
    stops: int
    is_enabled: bool
    is_protected: bool


@dataclass(slots=True)
class PositionWatchFacts:
    """An open position as the watch reads it; times in seconds, prices in USD.

    A price that is not known is not a number.
    """

    qty: float
    entry_price: float
    working_entries: int
    working_exits: int
    working_stops: int
    exit_attempts: int
    since_exit_s: float
    stop_attempts: int
    since_stop_s: float
    has_stop_ended: bool
    planned_distance: float
    stop_price: float
    last_price: float
    takes_stop: bool
    unwatched_s: float
    is_managed: bool
    is_external: bool


def watch(engine: Engine, state: DeskState, step: Step) -> None:
    """Let the watches act; what they do to one order another one sees."""
    if state.breaker.state_name in engine.breaker_waits:
        pass_time(engine, state, step)
    if state.working:
        for order in in_age_order(state):
            _watch_order(engine, state, order, step)
    if state.holdings:
        for key in sorted(state.holdings):
            _watch_position(engine, state, key, step)
    _watch_desk(engine, state, step)


def first_row(
    state: DeskState, rules: CompiledSet, acts: tuple[str, ...], mask: int, subject: str
) -> tuple[str, str] | None:
    """The first row that is true, as (code, act), pages that were made already aside.

    A page whose row is no longer true may be made again, whatever stands above it.
    """
    found = None
    if not mask and not state.paged:
        return None
    for bit, (code, act) in enumerate(zip(rules.codes, acts, strict=True)):
        if not mask >> bit & 1:
            state.paged.discard((code, subject))
        elif found is None and (code, subject) not in state.paged:
            found = code, act
    return found


def _watch_order(engine: Engine, state: DeskState, order: Order, step: Step) -> None:
    book = engine.book
    heard_ns = max(order.asked_ns, order.updated_ns)
    strategy = state.strategies.get(order.strategy)
    facts = OrderWatchFacts(
        role_code=ROLES.index(order.role),
        # Rules that know no such state have no row for it; news about the order tells of it.
        state_code=engine.order_state_codes.get(order.state, -1),
        age_s=order_age_s(order, state.now_ns),
        silence_s=(state.now_ns - heard_ns) / NS_PER_S,
        look_ups=order.look_ups,
        times_sent=order.times_sent,
        was_taken=order.was_taken,
        times_asked_back=order.times_asked_back,
        excess=exit_excess(state, order) if order.role in LEAVING else 0.0,
        shortfall=stop_shortfall(state, order) if order.role == PROTECTIVE else 0.0,
        stops=_stops_before(state, order),
        is_enabled=strategy is not None and strategy.enabled,
        is_protected=_is_protected(engine, state, order, step),
    )
    mask = book.order_watch.evaluate(
        None, state.symbol(order.symbol), state.session, state.desk, None,
        order_facts(order, state.now_ns), facts,
    )  # fmt: skip
    subject = order.client_order_id
    found = first_row(state, book.order_watch, book.order_watch_acts, mask, subject)
    if found is None:
        return
    code, act = found
    step.notes.append(WatchActed(step.at_ns, "order", code, subject, act))
    if act == "ask_back":
        ask_back(engine, state, order, code, step)
    elif act == "look_up":
        look_up(state, order, step)
    elif act == "send_again":
        submit_again(state, order, step)
    else:
        _page(engine, state, step, code, subject, f"{order.state} since {order.updated_ns}")


def _is_protected(engine: Engine, state: DeskState, order: Order, step: Step) -> bool:
    """Whether protections would let this entry through now; asked where it may be sent again."""
    if order.role != ENTRY or order.was_taken:
        return False
    answer = engine.protections.check(state, order.strategy, order.symbol, step, on_bar=False)
    return answer.ruling != Ruling.ALLOW


def _stops_before(state: DeskState, order: Order) -> int:
    """Stops of its position that an exit which was never sent waits for."""
    if order.role != EXIT or not order.never_left:
        return 0
    return count_roles(state, order.strategy, order.symbol)[PROTECTIVE]


def look_up(state: DeskState, order: Order, step: Step) -> None:
    """Ask the broker what became of an order."""
    state.orders[order.client_order_id] = order._replace(
        asked_ns=state.now_ns, look_ups=order.look_ups + 1
    )
    step.commands.append(LookUpOrder(step.at_ns, order.client_order_id))


def _watch_position(engine: Engine, state: DeskState, key: Key, step: Step) -> None:
    book, holding = engine.book, state.holdings[key]
    facts = _position_facts(engine, state, key)
    if facts.working_exits:
        looked_at(state, key, state.now_ns)
        facts.unwatched_s = unwatched_s(state, key)
    symbol = state.symbol(key[1])
    mask = book.position_watch.evaluate(None, symbol, state.session, state.desk, None, None, facts)
    subject = "/".join(key)
    found = first_row(state, book.position_watch, book.position_watch_acts, mask, subject)
    if found is None:
        return
    code, act = found
    if act == PAGE:
        step.notes.append(WatchActed(step.at_ns, "position", code, subject, act))
        tried = f"{holding.exit_attempts} exits and {holding.stop_attempts} stops tried"
        _page(engine, state, step, code, subject, tried)
        return
    if act == PROTECT:
        price = book.stop_prices[code](None, symbol, state.session, state.desk, None, None, facts)
        is_sent = send_stop(engine, state, key, price, code, step)
    else:
        is_ordered = state.state_name == FLATTENING
        reason = holding.exit_reason if act == "exit_again" else FLATTEN if is_ordered else code
        is_sent = send_exit(engine, state, key, reason, step)
    if is_sent:
        step.notes.append(WatchActed(step.at_ns, "position", code, subject, act))


def _position_facts(engine: Engine, state: DeskState, key: Key) -> PositionWatchFacts:
    holding, held = state.holdings[key], state.ledger.positions.get(*key)
    at_work = count_roles(state, *key)
    stop = state.orders.get(holding.stop_id)
    return PositionWatchFacts(
        qty=float(held.qty),
        entry_price=float(held.entry_price or 0),
        working_entries=at_work[ENTRY],
        working_exits=at_work[EXIT],
        working_stops=at_work[PROTECTIVE],
        exit_attempts=holding.exit_attempts,
        since_exit_s=(state.now_ns - holding.exit_ended_ns) / NS_PER_S,
        stop_attempts=holding.stop_attempts,
        since_stop_s=(state.now_ns - holding.stop_ended_ns) / NS_PER_S,
        has_stop_ended=holding.stop_ended_ns > 0,
        planned_distance=_number(holding.planned_distance),
        stop_price=_number(stop.stop_price if stop is not None else None),
        last_price=state.symbol(key[1]).last_close or _UNKNOWN,
        takes_stop=engine.takes_stop[held.qty != held.qty.to_integral_value()],
        unwatched_s=unwatched_s(state, key),
        is_managed=is_managed(engine, key),
        is_external=key[0] == EXTERNAL,
    )


def _number(value: Decimal | None) -> float:
    return _UNKNOWN if value is None else float(value)


def _watch_desk(engine: Engine, state: DeskState, step: Step) -> None:
    book, desk = engine.book, state.desk
    desk.since_snapshot_s = (state.now_ns - desk.snapshot_asked_ns) / NS_PER_S
    desk.working_orders = len(state.working)
    mask = book.desk_watch.evaluate(None, None, state.session, desk, None, None)
    if not mask and not state.paged:
        return
    found = first_row(state, book.desk_watch, book.desk_watch_acts, mask, "desk")
    if found is None:
        return
    code, act = found
    step.notes.append(WatchActed(step.at_ns, "desk", code, "desk", act))
    if act == "take_snapshot":
        # Two asked for at one instant are told apart all the same.
        desk.snapshot_asked_ns = max(state.now_ns, desk.snapshot_asked_ns + 1)
        desk.snapshot_asked = True
        desk.is_waiting_for_snapshot, desk.snapshot_is_due = True, False
        state.news_since_ask = 0
        step.commands.append(TakeSnapshot(desk.snapshot_asked_ns, code))
    else:
        _page(engine, state, step, code, "desk", state.state_name)


def _page(
    engine: Engine, state: DeskState, step: Step, code: str, subject: str, detail: str
) -> None:
    """Tell a person, once until the row stops being true."""
    state.paged.add((code, subject))
    raise_incident(engine, state, step, UnresolvedError(f"{code}: {subject}, {detail}"), subject)
