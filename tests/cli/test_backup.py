"""`mqd backup` and `mqd restore`: a copy that comes to the same state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Mqd = Callable[..., Any]


def replayed(mqd: Mqd, path: Path) -> Any:
    done = mqd("journal", "replay", "--db", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_restored_copy_replays_to_the_same_state(
    mqd: Mqd, sample_journal: Path, tmp_path: Path
) -> None:
    copy, new = tmp_path / "copy.db", tmp_path / "new" / "desk.db"
    done = mqd("backup", "--db", sample_journal, "--out", copy)
    assert done.returncode == 0, done.stderr
    head = done.stdout.split("head ")[1].strip()
    assert head in mqd("journal", "verify", "--db", sample_journal).stdout
    done = mqd("restore", copy, "--db", new)
    assert done.returncode == 0, done.stderr
    assert head in done.stdout
    before, after = replayed(mqd, sample_journal), replayed(mqd, new)
    assert after["state_hash"] == before["state_hash"]
    assert (after["ok"], after["events"]) == (True, before["events"])


def test_a_desk_goes_on_from_a_restored_copy(mqd: Mqd, tmp_path: Path) -> None:
    assert mqd("run", "--sessions", "1", "--db", "desk.db").returncode == 0
    assert mqd("backup", "--db", "desk.db", "--out", "copy.db").returncode == 0
    assert mqd("restore", "copy.db", "--db", "new.db").returncode == 0
    for journal in ("desk.db", "new.db"):
        done = mqd("run", "--sessions", "1", "--db", journal)
        assert done.returncode == 0, done.stderr
        assert "going on after" in done.stdout
    hashes = {replayed(mqd, tmp_path / name)["state_hash"] for name in ("desk.db", "new.db")}
    assert len(hashes) == 1


def test_nothing_is_overwritten(mqd: Mqd, sample_journal: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("a letter")
    done = mqd("backup", "--db", sample_journal, "--out", "copy.db")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "backup overwrites nothing" in done.stderr
    assert (tmp_path / "copy.db").read_text() == "a letter"
    before = sample_journal.read_bytes()
    assert mqd("backup", "--db", sample_journal, "--out", "other.db").returncode == 0
    done = mqd("restore", "other.db", "--db", sample_journal)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "a restore overwrites none" in done.stderr
    assert sample_journal.read_bytes() == before


def test_a_backup_of_a_broken_journal_says_so(mqd: Mqd, tmp_path: Path) -> None:
    assert mqd("run", "--sessions", "1", "--db", "desk.db").returncode == 0
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET at_ns = at_ns + 1 WHERE position = 10")
    connection.close()
    done = mqd("backup", "--db", "desk.db", "--out", "copy.db")
    assert done.returncode == 1
    assert "broken: row 10 was changed" in done.stdout
    done = mqd("restore", "copy.db", "--db", "new.db")
    assert "row 10 was changed" in done.stderr
    assert done.returncode != 0
    assert not (tmp_path / "new.db").exists()


def test_what_is_no_copy_is_one_clear_line(mqd: Mqd, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear desk")
    for place in ("letter.txt", "nowhere.db"):
        done = mqd("restore", place, "--db", "new.db")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith("mqd: ")
