"""Every code that the program itself declares: problems, errors, outcomes, feed, broker."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

from mqd.app import end_of_data
from mqd.brokers import simulated
from mqd.brokers.alpaca import errands, orders
from mqd.feeds import mending, sequence
from mqd.ground import errors
from mqd.model import command, decision, event, order, position
from mqd.publish.declared import source_line
from mqd.publish.listed import listed_meanings
from mqd.publish.meaning import Meaning
from mqd.publish.meanings import meanings_of
from mqd.publish.problem_codes import code_lines
from mqd.rules.book import RuleBook
from mqd.rules.codes import all_codes

_MEND = "`mqd validate-rules` shows the file, the line and how to mend it"
_REFUSAL = "refusal, the broker's or its adapter's"
_NO_ACTION = "nothing: it was mended or noted; look at the feed where it happens often"

FEED_CODES: dict[str, tuple[ModuleType, str]] = {
    mending.DUPLICATE_ROW: (mending, "Two rows have one symbol and stamp; the last one counts."),
    mending.OUT_OF_ORDER_ROW: (mending, "A row stands after a later one; the rows were sorted."),
    mending.NEWEST_FIRST_FILE: (mending, "The file has its newest row first; it was turned over."),
    mending.FOREIGN_SYMBOL_ROW: (mending, "A row is of a symbol that was not asked for; left out."),
    sequence.GAP: (sequence, "Minutes are missing inside a session; nothing was made up for them."),
    sequence.SESSION_STARTS_LATE: (sequence, "The session's first bar is not that of its open."),
    sequence.DUPLICATE_BAR: (sequence, "A live bar came twice, the same both times; one counts."),
    sequence.LATE_BAR: (sequence, "A live bar came after a later one; it was left out."),
    sequence.REVISED_BAR: (sequence, "A live bar came again, changed; what was decided on stands."),
    sequence.BAR_TOO_EARLY: (sequence, "A live bar came before its minute ended; left out."),
}
BROKER_CODES: dict[str, tuple[ModuleType, str]] = {
    simulated.MARKET_CLOSED: (simulated, "The order came outside the regular session."),
    simulated.UNSUPPORTED_ORDER: (
        simulated, "The simulated broker takes market orders and stops, for the day.",
    ),
    simulated.TOO_MANY_ORDERS: (simulated, "More orders work than the simulated broker takes."),
    simulated.WRONG_SIDE: (
        simulated, "The price of a stop is not below the last one; it would trade at once.",
    ),
    simulated.INSUFFICIENT_QTY: (
        simulated, "More was to be sold than is held; there is no selling short.",
    ),
    simulated.SIMULATED_REJECT: (
        simulated, "The rehearsal said no, because `reject_every` asked for it.",
    ),
    simulated.ORDER_ENDED: (simulated, "The order was to be taken back and has ended already."),
    simulated.ORDER_UNKNOWN: (simulated, "The order was to be taken back and was never sent."),
    orders.LAST_HOP: (
        orders, "The last look beside the request found no order that may leave; it did not.",
    ),
    errands.PACE: (
        errands, "The broker may not be asked again yet; an entry does not wait and was not sent.",
    ),
    errands.LOCKED_OUT: (
        errands, "The broker takes these keys no more; nothing is sent until somebody has looked.",
    ),
}  # fmt: skip
OUTCOME_CODES: dict[str, str] = {
    decision.NO_TRADE: "A bar was looked at and nothing was to be sent.",
    decision.ENTER: "Nothing stood against it: an entry order was made.",
    decision.EXIT: "An exit was true: an order to close the position was made.",
    decision.REFUSED: "An entry was wanted; a data rule, a protection or a check said no.",
    decision.EXIT_WAITS: "An exit is due and held back, by an exit on its way or a frozen desk.",
}


def every_meaning(book: RuleBook) -> Iterator[Meaning]:
    """All codes there are: those of the rules first, then those of the program."""
    yield from meanings_of(book)
    yield from problem_codes()
    yield from _errors()
    for code, means in OUTCOME_CODES.items():
        then = "`mqd why` shows the last decision with its values"
        yield Meaning(code, "outcome of a decision", means, source_line(decision, code), then=then)
    for code, (module, means) in FEED_CODES.items():
        yield Meaning(code, "data defect", means, source_line(module, code), then=_NO_ACTION)
    for code, (module, means) in BROKER_CODES.items():
        then = "`mqd journal tail` shows the order and what was said of it"
        yield Meaning(code, _REFUSAL, means, source_line(module, code), then=then)
    yield from listed_meanings()
    yield from _records()
    end = end_of_data.END_OF_DATA
    yield Meaning(
        end, "exit of a back-test", "The bars ended with a position open; it was closed at the "
        "last close.", source_line(end_of_data, end), then="give the back-test more bars",
    )  # fmt: skip


def problem_codes() -> Iterator[Meaning]:
    """Every problem that a rule file can have, by the module that finds it."""
    places = code_lines()
    for code, means in all_codes().items():
        yield Meaning(code, "problem in a rule file", means, places[code], then=_MEND)


def _records() -> Iterator[Meaning]:
    """What the journal is made of: events, what the desk decided, and what it asked for."""
    for module in (event, decision, order, position, command):
        for name, record in vars(module).items():
            is_record = inspect.isclass(record) and issubclass(record, tuple)
            if is_record and record.__module__ == module.__name__:
                then = "`mqd journal tail` shows the last ones"
                declared = source_line(module, name)
                yield Meaning(name, "record in the journal", _sentence(record), declared, then=then)


def _errors() -> Iterator[Meaning]:
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.MqdError):
            group = error.__mro__[1]
            then = _sentence(group) if group is not Exception else ""
            yield Meaning(name, "error", _sentence(error), source_line(errors, name), then=then)


def _sentence(thing: object) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
