"""`mqd exchange` as a process, and the levers under `/practice`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from alpaca.trading.client import TradingClient

from mqd.cli import main

ROOT = Path(__file__).resolve().parents[2]
HEADER = "symbol,ts,open,high,low,close,volume\n"


@pytest.fixture
def bars_file(tmp_path):
    rows = [
        f"SPY,2024-10-0{day}T13:{m}:00Z,100,101,99,100.5,10\n" for day in (7, 8) for m in (30, 31)
    ]
    path = tmp_path / "bars.csv"
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


@contextmanager
def started(*words) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mqd", "exchange", *map(str, words)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.fixture
def refusal(monkeypatch, capsys):
    """The one line with which `mqd exchange` refuses these words."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["mqd", "exchange", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        told = capsys.readouterr()
        assert told.out == ""
        [line] = told.err.splitlines()
        return line

    return run


def test_it_prints_what_a_desk_needs_and_ends_politely(bars_file):
    with started("--bars", bars_file, "--port", "0", "--speed", "step") as process:
        lines = [process.stdout.readline().strip() for _ in range(7)]
        told = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        assert all(line.startswith("export ") for line in lines)
        assert told["MQD_CLOCK"] == "exchange"
        client: Any = TradingClient(
            told["APCA_API_KEY_ID"], told["APCA_API_SECRET_KEY"], raw_data=True,
            url_override=told["MQD_ALPACA_TRADING_URL"],
        )  # fmt: skip
        assert client.get("/clock")["timestamp"] == "2024-10-07T09:29:00-04:00"
        client._session.close()
        for name, start, end in (
            ("MQD_ALPACA_DATA_URL", "http://127.0.0.1:", ""),
            ("MQD_ALPACA_TRADE_STREAM_URL", "ws://127.0.0.1:", "/stream"),
            ("MQD_ALPACA_DATA_STREAM_URL", "ws://127.0.0.1:", "/v2/iex"),
        ):
            assert told[name].startswith(start)
            assert told[name].endswith(end)
    assert process.returncode == 0


def test_programs_read_one_document(bars_file):
    words = ("--port", "0", "--speed", "step", "--from", "2024-10-08", "--format", "json")
    with started("--bars", bars_file, *words) as process:
        told = json.loads(process.stdout.readline())
        state = requests.get(told["practice_url"], timeout=5).json()
        assert state["now"] == "2024-10-08T13:29:00Z"
        step = f"{told['practice_url']}/step?bars=9&settle_ms=1"
        assert requests.post(step, timeout=5).json()["played"] == 2
        headers = {
            "APCA-API-KEY-ID": told["APCA_API_KEY_ID"],
            "APCA-API-SECRET-KEY": told["APCA_API_SECRET_KEY"],
        }
        query = {"symbols": "SPY", "timeframe": "1Min", "start": "2024-10-01"}
        url = f"{told['MQD_ALPACA_DATA_URL']}/v2/stocks/bars"
        page = requests.get(url, query, headers=headers, timeout=5).json()
        assert len(page["bars"]["SPY"]) == 4, "the day before is history"


def test_faults_come_from_a_file(bars_file, tmp_path):
    plan = tmp_path / "faults.yaml"
    plan.write_text(
        "seed: 7\nfaults:\n"
        "  - kind: account_says\n    fields: {cash: '12', trading_blocked: true}\n"
        "  - kind: http_504\n    request: submit\n    booked: false\n    share: 0.5\n",
        encoding="utf-8",
    )
    words = ("--port", "0", "--speed", "step", "--faults", plan, "--format", "json")
    with started("--bars", bars_file, *words) as process:
        url = json.loads(process.stdout.readline())["practice_url"]
        requests.post(f"{url}/step", timeout=5)
        said, answer = requests.get(f"{url}/faults", timeout=5).json()
        assert said["fields"] == {"cash": "12", "trading_blocked": True}
        assert said["happened"] == 1
        assert (answer["booked"], answer["share"], answer["times"]) == (False, 0.5, 0)
        assert requests.delete(f"{url}/faults", timeout=5).json() == []
        assert requests.get(f"{url}/books", timeout=5).json()["faults"] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("faults:\n  - kind: htp_504\n", "plan.yaml:2:5: there is no fault `htp_504`"),
        ("fault:\n  - kind: http_504\n", "plan.yaml:1:1: no setting `fault`"),
        ("seed: soon\nfaults: []\n", "plan.yaml: `seed` takes a whole number"),
        ("faults: 3\n", "plan.yaml: `faults` takes a list"),
        ("faults:\n  - http_504\n", "plan.yaml:2:5: expected a fault such as"),
        ("faults: [\n", "plan.yaml:"),
    ],
)
def test_a_plan_that_cannot_be_read_is_one_line(refusal, bars_file, tmp_path, text, says):
    plan = tmp_path / "plan.yaml"
    plan.write_text(text, encoding="utf-8")
    assert says in refusal("--bars", bars_file, "--faults", plan)


def test_other_mistakes_are_one_line_too(refusal, practice, bars_file, tmp_path):
    assert "--speed" in refusal("--bars", bars_file, "--speed", "fast")
    assert "expected a date" in refusal("--bars", bars_file, "--from", "Monday")
    assert "end before that date" in refusal("--bars", bars_file, "--from", "2025-01-01")
    assert "no such file" in refusal("--bars", tmp_path / "none.csv")
    port = practice().server.addresses.trading_url.rpartition(":")[2]
    assert f"port {port} of 127.0.0.1" in refusal("--bars", bars_file, "--port", port)


def test_without_its_packages_it_says_how_to_get_them(bars_file, tmp_path):
    code = (
        "import sys, importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'aiohttp' else found(name, *rest)\n"
        f"sys.argv = ['mqd', 'exchange', '--bars', {str(bars_file)!r}]\n"
        "from mqd.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().endswith(f"{sys.executable} -m pip install aiohttp")
    assert len(done.stderr.splitlines()) == 1


def test_it_plays_as_fast_as_requests_settle_once_somebody_listens(practice):
    exchange = practice(practice.flat_day(20), settle_s=0.01)
    exchange.server.play(None)
    assert exchange.server.state()["bars_played"] == 0, "nobody listens yet"
    heard = exchange.bars()
    practice.wait_for(lambda: exchange.server.state()["is_over"])
    assert len(heard.wait(20)) == 20


def test_it_plays_at_a_pace_of_its_own_clock_and_skips_the_night(practice):
    bars = [*practice.flat_day(5), *practice.flat_day(5, opens="2024-10-08T13:30:00Z")]
    exchange = practice(bars)
    heard = exchange.bars()
    exchange.server.play(6_000.0)
    practice.wait_for(lambda: exchange.server.state()["is_over"])
    assert len(heard.wait(10)) == 10
    assert exchange.server.state()["now"] == "2024-10-08T13:35:00Z"


def test_a_day_at_a_pace_waits_for_nobody_who_leaves(practice):
    exchange = practice(practice.flat_day(20))
    heard = exchange.bars()
    exchange.server.play(600.0)
    heard.wait(2)
    exchange.server.plan(kind="stream_dropped", stream="bars", seconds=60)
    practice.wait_for(lambda: exchange.server.state()["is_over"])
    assert len(heard.frames) < 20
    assert exchange.server.state()["failure"] is None


def test_time_runs_between_bars_at_a_pace_and_can_be_stopped(practice):
    exchange = practice()
    exchange.bars()
    exchange.server.play(60.0)
    before = exchange.server.state()["now"]
    practice.wait_for(lambda: exchange.server.state()["now"] > before)
    exchange.server.play(0)
    state = exchange.server.state()
    assert state["bars_played"] == 0
    assert before < state["now"] < "2024-10-07T13:31:00Z"
    assert exchange.server.state()["now"] == state["now"], "it stands"


@pytest.mark.parametrize(
    "path", ["step?bars=many", "play?speed=fast", "play?speed=-1", "step?settle_ms=soon"]
)
def test_a_lever_that_is_pulled_wrongly_says_so(practice, path):
    url = practice().server.control_url
    answer = requests.post(f"{url}/{path}", timeout=5)
    assert answer.status_code == 422
    assert "message" in answer.json()


def test_levers_over_http(practice):
    exchange = practice()
    url = exchange.server.control_url
    assert requests.post(f"{url}/play?speed=step", timeout=5).json()["bars_played"] == 0
    assert requests.post(f"{url}/step?bars=2", timeout=5).json()["bars_played"] == 2
    several = [{"kind": "bar_missing"}, {"kind": "keys_revoked"}]
    told = requests.post(f"{url}/faults", json=several, timeout=5).json()
    assert [fault["happened"] for fault in told] == [0, 1], "a moment happens at once"
    assert requests.get(f"{url}/books", timeout=5).json()["cash"] == "100000"
