"""What the words of watching mean: rows, differences, invariants, and what a broker says."""

from __future__ import annotations

from collections.abc import Iterator

from mqd.publish.meaning import Meaning, at, of_condition
from mqd.publish.wording import WATCHED
from mqd.rules.book import BrokerAnswer, RuleBook
from mqd.rules.english import English, value_text
from mqd.rules.words.acts import (
    ANSWER_MEANINGS,
    BROKER_REQUESTS,
    DIFFERENCE_ACTS,
    DIFFERENCES,
    NEWS_MEANINGS,
    STATUS_MEANINGS,
    WATCH_ACTS,
)

_A_PERSON = (
    "look: `mqd status` says what it is about, and `mqd resume --by NAME --reason TEXT` opens again"
)
_WHO = {
    "page": _A_PERSON,
    "flag": "look at its trades; `mqd enable STRATEGY --by NAME --reason TEXT` takes the flag away",
    "retire": "find out why; `mqd enable STRATEGY --by NAME --reason TEXT` puts it back",
    "promote": "with real money `mqd approve STRATEGY --by NAME --reason TEXT`, or nothing",
}
_COMPARED = "`mqd reconcile --dry-run` compares now and changes nothing"


def meanings_of_watching(book: RuleBook, english: English) -> Iterator[Meaning]:
    """Every rule that acts or is asked by itself, without a bar or an order that brings it up."""
    for watch in book.watches:
        for row in watch.rows:
            act = WATCH_ACTS[watch.header.id][row.do]
            who = _WHO.get(row.do, "nothing: the desk acts by itself")
            if row.at is not None:
                act = f"{act} Its price is {english.number(row.at)}."
            if row.until is not None:
                act = f"{act} It is over when {english.condition(row.until.when)}."
            if row.by is not None:
                act = f"{act} By {english.number(row.by)}."
            kind = f"row of the watch of {WATCHED[watch.header.id]}"
            yield of_condition(row.condition, kind, english, f"{who}. {row.do}: {act}")
    yield from _of_reconciliation(book, english)
    for invariants in book.invariants:
        for rule in invariants.always:
            yield of_condition(
                rule, "invariant: always holds", english, "where it does not, the desk is FROZEN: "
                "keep the journal, `mqd flatten`, find the cause, then `mqd resume`",
            )  # fmt: skip
    yield from _of_broker(book)


def _of_broker(book: RuleBook) -> Iterator[Meaning]:
    """What the broker says, and how it is asked."""
    broker = book.broker_words
    for words, kind, known in (
        (broker.statuses, "for the state of an order", STATUS_MEANINGS),
        (broker.news, "in its news of an order", NEWS_MEANINGS),
    ):
        for word in words:
            yield Meaning(
                word.word, f"{broker.header.id}'s word {kind}", word.because, at(word.place),
                sentence=f"{word.means}: {known[word.means]}",
                then="a word without a line stops entries; give it one in that file",
            )  # fmt: skip
    for answer in broker.answers:
        yield Meaning(
            answer.code, f"answer of {broker.header.id}", answer.because, at(answer.place),
            answer_text(answer), f"{answer.means}: {ANSWER_MEANINGS[answer.means]}",
            "the first answer in that file that fits decides",
        )  # fmt: skip
    for form in broker.forms:
        yield Meaning(
            form.code, f"form of an order at {broker.header.id}", form.because, at(form.place),
            f"{form.type}, {form.time_in_force}, {form.shares} shares",
            "taken" if form.is_taken else "not taken: an entry of this form is not sent",
            "the first form in that file that fits decides",
        )  # fmt: skip
    for number in broker.request_limits:
        yield Meaning(
            number.name, f"how {broker.header.id} is asked",
            f"{value_text(number.value, number.unit)}. {BROKER_REQUESTS[number.name]} "
            f"{number.because}", at(number.place),
            then="a change of it is a change of the rules: a pull request",
        )  # fmt: skip


def answer_text(answer: BrokerAnswer) -> str:
    """What an answer must be to fit, as a line of the rules: `submit, 422, code 40010001`."""
    code = f", code {answer.error_code}" if answer.error_code else ""
    says = f', says "{answer.says}"' if answer.says else ""
    return f"{answer.request}, {answer.status}{code}{says}"


def _of_reconciliation(book: RuleBook, english: English) -> Iterator[Meaning]:
    for difference in book.reconciliation.differences:
        yield Meaning(
            difference.kind, "difference between the desk and the broker",
            f"{DIFFERENCES[difference.kind]} {difference.because}", at(difference.place),
            sentence=f"{difference.do}: {DIFFERENCE_ACTS[difference.do]}", then=_COMPARED,
        )  # fmt: skip
    for rule in book.reconciliation.looks_again:
        yield of_condition(rule, "may only look like a difference", english, _COMPARED)
    for rule in book.reconciliation.tolerates:
        yield of_condition(rule, "difference too small to count", english, _COMPARED)
    for rule in book.reconciliation.refuses:
        yield of_condition(
            rule, "refuses the start, and freezes a desk at work", english,
            f"{_COMPARED}; `mqd reconcile --adopt` takes the broker's side",
        )  # fmt: skip
