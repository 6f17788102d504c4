"""YAML files beside the rules, read as strictly as these: keys with values, and their places."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mqd.ground.errors import SettingsError
from mqd.rules.load import load_text
from mqd.rules.problems import Problems
from mqd.rules.tree import Mapping, Node, Scalar


def tree(path: Path) -> Node:
    """The file as a tree.

    Raises:
        SettingsError: it cannot be read, or is no YAML that a rule could be in.
    """
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    return _parsed(written, path.name)


@cache
def _parsed(written: str, file: str) -> Node:
    """The text as a tree; kept, as such files stay while the rules are edited."""
    problems = Problems()
    found = load_text(written, file, problems)
    first = next(iter(problems.sorted({file: written})), None)
    if found is None or first is not None:
        raise SettingsError(first.to_text() if first else f"{file}: nothing in it")
    return found


def pairs(node: Node, path: Path) -> tuple[tuple[Scalar, Node], ...]:
    """The keys and values of a mapping.

    Raises:
        SettingsError: it is none.
    """
    if not isinstance(node, Mapping):
        raise SettingsError(f"{path.name}:{node.place.line}: expected keys with values")
    return node.pairs


def fields(node: Node, names: tuple[str, ...], key: Scalar, path: Path) -> tuple[Node, ...]:
    """The values of exactly these names.

    Raises:
        SettingsError: one is missing, or there is another.
    """
    found = {name.text: value for name, value in pairs(node, path)}
    if found.keys() != set(names):
        raise SettingsError(f"{path.name}:{key.place.line}: {key.text} needs {', '.join(names)}")
    return tuple(found[name] for name in names)


def texts(node: Node, names: tuple[str, ...], key: Scalar, path: Path) -> tuple[str, ...]:
    """The sentences under exactly these names.

    Raises:
        SettingsError: one is missing or empty, or there is another.
    """
    return tuple(text(value, key, path) for value in fields(node, names, key, path))


def text(node: Node, key: Scalar, path: Path) -> str:
    """A sentence.

    Raises:
        SettingsError: it is none, or empty.
    """
    if not isinstance(node, Scalar) or not node.text.strip():
        raise SettingsError(f"{path.name}:{key.place.line}: {key.text} needs a sentence")
    return node.text
