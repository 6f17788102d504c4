"""A copy is the journal at one instant; a restored one is whole, guarded and goes on."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mqd.ground import canonical
from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.model.decision import NOTHING
from mqd.model.event import OperatorActed
from mqd.store.copying import back_up
from mqd.store.database import shown
from mqd.store.journal import MemoryJournal, open_journal
from mqd.store.requests import OperatorRequest, put_request, taken_seq
from mqd.store.restoring import check_copy, restore
from mqd.store.tables import SCHEMA_VERSION
from mqd.store.verify import verify

ROOT = Path(__file__).parents[2]
RULES = canonical.encode({"limit": 100, "because": "½ of it"})
DIGEST = canonical.digest(RULES)
HALT = OperatorRequest("halt", "", "Ada", "because", 7)


@pytest.fixture
def filled(place, clock, facts) -> tuple[str, str]:
    """A journal with rules, rows of every event, a button that was heard and one that waits."""
    with open_journal(place, clock, write=True) as journal:
        journal.remember_rules(DIGEST, RULES)
        number = put_request(place, HALT)
        journal.mark_taken(number, 1)
        journal.commit(journal.append(OperatorActed(1, *HALT[:4])), NOTHING)
        put_request(place, HALT._replace(action="flatten"))
        for event in facts.EVERY_EVENT:
            if type(event).__name__ != "DeskStarted":  # its rules are not these
                journal.commit(journal.append(event), facts.FULL)
        journal.flush()
        _, head = journal.head()
    return place, head


@pytest.fixture(params=["to a file", "to a server"])
def other(request, tmp_path) -> str:
    """A place for the restored journal."""
    if request.param == "to a file":
        return str(tmp_path / "restored" / "desk.db")
    address: str = request.getfixturevalue("second_server")
    return address


def test_a_restored_copy_is_the_journal(filled, other, tmp_path, clock, facts):
    place, head = filled
    copy = tmp_path / "copy"
    back_up(place, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    found = restore(copy, other)
    assert (found.ok, found.head) == (True, head)
    with (
        open_journal(place, clock, write=False) as before,
        open_journal(other, clock, write=True) as after,
    ):
        assert list(after.rows()) == list(before.rows())
        assert list(after.rule_books()) == [(DIGEST, RULES)]
        assert [request.request.action for request in after.waiting_requests()] == ["flatten"]
        facts.steps(after, facts.INTENT)
        assert verify(after, head).ok
    assert taken_seq(other, 1) == 1
    assert put_request(other, HALT) == 3


def test_copies_and_restored_journals_overwrite_nothing(filled, other, tmp_path, clock):
    place, _ = filled
    copy = tmp_path / "copy"
    back_up(place, copy)
    with pytest.raises(SettingsError, match="is there already, and a backup overwrites nothing"):
        back_up(place, copy)
    restore(copy, other)
    for taken in (other, place):
        with pytest.raises(SettingsError, match="already, and a restore overwrites none"):
            restore(copy, taken)


WRITE = """
import sys
from mqd.model.command import SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed
from mqd.runtime.clock import SystemClock
from mqd.store.journal import open_journal

intent = Outcome(commands=(SubmitOrder(1, "mqd-1", "SPY", "buy", 1, "market", "day"),))
with open_journal(sys.argv[1], SystemClock(), write=True) as journal:
    for number in range(1_000_000):
        journal.commit(journal.append(BarClosed(number, "SPY", 0, 1.0, 1.0, 1.0, 1.0, 1.0)), intent)
        if number == 20:
            print("writing", flush=True)
"""


def test_copies_made_while_a_desk_writes(place, tmp_path, clock):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    desk = subprocess.Popen(
        [sys.executable, "-c", WRITE, place], env=environment, stdout=subprocess.PIPE
    )
    with desk:
        assert desk.stdout is not None
        assert desk.stdout.readline() == b"writing\n"
        for number in range(5):
            back_up(place, tmp_path / f"copy-{number}")
        assert desk.poll() is None
        desk.kill()
    rows = [check_copy(tmp_path / f"copy-{number}") for number in range(5)]
    assert all(found.ok for found in rows)
    assert [found.rows for found in rows] == sorted(found.rows for found in rows)
    assert rows[0].rows >= 40
    with open_journal(place, clock, write=False) as journal:
        assert verify(journal, *[found.head for found in rows]).ok


def test_an_old_journal_is_restored_as_one_of_today(facts, tmp_path, clock):
    old = facts.version_1(tmp_path / "old.db")
    back_up(str(old), tmp_path / "copy")
    found = restore(tmp_path / "copy", str(tmp_path / "new.db"))
    assert found.rows == 248
    with open_journal(str(tmp_path / "new.db"), clock, write=True) as journal:
        assert journal.migrated is None
        assert {row.version for row in journal.rows()} == {1}
        facts.steps(journal, facts.INTENT)
        assert verify(journal, found.head).ok
    number = put_request(str(tmp_path / "new.db"), HALT)
    assert number == 1


def test_a_broken_journal_is_copied_as_it_is_and_not_restored(written, facts, tmp_path):
    path = written(5)
    facts.tamper(path, "UPDATE journal SET at_ns = 0 WHERE position = 4")
    back_up(str(path), tmp_path / "copy")
    assert check_copy(tmp_path / "copy").first_bad_position == 4
    with pytest.raises(JournalError, match="nothing was made: row 4 was changed"):
        restore(tmp_path / "copy", str(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()


class TestLines:
    """A copy of a server is JSON lines; any of them may be damaged on the way."""

    @pytest.fixture
    def lines(self, server, clock, facts, tmp_path) -> Path:
        with open_journal(server, clock, write=True) as journal:
            journal.remember_rules(DIGEST, RULES)
            facts.steps(journal, facts.INTENT, facts.DECIDED)
        copy = tmp_path / "copy.jsonl"
        back_up(server, copy)
        return copy

    def test_each_line_is_one_row(self, lines):
        found = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        assert found[0] == {"kind": "mqd journal", "version": 1}
        assert [line["table"] for line in found[1:-1]] == ["rule_books", *["journal"] * 4]
        assert found[-1] == {"kind": "end", "lines": 5, "head": found[-2]["hash"]}

    @pytest.mark.parametrize("cut", range(1, 7))
    def test_a_line_that_is_gone(self, lines, tmp_path, cut):
        text = lines.read_text(encoding="utf-8").splitlines(keepends=True)
        del text[cut]
        lines.write_text("".join(text), encoding="utf-8")
        with pytest.raises(JournalError, match="nothing was made"):
            restore(lines, str(tmp_path / "new.db"))
        assert not (tmp_path / "new.db").exists()

    @pytest.mark.parametrize("bad", ["{", "7", '{"table":"journal"}', "\xff"])
    def test_a_line_that_is_none(self, lines, tmp_path, bad):
        text = lines.read_bytes().splitlines(keepends=True)
        text[3] = bad.encode("latin-1") + b"\n"
        lines.write_bytes(b"".join(text))
        with pytest.raises(JournalError, match=r"nothing was made: (line 4|it cannot be read)"):
            restore(lines, str(tmp_path / "new.db"))

    def test_lines_of_a_newer_version(self, lines, tmp_path):
        text = lines.read_text(encoding="utf-8").replace('"version":1}', '"version":2}', 1)
        lines.write_text(text, encoding="utf-8")
        with pytest.raises(SetupError, match="written by a newer mqd"):
            restore(lines, str(tmp_path / "new.db"))


def test_what_cannot_be_copied(tmp_path, clock, written):
    copy = tmp_path / "copy"
    with pytest.raises(SettingsError, match="there is no journal at"):
        back_up(str(tmp_path / "none.db"), copy)
    (tmp_path / "empty.db").touch()
    with pytest.raises(SettingsError, match="holds no journal yet"):
        back_up(str(tmp_path / "empty.db"), copy)
    (tmp_path / "letter.db").write_text("Dear desk", encoding="utf-8")
    with pytest.raises(SetupError, match="not a journal of mqd"):
        back_up(str(tmp_path / "letter.db"), copy)
    path = written(1)
    with pytest.raises(SettingsError, match="cannot write"):
        back_up(str(path), tmp_path / "no folder" / "copy")
    assert not copy.exists()


def test_what_cannot_be_restored(tmp_path):
    new = str(tmp_path / "new.db")
    with pytest.raises(SettingsError, match="no copy of a journal at"):
        restore(tmp_path / "none", new)
    for name, text in (("letter", b"Dear desk"), ("json", b'{"a":1}\n'), ("empty", b"")):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(SetupError, match="no copy of a journal of mqd"):
            restore(tmp_path / name, new)
    connection = sqlite3.connect(tmp_path / "file.db")
    connection.execute("CREATE TABLE orders (id)")
    connection.close()
    with pytest.raises(SetupError, match="a database but not a journal"):
        restore(tmp_path / "file.db", new)
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4_096)
    with pytest.raises(SetupError, match="no copy of a journal"):
        restore(tmp_path / "broken.db", new)
    assert not Path(new).exists()


def test_a_copy_of_a_newer_schema_is_refused(written, facts, tmp_path):
    path = written(1)
    facts.tamper(path, f"UPDATE meta SET value = '{SCHEMA_VERSION + 1}'")
    with pytest.raises(SetupError, match="made by a newer mqd"):
        restore(path, str(tmp_path / "new.db"))


def test_a_restore_into_an_empty_journal(written, tmp_path, clock):
    """What a restore that failed half-way leaves behind is no obstacle."""
    path = written(2)
    back_up(str(path), tmp_path / "copy")
    open_journal(str(tmp_path / "new.db"), clock, write=True).close()
    assert restore(tmp_path / "copy", str(tmp_path / "new.db")).rows == 4


def test_the_head_does_not_depend_on_where_a_journal_is(filled, facts):
    _, head = filled
    memory = MemoryJournal()
    memory.commit(memory.append(OperatorActed(1, *HALT[:4])), NOTHING)
    for event in facts.EVERY_EVENT[1:]:
        memory.commit(memory.append(event), facts.FULL)
    assert memory.head()[1] == head


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("desk.db", "desk.db"),
        ("postgresql://desk:secret@host/desk", "postgresql+psycopg://desk:***@host/desk"),
    ],
)
def test_a_place_is_printed_without_its_password(given: str, printed: str) -> None:
    assert shown(given) == printed
