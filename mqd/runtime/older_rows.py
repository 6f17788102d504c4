"""What an older version of the desk wrote, beside what this one says of the same event.

Rows of today's form are compared byte for byte. An older row could say less, and the code that
wrote it is gone: it is compared by what makes the desk's history, as far as that form could say it
(what was decided, what was sent, what a trade came to).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mqd.ground.canonical import decode, encode
from mqd.model.command import Command
from mqd.model.event import BrokerEvent, OrderCancelled, OrderExpired, OrderFilled
from mqd.model.journaled import RECORD_VERSION

_LATER = {"Decision": 11, "SubmitOrder": 7, "CancelOrder": 2, "Trade": 10}

# By form: the records that are compared, and how many of their fields, name not counted.
_SAID: dict[int, dict[str, int]] = {
    1: {
        "Decision": 4,  # when, strategy, symbol, outcome
        "SubmitOrder": 7,  # everything
        "CancelOrder": 2,  # when, client order id; its reason may be told otherwise now
        "Trade": 9,  # everything but the rules' digest
    },
    2: _LATER,  # it asked the broker less often, and told of fewer differences
    3: _LATER,  # a fee that overtook its execution was an incident
    4: _LATER,  # no breaker and no account was asked, and no stop rested at a broker
    5: _LATER,  # a protection that tripped said less of it, and no strategy was judged
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


def _told(record: list[Any], said: dict[str, int]) -> list[Any]:
    """As much of a record as its form could say; all of one that is not compared."""
    return record[: said[record[0]] + 1] if record[0] in said else record


def commands_then(commands: Sequence[Command], journaled: str, version: int) -> tuple[Command, ...]:
    """Those of the commands that the desk which wrote `journaled` sent."""
    if version == RECORD_VERSION:
        return tuple(commands)
    said = _SAID[version]
    sent = [_told(record, said) for record in decode(journaled)]
    now = [[type(command).__name__, *command] for command in commands]
    again = decode(encode(now))  # the same trip through JSON
    pairs = zip(commands, again, strict=True)
    return tuple(command for command, record in pairs if _told(record, said) in sent)


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
