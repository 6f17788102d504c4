"""A rule file as read: scalars that are text, mappings and sequences, each knowing its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mqd.rules.problems import Place


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar. `text` is what the author wrote; nothing has typed it yet.

    `places` has one (line, column) per character of `text` for scalars that are quoted, folded
    or span lines; it is empty for a plain one-line scalar, where the place of a character is
    the place of the scalar moved right.
    """

    text: str
    place: Place
    quoted: bool = False
    places: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    def place_at(self, offset: int) -> Place:
        """The place of the character at `offset` of `text` (the end counts as a character)."""
        if not self.places:
            return self.place._replace(column=self.place.column + offset)
        if offset < len(self.places):
            line, column = self.places[offset]
        else:
            line, column = self.places[-1]
            column += 1 + offset - len(self.places)
        return self.place._replace(line=line, column=column)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in the author's order; the strict loader has refused duplicates."""

    pairs: tuple[tuple[Scalar, Node], ...]
    place: Place
    _by_key: dict[str, Node] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {scalar.text: node for scalar, node in reversed(self.pairs)}
        object.__setattr__(self, "_by_key", found)

    def get(self, key: str) -> Node | None:
        """The value under `key`, or None."""
        return self._by_key.get(key)

    def key_place(self, key: str) -> Place:
        """The place of the key itself, or of the mapping when there is no such key."""
        for scalar, _ in self.pairs:
            if scalar.text == key:
                return scalar.place
        return self.place


Node = Scalar | Sequence | Mapping


def walk(node: Node) -> Iterator[Node]:
    """The node and everything under it, parents first."""
    yield node
    if isinstance(node, Sequence):
        for item in node.items:
            yield from walk(item)
    elif isinstance(node, Mapping):
        for key, value in node.pairs:
            yield key
            yield from walk(value)


def at(node: Node, *path: str | int) -> Node | None:
    """The node at the end of `path` (keys and indexes), or None where the path ends early."""
    current: Node | None = node
    for step in path:
        if isinstance(current, Mapping) and isinstance(step, str):
            current = current.get(step)
        elif isinstance(current, Sequence) and isinstance(step, int) and step < len(current.items):
            current = current.items[step]
        else:
            return None
    return current
