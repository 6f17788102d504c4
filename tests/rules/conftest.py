"""A copy of the shipped rules that a test may spoil, and what the rule check says of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mqd.rules.problems import Problem
from mqd.rules.validate import Report, validate

SHIPPED = Path(__file__).resolve().parents[2] / "rules"


class Folder:
    """A folder of rules under a test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def text(self, file: str) -> str:
        return (self.root / file).read_text(encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(text, encoding="utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        before = self.text(file)
        assert before.count(old) == 1, f"{old!r} stands {before.count(old)} times in {file}"
        self.write(file, before.replace(old, new))

    def remove(self, file: str) -> None:
        (self.root / file).unlink()

    def report(self) -> Report:
        return validate(self.root)

    def problems(self) -> list[Problem]:
        return list(self.report().problems)

    def told(self) -> list[tuple[str, int, int, str]]:
        """(file, line, column, code) of every problem, the file as seen from the folder."""
        root = self.root.as_posix() + "/"
        return [
            (one.place.file.removeprefix(root), one.place.line, one.place.column, one.code)
            for one in self.problems()
        ]

    def place(self, file: str, needle: str) -> tuple[str, int, int]:
        """Where the needle first stands in a file."""
        before, found, _ = self.text(file).partition(needle)
        assert found, f"{needle!r} is not in {file}"
        lines = before.split("\n")
        return file, len(lines), len(lines[-1]) + 1


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    shutil.copytree(SHIPPED, tmp_path / "rules")
    return Folder(tmp_path / "rules")
