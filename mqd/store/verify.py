"""Is the journal what the desk wrote? Finds edits, deletions, insertions and a cut tail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mqd.ground import canonical
from mqd.ground.errors import JournalError
from mqd.store.rows import Row, broken_link

_START = '["DeskStarted",'


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of the whole journal found.

    `rows` and `head` are of the rows that are whole; `first_bad_position` is None where all is
    well or no single row is to blame; `what` is one sentence.
    """

    rows: int
    head: str
    ok: bool
    first_bad_position: int | None
    what: str


class ChainedJournal(Protocol):
    """A journal that shows its rows and its rule books."""

    def rows(self) -> Iterator[Row]:
        """Every row, in order."""
        ...

    def rule_books(self) -> Iterator[tuple[str, str]]:
        """Every digest with its canonical text."""
        ...


def verify(journal: ChainedJournal, *exported: str) -> Verification:
    """Check every row, every rule book and that each head in `exported` was ever the head.

    A chain alone cannot tell that its newest rows were cut off, or that all of it was written
    anew; a head that was exported before, kept elsewhere and given here can.
    """
    wanted = dict.fromkeys(each.strip().lower() for each in exported)
    position, head = 0, canonical.GENESIS_HASH
    started: set[str] = set()
    wanted.pop(head, None)
    try:
        for row in journal.rows():
            broken = broken_link(position, head, row)
            if broken is not None:
                return Verification(position, head, False, *broken)
            position, head = row.position, row.hash
            wanted.pop(head, None)
            if row.body.startswith(_START):
                started.add(canonical.decode(row.body)[2])
        what = _bad_rule_book(journal, started)
    except JournalError as error:
        return Verification(position, head, False, position + 1, str(error))
    if what is None and wanted:
        what = f"cut: the exported head {next(iter(wanted))} is not in this journal"
    if what is not None:
        return Verification(position, head, False, None, what)
    return Verification(position, head, True, None, f"all {position} rows are whole")


def _bad_rule_book(journal: ChainedJournal, started: set[str]) -> str | None:
    """What is wrong with the rules kept; `started` are the digests that the rows ran under."""
    kept: set[str] = set()
    for digest, text in journal.rule_books():
        if canonical.digest(text) != digest:
            return f"the rules {digest} were changed after they were kept"
        kept.add(digest)
    if started - kept:
        return f"the rules {min(started - kept)} are missing, and rows were written under them"
    return None
