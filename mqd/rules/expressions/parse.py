"""From text to Python's own syntax tree, within limits of size; nothing is compiled or run."""

from __future__ import annotations

import ast
import warnings
from typing import NamedTuple

LONGEST_TEXT = 500
MOST_NODES = 240
DEEPEST = 40

CODES = {
    "EXPR_SYNTAX": "The text is not an expression.",
    "EXPR_TOO_LARGE": "The expression is too long, too deep or has too many parts.",
}


class NotAnExpression(NamedTuple):
    """Why a text was refused, and at which character."""

    offset: int
    code: str
    message: str
    hint: str = ""


def parse(text: str) -> ast.expr | NotAnExpression:
    """Python's syntax tree of one expression; columns in it are offsets into `text`."""
    if len(text) > LONGEST_TEXT:
        return NotAnExpression(
            0, "EXPR_TOO_LARGE", f"The expression has more than {LONGEST_TEXT} characters."
        )
    for offset, character in enumerate(text):
        if not (character.isascii() and (character.isprintable() or character == "\n")):
            return NotAnExpression(offset, "EXPR_SYNTAX", "Only plain ASCII characters belong here.")
    one_line = text.replace("\n", " ").rstrip()
    lead = len(one_line) - len(one_line.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The opening parenthesis keeps columns true when the text starts with spaces.
            body = ast.parse(f"({one_line[1:]}\n)" if lead else one_line, mode="eval").body
    except SyntaxError as error:
        offset = max(0, min((error.offset or 1) - 1, len(text)))
        hint = "such as: bar.close >= vwap * (1 - entry_deviation_pct)"
        return NotAnExpression(offset, "EXPR_SYNTAX", "This is not an expression.", hint)
    except (MemoryError, RecursionError, ValueError):
        return NotAnExpression(0, "EXPR_TOO_LARGE", "The expression is nested too deeply.")
    return body if _is_small(body) else _TOO_MANY_PARTS


_TOO_MANY_PARTS = NotAnExpression(0, "EXPR_TOO_LARGE", "The expression has too many parts.")


def _is_small(body: ast.expr) -> bool:
    level: list[ast.AST] = [body]
    count = depth = 0
    while level:
        depth += 1
        count += len(level)
        if depth > DEEPEST or count > MOST_NODES:
            return False
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return True
