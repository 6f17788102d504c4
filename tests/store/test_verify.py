"""Whatever is done to the rows behind the desk's back is found, and the place is named."""

from __future__ import annotations

import sqlite3

import pytest

from mqd.ground import canonical
from mqd.model.decision import Outcome
from mqd.model.event import DeskStarted
from mqd.store.journal import MemoryJournal, open_journal
from mqd.store.verify import verify

BARS = 10  # twenty rows
MOVED = "UPDATE journal SET position = {} WHERE position = {}"


@pytest.fixture
def check(written, facts, clock):
    """Tampers with a journal of ten bars and verifies it against the head it had."""

    def tampered(*statements: str):
        path = written(BARS)
        with open_journal(str(path), clock, write=False) as journal:
            _, head = journal.head()
        facts.tamper(path, *statements)
        with open_journal(str(path), clock, write=False) as journal:
            return verify(journal, head)

    return tampered


def test_a_whole_journal(check):
    found = check()
    assert (found.rows, found.ok, found.first_bad_position) == (20, True, None)
    assert found.what == "all 20 rows are whole"


def test_an_empty_journal():
    found = verify(MemoryJournal(), canonical.GENESIS_HASH)
    assert (found.rows, found.ok, found.head) == (0, True, canonical.GENESIS_HASH)


@pytest.mark.parametrize(
    "change",
    [
        "body = replace(body, '571.42', '571.43')",
        "at_ns = at_ns + 1",
        "seq = seq + 1",
        "kind = 'open'",
        "version = 1",
        "hash = lower(hex(randomblob(32)))",
        "body = CAST(body AS BLOB)",
    ],
)
def test_an_edited_row(check, change):
    found = check(f"UPDATE journal SET {change} WHERE position = 17")
    assert not found.ok
    assert found.first_bad_position == 17
    assert found.what == "row 17 was changed after it was written"
    assert found.rows == 16


@pytest.mark.parametrize(
    ("where", "position", "what"),
    [
        ("position = 1", 1, "row 1 is missing"),
        ("position = 18", 18, "row 18 is missing"),
        ("position BETWEEN 17 AND 19", 17, "rows 17 to 19 are missing"),
    ],
)
def test_deleted_rows(check, where, position, what):
    found = check(f"DELETE FROM journal WHERE {where}")
    assert (found.ok, found.first_bad_position, found.what) == (False, position, what)


def test_a_deleted_row_whose_gap_was_closed(check):
    found = check(
        "DELETE FROM journal WHERE position = 7",
        "UPDATE journal SET position = -position + 1 WHERE position > 7",
        "UPDATE journal SET position = -position WHERE position < 0",
    )
    assert (found.ok, found.first_bad_position) == (False, 7)


def test_two_rows_in_each_others_place(check):
    found = check(MOVED.format(0, 5), MOVED.format(5, 7), MOVED.format(7, 0))
    assert (found.ok, found.first_bad_position) == (False, 5)


def test_an_inserted_row(check):
    found = check(
        "UPDATE journal SET position = -position - 1 WHERE position > 8",
        "UPDATE journal SET position = -position WHERE position < 0",
        "INSERT INTO journal SELECT 9, seq, kind, at_ns, version, body, hash"
        " FROM journal WHERE position = 8",
    )
    assert (found.ok, found.first_bad_position) == (False, 9)


def test_an_appended_row_with_a_made_up_hash(check):
    found = check(f"INSERT INTO journal VALUES (21, 11, 'event', 0, 1, '[]', '{'0' * 64}')")
    assert (found.ok, found.first_bad_position) == (False, 21)


def test_a_cut_tail_needs_the_exported_head(check, written, clock):
    found = check("DELETE FROM journal WHERE position > 12")
    assert (found.ok, found.rows, found.first_bad_position) == (False, 12, None)
    assert found.what.startswith("cut: the exported head ")
    assert found.what.endswith(" is not in this journal")


def test_without_an_exported_head_a_cut_tail_cannot_be_seen(written, facts, clock):
    path = written(BARS)
    facts.tamper(path, "DELETE FROM journal WHERE position > 12")
    with open_journal(str(path), clock, write=False) as journal:
        assert verify(journal).ok


def test_a_head_exported_earlier_is_found(written, facts, clock):
    path = written(BARS)
    with open_journal(str(path), clock, write=True) as journal:
        _, exported = journal.head()
        facts.steps(journal, facts.INTENT)
        assert journal.head()[1] != exported
        assert verify(journal, f" {exported.upper()}\n").ok


def test_a_chain_written_anew_needs_the_exported_head(facts):
    first, second = MemoryJournal(), MemoryJournal()
    facts.steps(first, facts.DECIDED, facts.INTENT)
    facts.steps(second, facts.DECIDED, facts.DECIDED)
    assert verify(second).ok
    assert not verify(second, first.head()[1]).ok


def test_changed_rules(path, facts, clock):
    text = canonical.encode({"limit": 100})
    with open_journal(str(path), clock, write=True) as journal:
        journal.remember_rules(canonical.digest(text), text)
        assert verify(journal).ok
    facts.tamper(path, "UPDATE rule_books SET canonical = replace(canonical, '100', '900')")
    with open_journal(str(path), clock, write=False) as journal:
        found = verify(journal)
    assert not found.ok
    assert found.what == f"the rules {canonical.digest(text)} were changed after they were kept"


def test_a_damaged_file(written, clock):
    path = written(500)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    data = bytearray(path.read_bytes())
    for page in range(12, len(data) // page_size - 6):  # the tables' own pages come first
        data[page * page_size : page * page_size + 64] = b"\xff" * 64
    path.write_bytes(data)
    with open_journal(str(path), clock, write=False) as journal:
        found = verify(journal)
    assert not found.ok
    assert found.what.endswith("malformed")


def test_rules_that_are_gone(path, facts, clock):
    """Rows say which rules they ran under; a journal without those cannot be replayed."""
    text = canonical.encode({"limit": 100})
    rules = canonical.digest(text)
    with open_journal(str(path), clock, write=True) as journal:
        journal.remember_rules(rules, text)
        journal.commit(journal.append(DeskStarted(1, rules, "paper", "1.0.0")), Outcome())
    facts.tamper(path, "DELETE FROM rule_books")
    with open_journal(str(path), clock, write=False) as journal:
        found = verify(journal)
    assert not found.ok
    assert found.what == f"the rules {rules} are missing, and rows were written under them"
