"""The heartbeat's file and systemd's socket: a real file, a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqd.engine.state import DeskState
from mqd.ground.errors import SettingsError
from mqd.model.decision import NOTHING
from mqd.model.event import ClockTicked
from mqd.notify.heartbeat import Heartbeat
from mqd.notify.supervisor import Supervisor

TICK = ClockTicked(1)


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self.at_ns

    def sleep(self, duration_s: float) -> None:
        self.at_ns += round(duration_s * 1_000_000_000)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def _tick(watcher: Heartbeat | Supervisor) -> None:
    watcher.saw(TICK, NOTHING, DeskState())


def _age(path: Path) -> None:
    os.utime(path, (0, 0))


def test_the_file_is_touched_at_most_once_a_second(tmp_path, clock):
    path = tmp_path / "beat"
    heartbeat = Heartbeat(path, clock)
    assert path.exists()
    _age(path)
    _tick(heartbeat)
    assert path.stat().st_mtime > 0
    for passed_s, is_touched in ((0.5, False), (0.4, False), (0.2, True), (0.9, False)):
        _age(path)
        clock.sleep(passed_s)
        _tick(heartbeat)
        assert (path.stat().st_mtime > 0) is is_touched, passed_s
    assert heartbeat.close("", 0.0) == ()


def test_a_file_that_cannot_be_touched_later_stops_nothing(tmp_path, clock):
    folder = tmp_path / "run"
    folder.mkdir()
    heartbeat = Heartbeat(folder / "beat", clock)
    (folder / "beat").unlink()
    folder.rmdir()
    _tick(heartbeat)
    folder.mkdir()
    clock.sleep(1)
    _tick(heartbeat)
    assert (folder / "beat").exists()


def test_a_file_that_cannot_be_touched_at_the_start_is_said(tmp_path, clock):
    with pytest.raises(SettingsError, match=r"heartbeat_file: .*cannot be touched: No such file"):
        Heartbeat(tmp_path / "no" / "beat", clock)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(5)
        yield line


def _heard(line: socket.socket) -> list[str]:
    line.setblocking(False)
    found = []
    while True:
        try:
            found.append(line.recv(100).decode())
        except BlockingIOError:
            return found


@pytest.mark.parametrize("is_abstract", [False, True])
@pytest.mark.case(152)
def test_systemd_hears_ready_then_life_then_the_end(is_abstract, tmp_path, clock, listener):
    name = f"mqd-{os.getpid()}-{tmp_path.name}" if is_abstract else str(tmp_path / "socket")
    try:
        listener.bind(f"\0{name}" if is_abstract else name)
    except OSError:
        pytest.skip("this system has no abstract sockets")
    supervisor = Supervisor(f"@{name}" if is_abstract else name, clock)
    assert _heard(listener) == []
    for passed_s in (0.0, 0.5, 0.6, 0.3, 1.0):
        clock.sleep(passed_s)
        _tick(supervisor)
    assert supervisor.close("", 0.0) == ()
    assert _heard(listener) == ["READY=1\nWATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_a_supervisor_that_is_gone_or_does_not_listen_stops_nothing(tmp_path, clock, listener):
    gone = Supervisor(str(tmp_path / "nobody"), clock)
    _tick(gone)
    assert gone.close("", 0.0) == ()
    name = str(tmp_path / "socket")
    listener.bind(name)
    full = Supervisor(name, clock)
    for _ in range(1_000):  # far more than a socket keeps
        clock.sleep(1)
        _tick(full)
    assert 0 < len(_heard(listener)) < 1_000
