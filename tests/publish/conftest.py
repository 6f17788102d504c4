"""The shipped rule book, and folders of rules that a test may change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mqd.publish.pages import render_pages
from mqd.publish.rulefiles import read_sources
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.fixture(scope="session")
def pages(book: RuleBook) -> dict[str, str]:
    return render_pages(book, read_sources(book))


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., RuleBook]:
    """The rules with pieces of one file replaced; every piece must be there, once."""

    def edit(name: str, *changes: tuple[str, str]) -> RuleBook:
        folder = tmp_path / "somewhere" / "rules"
        shutil.copytree(ROOT / "rules", folder, dirs_exist_ok=True)
        path = folder / name
        content = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {name}"
            content = content.replace(old, new)
        path.write_text(content, encoding="utf-8", newline="\n")
        return load_rules(folder)

    return edit
