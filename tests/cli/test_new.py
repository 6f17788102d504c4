"""`mqd new strategy`: a draft that passes the checks at once, or nothing is written."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mqd.app.new_desk.strategy import write_strategy
from mqd.ground.errors import RuleError, SettingsError
from mqd.rules.validate import load_rules, validate
from tests.commands import command

ROOT = Path(__file__).resolve().parents[2]
SINCE = "2026-11-22"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", folder)
    return folder


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _mqd(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command(*words, cwd=cwd)


def test_it_validates_at_once(rules: Path) -> None:
    made = write_strategy(rules, "opening_dip", "QQQ", SINCE)
    assert made[:3] == (
        "TH-003", rules / "strategies/opening_dip.yaml", rules / "theses/TH-003.yaml",
    )  # fmt: skip
    report = validate(rules)
    assert not [problem.to_text() for problem in report.problems]
    assert report.book is not None
    strategy = next(item for item in report.book.strategies if item.id == "opening_dip")
    assert (strategy.symbol, strategy.status, strategy.runs) == ("QQQ", "draft", False)
    thesis = next(item for item in report.book.theses if item.header.id == strategy.thesis)
    assert thesis.status == "PENDING"
    assert {strategy.header.since, thesis.header.since} == {SINCE}


def test_it_would_run_on_paper(rules: Path) -> None:
    made = write_strategy(rules, "opening_dip", "QQQ", SINCE)
    text = made.strategy_file.read_text("utf-8")
    made.strategy_file.write_text(text.replace("status: draft", "status: paper"))
    assert {item.id for item in load_rules(rules).strategies if item.runs} == {
        "opening_dip",
        "vwap_micro_mean_reversion",
    }


def test_what_was_there_is_untouched(rules: Path) -> None:
    before = _tree(rules)
    write_strategy(rules, "opening_dip", "QQQ", SINCE)
    after = _tree(rules)
    assert set(after) - set(before) == {"strategies/opening_dip.yaml", "theses/TH-003.yaml"}
    assert {name: after[name] for name in before} == before


def test_every_part_of_the_draft_is_explained(rules: Path) -> None:
    text = write_strategy(rules, "opening_dip", "QQQ", SINCE).strategy_file.read_text("utf-8")
    assert "MQD_" not in text
    for part in ("params", "measures", "no_trade", "entry", "exits"):
        assert re.search(rf"^# .*\n{part}:$", text, flags=re.MULTILINE), part


def test_a_thesis_number_is_never_used_again(rules: Path) -> None:
    thesis = (rules / "theses/TH-001.yaml").read_text("utf-8")
    (rules / "theses/TH-041.yaml").write_text(thesis.replace("thesis: TH-001", "thesis: TH-041"))
    assert write_strategy(rules, "opening_dip", "QQQ", SINCE).thesis == "TH-042"


def test_two_drafts_get_two_theses(rules: Path) -> None:
    made = [write_strategy(rules, name, "SPY", SINCE).thesis for name in ("one", "two")]
    assert made == ["TH-003", "TH-004"]
    assert not validate(rules).problems


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Opening Dip", "opening_dip"),
        ("opening-dip", "opening_dip"),
        ("2nd_dip", "nd_dip"),
        ("../dip", "dip"),
        ("_dip", "dip"),
        ("ÄÖ", ""),
        ("", ""),
        ("d" * 65, "d" * 64),
    ],
)
def test_a_name_that_is_none_is_refused(rules: Path, name: str, near: str) -> None:
    before = _tree(rules)
    with pytest.raises(SettingsError, match="cannot name a strategy") as caught:
        write_strategy(rules, name, "SPY", SINCE)
    assert (f"did you mean `{near}`?" in str(caught.value)) == bool(near)
    assert _tree(rules) == before


def test_a_name_that_is_taken_is_refused(rules: Path) -> None:
    before = _tree(rules)
    with pytest.raises(SettingsError, match=r"already, in .*vwap_micro_mean_reversion\.yaml:\d+"):
        write_strategy(rules, "vwap_micro_mean_reversion", "SPY", SINCE)
    assert _tree(rules) == before


@pytest.mark.parametrize(("symbol", "near"), [("spy", "SPY"), ("S P Y", ""), ("$SPY", "")])
def test_a_symbol_that_is_none_is_refused(rules: Path, symbol: str, near: str) -> None:
    with pytest.raises(SettingsError, match="--symbol") as caught:
        write_strategy(rules, "opening_dip", symbol, SINCE)
    assert (f"did you mean `{near}`?" in str(caught.value)) == bool(near)


def test_rules_with_problems_come_first(rules: Path) -> None:
    (rules / "limits/desk.yaml").unlink()
    before = _tree(rules)
    with pytest.raises(RuleError):
        write_strategy(rules, "opening_dip", "SPY", SINCE)
    assert _tree(rules) == before


def test_a_draft_that_would_have_a_problem_is_not_written(rules: Path) -> None:
    """A desk whose own limit says 2 dollars: the draft must not repeat the number."""
    limits = rules / "limits/desk.yaml"
    text = limits.read_text("utf-8")
    limits.write_text(text.replace("value: 10\n    min: 1\n", "value: 2\n    min: 1\n"))
    before = _tree(rules)
    with pytest.raises(RuleError) as caught:
        write_strategy(rules, "opening_dip", "SPY", SINCE)
    places = [problem.place.file for problem in caught.value.problems]  # type: ignore[attr-defined]  # Problems
    assert places == [(rules / "strategies/opening_dip.yaml").as_posix()]
    assert _tree(rules) == before


def test_a_file_in_the_way_is_kept(rules: Path) -> None:
    (rules / "strategies/opening_dip.yaml").mkdir()
    before = _tree(rules)
    with pytest.raises(SettingsError):
        write_strategy(rules, "opening_dip", "SPY", SINCE)
    assert _tree(rules) == before


def test_the_command_says_what_it_wrote_and_what_is_next(rules: Path) -> None:
    done = _mqd(rules.parent, "new", "strategy", "opening_dip", "--symbol", "QQQ")
    assert done.returncode == 0, done.stderr
    for word in ("rules/strategies/opening_dip.yaml", "rules/theses/TH-003.yaml", "draft",
                 "mqd validate-rules", "mqd backtest --strategy opening_dip"):  # fmt: skip
        assert word in done.stdout


def _bars_with_a_dip(file: Path) -> Path:
    """One session of QQQ: 400 USD, and from 10:45 on 1 % less."""
    opened = datetime(2024, 11, 25, 14, 30, tzinfo=UTC)
    lines = ["symbol,ts,open,high,low,close,volume"]
    for minute in range(390):
        price = "400.0,400.0,400.0,400.0" if minute < 75 else "396.0,396.0,396.0,396.0"
        lines.append(f"QQQ,{(opened + timedelta(minutes=minute)).isoformat()},{price},1000")
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def test_a_share_is_what_a_new_strategy_lacks_and_every_run_says_so(rules: Path) -> None:
    done = _mqd(rules.parent, "new", "strategy", "opening_dip", "--symbol", "QQQ")
    (line,) = re.findall(r"^    (opening_dip: .*)$", done.stdout, flags=re.MULTILINE)
    bars = _bars_with_a_dip(rules.parent / "dip.csv").name
    words = ("backtest", "--strategy", "opening_dip", "--bars", bars)
    without = _mqd(rules.parent, *words)
    assert "warning: opening_dip has no share of the account" in without.stdout
    assert "entries refused, by EXCEEDS_STRATEGY_ALLOCATION" in without.stdout
    portfolio = rules / "desk/portfolio.yaml"
    text = portfolio.read_text("utf-8")
    portfolio.write_text(text.replace("\nreallocation:", f"  {line}\n\nreallocation:"), "utf-8")
    assert not validate(rules).problems
    with_one = _mqd(rules.parent, *words)
    assert "has no share" not in with_one.stdout
    assert "\n1 trades, " in with_one.stdout
    assert "traded nothing" not in with_one.stdout


def test_who_never_had_a_reason_to_enter_is_told_what_stood_in_the_way(rules: Path) -> None:
    bars = _bars_with_a_dip(rules.parent / "dip.csv").name
    strategy = ("--strategy", "vwap_micro_mean_reversion", "--symbol", "QQQ")
    done = _mqd(rules.parent, "backtest", *strategy, "--set", "entry_deviation_pct=0.003",
                "--set", "max_trades_per_day=0", "--bars", bars)  # fmt: skip
    assert "\n0 trades, " in f"\n{done.stdout}"
    found = re.search(
        r"traded nothing: bars on which a single condition stood in the way: "
        r"(OUTSIDE_WINDOW|MAX_TRADES_REACHED) \d+", done.stdout,
    )  # fmt: skip
    assert found is not None
    assert "has no share" not in done.stdout


def test_without_a_desk_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = _mqd(tmp_path, "new", "strategy", "opening_dip")
    assert done.returncode == 2
    assert done.stderr == "mqd: there is no folder rules; `mqd init` makes a desk with one\n"
    assert not list(tmp_path.iterdir())


def test_a_problem_is_shown_with_its_place(rules: Path) -> None:
    strategy = rules / "strategies/vwap_micro_mean_reversion.yaml"
    strategy.write_text(strategy.read_text("utf-8").replace("status: paper", "status: papier"))
    done = _mqd(rules.parent, "new", "strategy", "opening_dip")
    assert done.returncode == 1
    assert re.search(r"rules/strategies/vwap_micro_mean_reversion\.yaml:\d+:9: error", done.stderr)
    assert not (rules / "strategies/opening_dip.yaml").exists()
