"""The two halves of a key are shown by nothing: output, log, journal, error or repr."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from mqd.app.account import account_of
from mqd.app.lines import Lines, session_of
from mqd.app.live import LiveRun
from mqd.app.run import RunPlan
from mqd.app.settings import read_settings
from mqd.brokers.alpaca.broker import unheard
from mqd.feeds.samples import write_samples
from mqd.ground.errors import MqdError
from mqd.runtime.clock import SystemClock

CANARY = "canary"
PATIENCE_S = 30.0
SIGNED = ("--by", "ada", "--reason", "a look")


@pytest.fixture
def silent(caplog, tmp_path) -> Callable[..., None]:
    """Asserts that no text, no log record so far and no file of this test sings."""
    caplog.set_level(logging.DEBUG)

    def check(*texts: object) -> None:
        for text in (*map(str, texts), caplog.text):
            assert CANARY not in text.lower()
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        for path in files:
            assert CANARY.encode() not in path.read_bytes().lower(), path

    return check


@contextmanager
def stopped_when(holds: Callable[[], object], then: Callable[[], object]) -> Iterator[None]:
    """Does something once, and then presses Ctrl-C, while a command runs in this process."""

    def wait() -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not holds() and time.monotonic() < until_s:
            time.sleep(0.02)
        then()
        os.kill(os.getpid(), signal.SIGINT)

    thread = Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_the_canaries_sing_where_they_are(variables, silent):
    """The check itself: these keys hold what is looked for."""
    assert CANARY in variables["APCA_API_KEY_ID"].lower()
    assert CANARY in variables["APCA_API_SECRET_KEY"].lower()
    with pytest.raises(AssertionError):
        silent(json.dumps(variables))


def test_doctor_says_no_key(mqd, exchange, silent):
    for fault in (None, {"kind": "missing_field", "request": "account", "field": "cash"},
                  {"kind": "keys_revoked"}):  # fmt: skip
        if fault is not None:
            exchange.plan(**fault)
        for form in ("text", "json"):
            done = mqd("doctor", "--config", "practice", "--format", form)
            assert done.out
            silent(done.out, done.err)


@pytest.mark.parametrize("is_revoked", [False, True])
def test_a_run_says_no_key(mqd, exchange, silent, tmp_path, is_revoked):
    def listens() -> bool:
        state = exchange.state()
        return bool(state["bars_heard"])

    def play() -> None:
        for _ in range(5):
            exchange.step()
            time.sleep(0.1)
        if is_revoked:
            exchange.plan(kind="keys_revoked")
            for stream in ("trade_updates", "bars"):
                exchange.plan(kind="stream_dropped", stream=stream)
            time.sleep(5.0)  # the streams are refused twice

    with stopped_when(listens, play):
        done = mqd("run", "--config", "practice", "--db", "desk.db")
    assert done.code == 0, done.err
    assert "practice" in done.out
    assert ("LockedOutError" in done.out) is is_revoked
    assert (tmp_path / "desk.db").stat().st_size
    silent(done.out, done.err)
    for words in (("status",), ("journal", "tail"), ("journal", "export"), ("report", "daily")):
        told = mqd(*words, "--db", "desk.db")
        silent(told.out, told.err)


def test_a_run_that_does_not_start_says_no_key(mqd, exchange, silent, monkeypatch):
    exchange.plan(kind="keys_revoked")
    done = mqd("run", "--config", "practice", "--db", "desk.db")
    assert done.code == 2
    silent(done.out, done.err)
    monkeypatch.setenv("MQD_ALPACA_TRADING_URL", "https://paper-api.alpaca.markets")
    monkeypatch.setenv("APCA_API_KEY_ID", "AKCANARY")
    done = mqd("run", "--config", "paper", "--db", "desk.db")
    assert done.code == 2
    assert "AK" in done.err
    silent(done.out, done.err)


def test_a_comparison_says_no_key(mqd, desk, exchange, silent):
    path = desk()
    for words in (("--dry-run",), (), ("--adopt", *SIGNED)):
        done = mqd("reconcile", *words, "--db", path)
        assert done.code == 0, done.err
        silent(done.out, done.err)
    exchange.plan(kind="keys_revoked")
    done = mqd("reconcile", "--db", path)
    assert done.code == 2
    silent(done.out, done.err)


def test_an_exchange_says_only_keys_of_its_own(mqd, silent, tmp_path, exchange):
    silent(json.dumps(exchange.books()), json.dumps(exchange.state()), repr(exchange))
    write_samples(tmp_path / "bars.csv")
    with stopped_when(lambda: True, lambda: time.sleep(2.0)):
        done = mqd("exchange", "--bars", "bars.csv", "--port", "0", "--speed", "step")
    assert done.code == 0
    assert "APCA_API_KEY_ID=PKPRACTICEDESK" in done.out
    silent(done.out, done.err)


def test_no_error_and_no_repr_shows_a_key(exchange, variables, book, tmp_path: Path, silent):
    settings = read_settings("practice")
    account, clock = account_of(settings, variables), SystemClock()
    plan = RunPlan(book, (), settings, str(tmp_path / "desk.db"))
    session = session_of(account, book.broker_words, clock)
    lines = Lines(account, book.broker_words, clock, unheard)
    run = LiveRun(plan, account, clock)
    silent(*map(repr, (account, account.keys, exchange.settings, plan, session, lines, run)))
    silent(repr(lines.broker), repr(run.broker), repr(run.desk), repr(run.clock))
    session.close()
    with lines:
        pass
    run.run((), lambda: True)
    exchange.plan(kind="keys_revoked")
    with pytest.raises(MqdError) as refused:
        LiveRun(plan, account, clock)
    silent(repr(refused.value), "".join(traceback.format_exception(refused.value)))
