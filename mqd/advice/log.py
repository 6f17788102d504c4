"""The notes as a file of JSON lines, beside the journal and apart from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from mqd.ground.errors import Unavailable
from mqd.model.advice import Advice, advice_of

LARGEST_BYTES = 64 * 1024 * 1024
"""The journal shares the disk: a flood of notes ends here and not in a full one."""


class AdviceFile:
    """Append-only notes in one file; several processes may append. No file is no note yet."""

    def __init__(self, path: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        self.path = path
        self._largest = largest_bytes

    def append(self, advice: Advice) -> None:
        """Write one line at the end, whole or not at all.

        Raises:
            Unavailable: the file is as large as it may become.
            OSError: it cannot be written.
        """
        line = (json.dumps(advice._asdict(), ensure_ascii=True) + "\n").encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        handle = os.open(self.path, flags, 0o600)
        try:
            if os.fstat(handle).st_size + len(line) > self._largest:
                raise Unavailable(f"{self.path.name} is as large as it may become")
            os.write(handle, line)
        finally:
            os.close(handle)

    def entries(self) -> Iterator[Advice]:
        """Every note; a line that is none is left out, and what it holds is made plain again."""
        if not self.path.is_file():
            return
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                advice = _read(line)
                if advice is not None:
                    yield advice


def _read(line: str) -> Advice | None:
    try:
        body = json.loads(line)
        names = ("model", "prompt_sha256", "subject", "text")
        made = advice_of(body["at_ns"], *(str(body[name]) for name in names))
        return made._replace(dropped_before=int(body["dropped_before"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
