"""Progress for long work: a moving line on a terminal, nothing at all when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
