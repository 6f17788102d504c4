"""The whole way: files -> trees -> shape -> meaning -> together -> a frozen rule book."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mqd.ground.canonical import digest
from mqd.ground.errors import JournalError, RuleError
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.check.document import Document, Notes
from mqd.rules.check.together import Together
from mqd.rules.digest import OLDER_FORMATS, canonical_text, documents_of
from mqd.rules.find import find_rule_files
from mqd.rules.load import load_text
from mqd.rules.older.upgrade import made_whole
from mqd.rules.problems import ERROR, Problem, Problems
from mqd.rules.shape import KINDS, check_shape
from mqd.rules.tree import Mapping

NO_CHANGES = Changes()
_KEPT = 256  # files; a desk has a few dozen


class Report(NamedTuple):
    """What one validation found: the book and its digest when there are no errors."""

    book: RuleBook | None
    problems: tuple[Problem, ...]

    @property
    def digest(self) -> str:
        """The digest of the rules, or empty when they have errors."""
        return self.book.digest if self.book else ""


def validate(root: Path, changes: Changes = NO_CHANGES) -> Report:
    """Check every rule file under `root` and report everything that is wrong.

    Raises:
        SettingsError: `root` is no folder with rules, or a change of the run is impossible.
    """
    notes = Notes(Problems(), as_written=True)
    files = find_rule_files(root, notes.problems)
    all_found = not notes.problems
    documents: list[Document] = []
    for file in files:
        tree, told = _read(file.text, file.shown)
        notes.problems.add_all(told)
        if tree is not None:
            # Meaning is looked at even where the shape is wrong: one run shows everything.
            documents += _document(tree, notes)
    notes.some_unread = not all_found or len(documents) < len(files)
    changed = changes.apply(documents)
    book = _book(documents, notes, str(root), changes.protections)
    if book is not None and changes.touch_documents:
        # The files pass as they stand; a run's changes go through the same checks after that.
        again = Notes(notes.problems)
        changed = [replace(document, notes=again) for document in changed]
        book = _book(changed, again, str(root), changes.protections)
    sources = {file.shown: file.text for file in files}
    problems = tuple(notes.problems.sorted(sources))
    return Report(changes.keep(book) if book else None, problems)


def load_rules(root: Path, changes: Changes = NO_CHANGES) -> RuleBook:
    """The frozen rule book of the files under `root`.

    Raises:
        RuleError: the rules have errors; it carries every problem.
        SettingsError: `root` is no folder with rules, or a change of the run is impossible.
    """
    report = validate(root, changes)
    if report.book is None:
        raise RuleError(report.problems, str(root))
    return report.book


def rules_from_text(canonical: str) -> RuleBook:
    """The rule book that a journal kept as its canonical text.

    A text of an older form is made whole; its digest stays that of the text as it was kept.

    Raises:
        JournalError: the text is not that of a valid rule book.
    """
    notes = Notes(Problems())
    try:
        form, parts, protections = documents_of(canonical)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JournalError(f"the journal's rules cannot be read: {error}") from error
    documents = [Document(kind, name, tree, notes) for kind, name, tree in parts]
    if form in OLDER_FORMATS:
        documents = made_whole(documents, form, notes)
    for document in documents:
        check_shape(document.tree, notes.problems)
    book = _book(documents, notes, "journal", protections)
    if book is None:
        first = next(one for one in notes.problems.sorted() if one.severity == ERROR)
        raise JournalError(f"the journal's rules no longer pass the checks: {first.message}")
    if form in OLDER_FORMATS:
        book = replace(book, digest=digest(canonical), canonical=canonical)
    return Changes(protections=protections).keep(book)


@lru_cache(maxsize=_KEPT)
def _read(text: str, shown: str) -> tuple[Mapping | None, tuple[Problem, ...]]:
    """The tree of a file and what is wrong with its form; whoever edits reads the others again."""
    problems = Problems()
    tree = load_text(text, shown, problems)
    if tree is not None:
        check_shape(tree, problems)
    return tree, tuple(problems.sorted())


def _book(
    documents: list[Document], notes: Notes, root: str, protections: tuple[str, ...] | None
) -> RuleBook | None:
    book = Together(documents, notes, root).book()
    if book is None:
        return None
    text = canonical_text(
        [(item.kind, item.id, item.tree) for item in documents],
        notes.expression_texts,
        protections,
    )
    return replace(book, digest=digest(text), canonical=text)


def _document(tree: Mapping, notes: Notes) -> list[Document]:
    """The document of a tree whose kind is known; the shape stage reported the others."""
    for key, value in tree.pairs:
        if key.text in KINDS:
            return [Document(key.text, getattr(value, "text", ""), tree, notes)]
    return []
