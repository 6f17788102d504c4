"""The facts of a comparison: of the desk with the broker, and of the desk with itself."""

from __future__ import annotations

from mqd.ground.units import BOOL, DURATION, ORDERS, POSITIONS, RATIO, REQUESTS, SHARES, USD, Unit
from mqd.rules.words.fact import DRIFT_OF_ACCOUNT, DRIFT_OF_POSITION, INVARIANT, Fact

_POSITION = frozenset({DRIFT_OF_POSITION})
_ACCOUNT = frozenset({DRIFT_OF_ACCOUNT})


def _audit(name: str, unit: Unit, means: str) -> Fact:
    scopes = frozenset({INVARIANT})
    return Fact(f"audit.{name}", unit, means, scopes, f"subject.{name}", is_integer=unit.is_count)


AUDITING = (
    Fact(
        "drift.qty", SHARES, "The difference of the position in hand, in shares, without a sign.",
        _POSITION, "subject.qty",
    ),
    Fact(
        "drift.share", RATIO, "The difference as a share of the larger of both sides.",
        _POSITION, "subject.share",
    ),
    Fact(
        "drift.value", USD, "The difference at the last price; unknown where no price is known.",
        _POSITION, "subject.value_usd", "subject.value_known",
    ),
    Fact(
        "drift.looks", REQUESTS,
        "Comparisons in a row, this one counted, that showed the same difference.",
        _POSITION, "subject.looks", is_integer=True,
    ),
    Fact(
        "drift.orders", ORDERS, "Orders of the desk on the symbol that have not ended.",
        _POSITION, "subject.orders", is_integer=True,
    ),
    Fact(
        "drift.has_ended", BOOL,
        "The difference is an order that works at the broker and has ended here.",
        _POSITION, "subject.has_ended",
    ),
    Fact(
        "drift.since_fill", DURATION,
        "Since the last fill on the symbol was booked; unknown when there was none.",
        _POSITION, "subject.since_fill_s", "subject.has_filled",
    ),
    Fact(
        "drift.missing_positions", POSITIONS,
        "Positions that one side has and the other has not, over the whole comparison.",
        _ACCOUNT, "subject.missing_positions", is_integer=True,
    ),
    Fact(
        "drift.largest_share", RATIO,
        "The largest difference of a position that both sides hold, as a share of the larger side.",
        _ACCOUNT, "subject.largest_share",
    ),
    _audit(
        "position_gap", SHARES,
        "The largest difference between a position and the sum of its executions.",
    ),
    _audit(
        "fill_gap", SHARES,
        "The largest difference between an order's filled shares and the sum of its executions.",
    ),
    _audit(
        "cash_gap", USD,
        "The difference between the P&L booked and what the executions paid and cost.",
    ),
    _audit(
        "wrong_working", ORDERS,
        "Orders that have ended and still count as working, or the reverse.",
    ),
    _audit(
        "exit_excess", SHARES,
        "Shares that working exits and stops may sell beyond what is held; those asked back aside.",
    ),
    _audit(
        "exits_beside_stops", ORDERS,
        "Exits that were sent while a stop of the same position had not ended.",
    ),
    _audit(
        "entries_on_one_symbol", ORDERS, "The most entries that work on one symbol at once."
    ),
    _audit(
        "entries_while_stopped", ORDERS,
        "Entries sent by this step although the desk opens nothing.",
    ),
    _audit(
        "positions_without_exit", POSITIONS,
        "Open positions of the desk that no strategy, working exit or incident looks after.",
    ),
    _audit(
        "commands_unrecorded", REQUESTS, "Orders sent by this step that the desk does not know."
    ),
)  # fmt: skip
