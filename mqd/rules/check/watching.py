"""Watches, the comparison with the broker, and invariants."""

from __future__ import annotations

from mqd.ground.units import PRICE
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
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import Scope
from mqd.rules.problems import did_you_mean
from mqd.rules.words.acts import DIFFERENCES, PROTECT, WATCH_ACTS
from mqd.rules.words.facts import (
    DESK_WATCH,
    DRIFT_OF_ACCOUNT,
    DRIFT_OF_POSITION,
    INVARIANT,
    ORDER_WATCH,
    POSITION_WATCH,
)

CODES = {
    "WATCH_ACT_UNKNOWN": "A watch asks for an act that is not there for what it watches.",
    "WATCH_PRICE_MISSING": "A row that sends a stop does not say at which price.",
    "WATCH_PRICE_UNUSED": "A row says a price, and its act sends nothing that has one.",
}

_SCOPES = {"order": ORDER_WATCH, "position": POSITION_WATCH, "desk": DESK_WATCH}


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
            if condition is not None:
                rows.append(WatchRow(condition, act.text, price))
    return Watch(document.header(), tuple(rows))


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
