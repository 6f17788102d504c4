"""`mqd docs --watch` shows a rule edit soon after it was saved."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30


def _until(found, process) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "nothing was written in time"
        time.sleep(0.05)


def test_an_edit_reaches_the_pages_and_a_mistake_does_not_end_it(tmp_path):
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    limits = tmp_path / "rules" / "limits" / "desk.yaml"
    page = tmp_path / "docs" / "limits.md"
    words = [sys.executable, "-m", "mqd", "docs", "--watch"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        _until(lambda: page.is_file() and "limits.md" not in _half_written(page), process)
        text = limits.read_text(encoding="utf-8")
        limits.write_text(text.replace("    value: 10\n", "    valu: 10\n"), encoding="utf-8")
        time.sleep(0.5)
        limits.write_text(text.replace("    value: 10\n", "    value: 12.5\n"), encoding="utf-8")
        _until(lambda: "12.5" in page.read_text(encoding="utf-8"), process)
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "no longer watching" in said


def _half_written(page: Path) -> str:
    return "" if page.read_text(encoding="utf-8").endswith("\n") else page.name
