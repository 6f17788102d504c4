"""What the program itself promises, where no one rule file stands behind it, and where it does so.

A promise has a code, as a rule has: a test that exercises it carries the code, and the pages
show those tests beside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mqd.ground import errors
from mqd.ground.ids import client_order_id
from mqd.ground.times import parse_iso
from mqd.publish.declared import source_line
from mqd.rules.book import Condition, MachineRules, RuleBook
from mqd.rules.expressions.ir import names
from mqd.rules.words.facts import CHECK
from mqd.rules.words.sharing import SHARING

POSITION_FACTS = frozenset(
    {"desk.open_positions", "position.is_open", "position.qty", "symbol.position_qty"}
)
WORKING_FACTS = frozenset(
    {"order.since_same", "symbol.unknown_orders", "symbol.working_exits", "symbol.working_orders"}
)
SHARED_FACTS = frozenset(fact.name for fact in SHARING if CHECK in fact.scopes)
BOOKING_EVENT = "filled"


@dataclass(frozen=True, slots=True)
class Promise:
    """A sentence that always holds, and the function or class of the program that sees to it."""

    code: str
    sentence: str
    module: str
    name: str

    @property
    def place(self) -> str:
        """Its file and line."""
        return source_line(self.module, self.name)


ABOUT_POSITIONS: Final = (
    Promise(
        "SUM_OF_EXECUTIONS", "A position is the sum of the broker's executions and of nothing "
        "else; no state of an order decides it.", "mqd.engine.ledger", "Ledger",
    ),
    Promise(
        "BOOKED_ONCE", "An execution is booked once, under the broker's own execution id, however "
        "often it is told.", "mqd.engine.ledger", "book",
    ),
    Promise(
        "FIRST_TELLING_STANDS", "An execution id that comes again with other contents changes no "
        "position: the first telling stands, and entries stop.",
        "mqd.engine.ledger", "book",
    ),
    Promise(
        "IMPOSSIBLE_IS_NOT_BOOKED", "An execution whose numbers cannot be is not booked, and "
        "entries stop.", "mqd.engine.entries", "check_execution",
    ),
    Promise(
        "OVERFILL_IS_BOOKED", "More filled than was ordered is booked all the same, because the "
        "shares are real, and entries stop.", "mqd.engine.fills", "_after_fill",
    ),
)  # fmt: skip
ABOUT_DUPLICATES: Final = (
    Promise(
        "ONE_ID_PER_DECISION", "The same decision always makes the same order id: it follows from "
        "the strategy, the symbol, the bar and the role.", "mqd.ground.ids", "client_order_id",
    ),
    Promise(
        "SENT_ONCE", "An order id is sent once: one that exists already is refused, and nothing "
        "leaves.", "mqd.engine.gate", "_send",
    ),
    Promise(
        "DURABLE_BEFORE_SENT", "A request to the broker leaves only when the journal has it.",
        "mqd.runtime.desk", "take",
    ),
    Promise(
        "RESTART_CHANGES_NOTHING", "A restart rebuilds the desk from the journal: a stop or a "
        "crash at any point adds no order and loses none.", "mqd.runtime.recovery", "recover",
    ),
)  # fmt: skip
ENFORCED: Final = {
    "order": Promise(
        "ORDER_TABLE", "Every piece of news about an order goes through this table, and nothing "
        "else moves an order.", "mqd.engine.orders", "OrderStateMachine",
    ),
    "desk": Promise(
        "DESK_TABLE", "Every incident and every broken invariant goes through this table.",
        "mqd.engine.core", "tell_desk",
    ),
    "breaker": Promise(
        "BREAKER_TABLE", "What every request of the desk came to goes through this table; no exit "
        "and no cancel asks it.", "mqd.engine.breaker", "on_request_answered",
    ),
    "protection": Promise(
        "PROTECTION_TABLE", "What a protection watches for, the end of its time and a person's "
        "word go through this table; nothing else ends a block.",
        "mqd.engine.blocks", "Blocks",
    ),
    "life": Promise(
        "STRATEGY_TABLE", "Whatever the record of a strategy calls for, and a person who puts it "
        "back, goes through this table; no exit asks it.", "mqd.engine.lives", "move_life",
    ),
    "gone": Promise(
        "STATE_IS_GONE", "A strategy whose state these rules do not have is retired by them, or "
        "switched off where they close it in no state, until a person puts it back.",
        "mqd.engine.lives", "take_up_lives",
    ),
    "record": Promise(
        "RECORD_IS_FIGURED", "A record is counted again from the strategy's own trades and the "
        "sessions that closed whenever one of its trades ended, a session opened or closed, a "
        "daily value came, and at night; where that fails the strategy stays as it is.",
        "mqd.engine.lives", "judge",
    ),
    "checks": Promise(
        "ALL_CHECKS", "An order is made and sent only when no check holds against it; all that "
        "hold are recorded.", "mqd.engine.gate", "submit_entry",
    ),
    "protections": Promise(
        "ALL_PROTECTIONS", "All of them are asked on every bar and before every entry, each for "
        "itself: one that trips hides no other. No exit asks them.",
        "mqd.engine.protections", "ProtectionManager",
    ),
    "bars": Promise(
        "BARS_FIRST", "A bar is looked at before anything reads it; one that is set aside feeds "
        "nothing.", "mqd.engine.step", "sets_aside",
    ),
    "strategy": Promise(
        "ALL_CONDITIONS", "Every condition is evaluated on every bar. With a position the exits "
        "decide; only without one is an entry asked for.", "mqd.engine.decide", "ask",
    ),
    "orchestra": Promise(
        "EXITS_BEFORE_ENTRIES", "All strategies of a symbol are asked before anything is sent; "
        "then exits leave, and after them the entries, one strategy after the other. One whose "
        "rules cannot be computed is left out on that bar, and no other.",
        "mqd.engine.orchestrator", "decide_on",
    ),
    "portfolio": Promise(
        "SHARES_MOVE_AT_THE_OPEN", "What is in the market is counted before every entry, entries "
        "on their way included; shares of the account change when a session opens, and at no "
        "other time.", "mqd.engine.portfolio", "tell_portfolio",
    ),
    "buttons": Promise(
        "BUTTONS_NEED_A_NAME", "A button without a name and a reason does nothing; what one did "
        "is kept with both.", "mqd.engine.operate", "on_operator",
    ),
    "watches": Promise(
        "WATCHED_AFTER_EVERY_EVENT", "The rows are asked after every event, the tick of the clock "
        "included; of one thing the first row that is true acts, and a page is sent once until "
        "its row stops being true.", "mqd.engine.watch", "watch",
    ),
    "reconciliation": Promise(
        "EXECUTIONS_FIRST", "What the broker's snapshot says of executions and orders is taken in "
        "first; only what they do not explain is a difference.",
        "mqd.engine.reconcile", "on_snapshot",
    ),
    "invariants": Promise(
        "AUDITED_AFTER_EVERY_STEP", "All of them are asked after every step that touched an order, "
        "a position or the broker, by counting again from the executions.",
        "mqd.engine.audit", "audit",
    ),
    "broker": Promise(
        "WORDS_ARE_EXPLAINED", "A word that is not in this table stops entries and changes no "
        "order.", "mqd.engine.news", "on_report",
    ),
    "news": Promise(
        "NEWS_IS_EXPLAINED", "News with a word that is not in this table is kept as it came and "
        "stops entries.", "mqd.engine.news", "on_broker_event",
    ),
    "forms": Promise(
        "EVERY_FORM_IS_ANSWERED", "The first that fits an order decides, every order fits one, and "
        "rules whose exits the broker would not take are refused.",
        "mqd.rules.check.forms", "read_forms",
    ),
    "answers": Promise(
        "ANSWERS_ARE_EXPLAINED", "The first that fits an answer decides, and rules under which "
        "some answer fits none of them are refused.", "mqd.rules.check.broker", "_check_total",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ErrorMeaning:
    """A typed error, what it means, what happens next, and where it is declared."""

    name: str
    means: str
    group: str
    then: str
    place: str


def every_promise() -> tuple[Promise, ...]:
    """All promises of the program."""
    return (*ABOUT_POSITIONS, *ABOUT_DUPLICATES, *ENFORCED.values())


def example_order_id(book: RuleBook) -> str:
    """An id as the desk makes it, or empty when no strategy is declared."""
    if not book.strategies:
        return ""
    strategy = book.strategies[0]
    at_ns = parse_iso("2024-10-07T14:05:00Z")
    return client_order_id(strategy.id, strategy.symbol, at_ns, "entry")


def conditions_reading(book: RuleBook, facts: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions that keep an order back because of one of these facts."""
    wanted = set(facts)

    def reads_one(condition: Condition) -> bool:
        return not wanted.isdisjoint(name.name for name in names(condition.when))

    blocking = (
        *book.entry_checks.conditions,
        *book.exit_checks.conditions,
        *(condition for strategy in book.strategies for condition in strategy.no_trade),
    )
    return tuple(filter(reads_one, blocking))


def raised_by(machines: Iterable[MachineRules]) -> tuple[ErrorMeaning, ...]:
    """The typed errors that rows of the machines raise, by name."""
    found: set[str] = set()
    for row in (row for machine in machines for row in machine.rows):
        found |= {row.raises} if row.raises else set()
        found |= {errors.BrokerConfirmationRequiredError.__name__} if row.requires else set()
    return tuple(_meaning(name) for name in sorted(found))


def others_that_stop(machines: Iterable[MachineRules]) -> tuple[ErrorMeaning, ...]:
    """The other typed errors that stop entries or freeze the desk, whoever raises them, by name.

    An error of the journal does neither: without its journal the process ends.
    """
    beside = {item.name for item in raised_by(machines)} | {errors.JournalError.__name__}
    stopping = (errors.Incident, errors.InvariantError)
    found = {
        name
        for name, error in vars(errors).items()
        if inspect.isclass(error) and issubclass(error, stopping) and error not in stopping
    }
    return tuple(_meaning(name) for name in sorted(found - beside))


def _meaning(name: str) -> ErrorMeaning:
    error: type[Exception] = getattr(errors, name)
    group = error.__mro__[1]
    place = source_line(errors, name)
    return ErrorMeaning(name, _sentence(error), group.__name__, _sentence(group), place)


def _sentence(thing: type[Exception]) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n", maxsplit=1)[0].split())
