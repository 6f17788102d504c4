"""`mqd report journal`: the trading events of a desk, one line each, from its journal alone."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

Mqd = Callable[..., "subprocess.CompletedProcess[str]"]
Lines = list[dict[str, str]]


def lines_of(mqd: Mqd, path: Path) -> Lines:
    done = mqd("report", "journal", "--db", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: Lines = json.loads(done.stdout)["events"]
    return found


def test_every_order_is_told_from_the_wish_to_the_fill(mqd: Mqd, sample_journal: Path) -> None:
    lines = lines_of(mqd, sample_journal)
    told: dict[str, list[str]] = {}
    for line in lines:
        if line["order_id"]:
            told.setdefault(line["order_id"], []).append(line["event_type"])
    assert len(told) == 8
    assert set(map(tuple, told.values())) == {("SIGNAL", "SUBMIT", "ACK", "FILL")}
    assert Counter(line["event_type"] for line in lines)["EXIT"] == 4
    assert [line["ts"] for line in lines] == sorted(line["ts"] for line in lines)


def test_what_was_filled_adds_up_to_nothing_held(mqd: Mqd, sample_journal: Path) -> None:
    fills = [line for line in lines_of(mqd, sample_journal) if line["event_type"] == "FILL"]
    signs = {"buy": 1, "sell": -1}
    assert sum(signs[line["side"]] * Decimal(line["qty"]) for line in fills) == 0
    assert all(Decimal(line["price"]) > 0 for line in fills)


def test_an_exit_names_the_rule_that_left(mqd: Mqd, sample_journal: Path) -> None:
    lines = lines_of(mqd, sample_journal)
    reasons = [line["reason"] for line in lines if line["event_type"] == "EXIT"]
    assert reasons == ["MEAN_REVERSION", "STOP_LOSS", "FORCE_FLAT", "MEAN_REVERSION"]


def test_a_finished_trade_has_its_tags_and_nothing_else_has(mqd: Mqd, sample_journal: Path) -> None:
    lines = lines_of(mqd, sample_journal)
    done = mqd("report", "attribution", "--db", sample_journal, "--format", "json")
    trades = json.loads(done.stdout)["trades"]
    names = ("tag", "regime", "failure_regimes")
    told = [tuple(line[name] for name in names) for line in lines if line["event_type"] == "EXIT"]
    assert told == [
        (trade["tag"], trade["regime"], "|".join(trade["failure_regimes"])) for trade in trades
    ]
    assert all(regime for _, regime, _ in told)
    others = [line for line in lines if line["event_type"] != "EXIT"]
    assert {line[name] for line in others for name in names} == {""}
    last = mqd("report", "journal", "--db", sample_journal).stdout.splitlines()[-1]
    assert f": MEAN_REVERSION (regime {told[-1][1]}" in last


def test_a_rejection_carries_the_brokers_words(mqd: Mqd, tmp_path: Path) -> None:
    (tmp_path / "no.yaml").write_text("reject_every: 1\n", encoding="utf-8")
    path = tmp_path / "desk.db"
    assert mqd("run", "--db", path, "--config", "no.yaml", "--sessions", "1").returncode == 0
    lines = lines_of(mqd, path)
    assert [line["event_type"] for line in lines][:3] == ["SIGNAL", "SUBMIT", "REJECT"]
    assert lines[2]["reason"].startswith("SIMULATED_REJECT: ")
    assert "FILL" not in {line["event_type"] for line in lines}


@pytest.mark.parametrize("to_file", [True, False])
def test_a_table_for_a_spreadsheet(
    mqd: Mqd, sample_journal: Path, tmp_path: Path, *, to_file: bool
) -> None:
    words = ["report", "journal", "--db", sample_journal]
    if to_file:
        assert "trading events" in mqd(*words, "--out", "journal.csv").stdout
        written = (tmp_path / "journal.csv").read_text(encoding="utf-8")
    else:
        written = mqd(*words, "--format", "csv").stdout
    assert list(csv.DictReader(io.StringIO(written))) == lines_of(mqd, sample_journal)


def test_lines_for_people(mqd: Mqd, sample_journal: Path) -> None:
    first = mqd("report", "journal", "--db", sample_journal).stdout.splitlines()[0]
    assert first.startswith("2024-11-25 10:31 ET (15:31Z)  SIGNAL  ")
    assert "BUY 0.84 SPY @ 595.15: ENTRY [mqd-" in first


def test_a_file_that_cannot_be_written(mqd: Mqd, sample_journal: Path) -> None:
    done = mqd("report", "journal", "--db", sample_journal, "--out", "nowhere/journal.csv")
    assert done.returncode == 2
    assert done.stderr == "mqd: --out nowhere/journal.csv: there is no folder nowhere\n"
