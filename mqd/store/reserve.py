"""Room on the disk that is kept for when there is none left.

A file of real bytes beside a SQLite journal. When the disk is full it is given up, so that the
exits of what is held can still be written down before they are sent.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from mqd.ground.errors import SettingsError

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Reserve:
    """`<journal>.reserve`, so many bytes long; nothing where the size is 0."""

    def __init__(self, journal: Path, size_bytes: int) -> None:
        self._path = journal.with_name(journal.name + ".reserve")
        self._size_bytes = size_bytes

    def fill(self) -> bool:
        """Make the file if it is not there whole; False where the disk has no room for it.

        Raises:
            SettingsError: it cannot be made for another reason.
        """
        if not self._size_bytes:
            return True
        try:
            if self._path.exists() and self._path.stat().st_size == self._size_bytes:
                return True
            _write(self._path, self._size_bytes)
        except OSError as error:
            if error.errno not in _FULL:
                raise SettingsError(f"cannot make {self._path}: {error.strerror}") from error
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        return True

    def free_if_full(self) -> bool:
        """Give the room away where the disk has not as much again; False if it has, or none was."""
        tried = self._path.with_name(self._path.name + ".tried")
        is_full = False
        try:
            _write(tried, self._size_bytes)
        except OSError as error:
            is_full = error.errno in _FULL
        with suppress(OSError):
            tried.unlink(missing_ok=True)
        return is_full and self.free()

    def free(self) -> bool:
        """Give the room to whoever writes next; False if there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def _write(path: Path, size_bytes: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        # A file system may keep no blocks for a file of zeros.
        file.write(os.urandom(size_bytes))
        file.flush()
        os.fsync(file.fileno())
