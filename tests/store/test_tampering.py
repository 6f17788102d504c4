"""Every change of one row, tried one by one; and what if nobody guards the rows any more."""

from __future__ import annotations

import shutil
import sqlite3
from itertools import combinations
from pathlib import Path

import pytest

from mqd.ground import canonical
from mqd.ground.errors import JournalError
from mqd.store.journal import MemoryJournal, open_journal
from mqd.store.rows import Row
from mqd.store.verify import verify

BARS = 4
ROWS = range(1, 2 * BARS + 1)


class Tampered:
    """A journal whose rows somebody put together anew."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def rows(self):
        return iter(self._rows)

    def rule_books(self):
        return iter(())


@pytest.fixture
def whole(facts) -> MemoryJournal:
    journal = MemoryJournal()
    facts.steps(journal, *[facts.DECIDED, facts.INTENT] * (BARS // 2))
    return journal


def edits(row: Row) -> list[Row]:
    """The row with each of its columns changed, also with a hash that fits its own new text."""
    changed = [
        row._replace(seq=row.seq + 1), row._replace(seq=row.seq - 1),
        row._replace(at_ns=row.at_ns + 1), row._replace(version=row.version - 1),
        row._replace(kind="open"), row._replace(hash=row.hash[::-1]),
        row._replace(body=row.body.replace("571.42", "571.43")), row._replace(body="[]"),
        row._replace(body=row.body + " "),
    ]  # fmt: skip
    refitted = [each._replace(hash=canonical.digest(each.body)) for each in changed]
    return changed + refitted


@pytest.mark.parametrize("position", ROWS)
@pytest.mark.case(94)
def test_every_edit_of_every_row_is_found_where_it_is(whole, position):
    rows = list(whole.rows())
    for edited in edits(rows[position - 1]):
        found = verify(Tampered([*rows[: position - 1], edited, *rows[position:]]))
        assert (found.ok, found.first_bad_position, found.rows) == (False, position, position - 1)


@pytest.mark.parametrize("position", ROWS)
def test_every_deletion_is_found_where_it_is(whole, position):
    rows = list(whole.rows())
    _, head = whole.head()
    left = [*rows[: position - 1], *rows[position:]]
    closed = [row._replace(position=number) for number, row in enumerate(left, 1)]
    found = verify(Tampered(left), head)
    assert not found.ok
    if position < ROWS[-1]:
        assert (found.first_bad_position, found.rows) == (position, position - 1)
        assert verify(Tampered(closed)).first_bad_position == position
    else:
        assert found.what.startswith("cut: ")
        assert verify(Tampered(left)).ok  # only an exported head can tell


@pytest.mark.parametrize(("first", "second"), [*combinations(ROWS, 2)])
def test_every_swap_of_two_rows_is_found(whole, first, second):
    rows = list(whole.rows())
    one, other = rows[first - 1], rows[second - 1]
    rows[first - 1], rows[second - 1] = other, one
    assert verify(Tampered(rows)).first_bad_position == first
    rows[first - 1] = other._replace(position=first)
    rows[second - 1] = one._replace(position=second)
    assert verify(Tampered(rows)).first_bad_position == first


@pytest.mark.parametrize("position", ROWS)
def test_every_row_told_twice_is_found(whole, position):
    rows = list(whole.rows())
    again = rows[position - 1]
    moved = [row._replace(position=row.position + 1) for row in rows[position - 1 :]]
    found = verify(Tampered([*rows[: position - 1], again, *moved]))
    assert (found.ok, found.first_bad_position) == (False, position + 1)


@pytest.mark.parametrize("left", range(len(ROWS)))
@pytest.mark.case(94)
def test_every_cut_is_found_with_a_head_that_was_noted(whole, left):
    rows = list(whole.rows())
    heads = [row.hash for row in rows]
    kept = Tampered(rows[:left])
    assert verify(kept).ok
    assert verify(kept, *heads[:left]).ok
    for cut in range(left, len(ROWS)):
        found = verify(kept, *heads[: cut + 1])
        assert (found.ok, found.rows) == (False, left)
        assert heads[left] in found.what


def test_the_same_on_disk_behind_the_triggers(written, facts, clock, tmp_path):
    """What the tests above do in memory, done to a file."""
    original = written(BARS)
    with open_journal(str(original), clock, write=False) as journal:
        _, head = journal.head()
    for position in ROWS:
        for change in (
            f"UPDATE journal SET body = replace(body, '571', '572') WHERE position = {position}",
            f"UPDATE journal SET at_ns = at_ns - 1 WHERE position = {position}",
            f"DELETE FROM journal WHERE position = {position}",
        ):
            path = Path(shutil.copy(original, tmp_path / "copy.db"))
            facts.tamper(path, change)
            with open_journal(str(path), clock, write=False) as journal:
                assert not verify(journal, head).ok
            with pytest.raises(JournalError):
                open_and_check(path, clock, head)


def open_and_check(path: Path, clock, head: str) -> None:
    """A desk that starts checks its newest rows; that the tail was cut only a head can tell."""
    with open_journal(str(path), clock, write=True) as journal:
        found = verify(journal, head)
        if not found.ok:
            raise JournalError(found.what)


GUARDS = [
    f"{table}_{kind}"
    for table in ("journal", "rule_books")
    for kind in ("no_update", "no_delete", "no_replace")
]


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("put_back", [False, True], ids=["dropped", "made harmless"])
def test_a_journal_that_lost_a_guard_is_not_continued(written, clock, guard, put_back):
    path = written(2)
    connection = sqlite3.connect(path)
    connection.execute(f"DROP TRIGGER {guard}")
    if put_back:
        table = guard.rsplit("_no_", 1)[0]
        connection.execute(f"CREATE TRIGGER {guard} AFTER DELETE ON {table} BEGIN SELECT 1; END")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError) as refused:
        open_journal(str(path), clock, write=True)
    said = str(refused.value)
    assert f"is not guarded: {guard} is gone" in said
    assert "`mqd journal verify`" in said
    with open_journal(str(path), clock, write=False) as journal:
        assert verify(journal).ok  # the rows are whole, and can be looked at


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER journal_no_change ON journal",
        "ALTER TABLE journal DISABLE TRIGGER ALL",
        (
            "CREATE OR REPLACE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS $$BEGIN RETURN NULL; END$$"
        ),
    ],
)
def test_a_server_that_lost_a_guard_is_not_continued(server, clock, statement):
    with open_journal(server, clock, write=True) as journal, journal._writing.begin():
        journal._writing.exec_driver_sql(statement)
    with pytest.raises(JournalError, match="is not guarded: journal_no_change is gone"):
        open_journal(server, clock, write=True)
