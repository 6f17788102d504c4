"""Text of a rule file as Markdown: shown as it is, whatever it holds, and on one line.

A sentence of an author may hold anything. It must not end a table cell, start a tag, a list, a
link, a formula or an attribute list, neither on GitHub nor in mkdocs. Numeric entities do that
in both; they are used only for characters that mean something to one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"[&<>|`*\[\]{}\\~#$]|(?<!\w)_|_(?!\w)")
_AT_START = re.compile(r"^[^\w\s&(\"']|^\d+(?=[.)])")
_WORD = re.compile(r"[^a-z0-9]+")


def text(value: str) -> str:
    """The sentence, inert; runs of white space and what cannot be printed become one space."""
    inert = _inert(_one_line(value))
    return _AT_START.sub(lambda found: "".join(map(_entity, found.group())), inert)


def code(value: str) -> str:
    """The words in code type: plain backticks where those are safe in a table cell."""
    line = _one_line(value)
    if not line:
        return ""
    if "`" in line or "|" in line:
        return f"<code>{_SPECIAL.sub(lambda found: _entity(found.group()), line)}</code>"
    return f"`{line}`"


def codes(values: Sequence[str], last: str = ", ") -> str:
    """Several words in code type with commas, `last` before the last one."""
    shown = [code(value) for value in values]
    return last.join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def spoken(sentence: str) -> str:
    """A sentence of ours: the names in backticks become code, all else is inert text."""
    pieces = sentence.split("`")
    return "".join(
        code(piece) if place % 2 else _inert(piece) for place, piece in enumerate(pieces)
    )


def yes_no(answer: bool) -> str:  # noqa: FBT001  # Jinja hands a filter its value by position
    """The word for an answer."""
    return "yes" if answer else "no"


def error_link(name: str) -> str:
    """A typed error as a link to what it means, on the same page."""
    return f"[{code(name)}](#{slug('error', name)})"


def slug(*words: str) -> str:
    """An anchor's id: small letters, digits and hyphens."""
    return _WORD.sub("-", "-".join(words).lower()).strip("-")


def anchor(*words: str) -> str:
    """A place that links can lead to."""
    return f'<a id="{slug(*words)}"></a>'


def _inert(line: str) -> str:
    return _SPECIAL.sub(lambda found: _entity(found.group()), line)


def _one_line(value: str) -> str:
    printable = "".join(ch if ch.isprintable() else " " for ch in value)
    return " ".join(printable.split())


def _entity(character: str) -> str:
    return f"&#{ord(character)};"
