"""A rule book of an older form, made whole: what its text did not say is added, and nothing else.

A journal keeps the rules that it ran under. The documents, keys and rows added here are frozen in
`format_<number>/`: they say what the program of that form did by itself, so that a desk that is
replayed under them does today what it did then. They name no limit, so none has to be added. A
text of one form becomes one of the next, until it is of today's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mqd.rules.check.document import Document, Notes
from mqd.rules.digest import OLDER_FORMATS
from mqd.rules.find import find_rule_files
from mqd.rules.load import load_text
from mqd.rules.problems import Problems
from mqd.rules.shape import KINDS
from mqd.rules.tree import Mapping, Node, Scalar, Sequence

_HERE = Path(__file__).parent
_MACHINE = "machine"
_OTHERWISE = "otherwise"


class _Addition(NamedTuple):
    """One frozen document; of a machine that the text has only rows, without the states.

    Of another document that the text has already, what its form could not say.
    """

    kind: str
    id: str
    tree: Mapping


def made_whole(documents: list[Document], form: int, notes: Notes) -> list[Document]:
    """The documents of a rule book of `form`, with what today's form asks for besides.

    What the documents say stays as it is. A document is added where there is none of its kind and
    id, a row of a machine where the machine's text does not name its event at all, and elsewhere a
    key that the text has not. A machine that is added is a whole one, with its states.
    """
    for older in sorted(each for each in OLDER_FORMATS if each >= form):
        documents = _of_next_form(documents, older, notes)
    return documents


def _of_next_form(documents: list[Document], form: int, notes: Notes) -> list[Document]:
    additions = _additions(form)
    trees = {(item.kind, item.id): item.tree for item in additions}
    known = {(document.kind, document.id) for document in documents}
    whole = [
        _grown(document, trees[document.kind, document.id])
        if (document.kind, document.id) in trees
        else document
        for document in documents
    ]
    return whole + [
        Document(*item, notes)
        for item in additions
        if (item.kind, item.id) not in known and _is_whole(item)
    ]


@cache
def _additions(form: int) -> tuple[_Addition, ...]:
    problems = Problems()
    found: list[_Addition] = []
    for file in find_rule_files(_HERE / f"format_{form}", problems):
        tree = load_text(file.text, f"format_{form}/{file.path.name}", problems)
        assert tree is not None, f"{file.shown} cannot be read"
        key, value = next(pair for pair in tree.pairs if pair[0].text in KINDS)
        assert isinstance(value, Scalar), f"{file.shown} has no id"
        found.append(_Addition(key.text, value.text, tree))
    return tuple(found)


def _is_whole(item: _Addition) -> bool:
    return item.kind != _MACHINE or item.tree.get("states") is not None


def _grown(document: Document, addition: Mapping) -> Document:
    if document.kind == _MACHINE:
        return _with_rows(document, addition)
    return replace(document, tree=_with_keys(document.tree, addition))


def _with_keys(tree: Mapping, addition: Mapping) -> Mapping:
    """The tree with every key that only the addition has, at any depth."""
    pairs: list[tuple[Scalar, Node]] = []
    for key, value in tree.pairs:
        frozen = addition.get(key.text)
        if isinstance(value, Mapping) and isinstance(frozen, Mapping):
            pairs.append((key, _with_keys(value, frozen)))
        else:
            pairs.append((key, value))
    own = {key.text for key, _ in tree.pairs}
    pairs += [pair for pair in addition.pairs if pair[0].text not in own]
    return replace(tree, pairs=tuple(pairs))


def _with_rows(document: Document, addition: Mapping) -> Document:
    """The machine with a row from each of its states for every event that it does not name."""
    named = {
        event.text
        for kind in ("transitions", _OTHERWISE)
        for index in range(document.count(kind))
        for event in document.items(kind, index, "event")
    }
    states = tuple(key for key, _ in document.pairs("states"))
    given, frozen = document.tree.get(_OTHERWISE), addition.get(_OTHERWISE)
    rows = frozen.items if isinstance(frozen, Sequence) else ()
    added = tuple(row for each in rows if (row := _row(each, named, states)) is not None)
    if not added or not isinstance(given, Sequence | None):  # what is no list is told as such
        return document
    items = (*(given.items if given else ()), *added)
    pairs = [pair for pair in document.tree.pairs if pair[0].text != _OTHERWISE]
    place = given.place if given else document.tree.place
    pairs.append((Scalar(_OTHERWISE, place), Sequence(items, place)))
    return replace(document, tree=Mapping(tuple(pairs), document.tree.place))


def _row(row: Node, named: set[str], states: tuple[Scalar, ...]) -> Mapping | None:
    """The row for those of its events that nothing names, from every state; None without any."""
    events = row.get("event") if isinstance(row, Mapping) else None
    assert isinstance(row, Mapping), "a frozen row is no mapping"
    assert isinstance(events, Sequence), "a frozen row lists its events"
    missing = tuple(
        item for item in events.items if isinstance(item, Scalar) and item.text not in named
    )
    if not missing:
        return None
    pairs = [pair for pair in row.pairs if pair[0].text != "event"]
    pairs += [
        (Scalar("event", row.place), Sequence(missing, events.place)),
        (Scalar("from", row.place), Sequence(states, row.place)),
    ]
    return Mapping(tuple(pairs), row.place)
