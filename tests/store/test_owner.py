"""One process owns a journal; a second is refused and told who has it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mqd.ground.errors import JournalInUseError, SettingsError
from mqd.store.journal import open_journal
from mqd.store.owner import AccountOwner, FileOwner

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from mqd.store.owner import FileOwner

owner = FileOwner(Path(sys.argv[1]))
print("owned", flush=True)
time.sleep(60)
"""


@pytest.mark.case(67)
def test_a_second_writer_in_the_same_process_is_refused(place, clock, facts):
    with open_journal(place, clock, write=True) as first:
        with pytest.raises(JournalInUseError, match=r"is in use by (server )?process \d+"):
            open_journal(place, clock, write=True)
        facts.steps(first, facts.INTENT)
    with open_journal(place, clock, write=True) as second:
        assert second.count() == 1


def test_readers_need_no_ownership(place, clock, facts):
    with (
        open_journal(place, clock, write=True) as writer,
        open_journal(place, clock, write=False) as one,
        open_journal(place, clock, write=False) as another,
    ):
        facts.steps(writer, facts.INTENT)
        assert one.count() == another.count() == 1


@pytest.mark.case(67)
def test_another_process_is_named_and_its_death_lets_go(path):
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"owned\n"
        with pytest.raises(JournalInUseError) as refused:
            FileOwner(path)
        assert f"process {process.pid};" in str(refused.value)
        assert str(path) in str(refused.value)
        process.send_signal(signal.SIGKILL)
    FileOwner(path).release()


def test_two_names_of_one_file_meet_at_one_lock(path):
    path.touch()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with FileOwner(path), pytest.raises(JournalInUseError):
        FileOwner(link)


def test_releasing_twice_is_quiet(path):
    owner = FileOwner(path)
    owner.release()
    owner.release()


def test_a_failed_opening_lets_go(written, clock, facts):
    path = written(1)
    facts.tamper(path, "UPDATE journal SET at_ns = 0 WHERE position = 2")
    with pytest.raises(Exception, match="row 2 was changed"):
        open_journal(str(path), clock, write=True)
    FileOwner(path).release()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="cannot make"):
        FileOwner(tmp_path / "missing" / "desk.db")


ACCOUNT_OWNER = """
import sys, time
from mqd.runtime.clock import SystemClock
from mqd.store.journal import open_journal

journal = open_journal(sys.argv[1], SystemClock(), write=True, account="PA1234")
print("owned", flush=True)
time.sleep(60)
"""


def account_owner(place: str, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", ACCOUNT_OWNER, place],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | environment,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"owned\n"
    return process


@pytest.fixture
def runtime(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.mark.case(67)
def test_two_journals_of_one_machine_never_trade_one_account(runtime, tmp_path, clock):
    one, other = str(tmp_path / "one.db"), str(tmp_path / "other.db")
    with account_owner(one) as process:
        with pytest.raises(JournalInUseError) as refused:
            open_journal(other, clock, write=True, account="PA1234")
        assert f"the account PA1234 is in use by process {process.pid};" in str(refused.value)
        assert not Path(other).exists()
        open_journal(other, clock, write=True, account="PA9999").close()
        open_journal(one, clock, write=False).close()
        process.kill()
    open_journal(other, clock, write=True, account="PA1234").close()


@pytest.mark.case(67)
def test_two_machines_with_journals_on_one_server_never_trade_one_account(
    runtime, server, second_server, tmp_path, clock
):
    """Another runtime folder stands for another machine: the server itself must refuse."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with account_owner(server, XDG_RUNTIME_DIR=str(elsewhere)) as process:
        with pytest.raises(JournalInUseError, match=r"PA1234 is in use by server process \d+;"):
            open_journal(second_server, clock, write=True, account="PA1234")
        open_journal(second_server, clock, write=True, account="PA9999").close()
        process.kill()
        process.wait()
    for _ in range(50):  # the server notices a moment later
        try:
            open_journal(second_server, clock, write=True, account="PA1234").close()
        except JournalInUseError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the account stayed owned")


def test_the_lock_does_not_tell_the_account_and_is_the_users_alone(runtime, monkeypatch, tmp_path):
    with AccountOwner("PA1234"):
        (file,) = (runtime / "mqd").iterdir()
        assert "PA1234" not in file.name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with AccountOwner("PA1234"):
        assert [each.name for each in (tmp_path / f"mqd-{os.getuid()}").iterdir()] == [file.name]


def test_a_lock_folder_of_somebody_else_is_refused(runtime, tmp_path):
    (tmp_path / "theirs").mkdir()
    (runtime / "mqd").symlink_to(tmp_path / "theirs")
    with pytest.raises(SettingsError, match="belongs to somebody else"):
        AccountOwner("PA1234")
