"""A rule document under check: forgiving access to its tree, strict notes of what is wrong.

The shape stage has already reported what is missing or has the wrong form, so a getter here
answers None instead of reporting it twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mqd.ground.units import UNITS, Unit
from mqd.rules.book import Assumption, Header
from mqd.rules.problems import Place, Problems
from mqd.rules.tree import Mapping, Node, Scalar, Sequence, at


@dataclass(slots=True)
class Notes:
    """What one check run collects: problems, and the one way to write each expression.

    `as_written` is True for the files as they stand: each limit is said once and used. A run's
    own changes may repeat a limit or leave one unused. `some_unread` is True when a file could
    not be read at all: what seems to be missing may be in it.
    """

    problems: Problems
    expression_texts: dict[Place, str] = field(default_factory=dict)
    as_written: bool = False
    some_unread: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One rule file's tree with its kind and id."""

    kind: str
    id: str
    tree: Mapping
    notes: Notes

    @property
    def place(self) -> Place:
        """Where the id stands."""
        return self.place_of(self.kind)

    def header(self) -> Header:
        """The document's header; text that is missing is empty here and reported elsewhere."""
        assumes = self.items("assumes")
        return Header(
            kind=self.kind,
            id=self.id,
            title=self.text("title"),
            owner=self.text("owner"),
            since=self.text("since"),
            because=self.text("because"),
            place=self.place,
            assumes=tuple(Assumption(item.text, item.place) for item in assumes),
        )

    def scalar(self, *path: str | int) -> Scalar | None:
        """The scalar at the end of the path."""
        node = at(self.tree, *path)
        return node if isinstance(node, Scalar) else None

    def text(self, *path: str | int) -> str:
        """The text at the end of the path, or empty."""
        scalar = self.scalar(*path)
        return scalar.text if scalar else ""

    def pairs(self, *path: str | int) -> tuple[tuple[Scalar, Node], ...]:
        """The keys and values of the mapping at the end of the path, or none."""
        node = at(self.tree, *path) if path else self.tree
        return node.pairs if isinstance(node, Mapping) else ()

    def items(self, *path: str | int) -> tuple[Scalar, ...]:
        """The scalars of the list at the end of the path; a single scalar counts as a list."""
        node = at(self.tree, *path)
        if isinstance(node, Scalar):
            return (node,)
        if isinstance(node, Sequence):
            return tuple(item for item in node.items if isinstance(item, Scalar))
        return ()

    def count(self, *path: str | int) -> int:
        """How many items the list at the end of the path has."""
        node = at(self.tree, *path)
        return len(node.items) if isinstance(node, Sequence) else 0

    def place_of(self, *path: str | int) -> Place:
        """The place of the value at the end of the path, or of the nearest thing above it."""
        for length in range(len(path), 0, -1):
            node = at(self.tree, *path[:length])
            if node is not None:
                return node.place
        return self.tree.place

    def key_place(self, *path: str) -> Place:
        """The place of the last key of the path itself."""
        owner = at(self.tree, *path[:-1]) if len(path) > 1 else self.tree
        return owner.key_place(path[-1]) if isinstance(owner, Mapping) else self.place

    def unit(self, *path: str | int) -> Unit | None:
        """The unit named at the end of the path, or None."""
        return UNITS.get(self.text(*path))

    def rule(self, *path: str | int) -> str:
        """The rule id for problems: the document's id and the path within it."""
        return ".".join([self.id, *(str(step) for step in path)])

    def note(
        self, place: Place, path: tuple[str | int, ...], code: str, message: str, hint: str = ""
    ) -> None:
        """Note one problem of the rule at `path`, unless the form there was told to be wrong."""
        if not self.notes.problems.has_at(place, "SHAPE_"):
            self.notes.problems.add(place, self.rule(*path), code, message, hint)
