"""`mqd simulate` as an operator meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mqd.cli.commands import application
from mqd.engine.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]


def simulated(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mqd", *words],
        capture_output=True, text=True, check=False, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_days_that_hold_are_summed_up_and_exit_0(tmp_path: Path) -> None:
    done = simulated("simulate", "--days", "12", "--seed", "11", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["seed"], found["days"], found["violations"]) == (11, 12, [])
    assert found["orders"] > 0
    assert found["faults"]
    again = simulated(
        "simulate", "--days", "12", "--seed", "11", "--jobs", "2", "--format", "json", cwd=tmp_path
    )
    assert json.loads(again.stdout)["digest"] == found["digest"]
    told = simulated("simulate", "--days", "12", "--seed", "11", cwd=tmp_path)
    assert f"digest {found['digest']}" in told.stdout
    assert "all held" in told.stdout


def test_one_day_can_be_kept_and_its_journal_is_whole(tmp_path: Path) -> None:
    done = simulated(
        "simulate", "--seed", "11", "--day", "5", "--db", "day.db", "--format", "json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["days"] == 1
    for words in (("journal", "verify"), ("journal", "replay"), ("status",)):
        looked = simulated(*words, "--db", "day.db", cwd=tmp_path)
        assert looked.returncode == 0, looked.stdout + looked.stderr
    twice = simulated("simulate", "--seed", "11", "--day", "5", "--db", "day.db", cwd=tmp_path)
    assert twice.returncode == 2
    assert "holds a journal already" in twice.stderr


def test_a_violation_is_told_with_the_one_command_that_lives_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = Ledger.book

    def twice(self: Ledger, execution, *rest):
        book(self, execution, *rest)
        return book(self, execution._replace(execution_id=execution.execution_id + "-x"), *rest)

    rules, config = str(ROOT / "rules"), str(ROOT / "config" / "simulation.yaml")
    words = ["simulate", "--seed", "11", "--rules", rules, "--config", config]
    monkeypatch.setattr(Ledger, "book", twice)
    done = CliRunner().invoke(application, [*words, "--days", "20", "--format", "json"])
    assert done.exit_code == 1
    first = json.loads(done.stdout)["violations"][0]
    command = f"mqd simulate --seed 11 --config {config} --rules {rules} --day {first['day']}"
    assert first["again"] == command
    alone = CliRunner().invoke(application, command.split()[1:])
    assert alone.exit_code == 1
    assert f"day {first['day']}: {first['what']}" in alone.stdout
    assert f"again: {command}" in alone.stdout
    monkeypatch.undo()
    assert CliRunner().invoke(application, command.split()[1:]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--days", "2", "--day", "1"), "give one of them"),
        (("--days", "2", "--db", "x.db"), "add --day"),
        (("--days", "2", "--config", "none.yaml"), "none.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = simulated("simulate", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
