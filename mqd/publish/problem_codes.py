"""The page of problem codes: each with its meaning, a wrong example, what is said, a right one.

The examples are data, `problem_examples.yaml` beside this module; its head says what they mean
and how they are kept true.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from collections.abc import Mapping as Texts
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import mqd.rules
from mqd.ground.errors import SettingsError
from mqd.publish.declared import source_line
from mqd.rules.codes import STAGES, all_codes
from mqd.rules.load import load_text
from mqd.rules.problems import Place, Problems
from mqd.rules.tree import Mapping, Scalar, Sequence

PAGE: Final = "problem-codes.md"
EXAMPLES: Final = Path(__file__).with_name("problem_examples.yaml")
EDIT: Final = "edit"
_REQUIRED: Final = frozenset({"file", "wrong", "right"})
_KEYS: Final = _REQUIRED | {"how", "from", "times", "encoding", "also", "says"}


@dataclass(frozen=True, slots=True)
class Example:
    """One code's wrong and right example; `lines` are those of its keys in the file."""

    code: str
    lines: Texts[str, int]
    file: str
    wrong: str
    right: str
    says: str
    how: str = EDIT
    source: str = ""
    times: int = 1
    encoding: str = "utf-8"
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One code on the page; a test sees to it that each has its example."""

    code: str
    means: str
    place: str
    example: Example | None


def stages() -> Iterator[tuple[str, list[Section]]]:
    """The stages of a check with the codes that each is the first to tell."""
    examples, places, seen = shipped_examples(), code_lines(), set()
    for title, codes in STAGES:
        new = [code for code in codes if code not in seen]
        seen.update(new)
        yield title, [Section(code, codes[code], places[code], examples.get(code)) for code in new]


@cache
def code_lines() -> dict[str, str]:
    """Where each code is declared: in the `CODES` of the module that finds the problem."""
    found: dict[str, str] = {}
    for module in pkgutil.walk_packages(mqd.rules.__path__, f"{mqd.rules.__name__}."):
        codes: dict[str, str] = getattr(importlib.import_module(module.name), "CODES", {})
        for code in codes:
            place = source_line(module.name, code)
            if place:
                found.setdefault(code, place)
    return found


@cache
def shipped_examples() -> dict[str, Example]:
    """The examples that come with the desk, by code.

    Raises:
        SettingsError: the file cannot be read as examples.
    """
    try:
        text = EXAMPLES.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot read {EXAMPLES}: {error}") from error
    return read_examples(text, EXAMPLES.name)


def read_examples(text: str, file: str) -> dict[str, Example]:
    """Every example by its code.

    Raises:
        SettingsError: the text is not that, or a code in it is none.
    """
    problems = Problems()
    tree = load_text(text, file, problems)
    if tree is None:
        raise SettingsError(problems.sorted({file: text})[0].to_text())
    return {key.text: _example(key, node) for key, node in tree.pairs}


def _example(key: Scalar, node: object) -> Example:
    if key.text not in all_codes():
        raise _refused(key.place, f"{key.text} is no problem code")
    keys = {name.text for name, _ in node.pairs} if isinstance(node, Mapping) else set()
    if not isinstance(node, Mapping) or not _REQUIRED <= keys <= _KEYS:
        raise _refused(key.place, f"{key.text} needs {', '.join(sorted(_REQUIRED))}")
    texts = {name.text: value.text for name, value in node.pairs if isinstance(value, Scalar)}
    also = node.get("also")
    times = texts.get("times", "1")
    if not times.isdecimal():
        raise _refused(key.place, f"`times` of {key.text} must be a whole number")
    return Example(
        code=key.text,
        lines={name.text: name.place.line for name, _ in node.pairs},
        file=texts.get("file", ""),
        wrong=texts.get("wrong", ""),
        right=texts.get("right", ""),
        says=texts.get("says", ""),
        how=texts.get("how", EDIT),
        source=texts.get("from", ""),
        times=int(times),
        encoding=texts.get("encoding", "utf-8"),
        also=tuple(item.text for item in also.items if isinstance(item, Scalar))
        if isinstance(also, Sequence)
        else (),
    )


def _refused(place: Place, message: str) -> SettingsError:
    return SettingsError(f"{place.file}:{place.line}: {message}")
