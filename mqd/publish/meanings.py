"""What every code of the rules means: where it is declared, its formula, its sentence, what to do.

One list for `mqd explain`; it is made from the rule book, so it cannot know less than the desk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mqd.publish.declared import source_line
from mqd.publish.glossary import fact_line
from mqd.publish.looking_back import meanings_of_looking_back
from mqd.publish.meaning import Meaning, at, of_condition
from mqd.publish.promises import every_promise
from mqd.publish.watching import meanings_of_watching
from mqd.publish.wording import (
    DISPOSITIONS,
    criterion_text,
    does_text,
    lasts_text,
    measure_text,
    sources_text,
)
from mqd.rules.book import MachineRules, Row, RuleBook, Strategy
from mqd.rules.check.limits import PREFIX
from mqd.rules.english import English, value_text
from mqd.rules.words import events
from mqd.rules.words.events import MACHINE_EVENTS
from mqd.rules.words.facts import ENTRY_QTY, FACTS

_WHY = "`mqd why` shows a bar on which it was true, with its values"


def meanings_of(book: RuleBook) -> Iterator[Meaning]:
    """Everything that has a name in the rules, in the order of the book."""
    english = English((), book.limits)
    for strategy in book.strategies:
        yield from _of_strategy(strategy, English(strategy.params, book.limits))
    for protection in book.protections:
        yield of_condition(
            protection.trips_when, f"protection of the {protection.scope}", english,
            f"{does_text(protection)} ({lasts_text(protection.lasts)}); `mqd status` shows whether "
            "it is armed", protection.header.because, protection.id,
        )  # fmt: skip
        for item in protection.measures:
            yield Meaning(
                item.name, f"measure of {protection.id}", measure_text(item, english),
                at(item.place),
            )  # fmt: skip
    for kind, rules, then in (
        ("data rule: sets a bar aside", book.sets_aside,
         "the bar feeds nothing; look at the feed where it happens often"),
        ("data rule: blocks entries", book.blocks_entries,
         "the bar counts and may exit; nothing is opened on it"),
        ("check before an entry leaves", book.entry_checks,
         "the entry was not sent; `mqd why` shows the order and the values"),
        ("check before an exit leaves", book.exit_checks,
         "the exit waits and is looked at again on the next bar"),
    ):  # fmt: skip
        for rule in rules.conditions:
            yield of_condition(rule, kind, english, then)
    for machine in book.machines:
        yield from _of_machine(machine, english)
    yield from meanings_of_watching(book, english)
    yield from meanings_of_looking_back(book)
    yield from _of_numbers(book)
    yield from _of_portfolio(book, english)
    for thesis in book.theses:
        yield Meaning(
            thesis.header.id, f"thesis, {thesis.status}", thesis.claim, at(thesis.header.place),
            sentence=f"It is over with {criterion_text(thesis.invalidated_when)}.",
            then="docs/THESIS_REGISTRY.md shows the evidence; `mqd evidence` records more",
        )  # fmt: skip
        for rule in thesis.invalidated_when.rules:
            yield of_condition(
                rule, f"what ends the thesis {thesis.header.id}", english,
                "docs/THESIS_REGISTRY.md shows how near it is; `mqd nightly` asks the strategy's "
                "own trades. A person changes the status, in a pull request",
            )  # fmt: skip
    for promise in every_promise():
        yield Meaning(
            promise.code, "promise of the program", promise.sentence, promise.place,
            then="docs/tests.md lists the tests that exercise it",
        )  # fmt: skip
    for fact in (*FACTS.values(), ENTRY_QTY):
        kind, then = f"fact, in {fact.unit.name}", "docs/glossary.md has all facts"
        yield Meaning(fact.name, kind, fact.means, fact_line(fact), then=then)


def _of_strategy(strategy: Strategy, english: English) -> Iterator[Meaning]:
    yield Meaning(
        strategy.id, f"strategy, {strategy.status}", f"{strategy.header.title}: "
        f"{strategy.header.because}", at(strategy.header.place),
        then="`mqd why --strategy " + strategy.id + "` shows its last decision",
    )  # fmt: skip
    for rule in strategy.no_trade:
        then = f"nothing: not trading is normal; {_WHY}"
        yield of_condition(rule, f"NO-TRADE condition of {strategy.id}", english, then)
    for rule in strategy.exits:
        then = f"the first exit that is true closes the position; {_WHY}"
        yield of_condition(rule, f"exit of {strategy.id}", english, then)
    for param in strategy.params:
        of_limit = f", read from limits.{param.limit}" if param.limit else ""
        yield Meaning(
            param.name, f"param of {strategy.id}{of_limit}", value_text(param.value, param.unit),
            at(param.place), then=f"`mqd backtest --set {param.name}=VALUE` tries another value",
        )  # fmt: skip
    for measure in strategy.measures:
        yield Meaning(
            measure.name, f"measure of {strategy.id}",
            f"{measure.function} of {measure.of or measure.stream} over the {measure.window}",
            at(measure.place),
        )  # fmt: skip


def _of_machine(machine: MachineRules, english: English) -> Iterator[Meaning]:
    for state in machine.states:
        marks = "; it is never left" * state.is_terminal + "; it opens positions" * state.opens
        yield Meaning(
            state.name, f"state of the {machine.id}{marks}", state.means, at(state.place),
            then=_then_of_state(machine, state.name),
        )  # fmt: skip
    for name, means in MACHINE_EVENTS[machine.id].items():
        rows = ", ".join(row.id for row in machine.rows if name in row.events)
        declared = source_line(events, name)
        kind = f"event of the {machine.id}"
        yield Meaning(name, kind, means, declared, then=f"`mqd explain` its rows: {rows}")
    for row in machine.rows:
        yield _of_row(machine, row, english)


def _then_of_state(machine: MachineRules, name: str) -> str:
    """What a person does about a machine that is in this state."""
    if machine.id == "order":
        return "`mqd status` shows the working orders, `mqd journal tail` how they came there"
    if machine.id == "strategy" and name != machine.initial:
        return (
            "`mqd nightly` says by which row and with which figures; `mqd enable STRATEGY --by "
            "NAME --reason TEXT` puts it back"
        )
    if name == machine.initial:
        return "nothing: this is how it should be"
    if (name, "resume_ordered") not in machine.table:
        return "wait: it goes on by itself; `mqd status` says since when and why"
    if machine.table[name, "resume_ordered"].target:
        return (
            "`mqd status` says since when and why; `mqd resume --by NAME --reason TEXT` opens "
            "again, once somebody has looked"
        )
    return "`mqd report daily` tells what broke; `mqd flatten`, then `mqd resume`"


def _of_row(machine: MachineRules, row: Row, english: English) -> Meaning:
    sources = sources_text(machine, row).replace("`", "")
    leads = f"to {row.target}" if row.target else f"{row.disposition}: {_done(row)}"
    guard = f" when {row.when_text}, else {row.otherwise}" if row.when_text else ""
    raises = f", raises {row.raises} ({row.severity})" if row.raises else ""
    guarded = f"Only when {english.condition(row.when)}; else {row.otherwise}." if row.when else ""
    return Meaning(
        row.id,
        f"transition of the {machine.id}",
        row.because,
        at(row.place),
        f"{' or '.join(row.events)}, from {sources}{guard}: {leads}{raises}",
        guarded,
        "`mqd journal tail` shows the transitions that were made",
    )


def _done(row: Row) -> str:
    return DISPOSITIONS.get(row.disposition, "").rstrip(".").lower()


def _of_numbers(book: RuleBook) -> Iterator[Meaning]:
    for limit in book.limits:
        yield Meaning(
            PREFIX + limit.name, "limit of the desk",
            f"{value_text(limit.value, limit.unit)}. {limit.because}", at(limit.place),
            then="a change of it is a change of the rules: a pull request",
        )  # fmt: skip


def _of_portfolio(book: RuleBook, english: English) -> Iterator[Meaning]:
    portfolio = book.portfolio
    if portfolio is None:
        return
    for value in portfolio.values:
        yield Meaning(
            value.name, "number of the portfolio",
            f"{value_text(value.value, value.unit)}. {value.because}", at(value.place),
            then="a change of it is a change of the rules: a pull request",
        )  # fmt: skip
    rules = portfolio.reallocation
    for rule in () if rules is None else (rules.raises, rules.returns):
        yield of_condition(
            rule, "reallocation of the portfolio", english,
            "a share moves before the next session opens; `mqd journal tail` shows it",
        )  # fmt: skip


def named(code: str, meanings: Iterable[Meaning]) -> tuple[Meaning, ...]:
    """The meanings of a code; of no such one in another case, or of a limit without `limits.`."""
    every = tuple(meanings)
    wanted = code.lower()
    return tuple(item for item in every if item.code == code) or tuple(
        item for item in every if item.code.lower() in {wanted, f"{PREFIX}{wanted}"}
    )
