"""Watches, the comparison with the broker, and invariants."""

from __future__ import annotations

from mqd.ground.units import PRICE, RATIO
from mqd.rules.book import (
    Difference,
    Invariants,
    Reconciliation,
    Watch,
    WatchRow,
)
from mqd.rules.check.conditions import numeric, read_conditions, read_one
from mqd.rules.check.document import Document
from mqd.rules.check.sets import Surroundings
from mqd.rules.check.values import number
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import Scope
from mqd.rules.problems import did_you_mean
from mqd.rules.words.acts import DIFFERENCES, PAUSE, PROMOTE, PROTECT, WATCH_ACTS
from mqd.rules.words.facts import (
    DESK_WATCH,
    DRIFT_OF_ACCOUNT,
    DRIFT_OF_POSITION,
    INVARIANT,
    ORDER_WATCH,
    POSITION_WATCH,
    STRATEGY_WATCH,
)
from mqd.rules.words.judging import UNDER_WATER

CODES = {
    "PAUSE_ENDS_AT_ONCE": "What ends a pause holds of the very values that begin it.",
    "WATCH_ACT_UNKNOWN": "A watch asks for an act that is not there for what it watches.",
    "WATCH_PRICE_MISSING": "A row that sends a stop does not say at which price.",
    "WATCH_PRICE_UNUSED": "A row says a price, and its act sends nothing that has one.",
    "WATCH_WORD_MISSING": "A row, or its watch, lacks a key that only it can say.",
    "WATCH_WORD_UNUSED": "A row, or its watch, says what nothing there reads.",
}

_SCOPES = {"order": ORDER_WATCH, "position": POSITION_WATCH, "desk": DESK_WATCH,
           "strategy": STRATEGY_WATCH}  # fmt: skip
_ASKS = {PAUSE: ("until", "what ends the pause"), PROMOTE: ("by", "by which share it may grow")}
"""The key that an act of a strategy's watch needs, and what it says."""


def read_watch(document: Document, around: Surroundings) -> Watch:
    """One watch; the facts that its rows may read follow from what it watches."""
    if document.id not in _SCOPES:  # told with the other ids
        return Watch(document.header(), ())
    scope = around.scope(_SCOPES[document.id])
    known = WATCH_ACTS[document.id]
    rows: list[WatchRow] = []
    for code, _ in document.pairs("rows"):
        path = ("rows", code.text)
        condition = read_one(document, path, "when", scope, "skip", code.text)
        act = document.scalar(*path, "do")
        if act is not None and act.text not in known:
            document.note(
                act.place, path, "WATCH_ACT_UNKNOWN",
                f"The watch of `{document.id}` has no act `{act.text}`.",
                did_you_mean(act.text, known),
            )  # fmt: skip
        elif act is not None:
            price = _price(document, path, act.text, scope)
            _check_asks(document, path, act.text)
            until = read_one(document, path, "until", scope, "skip", code.text)
            by = numeric(document, (*path, "by"), RATIO, scope)
            if condition is not None:
                rows.append(WatchRow(condition, act.text, price, until, by))
    return Watch(document.header(), tuple(rows), _over(document), _curve(document, rows))


def _check_asks(document: Document, path: tuple[str, ...], act: str) -> None:
    """A pause says what ends it, a promotion by how much; nothing else does."""
    for of, (key, says) in _ASKS.items():
        is_there = document.scalar(*path, key) is not None
        if of == act and not is_there:
            document.note(
                document.place_of(*path, "do"), path, "WATCH_WORD_MISSING",
                f"`{act}` does not say {says}.", f"add `{key}: ` with an expression",
            )  # fmt: skip
        elif of != act and is_there:
            document.note(
                document.place_of(*path, key), path, "WATCH_WORD_UNUSED",
                f"`{act}` does not ask {says}.", f"remove `{key}`",
            )  # fmt: skip


def _over(document: Document) -> int:
    """How many sessions a strategy's record looks back; no other watch has one."""
    is_of_strategies = document.id == "strategy"
    over = document.scalar("looks_back")
    if over is None and is_of_strategies:
        document.note(
            document.place, (), "WATCH_WORD_MISSING",
            "Nothing says how far the record of a strategy looks back.",
            "add `looks_back: ` with a number of sessions, such as 30",
        )  # fmt: skip
    elif over is not None and not is_of_strategies:
        document.note(
            over.place, (), "WATCH_WORD_UNUSED",
            f"The watch of `{document.id}` has no record that looks back.", "remove `looks_back`",
        )  # fmt: skip
    return int(number(over.text) or 0) if over is not None else 0


def _curve(document: Document, rows: list[WatchRow]) -> int:
    """Of how many trades a point of the equity curve is the mean; said where a row asks for it."""
    conditions = [each for row in rows for each in (row.condition, row.until) if each is not None]
    is_read = any(
        name.name == UNDER_WATER for condition in conditions for name in ir.names(condition.when)
    )
    curve = document.scalar("curve")
    if is_read and curve is None:
        document.note(
            document.place, (), "WATCH_WORD_MISSING",
            f"`{UNDER_WATER}` is read, and nothing says of how many trades its mean is.",
            "add `curve: ` with a number of trades, such as 20",
        )  # fmt: skip
    elif curve is not None and not is_read and len(rows) == len(document.pairs("rows")):
        document.note(
            curve.place, (), "WATCH_WORD_UNUSED", f"No row reads `{UNDER_WATER}`.", "remove `curve`"
        )
    return int(number(curve.text) or 0) if curve is not None else 0


def _price(document: Document, path: tuple[str, ...], act: str, scope: Scope) -> ir.Numeric | None:
    """The price of what a row sends: there where the act has one, and nowhere else."""
    scalar = document.scalar(*path, "at")
    if scalar is None and act == PROTECT:
        document.note(
            document.place_of(*path, "do"), path, "WATCH_PRICE_MISSING",
            f"`{PROTECT}` sends a stop, and nothing says at which price.",
            "add `at: ` with a price, such as `held.entry_price - 2 * held.planned_distance`",
        )  # fmt: skip
    elif scalar is not None and act != PROTECT:
        document.note(
            scalar.place, path, "WATCH_PRICE_UNUSED",
            f"`{act}` sends nothing that has a price.", "remove `at`",
        )  # fmt: skip
    return numeric(document, (*path, "at"), PRICE, scope) if scalar is not None else None


def read_reconciliation(document: Document, around: Surroundings) -> Reconciliation:
    """How the desk is compared; the unknown is not tolerated, and it refuses."""
    of_position, of_account = around.scope(DRIFT_OF_POSITION), around.scope(DRIFT_OF_ACCOUNT)
    return Reconciliation(
        header=document.header(),
        differences=tuple(
            Difference(
                kind=kind,
                do=document.text("differences", kind, "do"),
                because=document.text("differences", kind, "because"),
                place=document.key_place("differences", kind),
            )
            for kind in DIFFERENCES
        ),
        looks_again=read_conditions(document, ("looks_again",), of_position, "skip"),
        tolerates=read_conditions(document, ("tolerates",), of_position, "skip"),
        refuses=read_conditions(document, ("refuses",), of_account, "block"),
    )


def read_invariants(document: Document, around: Surroundings) -> Invariants:
    """What always holds; an unknown answer does not hold."""
    scope = around.scope(INVARIANT)
    return Invariants(
        document.header(), read_conditions(document, ("always",), scope, "skip", "holds")
    )
