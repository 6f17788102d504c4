"""Where the desk does something else than its specification, and why: data, checked when read.

The data is `deviations.yaml` in the documents folder. `where` names what does it; a rule that is
renamed takes its deviation with it or the page is not written.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd.ground.errors import SettingsError
from mqd.publish.where import Where, Wheres
from mqd.rules.book import RuleBook
from mqd.rules.load import load_text
from mqd.rules.problems import Problems
from mqd.rules.tree import Mapping, Scalar, Sequence

FILE = "deviations.yaml"
_TEXTS = ("title", "specification", "problem", "instead")
_KEYS = frozenset({*_TEXTS, "where"})


class Told(NamedTuple):
    """A sentence, and its line in the file."""

    words: str
    line: int


class Deviation(NamedTuple):
    """One entry of the page; `where_line` is that of the list in the file."""

    title: str
    specification: Told
    problem: Told
    instead: Told
    where: tuple[Where, ...]
    where_line: int


def read_deviations(text: str, file: str, book: RuleBook) -> tuple[Deviation, ...]:
    """Every entry, in the order of the file.

    Raises:
        SettingsError: the file cannot be read as one, or names what is not there.
    """
    problems = Problems()
    tree = load_text(text, file, problems)
    first = next(iter(problems.sorted({file: text})), None)
    if tree is None or first is not None:
        raise SettingsError(first.to_text() if first else f"{file}: nothing in it")
    reader = _Reader(book, file)
    return tuple(reader.entry(key, node) for key, node in tree.pairs)


class _Reader:
    """Reads one file against one rule book."""

    def __init__(self, book: RuleBook, file: str) -> None:
        self._wheres = Wheres(book, file)

    def entry(self, key: Scalar, node: object) -> Deviation:
        """One entry; every text has to be there."""
        if not isinstance(node, Mapping) or {name.text for name, _ in node.pairs} != _KEYS:
            raise self._wheres.refused(key, f"{key.text} needs {', '.join((*_TEXTS, 'where'))}")
        texts = [
            Told(text.text, node.key_place(name).line)
            for name in _TEXTS if isinstance(text := node.get(name), Scalar)
        ]  # fmt: skip
        where = node.get("where")
        if len(texts) < len(_TEXTS) or not isinstance(where, Sequence):
            raise self._wheres.refused(
                key, f"{key.text} needs a sentence each, and a list of places"
            )
        title, specification, problem, instead = texts
        places = tuple(self._wheres.find(item) for item in where.items if isinstance(item, Scalar))
        line = node.key_place("where").line
        return Deviation(title.words, specification, problem, instead, places, line)
