"""A rule book of an older form, made whole: what its text did not say is added, and nothing else.

A journal keeps the rules that it ran under. The documents and rows added here are frozen in
`format_<number>/`: they say what the program of that form did by itself, so that a desk that is
replayed under them does today what it did then. They name no limit, so none has to be added.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mqd.rules.check.document import Document, Notes
from mqd.rules.find import find_rule_files
from mqd.rules.load import load_text
from mqd.rules.problems import Problems
from mqd.rules.shape import KINDS
from mqd.rules.tree import Mapping, Node, Scalar, Sequence

_HERE = Path(__file__).parent
_MACHINE = "machine"
_OTHERWISE = "otherwise"


class _Addition(NamedTuple):
    """One frozen document; of a machine only rows, without the states they start from."""

    kind: str
    id: str
    tree: Mapping


def made_whole(documents: list[Document], form: int, notes: Notes) -> list[Document]:
    """The documents of a rule book of `form`, with what today's form asks for besides.

    What the documents say stays as it is. A document is added where there is none of its kind and
    id, a row of a machine where the machine's text does not name its event at all.
    """
    additions = _additions(form)
    rows = {item.id: item.tree for item in additions if item.kind == _MACHINE}
    known = {(document.kind, document.id) for document in documents}
    whole = [
        _with_rows(document, rows[document.id])
        if document.kind == _MACHINE and document.id in rows
        else document
        for document in documents
    ]
    return whole + [
        Document(*item, notes)
        for item in additions
        if item.kind != _MACHINE and (item.kind, item.id) not in known
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
