"""`mqd docs --watch` shows a rule edit soon after it was saved."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from tests.commands import COMMAND, environment

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300


@contextmanager
def watching(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`mqd docs --watch`; one that says nothing more is ended, and then so is its text."""
    with subprocess.Popen(
        [*COMMAND, "docs", "--watch"], cwd=folder, env=environment(), stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        impatient = Timer(PATIENCE_S, process.kill)
        impatient.start()
        try:
            yield process
        finally:
            impatient.cancel()
            process.kill()


def hear(process: subprocess.Popen[str], words: str) -> None:
    """Read on to a line with these words."""
    assert process.stdout is not None
    assert any(words in line for line in process.stdout), f"it never said {words!r}"


def test_an_edit_reaches_the_pages_and_a_mistake_does_not_end_it(tmp_path):
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    limits = tmp_path / "rules" / "limits" / "desk.yaml"
    page = tmp_path / "docs" / "limits.md"
    with watching(tmp_path) as process:
        hear(process, "pages written")
        assert "12.5" not in page.read_text(encoding="utf-8")
        text = limits.read_text(encoding="utf-8")
        limits.write_text(text.replace("    value: 10\n", "    valu: 10\n", 1), encoding="utf-8")
        hear(process, "valu")
        limits.write_text(text.replace("    value: 10\n", "    value: 12.5\n", 1), encoding="utf-8")
        hear(process, "pages written")
        assert "12.5" in page.read_text(encoding="utf-8")
        process.send_signal(signal.SIGINT)
        hear(process, "no longer watching")
        assert process.wait() == 0
