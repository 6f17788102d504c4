"""One process owns a journal; a second is refused and told who has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mqd.ground.errors import JournalInUseError, SettingsError
from mqd.store.journal import open_journal
from mqd.store.owner import FileOwner

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from mqd.store.owner import FileOwner

owner = FileOwner(Path(sys.argv[1]))
print("owned", flush=True)
time.sleep(60)
"""


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
