"""The same sources build with zensical, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ZENSICAL = shutil.which("zensical")


@pytest.mark.skipif(ZENSICAL is None, reason="zensical is not installed")
def test_the_same_pages_build_with_zensical(tmp_path):
    for name in ("mkdocs.yml", "zensical.yml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    done = subprocess.run(
        [str(ZENSICAL), "build", "-f", "zensical.yml", "--strict"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "EXECUTION_INVARIANTS.html").read_text(encoding="utf-8")
    assert "PARTIALLY_FILLED" in page
    assert "fonts.googleapis" not in page
