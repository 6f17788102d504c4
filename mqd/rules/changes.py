"""Changes for one run: `--strategy`, `--symbol`, `--set`, `--protections`.

They are made to the documents before anything is checked, so that a changed value goes through
the same checks and is part of the digest like a value in a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from mqd.ground.errors import SettingsError
from mqd.rules.book import RuleBook
from mqd.rules.check.document import Document
from mqd.rules.check.limits import PREFIX
from mqd.rules.check.values import bound_in, expected, is_inside, value_in
from mqd.rules.problems import did_you_mean
from mqd.rules.tree import Mapping, Node, Scalar

_SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,9}")


@dataclass(frozen=True, slots=True)
class Changes:
    """What one run does differently from the files; `protections` None means all of them.

    `strategy` names one, or several joined by commas.
    """

    strategy: str | None = None
    symbol: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    protections: tuple[str, ...] | None = None

    @property
    def touch_documents(self) -> bool:
        """Whether `apply` does anything."""
        return bool(self.values or self.strategy is not None or self.symbol is not None)

    def apply(self, documents: list[Document]) -> list[Document]:
        """The documents with the changes made.

        Raises:
            SettingsError: a change names nothing that exists, or a value outside its range.
        """
        strategies = {item.id: item for item in documents if item.kind == "strategy"}
        wanted = None if self.strategy is None else self.strategy.split(",")
        for name in wanted or ():
            if name not in strategies:
                raise SettingsError(_unknown("strategy", name, strategies))
        kept = [item for item in documents
                if item.kind != "strategy" or wanted is None or item.id in wanted]  # fmt: skip
        if self.strategy is not None:
            # Who names a draft wants to see it run; in a back-test nothing is at stake.
            kept = [_with(item, ("status",), "paper") if _is_at_rest(item) else item
                    for item in kept]  # fmt: skip
        if self.symbol is not None:
            if not _SYMBOL.fullmatch(self.symbol):
                raise SettingsError(f"--symbol {self.symbol!r}: expected a ticker such as SPY")
            kept = [_with(item, ("trades", "symbol"), self.symbol) if item.kind == "strategy"
                    else item for item in kept]  # fmt: skip
        for name, text in self.values.items():
            kept = _set_param(kept, name, text)
        return kept

    def keep(self, book: RuleBook) -> RuleBook:
        """The book with only the protections that this run keeps.

        Raises:
            SettingsError: a protection that is not there was named.
        """
        if self.protections is None:
            return book
        known = {protection.id for protection in book.protections}
        for name in self.protections:
            if name not in known:
                raise SettingsError(_unknown("protection", name, known))
        kept = tuple(item for item in book.protections if item.id in self.protections)
        return replace(book, protections=kept)


def _is_at_rest(document: Document) -> bool:
    return document.kind == "strategy" and document.text("status") in {"draft", "shadow", "retired"}


def _set_param(documents: list[Document], name: str, text: str) -> list[Document]:
    owners = [item for item in documents if item.kind == "strategy"
              and item.scalar("params", name, "value") is not None]  # fmt: skip
    if not owners:
        known = {key.text for item in documents for key, _ in item.pairs("params")}
        raise SettingsError(_unknown("param", name, known))
    for owner in owners:
        reference = owner.text("params", name, "value")
        if reference.startswith(PREFIX):
            limit = reference.removeprefix(PREFIX)
            documents = _replaced(
                documents, lambda item: item.kind == "limits", ("values", limit), name, text
            )
        else:
            chosen = owner.id
            documents = _replaced(
                documents,
                lambda item, chosen=chosen: item.kind == "strategy" and item.id == chosen,  # type: ignore[misc]  # bound now
                ("params", name), name, text,
            )  # fmt: skip
    return documents


def _replaced(
    documents: list[Document],
    chosen: Callable[[Document], bool],
    path: tuple[str, str],
    name: str,
    text: str,
) -> list[Document]:
    found: list[Document] = []
    for item in documents:
        if chosen(item) and item.scalar(*path, "value") is not None:
            _check_value(item, path, name, text)
            found.append(_with(item, (*path, "value"), text))
        else:
            found.append(item)
    return found


def _check_value(document: Document, path: tuple[str, str], name: str, text: str) -> None:
    unit = document.unit(*path, "unit")
    if unit is None:
        return  # the declaration itself is wrong, and the check will say so
    value = value_in(text, unit)
    if value is None:
        raise SettingsError(
            f"--set {name}={text}: not a value in {unit.name}; expected {expected(unit)}"
        )
    low, high = document.text(*path, "min"), document.text(*path, "max")
    minimum, maximum = bound_in(low, unit), bound_in(high, unit)
    if minimum is not None and maximum is not None and not is_inside(value, minimum, maximum):
        raise SettingsError(f"--set {name}={text}: outside its declared range {low} to {high}")


def _with(document: Document, path: tuple[str, ...], text: str) -> Document:
    tree = _replace_node(document.tree, path, text)
    assert isinstance(tree, Mapping)
    return replace(document, tree=tree)


def _replace_node(node: Node, path: tuple[str, ...], text: str) -> Node:
    if not path:
        return (
            replace(node, text=text, quoted=False, places=()) if isinstance(node, Scalar) else node
        )
    if not isinstance(node, Mapping):
        return node
    pairs = tuple(
        (key, _replace_node(value, path[1:], text) if key.text == path[0] else value)
        for key, value in node.pairs
    )
    return replace(node, pairs=pairs)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known)
    return f"there is no {kind} `{name}`" + (f"; {hint}" if hint else "")
