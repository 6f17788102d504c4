"""`mqd report latency`: how long orders took, from a journal alone."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from mqd.ground.times import NS_PER_S
from mqd.model.event import ClockTicked, FrameReceived, OrderAcknowledged
from mqd.runtime.desk import Desk

Mqd = Callable[..., "subprocess.CompletedProcess[str]"]
Entered = Callable[[], AbstractContextManager[tuple[Desk, str, Path]]]
MS = 1_000_000


def found(mqd: Mqd, path: Path, *words: str) -> dict[str, Any]:
    done = mqd("report", "latency", "--db", path, "--format", "json", *words)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_simulated_run_says_what_it_cannot(mqd: Mqd, sample_journal: Path) -> None:
    told = found(mqd, sample_journal)
    sessions = {each["date"]: each for each in told["sessions"]}
    assert [each["orders"] for each in sessions.values()] == [2, 2, 0, 2, 2]
    assert len(told["orders"]) == 8
    busy, quiet = sessions["2024-11-25"], sessions["2024-11-27"]
    assert busy["submit_to_fill"] == {
        "count": 2, "p50_ms": 0, "p90_ms": 0, "p95_ms": 0, "p99_ms": 0, "largest_ms": 0,
    }  # fmt: skip
    assert any("simulated" in remark for remark in busy["remarks"])
    assert quiet["submit_to_ack"] is quiet["bar_to_decision"] is None
    assert any("No order" in remark for remark in quiet["remarks"])


@pytest.fixture
def answered(entered: Entered) -> Path:
    """An order that was acknowledged after 125 ms by a message of the stream."""
    with entered() as (desk, order_id, path):
        at_ns = desk.state.now_ns + 125 * MS
        desk.take(FrameReceived(at_ns, "trade_updates", "{}"))
        desk.take(OrderAcknowledged(at_ns + 3_600 * NS_PER_S, order_id, "b-1"))
        desk.take(ClockTicked(at_ns + NS_PER_S))
        return path


def test_an_answer_with_another_clock_lies_between_two_readings(mqd: Mqd, answered: Path) -> None:
    (order,) = found(mqd, answered)["orders"]
    assert (order["state"], order["submit_to_ack_ms"]) == ("SUBMITTED", 1_125)


def test_one_session_with_its_orders_in_words(mqd: Mqd, answered: Path) -> None:
    (order,) = found(mqd, answered)["orders"]
    whole = mqd("report", "latency", "--db", answered).stdout
    one = mqd("report", "latency", "--db", answered, "--session", order["session"]).stdout
    assert "submitted to acknowledged" in whole
    assert "1,125.0" in whole
    assert order["order_id"] not in whole
    assert order["order_id"] in one


@pytest.mark.parametrize("to_file", [True, False])
def test_a_table_for_a_spreadsheet(
    mqd: Mqd, sample_journal: Path, tmp_path: Path, *, to_file: bool
) -> None:
    words = ["report", "latency", "--db", sample_journal]
    if to_file:
        assert "8 orders of 5 sessions" in mqd(*words, "--out", "latency.csv").stdout
        written = (tmp_path / "latency.csv").read_text(encoding="utf-8")
    else:
        written = mqd(*words, "--format", "csv").stdout
    lines = list(csv.DictReader(io.StringIO(written)))
    orders = found(mqd, sample_journal)["orders"]
    assert [line["order_id"] for line in lines] == [order["order_id"] for order in orders]
    assert {line["cancel_asked_at"] for line in lines} == {""}


@pytest.mark.parametrize(("name", "starts"), [("x.json", "{"), ("x.txt", "How"), ("x", "session,")])
def test_the_name_of_the_file_says_how_it_is_written(
    mqd: Mqd, sample_journal: Path, tmp_path: Path, name: str, starts: str
) -> None:
    assert mqd("report", "latency", "--db", sample_journal, "--out", name).returncode == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(starts)


def test_one_session(mqd: Mqd, sample_journal: Path) -> None:
    told = found(mqd, sample_journal, "--session", "2024-11-26")
    assert [each["date"] for each in told["sessions"]] == ["2024-11-26"]
    assert {each["session"] for each in told["orders"]} == {"2024-11-26"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--session", "2024-11-28"], "--session 2024-11-28: the journal"),
        (["--session", "yesterday"], "--session yesterday: expected a date such as"),
        (["--out", "nowhere/x.csv"], "there is no folder nowhere"),
        (["--out", "x.json", "--format", "csv"], "a .json file is json"),
        (["--format", "markdown"], "--format"),
    ],
)
def test_what_cannot_be_reported_is_said_in_one_line(
    mqd: Mqd, sample_journal: Path, words: list[str], said: str
) -> None:
    done = mqd("report", "latency", "--db", sample_journal, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.rule("submit_to_ack_p95")
@pytest.mark.parametrize(("took_s", "code"), [(1, 0), (2, 0), (3, 1)])
def test_a_check_fails_where_a_step_took_longer_than_the_rules_say(
    mqd: Mqd, entered: Entered, took_s: int, code: int
) -> None:
    with entered() as (desk, order_id, path):
        at_ns = desk.state.now_ns + took_s * NS_PER_S
        desk.take(FrameReceived(at_ns, "trade_updates", "{}"))
        desk.take(OrderAcknowledged(at_ns, order_id, "b-1"))
    assert mqd("report", "latency", "--db", path).returncode == 0
    done = mqd("report", "latency", "--db", path, "--check")
    assert done.returncode == code, done.stderr
    assert ("too slow" in done.stdout) == bool(code)
    assert ("submit_to_ack p95 3,000.0 ms, at most 2,000.0 ms" in done.stderr) == bool(code)
