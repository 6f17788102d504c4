"""`mqd report daily`, over the sample sessions and over real bars."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.feeds.samples import write_samples

ROOT = Path(__file__).resolve().parents[2]
JANUARY = ROOT.parent / "shared/data/bars/spy_2025-01-02_2025-01-31.parquet"


def mqd(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mqd", *words],
        capture_output=True, text=True, check=False, cwd=cwd, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place: Path = tmp_path_factory.mktemp("desk")
    done = mqd("run", "--db", "desk.db", "--format", "json", cwd=place)
    assert done.returncode == 0, done.stderr
    (place / "summary.json").write_text(done.stdout, encoding="utf-8")
    return place


def daily(folder: Path, *words: str) -> dict[str, Any]:
    done = mqd("report", "daily", "--db", "desk.db", "--format", "json", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


DAYS = ("2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02")


def test_the_days_add_up_to_the_run(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    days = [daily(folder, "--date", day) for day in DAYS]
    trades = [trade for day in days for trade in day["trades"]]
    assert [trade["pnl"] for trade in trades] == [trade["pnl"] for trade in summary["trades"]]
    assert sum(Decimal(day["pnl"]) for day in days) == Decimal(summary["pnl"])
    assert sum(day["bars"]["counted"] for day in days) == summary["bars"]["counted"]
    assert sum(day["bars"]["set_aside"] for day in days) == summary["bars"]["set_aside"]
    codes = summary["strategies"]["vwap_micro_mean_reversion"]["no_trade"]
    for code, counted in codes.items():
        assert sum(day["why_not_trading"][0]["no_trade"][code] for day in days) == counted["bars"]
    defects = summary["bars"]["defects"]
    for code, count in defects.items():
        assert sum(day["data_defects"].get(code, 0) for day in days) == count


def test_the_last_day_is_the_default(folder: Path) -> None:
    assert daily(folder) == daily(folder, "--date", DAYS[-1])


def test_a_stopped_trade_against_its_plan(folder: Path) -> None:
    (trade,) = daily(folder, "--date", "2024-11-26")["trades"]
    assert trade["stopped"] is True
    per_share = Decimal(trade["entry_price"]) - Decimal(trade["stop_loss"])
    planned = Decimal(trade["qty"]) * per_share
    assert Decimal(trade["planned_risk"]) == planned
    assert Decimal(trade["lost"]) == -Decimal(trade["pnl"])
    assert Decimal(trade["beyond_plan"]) == -Decimal(trade["pnl"]) - planned > 0


def test_a_trade_that_won_is_not_beyond_its_plan(folder: Path) -> None:
    (trade,) = daily(folder, "--date", "2024-12-02")["trades"]
    assert (trade["stopped"], trade["lost"], trade["beyond_plan"]) == (False, "0", "0")


@pytest.mark.case(144)
def test_a_day_on_which_one_reason_blocked_every_bar_in_the_window(folder: Path) -> None:
    (idle,) = daily(folder, "--date", "2024-11-27")["why_not_trading"]
    assert idle["in_window"] == 90
    assert idle["always_in_window"] == [
        {"code": "PRICE_ABOVE_THRESHOLD", "reads": ["bar.close", "vwap"]}
    ]
    done = mqd("report", "daily", "--db", "desk.db", "--date", "2024-11-27", cwd=folder)
    assert "all 90 bars inside the window were blocked by PRICE_ABOVE_THRESHOLD" in done.stdout
    assert "EXTENDED_HOURS 7" in done.stdout
    (other,) = daily(folder, "--date", "2024-11-26")["why_not_trading"]
    assert other["always_in_window"] == []


def test_markdown_goes_into_a_file(folder: Path) -> None:
    done = mqd("report", "daily", "--db", "desk.db", "--date", "2024-11-26", "--out", "day.md",
               cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (folder / "day.md").read_text(encoding="utf-8")
    assert page.startswith("# Daily report, 2024-11-26\n")
    assert "| 10:34 (15:34Z) | 10:52 (15:52Z) | SPY |" in page
    assert "STOP_LOSS" in page
    for line in page.splitlines():
        assert "\x1b" not in line


@pytest.mark.parametrize(
    ("name", "starts"), [("x.json", "{"), ("x.txt", "Daily report"), ("x.md", "# "), ("x", "# ")]
)
def test_the_name_of_the_file_says_how_it_is_written(
    folder: Path, name: str, starts: str, tmp_path: Path
) -> None:
    done = mqd("report", "daily", "--db", "desk.db", "--out", str(tmp_path / name), cwd=folder)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / name).read_text(encoding="utf-8")
    assert written.startswith(starts)
    if name == "x.json":
        assert json.loads(written) == daily(folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--date", "2024-11-28"], "holds nothing of that day"),
        (["--date", "yesterday"], "expected a date such as"),
        (["--out", "nowhere/day.md"], "there is no folder nowhere"),
        (["--out", "day.json", "--format", "markdown"], "a .json file is json"),
        (["--out", "day.md", "--format", "json"], "a .md file is markdown"),
    ],
)
def test_what_cannot_be_reported_is_said_in_one_line(
    folder: Path, words: list[str], said: str
) -> None:
    done = mqd("report", "daily", "--db", "desk.db", *words, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not JANUARY.is_file(), reason="the real bars are not here")
def test_a_real_day_with_a_stop(tmp_path: Path) -> None:
    done = mqd("run", "--bars", str(JANUARY), "--db", "desk.db", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    stopped = [
        trade for trade in json.loads(done.stdout)["trades"] if trade["exit_reason"] == "STOP_LOSS"
    ]
    found = daily(tmp_path, "--date", stopped[0]["exit_ts"][:10])
    assert found["stopped"]["trades"] == 1
    assert Decimal(found["stopped"]["worst_of_plan"]) > 1
    day = stopped[0]["exit_ts"][:10]
    said = mqd("report", "daily", "--date", day, "--db", "desk.db", cwd=tmp_path).stdout
    assert "1 trade was stopped out, beyond the planned risk; it lost 1" in " ".join(said.split())


def test_a_trade_tells_for_how_long_nothing_watched_it(tmp_path: Path) -> None:
    whole, gap = tmp_path / "whole.csv", tmp_path / "gap.csv"
    write_samples(whole)
    header, *rows = whole.read_text(encoding="utf-8").splitlines()
    missing = ("2024-11-25T15:50", "2024-11-25T16:00")
    kept = [row for row in rows if not missing[0] <= row.split(",")[1] < missing[1]]
    gap.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
    done = mqd("run", "--db", "desk.db", "--bars", "gap.csv", "--sessions", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = daily(tmp_path, "--date", "2024-11-25")
    assert [trade["unprotected_s"] for trade in found["trades"]] == [600]
    assert ("desk", "SNAPSHOT_DUE", "take_snapshot") in {
        (item["watch"], item["code"], item["act"]) for item in found["watch"]
    }
    assert {item["verdict"] for item in found["comparisons"]} == {"clean"}
    assert found["drifts"] == []
    quiet = daily(tmp_path, "--date", "2024-11-26")
    assert [trade["unprotected_s"] for trade in quiet["trades"]] == [0]
    text = mqd("report", "daily", "--db", "desk.db", "--date", "2024-11-25", cwd=tmp_path).stdout
    for piece in ("Unwatched", "10m", "SNAPSHOT_DUE", "Compared with the broker", "clean "):
        assert piece in text
