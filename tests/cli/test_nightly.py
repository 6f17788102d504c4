"""`mqd nightly`: what it says, what it leaves in the journal, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mqd.app.nightly import look
from mqd.publish.figures import record_text
from mqd.runtime.clock import SystemClock
from mqd.store.journal import open_journal
from tests.commands import command

ROOT = Path(__file__).resolve().parents[2]
SPRING = ROOT.parent / "shared/data/bars/spy_2024-03-26_2024-06-28.parquet"
DAYS = ("2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02")
STRATEGY = "vwap_micro_mean_reversion"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
Mqd = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mqd(sample_journal: Path, tmp_path: Path) -> Mqd:
    """`mqd` in a folder that holds a desk which has run over the samples."""
    shutil.copy(sample_journal, tmp_path / "desk.db")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return command(*words, cwd=tmp_path)

    return run


def vix(folder: Path, *values: str) -> None:
    (folder / "var" / "series").mkdir(parents=True, exist_ok=True)
    rows = [f"{day},{value}" for day, value in zip(DAYS, values, strict=False)]
    text = "\n".join(["date,value", *rows]) + "\n"
    (folder / "var" / "series" / "vix.csv").write_text(text, encoding="utf-8")


def test_a_quiet_night_ends_with_zero_and_is_in_the_journal(mqd):
    done = mqd("nightly", "--db", "desk.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert STRATEGY in done.stdout
    assert "TH-001" in done.stdout
    tail = mqd("journal", "tail", "--db", "desk.db", "-n", "1")
    assert "judge by nightly" in tail.stdout
    assert mqd("journal", "replay", "--db", "desk.db").returncode == 0


def test_a_program_gets_one_document(mqd):
    done = mqd("nightly", "--db", "desk.db", "--format", "json")
    found = json.loads(done.stdout)
    assert found["quiet"]
    (judged,) = found["strategies"]
    assert (judged["strategy"], judged["state"]) == (STRATEGY, "ACTIVE")
    assert judged["record"]["vix_close"] is None
    assert found["theses"][0]["met"] == []


@pytest.mark.rule("GOOD_RECORD")
@pytest.mark.parametrize(
    ("trades", "factor", "said"),
    [
        (30, None, "trades 30, profit factor unknown because no trade lost, sharpe 9.10"),
        (30, 2.5, "trades 30, profit factor 2.50, sharpe 9.10"),
        (0, None, "trades 0, profit factor unknown, sharpe 9.10"),
    ],
)
def test_a_record_without_a_loss_says_why_it_has_no_profit_factor(trades, factor, said):
    """Nobody is promoted by it, and who wonders reads why."""
    assert record_text(("trades", "profit_factor", "sharpe"), (trades, factor, 9.1)) == said


@pytest.mark.rule("MARKET_TOO_WILD", "SL-02")
def test_the_night_brings_the_daily_values_and_a_wild_market_pauses(mqd, tmp_path):
    vix(tmp_path, "31", "32", "33", "34", "35")
    done = mqd("nightly", "--db", "desk.db", "--format", "json")
    found = json.loads(done.stdout)
    assert found["moves"][0]["row"] == "MARKET_TOO_WILD"
    assert found["strategies"][0]["state"] == "PAUSED"
    status = json.loads(mqd("status", "--db", "desk.db", "--format", "json").stdout)
    assert status["strategies"][0]["life"] == "PAUSED"
    assert status["strategies"][0]["enabled"] is False
    again = json.loads(mqd("nightly", "--db", "desk.db", "--format", "json").stdout)
    assert again["moves"] == []


def test_a_file_of_daily_values_that_is_wrong_is_told_in_one_line_and_the_night_looks(
    mqd, tmp_path
):
    vix(tmp_path, "31", "many")
    done = mqd("nightly", "--db", "desk.db", "--format", "json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "series vix: var/series/vix.csv: row 3, column value: expected a number" in done.stderr
    found = json.loads(done.stdout)
    assert [each["strategy"] for each in found["strategies"]] == [STRATEGY]
    assert found["strategies"][0]["record"]["vix_close"] is None
    assert (found["quiet"], len(found["wrong_files"])) == (False, 1)


def test_so_it_is_beside_a_desk_that_runs(mqd, tmp_path):
    """Such a desk reads the file itself, and says nothing of one that is wrong."""
    vix(tmp_path, "31", "many")
    with open_journal(f"sqlite:///{tmp_path / 'desk.db'}", SystemClock(), write=True) as journal:
        night = look(
            str(tmp_path / "desk.db"), "ada", "a test", str(tmp_path / "var/series"),
            SystemClock(), wait_s=0,
        )  # fmt: skip
        assert len(list(journal.waiting_requests())) == 1
    assert not night.is_quiet
    (line,) = night.wrong_files
    assert "vix.csv: row 3" in line


def test_a_row_of_a_day_without_a_session_is_told_too(mqd, tmp_path):
    vix(tmp_path, "31", "32", "33", "34", "35")
    path = tmp_path / "var" / "series" / "vix.csv"
    path.write_text(path.read_text("utf-8").replace("2024-11-29", "2024-11-28"), "utf-8")
    done = mqd("nightly", "--db", "desk.db")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "vix.csv: row 5, column date: 2024-11-28 is no session" in done.stderr
    assert done.stdout.startswith("A person has to look\n")


def test_without_a_journal_it_could_not_run(mqd, tmp_path):
    done = mqd("nightly", "--db", "nothing.db")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("low_profit", 0, "low_profit is ARMED already"),
        (f"low_profit/{STRATEGY}", 0, f"low_profit/{STRATEGY} is ARMED already"),
        ("low_profitt", 2, "no protection `low_profitt`; did you mean `low_profit`?"),
        ("low_profit/nobody", 2, "`low_profit` asks nothing about `nobody`"),
        ("daily_loss_limit/SPY", 2, "about the whole desk; leave `/SPY` out"),
    ],
)
def test_a_protection_is_named_as_the_status_names_it(mqd, name, code, said):
    done = mqd("rearm", name, "--by", "ada", "--reason", "looked", "--db", "desk.db")
    assert done.returncode == code
    assert said in (done.stderr if code else done.stdout)
    assert "refused" not in done.stdout


def test_nothing_is_agreed_to_that_was_not_proposed(mqd):
    done = mqd("approve", STRATEGY, "--by", "ada", "--reason", "why not", "--db", "desk.db")
    assert done.returncode == 1
    assert done.stdout.startswith(f"not done: nothing is proposed for '{STRATEGY}'")


@pytest.mark.skipif(not SPRING.is_file(), reason="the real bars are not here")
def test_what_only_a_person_ends_is_said_with_what_ends_it(mqd):
    """Three months of real bars end with a poor record: the strategy is flagged, and stays so."""
    assert mqd("run", "--bars", str(SPRING), "--db", "spring.db").returncode == 0
    done = mqd("nightly", "--db", "spring.db")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("A person has to look\n")
    told = " ".join(done.stdout.split())
    assert f"{STRATEGY} stays FLAGGED until somebody has looked: `mqd enable {STRATEGY}`" in told
    assert (
        json.loads(mqd("nightly", "--db", "spring.db", "--format", "json").stdout)["quiet"] is False
    )
