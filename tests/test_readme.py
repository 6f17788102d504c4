"""README's promises: two commands, each on one line, and no word that is not true."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python3 -m venv .*$", README, flags=re.MULTILINE)


def test_there_are_two_commands_and_each_is_one_line() -> None:
    blocks = re.findall(r"```\w*\n(.*?)\n```", README, flags=re.DOTALL)
    assert blocks == COMMANDS
    assert len(COMMANDS) == 2
    assert COMMANDS[0].endswith("/mqd run")
    assert COMMANDS[1].endswith(" -m pytest -n auto")


@pytest.mark.parametrize("command", COMMANDS, ids=["desk", "tests"])
def test_a_command_sets_everything_up_from_files_that_exist(command: str) -> None:
    locks = re.findall(r"-r (\S+)", command)
    assert len(locks) == 1
    assert (ROOT / locks[0]).is_file()
    assert "--require-hashes" in command
    assert "--no-deps --no-build-isolation -e ." in command


def test_the_two_commands_do_not_disturb_each_other() -> None:
    homes = [set(re.findall(r"\.venv[\w-]*", command)) for command in COMMANDS]
    assert [len(each) for each in homes] == [1, 1]
    assert homes[0] != homes[1]


def test_links_lead_to_files_that_exist() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    folders = re.findall(r"^\| `(\w+/)` \|", README, flags=re.MULTILINE)
    assert targets
    assert folders
    assert not [name for name in [*targets, *folders] if not (ROOT / name).exists()]


def test_the_rooms_it_lists_are_the_rooms_there_are() -> None:
    rows = re.findall(r"^\| \d½? \| (.*?) \|", README, flags=re.MULTILINE)
    named = {room for row in rows for room in re.findall(r"`(\w+)`", row)}
    assert named == {path.parent.name for path in (ROOT / "mqd").glob("*/__init__.py")}


def test_the_program_knows_every_command_it_names() -> None:
    named = set(re.findall(r"`mqd (\w[\w-]*)", README)) | {"run"}
    assert callable(importlib.import_module("mqd.cli").main)
    shown = subprocess.run(
        [sys.executable, "-m", "mqd", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert not [name for name in sorted(named) if not re.search(rf"\b{name}\b", shown)]


def test_the_version_is_said_once() -> None:
    version = importlib.import_module("mqd").__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert version not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
