"""Where the desk does something else than its specification, and why: data, checked when read.

The data is `deviations.yaml` in the documents folder. `where` names what does it: a rule file, a
rule in one (`orders/lifecycle.yaml#OL-90`) or a part of a module
(`mqd.engine.ledger#book`). A rule that is renamed takes its deviation with it or the page is not
written.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import mqd
from mqd.ground.errors import SettingsError
from mqd.publish.declared import source_line
from mqd.publish.rulefiles import FOLDER, RuleFiles
from mqd.publish.uses import rule_places
from mqd.rules.book import RuleBook
from mqd.rules.load import load_text
from mqd.rules.problems import Place, Problems
from mqd.rules.tree import Mapping, Scalar, Sequence

FILE = "deviations.yaml"
_TEXTS = ("title", "specification", "problem", "instead")
_KEYS = frozenset({*_TEXTS, "where"})


class Where(NamedTuple):
    """A rule, with its place in the rules, or a part of the program: where it is `declared`."""

    name: str
    place: Place | None
    declared: str = ""


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
        self._file = file
        self._names = RuleFiles.of(book).names
        self._rules = {
            f"{self._names[place.file].removeprefix(f'{FOLDER}/')}#{rule}": place
            for rule, place in rule_places(book)
        }
        self._files = {
            name.removeprefix(f"{FOLDER}/"): Place(file, 1, 1) for file, name in self._names.items()
        }

    def entry(self, key: Scalar, node: object) -> Deviation:
        """One entry; every text has to be there."""
        if not isinstance(node, Mapping) or {name.text for name, _ in node.pairs} != _KEYS:
            raise self._refused(key, f"{key.text} needs {', '.join((*_TEXTS, 'where'))}")
        texts = [
            Told(text.text, node.key_place(name).line)
            for name in _TEXTS if isinstance(text := node.get(name), Scalar)
        ]  # fmt: skip
        where = node.get("where")
        if len(texts) < len(_TEXTS) or not isinstance(where, Sequence):
            raise self._refused(key, f"{key.text} needs a sentence each, and a list of places")
        title, specification, problem, instead = texts
        places = tuple(self._where(item) for item in where.items if isinstance(item, Scalar))
        line = node.key_place("where").line
        return Deviation(title.words, specification, problem, instead, places, line)

    def _where(self, item: Scalar) -> Where:
        name = item.text
        place = self._rules.get(name) or self._files.get(name)
        if place is not None:
            return Where(name, place)
        module, _, part = name.partition("#")
        if module.startswith("mqd.") and _is_module(module):
            declared = source_line(module, part) if part else ""
            if declared:
                return Where(name, None, declared)
            raise self._refused(item, f"{module} declares no {part or 'such thing'}: name what "
                                "does it, such as mqd.engine.ledger#book")  # fmt: skip
        raise self._refused(item, f"there is no rule, rule file or module {name}")

    def _refused(self, item: Scalar, message: str) -> SettingsError:
        return SettingsError(f"{self._file}:{item.place.line}: {message}")


def _is_module(name: str) -> bool:
    path = Path(mqd.__file__).parent.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()
