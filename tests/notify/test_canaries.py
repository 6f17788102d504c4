"""Secrets as canaries: whatever runs and fails with them, nothing says them anywhere.

The command line runs in a process of its own, in a folder of its own; every byte that it wrote
there, to its streams and to the place of messages is searched.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mqd.app.account import account_of
from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import read_settings
from mqd.app.watchers import close_watchers, outside_watchers
from mqd.model.event import DeskStarted, UnreadableReceived
from mqd.notify.notifier import AppriseNotifier
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.loop import Loop

pytest.importorskip("apprise", reason="the extra `notify` is not installed")
ROOT = Path(__file__).resolve().parents[2]
KEYS = {"APCA_API_KEY_ID": "PKCANARY1", "APCA_API_SECRET_KEY": "canary-secret-2"}
USER = "canary-user:canary-password@"
PATH = "/canary-token/?+X-Key=canary-header&rto=1&cto=1"
CANARY = re.compile(rb"canary", re.IGNORECASE)
CONFIG = """\
profile: samples
broker: simulated
reject_every: 2
journal: var/runs
kill_file: stop
heartbeat_file: beat
notify: MQD_NOTIFY_URLS
"""
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "desk.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


@pytest.fixture
def mqd(desk: Path) -> Run:
    """Runs `mqd` with all canaries set, and looks for them in what it said."""

    def run(*words: str, urls: str, **changes: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "mqd", *words],
            cwd=desk,
            env={
                **os.environ,
                **KEYS,
                "PYTHONPATH": str(ROOT),
                "MQD_NOTIFY_URLS": urls,
                **changes,
            },
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert not CANARY.search(done.stdout + done.stderr), words
        return done

    return run


def _no_canary_under(folder: Path) -> int:
    """How many files were searched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        assert not CANARY.search(path.read_bytes()), path.name
    return len(files)


@pytest.mark.case(153)
def test_a_whole_run_with_a_halt_says_no_secret(mqd, desk, place_that):
    place, refusing = place_that(200), place_that(500)
    (desk / "stop").write_text("somebody is worried\n", encoding="utf-8")
    urls = f"{place.address(USER, PATH)} {refusing.address(USER, PATH)}"
    done = mqd("run", "--config", "desk.yaml", urls=urls)
    assert done.returncode == 0, done.stderr
    assert b"not delivered to address 2 of MQD_NOTIFY_URLS" in done.stderr
    assert "halt by kill file: somebody is worried" in place.texts
    assert "session of 2024-12-02 closed" in place.texts
    assert "canary" not in place.texts.lower()
    for words in (
        ("status",), ("journal", "export"), ("report", "daily"), ("why",), ("docs",),
        ("reconcile", "--dry-run"), ("validate-rules",),
    ):  # fmt: skip
        mqd(*words, urls=urls)
    assert (desk / "beat").exists()
    assert _no_canary_under(desk) > 5


@pytest.mark.case(153)
def test_an_incident_says_no_secret(desk, place_that, monkeypatch):
    """What the shipped samples do not do to a desk is done here, on its own journal."""
    monkeypatch.chdir(desk)
    place = place_that(200)
    environment = {**KEYS, "MQD_NOTIFY_URLS": place.address(USER, PATH)}
    settings = read_settings(str(desk / "desk.yaml"))
    plan = RunPlan(load_rules(ROOT / "rules"), (), settings, f"sqlite:///{desk / 'desk.db'}")
    desk_run = DeskRun(plan, SystemClock())
    watchers = outside_watchers(settings, environment, SystemClock())
    loop = Loop(desk_run.desk, watchers)
    loop.start(DeskStarted(1, plan.book.digest, "samples", "test"))
    loop.take(UnreadableReceived(2, "trade_updates", "an unknown word", "{}"))
    desk_run.journal.close()
    shown = [repr(watchers), str(watchers), repr(settings), repr(vars(watchers[-1]))]
    assert close_watchers(watchers, ValueError(environment)) == ()
    assert "UnreadableNewsError" in place.texts
    assert "ended: ValueError" in place.texts
    assert not CANARY.search("\n".join([*shown, place.texts]).encode())
    with_keys = repr(account_of(read_settings("paper"), environment))
    assert not CANARY.search(with_keys.encode())
    assert not CANARY.search(repr(AppriseNotifier(place.address(USER, PATH))).encode())
    assert _no_canary_under(desk) > 1


@pytest.mark.parametrize(
    ("urls", "config", "said"),
    [
        ("nonsense://canary", CONFIG, b"address 1 of MQD_NOTIFY_URLS: apprise knows no such"),
        ("canary", CONFIG, b"apprise knows no such address"),
        ("", CONFIG, b"MQD_NOTIFY_URLS is not set"),
        ("", CONFIG.replace("MQD_NOTIFY_URLS", "json://canary@here"), b"names of environment"),
        ("", CONFIG.replace("MQD_NOTIFY_URLS", "json://canary:canary@here/?a=b"), b"names of"),
    ],
)
def test_what_is_refused_is_told_in_one_line_without_it(urls, config, said, mqd, desk):
    (desk / "desk.yaml").write_text(config, encoding="utf-8")
    done = mqd("run", "--config", "desk.yaml", urls=urls)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not (desk / "var").exists()


@pytest.mark.parametrize(
    "words", [("run", "--config", "own.yaml"), ("doctor", "--config", "own.yaml")]
)
def test_a_desk_with_an_account_that_cannot_be_reached_says_no_secret(
    words, mqd, desk, place_that, dead_address
):
    """Real keys, a broker that is not there: the end is told, the keys are not."""
    place, port = place_that(200), dead_address.split(":")[2].partition("/")[0]
    paper = (ROOT / "config" / "paper.yaml").read_text(encoding="utf-8")
    paper = re.sub(r"(https|wss)(://)[^/\s]+", rf"\1\g<2>127.0.0.1:{port}", paper)
    (desk / "own.yaml").write_text(f"{paper}notify: MQD_NOTIFY_URLS\n", encoding="utf-8")
    done = mqd(*words, urls=place.address(USER, PATH))
    assert done.returncode in {1, 2}
    assert done.stdout + done.stderr
    if words[0] == "run":
        assert "the desk has ended: this desk does not start" in place.texts
    assert "canary" not in place.texts.lower()
    _no_canary_under(desk)


def test_without_apprise_one_line_says_so(mqd, desk, tmp_path):
    (tmp_path / "apprise.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    done = mqd(
        "run", "--config", "desk.yaml", urls="json://canary",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )  # fmt: skip
    assert done.returncode == 2
    assert b" -m pip install apprise" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_dead_place_is_told_at_the_end_and_the_desk_did_its_day(mqd, desk, dead_address):
    done = mqd("run", "--config", "desk.yaml", "--sessions", "1", urls=dead_address)
    assert done.returncode == 0
    assert re.search(rb"\d not delivered to address 1 of MQD_NOTIFY_URLS", done.stderr)
    assert b"1 opened, 1 closed" in done.stdout
