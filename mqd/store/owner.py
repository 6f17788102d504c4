"""One process owns a journal and an account; a second one is refused, readers need nothing.

For a SQLite file the owner holds a lock on a small file beside it; for PostgreSQL it holds an
advisory lock on its connection. An account is owned in the same two ways, whichever journal its
desk writes. All of them go away with the process, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, text

from mqd.ground.errors import JournalInUseError, SettingsError

_LOCK_SUFFIX = ".owner"
# Any numbers will do as long as every mqd uses the same ones; these are 'mqd' and 'mqa' in ASCII.
_ADVISORY_JOURNAL = 0x6D7164
_ADVISORY_ACCOUNT = 0x6D7161
_NAME_DIGITS = 32


class FileLock:
    """A lock on a small file, held until `release` or until the process ends.

    The file holds the owner's process id and stays behind: removing it could take the lock from
    under a process that is just opening it.
    """

    def __init__(self, path: Path, what: str, hint: str) -> None:
        """Take the lock; `what` is owned with it, `hint` is for who comes second.

        Raises:
            JournalInUseError: another process, or another lock of this one, owns it.
            SettingsError: the lock file cannot be made.
        """
        try:
            self._descriptor: int | None = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise SettingsError(f"cannot make {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            self.release()
            raise JournalInUseError(
                f"{what} is in use by process {owner or 'unknown'}; {hint}"
            ) from error
        with suppress(OSError):  # on a full disk the lock holds all the same; only its owner's
            os.ftruncate(self._descriptor, 0)  # number is for people
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; a second call does nothing."""
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


class FileOwner(FileLock):
    """Owns the database file at `path`, by a lock on `<path>.owner`."""

    def __init__(self, path: Path) -> None:
        """Take ownership.

        Raises:
            JournalInUseError: another process, or another journal of this one, owns the file.
            SettingsError: the lock file cannot be made.
        """
        # Two names of one file must meet at one lock.
        lock_path = path.resolve().with_name(path.resolve().name + _LOCK_SUFFIX)
        super().__init__(lock_path, f"the journal {path}", _JOURNAL_HINT)


class AccountOwner(FileLock):
    """Owns a broker's account on this machine for this user, whichever journal its desk writes.

    The lock file is in the user's runtime folder; its name does not tell the account.
    """

    def __init__(self, account_id: str) -> None:
        """Take ownership.

        Raises:
            JournalInUseError: another process, or another journal of this one, trades the account.
            SettingsError: the lock file cannot be made, or its folder is somebody else's.
        """
        name = sha256(account_id.encode()).hexdigest()[:_NAME_DIGITS]
        what = f"the account {account_id}"
        super().__init__(_runtime_folder() / f"account-{name}{_LOCK_SUFFIX}", what, _ACCOUNT_HINT)


_JOURNAL_HINT = "one process owns a journal: stop that one first, or choose another with --db"
_ACCOUNT_HINT = "one process trades an account: stop that one first"


def own_schema(connection: Connection, where: str) -> None:
    """Own the PostgreSQL schema of `connection` for as long as the connection lives.

    Raises:
        JournalInUseError: another connection owns it; its server process is named.
    """
    schema = str(connection.scalar(text("SELECT current_schema()")))
    _own_on_server(connection, _ADVISORY_JOURNAL, schema, f"the journal {where}", _JOURNAL_HINT)


def own_account(connection: Connection, account_id: str) -> None:
    """Own the account among all journals of one PostgreSQL database, on whatever machine.

    Raises:
        JournalInUseError: another connection owns it; its server process is named.
    """
    what = f"the account {account_id}"
    _own_on_server(connection, _ADVISORY_ACCOUNT, account_id, what, _ACCOUNT_HINT)


def _own_on_server(connection: Connection, kind: int, name: str, what: str, hint: str) -> None:
    key = {"kind": kind, "name": name}
    if connection.scalar(text("SELECT pg_try_advisory_lock(:kind, hashtext(:name))"), key):
        return
    owner = connection.scalar(
        text(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = :kind AND objid::bigint = (hashtext(:name)::bigint & 4294967295)"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        key,
    )
    raise JournalInUseError(f"{what} is in use by server process {owner or 'unknown'}; {hint}")


def _runtime_folder() -> Path:
    """A folder that only this user can write and that a restart of the machine empties.

    Raises:
        SettingsError: it cannot be made, or belongs to somebody else.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(given, "mqd") if given else Path(tempfile.gettempdir(), f"mqd-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise SettingsError(f"cannot make the folder {folder}: {error.strerror}") from error
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise SettingsError(f"the folder {folder} belongs to somebody else; mqd keeps locks there")
    return folder
