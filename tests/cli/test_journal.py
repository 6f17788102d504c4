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

DECISIONS = 1_766


def counted(path: Path) -> tuple[int, int]:
    """How many rows and events the file holds, asked without mqd."""
    connection = sqlite3.connect(path)
    (found,) = connection.execute("SELECT count(*), max(seq) FROM journal")
    connection.close()
    rows, events = found
    assert rows > events > DECISIONS
    return rows, events


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
    rows, _ = counted(sample_journal)
    assert found["rows"] == rows
    done = mqd("journal", "verify", "--db", sample_journal, "--head", found["head"])
    assert done.returncode == 0
    assert f"rows {rows:,}, head {found['head']}" in done.stdout
    lost = mqd("journal", "verify", "--db", sample_journal, "--head", "f" * 64)
    assert lost.returncode == 1
    assert "cut" in lost.stdout


def test_an_edited_row_is_named(mqd: Callable[..., Any], copy: Path) -> None:
    change(copy, "UPDATE journal SET body = replace(body, '0', '1') WHERE position = 120")
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
    _, events = counted(sample_journal)
    lines = mqd("journal", "tail", "-n", "5", "--db", sample_journal).stdout.splitlines()
    assert [line.split(maxsplit=1)[0] for line in lines] == [
        str(number) for number in range(events - 4, events + 1)
    ]
    assert any("session 2024-12-02 closed" in line for line in lines)
    assert any("NO_TRADE: OUTSIDE_WINDOW, MAX_TRADES_REACHED" in line for line in lines)
    done = mqd("journal", "tail", "-n", "9999", "--db", sample_journal, "--format", "json")
    entries = json.loads(done.stdout)["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, events + 1))
    texts = " ".join(" ".join(entry["outcome"]) for entry in entries)
    for piece in ("send BUY 0.84 SPY", "SUBMITTED -> FILLED", "trade STOP_LOSS -1.51 USD"):
        assert piece in texts


def test_an_export_carries_the_whole_chain(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path
) -> None:
    done = mqd("journal", "export", "--db", sample_journal, "--out", "rows.jsonl")
    rows, _ = counted(sample_journal)
    assert done.stdout == f"rows.jsonl: {rows:,} rows\n"
    head = GENESIS_HASH
    for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        parts = [row[name] for name in ("position", "seq", "kind", "at_ns", "version")]
        head = chain(head, "\n".join(map(str, [*parts, encode(row["body"])])))
        assert row["hash"] == head
    assert mqd("journal", "export", "--db", sample_journal).stdout.count("\n") == rows


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
    _, events = counted(sample_journal)
    assert (found["ok"], found["events"], found["decisions"]) == (True, events, DECISIONS)
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


def test_a_replay_of_another_history_than_was_written(mqd: Callable[..., Any], copy: Path) -> None:
    """Whoever edits an event can edit what came of it too; the chain still tells."""
    change(copy, "UPDATE journal SET hash = replace(hash, 'a', 'b') WHERE position = 120")
    done = mqd("journal", "replay", "--db", copy)
    assert done.returncode == 1
    assert "row 120 was changed after it was written" in done.stdout
    assert "byte for byte" not in done.stdout
    done = mqd("journal", "replay", "--db", copy, "--format", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert "row 120 was changed" in found["difference"]


@pytest.mark.parametrize("head", ["nonsense", "f" * 63, "f" * 65, "g" * 64])
def test_a_mistyped_head_is_not_called_cut_off(
    mqd: Callable[..., Any], sample_journal: Path, head: str
) -> None:
    done = mqd("journal", "verify", "--db", sample_journal, "--head", head)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"--head {head}: not a head" in done.stderr


def test_a_head_in_capitals_is_the_same_head(mqd: Callable[..., Any], sample_journal: Path) -> None:
    done = mqd("journal", "verify", "--db", sample_journal)
    head = done.stdout.split("head ")[1].strip().upper()
    assert mqd("journal", "verify", "--db", sample_journal, "--head", head).returncode == 0


def test_heads_that_were_noted_find_a_cut_tail(mqd: Callable[..., Any], tmp_path: Path) -> None:
    for _ in range(2):
        assert mqd("run", "--sessions", "1", "--db", "desk.db").returncode == 0
        assert mqd("journal", "export", "--db", "desk.db", "--heads", "heads.txt").returncode == 0
    noted = [json.loads(line) for line in (tmp_path / "heads.txt").read_text().splitlines()]
    assert [set(note) for note in noted] == [{"at", "rows", "head"}] * 2
    done = mqd("journal", "verify", "--db", "desk.db", "--heads", "heads.txt")
    assert done.returncode == 0, done.stdout
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("DROP TRIGGER journal_no_delete")
        connection.execute(f"DELETE FROM journal WHERE position > {noted[0]['rows'] + 5}")
    connection.close()
    assert mqd("journal", "verify", "--db", "desk.db").returncode == 0
    done = mqd("journal", "verify", "--db", "desk.db", "--heads", "heads.txt")
    assert done.returncode == 1
    assert f"cut: the exported head {noted[1]['head']}" in done.stdout


def test_heads_that_cannot_be_used(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text(f'{{"head": "{"ab" * 32}"}}\nDear desk\n')
    (tmp_path / "short.txt").write_text('{"head": "ab"}\n')
    for place, said in (
        ("none.txt", "cannot be read"),
        ("letter.txt", "letter.txt:2: no head"),
        ("short.txt", "short.txt:1: not a head"),
    ):
        done = mqd("journal", "verify", "--db", sample_journal, "--heads", place)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr
    done = mqd("journal", "export", "--db", sample_journal, "--heads", "no/folder/heads.txt")
    assert "cannot be written" in done.stderr


def test_heads_that_hold_none_prove_nothing(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path
) -> None:
    (tmp_path / "heads").write_text("", encoding="utf-8")
    heads = str(tmp_path / "heads")
    done = mqd("journal", "verify", "--db", str(sample_journal), "--heads", heads)
    assert done.returncode == 2
    assert "no head was noted in it" in done.stderr


@pytest.mark.parametrize("words", [("journal", "verify"), ("status",), ("backup", "--out", "new")])
def test_a_damaged_journal_is_called_one(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    half = tmp_path / "half.db"
    half.write_bytes(sample_journal.read_bytes()[:30_000])
    done = mqd(*words, "--db", str(half))
    assert done.returncode == 2
    assert f"the journal {half} is damaged" in done.stderr


def test_the_way_back_to_an_older_schema(mqd: Callable[..., Any], copy: Path) -> None:
    """A journal with rows of today cannot be read by the mqd of then, so it stays."""
    done = mqd("journal", "downgrade", "--db", copy)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "cannot go back to schema 1: from row 1 on" in done.stderr
    assert mqd("journal", "verify", "--db", copy).returncode == 0


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
