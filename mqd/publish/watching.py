"""What the words of watching mean: rows, differences, invariants, and a broker's words."""

from __future__ import annotations

from collections.abc import Iterator

from mqd.publish.meaning import Meaning, at, of_condition
from mqd.publish.wording import WATCHED
from mqd.rules.book import RuleBook
from mqd.rules.english import English
from mqd.rules.words.acts import DIFFERENCE_ACTS, DIFFERENCES, STATUS_MEANINGS, WATCH_ACTS

_A_PERSON = (
    "look: `mqd status` says what it is about, and `mqd resume --by NAME --reason TEXT` opens again"
)
_COMPARED = "`mqd reconcile --dry-run` compares now and changes nothing"


def meanings_of_watching(book: RuleBook, english: English) -> Iterator[Meaning]:
    """Every rule that acts or is asked by itself, without a bar or an order that brings it up."""
    for watch in (book.order_watch, book.position_watch, book.desk_watch):
        for row in watch.rows:
            act = WATCH_ACTS[watch.header.id][row.do]
            who = _A_PERSON if row.do == "page" else "nothing: the desk acts by itself"
            kind = f"row of the watch of {WATCHED[watch.header.id]}"
            yield of_condition(row.condition, kind, english, f"{who}. {row.do}: {act}")
    yield from _of_reconciliation(book, english)
    for invariants in book.invariants:
        for rule in invariants.always:
            yield of_condition(
                rule, "invariant: always holds", english, "where it does not, the desk is FROZEN: "
                "keep the journal, `mqd flatten`, find the cause, then `mqd resume`",
            )  # fmt: skip
    broker = book.broker_words
    for status in broker.statuses:
        yield Meaning(
            status.word, f"{broker.header.id}'s word for the state of an order", status.because,
            at(status.place), sentence=f"{status.means}: {STATUS_MEANINGS[status.means]}",
            then="a word without a line stops entries; give it one in that file",
        )  # fmt: skip


def _of_reconciliation(book: RuleBook, english: English) -> Iterator[Meaning]:
    for difference in book.reconciliation.differences:
        yield Meaning(
            difference.kind, "difference between the desk and the broker",
            f"{DIFFERENCES[difference.kind]} {difference.because}", at(difference.place),
            sentence=f"{difference.do}: {DIFFERENCE_ACTS[difference.do]}", then=_COMPARED,
        )  # fmt: skip
    for rule in book.reconciliation.tolerates:
        yield of_condition(rule, "difference too small to count", english, _COMPARED)
    for rule in book.reconciliation.refuses:
        yield of_condition(
            rule, "refuses the start, and freezes a desk at work", english,
            f"{_COMPARED}; `mqd reconcile --adopt` takes the broker's side",
        )  # fmt: skip
