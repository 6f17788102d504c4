"""`mqd journal`: whole or broken, readable, exportable, replayable."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqd.ground.canonical import GENESIS_HASH, chain, encode

EVENTS, DECISIONS = 1_803, 1_766


@pytest.fixture
def copy(sample_journal: Path, tmp_path: Path) -> Path:
    """A journal that a test may break."""
    return Path(shutil.copy(sample_journal, tmp_path / "copy.db"))


def change(path: Path, *statements: str) -> None:
    """As somebody with the file and a grudge would."""
    with sqlite3.connect(path) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount == 1
    connection.close()


def test_a_whole_journal_verifies(mqd: Callable[..., Any], sample_journal: Path) -> None:
    found = json.loads(mqd("journal", "verify", "--db", sample_journal, "--format", "json").stdout)
    assert found["ok"] is True
    assert found["rows"] == 3_592
    done = mqd("journal", "verify", "--db", sample_journal, "--head", found["head"])
    assert done.returncode == 0
    assert f"rows 3,592, head {found['head']}" in done.stdout
    lost = mqd("journal", "verify", "--db", sample_journal, "--head", "f" * 64)
    assert lost.returncode == 1
    assert "cut" in lost.stdout


def test_an_edited_row_is_named(mqd: Callable[..., Any], copy: Path) -> None:
    change(copy, "UPDATE journal SET body = replace(body, '595.', '594.') WHERE position = 120")
    done = mqd("journal", "verify", "--db", copy)
    assert done.returncode == 1
    assert "broken" in done.stdout
    assert "first bad row 120" in done.stdout


def test_a_removed_row_is_named(mqd: Callable[..., Any], copy: Path) -> None:
    change(copy, "DELETE FROM journal WHERE position = 120")
    done = mqd("journal", "verify", "--db", copy, "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["first_bad_position"] == 120


def test_the_last_entries_are_readable(mqd: Callable[..., Any], sample_journal: Path) -> None:
    lines = mqd("journal", "tail", "-n", "3", "--db", sample_journal).stdout.splitlines()
    assert len(lines) == 3
    assert lines[-1].split(maxsplit=1)[0] == str(EVENTS)
    assert "session 2024-12-02 closed" in lines[-1]
    assert "NO_TRADE: OUTSIDE_WINDOW, MAX_TRADES_REACHED" in lines[-2]
    done = mqd("journal", "tail", "-n", "2000", "--db", sample_journal, "--format", "json")
    entries = json.loads(done.stdout)["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, EVENTS + 1))
    texts = " ".join(" ".join(entry["outcome"]) for entry in entries)
    for piece in ("send BUY 0.84 SPY", "SUBMITTED -> FILLED", "trade STOP_LOSS -1.51 USD"):
        assert piece in texts


def test_an_export_carries_the_whole_chain(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path
) -> None:
    done = mqd("journal", "export", "--db", sample_journal, "--out", "rows.jsonl")
    assert done.stdout == "rows.jsonl: 3,592 rows\n"
    head = GENESIS_HASH
    for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        parts = [row[name] for name in ("position", "seq", "kind", "at_ns", "version")]
        head = chain(head, "\n".join(map(str, [*parts, encode(row["body"])])))
        assert row["hash"] == head
    assert mqd("journal", "export", "--db", sample_journal).stdout.count("\n") == 3_592


def test_decisions_are_exported_as_the_back_test_writes_them(
    mqd: Callable[..., Any], sample_journal: Path
) -> None:
    done = mqd("journal", "export", "--decisions", "--db", sample_journal)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == DECISIONS
    entry = next(row for row in rows if row["outcome"] == "ENTER")
    assert (entry["ts"], entry["blocking"]) == ("2024-11-25T15:31:00Z", "")
    assert list(rows[0])[-1] == "rules_digest"


def test_an_export_to_nowhere_is_one_clear_line(
    mqd: Callable[..., Any], sample_journal: Path
) -> None:
    done = mqd("journal", "export", "--db", sample_journal, "--out", "no/such/folder.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith("mqd: --out no/such/folder.jsonl: cannot be written")


def test_a_journal_replays_byte_for_byte(mqd: Callable[..., Any], sample_journal: Path) -> None:
    done = mqd("journal", "replay", "--db", sample_journal, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["ok"], found["events"], found["decisions"]) == (True, EVENTS, DECISIONS)
    assert len(found["state_hash"]) == 64
    text = mqd("journal", "replay", "--db", sample_journal).stdout
    assert "byte for byte" in text
    assert found["state_hash"] in text


def test_a_replay_names_the_event_that_differs(mqd: Callable[..., Any], copy: Path) -> None:
    change(
        copy,
        "UPDATE journal SET body = replace(body, 'NO_TRADE', 'ENTER') WHERE kind = 'outcome' "
        "AND seq = 100",
    )
    done = mqd("journal", "replay", "--db", copy)
    assert done.returncode == 1
    assert "event 100 (BarClosed) leads to another outcome" in done.stdout
    assert "the 99 events before it" in done.stdout


@pytest.mark.parametrize("word", ["verify", "tail", "export", "replay"])
def test_what_is_no_journal_is_one_clear_line(
    mqd: Callable[..., Any], tmp_path: Path, word: str
) -> None:
    (tmp_path / "letter.txt").write_text("Dear desk")
    for place in ("letter.txt", "nowhere.db"):
        done = mqd("journal", word, "--db", place)
        assert done.returncode == 2
        assert done.stderr.startswith("mqd: ")
        assert done.stderr.count("\n") == 1
