"""From text to Python's own syntax tree, within limits of size; nothing is compiled or run."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import NamedTuple

LONGEST_TEXT = 2000
MOST_NODES = 240
DEEPEST = 40

CODES = {
    "EXPR_SYNTAX": "The text is not an expression.",
    "EXPR_TOO_LARGE": "The expression is too long, too deep or has too many parts.",
}

# The longer ones first: `=>` starts with `=`.
_OTHER_SIGNS = {
    "=>": ">=", "=<": "<=", "<>": "!=", "&&": "and", "||": "or",
    "=": "==", "&": "and", "|": "or", "!": "not",
}  # fmt: skip
# What a keyboard or a word processor puts in the place of a sign.
_PLAIN = {
    "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u2212": "-", "\u2013": "-", "\u2014": "-",
    "\u00d7": "*", "\u00f7": "/",
}  # fmt: skip
_CLOCK = re.compile(r"[0-9]:[0-9]")
_SHOUTED = re.compile(r"AND|OR|NOT|IN|IS")


class NotAnExpression(NamedTuple):
    """Why a text was refused, and at which character."""

    offset: int
    code: str
    message: str
    hint: str = ""


@lru_cache(maxsize=1024)  # the rules are read again and again while somebody writes them
def parse(text: str) -> ast.expr | NotAnExpression:
    """Python's syntax tree of one expression; columns in it are offsets into `text`.

    Who reads the tree leaves it as it is: the same one is given for the same text.
    """
    if len(text) > LONGEST_TEXT:
        return _too_large(f"The expression has more than {LONGEST_TEXT} characters.")
    refused = _unfit_character(text)
    if refused is not None:
        return refused
    one_line = text.replace("\n", " ")
    bare = one_line.strip(" ")
    lead = len(one_line) - len(one_line.lstrip(" "))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(bare, mode="eval").body
    except SyntaxError as error:
        return _not_python(error, bare, lead)
    except (MemoryError, RecursionError, ValueError):
        return _too_large("The expression is nested too deeply.")
    if not _is_small(body):
        return _too_large("The expression has too many parts.")
    _shift(body, lead)
    return body


def _unfit_character(text: str) -> NotAnExpression | None:
    """The first character that no expression holds, or the bracket that opens too deep.

    A `#` is one of them: Python would take what follows for a comment, and an author's words
    would silently count for nothing.
    """
    open_brackets = 0
    for offset, character in enumerate(text):
        if character == "#":
            hint = "a comment stands outside the quotes, or on a line of its own"
            return NotAnExpression(
                offset, "EXPR_SYNTAX", "`#` does not belong in an expression.", hint
            )
        if not (character.isascii() and (character.isprintable() or character == "\n")):
            message = "Only plain ASCII characters and spaces belong in an expression."
            plain = _PLAIN.get(character)
            hint = f"write `{plain}`" if plain else "type it again"
            return NotAnExpression(offset, "EXPR_SYNTAX", message, hint)
        open_brackets += (character in "([{") - (character in ")]}")
        if open_brackets > DEEPEST:
            return _too_large("The expression is nested too deeply.", offset)
    return None


def _not_python(error: SyntaxError, bare: str, lead: int) -> NotAnExpression:
    # Where the text ends too early, Python names no character of it.
    offset = min(error.offset - 1, len(bare)) if error.offset else len(bare)
    hint = "such as: bar.close >= vwap * (1 - entry_deviation_pct)"
    before = bare[offset - 1 : offset + 1] if offset else ""
    if before in _OTHER_SIGNS:  # Python may name the second character of two
        offset -= 1
    meant = [sign for sign in _OTHER_SIGNS if bare.startswith(sign, offset)]
    shouted = _SHOUTED.match(bare, offset)
    if "never closed" in error.msg:
        hint = "close this bracket"
    elif "unmatched" in error.msg:
        hint = "this bracket closes nothing"
    elif _CLOCK.search(bare):
        hint = "a time stands in a param or a limit, such as: clock.time in limits.entry_window"
    elif bare[offset : offset + 1] == "=" and bare[:offset].rstrip()[-1:] in {"<", ">", "!"}:
        hint = f"did you mean `{bare[:offset].rstrip()[-1]}=`?"
    elif meant:
        hint = f"did you mean `{_OTHER_SIGNS[meant[0]]}`?"
    elif shouted:
        hint = f"did you mean `{shouted.group().lower()}`?"
    return NotAnExpression(lead + offset, "EXPR_SYNTAX", "This is not an expression.", hint)


def _too_large(message: str, offset: int = 0) -> NotAnExpression:
    hint = "say it in several conditions, or with fewer brackets"
    return NotAnExpression(offset, "EXPR_TOO_LARGE", message, hint)


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


def _shift(body: ast.expr, lead: int) -> None:
    """Move every column right by the spaces that stood before the expression."""
    for node in ast.walk(body) if lead else ():
        if isinstance(node, (ast.expr, ast.keyword, ast.arg)):
            node.col_offset += lead
            node.end_col_offset = (node.end_col_offset or 0) + lead
