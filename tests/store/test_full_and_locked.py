"""The disk is full, or another program holds the database: what was sent is in the journal."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy import event as sql_event

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.ground import canonical
from mqd.ground.errors import JournalError, SettingsError
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.store.journal import JournalLimits, open_journal
from mqd.store.restoring import check_copy
from mqd.store.verify import verify

ROOT = Path(__file__).parents[2]
RESERVE = 64 * 1024
HOLD = """
import sqlite3, sys, time

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


def hold(path: Path, duration_s: float) -> subprocess.Popen[bytes]:
    """A process that holds the write lock for so long; it has it when this returns."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(duration_s)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def allow_pages(journal, more: int) -> None:
    """Let the database grow by so many pages and no further."""
    pages = journal._writing.exec_driver_sql("PRAGMA page_count").scalar()
    journal._writing.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")
    journal._writing.rollback()


class TestLocked:
    @pytest.mark.case(96)
    def test_a_lock_of_five_seconds_ends_the_journal_and_loses_nothing(self, path, facts, clock):
        with open_journal(str(path), clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            with hold(path, 5):
                started = time.monotonic()
                with pytest.raises(JournalError, match="another program holds it locked"):
                    facts.steps(journal, facts.INTENT, first=1)
                assert 1.5 < time.monotonic() - started < 4
        with open_journal(str(path), clock, write=True) as journal:
            assert journal.count() == 1
            facts.steps(journal, facts.INTENT, first=1)
            assert verify(journal).rows == 4

    @pytest.mark.case(96)
    def test_a_short_lock_is_waited_for(self, path, facts, clock):
        with open_journal(str(path), clock, write=True) as journal, hold(path, 0.5):
            facts.steps(journal, facts.INTENT)
            assert journal.count() == 1

    def test_the_wait_is_what_was_declared(self, path, facts, clock):
        limits = JournalLimits(busy_ms=100)
        with open_journal(str(path), clock, write=True, limits=limits) as journal, hold(path, 3):
            started = time.monotonic()
            with pytest.raises(JournalError, match="locked"):
                facts.steps(journal, facts.INTENT)
            assert time.monotonic() - started < 1.5

    @pytest.mark.case(94)
    def test_a_locked_journal_does_not_open(self, path, clock):
        open_journal(str(path), clock, write=True).close()
        with hold(path, 3), pytest.raises(SettingsError, match="another program holds it locked"):
            open_journal(str(path), clock, write=True, limits=JournalLimits(busy_ms=50))
        assert path.with_name("desk.db.reserve").exists()  # the disk is not full

    def test_a_locked_table_of_a_server(self, server, facts, clock):
        limits = JournalLimits(busy_ms=100)
        with open_journal(server, clock, write=True, limits=limits) as journal:
            other = create_engine(server, poolclass=NullPool).connect()
            other.exec_driver_sql("LOCK TABLE journal")
            with pytest.raises(JournalError, match="another program holds it locked"):
                facts.steps(journal, facts.INTENT)
            other.close()
        with open_journal(server, clock, write=True) as journal:
            facts.steps(journal, facts.INTENT)
            assert journal.count() == 1


class TestReserve:
    """A small database stands for a small disk: giving up the reserve makes it larger."""

    @pytest.fixture
    def journal(self, path, clock):
        limits = JournalLimits(reserve_bytes=RESERVE)
        with open_journal(str(path), clock, write=True, limits=limits) as journal:
            yield journal

    @pytest.fixture
    def small_disk(self, journal, path):
        """A disk on which the reserve is what there is besides the journal."""
        reserve = path.with_name("desk.db.reserve")
        allow_pages(journal, 2)
        given: list[bool] = []

        def look(connection) -> None:
            if not reserve.exists() and not given:
                given.append(True)
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 40}")

        sql_event.listen(journal._writing.engine, "begin", look)
        return reserve

    def test_the_reserve_is_there_with_real_blocks(self, journal, path):
        status = path.with_name("desk.db.reserve").stat()
        assert status.st_size == RESERVE
        assert status.st_blocks * 512 >= RESERVE
        assert journal.space_is_low is False

    @pytest.mark.case(94)
    def test_when_the_disk_is_full_the_reserve_takes_what_must_be_written(
        self, journal, small_disk, facts, path, clock
    ):
        written = 0
        while not journal.space_is_low:
            assert small_disk.exists()
            facts.steps(journal, facts.INTENT, first=written)
            written += 1
        assert not small_disk.exists()
        assert 1 < written < 500
        facts.steps(journal, facts.INTENT, facts.INTENT, first=written)
        with open_journal(str(path), clock, write=False) as reader:
            assert reader.count() == written + 2
            assert verify(reader, journal.head()[1]).ok

    def test_rules_are_kept_with_it_too(self, journal, small_disk):
        text = json.dumps({"limits": ["x" * 100] * 200})
        journal.remember_rules("ab", text)
        assert journal.space_is_low
        assert journal.rules("ab") == text

    def test_when_the_reserve_is_used_up_the_journal_fails(
        self, journal, small_disk, facts, path, clock
    ):
        with pytest.raises(JournalError, match=r"could not be written: the disk is full$"):
            facts.steps(journal, *[facts.FULL] * 2_000)
        assert journal.space_is_low
        whole = verify(open_journal(str(path), clock, write=False))
        assert whole.ok
        assert whole.rows > 0

    def test_a_restart_with_room_has_a_reserve_again(self, journal, small_disk, facts, path, clock):
        while not journal.space_is_low:
            facts.steps(journal, facts.INTENT, first=journal.count())
        journal.close()
        with open_journal(str(path), clock, write=True) as again:
            assert small_disk.exists()
            assert again.space_is_low is False

    def test_another_error_leaves_the_reserve_alone(self, journal, path, facts):
        reserve = path.with_name("desk.db.reserve")
        with hold(path, 4), pytest.raises(JournalError, match="locked"):
            facts.steps(journal, facts.INTENT)
        assert reserve.exists()
        assert journal.space_is_low is False

    def test_no_reserve_is_kept_where_none_is_wanted(self, path, clock):
        limits = JournalLimits(reserve_bytes=0)
        with open_journal(str(path), clock, write=True, limits=limits) as journal:
            assert journal.space_is_low is False
        assert not path.with_name("desk.db.reserve").exists()

    def test_a_reserve_that_cannot_be_made_is_said(self, path, clock):
        path.with_name("desk.db.reserve").mkdir()
        with pytest.raises(SettingsError, match=r"cannot make .*desk\.db\.reserve"):
            open_journal(str(path), clock, write=True)


FULL_DISK = """
import json, sys
from decimal import Decimal
from pathlib import Path
from mqd.ground.errors import JournalError
from mqd.model.command import SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed
from mqd.runtime.clock import SystemClock
from mqd.store.journal import JournalLimits, open_journal
from mqd.store.verify import verify

path, sent, low = Path(sys.argv[1], "desk.db"), 0, None
limits = JournalLimits(reserve_bytes=512 * 1024)
intent = Outcome(commands=(SubmitOrder(1, "mqd-1", "SPY", "buy", Decimal(1), "market", "day"),))
bar = BarClosed(1, "SPY", 0, 1.0, 1.0, 1.0, 1.0, 1.0)
journal = open_journal(str(path), SystemClock(), write=True, limits=limits)
error = ""
try:
    while sent < 100_000:
        journal.commit(journal.append(bar), intent)
        sent += 1
        if low is None and journal.space_is_low:
            low = sent
except JournalError as failure:
    error = str(failure)
journal.close()
with open_journal(str(path), SystemClock(), write=False) as reader:
    found = verify(reader)
    kept = reader.count()
path.with_name("ballast").unlink()
with open_journal(str(path), SystemClock(), write=True, limits=limits) as journal:
    journal.commit(journal.append(bar), intent)
    after = [journal.count(), journal.space_is_low]
told = dict(sent=sent, low=low, error=error, ok=found.ok, kept=kept, after=after)
print(json.dumps(told))
"""
MOUNT = "mount -t tmpfs -o size=3m tmpfs {0} && head -c 1000000 /dev/zero > {0}/ballast && {1}"


@pytest.mark.case(151)
def test_a_disk_that_is_really_full(tmp_path):
    """A file system of three megabytes, one of them taken, in a name space of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    tried = [*own, MOUNT.format(folder, "true")]
    if not shutil.which("unshare") or subprocess.run(tried, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    done = subprocess.run(
        [*own, MOUNT.format(folder, f'{sys.executable} -c "$PROGRAM" {folder}')],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PROGRAM": FULL_DISK},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["error"].endswith("could not be written: the disk is full")
    assert found["ok"] is True
    assert found["kept"] == found["sent"]  # nothing was sent that is not there
    assert found["sent"] - found["low"] > 500  # what half a megabyte was kept for
    assert found["after"] == [found["sent"] + 1, False]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> list[list[object]]:
    """What a desk that nothing happens to writes of one sample session."""
    folder = tmp_path_factory.mktemp("whole")
    desk(folder).run()
    return told(folder)


class TestDesk:
    """A whole desk over the sample sessions, with a journal that fails in the middle."""

    @pytest.mark.parametrize("failure", ["locked", "full"])
    @pytest.mark.case(96)
    def test_nothing_was_sent_that_is_not_in_the_journal(
        self, tmp_path, uninterrupted, failure, monkeypatch
    ):
        run = desk(tmp_path)
        path = tmp_path / "desk.db"
        sent: list[str] = []
        send = run.desk._sender.send

        def sending(command) -> None:
            sent.append(canonical.encode([type(command).__name__, *command]))
            send(command)

        monkeypatch.setattr(run.desk._sender, "send", sending)
        holders: list[subprocess.Popen[bytes] | None] = []

        class Trouble:
            def saw(self, event, outcome, state) -> None:
                if "SubmitOrder" in " ".join(sent) and not holders:
                    holders.append(None)
                    if failure == "full":
                        path.with_name("desk.db.reserve").unlink()
                        allow_pages(run.journal, 0)
                    else:
                        holders.append(hold(path, 60))

        why = "the disk is full" if failure == "full" else "another program holds it locked"
        with pytest.raises(JournalError, match=why):
            run.run([Trouble()])
        for holder in filter(None, holders):
            holder.kill()
            holder.wait()
            holder.stdout.close()
        with open_journal(str(path), SystemClock(), write=False) as journal:
            kept = " ".join(entry.outcome or "" for entry in journal.entries())
        assert any("SubmitOrder" in command for command in sent)
        assert [command for command in sent if command not in kept] == []
        assert told(tmp_path) == uninterrupted[: len(told(tmp_path))]
        desk(tmp_path).run()
        assert told(tmp_path) == uninterrupted
        assert any(record[0] == "Trade" for record in uninterrupted)


def desk(folder: Path) -> DeskRun:
    book = load_rules(ROOT / "rules")
    plan = RunPlan(book, (), Settings(), f"sqlite:///{folder / 'desk.db'}", most_sessions=1)
    return DeskRun(plan, SystemClock())


def told(folder: Path) -> list[list[object]]:
    """The orders that were sent and the trades that came of them, each once."""
    with open_journal(str(folder / "desk.db"), SystemClock(), write=False) as journal:
        outcomes = [canonical.decode(entry.outcome or "[]") for entry in journal.entries()]
    return [
        record
        for outcome in outcomes
        for record in outcome
        if record[0] in {"SubmitOrder", "Trade"}
    ]


def test_the_reserve_of_a_file_that_somebody_shortened_is_made_whole(path, clock):
    limits = JournalLimits(reserve_bytes=RESERVE)
    open_journal(str(path), clock, write=True, limits=limits).close()
    reserve = path.with_name("desk.db.reserve")
    reserve.write_bytes(b"")
    open_journal(str(path), clock, write=True, limits=limits).close()
    assert reserve.stat().st_size == RESERVE
    assert sqlite3.connect(path).execute("SELECT count(*) FROM journal").fetchone() == (0,)


START_ON_A_FULL_DISK = """
import json, os, sys
from pathlib import Path
from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.model.command import SubmitOrder
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.store.journal import open_journal
from mqd.store.verify import verify

folder, how = Path(sys.argv[1]), sys.argv[2]
disk = os.statvfs(folder)
path = folder / "desk.db"
book = load_rules(Path(os.environ["PYTHONPATH"], "rules"))
plan = RunPlan(book, (), Settings(), str(path), most_sessions=1)
run = DeskRun(plan, SystemClock())
held = lambda: len(run.desk.state.ledger.positions.open_positions())

def stop_wanted():
    if held() and how == "killed":
        os._exit(0)
    return held() > 0

if how != "starts":
    run.run(stop_wanted=stop_wanted)
    sys.exit()

class Seen:
    states, sent = [], []

    def saw(self, event, outcome, state):
        if type(event).__name__ == "BarClosed":
            self.states.append(state.state_name)
        self.sent += [item for item in outcome.commands if isinstance(item, SubmitOrder)]

seen, was_held = Seen(), held()
run.run([seen])
orders = run.desk.state.orders
with open_journal(str(path), SystemClock(), write=False) as reader:
    ok = verify(reader).ok
print(json.dumps(dict(
    free_bytes=disk.f_bavail, held=was_held, before_a_bar=seen.states[0], then=seen.states[-1],
    roles=[orders[item.client_order_id].role for item in seen.sent], held_then=held(), ok=ok,
    reserve=path.with_name("desk.db.reserve").exists(),
)))
"""


MQD = f"{sys.executable} -m mqd"


class TestStartOnAFullDisk:
    """A desk that holds something stops, its disk is filled to the last byte, and it starts."""

    @pytest.fixture(params=["stopped", "killed", "killed, its index gone"])
    def found(self, request, tmp_path) -> dict[str, object]:
        folder = tmp_path / "disk"
        folder.mkdir()
        own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        mount = f"mount -t tmpfs -o size=6m tmpfs {folder}"
        if not shutil.which("unshare") or subprocess.run([*own, mount], check=False).returncode:
            pytest.skip("this machine lets nobody mount a small file system")
        parts = [
            mount,
            f'{sys.executable} -c "$PROGRAM" {folder} {request.param.split(",")[0]}',
            f"rm -f {folder}/desk.db-shm" if "," in request.param else "true",
            f"(head -c 9000000 /dev/zero > {folder}/ballast || true) 2>/dev/null",
            # Whose index is gone has its newest rows in a log that cannot be read without one.
            "true" if "," in request.param else f"{MQD} backup --db {folder}/desk.db --out copy.db",
            f'{sys.executable} -c "$PROGRAM" {folder} starts',
        ]
        done = subprocess.run(
            [*own, " && ".join(parts)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "PROGRAM": START_ON_A_FULL_DISK},
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found

    @pytest.mark.case(94)
    @pytest.mark.case(151)
    def test_it_gets_out_and_not_in(self, found):
        assert found["free_bytes"] == 0
        assert found["held"] == 1
        assert found["before_a_bar"] == "REDUCING"
        assert found["then"] == "REDUCING"
        assert found["roles"] == ["exit"]
        assert found["held_then"] == 0
        assert found["ok"] is True
        assert found["reserve"] is False


@pytest.fixture
def read_only(tmp_path, written) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs commands on a journal of six rows, in `disk/`, on a file system nobody may write.

    It was closed, or its process was killed and left files beside it; they are there, or `gone`.
    """

    def run(command: str, *, killed: bool = False, gone: str = ""):
        folder = tmp_path / "disk"
        folder.mkdir()
        path = written(3)
        own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        mount = f"mount -t tmpfs -o size=6m tmpfs {folder}"
        again = f"mount -o remount,ro {folder}"
        tried = [*own, f"{mount} && {again}"]
        if not shutil.which("unshare") or subprocess.run(tried, check=False).returncode:
            pytest.skip("this machine lets nobody mount a small file system")
        leave = f'{sys.executable} -c "$PROGRAM" disk/desk.db' if killed else "true"
        return subprocess.run(
            [*own, " && ".join([mount, f"cp {path} disk", leave, gone or "true", again, command])],
            env=os.environ | {"PYTHONPATH": str(ROOT), "PROGRAM": ONE_MORE_AND_KILLED},
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip

    return run


ONE_MORE_AND_KILLED = """
import os, sys
from mqd.model.decision import NOTHING
from mqd.model.event import ClockTicked
from mqd.runtime.clock import SystemClock
from mqd.store.journal import open_journal

journal = open_journal(sys.argv[1], SystemClock(), write=True)
journal.commit(journal.append(ClockTicked(1 << 61)), NOTHING)
journal.flush()
os._exit(0)
"""


class TestReadOnlyFolder:
    @pytest.mark.parametrize(("killed", "rows"), [(False, 6), (True, 7)])
    def test_a_journal_is_verified_and_copied(self, read_only, tmp_path, killed, rows):
        asked = [f"{MQD} journal verify --db disk/desk.db", f"{MQD} backup --db disk/desk.db"]
        done = read_only(f"{asked[0]} && {asked[1]} --out copy.db", killed=killed)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(f"all {rows} rows are whole") == 2
        assert check_copy(tmp_path / "copy.db").rows == rows

    def test_it_is_restored_to_another_place(self, read_only, tmp_path):
        done = read_only(f"{MQD} restore disk/desk.db --db new.db")
        assert done.returncode == 0, done.stderr
        assert check_copy(tmp_path / "new.db").rows == 6

    def test_a_log_that_cannot_be_read_is_not_read_past(self, read_only):
        done = read_only(
            f"{MQD} journal verify --db disk/desk.db", killed=True, gone="rm disk/desk.db-shm"
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot open the journal" in done.stderr

    def test_an_empty_log_holds_nothing(self, read_only):
        done = read_only(f"{MQD} journal verify --db disk/desk.db", gone="touch disk/desk.db-wal")
        assert "all 6 rows are whole" in done.stdout
