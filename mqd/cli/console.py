"""The terminal, or whatever stdout is instead."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from rich.console import Console

_PLAIN_WIDTH = 120
_DUMB = frozenset({"dumb", "unknown"})


def stdout_console() -> Console:
    """A console for stdout: colour is for eyes, so there is none in a pipe or under NO_COLOR."""
    is_terminal = sys.stdout.isatty()
    width: int | None = None if is_terminal else _PLAIN_WIDTH
    height: int | None = None
    if is_terminal and os.environ.get("TERM", "").lower() in _DUMB:
        width, height = shutil.get_terminal_size()  # rich takes every such terminal for 80 wide
    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=is_terminal,  # whatever a build server sets to have colour in its logs
        width=width,
        height=height,
        no_color=True if not is_terminal or os.environ.get("NO_COLOR") else None,
    )


def print_sentence(text: str) -> None:
    """Print a sentence: wrapped on a terminal, and in a pipe one line, as programs read it."""
    console = stdout_console()
    console.print(text, soft_wrap=not console.is_terminal)


def print_trimmed(console: Console, show: Callable[[], None]) -> None:
    """Print what `show` prints, without the blanks that tables leave at the ends of lines."""
    with console.capture() as captured:
        show()
    for line in captured.get().splitlines():
        print(line.rstrip())
