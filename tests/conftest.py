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
OF_THE_MOMENT = ("daily_loss_limit", "time_window")
"""The protections that remember nothing: beside the others, which have tests of their own, a desk
could not be shown to enter twice within minutes."""
PORTFOLIO = "desk/portfolio.yaml"


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

    Of the protections those that remember nothing are kept, unless `protections` says otherwise.
    `copies={new file: (old file, {old: new})}` adds files before that; a strategy that is added
    gets a share of the account too, and is asked after those that had one; the assumed account is
    one that its share of buys an entry.
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
            if name.startswith("strategies/"):
                _share(root / PORTFOLIO, Path(name).stem)
        if copies:
            limits = root / "limits/desk.yaml"
            _write(limits, limits.read_text(encoding="utf-8"), {"value: 2500\n": "value: 6000\n"})
        for name, words in (edits or {}).items():
            _write(root / name, (root / name).read_text(encoding="utf-8"), words)
        return load_rules(root, Changes(**{"protections": OF_THE_MOMENT} | changes))

    return load


def _share(path: Path, strategy: str) -> None:
    text = path.read_text(encoding="utf-8")
    given = f"  {strategy}:\n    share: 0.1\n    min: 0\n    max: 1\n    because: A test.\n"
    path.write_text(text.replace("\nreallocation:", f"{given}\nreallocation:"), encoding="utf-8")


def _write(path: Path, text: str, words: dict[str, str]) -> None:
    for old, new in words.items():
        assert old in text, f"{path.name} does not say {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
