"""Where the keys of a rule document stand: a page names the line that says a thing, not its top."""

from __future__ import annotations

from collections.abc import Mapping as Texts

from mqd.publish.rulefiles import RuleFiles
from mqd.rules.book import Header, RuleBook
from mqd.rules.load import load_text
from mqd.rules.problems import Place, Problems
from mqd.rules.tree import Mapping, Node


class KeyPlaces:
    """Knows the documents of one rule book as trees; `sources` are their texts by name."""

    def __init__(self, book: RuleBook, sources: Texts[str, str]) -> None:
        self._trees: dict[str, Node | None] = {
            file: load_text(sources.get(name, ""), file, Problems())
            for file, name in RuleFiles.of(book).names.items()
        }

    def place(self, header: Header, *path: str) -> Place:
        """Where the document says this; as near to it as it goes, where it leaves it out."""
        node, place = self._trees[header.place.file], header.place
        for key in path:
            if not isinstance(node, Mapping) or node.get(key) is None:
                break
            place, node = node.key_place(key), node.get(key)
        return place
