"""The rule files behind the pages: their names, links to their lines, a page for each.

A link to `../rules/...` would leave the site, and an address of one repository would be wrong in
every copy of it. So each rule file is shown on a page of its own, line by line with an anchor on
each: the same relative link works in a checkout, on GitHub and in the built site, without a
network, and `mkdocs build --strict` checks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import takewhile
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from mqd.ground.errors import SettingsError
from mqd.publish.markdown import code
from mqd.rules.book import Header, RuleBook
from mqd.rules.problems import Place

FOLDER = "rules"
MARK = "Written by `mqd docs`"


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """Names of rule files that do not depend on where the checkout stands.

    `names` maps a file as the user named it to `rules/<path under the rules folder>`.
    """

    names: dict[str, str]

    @classmethod
    def of(cls, book: RuleBook) -> RuleFiles:
        """The files that the book was read from."""
        files = sorted({header.place.file for header in headers(book)})
        folders = [PurePosixPath(file).parent.parts for file in files]
        common = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
        depth = len(list(common))
        return cls({file: "/".join((FOLDER, *_parts(file)[depth:])) for file in files})

    def page(self, place: Place) -> str:
        """The page that shows the file, relative to the docs folder."""
        return f"{self.names[place.file]}.md"

    def file_link(self, place: Place, up: str = "") -> str:
        """The file's name and the line's number as a link to that line.

        `up` leads from the page that holds the link to the docs folder.
        """
        return self.named_link(f"{self.names[place.file]}:{place.line}", place, up)

    def line_link(self, place: Place, up: str = "") -> str:
        """The line's number alone, for a table whose file is named above it."""
        return f"[line&nbsp;{place.line}]({up}{self.target(place)})"

    def named_link(self, name: str, place: Place, up: str = "") -> str:
        """A rule's own name as a link to its line."""
        return f"[{code(name)}]({up}{self.target(place)})"

    def target(self, place: Place) -> str:
        """Where a link to the line leads, from the docs folder."""
        return f"{quote(self.page(place))}#{line_id(place.line)}"


def headers(book: RuleBook) -> Iterator[Header]:
    """The header of every document in the book; a document is a file."""
    yield book.limits_header
    yield from (strategy.header for strategy in book.strategies)
    yield from (protection.header for protection in book.protections)
    yield from (thesis.header for thesis in book.theses)
    for rules in (book.sets_aside, book.blocks_entries, book.entry_checks, book.exit_checks):
        yield rules.header
    yield from (machine.header for machine in book.machines)
    for watch in book.watches:
        yield watch.header
    yield book.reconciliation.header
    if book.portfolio is not None:
        yield book.portfolio.header
    yield from (invariants.header for invariants in book.invariants)
    yield book.broker_words.header
    yield from (item.header for item in (book.regimes, book.attribution) if item is not None)
    yield from (series.header for series in book.series)


def read_sources(book: RuleBook) -> dict[str, str]:
    """The text of every file of the book, by its name.

    Raises:
        SettingsError: a file that the rules were read from is gone.
    """
    found: dict[str, str] = {}
    for file, name in RuleFiles.of(book).names.items():
        try:
            found[name] = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"cannot read the rule file {file}: {error.strerror}") from error
    return found


def source_page(name: str, source: str, back: Mapping[str, str]) -> str:
    """One rule file as a page: every line with its number, which is also its anchor.

    `back` are the pages that say it in words: their paths by their titles.
    """
    lines = source.splitlines()
    digits = len(str(len(lines)))
    up = "../" * name.count("/")
    in_words = ", ".join(f"[{title}]({up}{quote(path)})" for title, path in back.items())
    shown = [
        f'<a id="{line_id(number)}" href="#{line_id(number)}">{number:>{digits}}</a>'
        f"  {escape(line, quote=False)}".rstrip()
        for number, line in enumerate(lines, 1)
    ]
    return "\n".join(
        [
            f"# {code(name)}",
            "",
            f"{MARK} from {code(f'{name}:1')} on. Edit the rule file itself. In words: {in_words}.",
            "",
            "<pre>",
            *shown,
            "</pre>",
            "",
        ]
    )


def line_id(number: int) -> str:
    """The anchor of a line; GitHub would take `L58` for a line of the page's own source."""
    return f"line-{number}"


def _parts(file: str) -> tuple[str, ...]:
    return PurePosixPath(file).parts
