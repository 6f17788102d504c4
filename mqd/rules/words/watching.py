"""The facts that a watch looks at after every event: a working order, a position, the desk."""

from __future__ import annotations

from mqd.ground.units import BOOL, DURATION, ORDERS, PRICE, REQUESTS, SHARES, TEXT, Unit
from mqd.rules.words.fact import (
    DESK_WATCH,
    ENDED_ENTRY,
    ORDER_WATCH,
    POSITION_WATCH,
    Fact,
    finite,
)

ROLES = ("entry", "exit", "external", "protective")
_WATCHED = frozenset({ORDER_WATCH})
_LOOKED_BACK_AT = frozenset({ORDER_WATCH, ENDED_ENTRY})


def _order(
    name: str, unit: Unit, means: str, source: str = "", scopes: frozenset[str] = _WATCHED
) -> Fact:
    read = f"subject.{source or name}"
    return Fact(f"order.{name}", unit, means, scopes, read, is_integer=unit.is_count)


def _held(name: str, unit: Unit, means: str, source: str = "", known: str = "") -> Fact:
    read = f"subject.{source or name}"
    return Fact(
        f"held.{name}", unit, means, frozenset({POSITION_WATCH}), read, known,
        is_integer=unit.is_count,
    )  # fmt: skip


def _desk(name: str, unit: Unit, means: str, source: str = "", known: str = "") -> Fact:
    read = f"desk.{source or name}"
    return Fact(
        f"desk.{name}", unit, means, frozenset({DESK_WATCH}), read, known,
        is_integer=unit.is_count,
    )  # fmt: skip


WATCHING = (
    Fact(
        "order.role", TEXT,
        "What the order is for; an external one was not made by this desk, a protective one is "
        "the stop that rests at the broker.",
        _WATCHED, "subject.role_code", members=ROLES, is_integer=True,
    ),
    Fact(
        "order.state", TEXT, "The state of the order's lifecycle.",
        _LOOKED_BACK_AT, "subject.state_code", is_integer=True,
    ),
    _order(
        "age", DURATION, "Since the order was made; of one that has ended, until then.", "age_s",
        _LOOKED_BACK_AT,
    ),
    _order(
        "silence", DURATION, "Since the desk last asked or heard anything about it.", "silence_s"
    ),
    _order("look_ups", REQUESTS, "How often the broker was asked what became of it."),
    _order("times_sent", REQUESTS, "How often it was sent to the broker, always under one id."),
    _order("times_asked_back", REQUESTS, "How often the broker was asked to take it back."),
    _order(
        "excess", SHARES,
        "Shares that this exit or stop may still sell or buy beyond what is held.",
    ),
    _order("shortfall", SHARES, "Shares that are held beyond what this stop may still sell."),
    _order(
        "stops", ORDERS,
        "Stops of its position that have not ended, for an exit that waits to be sent.",
    ),
    _order(
        "was_taken", BOOL, "The broker did not say that it provably did not take the request."
    ),
    Fact(
        "desk.is_protected", BOOL,
        "A protection lets no entry of the order's strategy and symbol through, asked now.",
        _WATCHED, "subject.is_protected",
    ),
    Fact(
        "desk.has_compared", BOOL,
        "The desk has been compared with its broker since it started.",
        frozenset({POSITION_WATCH}), "desk.has_compared",
    ),
    _order("is_enabled", BOOL, "The order's strategy may open positions; nobody switched it off."),
    _held("qty", SHARES, "The shares of the position."),
    _held("entry_price", PRICE, "What a share of the position cost in the mean."),
    _held("working_exits", ORDERS, "Exits of this position that have not ended."),
    _held(
        "exit_attempts", REQUESTS,
        "Exits sent for this position that ended without closing it.",
    ),
    _held(
        "since_exit", DURATION, "Since the last of them ended; unknown when there was none.",
        "since_exit_s", "subject.exit_attempts > 0",
    ),
    _held("working_entries", ORDERS, "Entries of this position that have not ended."),
    _held("working_stops", ORDERS, "Stops of this position at the broker that have not ended."),
    _held(
        "stop_attempts", REQUESTS,
        "Stops made for this position that ended although the desk did not ask for them back.",
    ),
    _held(
        "since_stop", DURATION,
        "Since the last stop of this position ended; unknown when none has.",
        "since_stop_s", "subject.has_stop_ended",
    ),
    _held(
        "planned_distance", PRICE,
        "From the price that the entry was decided at down to its planned stop; unknown where no "
        "entry of this desk opened the position.",
        known=finite("subject.planned_distance"),
    ),
    _held(
        "stop_price", PRICE,
        "The price of the last stop that was made for this position; unknown when there was none.",
        known=finite("subject.stop_price"),
    ),
    _held(
        "last_price", PRICE, "The last close of its symbol; unknown before there was one.",
        known=finite("subject.last_price"),
    ),
    _held(
        "takes_stop", BOOL,
        "The broker's `forms` take a stop order of so many shares.",
    ),
    _held("unwatched", DURATION, "Since a rule last looked at its exits.", "unwatched_s"),
    _held("is_managed", BOOL, "A strategy of these rules looks after it."),
    _held("is_external", BOOL, "It was not opened by this desk."),
    _desk(
        "since_snapshot", DURATION,
        "Since the desk last asked the broker what it holds; unknown when it never did.",
        "since_snapshot_s", "desk.snapshot_asked",
    ),
    _desk(
        "snapshot_is_due", BOOL,
        "Something happened after which the desk has to be compared with the broker: a start, a "
        "stream restored, the end of a session.",
    ),
    _desk(
        "is_waiting_for_snapshot", BOOL, "The broker was asked what it holds and has not answered."
    ),
    _desk(
        "refused_orders", ORDERS, "Orders that the broker refused since its newest snapshot."
    ),
    _desk("working_orders", ORDERS, "Orders of the desk that have not ended."),
)  # fmt: skip
