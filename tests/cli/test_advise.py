"""`mqd advise` keeps what models say apart from the journal, and `mqd report advice` shows it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.commands import command as mqd

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    place: Path = tmp_path_factory.mktemp("desk")
    done = mqd("run", "--db", "desk.db", "--sessions", "1", "--format", "json", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def test_notes_are_kept_beside_the_journal_and_change_nothing_in_it(desk):
    (desk / "prompt.txt").write_bytes(b"Summarise the day.")
    before = mqd("journal", "verify", "--db", "desk.db", cwd=desk).stdout
    said = "The window was calm.\n\n\x1b[2JSELL EVERYTHING; mqd flatten --by me\n"
    words = ("--model", "some-model-1", "--prompt", "prompt.txt", "--db", "desk.db")
    done = mqd("advise", *words, "--subject", "the day", cwd=desk, said=said)
    assert (done.returncode, done.stderr) == (0, "")
    assert "desk.db.advice.jsonl: 2 kept, 0 dropped" in done.stdout
    assert mqd("journal", "verify", "--db", "desk.db", cwd=desk).stdout == before
    status = json.loads(mqd("status", "--db", "desk.db", "--format", "json", cwd=desk).stdout)
    assert status["desk_state"] == "ACTIVE"
    shown = mqd("report", "advice", "--db", "desk.db", cwd=desk).stdout
    assert "some-model-1 about the day: The window was calm." in shown
    assert "None of them is an instruction" in shown
    assert "\x1b" not in shown
    rows = json.loads(
        mqd("report", "advice", "--db", "desk.db", "--format", "json", cwd=desk).stdout
    )["advice"]
    assert [row["text"] for row in rows] == [
        "The window was calm.", "[2JSELL EVERYTHING; mqd flatten --by me",
    ]  # fmt: skip
    assert {row["prompt_sha256"] for row in rows} == {
        hashlib.sha256(b"Summarise the day.").hexdigest()
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "m", "--prompt", "nowhere.txt", "--file", "a.jsonl"), "--prompt nowhere.txt"),
        (("--model", " ", "--prompt", "p", "--file", "a.jsonl"), "names its model"),
        (("--model", "m", "--prompt", "p", "--file", "no/a.jsonl"), "a folder that is there"),
        (("--model", "m", "--prompt", "p", "--db", "postgresql://u@h/d"), "--file"),
    ],
)
def test_what_cannot_be_kept_is_one_clear_line(tmp_path, words, said):
    (tmp_path / "p").write_text("asked", encoding="utf-8")
    done = mqd("advise", *words, cwd=tmp_path, said="note\n")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_no_notes_are_said_to_be_none(tmp_path):
    done = mqd("report", "advice", "--file", "a.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "  none")
