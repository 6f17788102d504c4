"""The facts of what is over: a finished trade; and every reason for which the desk itself ends one.

They are read when a trade is looked back at, in reports and on pages, and decide nothing.
"""

from __future__ import annotations

from mqd.ground.units import BOOL, DURATION, ORDERS, PRICE, TRADES, Unit
from mqd.rules.words.fact import FINISHED_TRADE, Fact

ENDS_BESIDE_RULES = {
    "FLATTEN": "A person ordered everything closed.",
    "ADOPTED": "A comparison with the broker found fewer shares, and its number was taken over.",
    "EXTERNAL": "An order that the desk did not make traded against the position.",
    "BUST": "The broker took back an execution that the position was made of.",
    "CORRECTION": "The broker corrected an execution that the position was made of.",
    "END_OF_DATA": "A back-test ran out of bars; the rest was counted at the last close.",
}
"""The codes of trades that no rule ended: a person's order, and what no order of ours did."""


def _trade(name: str, unit: Unit, means: str, *, may_be_unknown: bool = False) -> Fact:
    read = f"trade.{name}"
    known = f"{read} is not None" if may_be_unknown else ""
    return Fact(
        read, unit, means, frozenset({FINISHED_TRADE}), read, known, is_integer=unit.is_count
    )


ATTRIBUTING = (
    _trade("entry_price", PRICE, "What a share of it cost in the mean."),
    _trade(
        "entry_decided", PRICE,
        "The price that its entry was decided at; unknown where no entry of the desk opened it.",
        may_be_unknown=True,
    ),
    _trade(
        "planned_stop", PRICE,
        "The stop that its entry planned; unknown where no entry of the desk opened it.",
        may_be_unknown=True,
    ),
    _trade(
        "exit_bar_open", PRICE,
        "The open of the bar on which its exit was decided; unknown where no bar decided it.",
        may_be_unknown=True,
    ),
    _trade("held", DURATION, "From its first fill to the one that ended it."),
    _trade(
        "is_stopped", BOOL,
        "An exit that looks back at the entry price ended it, or a stop, and it made nothing.",
    ),
    _trade(
        "number", TRADES,
        "Its place among the strategy's entries of the session that were filled, 1 the first.",
    ),
    _trade("rejected_exits", ORDERS, "Exits of it that the broker rejected."),
    _trade(
        "failed_exits", ORDERS,
        "Exits of it that ended for another reason before they were filled.",
    ),
)  # fmt: skip
