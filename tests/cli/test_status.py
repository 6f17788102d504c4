"""`mqd status`, from journals of sample sessions cut at different moments."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mqd.app.backtest import run_backtest
from mqd.app.status import desk_status
from mqd.brokers.simulated import SimulationSettings
from mqd.cli.sections import print_sections
from mqd.cli.status_account import account_sections
from mqd.cli.status_rules import distance_sections, protections_section
from mqd.feeds.samples import write_samples
from mqd.ground.errors import SettingsError
from mqd.model.event import OrderOutcomeLost, RequestAnswered
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Desk
from mqd.store.memory import MemoryJournal
from tests.commands import command as mqd

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder in which the samples were run once."""
    place: Path = tmp_path_factory.mktemp("desk")
    done = mqd("run", "--db", "desk.db", "--format", "json", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def cut(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The status after the sample bars up to an instant."""

    def status(until: str, **values: str) -> dict[str, Any]:
        whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
        write_samples(whole)
        lines = whole.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines[1:] if line.split(",")[1] < until]
        part.write_text("\n".join([lines[0], *kept]) + "\n", encoding="utf-8")
        journal = MemoryJournal()
        book = load_rules(ROOT / "rules", Changes(values=values))
        run_backtest(book, [part], SimulationSettings(), journal=journal)
        return desk_status(journal, "memory").to_json()

    return status


def protection(found: dict[str, Any], name: str) -> dict[str, Any]:
    (item,) = [each for each in found["protections"] if each["protection"] == name]
    return item


def test_a_desk_at_rest(folder: Path) -> None:
    done = mqd("status", "--db", "desk.db", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["desk_state"] == "ACTIVE"
    assert found["positions"] == []
    assert found["working_orders"] == []
    assert found["session"] == {"date": "2024-12-02", "is_open": False}
    assert found["last_bar"]["at"] == "2024-12-02T21:00:00Z"
    assert found["data_defects"] == {"GAP": 2, "DUPLICATE_ROW": 1}
    assert found["strategies"][0]["entries_today"] == 1
    declared = [each.id for each in load_rules(ROOT / "rules").protections]
    assert [item["protection"] for item in found["protections"]] == declared
    assert {"daily_loss_limit", "time_window"} <= set(declared)


def test_the_text_names_both_times_and_where_the_record_is(folder: Path) -> None:
    done = mqd("status", "--db", "desk.db", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2024-12-02 16:00 ET (21:00Z)" in done.stdout
    assert "desk.db" in done.stdout
    assert re.search(r"^  time_window +blocking entries now  ", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout


def test_a_held_position_with_its_unrealised_result(cut) -> None:
    found = cut("2024-11-26T15:40:00Z")
    (held,) = found["positions"]
    assert held["symbol"] == "SPY"
    expected = (float(held["last_close"]) - float(held["entry_price"])) * float(held["qty"])
    assert float(held["unrealised_usd"]) == pytest.approx(expected)
    assert found["today"]["realised_usd"] == "0"
    assert found["today"]["pnl_usd"] == pytest.approx(expected)


def test_a_tripped_protection_and_an_armed_one(cut) -> None:
    found = cut("2024-11-26T16:00:00Z", daily_loss_limit_usd="1")
    tripped = protection(found, "daily_loss_limit")
    assert (tripped["state"], tripped["until"]) == ("tripped", "2024-11-26T21:00:00Z")
    armed = protection(cut("2024-11-26T16:00:00Z"), "daily_loss_limit")
    assert (armed["state"], armed["until"], armed["to_go"]) == ("armed", None, "8.49 USD")


def test_it_works_while_the_desk_runs(tmp_path: Path) -> None:
    desk = subprocess.Popen(
        [sys.executable, "-m", "mqd", "run", "--speed", "60", "--db", "desk.db"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert desk.stdout is not None
    try:
        for line in desk.stdout:
            if "opened" in line:
                break
        done = mqd("status", "--db", "desk.db", "--format", "json", cwd=tmp_path)
        assert done.returncode in {0, 2}, done.stderr
        assert done.returncode == 0 or "holds no desk yet" in done.stderr
        assert desk.poll() is None
    finally:
        desk.terminate()
        desk.communicate(timeout=30)


def test_an_empty_journal_is_said_to_be_one() -> None:
    with pytest.raises(SettingsError, match="holds no desk yet"):
        desk_status(MemoryJournal(), "memory")


def test_no_journal_at_all(tmp_path: Path) -> None:
    done = mqd("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no journal yet" in done.stderr


def test_an_order_whose_outcome_is_not_known_is_named(
    entered: Callable[[], AbstractContextManager[tuple[Desk, str, Path]]],
) -> None:
    with entered() as (desk, order_id, path):
        desk.take(OrderOutcomeLost(desk.state.now_ns, order_id))
    done = mqd("status", "--db", str(path), "--format", "json", cwd=path.parent)
    assert json.loads(done.stdout)["outcome_unknown"] == [order_id]
    text = mqd("status", "--db", str(path), cwd=path.parent).stdout
    assert f"outcome unknown       {order_id}" in text


@pytest.mark.rule("BR-02")
def test_a_breaker_that_is_open_says_since_when_and_why(
    entered: Callable[[], AbstractContextManager[tuple[Desk, str, Path]]],
) -> None:
    with entered() as (desk, _, path):
        desk.take(RequestAnswered(desk.state.now_ns, "submit", "unproved", 5_020))
    found = json.loads(mqd("status", "--db", str(path), "--format", "json", cwd=path.parent).stdout)
    assert found["breaker"] == "OPEN"
    text = mqd("status", "--db", str(path), cwd=path.parent).stdout
    assert "OPEN since" in text
    assert "submit unproved after 5.020 s" in " ".join(text.split())


def test_a_position_says_for_how_long_nothing_looked_at_its_exits(
    tmp_path: Path,
) -> None:
    whole, gap = tmp_path / "whole.csv", tmp_path / "gap.csv"
    write_samples(whole)
    header, *rows = whole.read_text(encoding="utf-8").splitlines()
    kept = [
        row for row in rows
        if row.split(",")[1] < "2024-11-25T15:50" or "T16:00" < row.split(",")[1][10:] < "T16:05"
    ]  # fmt: skip
    kept = [row for row in kept if row.split(",")[1] < "2024-11-25T16:05"]
    gap.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
    done = mqd("run", "--db", "desk.db", "--bars", "gap.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(mqd("status", "--db", "desk.db", "--format", "json", cwd=tmp_path).stdout)
    (held,) = found["unwatched"]
    assert held["unprotected_s"] == 600, "ten minutes without a bar"
    assert found["compared"]["verdict"] == "clean"
    assert found["is_in_step"] is True
    text = mqd("status", "--db", "desk.db", cwd=tmp_path).stdout
    assert "10m" in text
    assert ", clean, 0 differences" in text


def test_with_two_strategies_every_distance_says_whose_it_is(
    edited: Callable[..., RuleBook], tmp_path: Path
) -> None:
    """And on a terminal of 80 columns it is a table still."""
    both = {"strategies/momentum_following.yaml": {"status: draft": "status: paper"}}
    bars, journal = tmp_path / "bars.csv", MemoryJournal()
    write_samples(bars)
    run_backtest(edited(both, protections=None), [bars], SimulationSettings(), journal=journal)
    found = desk_status(journal, "memory")
    sections = {each.title: each for each in distance_sections(found)}
    watch = {row.condition.code for row in load_rules(ROOT / "rules").strategy_watch.rows}
    for name in ("vwap_micro_mean_reversion", "momentum_following"):
        rules = {row[0] for row in sections[f"Distance to fire: {name}"].rows}
        assert {"consecutive_losses", "low_profit", "MAX_TRADES_REACHED"} <= rules
        assert watch - rules == {"MARKET_UNKNOWN"}, "it reads no number"
        assert "EXCEEDS_STRATEGY_\nALLOCATION" in rules
    for each in sections.values():
        assert len({row[:2] for row in each.rows}) == len(each.rows)
    told = {row[0] for row in protections_section(found).rows}
    assert {"daily_loss_limit", "low_profit/\nmomentum_following"} <= told
    (account,) = account_sections(found)
    console = Console(width=80, file=StringIO(), highlight=False)
    with console.capture() as captured:
        print_sections(console, "", [*sections.values(), protections_section(found), account])
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines]
    assert heads.count(["Rule", "Looks", "at", "Now", "Acts", "at", "Distance"]) == len(sections)
    assert ["Protection", "State", "To", "go", "Watches"] in heads
    assert ["Strategy", "Share", "Rules", "May", "use", "In", "use", "Left", "Entry"] in heads
    assert len(account.rows) == 2
