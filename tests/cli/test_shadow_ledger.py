"""`mqd backtest` and what protections kept out: the table, the sum, and the same for a program."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.test_shadow import ALL_DAY, ROOT, STRATEGY, bars_of

DIP = [100.0] * 150 + [99.5, 99.6, 100.5, 100.5]


@pytest.fixture
def desk(tmp_path: Path, mqd):
    """A desk whose strategy would enter all day, and bars with a dip after the desk's window."""
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    path = tmp_path / "rules" / STRATEGY
    text = path.read_text(encoding="utf-8")
    for old, new in ALL_DAY[STRATEGY].items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    bars_of(tmp_path / "dip.csv", DIP)
    return mqd


def test_the_table_has_a_row_for_each_that_stood_in_the_way(desk) -> None:
    done = desk("backtest", "--bars", "dip.csv")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.strip().startswith("time_window"))
    assert row.split() == ["time_window", "64", "2", "1", "1", "+5.02", "1", "+5.02", "0"]
    said = " ".join(done.stdout.split())
    assert "entries that protections kept out: 1; together they would have made +5.02 USD" in said
    assert "never on:" in said


def test_a_program_gets_it_exact_and_trade_by_trade(desk) -> None:
    found = json.loads(desk("backtest", "--bars", "dip.csv", "--format", "json").stdout)
    ledger = found["protections"]
    assert (found["trades"], ledger["pnl"], ledger["stopped"]) == ([], "5.025", 0)
    (trade,) = ledger["trades"]
    assert (trade["pnl"], trade["exit_reason"]) == ("5.025", "MEAN_REVERSION")
    assert (trade["protections"], trade["postponed"]) == (["time_window"], False)
    rows = {row["protection"]: row for row in ledger["blocked"]}
    assert rows["time_window"]["alone_pnl"] == "5.025"
    assert rows["weekly_loss_limit"]["bars"] == 0
    assert "half_size" not in rows  # it makes smaller, and keeps nothing out


def test_without_protections_there_is_no_ledger(desk) -> None:
    done = desk("backtest", "--bars", "dip.csv", "--protections", "none")
    assert "protections" not in done.stdout


def test_several_strategies_are_named_with_commas_and_each_must_be_there(desk) -> None:
    both = "vwap_micro_mean_reversion,momentum_following"
    done = desk("backtest", "--bars", "dip.csv", "--strategy", both, "--format", "json")
    assert json.loads(done.stdout)["decisions"] == 2 * len(DIP)
    wrong = desk("backtest", "--bars", "dip.csv", "--strategy", f"{both},momentum_folowing")
    assert wrong.returncode == 2
    assert "there is no strategy `momentum_folowing`; did you mean" in wrong.stderr
