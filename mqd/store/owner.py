"""One process owns a journal; a second writer is refused, readers need nothing.

For a SQLite file the owner holds a lock on a small file beside it; for PostgreSQL it holds an
advisory lock on its connection. Both go away with the process, however it dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, text

from mqd.ground.errors import JournalInUseError, SettingsError

_LOCK_SUFFIX = ".owner"
# Any number will do as long as every mqd uses the same one; this is 'mqd' in ASCII.
_ADVISORY_CLASS = 0x6D7164


class FileOwner:
    """Owns the database file at `path` until `release`, or until the process ends.

    The lock is on `<path>.owner`, which holds the owner's process id and stays behind: removing
    it could take the lock from under a process that is just opening it.
    """

    def __init__(self, path: Path) -> None:
        """Take ownership.

        Raises:
            JournalInUseError: another process, or another journal of this one, owns the file.
            SettingsError: the lock file cannot be made.
        """
        # Two names of one file must meet at one lock.
        lock_path = path.resolve().with_name(path.resolve().name + _LOCK_SUFFIX)
        try:
            self._descriptor: int | None = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(f"cannot make {lock_path}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            self.release()
            raise JournalInUseError(
                f"the journal {path} is in use by process {owner or 'unknown'};"
                " one process owns a journal: stop that one first, or choose another with --db"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of the file; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def own_schema(connection: Connection, where: str) -> None:
    """Own the PostgreSQL schema of `connection` for as long as the connection lives.

    Raises:
        JournalInUseError: another connection owns it; its server process is named.
    """
    key = {"class": _ADVISORY_CLASS}
    taken = connection.scalar(
        text("SELECT pg_try_advisory_lock(:class, hashtext(current_schema()))"), key
    )
    if taken:
        return
    owner = connection.scalar(
        text(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = :class AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1"
        ),
        key,
    )
    raise JournalInUseError(
        f"the journal {where} is in use by server process {owner or 'unknown'};"
        " one process owns a journal: stop that one first, or choose another with --db"
    )
