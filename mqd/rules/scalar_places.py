"""Where each character of a scalar stands in the file, whatever style the scalar is written in.

A quoted or folded scalar is not its source: escapes are read, lines are joined, indentation is
taken away. A problem inside an expression still has to point at the author's own character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mqd.rules.problems import Place


class _Mark(NamedTuple):
    """One character of a scalar's value, and where in the file it comes from."""

    character: str
    line: int
    column: int


def character_places(raw: str, value: str, style: str, start: Place) -> tuple[tuple[int, int], ...]:
    """The (line, column) of each character of `value`; `raw` is its source, from `start` on."""
    _, line, column = start
    if style in {"|", ">"}:
        marks = _block_marks(raw, value, line, is_literal=style == "|")
    elif style:
        marks = _flow_marks(raw[1:-1], style, line, column + 1)
    else:
        marks = _flow_marks(raw, style, line, column)
    # A block's last line breaks may have been chomped, so the value is a start of the marks.
    if not "".join(mark.character for mark in marks).startswith(value):
        return ((line, column),) * len(value)
    return tuple((mark.line, mark.column) for mark in marks[: len(value)])


_ESCAPES: Final = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f",
    "r": "\r", "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0",
    "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX_DIGITS: Final = {"x": 2, "u": 4, "U": 8}
_ESCAPED_BREAK = re.compile(r"\\\r?\n")


def _flow_marks(raw: str, style: str, line: int, column: int) -> list[_Mark]:
    """The marks of a plain or quoted scalar: lines folded, escapes read."""
    marks: list[_Mark] = []
    blanks: list[_Mark] = []
    breaks: list[_Mark] = []
    joined = False  # a line break was escaped: nothing stands for it
    at, line_start = 0, 1 - column
    while at < len(raw):
        character, here = raw[at], (line, at - line_start + 1)
        if character in " \t":
            if not breaks and not joined:
                blanks.append(_Mark(character, *here))
        elif character == "\n":
            breaks.append(_Mark("\n", *here))
            line, line_start = line + 1, at + 1
        elif character != "\r":
            marks.extend(_folded(blanks, breaks, joined=joined))
            blanks, breaks, joined = [], [], False
            piece = _ESCAPED_BREAK.match(raw, at) if style == '"' else None
            if piece:
                joined, line, line_start, at = True, line + 1, piece.end(), piece.end()
                continue
            character, width = _unescaped(raw, at, style)
            marks.append(_Mark(character, *here))
            at += width - 1
        at += 1
    marks.extend(_folded(blanks, breaks, joined=joined))
    return marks


def _folded(blanks: list[_Mark], breaks: list[_Mark], *, joined: bool) -> list[_Mark]:
    """What the white space between two pieces of a flow scalar means: one break is a space."""
    if joined or not breaks:
        return breaks or blanks
    return [breaks[0]._replace(character=" ")] if len(breaks) == 1 else breaks[1:]


def _unescaped(raw: str, at: int, style: str) -> tuple[str, int]:
    """The character that stands at `at`, and how many characters it is written with."""
    if style == "'" and raw.startswith("''", at):
        return "'", 2
    if style != '"' or raw[at] != "\\":
        return raw[at], 1
    letter = raw[at + 1 : at + 2]
    width = 2 + _HEX_DIGITS.get(letter, 0)
    return _ESCAPES.get(letter) or chr(int(raw[at + 2 : at + width], 16)), width


def _block_marks(raw: str, value: str, line: int, *, is_literal: bool) -> list[_Mark]:
    """The marks of a `|` or `>` scalar, with all the line breaks that chomping may drop."""
    marks: list[_Mark] = []
    gap: _Mark | None = None
    empty: list[_Mark] = []
    follows_indented = False
    for number, indent, text in _block_lines(raw, value, line):
        end = indent + len(text) + 1
        if not text:
            empty.append(_Mark("\n", number, end))
            continue
        is_indented = text[0] in " \t"
        if gap and not is_literal and not follows_indented and not is_indented:
            if not empty:
                marks.append(gap._replace(character=" "))
        elif gap:
            marks.append(gap)
        marks.extend(empty)
        marks.extend(_Mark(text[i], number, indent + i + 1) for i in range(len(text)))
        gap, empty, follows_indented = _Mark("\n", number, end), [], is_indented
    return marks + ([gap] if gap else []) + empty


def _block_lines(raw: str, value: str, line: int) -> Iterator[tuple[int, int, str]]:
    """Each line under a block scalar's header: its number, its indentation, the text after it."""
    lines = [text.removesuffix("\r") for text in raw.split("\n")[1:]]
    values = value.split("\n")
    first = next((text for text in lines if text.strip(" ")), max(lines, key=len, default=""))
    in_value = next((text for text in values if text.strip(" ")), max(values, key=len))
    # The same line in the file and in the value: what differs is the indentation.
    indent = (len(first) - len(first.lstrip(" "))) - (len(in_value) - len(in_value.lstrip(" ")))
    for number, text in enumerate(lines, line + 1):
        yield number, min(indent, len(text)), text[indent:]
