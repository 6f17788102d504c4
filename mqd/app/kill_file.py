"""The kill file: while it exists, the desk is halted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mqd.app.operate import desk_time_ns, would_move
from mqd.model.event import OperatorActed
from mqd.ports.clock import Clock
from mqd.runtime.desk import Desk
from mqd.store.database import file_of, journal_url

BY_FILE = "kill file"
SUFFIX = ".kill"
_HALT = "halt"
_REASON_LENGTH = 200


def kill_file(setting: str, place: str) -> Path | None:
    """The kill file of a journal: the one set, or `desk.db.kill` beside a SQLite file.

    A journal on a server has no file beside it: there only a set one counts.
    """
    if setting:
        return Path(setting)
    file = file_of(journal_url(place))
    return None if file is None else file.with_name(file.name + SUFFIX)


def is_there(path: Path) -> bool:
    """Whether there is anything under this name: a file, a folder, or a link to nowhere."""
    return os.path.lexists(path)


class KillFile:
    """A source of interruptions: halts the desk whenever it could move and the file is there.

    Removing the file resumes nothing; a desk that is resumed while it is there is halted again.
    """

    def __init__(self, path: Path, desk: Desk, clock: Clock) -> None:
        self._path = path
        self._desk = desk
        self._clock = clock

    def __call__(self) -> Iterator[OperatorActed]:
        """One halt, or nothing."""
        if is_there(self._path) and would_move(self._desk, _HALT):
            at_ns = desk_time_ns(self._desk.state, self._clock)
            yield OperatorActed(at_ns, _HALT, "", BY_FILE, reason_in(self._path))


def reason_in(path: Path) -> str:
    """The first line of the file, or that it says nothing."""
    if not path.is_file():  # reading from a pipe could wait for ever
        return f"{path.name} is there"
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            line = " ".join(file.readline(_REASON_LENGTH).split())
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror}"
    shown = "".join(letter for letter in line if letter.isprintable())
    return shown or f"{path.name} says nothing"
