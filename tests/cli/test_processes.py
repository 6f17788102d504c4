"""That a command which the tests fork says what a process says that Python was started for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import COMMAND, command, environment

SIGNED = ("--by", "ada", "--reason", "a test")
WORDS: tuple[tuple[str | Path, ...], ...] = (
    (),
    ("--help",),
    ("bogus",),
    ("run", "--sessions", "1", "--db", "new.db"),
    ("run", "--speed", "fast"),
    ("backtest", "--bars", "nowhere.csv"),
    ("status",),
    ("status", "--format", "json"),
    ("why",),
    ("report", "daily"),
    ("report", "idle"),
    ("report", "attribution"),
    ("report", "journal"),
    ("journal", "tail"),
    ("journal", "verify"),
    ("journal", "replay"),
    ("nightly", "--by", "ada"),
    ("halt", *SIGNED),
    ("reconcile", "--dry-run"),
    ("backup", "copy.db"),
    ("validate-rules",),
    ("explain", "DL-01"),
    ("init", "here"),
    ("new", "strategy", "here_too", "--symbol", "QQQ"),
    ("docs", "--check"),
)
OF_A_MOMENT = re.compile(
    r"[0-9]+\.[0-9]+ (m?s|seconds)|p50 .*|at [0-9T:.Z-]+|[0-9a-f]{64}|[0-9:]{8}"
)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(map(str, words)) or "nothing")
def test_a_forked_command_says_what_a_started_one_says(
    sample_journal: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    said, folder = [], tmp_path / "desk"
    for is_forked in (True, False):
        (folder / "var").mkdir(parents=True)
        shutil.copy(sample_journal, folder / "var/desk.db")
        if is_forked:
            done = command(*words, cwd=folder)
        else:
            done = subprocess.run(
                [*COMMAND, *words], cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        made = sorted(path.relative_to(folder) for path in folder.rglob("*"))
        told = (OF_A_MOMENT.sub("...", text) for text in (done.stdout, done.stderr))
        said.append((done.returncode, *told, made))
        shutil.rmtree(folder)
    assert said[0] == said[1]
