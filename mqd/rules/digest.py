"""The canonical text of a set of rule documents, and the way back from it.

The text does not depend on formatting, comments, spacing inside expressions or the order of keys
that have no order. Where order means something (conditions, exits, states) it is kept.
The journal stores this text, so that a journal can be replayed without the files.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mqd.ground.canonical import decimal_text, decode, encode
from mqd.rules.check.values import number
from mqd.rules.problems import Place
from mqd.rules.tree import Mapping, Node, Scalar, Sequence

NUMERIC = frozenset({
    "value", "min", "max", "step", "format", "win_rate_below", "over_trades",
    "status", "error_code", "sizes", "warmup", "share", "sessions", "looks_back", "counts", "curve",
    "stale_after",
})  # fmt: skip
ORDERED = frozenset({
    "params", "measures", "values", "states", "no_trade", "exits", "entries",
    "sets_aside", "blocks_entries", "rows", "looks_again", "tolerates", "refuses", "always",
    "answers", "forms", "strategies", "tags", "expected", "failure_regimes", "rules",
})  # fmt: skip
FORMAT = 5
"""The form of a text that is written today: a whole book with watches, a comparison, invariants,
all that a broker says and takes, the breaker to it, and the lives of strategies and protections.
A text of another form lacks some of it (`mqd/rules/older`).
"""
OLDER_FORMATS = frozenset({1, 2, 3, 4})


class Written(NamedTuple):
    """What a canonical text says: its form, the documents as (kind, id, tree), kept protections."""

    form: int
    documents: list[tuple[str, str, Mapping]]
    protections: tuple[str, ...] | None


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


def documents_of(text: str) -> Written:
    """What `canonical_text`, of this version or an older one, wrote; places are line numbers.

    Raises:
        ValueError: a text of a form that is not known.
        TypeError: what should be a text is none.
    """
    whole = decode(text)
    form = whole["format"]
    if type(form) is not int or form not in {FORMAT, *OLDER_FORMATS}:  # nor true, nor 1.0
        raise ValueError(f"rules of format {form}, expected {FORMAT}")
    if not all(isinstance(text, str) for part in whole["documents"] for text in part[:2]):
        raise TypeError("a document's kind or id is not a text")
    rebuild = _Rebuilder()
    documents = [
        (kind, name, rebuild.document(kind, body)) for kind, name, body in whole["documents"]
    ]
    kept = whole.get("protections")
    return Written(form, documents, None if kept is None else tuple(kept))


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
