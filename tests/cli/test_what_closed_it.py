"""A strategy that is retired or switched off, in everything that a person reads of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mqd.feeds.samples import write_samples
from tests.commands import command

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "vwap_micro_mean_reversion"
RETIRED_ON = "2024-11-26"  # the one trade that loses is stopped out on this day
AFTER = "2024-11-27"
Mqd = Callable[..., "subprocess.CompletedProcess[str]"]


class Retired(NamedTuple):
    """A run in which the strategy was retired: its journal, its summary in words and in JSON."""

    journal: Path
    words: str
    summary: Any
    move: Any


@pytest.fixture(scope="module")
def retired(tmp_path_factory: pytest.TempPathFactory) -> Retired:
    """The shipped rules over the samples, but a single loss retires."""
    folder = tmp_path_factory.mktemp("strict")
    rules = shutil.copytree(ROOT / "rules", folder / "rules")
    watch = rules / "strategies/watch.yaml"
    text = watch.read_text("utf-8")
    edited = text.replace(">= limits.losses_to_retire", ">= limits.losses_to_retire - 9")
    assert edited != text
    watch.write_text(edited, "utf-8")
    told, said = (
        command("run", "--db", f"{form}.db", "--format", form, cwd=folder).stdout
        for form in ("json", "text")
    )
    summary = json.loads(told)
    (move,) = summary["strategy_moves"]
    return Retired(folder / "json.db", flat(said.split("The desk\n")[1]), summary, move)


def flat(text: str) -> str:
    return " ".join(text.split())


def shown(mqd: Mqd, *words: str | Path) -> str:
    """What a command says, on one line."""
    done = mqd(*words)
    assert done.returncode == 0, done.stderr
    return flat(done.stdout)


def told(mqd: Mqd, *words: str | Path) -> Any:
    return json.loads(shown(mqd, *words, "--format", "json"))


def day_of(journal: Path, date: str) -> tuple[str | Path, ...]:
    return ("report", "daily", "--db", journal, "--date", date)


def bar_of(journal: Path, time: str) -> tuple[str | Path, ...]:
    return ("why", "--db", journal, "--at", time)


def test_the_summary_and_the_day_tell_of_a_strategy_that_was_retired(
    mqd: Mqd, retired: Retired
) -> None:
    move = retired.move
    assert (move["strategy"], move["from"], move["to"]) == (STRATEGY, "ACTIVE", "RETIRED")
    assert (move["row"], move["rule"]) == ("LOSING_STREAK", "SL-03")
    assert move["record"]["losses_in_a_row"] == 1
    assert move["at"].startswith(RETIRED_ON)
    said = f"{STRATEGY} went from ACTIVE to RETIRED (SL-03): LOSING_STREAK (losses in a row 1,"
    assert said in retired.words
    day = day_of(retired.journal, RETIRED_ON)
    assert told(mqd, *day)["strategy_moves"] == [move]
    assert said in shown(mqd, *day).split(" Strategies ")[1].split(" Incidents ")[0]
    for date in ("2024-11-25", AFTER):
        assert told(mqd, *day_of(retired.journal, date))["strategy_moves"] == []


def test_a_day_without_a_move_says_so(mqd: Mqd, sample_journal: Path) -> None:
    assert "strategies none moved" in shown(mqd, "run", "--sessions", "1", "--db", "desk.db")
    day = day_of(sample_journal, "2024-11-25")
    found = told(mqd, *day)
    assert found["strategy_moves"] == found["promotions_proposed"] == found["share_changes"] == []
    assert "Strategies none moved" in shown(mqd, *day)


def test_a_share_of_the_account_that_moved_is_told(mqd: Mqd, retired: Retired) -> None:
    """The first day ends with a profit, so the second one begins with a larger share."""
    first, *_ = retired.summary["share_changes"]
    assert (first["strategy"], first["at"][:10], first["why"]) == (STRATEGY, RETIRED_ON, "RAISED")
    assert Decimal(first["to"]) > Decimal(first["from"])
    assert f"{STRATEGY} may use " in retired.words
    day = day_of(retired.journal, RETIRED_ON)
    assert told(mqd, *day)["share_changes"] == [first]
    assert " of the account, before " in shown(mqd, *day)


def test_why_says_what_retired_it_and_since_when(mqd: Mqd, retired: Retired) -> None:
    (found,) = told(mqd, *bar_of(retired.journal, f"{AFTER} 10:31"))["decisions"]
    life = found["closed"]["life"]
    assert (life["state"], life["row"], life["rule"]) == ("RETIRED", "LOSING_STREAK", "SL-03")
    assert life["since"] == retired.move["at"]
    assert found["closed"]["switched_off"] is None
    words = shown(mqd, *bar_of(retired.journal, f"{AFTER} 10:31"))
    assert f"it is RETIRED since {RETIRED_ON}" in words
    assert "by LOSING_STREAK (SL-03)" in words
    assert "switched off" not in words


@pytest.mark.parametrize("time", ["2024-11-25 10:31", f"{RETIRED_ON} 10:10"])
def test_why_says_nothing_of_it_before_it_was_retired(
    mqd: Mqd, retired: Retired, time: str
) -> None:
    (found,) = told(mqd, *bar_of(retired.journal, time))["decisions"]
    assert found["at"] < retired.move["at"]
    assert found["closed"] is None


def test_why_and_the_reports_say_who_switched_it_off(mqd: Mqd, tmp_path: Path) -> None:
    write_samples(tmp_path / "whole.csv")
    header, *rows = (tmp_path / "whole.csv").read_text("utf-8").splitlines()
    first = [row for row in rows if row.split(",")[1] < "2024-11-26"]
    (tmp_path / "first.csv").write_text("\n".join([header, *first]) + "\n", "utf-8")
    desk = tmp_path / "desk.db"
    signed = ("--by", "ada", "--reason", "the fills look odd")
    shown(mqd, "run", "--bars", "first.csv", "--db", desk)
    shown(mqd, "disable", STRATEGY, *signed, "--db", desk)
    shown(mqd, "run", "--bars", "whole.csv", "--db", desk)
    shown(mqd, "enable", STRATEGY, *signed, "--db", desk)
    (found,) = told(mqd, *bar_of(desk, f"{AFTER} 10:31"))["decisions"]
    off = found["closed"]["switched_off"]
    assert (off["by"], off["reason"]) == ("ada", "the fills look odd")
    assert found["closed"]["life"] is None
    assert "by ada (the fills look odd)" in shown(mqd, *bar_of(desk, f"{AFTER} 10:31"))
    (before,) = told(mqd, *bar_of(desk, "2024-11-25 10:31"))["decisions"]
    assert before["closed"] is None
    assert "switched off by ada" in shown(mqd, "report", "idle", "--db", desk, "--session", AFTER)
    day = shown(mqd, *day_of(desk, AFTER))
    assert "could open nothing: switched off since 2024-11-25" in day
    assert "something is wrong with what it reads: strategy.enabled" not in day


def test_what_is_known_to_be_closed_is_no_riddle_in_the_day(
    mqd: Mqd, retired: Retired, sample_journal: Path
) -> None:
    (idle,) = told(mqd, *day_of(retired.journal, AFTER))["why_not_trading"]
    assert idle["cause_known"] == ["STRATEGY_DISABLED"]
    (closed,) = idle["closed"]
    assert (closed["life"]["state"], closed["bars"]) == ("RETIRED", idle["bars"])
    words = shown(mqd, *day_of(retired.journal, AFTER))
    assert f"{STRATEGY} could open nothing: RETIRED since {RETIRED_ON}" in words
    assert "blocked by STRATEGY_DISABLED" not in words
    assert "blocked by PRICE_ABOVE_THRESHOLD" in words  # nobody knows why, so it is still told
    (idle,) = told(mqd, *day_of(sample_journal, AFTER))["why_not_trading"]
    assert idle["closed"] == idle["cause_known"] == []


def test_the_idle_report_says_what_closed_it(
    mqd: Mqd, retired: Retired, sample_journal: Path
) -> None:
    report = ("report", "idle", "--db", retired.journal)
    sessions = {each["date"]: each for each in told(mqd, *report)["sessions"]}
    (closed,) = sessions[AFTER]["closed"]
    assert closed["bars"] == sessions[AFTER]["bars"]
    assert sessions["2024-11-25"]["closed"] == []
    (closed,) = sessions[RETIRED_ON]["closed"]
    assert 0 < closed["bars"] < sessions[RETIRED_ON]["bars"]
    assert "RETIRED by LOSING_STREAK" in shown(mqd, *report, "--session", AFTER)
    assert "could open nothing" not in shown(mqd, "report", "idle", "--db", sample_journal)


def test_the_idle_report_says_how_far_a_band_is_from_a_message(
    mqd: Mqd, sample_journal: Path
) -> None:
    report = ("report", "idle", "--db", sample_journal)
    found = {True: 0, False: 0}
    for session in told(mqd, *report)["sessions"]:
        row = session["no_trade"]["PRICE_ABOVE_THRESHOLD"]
        is_outside = row["in_window"] == session["in_window"]  # on every bar: above 99.9 %
        found[is_outside] += 1
        assert (row["out_of_band"], row["told"]) == (is_outside, False)
        assert row["out_of_band_in_a_row"] == int(is_outside)
        assert row["told_after"] == (20 if is_outside else None)
    assert all(found.values())
    said = shown(mqd, *report).count("outside its band, 1 session in a row; told after 20")
    assert said == found[True]
