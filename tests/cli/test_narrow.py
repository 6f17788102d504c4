"""Narrow terminals, dumb terminals, NO_COLOR and pipes: what is shown stays readable."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from mqd.cli.tables import print_table
from mqd.feeds.samples import write_samples

ROOT = Path(__file__).resolve().parents[2]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(r"\x1b\[([\d;]+;)?[349][0-7]m")
WORDS = ("MEAN_REVERSION", "vwap_micro_mean_reversion", "daily_loss_limit", "MAX_TRADES_REACHED")


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "samples.csv"
    write_samples(path)
    return path


@cache
def on_a_terminal(words: tuple[str, ...], columns: int, **changes: str) -> str:
    """What `mqd` writes to a terminal that is so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "mqd", *words],
        env={**kept, "PYTHONPATH": str(ROOT), **changes},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    return written.decode()


@pytest.mark.parametrize("terminal", ["dumb", "xterm-256color"])
@pytest.mark.parametrize("command", ["status", "report daily", "why", "backtest"])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_cut(
    sample_journal: Path, bars: Path, command: str, terminal: str
) -> None:
    source = ["--bars", str(bars)] if command == "backtest" else ["--db", str(sample_journal)]
    words = [*command.split(), *source]
    shown = on_a_terminal(tuple(words), 60, TERM=terminal, NO_COLOR="1")
    assert not COLOUR.search(shown)
    if terminal == "dumb":
        assert "\x1b" not in shown
    lines = ESCAPES.sub("", shown).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 60
    whole = on_a_terminal(tuple(words), 200, TERM="dumb")
    expected = [word for word in WORDS if word in whole]
    assert expected
    for word in expected:
        assert any(word in line for line in lines), word


def shown(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    rows = [("AAAA_BBBB", "1.5 %", "two words"), ("C", "100.0 %", "-")]
    print_table(console, ("Name", "Share", "What"), rows, frozenset({"Share"}))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_table_with_room_is_as_wide_as_its_cells() -> None:
    assert shown(80) == [
        "  Name         Share  What",
        "  AAAA_BBBB    1.5 %  two words",
        "  C          100.0 %  -",
    ]


def test_a_table_with_less_room_breaks_between_words() -> None:
    assert shown(28) == [
        "  Name         Share  What",
        "  AAAA_BBBB    1.5 %  two",
        "                      words",
        "  C          100.0 %  -",
    ]


def test_a_table_without_room_becomes_lists() -> None:
    assert shown(24) == [
        "  Name   AAAA_BBBB",
        "  Share  1.5 %",
        "  What   two words",
        "",
        "  Name   C",
        "  Share  100.0 %",
        "  What   -",
    ]
