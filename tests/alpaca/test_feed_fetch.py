"""`mqd bars fetch`: what Alpaca has, into a file that a back-test reads."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mqd.app.account import Account
from mqd.app.bars_fetch import FetchPlan, fetch_bars
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.feeds.samples import sample_bars
from mqd.ground.errors import BarsFileError, SetupError
from mqd.ground.times import parse_iso
from mqd.model.event import BarClosed
from mqd.ports.account import Addresses

ROOT = Path(__file__).resolve().parents[2]
NOW_NS = parse_iso("2024-12-20T12:00:00Z")
SAMPLES = [
    event
    for event in RecordedFeed(sample_bars(), ExchangeCalendar()).events()
    if isinstance(event, BarClosed)
]


@pytest.fixture
def fetch(rest_server, hand_clock, stream_requests, stream_keys, tmp_path):
    hand_clock.time_ns = NOW_NS

    def go(first="2024-11-25", last="2024-12-02", out="bars.parquet"):
        addresses = Addresses("", rest_server.url, "", "")
        plan = FetchPlan("SPY", date.fromisoformat(first), date.fromisoformat(last), tmp_path / out)
        account = Account(stream_keys, addresses, "paper", "iex", False)
        chance = random.Random(7).random
        return plan.out, fetch_bars(plan, account, stream_requests, hand_clock, chance)

    return go


def test_the_file_holds_every_bar_as_it_was_written(fetch, rest_server) -> None:
    rest_server.bars = list(SAMPLES)
    rest_server.page = 500
    path, found = fetch()
    assert (found.bars, found.dates) == (len(SAMPLES), 5)
    assert read_bars([path]).defects == ()
    read = RecordedFeed(read_bars([path], "SPY"), ExchangeCalendar()).events()
    assert [event for event in read if isinstance(event, BarClosed)] == SAMPLES
    schema = pq.read_schema(path)
    assert schema.names == ["symbol", "ts", "open", "high", "low", "close", "volume"]
    assert str(schema.field("ts").type) == "timestamp[ns, tz=UTC]"
    assert str(schema.field("volume").type) == "int64"
    assert len(rest_server.asked) == -(-len(SAMPLES) // 500)


def test_both_dates_are_included_and_are_those_of_the_exchange(fetch, rest_server) -> None:
    rest_server.bars = list(SAMPLES)
    _, found = fetch("2024-11-26", "2024-11-26")
    assert found.bars == 390
    assert rest_server.asked[0]["start"] == "2024-11-26T05:00:00Z"
    assert rest_server.asked[0]["end"] < "2024-11-27T05:00:00Z"


def test_a_minute_that_has_not_ended_is_not_fetched(fetch, rest_server, hand_clock) -> None:
    rest_server.bars = list(SAMPLES)
    hand_clock.time_ns = parse_iso("2024-11-27T15:00:30Z")
    path, _ = fetch()
    assert read_bars([path]).last_ns == parse_iso("2024-11-27T15:00:00Z")


def test_nothing_there_writes_no_file(fetch) -> None:
    path, found = fetch("2024-11-28", "2024-11-28")
    assert found.bars == 0
    assert not path.exists()
    _, found = fetch("2030-01-01", "2030-01-02")
    assert found.bars == 0


def test_passing_faults_are_waited_for(fetch, rest_server) -> None:
    rest_server.bars = list(SAMPLES)
    rest_server.failures = [
        (503, "<html>", {}),
        (429, "{}", {"Retry-After": "0.1"}),
        (200, "{", {}),
    ]
    _, found = fetch()
    assert found.bars == len(SAMPLES)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, '{"message":"unauthorized."}', "keys do not work"),
        (403, '{"message":"forbidden."}', "keys do not work"),
        (403, '{"code":42210000,"message":"subscription does not permit"}', "says no"),
        (422, '{"code":42210000,"message":"invalid symbol"}', "says no"),
    ],
)
def test_what_waiting_does_not_mend_is_one_clear_line(
    fetch, rest_server, status, body, said
) -> None:
    rest_server.failures = [(status, body, {})] * 2
    with pytest.raises(SetupError, match=said):
        fetch()
    assert len(rest_server.asked) == 1


def test_a_server_that_is_down_is_given_up(fetch, rest_server) -> None:
    rest_server.is_down = True
    with pytest.raises(SetupError, match="does not answer"):
        fetch()
    assert (
        len(rest_server.asked) == 5
    )  # pauses of 0.02, 0.04, 0.08, 0.16 s; the next is the longest


def test_a_price_that_a_bar_cannot_hold_is_refused(fetch, rest_server) -> None:
    rest_server.bars = SAMPLES[:3]
    good = json.dumps({"bars": {"SPY": rest_server.rows_of(SAMPLES[:1])}, "next_page_token": None})
    price = repr(SAMPLES[0].open)
    rest_server.failures = [(200, good.replace(price, "597.12345678901234567", 1), {})]
    with pytest.raises(BarsFileError, match="more digits"):
        fetch()


def test_an_odd_volume_is_kept(fetch, rest_server) -> None:
    rest_server.bars = [SAMPLES[0]._replace(volume=12.5), *SAMPLES[1:3]]
    path, _ = fetch()
    assert read_bars([path]).volume.tolist()[0] == 12.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("2024-11-27", "2024-11-26", "x.parquet"), "before"),
        (("2024-11-25", "2024-11-26", "x.csv"), "ends in .parquet"),
        (("1800-11-25", "2024-11-26", "x.parquet"), "1970"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_anybody_is_asked(
    fetch, rest_server, words, said
) -> None:
    with pytest.raises(SetupError, match=said):
        fetch(*words)
    assert not rest_server.asked


def test_a_file_that_cannot_be_written_leaves_nothing(fetch, rest_server, tmp_path) -> None:
    rest_server.bars = list(SAMPLES)
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(BarsFileError, match="cannot be written"):
        fetch(out="folder/bars.parquet")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mqd", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


def keys_of(server) -> dict[str, str]:
    return {
        "APCA_API_KEY_ID": "PKCANARY",
        "APCA_API_SECRET_KEY": "canary secret",
        "MQD_ALPACA_DATA_URL": server.url,
    }


def test_the_command_fetches_and_a_backtest_reads_the_file(rest_server, tmp_path) -> None:
    rest_server.bars = list(SAMPLES)
    out = str(tmp_path / "spy.parquet")
    words = ("bars", "fetch", "spy", "--from", "2024-11-25", "--to", "2024-12-02", "--out", out)
    done = run(*words, **keys_of(rest_server))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{out}: {len(SAMPLES)} bars of SPY on 5 dates, iex\n"
    assert rest_server.asked[0]["feed"] == "iex"
    assert rest_server.headers[0]["APCA-API-SECRET-KEY"] == "canary secret"
    tested = run("backtest", "--bars", out, "--format", "json")
    assert tested.returncode == 0, tested.stderr


def test_the_command_says_in_one_line_what_is_wrong(rest_server, tmp_path) -> None:
    out = str(tmp_path / "x.parquet")
    words = ("bars", "fetch", "SPY", "--from", "2024-11-25", "--to", "2024-11-26", "--out", out)
    rest_server.failures = [(401, '{"message":"unauthorized. canary secret"}', {})]
    done = run(*words, **keys_of(rest_server))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "canary" not in done.stderr
    none = run(*words, **keys_of(rest_server))
    assert none.returncode == 1
    assert "no iex bars of SPY" in none.stderr
    wrong = run(*words[:3], "--from", "yesterday", *words[5:], **keys_of(rest_server))
    assert wrong.returncode == 2
    assert "--from yesterday" in wrong.stderr
