"""What an older version of the desk wrote, beside what this one says of the same event.

Rows of today's form are compared byte for byte. An older row could say less, and the code that
wrote it is gone: it is compared by what makes the desk's history, as far as that form could say it
(what was decided, what was sent, what a trade came to).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mqd.ground.canonical import decode, encode
from mqd.model.command import Command
from mqd.model.event import (
    RECORD_VERSION,
    BrokerEvent,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
)

# By form: the records that are compared, and how many of their fields, name not counted.
_SAID: dict[int, dict[str, int]] = {
    1: {
        "Decision": 4,  # when, strategy, symbol, outcome
        "SubmitOrder": 7,  # everything
        "CancelOrder": 2,  # when, client order id; its reason may be told otherwise now
        "Trade": 9,  # everything but the rules' digest
    },
}


def is_same(journaled: str, record: list[list[object]], version: int) -> bool:
    """Whether an outcome stepped again is the journaled one, as far as `version` could say."""
    if version == RECORD_VERSION:
        return encode(record) == journaled
    return same_in_older(journaled, record, version)


def same_in_older(old_body: str, new_record: list[list[object]], version: int) -> bool:
    """Whether an outcome of an older form says what `new_record` says now, in the same order."""
    said = _SAID[version]
    now = decode(encode(new_record))  # the same trip through JSON
    return _compared(decode(old_body), said) == _compared(now, said)


def _compared(records: Iterable[list[Any]], said: dict[str, int]) -> list[list[Any]]:
    return [record[: said[record[0]] + 1] for record in records if record[0] in said]


def commands_then(commands: Iterable[Command], version: int) -> tuple[Command, ...]:
    """Those of the commands that a desk which wrote this form sent; it knew no others."""
    if version == RECORD_VERSION:
        return tuple(commands)
    return tuple(command for command in commands if type(command).__name__ in _SAID[version])


def same_reply(journaled: BrokerEvent, repeated: BrokerEvent) -> bool:
    """Whether a broker repeats what the journal has.

    An older fill does not say of what it is, nor an older end how much was filled.
    """
    match journaled, repeated:
        case OrderFilled(symbol=""), OrderFilled():
            return journaled == repeated._replace(symbol="", side="")
        case OrderCancelled(filled_qty=None), OrderCancelled():
            return journaled == repeated._replace(filled_qty=None)
        case OrderExpired(filled_qty=None), OrderExpired():
            return journaled == repeated._replace(filled_qty=None)
    return journaled == repeated
