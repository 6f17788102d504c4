"""`mqd run` through the real command line: the samples, a restart, a stop, a pipe, a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.cli.screen_parts import Shown, picture
from mqd.engine.state import DeskState
from mqd.feeds.samples import write_samples
from mqd.model.decision import Decision, Outcome
from mqd.model.event import Event
from mqd.publish.tally import Tally, percentiles_us
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "mqd"]
ESCAPE = "\x1b"
PATIENCE_S = 60
PNL = Decimal("0.59376")  # of the sample sessions' four trades


def test_the_samples_run_to_a_summary(mqd: Callable[..., Any], tmp_path: Path) -> None:
    done = mqd("run")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    for piece in (
        "synthetic",
        "5 opened, 5 closed",
        "entry: BUY 0.84 SPY at 595.15",
        "exit: SELL 0.836 SPY at 595.57, STOP_LOSS",
        "+1.15",
        "PRICE_ABOVE_THRESHOLD",
        "DUPLICATE_ROW 1",
        "microseconds",
        "var/runs/1/desk.db",
        "mqd why --db var/runs/1/desk.db",
    ):
        assert piece in done.stdout
    assert ESCAPE not in done.stdout
    assert (tmp_path / "var/runs/1/desk.db").is_file()
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


@pytest.mark.rule("half_size")
@pytest.mark.parametrize("is_open", [True, False])
def test_a_smaller_size_is_told_of_entries_that_left_alone(
    mqd: Callable[..., Any], tmp_path: Path, *, is_open: bool
) -> None:
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    half = tmp_path / "rules/protections/half_size.yaml"
    always = "trips_when: desk.pnl <= limits.daily_loss_usd * limits.half_size_after\n"
    half.write_text(re.sub(r"trips_when: .*\n", always, half.read_text("utf-8")), "utf-8")
    if not is_open:
        window = tmp_path / "rules/protections/time_window.yaml"
        shut = window.read_text("utf-8").replace("clock.time not in", "clock.time in")
        window.write_text(shut, "utf-8")
    said = mqd("run", "--rules", "rules").stdout
    assert ("  entry: BUY" in said) is is_open
    assert ("  entry refused: time_window" in said) is not is_open
    assert said.count("keeps 0.5 of") == said.count("  entry: BUY")


def test_colour_is_never_forced_into_a_pipe(mqd: Callable[..., Any]) -> None:
    assert ESCAPE not in mqd("run", "--sessions", "1", FORCE_COLOR="1").stdout


def test_json_is_one_document_and_nothing_else(mqd: Callable[..., Any]) -> None:
    done = mqd("run", "--format", "json")
    summary = json.loads(done.stdout)
    assert not done.stderr
    assert summary["bars"]["synthetic"] is True
    assert [trade["exit_reason"] for trade in summary["trades"]] == [
        "MEAN_REVERSION", "STOP_LOSS", "FORCE_FLAT", "MEAN_REVERSION",
    ]  # fmt: skip
    assert Decimal(summary["pnl"]) == PNL
    assert summary["win_rate"] == 0.5
    codes = summary["strategies"]["vwap_micro_mean_reversion"]["no_trade"]
    assert len(codes) == 9
    assert codes["OUTSIDE_WINDOW"]["bars"] == 1318
    assert set(summary["latency_us"]) == {"p50", "p90", "p95", "p99"}
    assert summary["order_states"] == {"FILLED": 8}


def test_two_runs_never_share_a_journal(mqd: Callable[..., Any]) -> None:
    names = [json.loads(mqd("run", "--format", "json").stdout)["journal"] for _ in range(2)]
    assert names == ["var/runs/1/desk.db", "var/runs/2/desk.db"]


def test_a_second_run_goes_on_from_the_journal(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.db"
    first = mqd("run", "--db", path, "--sessions", "2")
    assert "2 sessions closed, as asked" in first.stdout
    second = mqd("run", "--db", path)
    assert second.returncode == 0, second.stderr
    assert re.search(
        r"^going on after 2024-11-26 16:00 ET \(21:00Z\), [\d,]+ events replayed$",
        "\n".join(second.stdout.splitlines()[:6]),
        flags=re.MULTILINE,
    )
    assert decisions(mqd, path) == decisions(mqd, sample_journal)
    third = json.loads(mqd("run", "--db", path, "--format", "json").stdout)
    assert third["bars"]["counted"] == 0
    assert third["going_on_after"] == "2024-12-02T21:00:00Z"


def decisions(mqd: Callable[..., Any], path: Path) -> str:
    done = mqd("journal", "export", "--decisions", "--db", path)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_cleanly_and_the_next_run_finishes_the_day(
    mqd: Callable[..., Any], sample_journal: Path, tmp_path: Path, number: int
) -> None:
    path = tmp_path / "mine.db"
    words = ["run", "--db", str(path), "--speed", "600"]
    with start(words, tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "opened, until" in line:
                break
        time.sleep(0.7)
        process.send_signal(number)
        try:
            rest, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert not errors
    assert "stopped by the operator" in rest
    assert mqd("journal", "verify", "--db", path).returncode == 0
    assert mqd("run", "--db", path).returncode == 0
    assert mqd("journal", "replay", "--db", path).returncode == 0
    assert decisions(mqd, path) == decisions(mqd, sample_journal)


def start(words: list[str], folder: Path, **streams: Any) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    return subprocess.Popen(
        [*COMMAND, *words], cwd=folder, env=environment, text=True, **pipes
    )  # fmt: skip


def on_a_terminal(words: list[str], folder: Path, seconds: float, **environment: str) -> str:
    """What `mqd` writes to a terminal until Ctrl-C after some seconds."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    stop_at: float | None = None
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
        if b"\x1b[?1049h" in written and stop_at is None:
            stop_at = time.monotonic() + seconds
        if stop_at is not None and time.monotonic() > stop_at:
            process.send_signal(signal.SIGINT)
            stop_at = float("inf")
    os.close(ours)
    assert process.wait(timeout=PATIENCE_S) == 0, written.decode()
    return written.decode()


def test_a_terminal_shows_a_screen_and_then_the_summary(tmp_path: Path) -> None:
    shown = on_a_terminal(["run", "--speed", "1200"], tmp_path, 1.0)
    screen, _, after = shown.partition("\x1b[?1049l")
    assert "MiniQuantDesk" in screen
    assert "Why no entry" in screen
    assert "stopped by the operator" in after
    assert re.search(r"\x1b\[[\d;]*3[1-6]", screen)


def test_no_color_is_honoured_on_a_terminal(tmp_path: Path) -> None:
    shown = on_a_terminal(["run", "--speed", "1200"], tmp_path, 0.5, NO_COLOR="1")
    assert not re.search(r"\x1b\[([\d;]+;)?[349][0-7]m", shown)


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        (["--speed", "fast"], "--speed fast: expected max"),
        (["--speed", "0"], "--speed 0: expected max"),
        (["--speed", "nan"], "--speed nan: expected max"),
        (["--bars", "nowhere.csv"], "nowhere.csv"),
        (["--config", "nowhere"], "no config `nowhere`"),
        (["--set", "stop_loss_pct=0.9"], "outside its declared range"),
        (["--set", "stop_loss_pct"], "expected PARAM=VALUE"),
        (["--protections", "daily_loss"], "did you mean `daily_loss_limit`?"),
        (["--rules", "nowhere"], "nowhere"),
        (["--db", "mysql://localhost/desk"], "no journal in mysql"),
    ],
)
def test_bad_input_gets_one_clear_line(
    mqd: Callable[..., Any], tmp_path: Path, words: list[str], piece: str
) -> None:
    done = mqd("run", *words)
    assert done.returncode == 2
    assert piece in done.stderr
    assert done.stderr.startswith("mqd: ")
    assert done.stderr.count("\n") == 1
    assert not done.stdout
    assert not list(tmp_path.glob("var/runs/*")), "a journal was made for nothing"


def test_bars_from_a_file_and_changes_of_the_run(mqd: Callable[..., Any], tmp_path: Path) -> None:
    write_samples(tmp_path / "bars.csv")
    words = ("--bars", "bars.csv", "--protections", "none", "--set", "max_trades_per_day=0")
    summary = json.loads(mqd("run", *words, "--format", "json").stdout)
    assert summary["bars"]["files"] == ["bars.csv"]
    assert summary["bars"]["synthetic"] is False
    assert not summary["trades"]
    assert summary["win_rate"] is None


def test_a_journal_in_use_is_refused(mqd: Callable[..., Any], tmp_path: Path) -> None:
    process = start(["run", "--db", "mine.db", "--speed", "60"], tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("journal"):
            break
    second = mqd("run", "--db", "mine.db")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1


class Painter:
    """Draws every few bars at several sizes, as the screen would."""

    def __init__(self, run: DeskRun) -> None:
        self.run = run
        self.tally = Tally(lambda: 1_000)
        self.decisions: dict[str, Decision] = {}
        self.frames: list[str] = []

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        self.tally.saw(event, outcome, state)
        self.decisions |= {item.strategy: item for item in outcome.decisions}
        if self.tally.bars % 25 and not outcome.commands:
            return
        shown = Shown("title", self.run.plan.book, state, self.tally, 1_773, self.decisions, ())
        for width, height in ((80, 24), (100, 30), (200, 60), (40, 10)):
            lines = picture(shown, width, height)
            assert len(lines) == height
            assert max(line.cell_len for line in lines) <= width
            self.frames.append("\n".join(line.plain for line in lines))


def test_every_frame_fits_its_terminal(tmp_path: Path) -> None:
    plan = RunPlan(load_rules(ROOT / "rules"), (), Settings(), str(tmp_path / "desk.db"))
    run = DeskRun(plan, SystemClock())
    painter = Painter(run)
    run.run((painter,))
    text = "\n".join(painter.frames)
    for piece in ("Holding, no exit is true yet", "planned stop", "blocks entries", "PENDING"):
        assert piece in text


def test_percentiles_are_by_nearest_rank() -> None:
    from array import array

    took = array("q", [1_000 * number for number in range(100, 0, -1)])
    assert percentiles_us(took) == {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
    assert percentiles_us(array("q", [7_000]))["p99"] == 7.0
    assert percentiles_us(array("q")) == {}


def test_help_answers_at_once(mqd: Callable[..., Any]) -> None:
    done = mqd("run", "--help")
    for option in ("--config", "--bars", "--speed", "--sessions", "--db", "--rules", "--symbol"):
        assert option in done.stdout
