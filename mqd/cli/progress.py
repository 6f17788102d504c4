"""Progress for long work: a moving line on a terminal, nothing when piped; and what is awaited."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from mqd.model.event import BarClosed

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mqd.engine.state import DeskState
    from mqd.model.decision import Outcome
    from mqd.model.event import Event
    from mqd.runtime.desk import Watcher

_EVERY = 2_000


class _BarProgress:
    """Counts bars and moves the line now and then."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._bars = 0

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Count a bar."""
        if isinstance(event, BarClosed):
            self._bars += 1
            if self._bars % _EVERY == 0:
                self._progress.update(self._task, completed=self._bars)


_QUIET_S = 1.0  # what is over by then needs no words


@contextmanager
def waiting() -> Iterator[Callable[[str], None]]:
    """Takes what is waited for and says it on stderr, once each, when it takes longer."""
    awaited, since_s, said = "", time.monotonic(), ""

    def say(what: str) -> None:
        nonlocal awaited, since_s, said
        if what != awaited:
            awaited, since_s = what, time.monotonic()
        if what != said and time.monotonic() - since_s >= _QUIET_S:
            said = what
            typer.echo(f"mqd: waiting for {what}", err=True)

    yield say


@contextmanager
def bar_progress() -> Iterator[tuple[Watcher, ...]]:
    """The watchers that show progress: one on a terminal, none otherwise."""
    if not sys.stderr.isatty():
        yield ()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} bars"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield (_BarProgress(progress, progress.add_task("bars", total=None)),)
