"""The controls that a desk with real money needs: which are built, by what, and how they are tried.

The data is `controls.yaml` in the documents folder. `where` names what enforces a control, as in
the deviations; `missing` says what of it is not there. A control has at least one of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from mqd.publish.beside_files import pairs, text, tree
from mqd.publish.where import Where, Wheres
from mqd.rules.book import RuleBook
from mqd.rules.tree import Node, Scalar, Sequence

FILE: Final = "controls.yaml"
_DOES, _WHERE, _MISSING = "does", "where", "missing"


class Fired(NamedTuple):
    """How often a code came true in a run, and when last, in words."""

    times: int
    last: str


class Control(NamedTuple):
    """One control; `line` is that of the file, `missing` is empty where all of it is built."""

    number: int
    does: str
    where: tuple[Where, ...]
    missing: str
    line: int

    @property
    def codes(self) -> tuple[str, ...]:
        """The rules behind it, without their files."""
        return tuple(
            where.name.partition("#")[2]
            for where in self.where
            if where.place and "#" in where.name
        )


class ControlSection(NamedTuple):
    """Controls of one kind."""

    letter: str
    title: str
    controls: tuple[Control, ...]


class Controls(NamedTuple):
    """What the page shows: the sections, and which codes came true in the samples."""

    sections: tuple[ControlSection, ...]
    fired: Mapping[str, Fired]


NO_CONTROLS: Final = Controls((), {})


def read_controls(path: Path, book: RuleBook) -> tuple[ControlSection, ...]:
    """The controls by section, in the order of the file; none where there is no such file.

    Raises:
        SettingsError: the file cannot be read as one, or names what is not there.
    """
    if not path.is_file():
        return ()
    wheres = Wheres(book, path.name)
    return tuple(_sections(path, wheres))


def _sections(path: Path, wheres: Wheres) -> Iterator[ControlSection]:
    for letter, section in pairs(tree(path), path):
        (title_key, title), *controls = pairs(section, path)
        if title_key.text != "title":
            raise wheres.refused(letter, f"{letter.text} needs a title first")
        made = tuple(_control(key, node, path, wheres) for key, node in controls)
        yield ControlSection(letter.text, text(title, title_key, path), made)


def _control(key: Scalar, node: Node, path: Path, wheres: Wheres) -> Control:
    if not (key.text.isascii() and key.text.isdigit()):
        raise wheres.refused(key, f"{key.text} is not the number of a control")
    found = {name.text: value for name, value in pairs(node, path)}
    if _DOES not in found or not found.keys() <= {_DOES, _WHERE, _MISSING} or len(found) == 1:
        raise wheres.refused(key, f"{key.text} needs {_DOES}, and {_WHERE} or {_MISSING} or both")
    named = found.get(_WHERE)
    if named is not None and not isinstance(named, Sequence):
        raise wheres.refused(key, f"{key.text} needs a list of places in {_WHERE}")
    items = named.items if isinstance(named, Sequence) else ()
    missing = text(found[_MISSING], key, path) if _MISSING in found else ""
    return Control(
        int(key.text), text(found[_DOES], key, path),
        tuple(wheres.find(item) for item in items if isinstance(item, Scalar)), missing,
        key.place.line,
    )  # fmt: skip
