"""Finding bars in a journal again, with the rules under which each was decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from mqd.cli.happenings import both_times
from mqd.ground.canonical import decode, encode
from mqd.ground.errors import JournalError
from mqd.model.decision import BarSetAside, Decision, OperatorHeard, StrategyMoved
from mqd.model.event import BarClosed, Event
from mqd.ports.journal import JournalEntry
from mqd.publish.closed import ClosedWatch
from mqd.publish.records import Record, records_of
from mqd.publish.why import Explanation, explain_decision, explain_set_aside
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.validate import rules_from_text
from mqd.store.reading import JournalReader
from mqd.store.rows import OUTCOME, entries_of, event_of

_BAR = '["BarClosed",'
_ORDER = '["SubmitOrder",'
_START = '["DeskStarted",'
_CLOSES = frozenset({StrategyMoved.__name__, OperatorHeard.__name__})
_FIRST_LOOK = 200


class _Start(NamedTuple):
    """From this event on these rules were in force."""

    seq: int
    rules_digest: str


class PastBars:
    """A journal's bars and decisions, explained on demand."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self._books: dict[str, CompiledBook] = {}
        self._starts: list[_Start] = []
        self._news: list[tuple[int, Event | None, tuple[Record, ...]]] | None = None

    def instants(self) -> list[int]:
        """The ends of all bars, sorted, each once; notes on the way which rules were in force."""
        found: set[int] = set()
        self._starts = []
        for row in self._journal.rows():
            if row.kind == OUTCOME:
                continue
            if row.body.startswith(_BAR):
                found.add(row.at_ns)
            elif row.body.startswith(_START):
                self._starts.append(_Start(row.seq, decode(row.body)[2]))
        return sorted(found)

    def at(self, at_ns: int) -> list[Explanation]:
        """Everything decided on the bars that ended at `at_ns`; `instants` was asked before."""
        rows = (row for row in self._journal.rows() if row.at_ns == at_ns)
        return [item for entry in entries_of(rows) for item in self._explained(entry)]

    def that_made(self, order_id: str) -> Explanation | None:
        """The decision that made the order with this id, if a bar's decision made it."""
        seqs = {row.seq for row in self._journal.rows()
                if row.kind == OUTCOME and _ORDER in row.body and order_id in row.body}  # fmt: skip
        rows = (row for row in self._journal.rows() if row.seq in seqs)
        for entry in entries_of(rows):
            for item in self._explained(entry):
                if order_id in item.order_ids:
                    return item
        return None

    def last(self, count: int, strategy: str | None) -> list[Explanation]:
        """The newest decisions, oldest first; bars that were set aside decide nothing."""
        look, total = max(_FIRST_LOOK, 2 * count), self._journal.count()
        while True:
            found = [
                (entry, decision, records)
                for entry in self._journal.tail(look)
                if isinstance(entry.event, BarClosed)
                for records in (records_of(entry.outcome),)
                for decision in records
                if isinstance(decision, Decision) and strategy in {None, decision.strategy}
            ]
            if len(found) >= count or look >= total:
                return [self._decided(*item) for item in found[-count:]]
            look *= 8

    def book(self, rules_digest: str) -> CompiledBook:
        """The rules with this digest, as the journal kept them.

        Raises:
            JournalError: it did not keep them, or this version cannot read them.
        """
        if rules_digest not in self._books:
            book = rules_from_text(self._journal.rules(rules_digest))
            self._books[rules_digest] = compile_book(book)
        return self._books[rules_digest]

    def _explained(self, entry: JournalEntry) -> Iterator[Explanation]:
        if not isinstance(entry.event, BarClosed):
            return
        records = records_of(entry.outcome)
        for item in records:
            if isinstance(item, Decision):
                yield self._decided(entry, item, records)
            elif isinstance(item, BarSetAside):
                yield explain_set_aside(entry.seq, entry.event, item, self._book_at(entry.seq))

    def _decided(
        self, entry: JournalEntry, decision: Decision, records: tuple[Record, ...]
    ) -> Explanation:
        assert isinstance(entry.event, BarClosed)
        book = self.book(decision.rules_digest)
        found = explain_decision(entry.seq, entry.event, decision, records, book)
        closed = None
        if found.is_closed:
            closed = self._lives_before(entry.seq).closed(book.rules, decision.strategy)
        if closed is None:
            return found
        return replace(found, closed=closed, closed_text=closed.text(both_times))

    def _lives_before(self, seq: int) -> ClosedWatch:
        """What the journal told of the strategies' lives before an event."""
        if self._news is None:
            self._news = list(self._told())
        lives = ClosedWatch()
        for at_seq, event, notes in self._news:
            if at_seq < seq:
                lives.saw(event, notes)
        return lives

    def _told(self) -> Iterator[tuple[int, Event | None, tuple[Record, ...]]]:
        """Every start, move and button of the journal, with its place."""
        for row in self._journal.rows():
            if row.kind != OUTCOME:
                if row.body.startswith(_START):
                    yield row.seq, event_of(row), ()
            elif any(f'["{name}",' in row.body for name in _CLOSES):
                kept = [record for record in decode(row.body) if record[0] in _CLOSES]
                yield row.seq, None, records_of(encode(kept))

    def _book_at(self, seq: int) -> CompiledBook:
        """The rules in force at an event: those of the last start before it."""
        for start in reversed(self._starts):
            if start.seq < seq:
                return self.book(start.rules_digest)
        raise JournalError("the journal does not start with the start of a desk")
