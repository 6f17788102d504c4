"""The canonical text of a set of rule documents, and the way back from it.

The text does not depend on formatting, comments, spacing inside expressions or the order of keys
that have no order. Where order means something (conditions, exits, states) it is kept.
The journal stores this text, so that a journal can be replayed without the files.
"""

from __future__ import annotations

from typing import Any

from mqd.ground.canonical import decimal_text, decode, encode
from mqd.rules.check.values import number
from mqd.rules.problems import Place
from mqd.rules.tree import Mapping, Node, Scalar, Sequence

NUMERIC = frozenset({
    "value", "min", "max", "step", "format", "win_rate_below", "over_trades",
})  # fmt: skip
ORDERED = frozenset({
    "params", "measures", "values", "states", "no_trade", "exits", "entries",
    "sets_aside", "blocks_entries",
})  # fmt: skip
FORMAT = 1


def canonical_text(
    documents: list[tuple[str, str, Mapping]],
    expression_texts: dict[Place, str],
    protections: tuple[str, ...] | None,
) -> str:
    """The text for documents given as (kind, id, tree).

    `protections` are the ones that the run keeps; None when it keeps all.
    """
    whole: dict[str, Any] = {
        "format": FORMAT,
        "documents": [
            [kind, name, _plain(tree, "", expression_texts)]
            for kind, name, tree in sorted(documents, key=lambda item: item[:2])
        ],
    }
    if protections is not None:
        whole["protections"] = sorted(set(protections))
    return encode(whole)


def _plain(node: Node, key: str, texts: dict[Place, str]) -> Any:
    if isinstance(node, Scalar):
        if node.place in texts:
            return texts[node.place]
        value = number(node.text) if key in NUMERIC else None
        return node.text if value is None else decimal_text(value)
    if isinstance(node, Sequence):
        return [_plain(item, "", texts) for item in node.items]
    pairs = [(name.text, _plain(value, name.text, texts)) for name, value in node.pairs]
    return {"ordered": [list(pair) for pair in pairs]} if key in ORDERED else dict(pairs)


def documents_of(text: str) -> tuple[list[tuple[str, str, Mapping]], tuple[str, ...] | None]:
    """The documents and kept protections that `canonical_text` wrote; places are line numbers.

    Raises:
        ValueError: a text of another format.
    """
    whole = decode(text)
    if whole["format"] != FORMAT:
        raise ValueError(f"rules of format {whole['format']}, expected {FORMAT}")
    rebuild = _Rebuilder()
    documents = [
        (kind, name, rebuild.document(kind, body)) for kind, name, body in whole["documents"]
    ]
    kept = whole.get("protections")
    return documents, None if kept is None else tuple(kept)


class _Rebuilder:
    """Gives every scalar a place of its own, because expressions are known by their place."""

    def __init__(self) -> None:
        self._line = 0

    def document(self, kind: str, body: dict[str, Any]) -> Mapping:
        """The tree of one document, which starts with what it is."""
        return self.mapping({kind: body[kind], **body})

    def mapping(self, body: dict[str, Any]) -> Mapping:
        """The tree of one mapping, ordered or not."""
        place = self._place()
        ordered = set(body) == {"ordered"} and isinstance(body["ordered"], list)
        pairs = body["ordered"] if ordered else body.items()
        return Mapping(tuple((self._scalar(key), self._node(value)) for key, value in pairs), place)

    def _node(self, body: Any) -> Node:
        if isinstance(body, dict):
            return self.mapping(body)
        if isinstance(body, list):
            return Sequence(tuple(self._node(item) for item in body), self._place())
        return self._scalar(body)

    def _scalar(self, text: Any) -> Scalar:
        if not isinstance(text, str):
            raise TypeError(f"a text was expected, not {text!r}")
        return Scalar(text, self._place())

    def _place(self) -> Place:
        self._line += 1
        return Place("", self._line, 1)
