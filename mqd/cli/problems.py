"""The problems of a rules folder, in the one form in which every command tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from mqd.ground.errors import RuleError

if TYPE_CHECKING:
    from mqd.rules.problems import Problem


def problems_text(problems: Sequence[object], folder: str) -> str:
    """Every problem with its line and hint, a blank line after each, and the summary line."""
    blocks = [f"{cast('Problem', problem).to_text()}\n" for problem in problems]
    return "\n".join([*blocks, summary_line(problems, folder)])


def summary_line(problems: Sequence[object], folder: str) -> str:
    """Where how many problems are."""
    return str(RuleError(problems, folder))
