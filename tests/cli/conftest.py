"""The command line as an operator meets it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "mqd"]
SYNTHETIC_TRADES = 4


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **changes}


Mqd = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mqd(tmp_path: Path) -> Mqd:
    """Runs `mqd` with words in the test's folder; never by itself an error."""

    def run(*words: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, words)],
            cwd=tmp_path,
            env=environment(**changes),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def sample_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of one run over the shipped samples; tests only read it."""
    folder = tmp_path_factory.mktemp("samples")
    path = folder / "desk.db"
    done = subprocess.run(
        [*COMMAND, "run", "--db", str(path), "--format", "json"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return path
