"""The words of the rule language for the glossary: facts, units and who may read what."""

from __future__ import annotations

from mqd.ground.units import UNITS, Unit, product, quotient
from mqd.publish.declared import source_line
from mqd.publish.rulefiles import headers
from mqd.rules.book import Header, RuleBook
from mqd.rules.words.attributing import ATTRIBUTING
from mqd.rules.words.auditing import AUDITING
from mqd.rules.words.breaking import BREAKING
from mqd.rules.words.facts import (
    ALLOCATION,
    BREAKER_GUARD,
    CHECK,
    DATA,
    DESK_WATCH,
    DRIFT_OF_ACCOUNT,
    DRIFT_OF_POSITION,
    ENDED_ENTRY,
    ENTRY_QTY,
    EVIDENCE,
    FACTS,
    FINISHED_TRADE,
    INVARIANT,
    ORDER_GUARD,
    ORDER_WATCH,
    POSITION_WATCH,
    PROTECTION,
    PROTECTION_GUARD,
    STRATEGY,
    STRATEGY_WATCH,
    Fact,
)
from mqd.rules.words.judging import JUDGING
from mqd.rules.words.protecting import PROTECTING
from mqd.rules.words.sharing import SHARING
from mqd.rules.words.trading import MARKET, TRADING
from mqd.rules.words.watching import WATCHING

SCOPES = {
    DATA: "data rules",
    STRATEGY: "strategies",
    PROTECTION: "protections",
    CHECK: "checks",
    ORDER_GUARD: "guards of the order's lifecycle",
    BREAKER_GUARD: "guards of the breaker",
    PROTECTION_GUARD: "guards of a protection's life",
    ORDER_WATCH: "the watch of orders",
    POSITION_WATCH: "the watch of positions",
    DESK_WATCH: "the watch of the desk",
    STRATEGY_WATCH: "the watch of strategies",
    EVIDENCE: "what ends a thesis",
    DRIFT_OF_POSITION: "what is done about a difference",
    DRIFT_OF_ACCOUNT: "what refuses a comparison",
    INVARIANT: "invariants",
    ALLOCATION: "the portfolio's reallocation",
    FINISHED_TRADE: "what is looked for in finished trades",
    ENDED_ENTRY: "what is looked for in entries that have ended",
}
WORDS = "mqd.rules.words"
_MODULES = {
    **dict.fromkeys((*MARKET, *TRADING), f"{WORDS}.trading"),
    **dict.fromkeys(SHARING, f"{WORDS}.sharing"),
    **dict.fromkeys(BREAKING, f"{WORDS}.breaking"),
    **dict.fromkeys(PROTECTING, f"{WORDS}.protecting"),
    **dict.fromkeys(WATCHING, f"{WORDS}.watching"),
    **dict.fromkeys(JUDGING, f"{WORDS}.judging"),
    **dict.fromkeys(AUDITING, f"{WORDS}.auditing"),
    **dict.fromkeys(ATTRIBUTING, f"{WORDS}.attributing"),
    ENTRY_QTY: f"{WORDS}.facts",
}
_BASES = ("usd", "shares", "seconds")


def facts() -> tuple[Fact, ...]:
    """Every fact, in the order of the vocabulary."""
    return (*FACTS.values(), ENTRY_QTY)


def documents(book: RuleBook) -> tuple[Header, ...]:
    """The header of every document, each once, by its file."""
    found = {header.place.file: header for header in headers(book)}
    return tuple(found[file] for file in sorted(found))


def fact_line(fact: Fact) -> str:
    """Where the program declares the fact."""
    return source_line(_MODULES[fact], fact.name)


def read_in(fact: Fact) -> str:
    """The kinds of rules that may read the fact."""
    return ", ".join(words for scope, words in SCOPES.items() if scope in fact.scopes)


def knowledge(fact: Fact) -> str:
    """Whether the fact can be without a value."""
    if fact == ENTRY_QTY:
        return "Unknown when what the size is computed from is."
    return "May be unknown." if fact.known else "Always known."


def members(fact: Fact, book: RuleBook) -> tuple[str, ...]:
    """The values of an enumerated fact; empty for any other."""
    if fact.name == "desk.state":
        return tuple(state.name for state in book.desk_machine.states)
    if fact.name == "order.state":
        return tuple(state.name for state in book.order_machine.states)
    if fact.name == "broker.breaker":
        return tuple(state.name for state in book.breaker_machine.states)
    return fact.members


def measured_units() -> tuple[Unit, ...]:
    """The units that are multiplied and divided."""
    return tuple(
        unit
        for unit in UNITS.values()
        if unit.is_number and not unit.is_count and not unit.is_plain
    )


def counts() -> str:
    """The names of the units that count whole things."""
    return ", ".join(unit.name for unit in UNITS.values() if unit.is_count)


def dimension(unit: Unit) -> str:
    """What the unit is made of: `usd / shares`."""
    if unit.is_count:
        return "a whole count"
    if not unit.is_number:
        return "no number"
    if unit.is_plain:
        return "a number of its own kind"
    powers = {base: getattr(unit, base) for base in _BASES}
    over = " * ".join(base for base, power in powers.items() if power > 0)
    under = " * ".join(base for base, power in powers.items() if power < 0)
    return f"{over or '1'} / {under}" if under else over or "a pure number"


def tolerance(unit: Unit) -> str:
    """How close two values have to be to count as equal."""
    return f"{unit.tolerance:.10f}".rstrip("0") if unit.tolerance else "exact"


def combined(left: Unit, right: Unit) -> tuple[str, str]:
    """The names of `left * right` and `left / right`; empty where the rules have no such unit."""
    times, over = product(left, right), quotient(left, right)
    return times.name if times else "", over.name if over else ""
