"""The buttons, on a desk that runs and on one that does not; each with who pressed it and why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mqd.app.operate import Button, press
from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.engine.state import DeskState
from mqd.feeds.samples import write_samples
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed, Event, OrderAcknowledged, OrderNotFound
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "vwap_micro_mean_reversion"
COMMAND = [sys.executable, "-m", "mqd"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
Mqd = Callable[..., "subprocess.CompletedProcess[str]"]
SIGNED = ("--by", "ada", "--reason", "the fills look odd")


@pytest.fixture
def journal(sample_journal: Path, tmp_path: Path) -> Path:
    """A desk that has run over the samples and stopped: a copy to press buttons on."""
    path = tmp_path / "desk.db"
    shutil.copy(sample_journal, path)
    return path


@pytest.fixture
def bars(tmp_path: Path) -> Callable[[str, str], Path]:
    """The sample bars that start before an instant, as a file of this name."""
    write_samples(tmp_path / "whole.csv")
    header, *rows = (tmp_path / "whole.csv").read_text(encoding="utf-8").splitlines()

    def write(name: str, until: str) -> Path:
        kept = [row for row in rows if row.split(",")[1] < until]
        path = tmp_path / name
        path.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
        return path

    return write


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A desk that runs at a pace; a process of its own, ended at the latest here."""
    process = subprocess.Popen(
        [*COMMAND, "run", "--db", "desk.db", *words],
        cwd=folder, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "opened, until" in line:
                break
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def pressed_while_held(
    mqd: Mqd, process: subprocess.Popen[str], *words: str | Path
) -> subprocess.CompletedProcess[str]:
    """Press a button of a desk that is held where it is, but not in the midst of a write."""
    for _ in range(10):
        process.send_signal(signal.SIGSTOP)
        told = mqd(*words)
        if "holds it locked" not in told.stderr:
            break
        process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    return told


def stopped(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Ends a desk politely; its exit code and what it said last."""
    process.send_signal(signal.SIGTERM)
    said, complaints = process.communicate(timeout=30)
    return process.returncode, said + complaints


def status(mqd: Mqd, path: Path) -> dict[str, Any]:
    done = mqd("status", "--db", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_halt_is_taken_while_the_desk_runs_and_outlives_it(mqd: Mqd, tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with running(tmp_path, "--speed", "30") as process:  # a bar every two seconds
        halted = mqd("halt", "--db", path, *SIGNED)
        assert halted.returncode == 0, halted.stderr
        assert "taken: desk is HALTED" in halted.stdout
        code, said = stopped(process)
    assert code == 0, said
    found = status(mqd, path)
    assert found["desk_state"] == "HALTED"
    assert found["standing"] | {"since": ""} == {
        "since": "", "by": "ada", "why": "the fills look odd", "rule": "DL-04",
    }  # fmt: skip
    again = mqd("run", "--db", path, "--sessions", "2")
    assert again.returncode == 0, again.stderr
    assert "the desk is HALTED: " in again.stdout
    assert "entry refused: DESK_NOT_ACTIVE" in again.stdout
    assert status(mqd, path)["desk_state"] == "HALTED", "a new day and a restart resume nothing"
    resumed = mqd("resume", "--db", path, "--by", "bob", "--reason", "looked, all well")
    assert resumed.returncode == 0, resumed.stderr
    assert "it was HALTED since" in resumed.stdout
    assert "by ada: the fills look odd" in resumed.stdout
    assert "starts ACTIVE" in resumed.stdout
    rest = json.loads(mqd("run", "--db", path, "--format", "json").stdout)
    assert len(rest["trades"]) == 2, "the trades of the days after the resume"
    assert mqd("journal", "replay", "--db", path).returncode == 0


def test_a_button_does_not_wait_for_the_next_bar(mqd: Mqd, tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "1"):  # a bar every minute
        started = time.monotonic()
        done = mqd("halt", "--db", tmp_path / "desk.db", *SIGNED)
        assert "taken: desk is HALTED" in done.stdout
        assert time.monotonic() - started < 30


def test_a_button_left_for_a_desk_that_is_stuck_is_taken_later(mqd: Mqd, tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with running(tmp_path, "--speed", "60") as process:
        done = pressed_while_held(mqd, process, "halt", "--db", path, *SIGNED)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "written; the desk takes it with its next event\n"
        process.send_signal(signal.SIGCONT)
        assert _until_halted(mqd, path)["by"] == "ada"


def test_a_button_left_for_a_desk_that_died_is_taken_before_the_next(
    mqd: Mqd, tmp_path: Path
) -> None:
    path = tmp_path / "desk.db"
    with running(tmp_path, "--speed", "60") as process:
        told = pressed_while_held(mqd, process, "reduce", "--db", path, *SIGNED)
        assert "written" in told.stdout
        process.kill()
        process.wait(timeout=20)
    off = mqd("disable", STRATEGY, "--db", path, "--by", "bob", "--reason", "no more of it")
    assert off.returncode == 0, off.stderr
    found = status(mqd, path)
    assert (found["desk_state"], found["standing"]["by"]) == ("REDUCING", "ada")
    assert found["switched_off"][STRATEGY]["by"] == "bob"
    tail = json.loads(mqd("journal", "tail", "-n", "2", "--db", path, "--format", "json").stdout)
    texts = [entry["text"] for entry in tail["entries"]]
    assert texts[0] == "reduce by ada: the fills look odd"
    assert texts[1] == f"disable {STRATEGY} by bob: no more of it"


def test_a_kill_file_halts_and_removing_it_resumes_nothing(mqd: Mqd, tmp_path: Path) -> None:
    path, file = tmp_path / "desk.db", tmp_path / "desk.db.kill"
    with running(tmp_path, "--speed", "60"):
        file.write_text("smoke in the room\nand more\n", encoding="utf-8")
        found = _until_halted(mqd, path)
        assert (found["by"], found["why"]) == ("kill file", "smoke in the room")
        held = mqd("resume", "--db", path, *SIGNED)
        assert held.returncode == 1
        assert "remove it, then resume" in held.stderr
        file.unlink()
        time.sleep(0.5)
        assert status(mqd, path)["desk_state"] == "HALTED"
        assert mqd("resume", "--db", path, *SIGNED).returncode == 0
        assert status(mqd, path)["desk_state"] == "ACTIVE"


def test_a_kill_file_of_the_settings_stops_a_start(mqd: Mqd, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("profile: samples\nkill_file: STOP\n", encoding="utf-8")
    (tmp_path / "STOP").touch()
    done = mqd("run", "--config", "mine.yaml", "--db", "desk.db", "--format", "json")
    summary = json.loads(done.stdout)
    assert summary["desk_state"] == "HALTED"
    assert not summary["trades"]
    assert status(mqd, tmp_path / "desk.db")["standing"]["why"] == "STOP says nothing"


def test_a_signal_halts(mqd: Mqd, tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with running(tmp_path, "--speed", "60") as process:
        process.send_signal(signal.SIGUSR1)
        assert _until_halted(mqd, path)["by"] == "signal"
        code, said = stopped(process)
    assert code == 0, said


class SignalThenStop:
    """A halt and a stop, one right after the other, while a bar is in hand."""

    def __init__(self) -> None:
        self.bars = 0
        self.halts = 0

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        if isinstance(event, BarClosed):
            self.bars += 1
            self.halts = int(self.bars == 3)

    def halt_wanted(self) -> bool:
        wanted, self.halts = self.halts > 0, 0
        return wanted

    def stop_wanted(self) -> bool:
        return self.bars >= 3


def test_a_signal_that_comes_with_the_stop_still_halts(mqd: Mqd, tmp_path: Path) -> None:
    path, wishes = tmp_path / "desk.db", SignalThenStop()
    plan = RunPlan(load_rules(ROOT / "rules"), (), Settings(), str(path))
    DeskRun(plan, SystemClock()).run((wishes,), wishes.stop_wanted, wishes.halt_wanted)
    assert wishes.bars == 3
    found = status(mqd, path)
    assert (found["desk_state"], found["standing"]["by"]) == ("HALTED", "signal")


def test_a_stop_reaches_a_running_desk_whose_journal_was_damaged(mqd: Mqd, tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with running(tmp_path, "--speed", "60") as process:
        with sqlite3.connect(path, timeout=10) as database:
            database.execute("DROP TRIGGER journal_no_update")
            database.execute("UPDATE journal SET body = '{}' WHERE position = 1")
        done = mqd("halt", "--db", path, *SIGNED)
        assert "taken by the desk; what came of it cannot be told: row 1 cannot be" in done.stdout
        assert done.returncode == 1
        assert not done.stderr
        _, said = stopped(process)
    assert "halt by ada: the fills look odd. ACTIVE -> HALTED (DL-04)" in said


def test_a_button_without_an_address_is_for_the_desk_that_writes(mqd: Mqd, tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "60", "--db", "var/runs/1/desk.db"):
        assert mqd("run", "--sessions", "1").returncode == 0  # its own journal is closed last
        time.sleep(2)
        done = mqd("halt", *SIGNED)
        assert "taken: desk is HALTED" in done.stdout
        assert "no desk runs" not in done.stdout
    assert status(mqd, tmp_path / "var/runs/1/desk.db")["desk_state"] == "HALTED"


def _until_halted(mqd: Mqd, path: Path) -> dict[str, str]:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = status(mqd, path)
        if found["desk_state"] == "HALTED":
            standing: dict[str, str] = found["standing"]
            return standing
    raise AssertionError("the desk was not halted")


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        (["halt"], "--by is missing"),
        (["halt", "--by", "ada"], "--reason is missing"),
        (["halt", "--by", " ", "--reason", "x"], "--by: expected a name"),
        (["halt", "--by", "ada", "--reason", "\x1b[2J"], "--reason: expected a reason"),
        (["resume", "--by", "ada", "--reason", ""], "--reason: the value is empty"),
        (["disable", STRATEGY], "--by is missing"),
        (["disable", "vwap_micro_mean_revision", *SIGNED], f"did you mean `{STRATEGY}`?"),
        (["enable", "momentum", *SIGNED], f"known here: {STRATEGY}"),
    ],
)
def test_a_button_pressed_wrongly_is_one_clear_line(
    mqd: Mqd, journal: Path, words: list[str], piece: str
) -> None:
    before = mqd("journal", "verify", "--db", journal).stdout
    done = mqd(*words, "--db", journal)
    assert done.returncode == 2
    assert done.stderr.startswith("mqd: ")
    assert piece in done.stderr
    assert done.stderr.count("\n") == 1
    assert mqd("journal", "verify", "--db", journal).stdout == before


def test_a_button_without_a_desk_makes_no_journal(mqd: Mqd, tmp_path: Path) -> None:
    done = mqd("halt", "--db", "nowhere.db", *SIGNED)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_strategy_is_switched_off_and_on_again(mqd: Mqd, tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    assert mqd("run", "--db", path, "--sessions", "1").returncode == 0
    off = mqd("disable", STRATEGY, "--db", path, *SIGNED)
    assert "is disabled; its exits go on; desk is ACTIVE" in off.stdout
    summary = json.loads(mqd("run", "--db", path, "--sessions", "1", "--format", "json").stdout)
    codes = summary["strategies"][STRATEGY]["no_trade"]
    assert not summary["trades"]
    assert codes["STRATEGY_DISABLED"]["bars"] == summary["bars"]["counted"]
    shown = mqd("status", "--db", path).stdout
    assert f"{STRATEGY} is off since" in shown
    assert "by ada: the fills look odd" in shown
    assert mqd("enable", STRATEGY, "--db", path, *SIGNED).returncode == 0
    assert not status(mqd, path)["switched_off"]
    rest = json.loads(mqd("run", "--db", path, "--format", "json").stdout)
    assert len(rest["trades"]) == 2


def test_a_strategy_that_only_watches_is_not_called_disabled(mqd: Mqd, tmp_path: Path) -> None:
    rules, path = tmp_path / "rules", tmp_path / "desk.db"
    shutil.copytree(ROOT / "rules", rules)
    file = rules / "strategies" / f"{STRATEGY}.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("status: paper", "status: shadow"), encoding="utf-8")
    assert mqd("run", "--db", path, "--rules", rules, "--sessions", "1").returncode == 0
    off = mqd("disable", STRATEGY, "--db", path, *SIGNED)
    assert f"taken: {STRATEGY} is disabled; its exits go on" in off.stdout
    on = mqd("enable", STRATEGY, "--db", path, *SIGNED)
    assert f"taken: {STRATEGY} is enabled; as shadow it opens nothing" in on.stdout


def test_a_desk_with_a_position_is_flattened_by_the_next_start(
    mqd: Mqd, tmp_path: Path, bars: Callable[[str, str], Path]
) -> None:
    path = tmp_path / "desk.db"
    part = bars("part.csv", "2024-11-25T15:40")
    assert mqd("run", "--db", path, "--bars", part).returncode == 0
    assert status(mqd, path)["positions"]
    done = mqd("flatten", "--db", path, *SIGNED)
    assert done.returncode == 0, done.stderr
    assert "taken: desk is FLATTENING" in done.stdout
    assert "and then: sell 0.84 SPY" in done.stdout
    longer = bars("longer.csv", "2024-11-25T15:45")
    again = mqd("run", "--db", path, "--bars", longer)
    assert again.returncode == 0, again.stderr
    found = status(mqd, path)
    assert not found["positions"]
    assert found["desk_state"] == "FLATTENING"


def test_a_dry_run_shows_the_fills_that_a_comparison_would_book(
    mqd: Mqd, tmp_path: Path, bars: Callable[[str, str], Path]
) -> None:
    path = tmp_path / "desk.db"
    mqd("run", "--db", path, "--bars", bars("part.csv", "2024-11-25T15:40"))
    mqd("flatten", "--db", path, *SIGNED)
    for _ in range(2):
        dry = mqd("reconcile", "--dry-run", "--db", path)
        assert dry.returncode == 1, "the broker has sold what the journal still holds"
        assert "exit-1: filled, SUBMITTED -> FILLED" in dry.stdout
        assert "none besides what the broker tells of orders" in dry.stdout
        assert status(mqd, path)["positions"]
    done = mqd("reconcile", "--db", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    moves = [(item["event"], item["to"]) for item in json.loads(done.stdout)["orders"]]
    assert moves[-1] == ("filled", "FILLED")
    assert not status(mqd, path)["positions"]
    again = mqd("reconcile", "--dry-run", "--db", path, "--format", "json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["orders"] == []


@pytest.mark.case(52)
def test_an_entry_on_its_way_is_listed_at_the_end_and_asked_back_by_a_halt(
    mqd: Mqd, tmp_path: Path, bars: Callable[[str, str], Path]
) -> None:
    path = tmp_path / "desk.db"
    (tmp_path / "slow.yaml").write_text("profile: samples\nfill: next-open\n", encoding="utf-8")
    part = bars("part.csv", "2024-11-25T15:31")
    done = mqd("run", "--db", path, "--bars", part, "--config", "slow.yaml")
    assert done.returncode == 1
    assert "entry-1 is SUBMITTED: buy 0.84 SPY" in done.stderr
    assert "1 order has not ended" in done.stderr
    halted = mqd("halt", "--db", path, *SIGNED)
    assert halted.returncode == 0, halted.stderr
    assert "and then: ask " in halted.stdout
    longer = bars("longer.csv", "2024-11-25T15:45")
    again = mqd("run", "--db", path, "--bars", longer, "--config", "slow.yaml")
    assert again.returncode == 0, again.stderr
    lines = json.loads(mqd("report", "journal", "--db", path, "--format", "json").stdout)["events"]
    of_the_order = [line for line in lines if line["order_id"]]
    kinds = [line["event_type"] for line in of_the_order]
    assert kinds == ["SIGNAL", "SUBMIT", "ACK", "CANCEL_REQUESTED", "CANCEL"]
    last = of_the_order[-1]
    assert (last["reason"], last["symbol"], last["qty"]) == ("ENTRY_ASKED_BACK", "SPY", "0.84")
    refused = [line["reason"] for line in lines if not line["order_id"]]
    assert set(refused) == {"REFUSED: DESK_NOT_ACTIVE"}


@pytest.fixture
def frozen(entered: Callable[[], AbstractContextManager[tuple[Desk, str, Path]]]) -> Path:
    """A desk whose broker knew an order and then did not."""
    with entered() as (desk, order_id, path):
        now_ns = desk.state.now_ns
        desk.take(OrderAcknowledged(now_ns, order_id, "b-1"))
        desk.take(OrderNotFound(now_ns, order_id))
        assert desk.state.state_name == "FROZEN"
    return path


def test_a_frozen_desk_says_why_it_does_not_resume(mqd: Mqd, frozen: Path) -> None:
    done = mqd("resume", "--db", frozen, *SIGNED)
    assert done.returncode == 1
    assert "it was FROZEN since" in done.stdout
    assert "by the desk: InvalidTransitionError: " in done.stdout
    assert "not done: still FROZEN (DL-96): Nobody can answer for books" in done.stdout
    assert status(mqd, frozen)["desk_state"] == "FROZEN"
    assert mqd("flatten", "--db", frozen, *SIGNED).returncode == 0
    assert mqd("resume", "--db", frozen, *SIGNED).returncode == 0
    assert status(mqd, frozen)["desk_state"] == "ACTIVE"


def test_pressing_a_button_twice_is_no_failure(mqd: Mqd, journal: Path) -> None:
    assert mqd("halt", "--db", journal, *SIGNED).returncode == 0
    again = mqd("halt", "--db", journal, "--by", "bob", "--reason", "me too")
    assert again.returncode == 0
    assert "still HALTED (DL-93)" in again.stdout
    assert status(mqd, journal)["standing"]["by"] == "ada", "the first one stopped it"
    weaker = mqd("reduce", "--db", journal, *SIGNED)
    assert weaker.returncode == 1
    assert "not done: still HALTED (DL-92): " in weaker.stdout


def test_a_strategy_is_off_since_somebody_switched_it_off_first(mqd: Mqd, journal: Path) -> None:
    for name in ("ada", "bob"):
        mqd("disable", STRATEGY, "--db", journal, "--by", name, "--reason", "odd")
    assert status(mqd, journal)["switched_off"][STRATEGY]["by"] == "ada"
    for action in ("enable", "disable"):
        mqd(action, STRATEGY, "--db", journal, "--by", "eve", "--reason", "still odd")
    assert status(mqd, journal)["switched_off"][STRATEGY]["by"] == "eve"


def test_the_day_shows_who_pressed_what(mqd: Mqd, journal: Path) -> None:
    mqd("halt", "--db", journal, *SIGNED)
    done = mqd("report", "daily", "--db", journal, "--format", "json")
    (heard,) = json.loads(done.stdout)["operator"]
    assert (heard["action"], heard["by"]) == ("halt", "ada")
    assert heard["reason"] == "the fills look odd"
    text = mqd("report", "daily", "--db", journal, "--format", "text").stdout
    assert "halt, by ada: the fills look odd. ACTIVE -> HALTED (DL-04)" in text


def test_two_people_at_once_are_both_heard(tmp_path: Path, mqd: Mqd) -> None:
    path = tmp_path / "desk.db"
    with running(tmp_path, "--speed", "60"):
        presses = [
            subprocess.Popen(
                [*COMMAND, "halt", "--db", str(path), "--by", name, "--reason", "now"],
                env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
            )
            for name in ("ada", "bob", "eve")
        ]  # fmt: skip
        assert [process.wait(timeout=60) for process in presses] == [0, 0, 0]
        for process in presses:
            process.communicate()
    tail = json.loads(mqd("journal", "tail", "-n", "60", "--db", path, "--format", "json").stdout)
    texts = [item["text"] for item in tail["entries"] if item["event"] == "OperatorActed"]
    assert sorted(texts) == ["halt by ada: now", "halt by bob: now", "halt by eve: now"]


def test_a_button_can_be_pressed_by_a_program(journal: Path) -> None:
    button = Button("halt", "", "watchdog", "no heartbeat")
    pressed = press(str(journal), button, SystemClock(), wait_s=0)
    assert pressed.obeyed
    assert not pressed.is_running
    assert pressed.after is not None
    assert pressed.after.standing is not None
    assert pressed.after.standing.by == "watchdog"
