"""What a restart under other rules does with what the desk holds, on the real way through."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.feeds.samples import write_samples
from mqd.model.decision import IncidentRaised
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock

RULES = Path(__file__).resolve().parents[2] / "rules"
STRATEGY = "strategies/vwap_micro_mean_reversion.yaml"


class Kept:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def saw(self, event, outcome, state) -> None:
        self.seen.append((event, outcome, state.state_name))


@pytest.fixture
def bars(tmp_path) -> tuple[Path, Path]:
    """The samples up to ten minutes after the first entry, and whole."""
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    write_samples(whole)
    lines = whole.read_text(encoding="utf-8").splitlines(keepends=True)
    part.write_text("".join(lines[:72]), encoding="utf-8")
    return part, whole


def run(tmp_path: Path, book, bars: Path) -> tuple[DeskRun, Kept]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    made = DeskRun(RunPlan(book, (bars,), Settings(), url), SystemClock())
    kept = Kept()
    made.run((kept,))
    return made, kept


@pytest.mark.rule("STRATEGY_DISABLED", "STRATEGY_NOT_ENABLED")
def test_a_retired_strategy_is_managed_to_flat_and_opens_nothing(tmp_path, bars):
    part, whole = bars
    first, _ = run(tmp_path, load_rules(RULES), part)
    assert first.desk.state.ledger.positions.open_positions()
    retired = tmp_path / "rules"
    shutil.copytree(RULES, retired)
    text = (retired / STRATEGY).read_text(encoding="utf-8")
    (retired / STRATEGY).write_text(text.replace("status: paper", "status: retired"), "utf-8")
    second, kept = run(tmp_path, load_rules(retired), whole)
    trades = [trade for _, outcome, _ in kept.seen for trade in outcome.trades]
    assert [trade.exit_reason for trade in trades] == ["MEAN_REVERSION"]
    assert not second.desk.state.ledger.positions.open_positions()


def test_a_position_that_no_rule_looks_after_is_told_at_the_start(tmp_path, bars):
    part, _ = bars
    run(tmp_path, load_rules(RULES), part)
    other = part.with_name("other.csv")
    other.write_text(part.read_text(encoding="utf-8").replace("SPY,", "QQQ,"), encoding="utf-8")
    _, kept = run(tmp_path, load_rules(RULES, Changes(symbol="QQQ")), other)
    notes = [note for _, outcome, _ in kept.seen for note in outcome.notes]
    raised = [note.error for note in notes if isinstance(note, IncidentRaised)]
    assert raised == ["OrphanedPositionError"]
    assert kept.seen[0][2] == "HALTED"
