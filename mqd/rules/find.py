"""Which files hold rules: found under one folder, read safely, named as a user names them.

A rules folder may come from somebody else's branch. Nothing outside it is read, nothing that
blocks is opened (a pipe, a device), and every cap is checked before the work it bounds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from mqd.ground.errors import SettingsError
from mqd.rules.load import MAX_BYTES
from mqd.rules.problems import Place, Problems

CODES: Final = {
    "FILE_LEAVES_ROOT": "A symbolic link leads out of the rules folder.",
    "FILE_NAME": "A file name holds characters that cannot be shown.",
    "FILE_NOT_REGULAR": "Something with a rule file's name is a pipe, a socket or a device.",
    "FILE_NOT_UTF8": "The file's bytes are not UTF-8 text.",
    "FILE_TOO_BIG": "The file is larger than a rule file may be.",
    "FILE_TOO_MANY": "The folder holds more files than a set of rules may.",
    "FILE_TOTAL_TOO_BIG": "The rule files together are larger than a set of rules may be.",
    "FILE_UNREADABLE": "A file or folder cannot be read.",
    "FILE_YML": "A rule file's name ends in something else than `.yaml`.",
}

MAX_FILES: Final = 500
MAX_ENTRIES: Final = 20_000
MAX_TOTAL_BYTES: Final = 8 * 1024 * 1024
_SMALLER: Final = "give the folder that holds the rules only"
_REAL: Final = "put the file itself here, or delete this"
_ACCESS: Final = "check who may read it, and whether it is still there"
_SHIPPED: Final = ("rules", "schemas", "config")


class RuleFile(NamedTuple):
    """One rule file: where it is, the path as a user would name it, and its whole text."""

    path: Path
    shown: str
    text: str


def find_rule_files(root: Path, problems: Problems) -> list[RuleFile]:
    """Every `*.yaml` file under `root`, sorted by its shown name, read as UTF-8.

    Files that cannot be used are told in `problems` and left out, and so is `*.cases.yaml`. A
    link to a folder inside `root` is not followed: what it shows is read where it is.

    Raises:
        SettingsError: `root` is no folder, or holds no rule file at all.
    """
    if not _is_folder(root):
        raise SettingsError(f"no rules folder at `{_shown(root)}`: expected a folder of *.yaml")
    before = len(problems)
    search = _Search(root, problems)
    found = sorted(search.files(), key=lambda file: file.shown)
    if not found and len(problems) == before:
        raise SettingsError(f"the rules folder `{_shown(root)}` holds no *.yaml file")
    return found


def shipped(name: str) -> Path:
    """The folder of the shipped `rules`, `schemas` or `config`.

    An installed package carries them inside itself; in a checkout they stand beside it.

    Raises:
        SettingsError: there is no such folder.
    """
    package = Path(__file__).resolve().parents[1]
    folders = (package / "_defaults" / name, package.parent / name)
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if name not in _SHIPPED or folder is None:
        raise SettingsError(f"the shipped folder `{name}` is missing: install the package again")
    return folder


def shipped_text(name: str, file: str) -> str:
    """The text of one file of a shipped folder.

    Raises:
        SettingsError: there is no such folder, or the file is missing from it.
    """
    path = shipped(name) / file
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"the shipped file `{_shown(path)}`: {_why(error)}") from error


class _Search:
    """One walk through a rules folder."""

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._problems = problems
        self._bytes = 0

    def files(self) -> Iterator[RuleFile]:
        """The readable rule files, until a cap is passed."""
        count = 0
        for path in self._candidates():
            count += 1
            if count > MAX_FILES:
                self._refuse(path, "FILE_TOO_MANY", f"More than {MAX_FILES} rule files.", _SMALLER)
                return
            data = self._read(path)
            if data is None:
                continue
            self._bytes += len(data)
            if self._bytes > MAX_TOTAL_BYTES:
                message = f"The rule files together are larger than {MAX_TOTAL_BYTES >> 20} MiB."
                self._refuse(path, "FILE_TOTAL_TOO_BIG", message, _SMALLER)
                return
            text = self._decoded(path, data)
            if text is not None:
                yield RuleFile(path, _shown(path), text)

    def _refuse(self, path: Path, code: str, message: str, hint: str = "") -> None:
        self._problems.add(Place(_shown(path), 1, 1), "", code, message, hint)

    def _candidates(self) -> Iterator[Path]:
        """Paths with a rule file's name, folder by folder in a fixed order."""
        folders, seen = [self._root], 0
        while folders:
            for entry in self._entries(folders.pop()):
                path = Path(entry.path)
                seen += 1
                if seen > MAX_ENTRIES:
                    message = f"The folder holds more than {MAX_ENTRIES:,} files."
                    self._refuse(self._root, "FILE_TOO_MANY", message, _SMALLER)
                    return
                if entry.is_symlink():
                    if not self._stays_inside(path) or _is_folder(entry):
                        continue
                elif _is_folder(entry):
                    folders.append(path)
                    continue
                if self._has_rule_name(path):
                    yield path

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                # One more than the cap is enough to know that it is passed.
                listed = list(islice(entries, MAX_ENTRIES + 1))
        except OSError as error:
            message = f"The folder cannot be read: {_why(error)}."
            self._refuse(folder, "FILE_UNREADABLE", message, _ACCESS)
            return []
        return sorted(listed, key=lambda entry: entry.name)

    def _has_rule_name(self, path: Path) -> bool:
        suffix = path.suffix
        if suffix.lower() not in {".yaml", ".yml"} or path.name.endswith(".cases.yaml"):
            return False
        if suffix != ".yaml":
            message = f"A rule file's name ends in `.yaml`, not `{suffix}`."
            self._refuse(path, "FILE_YML", message, f"rename it to `{_shown(path.stem)}.yaml`")
            return False
        if not path.name.isprintable():
            self._refuse(
                path,
                "FILE_NAME",
                "The file's name holds characters that do not show.",
                "rename it with letters, digits, `-` and `_`",
            )
            return False
        return True

    def _stays_inside(self, path: Path) -> bool:
        """True when what a link leads to is under the root; says so when it is not."""
        try:
            if path.resolve().is_relative_to(self._real_root):
                return True
            message = "This link leads out of the rules folder."
            self._refuse(path, "FILE_LEAVES_ROOT", message, "put the file itself here")
        except (OSError, RuntimeError):  # a link that leads to itself
            self._refuse(path, "FILE_UNREADABLE", "This link leads nowhere.", _REAL)
        return False

    def _read(self, path: Path) -> bytes | None:
        """The bytes of a regular file within the cap, or None with the reason told."""
        # Looked at before it is opened, because opening a device can act; and looked at again
        # when it is open, because another process may have put something else there since.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                self._refuse(path, "FILE_NOT_REGULAR", "This is not a regular file.", _REAL)
                return None
            with os.fdopen(os.open(path.resolve(), flags), "rb") as file:
                is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                data = file.read(MAX_BYTES + 1) if is_regular else b""
        except OSError as error:
            self._refuse(
                path, "FILE_UNREADABLE", f"The file cannot be read: {_why(error)}.", _ACCESS
            )
            return None
        if len(data) > MAX_BYTES:
            message = f"The file is larger than {MAX_BYTES // 1024} KiB."
            self._refuse(path, "FILE_TOO_BIG", message, "one rule is one file; split it")
            return None
        return data

    def _decoded(self, path: Path, data: bytes) -> str | None:
        """The text of a file; a byte order mark, which some editors write, is not part of it."""
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            # The codec counts from after a byte order mark; the object it names does not hold it.
            before = error.object[: error.start].decode("utf-8", "replace")
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            byte = error.object[error.start]
            message = f"The byte 0x{byte:02X} is not UTF-8 text."
            place = Place(_shown(path), line, column)
            self._problems.add(place, "", "FILE_NOT_UTF8", message, "save the file as UTF-8")
        return None


def _shown(path: Path | str) -> str:
    """The path as a user would name it; bytes that are no text are written as escapes."""
    text = path if isinstance(path, str) else path.as_posix()
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(ch if ch.isprintable() else f"\\x{ord(ch):02x}" for ch in text)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _is_folder(path: Path | os.DirEntry[str]) -> bool:
    """True for a folder; what cannot be looked at is none."""
    try:
        return path.is_dir()
    except OSError:
        return False
