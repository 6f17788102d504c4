"""From where a running desk can be told something: a file, a signal, its own disk, its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mqd.app.kill_file import KillFile
from mqd.app.operate import desk_time_ns, requested, would_move
from mqd.model.event import OperatorActed
from mqd.ports.clock import Clock
from mqd.runtime.desk import Desk
from mqd.runtime.interruptions import Interruptions, Source
from mqd.store.journal import SqlJournal

BY_SIGNAL = "signal"
BY_JOURNAL = "journal"


def interruptions_of(
    desk: Desk,
    journal: SqlJournal,
    clock: Clock,
    kill_file: Path | None,
    halt_wanted: Callable[[], bool],
    more: Iterable[Source] = (),
) -> Interruptions:
    """Everything that may break in; `halt_wanted` tells, once, that a signal asked for a halt."""
    sources: list[Source] = [
        lambda: _disk_full(journal, desk, clock),
        lambda: requested(journal, desk.state, clock),
        *more,
    ]
    if kill_file is not None:
        sources.append(KillFile(kill_file, desk, clock))  # last, so that no button outlives it
    # A signal leaves nothing behind: one that comes with the stop must not wait for a next look.
    return Interruptions(clock, sources, [lambda: _signalled(halt_wanted, desk, clock)])


def _signalled(
    halt_wanted: Callable[[], bool], desk: Desk, clock: Clock
) -> Iterator[OperatorActed]:
    if halt_wanted():
        yield OperatorActed(desk_time_ns(desk.state, clock), "halt", "", BY_SIGNAL, "SIGUSR1")


def _disk_full(journal: SqlJournal, desk: Desk, clock: Clock) -> Iterator[OperatorActed]:
    """On a full disk the journal lives on its reserve: enough to get out, not to get in."""
    if journal.space_is_low and would_move(desk, "reduce"):
        reason = "the disk is full; what is left of the journal's reserve is for exits"
        yield OperatorActed(desk_time_ns(desk.state, clock), "reduce", "", BY_JOURNAL, reason)
