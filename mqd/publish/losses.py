"""What a loss takes: how many planned trades that end at their stops, or a price that jumps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from mqd.ground.units import USD
from mqd.publish.moves import BEYOND, NEVER, NO_MOVE, YES, Reach, amount_text, percent_text
from mqd.publish.plans import Plan
from mqd.rules.compile.question import Given, number_of
from mqd.rules.expressions import ir

_SESSIONS_OF_WEEK = 5
_TIME = re.compile(r"[0-9]+[smh]")


def loss_reach(loss: float, name: ir.Name, said: str, measure: Any, plans: Sequence[Plan]) -> Reach:
    """A loss in USD of a session, a week or a window, against what is planned to be lost."""
    sessions = _SESSIONS_OF_WEEK if "week" in name.name else 1
    if measure is not None:
        count, _, word = str(measure.over).partition(" ")
        if word == "trades" and count.isdigit():
            return _of_rows(loss, int(count), f"a loss of {amount_text(loss, USD)}", plans)
        found = sessions_over(measure)
        if found is None:
            return Reach(YES, f"{said} at {amount_text(-loss, USD)}")
        sessions = found
    return _lost(loss, sessions, f"a loss of {amount_text(loss, USD)}", plans)


def drawdown_reach(
    share: float,
    said: str,
    measure: Any,
    plans: Sequence[Plan],
    constants: Mapping[str, Given],
) -> Reach:
    """A share of the equity, in money where the rules assume an equity."""
    assumed = getattr(measure, "assumed", None)
    move = f"{said} at {percent_text(share)}"
    if assumed is None or not {n.name for n in ir.names(assumed)} <= constants.keys():
        return Reach(YES, move)
    loss = share * float(number_of(assumed).asked(constants))
    move = f"{move}, a loss of {amount_text(loss, USD)} at the assumed equity"
    sessions = sessions_over(measure)
    return Reach(YES, move) if sessions is None else _lost(loss, sessions, move, plans)


def sessions_over(measure: Any) -> int | None:
    """How many sessions the window of a measure reaches over; None for one of rows or of all."""
    over = str(measure.over)
    count, _, word = over.partition(" ")
    if over == "week":
        return _SESSIONS_OF_WEEK
    if word in {"days", "day"} and count.isdigit():
        weeks, rest = divmod(int(count), 7)
        return weeks * _SESSIONS_OF_WEEK + min(rest, _SESSIONS_OF_WEEK)
    if word == "sessions" and count.isdigit():
        return int(count)
    return 1 if over == "session" or _TIME.fullmatch(over) else None


def _lost(loss: float, sessions: int, move: str, plans: Sequence[Plan]) -> Reach:
    """A loss against what the trades of so many sessions plan to lose."""
    sizes = [(plan.entries, plan.risk_usd(), plan.notional_usd()) for plan in plans]
    planned = invested = 0.0
    for entries, risk, notional in sizes:
        if entries is None or not risk or not notional:
            return Reach(YES, f"{move}: {_trades(loss, [each for _, each, _ in sizes])}")
        planned += entries * risk * sessions
        invested += entries * notional * sessions
    if planned >= loss:
        return Reach(YES, f"{move}: {_trades(loss, [each for _, each, _ in sizes])}")
    of_what = "a session" if sessions == 1 else f"{sessions} sessions"
    return _beyond(loss, planned, invested, f"the trades of {of_what}", move)


def _of_rows(loss: float, trades: int, move: str, plans: Sequence[Plan]) -> Reach:
    """A loss of the newest trades, of one strategy's or of all together."""
    sizes = [(plan.risk_usd() or 0.0, plan.notional_usd() or 0.0) for plan in plans]
    risk, notional = max(sizes, default=(0.0, 0.0))
    if not risk or trades * risk >= loss:
        return Reach(YES, f"{move}: {_trades(loss, [risk])}")
    what = f"{trades:,} trades"
    return _beyond(loss, trades * risk, trades * notional, what, move)


def _beyond(loss: float, planned: float, invested: float, what: str, move: str) -> Reach:
    """A loss that the planned trades do not come to; they cannot lose more than they cost."""
    if loss > invested:
        return Reach(NEVER, NO_MOVE, f"{what} cost {amount_text(invested, USD)}, and cannot lose "
                     f"{amount_text(loss, USD)}")  # fmt: skip
    gap = percent_text((loss - planned) / invested)
    return Reach(
        BEYOND, move,
        f"{what} plan to lose {amount_text(planned, USD)}; it takes a price that jumps {gap} past "
        "the stop of each",
    )  # fmt: skip


def _trades(loss: float, risks: Sequence[float | None]) -> str:
    known = [risk for risk in risks if risk]
    count = f"{ceil(loss / max(known)):,}" if known else "so many"
    return (
        f"{count} {'trade that ends at its stop' if count == '1' else 'trades that end at stops'}"
    )
