"""The command line as an operator meets it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mqd.app.bars import recorded_feed
from mqd.app.settings import Settings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.model.command import Command, SubmitOrder, TakeSnapshot
from mqd.model.event import DeskStarted, SnapshotTaken
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk
from mqd.store.journal import open_journal
from tests.commands import command

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC_TRADES = 4
SENT = (signal.SIGINT, signal.SIGHUP)


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **changes}


@pytest.fixture(autouse=True)
def signals_are_heard() -> Iterator[None]:
    """A process that a test starts hears Ctrl-C and a hang-up, as it does on a terminal.

    Who runs the tests under `nohup`, or behind an `&`, ignores them, and that is inherited.
    """
    ignored = [each for each in SENT if signal.getsignal(each) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda _number, _frame: None)  # of the child it is the default again
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


Mqd = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mqd(tmp_path: Path) -> Mqd:
    """Runs `mqd` with words in the test's folder; never by itself an error."""

    def run(*words: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
        return command(*words, cwd=tmp_path, env=environment(**changes))

    return run


@pytest.fixture(scope="session")
def sample_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of one run over the shipped samples; tests only read it."""
    folder = tmp_path_factory.mktemp("samples")
    path = folder / "desk.db"
    done = command("run", "--db", path, "--format", "json", cwd=folder, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    return path


class Answering:
    """A broker that answers a request for everything with nothing, and keeps orders to itself."""

    def __init__(self) -> None:
        self.sent: list[Command] = []

    def send(self, command: Command) -> None:
        self.sent.append(command)

    def observe(self, event: object, *, accepted: bool) -> None:
        pass

    def replies(self) -> Iterator[Any]:
        for each in self.sent:
            if isinstance(each, TakeSnapshot):
                yield SnapshotTaken(each.at_ns, each.at_ns, None, (), (), ())
        self.sent = [item for item in self.sent if isinstance(item, SubmitOrder)]


@pytest.fixture
def entered(tmp_path: Path) -> Callable[[], AbstractContextManager[tuple[Desk, str, Path]]]:
    """A desk that has just sent its first entry, which nobody has answered; with its journal."""

    @contextmanager
    def opened() -> Iterator[tuple[Desk, str, Path]]:
        path, broker = tmp_path / "entered.db", Answering()
        book = load_rules(ROOT / "rules")
        with open_journal(str(path), SystemClock(), write=True) as journal:
            journal.remember_rules(book.digest, book.canonical)
            desk = Desk(Engine.of(compile_book(book)), DeskState(), journal, broker)
            desk.take(DeskStarted(0, book.digest, Settings().profile, "test"))
            for event in recorded_feed((), book).events():
                for reply in broker.replies():
                    desk.take(reply)
                desk.take(event)
                if desk.state.working:
                    break
            (order_id,) = desk.state.working
            yield desk, order_id, path

    return opened
