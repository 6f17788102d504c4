"""The journal: what goes in comes out, what must be durable is, and a failure is the end."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy.exc import DBAPIError

from mqd.ground import canonical
from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.model.decision import NOTHING, outcome_record
from mqd.model.journaled import EVENTS, RECORD_VERSION, to_record
from mqd.store.journal import MemoryJournal, SqlJournal, open_journal
from mqd.store.rows import EMPTY_OUTCOME
from mqd.store.verify import verify

ROOT = Path(__file__).parents[2]
BUFFERED_SECOND_S = 1.0


class TestEveryJournal:
    """What holds in memory, in SQLite and in PostgreSQL alike."""

    def test_every_event_comes_back_byte_for_byte(self, journal, facts):
        assert {type(event) for event in facts.EVERY_EVENT} == set(EVENTS.values())
        for event in facts.EVERY_EVENT:
            journal.commit(journal.append(event), NOTHING)
        entries = list(journal.entries())
        assert [entry.seq for entry in entries] == list(range(1, len(facts.EVERY_EVENT) + 1))
        assert [type(entry.event) for entry in entries] == [type(e) for e in facts.EVERY_EVENT]
        assert [canonical.encode(to_record(entry.event)) for entry in entries] == [
            canonical.encode(to_record(event)) for event in facts.EVERY_EVENT
        ]

    def test_outcomes_come_back_as_their_canonical_text(self, journal, facts):
        outcomes = [facts.FULL, NOTHING, facts.DECIDED, facts.INTENT]
        facts.steps(journal, *outcomes)
        assert [entry.outcome for entry in journal.entries()] == [
            canonical.encode(outcome_record(outcome)) for outcome in outcomes
        ]

    def test_an_empty_outcome_makes_no_row_and_is_not_a_missing_one(self, journal, facts):
        facts.steps(journal, NOTHING, NOTHING)
        assert [row.kind for row in journal.rows()] == ["event", "event"]
        assert [entry.outcome for entry in journal.entries()] == [EMPTY_OUTCOME] * 2

    def test_an_event_flushed_before_its_outcome_is_open_until_it_comes(self, journal, facts):
        seq = journal.append(facts.bar())
        journal.flush()
        assert [entry.outcome for entry in journal.entries()] == [None]
        journal.commit(seq, NOTHING)
        assert [row.kind for row in journal.rows()] == ["open", "outcome"]
        assert [entry.outcome for entry in journal.entries()] == [EMPTY_OUTCOME]

    def test_an_event_in_hand_is_not_shown_before_its_outcome(self, journal, facts):
        facts.steps(journal, facts.DECIDED)
        journal.append(facts.bar(1))
        assert [entry.seq for entry in journal.entries()] == [1]

    def test_rules_are_kept_by_digest(self, journal):
        text = canonical.encode({"strategies": []})
        digest = canonical.digest(text)
        journal.remember_rules(digest, text)
        journal.remember_rules(digest, text)
        assert journal.rules(digest) == text
        assert list(journal.rule_books()) == [(digest, text)]
        with pytest.raises(JournalError, match="never saw the rules"):
            journal.rules("00" * 32)
        with pytest.raises(JournalError, match="with another text"):
            journal.remember_rules(digest, text + " ")

    def test_the_chain_starts_at_genesis_and_is_whole(self, journal, facts):
        assert journal.head() == (0, canonical.GENESIS_HASH)
        assert journal.count() == 0
        facts.steps(journal, facts.DECIDED, NOTHING, facts.INTENT)
        assert journal.count() == 3
        assert journal.head()[0] == 5
        assert verify(journal, journal.head()[1]).ok

    def test_a_commit_must_name_the_event_in_hand(self, journal, facts):
        journal.append(facts.bar())
        with pytest.raises(JournalError, match="event 2 is not the one in hand"):
            journal.commit(2, NOTHING)

    def test_an_event_waits_for_the_outcome_of_the_one_before(self, journal, facts):
        journal.append(facts.bar())
        with pytest.raises(JournalError, match="event 1 has no outcome yet"):
            journal.append(facts.bar(1))

    def test_what_has_no_byte_form_is_refused(self, journal, facts):
        with pytest.raises(JournalError, match="cannot be journaled"):
            journal.append(facts.bar(symbol=object()))

    def test_half_a_character_is_refused(self, journal, facts):
        seq = journal.append(facts.bar(symbol="\ud800"))
        with pytest.raises(JournalError, match="cannot be journaled"):
            journal.commit(seq, NOTHING)

    def test_all_kinds_of_journal_have_the_same_head(self, journal, facts):
        other = MemoryJournal(keep=False)
        for each in (journal, other):
            facts.steps(each, facts.FULL, NOTHING, facts.DECIDED)
            each.flush()
        assert journal.head() == other.head()


class TestMemoryOnly:
    def test_only_the_head_can_be_kept(self, facts):
        journal = MemoryJournal(keep=False)
        facts.steps(journal, facts.DECIDED)
        assert (journal.count(), journal.head()[0]) == (1, 2)
        with pytest.raises(JournalError, match="only its head"):
            journal.entries()

    def test_closing_writes_the_event_in_hand_down(self, facts):
        journal = MemoryJournal()
        journal.append(facts.bar())
        journal.close()
        journal.close()
        assert [entry.outcome for entry in journal.entries()] == [None]


class TestDurability:
    """Seen through a second connection: only what is committed is there."""

    @pytest.fixture
    def pair(self, place, clock):
        with (
            open_journal(place, clock, write=True) as writer,
            open_journal(place, clock, write=False) as reader,
        ):
            yield writer, reader

    @pytest.mark.rule("DURABLE_BEFORE_SENT")
    def test_a_decision_waits_and_an_intent_does_not(self, pair, facts):
        writer, reader = pair
        facts.steps(writer, facts.DECIDED)
        assert reader.count() == 0
        assert writer.head() == (0, canonical.GENESIS_HASH)
        facts.steps(writer, facts.INTENT, first=1)
        assert reader.count() == 2
        assert reader.head() == writer.head()

    def test_replies_starts_and_sessions_do_not_wait(self, pair, facts):
        writer, reader = pair
        waits = {"BarClosed", "FeedDefectFound", "ClockTicked", "FrameReceived"}
        for event in facts.EVERY_EVENT:
            seq = writer.append(event)
            writer.commit(seq, NOTHING)
            assert (reader.count() == seq) == (type(event).__name__ not in waits)

    def test_nothing_waits_for_more_than_a_second(self, pair, facts, clock):
        writer, reader = pair
        facts.steps(writer, facts.DECIDED)
        clock.sleep(BUFFERED_SECOND_S - 0.001)
        facts.steps(writer, facts.DECIDED, first=1)
        assert reader.count() == 0
        clock.sleep(0.001)
        facts.steps(writer, facts.DECIDED, first=2)
        assert reader.count() == 3

    def test_memory_is_bounded_at_full_speed(self, pair, facts):
        writer, reader = pair
        facts.steps(writer, *[facts.DECIDED] * 2_050)
        assert reader.count() == 2_048

    def test_closing_writes_what_waited(self, pair, facts):
        writer, reader = pair
        facts.steps(writer, facts.DECIDED)
        writer.append(facts.bar(1))
        writer.close()
        assert [entry.outcome is None for entry in reader.entries()] == [False, True]
        assert reader.head() == writer.head()

    def test_a_reader_sees_whole_steps_while_the_owner_writes(self, pair, facts):
        writer, reader = pair
        facts.steps(writer, *[facts.INTENT] * 300)
        reading = reader.entries()
        seen = [next(reading)]
        facts.steps(writer, *[facts.INTENT] * 300, first=300)
        seen += reading
        assert len(seen) == 300  # one question has one answer, however long it takes to read
        assert all(entry.outcome is not None for entry in seen)
        assert reader.count() == 600

    def test_the_writer_reads_its_own_decisions(self, pair, facts):
        writer, _ = pair
        facts.steps(writer, *[facts.DECIDED] * 3)
        assert [entry.seq for entry in writer.tail(2)] == [2, 3]
        assert writer.tail(0) == []
        assert len(writer.tail(10)) == 3

    def test_the_last_event_of_a_name(self, pair, facts):
        writer, _ = pair
        for event in facts.EVERY_EVENT:
            writer.commit(writer.append(event), NOTHING)
        opened, closed = facts.EVERY_EVENT[1], facts.EVERY_EVENT[-1]
        assert writer.last_event("SessionOpened") == opened
        assert writer.last_event("SessionOpened", "SessionClosed") == closed
        assert writer.last_event("Session") is None
        assert writer.last_event() is None

    def test_numbers_go_on_after_a_restart(self, place, facts, clock):
        for start in (0, 3):
            with open_journal(place, clock, write=True) as journal:
                facts.steps(journal, facts.DECIDED, NOTHING, facts.INTENT, first=start)
        uninterrupted = MemoryJournal()
        facts.steps(uninterrupted, *[facts.DECIDED, NOTHING, facts.INTENT] * 2)
        with open_journal(place, clock, write=False) as journal:
            assert [entry.seq for entry in journal.entries()] == [1, 2, 3, 4, 5, 6]
            assert journal.head() == uninterrupted.head()

    def test_a_closed_journal_refuses_and_still_knows_its_head(self, place, facts, clock):
        journal = open_journal(place, clock, write=True)
        facts.steps(journal, facts.DECIDED)
        journal.close()
        journal.close()
        assert (journal.count(), journal.head()[0]) == (1, 2)
        with pytest.raises(JournalError, match="is closed"):
            journal.append(facts.bar())
        with pytest.raises(JournalError, match="is closed"):
            journal.tail(1)

    def test_a_reader_cannot_write(self, pair, facts):
        _, reader = pair
        for write in (reader.flush, lambda: reader.append(facts.bar())):
            with pytest.raises(JournalError, match="read only"):
                write()


WRITER = """
import sys, time
from mqd.model.command import SubmitOrder
from mqd.model.decision import NOTHING, Outcome
from mqd.model.event import BarClosed
from mqd.store.journal import open_journal

class Clock:
    def monotonic_ns(self):
        return 0

journal = open_journal(sys.argv[1], Clock(), write=True)
intent = Outcome(commands=(SubmitOrder(1, "mqd-1", "SPY", "buy", 1, "market", "day"),))
bar = BarClosed(1, "SPY", 0, 1.0, 1.0, 1.0, 1.0, 1.0)
for number in range(100):
    journal.commit(journal.append(bar), intent if number % 10 == 0 else NOTHING)
journal.append(bar)
print("committed", flush=True)
time.sleep(60)
"""


@pytest.mark.rule("DURABLE_BEFORE_SENT")
def test_what_was_committed_survives_a_kill(path, clock, facts):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"committed\n"
        writer.send_signal(signal.SIGKILL)
    with open_journal(str(path), clock, write=False) as journal:
        assert journal.count() == 91  # the last intent; the nine quiet bars after it only waited
        assert verify(journal).ok
    with open_journal(str(path), clock, write=True) as journal:
        facts.steps(journal, facts.INTENT)
        assert verify(journal).ok
        assert journal.count() == 92


class TestFailure:
    """A journal that failed once is never used again, and says why in one sentence."""

    @pytest.fixture
    def failing(self, path, clock):
        journal = open_journal(str(path), clock, write=True)
        yield journal
        journal.close()

    def check_the_end(self, journal: SqlJournal, facts, why: str) -> None:
        calls = (
            lambda: journal.append(facts.bar()),
            lambda: journal.commit(1, NOTHING),
            journal.flush,
            journal.head,
            journal.count,
            lambda: list(journal.entries()),
            lambda: journal.rules("ab"),
            lambda: journal.remember_rules("ab", "{}"),
        )
        for call in calls:
            with pytest.raises(JournalError, match=why):
                call()

    def test_a_full_disk(self, failing, facts, clock, path):
        facts.steps(failing, facts.INTENT)
        pages = failing._writing.exec_driver_sql("PRAGMA page_count").scalar()
        failing._writing.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        failing._writing.rollback()
        with pytest.raises(JournalError, match=r"could not be written: the disk is full$"):
            facts.steps(failing, *[facts.FULL] * 100, first=1)
        self.check_the_end(failing, facts, "the disk is full")
        failing.close()
        with open_journal(str(path), clock, write=True) as journal:
            assert verify(journal).ok
            facts.steps(journal, facts.INTENT, first=journal.count())

    def test_a_locked_database(self, failing, facts, path):
        failing._writing.exec_driver_sql("PRAGMA busy_timeout = 1")
        failing._writing.rollback()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program holds it locked"):
            facts.steps(failing, facts.INTENT)
        other.close()
        self.check_the_end(failing, facts, "another program holds it locked")

    def test_rows_that_another_program_wrote(self, failing, facts, path):
        facts.steps(failing, facts.INTENT)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("INSERT INTO journal VALUES (3, 2, 'event', 0, 1, '[]', '')")
        other.close()
        with pytest.raises(JournalError, match="append-only"):
            facts.steps(failing, facts.INTENT)
        self.check_the_end(failing, facts, "append-only")

    def test_a_commit_that_fails_at_the_very_end(self, failing, facts, clock, path):
        def refuse(_connection: object) -> None:
            raise DBAPIError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))

        sql_event.listen(failing._writing.engine, "commit", refuse)
        with pytest.raises(JournalError, match="disk I/O error"):
            facts.steps(failing, facts.INTENT)
        self.check_the_end(failing, facts, "disk I/O error")
        failing.close()
        with open_journal(str(path), clock, write=False) as journal:
            assert journal.count() == 0

    def test_a_connection_to_a_server_that_is_lost(self, server, facts, clock):
        with open_journal(server, clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            backend = journal._writing.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            journal._writing.rollback()
            with journal._engine.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)").scalar()
            with pytest.raises(JournalError, match="could not be written"):
                facts.steps(journal, facts.INTENT, first=1)
            self.check_the_end(journal, facts, "failed before")
        with open_journal(server, clock, write=True) as journal:  # the ownership went with it
            assert journal.count() == 1

    def test_a_step_out_of_order(self, failing, facts):
        with pytest.raises(JournalError, match="not the one in hand"):
            failing.commit(1, NOTHING)
        self.check_the_end(failing, facts, "not the one in hand")


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE journal SET at_ns = 0",
            "DELETE FROM journal WHERE position = 2",
            "INSERT OR REPLACE INTO journal VALUES (1, 1, 'event', 0, 1, '[]', '')",
            "UPDATE rule_books SET canonical = '{}'",
            "DELETE FROM rule_books",
            "INSERT OR REPLACE INTO rule_books SELECT digest, '{}' FROM rule_books",
        ],
    )
    def test_sqlite_refuses(self, statement, path, clock, facts):
        with open_journal(str(path), clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            journal.remember_rules(canonical.digest("[]"), "[]")
        connection = sqlite3.connect(path)
        with pytest.raises(sqlite3.IntegrityError, match="is append-only"):
            connection.execute(statement)
        connection.close()

    @pytest.mark.parametrize(
        "statement",
        ["UPDATE journal SET at_ns = 0", "DELETE FROM journal", "TRUNCATE journal, rule_books"],
    )
    def test_postgresql_refuses(self, statement, server, clock, facts):
        with open_journal(server, clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            with (
                pytest.raises(DBAPIError, match="is append-only"),
                journal._writing.begin(),
            ):
                journal._writing.exec_driver_sql(statement)


class TestOpening:
    def test_files_are_the_owners_alone_and_folders_are_made(self, tmp_path, clock, facts):
        path = tmp_path / "var" / "runs %41 ?" / "desk.db"
        with open_journal(str(path), clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            files = list(path.parent.iterdir())
            assert {file.name for file in files} == {
                "desk.db",
                "desk.db-shm",
                "desk.db-wal",
                "desk.db.owner",
                "desk.db.reserve",
            }
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    def test_sqlite_is_set_to_reach_the_disk(self, path, clock):
        with open_journal(str(path), clock, write=True) as journal:
            values = {
                name: journal._writing.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            journal._writing.rollback()
        assert values == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 2_000,
        }

    def test_nothing_to_read(self, path, clock):
        with pytest.raises(SettingsError, match=r"there is no journal at .*desk\.db; `mqd run`"):
            open_journal(str(path), clock, write=False)
        assert not path.exists()
        path.touch()
        with pytest.raises(SettingsError, match="holds no journal yet"):
            open_journal(str(path), clock, write=False)

    def test_nothing_to_read_on_a_server(self, server, clock):
        with pytest.raises(SettingsError, match="holds no journal yet"):
            open_journal(server, clock, write=False)

    @pytest.mark.parametrize("write", [True, False])
    def test_another_kind_of_file_is_left_as_it_was(self, path, clock, write):
        path.write_text("symbol,ts,open\n", encoding="utf-8")
        with pytest.raises(SetupError, match="not a journal of mqd"):
            open_journal(str(path), clock, write=write)
        assert [file.name for file in path.parent.iterdir()] == ["desk.db"]

    @pytest.mark.parametrize("write", [True, False])
    def test_another_kind_of_database_is_left_as_it_was(self, path, clock, write):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE orders (id)")
        connection.close()
        before = path.read_bytes()
        with pytest.raises(SetupError, match="a database but not a journal of mqd"):
            open_journal(str(path), clock, write=write)
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == ["desk.db"]

    def test_a_damaged_database(self, path, clock):
        path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4_096)
        with pytest.raises(SetupError, match="not a journal of mqd"):
            open_journal(str(path), clock, write=True)

    @pytest.mark.parametrize(
        ("version", "error"),
        [
            ("'3'", "made by a newer mqd"),
            ("'0'", "no schema version"),
            ("'x'", "no schema version"),
            (None, "no schema version"),
        ],
    )
    @pytest.mark.case(95)
    def test_an_unknown_schema(self, written, clock, facts, version, error):
        change = f"UPDATE meta SET value = {version}" if version else "DELETE FROM meta"
        path = written(1)
        facts.tamper(path, change)
        for write in (True, False):
            with pytest.raises(SetupError, match=error):
                open_journal(str(path), clock, write=write)

    @pytest.mark.case(94)
    def test_a_broken_tail_is_not_continued(self, written, clock, facts):
        path = written(3)
        facts.tamper(path, "UPDATE journal SET body = '[]' WHERE position = 4")
        with pytest.raises(JournalError, match="row 4 was changed after it was written"):
            open_journal(str(path), clock, write=True)
        with open_journal(str(path), clock, write=False) as journal:
            assert journal.count() == 3

    def test_only_the_newest_rows_are_checked_until_all_are_read(self, written, clock, facts):
        path = written(600)
        facts.tamper(path, "UPDATE journal SET body = '[]' WHERE position = 20")
        with open_journal(str(path), clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            assert verify(journal).first_bad_position == 20

    def test_a_desk_goes_on_from_no_old_row_that_was_changed(self, written, clock, facts):
        path = written(600)
        facts.tamper(path, "UPDATE journal SET at_ns = at_ns + 1 WHERE position = 20")
        with (
            open_journal(str(path), clock, write=True) as journal,
            pytest.raises(JournalError, match="row 20 was changed after it was written"),
        ):
            list(journal.entries())
        with open_journal(str(path), clock, write=False) as journal:  # to look at, it is all there
            assert len(list(journal.entries())) == 600

    @pytest.mark.parametrize(
        ("address", "error"),
        [
            ("mysql://desk@localhost/desk", "keeps no journal in mysql"),
            ("sqlite://", "needs a file"),
            (":memory:", "needs a file"),
            ("postgresql://desk:geheim@", "cannot open|not installed"),
            ("://geheim", "expected a path"),
        ],
    )
    def test_addresses_that_cannot_be_used(self, address, error, clock, monkeypatch):
        monkeypatch.setenv("PGHOST", "/nowhere")
        with pytest.raises(SettingsError, match=error) as refused:
            open_journal(address, clock, write=True)
        assert "geheim" not in str(refused.value)

    def test_places_that_cannot_be_used(self, tmp_path, clock):
        (tmp_path / "file").write_text("", encoding="utf-8")
        for place in (tmp_path, tmp_path / "file" / "desk.db"):
            with pytest.raises(SettingsError, match="journal"):
                open_journal(str(place), clock, write=True)

    def test_a_row_of_another_form_is_named(self, written, clock, facts):
        path = written(1)
        unknown = RECORD_VERSION + 1
        facts.tamper(path, f"UPDATE journal SET version = {unknown} WHERE position = 1")
        told = f"row 1 has form {unknown}, this mqd reads forms 1 to {RECORD_VERSION}"
        with (
            open_journal(str(path), clock, write=False) as journal,
            pytest.raises(JournalError, match=told),
        ):
            list(journal.entries())

    @pytest.mark.parametrize("body", ['["Nonsense", 1]', '["BarClosed"]', "{", "7"])
    def test_a_row_that_cannot_be_read_is_named(self, written, clock, facts, body):
        path = written(1)
        facts.tamper(path, f"UPDATE journal SET body = '{body}' WHERE position = 1")
        with (
            open_journal(str(path), clock, write=False) as journal,
            pytest.raises(JournalError, match="row 1 cannot be read"),
        ):
            list(journal.entries())

    def test_an_outcome_without_its_event_is_named(self, written, clock, facts):
        path = written(2)
        facts.tamper(path, "DELETE FROM journal WHERE position = 3")
        with (
            open_journal(str(path), clock, write=False) as journal,
            pytest.raises(JournalError, match="row 4 is the outcome of an event that is not there"),
        ):
            list(journal.entries())
