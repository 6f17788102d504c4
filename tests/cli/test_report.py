"""`mqd report daily`, over the sample sessions and over real bars."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.feeds.samples import write_samples
from tests.commands import command as mqd

ROOT = Path(__file__).resolve().parents[2]
JANUARY = ROOT.parent / "shared/data/bars/spy_2025-01-02_2025-01-31.parquet"


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


@pytest.mark.parametrize("which", ["daily", "idle", "attribution"])
def test_where_it_cannot_be_written_no_journal_is_read(tmp_path: Path, which: str) -> None:
    """There is no journal here at all, and the file is what is told first."""
    words = (["--out", "nowhere/x.md"], ["--out", "x.md", "--format", "json"])
    told = [mqd("report", which, *each, cwd=tmp_path).stderr for each in words]
    assert "there is no folder nowhere" in told[0]
    assert "a .md file is markdown" in told[1]
    assert not list(tmp_path.iterdir())


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


def test_a_trade_of_two_days_is_told_with_its_first(tmp_path: Path) -> None:
    """The bars break off in position, and the next day's file goes on with the journal."""
    write_samples(tmp_path / "whole.csv")
    header, *rows = (tmp_path / "whole.csv").read_text(encoding="utf-8").splitlines()
    for day, until in (("2024-11-25", "2024-11-25T15:50"), ("2024-11-26", "2024-11-27")):
        kept = [row for row in rows if day <= row.split(",")[1] < until]
        (tmp_path / f"{day}.csv").write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
        done = mqd("run", "--db", "desk.db", "--bars", f"{day}.csv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    (trade, *_) = daily(tmp_path)["trades"]
    assert (trade["entry_ts"][:10], trade["exit_ts"][:10]) == ("2024-11-25", "2024-11-26")
    said = mqd("report", "daily", "--db", "desk.db", cwd=tmp_path).stdout
    of_trades = said[said.index("\nTrades\n") : said.index("\nWhy it did not trade")]
    assert "2024-11-25" in of_trades[: of_trades.index("\nWhose result\n")]
    assert "2024-11-25" in of_trades[of_trades.index("\nWhose result\n") :]


def test_attribution_tells_of_every_trade_of_the_run(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    done = mqd("report", "attribution", "--db", "desk.db", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [trade["pnl"] for trade in found["trades"]] == [
        trade["pnl"] for trade in summary["trades"]
    ]
    for groups in ("by_kind", "by_tag", "by_regime", "by_strategy"):
        assert sum(Decimal(group["pnl_usd"]) for group in found[groups]) == Decimal(summary["pnl"])
    for trade in found["trades"]:
        fees = Decimal(trade["signal_usd"]) - Decimal(trade["slippage_usd"]) - Decimal(trade["pnl"])
        assert fees == 0
        assert trade["tag"] == trade["exit_reason"]
        assert trade["counts_as"] == "trading"
    losing = [trade for trade in found["trades"] if Decimal(trade["pnl"]) < 0]
    assert found["realised_of_planned_risk"]["losing"] == len(losing)


def test_attribution_is_a_page_and_a_text(folder: Path) -> None:
    done = mqd("report", "attribution", "--db", "desk.db", "--out", "whose.md", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "whose.md").read_text(encoding="utf-8")
    assert "## By kind of result" in page
    assert "| STOP&#95;LOSS" in page or "STOP_LOSS" in page
    done = mqd("report", "attribution", "--db", "desk.db", cwd=folder)
    assert "By regime of the market" in done.stdout


TAGS = ("tag", "counts_as", "regime", "failure_regimes")


def test_a_day_files_its_trades_as_attribution_does(folder: Path) -> None:
    done = mqd("report", "attribution", "--db", "desk.db", "--format", "json", cwd=folder)
    whole = json.loads(done.stdout)
    days = [daily(folder, "--date", day) for day in DAYS]
    told = [{name: trade[name] for name in TAGS} for day in days for trade in day["trades"]]
    assert told == [{name: trade[name] for name in TAGS} for trade in whole["trades"]]
    assert {trade["tag"] for trade in told} == {"MEAN_REVERSION", "STOP_LOSS", "FORCE_FLAT"}
    ended = [order for day in days for order in day["entries_ended_short"]]
    assert ended == whole["entries_ended_short"]
    text = mqd("report", "daily", "--db", "desk.db", "--date", DAYS[1], cwd=folder).stdout
    (section,) = (each for each in text.split("\n\n") if each.startswith("Whose result\n"))
    for piece in ("STOP_LOSS", "trading", told[1]["regime"]):
        assert piece in section


def test_an_entry_that_ended_short_is_told_on_its_day(tmp_path: Path) -> None:
    (tmp_path / "no.yaml").write_text("reject_every: 1\n", encoding="utf-8")
    words = ("run", "--db", "desk.db", "--config", "no.yaml", "--sessions", "1")
    assert mqd(*words, cwd=tmp_path).returncode == 0
    found = daily(tmp_path, "--date", DAYS[0])
    assert {order["state"] for order in found["entries_ended_short"]} == {"REJECTED"}
    text = mqd("report", "daily", "--db", "desk.db", cwd=tmp_path).stdout
    assert "Entries that ended short of their shares" in text
    assert "Whose result" not in text


def test_idle_counts_what_the_day_counts(folder: Path) -> None:
    done = mqd("report", "idle", "--db", "desk.db", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    sessions = json.loads(done.stdout)["sessions"]
    assert [session["date"] for session in sessions] == list(DAYS)
    for session in sessions:
        (day,) = daily(folder, "--date", session["date"])["why_not_trading"]
        assert session["bars"] == day["bars"]
        assert session["in_window"] == day["in_window"]
        times = {code: item["bars"] for code, item in session["no_trade"].items()}
        assert times == day["no_trade"]
        always = {item["code"] for item in day["always_in_window"]}
        shares = session["no_trade"].items()
        assert always == {code for code, item in shares if item["share_in_window"] == 1}


def test_idle_waits_for_the_close_of_a_session(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.csv", tmp_path / "half.csv"
    write_samples(whole)
    half.write_text("\n".join(whole.read_text(encoding="utf-8").splitlines()[:100]) + "\n")
    done = mqd("run", "--db", "desk.db", "--bars", "half.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = mqd("report", "idle", "--db", "desk.db", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mqd: no session of the journal ")
    assert done.stderr.endswith(" has closed; none is told\n")


def test_idle_of_a_day_that_is_not_there_is_refused(folder: Path) -> None:
    done = mqd("report", "idle", "--db", "desk.db", "--session", "2020-01-02", cwd=folder)
    assert done.returncode != 0
    assert "holds nothing of that day" in done.stderr
    done = mqd("report", "idle", "--db", "desk.db", "--session", DAYS[0], cwd=folder)
    assert f"{DAYS[0]}, vwap_micro_mean_reversion" in done.stdout
