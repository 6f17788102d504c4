"""What the tests of several rooms need: the shipped rules with other words, the record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mqd.app.proofs import FILE, record_proof
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def proofs() -> Iterator[dict[str, dict[str, Any]]]:
    """Figures of what was proved; MQD_RECORD_PROOFS=1 puts them into the record of proofs."""
    found: dict[str, dict[str, Any]] = {}
    yield found
    if os.environ.get("MQD_RECORD_PROOFS") == "1":
        for name, figures in found.items():
            record_proof(name, figures, ROOT / FILE)


@pytest.fixture
def edited(tmp_path) -> Callable[..., RuleBook]:
    """The shipped rules with words replaced: `edited({file: {old: new}}, symbol="QQQ")`.

    `copies={new file: (old file, {old: new})}` adds files before that.
    """

    def load(
        edits: dict[str, dict[str, str]] | None = None,
        copies: dict[str, tuple[str, dict[str, str]]] | None = None,
        **changes: Any,
    ) -> RuleBook:
        root = tmp_path / f"rules{len(list(tmp_path.iterdir()))}"
        shutil.copytree(ROOT / "rules", root)
        for name, (original, words) in (copies or {}).items():
            _write(root / name, (root / original).read_text(encoding="utf-8"), words)
        for name, words in (edits or {}).items():
            _write(root / name, (root / name).read_text(encoding="utf-8"), words)
        return load_rules(root, Changes(**changes))

    return load


def _write(path: Path, text: str, words: dict[str, str]) -> None:
    for old, new in words.items():
        assert old in text, f"{path.name} does not say {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
